"""The memory from which on a pool of states under the ratio leaves room for tokens, byte by byte."""

from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from kvplan.engines.sglang.states import StatePool


@given(
    slot_bytes=st.integers(1, 9),
    per_request=st.integers(1, 3),
    ratio=st.fractions(Fraction(1, 4), 4, max_denominator=9),
    drafted=st.integers(0, 3),
    requests=st.integers(0, 4),
    token_bytes=st.integers(1, 200),
    slots=st.integers(0, 12),
)
def test_from_the_least_memory_on_every_byte_more_holds_the_same(  # noqa: PLR0913 - facts of a pool
    *,
    slot_bytes: int,
    per_request: int,
    ratio: Fraction,
    drafted: int,
    requests: int,
    token_bytes: int,
    slots: int,
) -> None:
    """The pool's size by _handle_max_mamba_cache, over a stretch of several slots more."""
    pool = StatePool(
        slot_bytes=slot_bytes,
        per_request=per_request,
        fixed=None,
        ratio=ratio,
        drafted=drafted,
        requests=requests,
    )

    def holds(memory: int) -> bool:
        size = pool.slots(memory)
        return size >= slots and memory - pool.charged(size) * slot_bytes >= token_bytes

    least = pool.least_bytes(token_bytes, slots)
    assert not holds(least - 1)
    assert all(map(holds, range(least, least + 600)))
