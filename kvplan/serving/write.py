"""The command that starts an engine with the options of a plan."""

import shlex
from collections.abc import Sequence
from collections.abc import Set as AbstractSet

from kvplan.errors import OptionsError
from kvplan.serving.read import DIALECTS, read_command
from kvplan.serving.served import Answer, Kept, PlanAnswers, Served, flat
from kvplan.serving.table import Asks, Dialect, Keys, Switch
from kvplan.serving.words import OTHER_SERVERS

_DEGREES = ("tp", "pp", "dp", "dcp")
_FLAGS = {"true": "true", "on": "true", "1": "true", "false": "false", "off": "false", "0": "false"}
NO_SERVER = ("exact", "transformers")


def write_command(engine: str, model: str, asked: PlanAnswers, kept: Sequence[Kept] = ()) -> str | None:
    """
    Return the shell command of *engine* (a version after `@` is left off) for what a plan *asked*.

    `read_command` reads the same out of it again, `batch` apart: it is a load, and no option but
    llama.cpp's slots, where `max_num_seqs` does not say them. Give what differs from the engine's own
    choice; all of it is written, and behind it the words that are *kept*. None for engines without a
    server. Raises OptionsError for what the engine has no option for.
    """
    name = engine.partition("@")[0]
    if name in NO_SERVER:
        return None
    if name not in DIALECTS:
        raise OptionsError(f"kvplan writes no command for {name}: it knows {', '.join(DIALECTS)}")
    subcommands = ("serve", *OTHER_SERVERS) if name == "trtllm" else ()
    if not model or model.startswith("-") or model in subcommands:
        raise OptionsError(f"{model!r} is not the name of a model")
    dialect = DIALECTS[name]
    answers = dialect.spread(flat(asked))
    replaced = {each.keyword for each in kept if each.replaces}
    kept = [each for each in kept if each.replaces or each.keyword not in answers]
    variables, options = _written(
        dialect, {name: answer for name, answer in answers.items() if not _is_said(name, replaced)}
    )
    variables += [_variable(word) for each in kept if each.variable for word in each.words]
    words = [*dialect.head(model), *options, *(w for each in kept if not each.variable for w in each.words)]
    return " ".join([*variables, *(shlex.quote(word) for word in words)])


def _is_said(name: str, replaced: AbstractSet[str]) -> bool:
    """Tell whether words that are kept say an answer, or the config that it is a part of."""
    return name in replaced or name.partition(".")[0] in replaced


def with_own_words(command: str, served: Served) -> str:
    """Return the *command* of a plan for the model that was *served*, with the words that it kept."""
    asked = read_command(shlex.split(command)).asked
    written = write_command(served.engine, served.model, asked, served.kept)
    return command if written is None else written


def _variable(word: str) -> str:
    name, _, value = word.partition("=")
    return f"{name}={shlex.quote(value)}"


def takes_gguf(engine: str) -> bool:
    """Tell whether the command of *engine* serves GGUF files alone."""
    dialect = DIALECTS.get(engine.partition("@")[0])
    return dialect is not None and dialect.gguf


def has_option(engine: str, keyword: str) -> bool:
    """Tell whether the command of *engine* has an option for a plan's *keyword*."""
    dialect = DIALECTS.get(engine.partition("@")[0])
    rows = () if dialect is None else dialect.rows
    return any(isinstance(row, (Asks, Keys, Switch)) and keyword == _written_for(row) for row in rows)


def _written_for(row: Asks | Keys | Switch) -> str:
    """Return the answer of a plan that *row* writes; none for keys that are only read."""
    return row.whole if isinstance(row, Keys) else row.keyword


def _written(dialect: Dialect, answers: dict[str, Answer]) -> tuple[list[str], list[str]]:
    """Return the environment variables and the words for *answers*, in the table's order."""
    answers = {name: answer for name, answer in answers.items() if name != "batch"}
    variables: list[str] = []
    words: list[str] = []
    for row in dialect.rows:
        if not isinstance(row, (Asks, Keys, Switch)) or (keyword := _written_for(row)) not in answers:
            continue
        answer = answers.pop(keyword)
        name = row.names[0]
        if isinstance(row, Keys):
            words += [_spelt(name, dialect), str(answer)]
        elif isinstance(row, Switch):
            words += [_spelt(each, dialect) for each in _flag(row, answer)]
        elif name.startswith("-"):
            text = row.value.write(answer)
            words += [_spelt(name, dialect), *(text.split() if row.takes == "values" else [text])]
        else:
            variables.append(f"{name}={shlex.quote(row.value.write(answer))}")
    answers = {name: answer for name, answer in answers.items() if answer != 1 or name not in _DEGREES}
    if answers:
        raise OptionsError(f"{dialect.engine}'s command has no option for {', '.join(sorted(answers))}")
    return variables, words


def _spelt(name: str, dialect: Dialect) -> str:
    return f"--{name[2:].replace('-', '_')}" if dialect.underscores else name


def _flag(row: Switch, answer: Answer) -> list[str]:
    """Return the name that turns *row* to *answer*; none for what the engine does and has no name for."""
    meant = _FLAGS.get(answer.lower(), answer) if isinstance(answer, str) else answer
    if meant == row.on:
        return [row.names[0]]
    if meant == row.off:
        return list(row.against[:1])
    raise OptionsError(f"{row.keyword}={answer} is neither true nor false")
