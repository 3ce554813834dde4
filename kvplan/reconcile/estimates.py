"""The figures that no plan knows exactly: the weights on a GPU, and the memory that is left for the cache."""

from collections.abc import Iterator

from kvplan.planner.loaded import loaded
from kvplan.reconcile.dialect import Disclaimed
from kvplan.reconcile.dialects import DIALECTS
from kvplan.reconcile.log import StartUpLog
from kvplan.reconcile.memory import memory_plan
from kvplan.reconcile.rows import WEIGHTS_PERCENT, Row, row
from kvplan.reconcile.setup import Overrides, Setup


def estimate_rows(log: StartUpLog, setup: Setup, asked: Overrides) -> tuple[tuple[Row, ...], tuple[str, ...]]:
    """
    Return the rows of weights and KV memory, and notes on what cannot be compared.

    They never make a log unexplained: a checkpoint's bytes are not those of an engine's tensors, and
    what an engine needs beside weights and cache is an estimate with a range.
    """
    rows: list[Row] = []
    notes: list[str] = []
    said = setup.spec.weight_dtype or asked.weight_dtype
    quantized = log.options.quantization is not None and said is None
    if quantized and log.all("weights"):
        notes.append(f"the log says quantization {log.options.quantization}: its weights are not compared")
    else:
        rows += _weights(log, setup, asked)
    memory = tuple(_kv_memory(log, setup, asked))
    if asked.gpu is not None and not memory and not (log.foreign and log.foreign.plugin):
        notes.append("the log does not print the memory left for the cache: nothing is compared with --gpu")
    return (*rows, *memory), tuple(notes)


def _weights(log: StartUpLog, setup: Setup, asked: Overrides) -> Iterator[Row]:
    """Yield the weights of the fullest rank: of the model itself, where a smaller draft is loaded too."""
    known = setup.spec.weights(asked.weight_dtype)
    name = DIALECTS[log.engine].weights
    if known is None or isinstance(name, Disclaimed) or not log.all(name):
        return
    planned = max(loaded(setup.deployed(), known).weights)
    printed = max((each.printed for each in log.all(name)), key=lambda each: each.value)
    yield row("weights", setup.reading(printed), planned, percent=WEIGHTS_PERCENT)


def _kv_memory(log: StartUpLog, setup: Setup, asked: Overrides) -> Iterator[Row]:
    """Yield what the card would leave for the cache, over the range of the engine's other needs."""
    if found := memory_plan(log, setup, asked):
        printed, planned = found
        yield planned.row(printed)
