"""What a terminal would obey or hide is written out, and nothing becomes too long."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kvplan.errors import MOST_ADVICE, MOST_LINE, KvplanError, SpecError
from kvplan.inert import inert


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("llama-3.1-8b", "llama-3.1-8b"),
        ("Größe, 大きさ", "Größe, 大きさ"),
        ("C:\\models\\x.gguf", "C:\\models\\x.gguf"),
        ("a\x1b[2Jb", r"a\x1b[2Jb"),
        ("a\nb\r\tc\x00\x07\x7f", r"a\nb\r\tc\x00\x07\x7f"),
        ("\x9b31m", r"\x9b31m"),
        ("\u202etxt.exe\u2066\u200e\u200f\u061c", r"\u202etxt.exe\u2066\u200e\u200f\u061c"),
        ("a\x85b\u2028c\u2029", r"a\x85b\u2028c\u2029"),
        ("a\xa0b\u200bc\ufeff\xad", r"a\xa0b\u200bc\ufeff\xad"),
        ("\udc80\U000e0041", r"\udc80\U000e0041"),
    ],
)
def test_what_is_shown(text: str, shown: str) -> None:
    """Escape, C0, C1, bidi, the line ends of Unicode, blanks that are none, half a character, tags."""
    assert inert(text) == shown


def test_the_middle_of_a_long_text_is_left_out() -> None:
    """Of 30 characters 20 are the beginning, 5 the gap, 5 the end."""
    assert inert("a" * 50 + "z" * 50, 30) == "a" * 20 + " ... " + "z" * 5
    assert inert("a" * 30, 30) == "a" * 30


@given(st.text(), st.integers(20, 200))
def test_inert_text_is_printable_bounded_and_stays_as_it_is(text: str, most: int) -> None:
    shown = inert(text, most)
    assert shown.isprintable()
    assert len(shown) <= most
    assert inert(shown, most) == shown


@given(st.text(), st.text())
def test_an_error_has_two_lines_at_the_most_and_fewer_than_1200_characters(line: str, advice: str) -> None:
    text = str(SpecError(line, advice))
    assert text.isprintable() or text.count("\n") == 1
    assert len(text.split("\n")) == (2 if advice else 1)


def test_the_bounds_of_an_error() -> None:
    """With `kvplan: ` and the line end."""
    error = KvplanError("a" * 10**6, "\x1b" * 10**6)
    assert (len(error.line), len(error.advice)) == (MOST_LINE, MOST_ADVICE)
    assert len(f"kvplan: {error}\n") <= 1200
