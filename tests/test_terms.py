"""The algebra: rows of a term, units on a rank, and their product."""

from collections import deque

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kvplan.dtypes import BF16, FP8_PER_TOKEN_HEAD
from kvplan.errors import SplitError
from kvplan.terms import Allocation, Fixed, Growing, Split, Stage, Term

COUNTS = st.integers(1, 256)
GROWING = st.builds(
    Growing,
    window=st.none() | st.integers(1, 40),
    stride=st.integers(1, 9),
    skip=st.integers(0, 12),
    chunked=st.booleans(),
)


def rows_token_by_token(rows: Growing, tokens: int) -> int:
    """Drop what leaves the window, set the newest `skip` aside, write a row for each full stride."""
    held: deque[int] = deque(maxlen=rows.window)
    held.extend(range(tokens))
    for _ in range(min(rows.skip, len(held))):
        held.pop()
    written = 0
    while len(held) >= rows.stride:
        for _ in range(rows.stride):
            held.popleft()
        written += 1
    return written


@given(GROWING, st.integers(0, 100))
def test_rows_equal_a_count_token_by_token(rows: Growing, tokens: int) -> None:
    assert rows.at(tokens) == rows_token_by_token(rows, tokens)


@given(GROWING, st.integers(0, 100))
def test_rows_never_fall_as_tokens_grow(rows: Growing, tokens: int) -> None:
    assert rows.at(tokens) <= rows.at(tokens + 1) <= rows.at(tokens) + 1


@pytest.mark.parametrize(
    ("rows", "by_tokens"),
    [
        (Growing(), {0: 0, 1: 1, 100_000: 100_000}),
        (Growing(window=1024), {1023: 1023, 1024: 1024, 1025: 1024}),
        (Growing(stride=4), {1: 0, 3: 0, 4: 1, 5: 1, 8: 2}),
        (Growing(skip=128), {127: 0, 128: 0, 129: 1}),
        (Growing(window=100, skip=128), {99: 0, 1_000: 0}),
        (Growing(window=1024, stride=128, skip=128), {128: 0, 255: 0, 256: 1, 257: 1, 9_999: 7}),
        (Fixed(), {0: 1, 1: 1, 100_000: 1}),
        (Fixed(count=3), {0: 3, 1: 3, 100_000: 3}),
    ],
)
def test_rows_at_the_edges(rows: Growing | Fixed, by_tokens: dict[int, int]) -> None:
    """At a window, a stride and a skip, and one token to each side."""
    assert {tokens: rows.at(tokens) for tokens in by_tokens} == by_tokens


@given(COUNTS, COUNTS, st.booleans())
def test_ranks_together_hold_every_unit(count: int, tp: int, replicable: bool) -> None:  # noqa: FBT001
    """All ranks hold *count* units exactly where it divides, else each unit as often as it is copied."""
    split = Split(unit="groups", count=count, replicable=replicable)
    spreads = count % tp == 0 or (replicable and tp % count == 0)
    if not spreads:
        with pytest.raises(SplitError):
            split.on_rank(tp)
        return
    assert split.on_rank(tp) * tp >= count
    assert split.on_rank(tp) * tp == count * split.copies(tp)
    if count % tp == 0:
        assert split.copies(tp) == 1


@given(COUNTS, st.integers(1, 16))
def test_replication_never_makes_a_rank_smaller(count: int, times: int) -> None:
    """One unit a rank is the least, however many ranks there are."""
    split = Split(unit="groups", count=count, replicable=True)
    assert split.on_rank(count * times) == split.on_rank(count) == 1
    assert split.copies(count * times) == times


@pytest.mark.parametrize(
    ("split", "tp", "problem"),
    [
        (
            Split(unit="groups", count=8, replicable=True),
            3,
            "8 groups do not spread over tp=3: neither 8 % 3 nor 3 % 8 is 0",
        ),
        (
            Split(unit="heads", count=12, replicable=False),
            8,
            "12 heads do not spread over tp=8: 12 % 8 is 4, not 0",
        ),
        (
            Split(unit="heads", count=4, replicable=False),
            8,
            "4 heads do not spread over tp=8: 4 % 8 is 4, not 0",
        ),
    ],
)
def test_what_does_not_spread_says_why(split: Split, tp: int, problem: str) -> None:
    with pytest.raises(SplitError) as caught:
        split.on_rank(tp)
    assert str(caught.value) == problem


def term(rows: Growing | Fixed, *, count: int = 8) -> Term:
    """One term of a few KV heads of 128 elements in bf16: 256 bytes a row of one head."""
    split = Split(unit="groups", count=count, replicable=True)
    return Term(
        role="key",
        label="K",
        allocation=Allocation(pool="attention"),
        split=split,
        width=128,
        dtype=BF16,
        rows=rows,
    )


def test_bytes_are_row_times_rows_times_units() -> None:
    """8 heads x 256 bytes x 100 tokens; a quarter at tp=4; one head at tp=8 and above."""
    keys = term(Growing())
    assert keys.row_bytes == 256
    assert {tp: keys.bytes_on_rank(100, tp) for tp in (1, 4, 8, 16)} == {
        1: 8 * 256 * 100,
        4: 2 * 256 * 100,
        8: 256 * 100,
        16: 256 * 100,
    }


def test_a_scale_per_row_is_paid_by_each_unit() -> None:
    """8 heads of 128 fp8 and a float32 scale each: not one scale for all of them."""
    split = Split(unit="groups", count=8, replicable=True)
    keys = Term(
        role="key",
        label="K",
        allocation=Allocation(pool="attention"),
        split=split,
        width=128,
        dtype=FP8_PER_TOKEN_HEAD,
        rows=Growing(),
    )
    assert keys.bytes_on_rank(10, 1) == 8 * (128 + 4) * 10


def test_fixed_bytes_are_those_that_no_token_changes() -> None:
    assert term(Fixed(count=3)).fixed_bytes_on_rank(2) == 3 * 4 * 256
    assert term(Growing()).fixed_bytes_on_rank(1) == 0
    assert term(Growing(window=4096)).fixed_bytes_on_rank(1) == 0


@given(
    st.integers(1, 16),
    st.integers(0, 20),
    st.integers(1, 20),
    st.integers(0, 500),
    st.sampled_from([1, 2, 4, 8, 16]),
)
def test_growth_is_what_more_tokens_add(stride: int, skip: int, strides: int, tokens: int, tp: int) -> None:
    """Of a long sequence: longer than what another term holds."""
    keys = term(Growing(stride=stride, skip=skip))
    start, step = skip + tokens, stride * strides
    added = keys.bytes_on_rank(start + step, tp) - keys.bytes_on_rank(start, tp)
    assert keys.growth_on_rank(step, tp) == added


@pytest.mark.parametrize("rows", [Fixed(count=3), Growing(window=4096), Growing(window=64, stride=4)])
def test_what_is_bounded_does_not_grow(rows: Growing | Fixed) -> None:
    assert term(rows).growth_on_rank(128, 1) == 0


def test_a_stage_has_the_terms_of_each_of_its_layers() -> None:
    """Two layers of K and a state, one of K alone: 2 x 2 + 1 terms."""
    keys, state = term(Growing()), term(Fixed(), count=1)
    stage = Stage(types=("a", "b", "a"), counts=(((keys, state), 2), ((keys,), 1)))
    assert sorted(each.label for each in stage.terms()) == ["K"] * 5
    assert stage.terms().count(keys) == 3
    assert stage.terms().count(state) == 2
