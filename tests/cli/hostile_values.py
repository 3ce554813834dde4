"""Hostile values from a seed: texts, numbers, and trees and bytes with a few of them put in."""

import json
from collections.abc import Callable
from copy import deepcopy
from random import Random
from typing import Any

PIECES = (
    *(
        "\x1b]0;owned\x07",
        "\x1b[2J",
        "\x9b31m",
        "\x00",
        "\x7f",
        "\x08" * 40,
        "\r",
        "\n",
        "\r\n",
        "\x0b",
        "\x85",
    ),
    *("\u2028", "\u2029", "\u202e", "\u2066", "\u200f", "\u061c", "\ufeff", "\u200b", "\xa0", "\xad"),
    *("\udc80", "\ud800", "\U000e0041", "\U0001f468\u200d\U0001f469", "e\u0301" * 30, "\u0e33" * 9),
    *(
        "[bold]",
        "[/x]",
        ":smile:",
        "{}",
        "{0.__class__}",
        "%s%n",
        "$(id)",
        "`id`",
        "'",
        '"',
        "\\",
        "\\x1b",
        "#",
    ),
    *(
        "../../x",
        "/etc/passwd",
        "/dev/null",
        "-",
        "--",
        "--json",
        "=",
        ",",
        ":",
        "&a [*a]",
        "!!python/name:os",
        " ",
    ),
    *(
        "llama",
        "org/model",
        "vllm",
        "fp8",
        "name",
        "layers",
        "h100-80gb",
        "auto",
        "true",
        "8k",
        "80GiB",
        "16,16",
    ),
)
NUMBERS = (
    *(
        "1e400",
        "-1e400",
        "1e-400",
        "NaN",
        "Infinity",
        "-Infinity",
        "-0",
        "-0.0",
        "0",
        "-1",
        "1",
        "2",
        "0.5",
        "1.5",
    ),
    *(
        str(2**31),
        str(2**63),
        str(2**64),
        str(2**70),
        str(-(2**70)),
        "9" * 400,
        "9" * 5000,
        "0x10",
        "1_000",
        "007",
    ),
    *(
        "\u0661\u0662",
        "\xb3",
        "1k",
        "1e3k",
        "999999999999TB",
        "0GB",
        "-1GB",
        "1e400GB",
        "nanGB",
        ".",
        "1.",
        "1..2",
    ),
)
JSON_NUMBERS = tuple(text for text in NUMBERS if text.strip("-.0123456789eE") in ("", "NaN", "Infinity"))
WHOLE = (0, 1, 2, 3, 7, 64, 4096, 2**31, 2**63, 2**70, -1, -(2**70), 10**30)
DEEP = 2000
_RAW = "@raw:{}@"


def text(rng: Random) -> str:
    """Return a hostile text; one in thirty is of 5,000 characters or more."""
    if rng.random() < 0.2:
        return rng.choice(NUMBERS)
    made = "".join(rng.choice(PIECES) for _ in range(rng.randint(1, 4)))
    if rng.random() < 0.03:
        return (made * 5000)[: rng.choice((5000, 5000, 50_000))]
    return made


def json_value(rng: Random, depth: int = 0) -> Any:
    """Return a value for a field of JSON; numbers that Python would not write are marked for `dumped`."""
    makers: tuple[Callable[[], Any], ...] = (
        lambda: text(rng),
        lambda: rng.choice(WHOLE),
        lambda: _RAW.format(rng.choice(JSON_NUMBERS)),
        lambda: rng.choice((None, True, False, "", [], {}, 1.5)),
        lambda: _RAW.format("[" * DEEP + "]" * DEEP),
    )
    if depth < 2 and rng.random() < 0.25:
        items = [json_value(rng, depth + 1) for _ in range(rng.randint(1, 4))]
        return items if rng.random() < 0.5 else {text(rng): item for item in items}
    return rng.choices(makers, weights=(5, 5, 3, 3, 1))[0]()


def mutated(rng: Random, tree: Any) -> Any:
    """Return a copy of a tree of lists and dicts in which up to three places are hostile."""
    tree = deepcopy(tree)
    for _ in range(rng.randint(1, 3)):
        holder, key = rng.choice(list(_places(tree)) or [(tree, None)])
        if isinstance(holder, dict) and (key is None or rng.random() < 0.2):
            holder[text(rng)] = json_value(rng)
        elif isinstance(holder, dict) and rng.random() < 0.15:
            holder[text(rng)] = holder.pop(key)
        elif isinstance(holder, dict) and rng.random() < 0.1:
            del holder[key]
        elif key is not None:
            holder[key] = json_value(rng)
    return tree


def _places(tree: Any) -> Any:
    """Yield each container of a tree with each of its keys."""
    keys: Any = ()
    if isinstance(tree, dict):
        keys = tree.items()
    elif isinstance(tree, list):
        keys = enumerate(tree)
    for key, value in keys:
        yield tree, key
        yield from _places(value)


def dumped(rng: Random, tree: Any) -> bytes:
    """Return a tree as JSON, at times with a key twice, a mark before it, or bytes that are none of it."""
    written = json.dumps(tree, ensure_ascii=rng.random() < 0.5)
    parts = written.split('"@raw:')
    written = parts[0] + "".join("".join(part.split('@"', 1)) for part in parts[1:])
    if isinstance(tree, dict) and tree and rng.random() < 0.05:
        key = json.dumps(rng.choice(list(tree)))
        written = written[:-1] + f", {key}: 1}}"
    data = written.encode("utf-8", "surrogatepass" if rng.random() < 0.3 else "replace")
    return damaged(rng, data) if rng.random() < 0.05 else data


def damaged(rng: Random, data: bytes) -> bytes:
    """Return bytes that are cut, or in which a few are others."""
    kind = rng.randrange(4)
    if kind == 0:
        return data[: rng.randrange(len(data) + 1)]
    if kind == 1:
        return rng.choice((b"\xef\xbb\xbf", b"\xff\xfe", b"\0", b"\x1b[2J")) + data
    changed = bytearray(data)
    for _ in range(rng.randint(1, 8) if changed else 0):
        changed[rng.randrange(len(changed))] = rng.choice((0, 0x1B, 0x80, 0xFF, rng.randrange(256)))
    return bytes(changed)


def lines_changed(rng: Random, whole: str) -> str:
    """Return a text in which up to three lines are gone, doubled, elsewhere, or hold something hostile."""
    lines = whole.split("\n")
    for _ in range(rng.randint(1, 3)):
        at = rng.randrange(len(lines))
        line = lines[at]
        lines[at : at + 1] = rng.choice(
            (
                [],
                [line, line],
                [line + text(rng)],
                [text(rng) + line],
                [text(rng)],
                [_with_number(rng, line)],
                [_with_number(rng, line)],
                [_with_word(rng, line)],
            )
        ) or [""]
    return "\n".join(lines)


def _with_number(rng: Random, line: str) -> str:
    """Return a line in which one of its numbers is another."""
    starts = [at for at, letter in enumerate(line) if letter.isdigit() and not line[at - 1 : at].isdigit()]
    if not starts:
        return line + rng.choice(NUMBERS)
    start = end = rng.choice(starts)
    while end < len(line) and (line[end].isdigit() or line[end] in ".,"):
        end += 1
    return line[:start] + rng.choice(NUMBERS) + line[end:]


def _with_word(rng: Random, line: str) -> str:
    words = line.split(" ")
    words[rng.randrange(len(words))] = text(rng)
    return " ".join(words)
