"""Commands that people wrote are read as their engines read them, and written back."""

import shlex

import pytest

from kvplan.serving import read_command, with_own_words, write_command
from kvplan.serving.read import DIALECTS
from kvplan.serving.rows import DIRECTIONS, EITHER, LESS, MORE
from kvplan.serving.table import Asks, Dialect, LeftOut
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


@EACH
def test_with_its_own_words_it_is_the_same_command(command: Command) -> None:
    served = read_command(shlex.split(command.line))
    line = write_command(served.engine, "MODEL", served.asked)
    assert line is not None
    again = read_command(shlex.split(with_own_words(line, served)))
    assert (again.model, again.asked) == (served.model, served.asked)
    assert sorted(again.unmodelled) == sorted(served.unmodelled)
    assert sorted(again.unknown) == sorted(served.unknown)


@pytest.mark.parametrize("dialect", DIALECTS.values(), ids=list(DIALECTS))
def test_what_no_plan_counts_is_named_with_its_direction(dialect: Dialect) -> None:
    told = [row.what for row in dialect.rows if isinstance(row, LeftOut)]
    told += [row.unset for row in dialect.rows if isinstance(row, Asks) and row.unset]
    assert told
    assert [what for what in told if not what.endswith(DIRECTIONS)] == []


@pytest.mark.parametrize(
    ("command", "direction"),
    [
        ("vllm serve a/b --enable-tower-connector-lora", MORE),
        ("vllm serve a/b --offload-group-size 8", LESS),
        ("vllm serve a/b --quantization fp8", EITHER),
        ('vllm serve a/b --speculative-config {"method":"medusa"}', MORE),
        ("python -m sglang.launch_server --model-path a/b --speculative-token-map x", LESS),
        ("llama-server -m a.gguf -ngl 12", LESS),
        ("llama-server -m a.gguf --pooling mean", EITHER),
        ("llama-server -m a.gguf --spec-type draft-dspark", MORE),
        ("trtllm-serve a/b --server-role CONTEXT", EITHER),
    ],
)
def test_a_warning_ends_in_its_direction(command: str, direction: str) -> None:
    (told,) = read_command(command.split()).unmodelled
    assert told.endswith(direction)
