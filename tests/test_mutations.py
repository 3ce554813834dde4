"""The deliberate errors of mutations.py can all be put in: a change of the code takes them along."""

from tests.mutations import MUTATIONS, ROOT


def test_each_error_has_the_one_place_where_it_goes() -> None:
    places = {each.name: (ROOT / "kvplan" / each.file).read_text().count(each.old) for each in MUTATIONS}
    assert {name for name, count in places.items() if count != 1} == set()
    assert len(places) == len(MUTATIONS)
