"""
What vLLM's NIXL connector moves of a prompt, from an instance that prefills to one that decodes.

A decode rank reads whole blocks: all of full attention's, of a window those that can hold it, of a state
the running one. Sources: vLLM 0.33, v1/nixl/base_scheduler.py (get_exchange_clipped_blocks,
_prefill_backoff), v1/nixl/base_worker.py (register_kv_caches, _compute_desc_ids), v1/nixl/tp_mapping.py and
v1/ssm_conv_transfer_utils.py in distributed/kv_transfer/kv_connector; before 0.20 v1/nixl_connector.py.
"""

from kvplan.engines.handover import Handover, Pulled
from kvplan.engines.vllm.errors import RefusedError
from kvplan.engines.vllm.grouping import Cache, Group
from kvplan.engines.vllm.layout import Layout
from kvplan.engines.vllm.pages import PageSpec
from kvplan.terms import Layer
from kvplan.units import ceil_div

_PIECES: dict[frozenset[str], int] = {
    frozenset({"x"}): 1,
    frozenset({"x", "B and C"}): 3,
    frozenset({"q", "k", "v"}): 3,
}
"""The parts of a convolution's memory that are read apart: of Mamba, Mamba-2 and Gated DeltaNet."""


def pulled(layout: Layout, rank: int, handover: Handover) -> Pulled:
    """
    Return what a rank of a pipeline stage reads of a prompt, of which nothing is cached on its side.

    Blocks that lie in a row are one descriptor where both sides hold a layer's block in one piece: that is
    how NIXL merges them, so that a transfer has from one descriptor per layer to one per layer and block.
    Raises RefusedError for what the release cannot move, or kvplan does not know.
    """
    _require_known(layout)
    if max(layout.tp, handover.tp) % min(layout.tp, handover.tp):
        degrees = f"tp={handover.tp} and tp={layout.tp}"
        raise RefusedError(f"{layout.rules.name} moves no cache between {degrees}: neither divides the other")
    # The decoder runs the last token itself where it needs the state before it.
    tokens = max(1, handover.tokens - layout.has_states)
    each = [_group(layout, group, rank, tokens, handover.tp) for group in layout.groups]
    return Pulled(
        size_bytes=sum(group.size_bytes for group in each),
        # Groups share tensors, in which the blocks of one may follow those of another.
        fewest=max((group.fewest for group in each), default=0),
        most=sum(group.most for group in each),
    )


def _require_known(layout: Layout) -> None:
    rules, pagings = layout.rules, {spec.paging for spec, _ in layout.kinds}
    if layout.options.dcp > 1 or layout.slots is not None or pagings & {"chunked", "cross", "sliding mla"}:
        raise RefusedError(f"how {rules.name} moves this cache between instances is not known to kvplan")
    moved = {"full", "mla"}
    moved |= {"sliding"} if rules.sends != "full attention" else set()
    moved |= {"state"} if rules.sends == "states" else set()
    if pagings - moved:
        raise RefusedError(f"{rules.name} moves {rules.sends} between instances, and no other pages")


def _group(layout: Layout, group: Group, rank: int, tokens: int, prefill_tp: int) -> Pulled:
    """Return what a rank reads of all layers of one group."""
    blocks = _blocks(group.spec, tokens)
    size, fewest, most = 0, 0, 0
    for cache, count in group.alike:
        if cache.rank != rank:
            continue
        page = cache.spec.content_bytes if cache.spec.paging == "state" else cache.spec.page_bytes
        reads, whole = _reads(layout, cache, prefill_tp)
        size += count * blocks * page
        most += count * blocks * reads
        fewest += count * reads * (1 if whole else blocks)
    return Pulled(size, fewest, most)


def _blocks(spec: PageSpec, tokens: int) -> int:
    """Return the blocks of a prompt that are read; a window may begin in any place of its first one."""
    match spec.paging:
        case "state":
            return 1
        case "sliding":
            in_window = ceil_div(spec.window or 0, spec.block_size) + 1
            return min(ceil_div(tokens, spec.block_size), in_window)
        case _:
            return ceil_div(tokens, spec.block_size)


def _reads(layout: Layout, cache: Cache, prefill_tp: int) -> tuple[int, bool]:
    """
    Return how often a layer's block is read, and whether in the piece in which both sides hold it.

    Once from each prefill rank that has some of the decode rank's heads, each head from one of them.
    """
    if cache.spec.paging == "state":
        sources = max(1, prefill_tp // layout.tp)
        return sources * (1 + _pieces(cache.terms)), sources == 1
    if cache.spec.paging == "mla":
        return 1, True
    heads = cache.terms[0].split
    here, there = heads.on_rank(layout.tp), heads.on_rank(prefill_tp)
    apart = 2 if layout.rules.sends_kv_apart else 1
    return apart * max(1, here // there), here == there


def _pieces(terms: Layer) -> int:
    """Return the parts of a convolution's memory; raise RefusedError for one that NIXL does not move."""
    history = [term for term in terms if term.role == "conv"]
    streams = frozenset(str(term.stream) for term in history)
    units = {term.split.unit for term in history if term.stream in ("q", "k")}
    state = any(term.role == "state" for term in terms)
    if not state or streams not in _PIECES or units - {"q and k heads"}:
        raise RefusedError("vLLM's NIXL connector moves states of Mamba, Mamba-2 and Gated DeltaNet alone")
    return _PIECES[streams]
