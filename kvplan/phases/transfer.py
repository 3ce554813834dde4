"""What moves of a prompt from the instance that computed its cache to one that decodes."""

from collections.abc import Iterator

from kvplan.engines import EXACT
from kvplan.engines.handover import Handover, Pulled
from kvplan.errors import KvplanError
from kvplan.planner.deployment import Deployment
from kvplan.records import record


@record
class Transfer:
    """
    A prompt's cache between two instances, in bytes.

    `prompt_bytes` counts each unit once, by the formula; `stored_bytes` is what the ranks that prefill hold
    of it, replicas too. What the engine's `connector` moves is in whole blocks: `moved_bytes` to all ranks
    that decode together, `rank_bytes` to the one that gets most, with from `fewest` to `most` descriptors.
    These are None where that is not known, for the reason `why`.
    """

    prompt_bytes: int
    stored_bytes: int
    connector: str | None = None
    moved_bytes: int | None = None
    rank_bytes: int | None = None
    fewest: int | None = None
    most: int | None = None
    why: str | None = None


def transfer(prefill: Deployment, decode: Deployment, tokens: int) -> Transfer:
    """Return what moves of a prompt of *tokens* tokens, of which nothing is cached where it goes."""
    once, stored = prompt_bytes(prefill, tokens), _stored(prefill, tokens)
    try:
        pulled = _pulled(prefill, decode, tokens)
    except KvplanError as error:
        return Transfer(prompt_bytes=once, stored_bytes=stored, why=error.line)
    if pulled is None:
        return Transfer(prompt_bytes=once, stored_bytes=stored, why=_unknown(decode))
    fullest = max(pulled)
    return Transfer(
        prompt_bytes=once,
        stored_bytes=stored,
        connector=decode.engine.connector,
        moved_bytes=decode.tp * sum(rank.size_bytes for rank in pulled),
        rank_bytes=fullest.size_bytes,
        fewest=fullest.fewest,
        most=fullest.most,
    )


def prompt_bytes(deployment: Deployment, tokens: int) -> int:
    """Return the bytes of a prompt's cache with each unit once, whatever the ranks that hold it."""
    return sum(_each_once(deployment, tokens))


def _each_once(deployment: Deployment, tokens: int) -> Iterator[int]:
    for stage in deployment.stages:
        for layer, count in stage.counts:
            for term in layer:
                yield count * term.row_bytes * term.rows.at(tokens) * term.split.count


def _stored(deployment: Deployment, tokens: int) -> int:
    return deployment.tp * sum(stage.bytes_on_rank(tokens, deployment.tp) for stage in deployment.stages)


def _pulled(prefill: Deployment, decode: Deployment, tokens: int) -> tuple[Pulled, ...] | None:
    """Return what each stage's ranks that decode read; None where the engine's way is not known."""
    if decode.engine.pulled is None:
        return None
    return decode.engine.pulled(decode.arrangement, Handover(tokens=tokens, tp=prefill.tp))


def _unknown(decode: Deployment) -> str | None:
    if decode.engine is EXACT:
        return None
    return f"how {decode.engine.name} moves a cache is not known to kvplan: each unit is counted once"
