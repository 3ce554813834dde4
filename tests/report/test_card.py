"""A card's bar and its lines: shares by hand, and decimals that add up."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kvplan.report.card import bar, glyph, style_of
from kvplan.report.document import Part, PartKind
from kvplan.units import GIB, format_gib, printed_gib

KINDS: tuple[PartKind, ...] = ("weights", "used", "free", "overhead", "kept")


def parts(*sizes: int) -> list[Part]:
    return [Part(kind, kind, size, "") for kind, size in zip(KINDS, sizes, strict=True)]


@pytest.mark.parametrize(
    ("sizes", "width", "drawn"),
    [
        ((30, 40, 10, 10, 10), 10, "███▓▓▓▓░▒·"),
        # What is missing has no share: the others are 140, so each character stands for 10.
        ((30, 90, -40, 10, 10), 14, "███▓▓▓▓▓▓▓▓▓▒·"),
        ((0, 0, 5, 0, 0), 4, "░░░░"),
        # The parts end at 0.99, 1.98, 2.97, 3.96 and 4 of 4 characters.
        ((99, 99, 99, 99, 4), 4, "█▓░▒"),
    ],
)
def test_each_part_has_its_share_of_the_bar(sizes: tuple[int, ...], width: int, drawn: str) -> None:
    assert bar(parts(*sizes), width=width, drawn=True).plain == drawn


@given(st.lists(st.integers(0, 2**50), min_size=5, max_size=5).filter(any), st.integers(1, 200))
def test_a_bar_is_as_wide_as_asked(sizes: list[int], width: int) -> None:
    assert len(bar(parts(*sizes), width=width, drawn=True).plain) == width


def test_parts_are_told_apart_without_colour() -> None:
    """In ASCII too, and from the line of the whole card, which is marked `=`."""
    for drawn in (True, False):
        glyphs = {glyph(part, drawn=drawn) for part in parts(1, 1, 1, 1, 1)}
        assert len(glyphs | {"="}) == len(KINDS) + 1
    assert all(glyph(part, drawn=False).isascii() for part in parts(1, 1, 1, 1, 1))


def test_missing_memory_is_red() -> None:
    assert "red" in style_of(Part("free", "missing", -1, ""))
    assert "red" not in style_of(Part("free", "free", 1, ""))


@given(st.lists(st.integers(-(2**45), 2**45), min_size=1, max_size=8))
def test_printed_lines_sum_to_the_printed_total(sizes: list[int]) -> None:
    """To the cent, each line at most a cent off its own size."""
    cents = [round(float(line.removesuffix(" GiB")) * 100) for line in printed_gib(sizes)]
    assert sum(cents) == round(float(format_gib(sum(sizes)).removesuffix(" GiB")) * 100)
    assert all(abs(cent - size * 100 / GIB) <= 1 for cent, size in zip(cents, sizes, strict=True))


def test_rounding_each_line_alone_would_not_add_up() -> None:
    """Three thirds of a GiB: 0.33 three times is 0.99, so one of them is printed as 0.34."""
    third = GIB // 3
    assert sorted(printed_gib([third, third, GIB - 2 * third])) == ["0.33 GiB", "0.33 GiB", "0.34 GiB"]
