"""
The traces that are recognised, by the names of their columns.

A name is taken as it stands: `input_length` is Mooncake's, and nothing is guessed from one that is alike.
"""

from collections.abc import Callable, Collection, Mapping
from datetime import UTC, datetime
from math import isfinite

from kvplan.records import record
from kvplan.traffic.requests import TrafficError

Cell = object
"""What stands in a row: text in CSV, any value in JSON."""


def _number(cell: Cell) -> float:
    if isinstance(cell, bool) or not isinstance(cell, int | float | str):
        raise TypeError
    number = float(cell)
    if not isfinite(number):
        raise ValueError
    return number


def _milliseconds(cell: Cell) -> float:
    return _number(cell) / 1000


def _date(cell: Cell) -> float:
    """Return a date's seconds; one that names no zone is in one of its trace's own."""
    if not isinstance(cell, str):
        raise TypeError
    date = datetime.fromisoformat(cell)
    return (date if date.tzinfo else date.replace(tzinfo=UTC)).timestamp()


@record
class Format:
    """
    A trace's columns: of prompts, of outputs, and of what else is there.

    `within` is the object of a row that holds the two, and `time` the column of arrivals with `seconds` to
    read it; no time is read where its unit is not known. Where `fails`, a request without an output failed.
    `hashes` is the column of a prompt's blocks, of `hash_block` tokens each.
    """

    name: str
    prompt: str
    output: str
    within: str | None = None
    time: str | None = None
    seconds: Callable[[Cell], float] = _number
    fails: bool = False
    hashes: str | None = None
    hash_block: int | None = None

    @property
    def written(self) -> str:
        """Return the names of the two columns, as they are written."""
        inside = f"{self.within}." if self.within else ""
        return f"{inside}{self.prompt},{inside}{self.output}"

    def is_of(self, columns: Collection[str]) -> bool:
        """Tell whether these are its columns; those within an object are written `object.column`."""
        return set(self.written.split(",")) <= set(columns)


FORMATS = (
    # github.com/Azure/AzurePublicDataset, AzureLLMInferenceDataset2023.md and 2024.md, "Schema".
    Format(
        name="Azure LLM inference trace",
        prompt="ContextTokens",
        output="GeneratedTokens",
        time="TIMESTAMP",
        seconds=_date,
    ),
    # github.com/kvcache-ai/Mooncake, FAST25-release/README.md, "Trace Format": milliseconds, 512 tokens.
    Format(
        name="Mooncake trace",
        prompt="input_length",
        output="output_length",
        time="timestamp",
        seconds=_milliseconds,
        hashes="hash_ids",
        hash_block=512,
    ),
    # github.com/HPMLL/BurstGPT, README.md, "Data" (failures have 0 response tokens) and "Schema" (seconds).
    Format(
        name="BurstGPT trace",
        prompt="Request tokens",
        output="Response tokens",
        time="Timestamp",
        fails=True,
    ),
    # Exports of conversations and of benchmarks, with token counts beside or in place of their texts.
    Format(name="export", prompt="prompt_tokens", output="completion_tokens"),
    Format(name="export", prompt="prompt_tokens", output="output_tokens"),
    Format(name="export", prompt="input_tokens", output="output_tokens"),
    Format(name="export", prompt="prompt_len", output="output_len"),
    Format(name="export", prompt="input_len", output="output_len"),
    # What an API answered: OpenAI's and Anthropic's usage objects.
    Format(name="API log", within="usage", prompt="prompt_tokens", output="completion_tokens"),
    Format(name="API log", within="usage", prompt="input_tokens", output="output_tokens"),
)

_TEXTS = {"conversation", "conversations", "messages", "prompt", "text"}
"""Columns of ShareGPT-like exports that hold texts alone."""

_TO_WRITE = "write a header prompt_tokens,completion_tokens, or JSON lines with these keys"


def format_of(columns: Collection[str], where: str) -> Format:
    """Return the trace that has these columns; raise TrafficError for those of none, or of two."""
    found = [each for each in FORMATS if each.is_of(columns)]
    if len(found) == 1:
        return found[0]
    if found:
        two = " and of ".join(each.written for each in found[:2])
        raise TrafficError(f"{where} has columns of {two}: keep those that are meant")
    if _TEXTS & set(columns):
        raise TrafficError(
            f"{where} holds texts and no token counts, which depend on the model: count them with its "
            f"tokenizer, and {_TO_WRITE}"
        )
    names = ", ".join(map(repr, list(columns)[:6])) or "none"
    raise TrafficError(f"{where}: its columns, {names}, are those of no known trace: {_TO_WRITE}")


def columns_of(row: Mapping[str, Cell]) -> list[str]:
    """Return the columns of an object, and those within the objects that it holds."""
    inside = [f"{name}.{key}" for name, cell in row.items() if isinstance(cell, Mapping) for key in cell]
    return [*row, *inside]
