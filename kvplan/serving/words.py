"""The words of a serving command: where the server begins, and what belongs to which option."""

import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from kvplan.errors import OptionsError
from kvplan.records import record
from kvplan.serving.containers import RUNTIMES, command_inside
from kvplan.serving.table import Dialect, Row
from kvplan.serving.values import shown

_ASSIGNMENT = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)=(.*)", re.DOTALL)
_NEGATIVE = re.compile(r"-\d+(\.\d+)?", re.ASCII)
_OTHER_CONTAINERS = ("kubectl", "apptainer", "singularity")
_MODULES = {
    "vllm.entrypoints.openai.api_server": "vllm",
    "vllm.entrypoints.cli.main": "vllm serve",
    "sglang.launch_server": "sglang",
}
_PROGRAMS = {
    "vllm": "vllm serve",
    "sglang": "sglang serve",
    "llama-server": "llama-server",
    "llama-cli": "llama-cli",
    "trtllm-serve": "trtllm-serve",
}
# trtllm-serve's subcommands are those of TensorRT-LLM's commands/serve.py; `serve` is the default.
OTHER_SERVERS = ("disaggregated", "disaggregated_mpi_worker", "grpc", "mm_embedding_serve")


@record
class Launch:
    """A command taken apart: the server's program, what it inherits, and the words after it."""

    program: str
    environment: Mapping[str, str]
    rest: tuple[str, ...]


@record
class Given:
    """One option as given: its full name, its own spelling, its text (empty for a flag), and its words."""

    row: Row | None
    name: str
    spelt: str
    text: str
    words: tuple[str, ...]

    @property
    def written(self) -> str:
        """All of it, as it was written."""
        return " ".join(self.words)


def find_launch(words: Sequence[str]) -> Launch:
    """
    Return the server's part of a command; raise OptionsError if there is none that kvplan reads.

    The first word that names a server begins it. What precedes it is how it is launched (`uv run`,
    `mpirun -n 2`), of which only environment variables are kept; a container that `docker run` starts is
    read where its image is one of an engine's maker.
    """
    words = _unquoted(words)
    environment: dict[str, str] = {}
    for at, word in enumerate(words):
        if _program(word) in RUNTIMES:
            inside = find_launch(command_inside(words[at + 1 :]))
            return replace(inside, environment=environment | dict(inside.environment))
        if _program(word) in _OTHER_CONTAINERS:
            raise OptionsError(
                f"kvplan does not read {_program(word)}'s own words: give the server's command, as in "
                "`vllm serve MODEL` and what follows the image"
            )
        program, after = _server(words, at)
        if program:
            return Launch(program=program, environment=environment, rest=tuple(words[at + after :]))
        assignment = _ASSIGNMENT.fullmatch(word)
        if assignment is not None:
            environment[assignment[1]] = assignment[2]
    raise OptionsError(
        f"no serving command in {shown(' '.join(words))}: kvplan reads vllm serve, sglang serve, "
        "python -m sglang.launch_server, llama-server, llama-cli and trtllm-serve"
    )


def _unquoted(words: Sequence[str]) -> Sequence[str]:
    """Return the words of a command that was pasted in quotes as one."""
    if len(words) != 1 or not any(map(str.isspace, words[0])):
        return words
    try:
        return shlex.split(words[0].replace("\\\n", " "))
    except ValueError:
        raise OptionsError(f"{shown(words[0])} has a quote without its end") from None


def _program(word: str) -> str:
    """Return the name of a program, without its folder."""
    return word.replace("\\", "/").rpartition("/")[2].removesuffix(".exe")


def _server(words: Sequence[str], at: int) -> tuple[str, int]:
    """Return the program that the word *at* begins, and how many words name it; or no program."""
    following = words[at + 1] if at + 1 < len(words) else ""
    if words[at] == "-m" and following in _MODULES:
        program, _, subcommand = _MODULES[following].partition(" ")
        return program, 2 + bool(subcommand)
    program, _, subcommand = _PROGRAMS.get(_program(words[at]), "").partition(" ")
    if subcommand:
        return (program, 2) if following == subcommand else ("", 0)
    if program == "trtllm-serve" and following in OTHER_SERVERS:
        raise OptionsError(f"kvplan reads trtllm-serve MODEL, not trtllm-serve {following}")
    return program, 1 + (program == "trtllm-serve" and following == "serve")


def find_options(words: Sequence[str], dialect: Dialect) -> Iterator[Given]:
    """
    Yield the options in *words*, and each other word as an option without a name.

    A known option takes what its row says. One that is not known takes the next word, unless that
    begins with `-` and is not a number: a guess, so such an option is never dropped silently. Behind
    `--` there are no options.
    """
    rows = dialect.by_name()
    at = 0
    while at < len(words):
        word = words[at]
        if _is_value(word):
            yield _outside(word)
            at += 1
            continue
        if word == "--":
            yield from map(_outside, words[at + 1 :])
            return
        spelt, equals, text = word.partition("=")
        name = _full_name(spelt, rows, dialect)
        row = _row(rows, name)
        end = at + 1 if equals else _end(words, at, row, dialect)
        taken = [text] if equals else list(words[at + 1 : end])
        _require_arity(spelt, row, taken)
        given = tuple(words[at:end])
        yield Given(row=row, name=name, spelt=spelt, text=" ".join(taken), words=given)
        at = end


def _outside(word: str) -> Given:
    return Given(row=None, name="", spelt="", text=word, words=(word,))


def _require_arity(spelt: str, row: Row | None, taken: Sequence[str]) -> None:
    if row is None:
        return
    if taken and row.takes == "nothing":
        raise OptionsError(f"{spelt} takes no value: write it without {shown('=' + taken[0])}")
    if not taken and row.takes not in ("nothing", "optional"):
        raise OptionsError(f"{spelt} has no value after it")


def _row(rows: Mapping[str, Row], name: str) -> Row | None:
    """Return the row of an option; a key after a dot belongs to the JSON option before it."""
    if name in rows:
        return rows[name]
    option, dot, _ = name.partition(".")
    row = rows.get(option)
    return None if dot and row is not None and row.takes != "json" else row


def _full_name(name: str, rows: Mapping[str, Row], dialect: Dialect) -> str:
    """Return the option that *name* spells: with dashes for underscores, and in full where cut off."""
    if not name.startswith("--"):
        return name
    option, dot, key = name.partition(".")
    option = option.replace("_", "-")
    if dialect.abbreviates and option not in rows:
        full = sorted(known for known in rows if known.startswith(option) and "." not in known)
        if len({id(rows[known]) for known in full}) > 1:
            raise OptionsError(f"{name} may stand for {', '.join(full[:4])}: write the option in full")
        option = full[0] if full else option
    return option + dot + key


def _end(words: Sequence[str], at: int, row: Row | None, dialect: Dialect) -> int:
    """Return where the option *at* ends: behind its values."""
    takes = "value" if row is None else row.takes
    if takes == "nothing":
        return at + 1
    end = at + 1
    dashes = dialect.dashes and row is not None and takes == "value"
    while end < len(words) and (dashes or _is_value(words[end])):
        end += 1
        if takes != "values":
            break
    return end


def _is_value(word: str) -> bool:
    return not word.startswith("-") or word == "-" or _NEGATIVE.fullmatch(word) is not None
