"""TensorRT-LLM's figures: its pool's size for its tokens, and its tokens for its blocks."""

from collections.abc import Iterator
from fractions import Fraction

from kvplan.engines.trtllm.engine import PooledCache
from kvplan.reconcile.errors import LogError
from kvplan.reconcile.log import StartUpLog
from kvplan.reconcile.rows import Row, row
from kvplan.reconcile.setup import Setup

FREE_PERCENT = 2
"""What is free changes between the line that prints it and the pool: published logs differ by up to 1 %."""


def trtllm_rows(log: StartUpLog, setup: Setup) -> tuple[Row, ...]:
    """Return the rows of the pool; raise a KvplanError if the setup cannot be planned."""
    deployment = setup.deployed()
    if not isinstance(deployment.arrangement, PooledCache):
        raise LogError(
            f"the log is TensorRT-LLM's: plan it with --engine trtllm, not {deployment.engine.name}"
        )
    return tuple(_rows(log, setup, deployment.arrangement))


def _rows(log: StartUpLog, setup: Setup, arrangement: PooledCache) -> Iterator[Row]:
    pools = arrangement.pools
    token = max(sum(pools.token_bytes(group) for group in groups) for groups in pools.groups)
    blocks, tokens = log.last("blocks"), log.last("KV tokens")
    for figure in {each.given.get("tokens"): each for each in log.all("KV size")}.values():
        # Up to 0.8 the tokens stand on a line of their own.
        count = figure.given.get("tokens", None if tokens is None else int(tokens.value))
        if count is not None:
            yield row("KV size", setup.reading(figure.printed), count * token)
    if blocks is not None and tokens is not None:
        yield row("KV tokens", tokens, blocks.value * pools.block_size)
    free = log.least("free memory")
    if free is not None and tokens is not None:
        share = Fraction(log.options.utilization or pools.rules.utilization)
        low, high = arrangement.token_range([int(free.value * share)] * len(pools.groups))
        nearest = min(max(tokens.value, Fraction(low)), Fraction(high))
        yield Row(
            figure="KV tokens",
            printed=tokens,
            low=Fraction(low),
            high=Fraction(high),
            nearest=nearest,
            percent=FREE_PERCENT,
        )
