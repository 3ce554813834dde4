"""YAML without its surprises: what is read, on which line it stands, and what is refused."""

import os
import subprocess
import sys
import textwrap
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kvplan.errors import SpecError
from kvplan.specs.problems import key_text
from kvplan.specs.strict_yaml import MAX_FILE_BYTES, Plain, read_yaml

Write = Callable[[str | bytes], Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def write_file(content: str | bytes) -> Path:
        path = tmp_path / "toy.yaml"
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    return write_file


def refusal(path: Path) -> str:
    """Return the one line with which the file is refused."""
    with pytest.raises(SpecError) as caught:
        read_yaml(path)
    assert str(caught.value).isprintable()
    return str(caught.value)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("32", 32),
        ("0", 0),
        ("-1", -1),
        ("'32'", "32"),
        ("bf16", "bf16"),
        ("1e5", "1e5"),
        ("0o10", "0o10"),
        ("true", True),
        ("Yes", True),
        ("on", True),
        ("FALSE", False),
        ("no", False),
        ("off", False),
        ("~", None),
        ("", None),
        ("[a, 1]", ("a", 1)),
        ("[]", ()),
        ("{b: [1]}", {"b": (1,)}),
        ("9" * 29, 10**29 - 1),
        ("|\n  two\n  lines\n", "two\nlines\n"),
    ],
)
def test_plain_values_are_read(write: Write, text: str, value: Plain) -> None:
    """Whole numbers, text, truth, nothing, lists and mappings; lists are tuples, which are frozen."""
    read = read_yaml(write(f"key: {text}\n")).value
    assert isinstance(read, dict)
    assert read["key"] == value
    assert type(read["key"]) is type(value)


def test_a_byte_order_mark_and_windows_line_ends_are_harmless(write: Write) -> None:
    assert read_yaml(write(b"\xef\xbb\xbfa: 1\r\nb: text\r\n")).value == {"a": 1, "b": "text"}


def test_a_small_alias_is_expanded(write: Write) -> None:
    read = read_yaml(write("a: &it {b: 1}\nc: [*it, *it]\n")).value
    assert read == {"a": {"b": 1}, "c": ({"b": 1}, {"b": 1})}


NESTED = """\
name: toy
attention:
  local:
    kind: sliding
  global: [{kind: mla}, {kind: none,
    heads: 8}]
"""


@pytest.mark.parametrize(
    ("location", "line", "key"),
    [
        ((), 1, ""),
        (("name",), 1, "name"),
        (("attention",), 2, "attention"),
        (("attention", "local", "kind"), 4, "attention.local.kind"),
        (("attention", "global"), 5, "attention.global"),
        (("attention", "global", 1, "heads"), 6, "attention.global[1].heads"),
        # A validator's own steps: the kind of a union, an index of what is not a list, a missing key.
        (("attention", "local", 0, "sliding", "kind"), 4, "attention.local.kind"),
        (("attention", "global", 0, "mla", "d_c"), 5, "attention.global[0]"),
        (("potato",), 1, ""),
    ],
)
def test_every_value_has_its_line(write: Write, location: tuple[str | int, ...], line: int, key: str) -> None:
    """Steps that the file does not have are passed over."""
    found, path = read_yaml(write(NESTED)).where(location)
    assert (found, key_text(path)) == (line, key)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("a: 1\nb: 2\na: 3\n", ":3: a: this key stands twice"),
        ("a: 1\n'a': 1\n", ":2: a: this key stands twice"),
        ("a:\n  b: 1\n  b: 1\n", ":3: a.b: this key stands twice"),
        ("a: &x\n  b: *x\n", ":2: a.b: an alias refers to the value that it is part of"),
        ("a: &x [1, [*x]]\n", ":1: a[1][0]: an alias refers to the value that it is part of"),
        ("a: 1\nb: .nan\n", ":2: b: found .nan; expected a whole number or text"),
        ("a: -.inf\n", ":1: a: found -.inf; expected a whole number or text"),
        ("a: 1.0e+400\n", ":1: a: found 1.0e+400; expected a whole number or text"),
        ("a: 32.0\n", ":1: a: found 32.0; expected a whole number or text"),
        ("a: 010\n", ":1: a: found '010'; expected plain text or a decimal number"),
        ("a: 0x10\n", ":1: a: found '0x10'; expected plain text or a decimal number"),
        ("a: 0b11\n", ":1: a: found '0b11'; expected plain text or a decimal number"),
        ("a: 1_000\n", ":1: a: found '1_000'; expected plain text or a decimal number"),
        ("a: +1\n", ":1: a: found '+1'; expected plain text or a decimal number"),
        ("a: 1:30\n", ":1: a: found '1:30'; expected plain text or a decimal number"),
        (f"a: {'9' * 30}\n", f":1: a: found '{'9' * 30}'; expected plain text or a decimal number"),
        (f"a: {'9' * 5000}\n", f":1: a: found '{'9' * 40}'; expected plain text or a decimal number"),
        ("a: 2026-11-22\n", ":1: a: found '2026-11-22'; expected plain text or a decimal number"),
        ("a: !!binary aGVsbG8=\n", ":1: a: found 'aGVsbG8='; expected plain text or a decimal number"),
        ("", ":1: the file is empty; expected the keys of a model spec"),
        ("# nothing\n", ":1: the file is empty; expected the keys of a model spec"),
    ],
)
def test_what_yaml_would_guess_is_refused(write: Write, text: str, problem: str) -> None:
    """YAML 1.1 reads 010 as 8, 1:30 as 90, and the last of two equal keys."""
    path = write(text)
    assert refusal(path) == f"{path}{problem}"


@pytest.mark.parametrize(
    ("text", "place", "fragment"),
    [
        ("a: !!python/object/apply:os.system [ls]\n", ":1: a: ", "python/object/apply:os.system"),
        ("a: !!set {b, c}\n", ":1: a: ", "tag:yaml.org,2002:set"),
        ("a: !!omap [b: 1]\n", ":1: a: ", "tag:yaml.org,2002:omap"),
        ("a: !mine {b: 1}\n", ":1: a: ", "the tag '!mine' is not allowed"),
        ("a: !mine 3\n", ":1: a: ", "found '3'"),
        ("a:\n  <<: {b: 1}\n", ":2: a: ", "the key '<<' is not text"),
        ("1: 2\n", ":1: ", "the key '1' is not text"),
        ("a: {~: 1}\n", ":1: a: ", "the key '~' is not text"),
        ("a: 1\n? [b, c]\n: 1\n", ":2: ", "is not text"),
        ("a: *nowhere\n", ":1: ", "not YAML: found undefined alias"),
        ("a: 1\n---\nb: 1\n", ":2: ", "not YAML: but found another document"),
        ("a: [1\n", ":2: ", "not YAML: "),
        ("a:\tb: 1\n\tc: 1\n", ":1: ", "not YAML: "),
        ("a:\n\tb: 1\n", ":2: ", "it begins with a tab: indent by spaces"),
        ('a: "\\ud800"\n', ":1: ", "not YAML: "),
    ],
)
def test_tags_odd_keys_and_broken_yaml_are_refused(
    write: Write, text: str, place: str, fragment: str
) -> None:
    path = write(text)
    assert refusal(path).startswith(f"{path}{place}")
    assert fragment in refusal(path)


@pytest.mark.parametrize("text", ["!!null 64", "!!bool maybe"])
def test_a_tag_does_not_make_a_value_what_it_is_not(write: Write, text: str) -> None:
    """`v_head_dim: !!null 64` would plan without the value head size that the file gives."""
    path = write(f"a: {text}\n")
    assert refusal(path).startswith(f"{path}:1: a: ")


@pytest.mark.parametrize("character", ["\0", "\a", "\x7f"])
def test_control_characters_are_refused_on_their_line(write: Write, character: str) -> None:
    """An editor may not show them, so the line is what helps."""
    path = write(f"a: é\nb: 'x{character}'\nc: 1\n")
    assert refusal(path).startswith(f"{path}:2: not YAML: ")


@pytest.mark.parametrize("key", ['"a\\nb"', '"\\e[31mred"'])
def test_a_key_cannot_draw_on_the_terminal(write: Write, key: str) -> None:
    """One printable line, whatever the key holds: see `refusal`."""
    path = write(f"{key}: 1\n{key}: 1\n")
    assert refusal(path).startswith(f"{path}:2: ")


@given(st.text(max_size=200))
def test_any_text_is_read_or_refused(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    """No other error than SpecError gets out."""
    path = tmp_path_factory.getbasetemp() / "any.yaml"
    path.write_bytes(text.encode(errors="surrogatepass"))
    try:
        read_yaml(path)
    except SpecError as error:
        assert str(error).startswith((f"{path}:", f"{path} "))  # noqa: PT017


def test_an_alias_bomb_is_refused_before_it_is_expanded(write: Write) -> None:
    """Nine levels of ten aliases: 10^9 values in 400 bytes. Reading stops at 50,000."""
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 9)]
    assert "more than 50000 values" in refusal(write("\n".join(lines)))


def test_the_number_of_values_is_limited_and_the_limit_can_be_reached(write: Write) -> None:
    """The document, the list, and as many numbers as leave 50,000 values in all."""
    numbers = ", ".join(["1"] * 49_998)
    assert read_yaml(write(f"a: [{numbers}]")).value == {"a": (1,) * 49_998}
    assert "more than 50000 values" in refusal(write(f"a: [{numbers}, 1]"))


@pytest.mark.parametrize("form", ["[{}]", "{{a: {}}}"])
def test_nesting_is_limited(write: Write, form: str) -> None:
    """Forty levels are read, of which no spec needs a tenth; the 41st is refused."""

    def nested(levels: int) -> str:
        value = "1"
        for _ in range(levels):
            value = form.format(value)
        return f"a: {value}\n"

    read_yaml(write("# Shallow.\n" + nested(39)))
    for levels in (40, 900):
        path = write("# Deep.\n" + nested(levels))
        assert refusal(path).startswith(f"{path}:2: ")
        assert "40 levels" in refusal(path)


def test_lists_side_by_side_are_not_nesting(write: Write) -> None:
    assert read_yaml(write(f"a: [{', '.join(['[1]', '{b: 1}'] * 50)}]")).value == {"a": ((1,), {"b": 1}) * 50}


def test_nesting_by_aliases_is_limited(write: Write) -> None:
    """Each list holds the one before it, so the text is flat and the value is 45 levels deep."""
    lines = ["a0: &a0 [1]", *(f"a{n}: &a{n} [*a{n - 1}]" for n in range(1, 45))]
    assert "40 levels" in refusal(write("\n".join(lines)))


def test_very_deep_nesting_does_not_crash_the_parser(write: Write) -> None:
    """In a process of its own: libyaml's composer recurses in C, and a crash would end the tests."""
    path = write("a: " + "[" * 100_000 + "]" * 100_000)
    program = textwrap.dedent(
        f"""
        from pathlib import Path
        from kvplan.errors import SpecError
        from kvplan.specs.strict_yaml import read_yaml
        try:
            read_yaml(Path({str(path)!r}))
        except SpecError:
            print("refused")
        """
    )
    done = subprocess.run(  # noqa: S603 - this Python, and a program that is written above
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stdout) == (0, "refused\n")


def test_a_file_may_have_one_mib(write: Write) -> None:
    text = "a: 1\n# "
    padding = "x" * (MAX_FILE_BYTES - len(text))
    assert MAX_FILE_BYTES == 1024 * 1024
    assert read_yaml(write(text + padding)).value == {"a": 1}
    path = write(text + padding + "x")
    assert refusal(path) == f"{path} is larger than 1 MiB; a model spec is a short YAML file"


@pytest.mark.parametrize("content", [b"a: \xff\n", "a: \u00e9\n".encode("latin-1"), "a: 1".encode("utf-16")])
def test_what_is_not_utf8_is_refused(write: Write, content: bytes) -> None:
    path = write(content)
    assert refusal(path) == f"{path} is not UTF-8 text; expected a model spec in YAML"


def test_a_missing_file_and_a_folder_are_refused(tmp_path: Path) -> None:
    missing = tmp_path / "missing.yaml"
    assert refusal(missing) == f"cannot read {missing}: No such file or directory"
    assert refusal(tmp_path) == f"{tmp_path} is not a file; expected a model spec in YAML"


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads every file")
def test_an_unreadable_file_is_refused(write: Write) -> None:
    path = write("a: 1\n")
    path.chmod(0)
    assert refusal(path) == f"cannot read {path}: Permission denied"


@pytest.mark.parametrize("name", ["x" * 300 + ".yaml", "a\0b.yaml"])
def test_a_name_that_no_file_can_have_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(SpecError, match=r"cannot read|not a file"):
        read_yaml(tmp_path / name)


def test_a_pipe_is_refused_without_waiting_for_its_writer(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe.yaml"
    os.mkfifo(pipe)
    problems: list[str] = []
    reader = threading.Thread(target=lambda: problems.append(refusal(pipe)), daemon=True)
    reader.start()
    reader.join(timeout=5)
    assert problems == [f"{pipe} is not a file; expected a model spec in YAML"]


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ((), ""),
        (("attention", "global", "groups"), "attention.global.groups"),
        (("layers", 0, "repeat"), "layers[0].repeat"),
    ],
)
def test_a_key_path_is_written_as_people_do(path: tuple[str | int, ...], text: str) -> None:
    assert key_text(path) == text
