"""What vLLM asks of context parallelism, which spreads a sequence's tokens over ranks."""

from collections.abc import Sequence

from kvplan.engines.vllm.errors import RefusedError
from kvplan.engines.vllm.versions import VllmRules
from kvplan.engines.vocabulary import uncut_rows
from kvplan.terms import Growing, Layer, Term


def require_cp(layers: Sequence[Layer], *, tp: int, dcp: int, pcp: int, rules: VllmRules) -> None:
    """
    Raise RefusedError if *dcp* and *pcp* do not go with *tp* and the layers.

    Sources, vLLM 0.33: config/parallel.py (tp % dcp, and dcp beside pcp), config/model.py (KV heads),
    and v1/kv_cache_interface.py (windows). The rule on query heads per KV head is not checked here,
    because query heads are not cached.
    """
    terms = [term for layer in layers for term in layer]
    if pcp > 1:
        _require_pcp(terms, tp=tp, dcp=dcp, pcp=pcp, rules=rules)
    if dcp == 1:
        return
    if pcp == 1 and tp % dcp:
        raise RefusedError(f"tp={tp} is no multiple of dcp={dcp}, which shares its ranks")
    growing = [(term, term.known_rows) for term in terms if isinstance(term.known_rows, Growing)]
    if any(rows.window is not None and not rows.chunked for _, rows in growing):
        raise RefusedError(f"{rules.name} has no decode context parallelism for sliding windows: use dcp=1")
    for heads in {term.split.count for term, _ in growing if term.role == "key"}:
        if not dcp <= tp // heads or tp <= heads:
            raise RefusedError(
                f"dcp={dcp} needs KV heads that are stored {dcp} times: tp={tp} stores {heads} of them "
                f"{max(1, tp // heads)} times"
            )


def require_vocabulary(vocab: int | None, tp: int, rules: VllmRules) -> None:
    """Raise RefusedError if the rows of the embedding do not divide over *tp* ranks."""
    rows = uncut_rows(vocab, tp)
    if rows is not None:
        raise RefusedError(
            f"{rules.name} does not cut the {rows:,} rows of the vocabulary over tp={tp}: "
            "choose a degree that divides them"
        )


def _require_pcp(terms: Sequence[Term], *, tp: int, dcp: int, pcp: int, rules: VllmRules) -> None:
    """
    Raise RefusedError if prefill context parallelism does not go with a model: it needs MLA.

    Its ranks are further GPUs. Alone it stores every token on each of them; only dcp shares tokens
    out. Sources, vLLM 0.33: v1/worker/gpu/pcp_manager.py (validate_config) and config/parallel.py.
    """
    if not rules.pcp:
        raise RefusedError(f"prefill context parallelism of {rules.name} is not known to kvplan")
    roles = {term.role for term in terms}
    if "latent" not in roles:
        raise RefusedError(f"{rules.name} has prefill context parallelism for MLA only")
    if dcp > 1 and "indexer" not in roles:
        raise RefusedError(
            f"{rules.name} has decode beside prefill context parallelism for sparse MLA only: use dcp=1"
        )
    if dcp not in (1, pcp, tp * pcp):
        legal = " or ".join(map(str, sorted({1, pcp, tp * pcp})))
        raise RefusedError(
            f"beside prefill_context_parallel_size={pcp} and tp={tp}, dcp is {legal}, not {dcp}"
        )
