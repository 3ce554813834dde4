"""Files of options that a serving command names: keys within keys, as the text that an option would have."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from kvplan.errors import OptionsError, SpecError
from kvplan.files import exists

if TYPE_CHECKING:
    import yaml

_MOST_VALUES = 100_000
_TAG = "tag:yaml.org,2002:"
_NULLS = ("", "~", "null", "Null", "NULL")
_TRUE = ("true", "yes", "on")


def read_options(option: str, path: str) -> Mapping[str, str]:
    """
    Return the values of the YAML file that *option* names, each under the path of its keys: `a.b.c`.

    What is null is not given, a flag is `true` or `false`, and a list is its items with commas between.
    Raises OptionsError for a file that is not there, and for what is no options in YAML.
    """
    if not exists(Path(path)):
        raise OptionsError(
            f"{option} {path}: there is no such file here, and it may decide the memory: give the "
            "path of a copy"
        )
    from kvplan.specs.strict_yaml import compose_file  # noqa: PLC0415 - for files alone

    try:
        node = compose_file(Path(path), "the engine's options")
    except SpecError as error:
        raise OptionsError(f"{option}: {error}") from None
    found: dict[str, str] = {}
    for key, text, line in _Flat(path).of(node, ""):
        if not key:
            raise OptionsError(f"{option} {path} holds no keys: expected the engine's options")
        if found.setdefault(key, text) != text:
            raise OptionsError(f"{path}:{line}: {key} stands twice")
    return found


class _Flat:
    """Lays YAML nodes out flat, within bounds."""

    def __init__(self, path: str) -> None:
        self.path = path
        self._values = 0
        self._open: set[int] = set()

    def of(self, node: "yaml.Node", key: str) -> Iterator[tuple[str, str, int]]:
        """Yield the key path, the text and the line of each value in *node*."""
        self._enter(node)
        match node.tag.removeprefix(_TAG):
            case "map":
                for named, value in node.value:
                    if not isinstance(named.value, str) or named.tag == f"{_TAG}merge":
                        raise self._refused(named, "a key is not text")
                    yield from self.of(value, f"{key}.{named.value}" if key else named.value)
            case "seq":
                items = [text for item in node.value for _, text, _ in self.of(item, key)]
                yield key, ",".join(items), node.start_mark.line + 1
            case "null" if node.value in _NULLS:
                pass
            case "bool":
                yield key, str(node.value.lower() in _TRUE).lower(), node.start_mark.line + 1
            case "str" | "int" | "float":
                yield key, node.value, node.start_mark.line + 1
            case _:
                raise self._refused(node, f"the tag {node.tag!r:.80} is not allowed")
        self._open.discard(id(node))

    def _enter(self, node: "yaml.Node") -> None:
        """Count a value, which aliases may multiply; refuse one that is a part of itself."""
        self._values += 1
        if self._values > _MOST_VALUES:
            raise self._refused(node, f"more than {_MOST_VALUES} values, aliases expanded")
        if id(node) in self._open:
            raise self._refused(node, "an alias refers to the value that it is part of")
        self._open.add(id(node))

    def _refused(self, node: "yaml.Node", why: str) -> OptionsError:
        return OptionsError(f"{self.path}:{node.start_mark.line + 1}: {why}")
