"""Text that came from outside, as it may stand in an error, on a terminal or in Markdown."""

import re

MOST = 4000
"""Characters of one paragraph or cell; a serving command with all its options is shorter."""

_GAP = " ... "

_MARKUP = r"""[`*<>|$~&!@]|\\(?=[!-/:-@[-`{-~]|$)|(?<!\w)_|_(?!\w)|](?=[(\[:])|:(?=//)|(?<=\bwww)\."""
"""What CommonMark and GitHub's additions to it (github.github.com/gfm) read as more than text, wherever it
stands: code, emphasis, HTML and its entities, cells, formulas, links, and a backslash before what it would
hide. A cold command never compiles it."""


def inert(text: str, most: int = MOST) -> str:
    r"""
    Return *text* with what a terminal would obey or hide written out, and no longer than *most*.

    A file, a name, a log, a server or a path may hold escapes, control characters, line ends, marks that
    turn the direction of writing, blanks that are none: they are shown as Python writes them, `\x1b`.
    """
    text = _cut(text, most)
    if text.isprintable():
        return text
    return _cut("".join(map(_written_out, text)), most)


def in_markdown(text: str) -> str:
    r"""Return inert text as Markdown shows it, wherever in a line or a cell it stands: `\*` for `*`."""
    return re.sub(_MARKUP, r"\\\g<0>", inert(text), flags=re.ASCII)


def _written_out(character: str) -> str:
    if character.isprintable():
        return character
    return character.encode("unicode_escape").decode("ascii")


def _cut(text: str, most: int) -> str:
    """Return the beginning and the end: an error names its subject in one, and what to do in the other."""
    if len(text) <= most:
        return text
    head = most * 2 // 3
    return f"{text[:head]}{_GAP}{text[len(text) - (most - head - len(_GAP)) :]}"
