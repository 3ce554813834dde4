"""SGLang's figures: the sizes of the pools that it printed, for the tokens and slots that it printed."""

from collections.abc import Iterator

from kvplan.dtypes import Role
from kvplan.engines.sglang.engine import TokenPools
from kvplan.engines.sglang.lowering import indexer_row
from kvplan.engines.sglang.pools import Sizing
from kvplan.planner.deployment import Deployment
from kvplan.reconcile.drafts import caching_draft
from kvplan.reconcile.errors import LogError
from kvplan.reconcile.log import Figure, StartUpLog
from kvplan.reconcile.rows import DRAFT, Row, row
from kvplan.reconcile.setup import Setup
from kvplan.terms import Growing, Stage

_ROLES: dict[str, Role] = {"K size": "key", "V size": "value"}


def sglang_rows(log: StartUpLog, setup: Setup) -> tuple[Row, ...]:
    """Return the rows of tokens and states; raise a KvplanError if the setup cannot be planned."""
    deployment = setup.deployed()
    if not isinstance(deployment.arrangement, TokenPools):
        raise LogError(f"the log is SGLang's: plan it with --engine sglang, not {deployment.engine.name}")
    sizing = deployment.arrangement.sizing
    return (
        *_heads(log, setup, deployment, sizing),
        *_latents(log, setup, deployment, sizing),
        *_windows(log, sizing),
        *_states(log, setup, deployment, sizing),
    )


def _heads(log: StartUpLog, setup: Setup, deployment: Deployment, sizing: Sizing) -> Iterator[Row]:
    """Yield the sizes of K and V; tensors have a page more than tokens (_create_buffers, memory_pool.py)."""
    drafts = _drafts(log, sizing)
    for figure in log.different("K size", "V size"):
        if figure.kind in drafts:
            yield from _draft(setup, deployment, sizing, figure)
            continue
        windowed = _is_of_windows(log, figure, sizing)
        role = _ROLES[figure.name]
        token = max(
            _token_bytes(stage, role, tp=deployment.tp, windowed=windowed) for stage in deployment.stages
        )
        yield row(figure.name, setup.reading(figure.printed), (figure.given["tokens"] + sizing.page) * token)


def _drafts(log: StartUpLog, sizing: Sizing) -> list[object]:
    """Return the kinds of a draft's pools: its worker starts after the model's (managers/scheduler.py)."""
    if caching_draft(log) is None:
        return []
    own = 1 if sizing.cells.window is None else 2
    of_workers: dict[tuple[str, str], dict[object, None]] = {}
    for figure in log.figures:
        if figure.name in _ROLES:
            of_workers.setdefault((figure.name, figure.worker), {})[figure.kind] = None
    return [kind for kinds in of_workers.values() for kind in list(kinds)[own:]]


def _draft(setup: Setup, deployment: Deployment, sizing: Sizing, figure: Figure) -> Iterator[Row]:
    """Yield the size of a draft's pool, of one layer like the model's own over all tokens."""
    role = _ROLES[figure.name]
    last = [
        term.row_bytes * term.split.on_rank(deployment.tp)
        for term in deployment.stages[-1].terms()
        if term.role == role and isinstance(term.rows, Growing) and term.rows.window is None
    ][-1:]
    for token in last:
        size = (figure.given["tokens"] + sizing.page) * token
        yield row(f"{figure.name}{DRAFT}", setup.reading(figure.printed), size)


def _token_bytes(stage: Stage, role: Role, *, tp: int, windowed: bool | None) -> int:
    """Return the bytes of one token's keys or values over a stage; of all layers if *windowed* is None."""
    return sum(
        term.row_bytes * term.split.on_rank(tp)
        for term in stage.terms()
        if term.role == role
        and isinstance(term.rows, Growing)
        and (windowed is None or (term.rows.window is not None) is windowed)
    )


def _is_of_windows(log: StartUpLog, figure: Figure, sizing: Sizing) -> bool | None:
    """Tell whether a pool is that of windows, which holds fewer tokens; None if there is one pool."""
    if sizing.cells.window is None:
        return None
    pools = [each.given["tokens"] for each in log.all("K size")]
    full = [int(each.printed.value) for each in log.all("full tokens")]
    return figure.given["tokens"] < max([*pools, *full])


def _latents(log: StartUpLog, setup: Setup, deployment: Deployment, sizing: Sizing) -> Iterator[Row]:
    token = max(
        rank.full_bytes - (_indexer_bytes(sizing, stage) if setup.bare_latents else 0)
        for rank, stage in zip(sizing.cells.ranks, deployment.stages, strict=True)
    )
    for figure in log.different("KV size"):
        size = (figure.given["tokens"] + sizing.page) * token
        yield row("KV size", setup.reading(figure.printed), size)


def _indexer_bytes(sizing: Sizing, stage: Stage) -> int:
    """Return the bytes of one token's indexer keys over a stage."""
    keys = [term for term in stage.terms() if term.role == "indexer"]
    return sum(indexer_row(term.width) for term in keys) if sizing.cells.sparse else 0


def _windows(log: StartUpLog, sizing: Sizing) -> Iterator[Row]:
    """Yield the tokens of the windows' pool, which are a share of the full layers' tokens."""
    full, windows = log.least("full tokens"), log.least("window tokens")
    if full is not None and windows is not None and sizing.cells.window is not None:
        share = sizing.options.swa_full_tokens_ratio
        yield row("window tokens", windows, sizing.floored(int(full.value * share)))


def _states(log: StartUpLog, setup: Setup, deployment: Deployment, sizing: Sizing) -> Iterator[Row]:
    """Yield the sizes of convolutions and states; the pool has one slot more than it says, for padding."""
    conv = max(
        sum(
            term.rows.at(0) * term.split.on_rank(deployment.tp) * term.width * 2  # bfloat16 in any model
            for term in stage.terms()
            if term.role == "conv"
        )
        for stage in deployment.stages
    )
    slot = {"conv size": conv, "state size": sizing.cells.slot_bytes - conv}
    for figure in log.different("conv size", "state size"):
        size = (figure.given["slots"] + 1) * slot[figure.name]
        yield row(figure.name, setup.reading(figure.printed), size)
