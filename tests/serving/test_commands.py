"""Commands that people wrote are read as their engines read them, and written back."""

import shlex

import pytest

from kvplan.serving import read_command, write_command
from tests.serving.commands import COMMANDS, Command

EACH = pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.source)


@EACH
def test_a_command_is_read(command: Command) -> None:
    served = read_command(shlex.split(command.line))

    assert (served.engine, served.model) == (command.engine, command.model)
    assert served.asked == command.asked
    assert served.ignored == command.ignored
    assert served.unknown == command.unknown
    starts = tuple(
        text[: len(start)] for text, start in zip(served.unmodelled, command.unmodelled, strict=True)
    )
    assert starts == command.unmodelled


@EACH
def test_a_command_pasted_in_quotes_is_the_same(command: Command) -> None:
    assert read_command([command.line]) == read_command(shlex.split(command.line))


@EACH
def test_what_was_read_is_written_back(command: Command) -> None:
    served = read_command(shlex.split(command.line))

    line = write_command(served.engine, served.model, served.asked)

    assert line is not None
    again = read_command(shlex.split(line))
    assert (again.engine, again.model, again.asked) == (served.engine, served.model, served.asked)
    assert not again.unknown
