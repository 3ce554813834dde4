"""YAML without its surprises: no duplicate keys, no tags, bounded aliases, and lines for errors."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from kvplan.errors import SpecError
from kvplan.files import read_up_to
from kvplan.records import record
from kvplan.specs.problems import Problem, refusal

MAX_FILE_BYTES = 2**20
MAX_VALUES = 50_000
MAX_DEPTH = 40

Location = tuple[str | int, ...]
"""A key path: the names and the indices that lead to a value."""

Plain = str | int | float | bool | None | tuple["Plain", ...] | dict[str, "Plain"]

_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_TAG = "tag:yaml.org,2002:"
# YAML 1.1 reads 010 as 8 and 1:30 as 90; a spec means what it says or is refused.
_DECIMAL = re.compile(r"-?(0|[1-9][0-9]*)", re.ASCII)
_BOOLS = {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False}


@record(kw_only=False)
class Document:
    """
    The plain value of a YAML file, and the line on which each of its values stands.

    What is no plain value stands in it as None, or not at all, and is one of its `problems`.
    """

    path: Path
    value: Plain
    lines: dict[Location, int]
    problems: tuple[Problem, ...]

    def where(self, location: Sequence[str | int]) -> tuple[int, Location]:
        """
        Return the line and the key path of *location*, as far as the file has it.

        Steps that are not in the file (a validator's own) are passed over.
        """
        path: Location = ()
        for step in location:
            if (*path, step) in self.lines:
                path = (*path, step)
        return self.lines[path], path


def read_yaml(path: Path) -> Document:
    """Return the document in a YAML file; raise SpecError, naming file and lines, if it is not one."""
    document = read_document(path)
    if document.problems:
        raise refusal(path, document.problems)
    return document


def read_document(path: Path) -> Document:
    """Return the document in a YAML file with its problems; raise SpecError if it cannot be read at all."""
    reader = _Reader(path)
    value = reader.plain(compose_file(path, "a model spec"), ())
    return Document(path=path, value=value, lines=reader.lines, problems=tuple(reader.problems))


def compose_file(path: Path, what: str) -> yaml.Node:
    """
    Return the nodes of a YAML file, in which *what* is expected; raise SpecError if it cannot be read at all.

    No value is made of them. Aliases are nodes that stand in several places, even within themselves.
    """
    text = _read_text(path, what)
    try:
        _check_depth(path, text)
        node = yaml.compose(text, Loader=_LOADER)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        # YAML indents by blanks alone, of which its own words say nothing.
        tab = "; it begins with a tab: indent by spaces" if _begins_with_tab(text, line) else ""
        raise SpecError(f"{path}:{line}: not YAML: {error.problem or error.context}{tab}") from None
    except yaml.reader.ReaderError as error:
        raise SpecError(f"{path}:{_unprintable_line(text)}: not YAML: {error.reason}") from None
    if node is None:
        raise SpecError(f"{path}:1: the file is empty; expected the keys of {what}")
    return node


def _begins_with_tab(text: str, line: int) -> bool:
    return "\n".join(text.splitlines()[line - 1 : line]).lstrip(" ").startswith("\t")


def _read_text(path: Path, what: str) -> str:
    try:
        if path.exists() and not path.is_file():
            raise SpecError(f"{path} is not a file; expected {what} in YAML")
        data = read_up_to(path, MAX_FILE_BYTES + 1)
        if len(data) > MAX_FILE_BYTES:
            raise SpecError(f"{path} is larger than 1 MiB; {what} is a short YAML file")
        return data.decode().replace("\r\n", "\n").replace("\r", "\n")
    except UnicodeDecodeError:
        raise SpecError(f"{path} is not UTF-8 text; expected {what} in YAML") from None
    except OSError as error:
        raise SpecError(f"cannot read {path}: {error.strerror or error}") from None
    except ValueError:
        raise SpecError(f"cannot read {str(path)!r}: no file can have this name") from None


def _check_depth(path: Path, text: str) -> None:
    """Refuse deep nesting before libyaml composes it, which recurses in C and would crash."""
    depth = 0
    for event in yaml.parse(text, Loader=_LOADER):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        if depth > MAX_DEPTH:
            line = event.start_mark.line + 1 if event.start_mark else 1
            raise SpecError(f"{path}:{line}: more than {MAX_DEPTH} levels")


def _unprintable_line(text: str) -> int:
    """Return the line of the character at which YAML's reader stops, which an editor may not show."""
    found = yaml.reader.Reader.NON_PRINTABLE.search(text)
    return text.count("\n", 0, found.start()) + 1 if found else 1


class _Reader:
    """Turns YAML nodes into plain values, remembering lines and passing over what could surprise."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.lines: dict[Location, int] = {}
        self.problems: list[Problem] = []
        self._values = 0
        self._open: set[int] = set()

    def plain(self, node: yaml.Node, at: Location) -> Plain:
        """Return the plain value of *node*, which stands at the key path *at*."""
        line = self.lines.setdefault(at, node.start_mark.line + 1)
        self._values += 1
        if id(node) in self._open:
            return self._pass_over(line, at, "an alias refers to the value that it is part of")
        if self._values > MAX_VALUES or len(at) > MAX_DEPTH:
            limits = f"more than {MAX_VALUES} values or {MAX_DEPTH} levels"
            raise refusal(self.path, [Problem(line=line, path=at, text=f"{limits}, aliases expanded")])
        self._open.add(id(node))
        value = self._value(node, at, line)
        self._open.discard(id(node))
        return value

    def _value(self, node: yaml.Node, at: Location, line: int) -> Plain:
        if isinstance(node, yaml.MappingNode) and node.tag == _TAG + "map":
            return self._mapping(node, at)
        if isinstance(node, yaml.SequenceNode) and node.tag == _TAG + "seq":
            return tuple(self.plain(item, (*at, index)) for index, item in enumerate(node.value))
        if isinstance(node, yaml.ScalarNode):
            return self._scalar(node, at, line)
        return self._pass_over(line, at, f"the tag {node.tag!r} is not allowed")

    def _mapping(self, node: yaml.MappingNode, at: Location) -> Plain:
        result: dict[str, Plain] = {}
        for key_node, value_node in node.value:
            line = key_node.start_mark.line + 1
            if not isinstance(key_node, yaml.ScalarNode):
                self._pass_over(line, at, "a key that is a list or a mapping is not text")
                continue
            key = key_node.value
            if key_node.tag != _TAG + "str":
                self._pass_over(line, at, f"the key {key!r} is not text")
                continue
            if key in result:
                self._pass_over(line, (*at, key), "this key stands twice")
                continue
            self.lines[(*at, key)] = line
            result[key] = self.plain(value_node, (*at, key))
        return result

    def _scalar(self, node: yaml.ScalarNode, at: Location, line: int) -> Plain:
        text: str = node.value
        match node.tag.removeprefix(_TAG):
            case "str":
                return text
            case "int" if _DECIMAL.fullmatch(text) and len(text) < 30:  # noqa: PLR2004 - no fact is longer
                return int(text)
            case "bool" if text.lower() in _BOOLS:
                return _BOOLS[text.lower()]
            case "null" if text.lower() in ("", "~", "null"):
                return None
            case "float":
                return self._pass_over(line, at, f"found {text[:40]}; expected a whole number or text")
            case _:
                expected = "expected plain text or a decimal number"
                return self._pass_over(line, at, f"found {text[:40]!r}; {expected}")

    def _pass_over(self, line: int, at: Location, text: str) -> Plain:
        """Keep a problem, and return what stands for its value."""
        self.problems.append(Problem(line=line, path=at, text=text))
        return None
