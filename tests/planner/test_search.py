"""The search behind inverse answers: the last that fits, in few steps."""

from hypothesis import given
from hypothesis import strategies as st

from kvplan.planner.search import LARGEST, largest


@given(
    st.integers(0, 10**12),
    st.integers(0, 10**6),
    st.integers(1, 10**5),
    st.integers(1, 64),
    st.integers(0, 9),
)
def test_the_last_of_a_staircase_with_a_window(
    there: int, window: int, row: int, block: int, more: int
) -> None:
    """Rows in blocks, some of them up to a window: the sum is computed beside each answer."""
    asked: list[int] = []

    def left(tokens: int) -> int:
        asked.append(tokens)
        return there - row * (-(-tokens // block) * block) - more * row * min(tokens, window)

    found = largest(left)
    assert found is not None
    assert found == 0 or left(found) >= 0
    assert left(found + 1) < 0
    assert len(asked) < 150


def test_a_line_takes_four_steps() -> None:
    """One, too many, where the line comes to 0, and one more."""
    asked: list[int] = []

    def left(tokens: int) -> int:
        asked.append(tokens)
        return 1_000_007 - 10 * tokens

    assert largest(left) == 100_000
    assert asked == [1, LARGEST, 100_000, 100_001]


def test_what_bounds_no_number_is_told_apart_from_a_bound() -> None:
    assert largest(lambda _: 0) is None
    assert largest(lambda _: 0, 7) == 7
    assert largest(lambda _: -1, 7) == 0
    assert largest(lambda n: 5 - n, 7) == 5
    assert largest(lambda n: 5 - n, 1) == 1
