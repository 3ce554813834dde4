"""Which deliberate errors concern L4 is said by their names, and a name that is gone says nothing."""

from tests.fakecuda.errors import APART, CONCERNED
from tests.mutations import MUTATIONS


def test_each_error_that_is_set_apart_is_there_and_would_concern_l4() -> None:
    files = {each.name: each.file for each in MUTATIONS}
    assert {name for name in APART if not files.get(name, "").startswith(CONCERNED)} == set()
