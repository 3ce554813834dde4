"""What a release of vLLM captures of a model as CUDA graphs, and what these hold."""

from kvplan.engines.profile_run import ProfileRun
from kvplan.engines.settings import Settings
from kvplan.engines.vllm.blocks import sees_ahead
from kvplan.engines.vllm.captures import MOST_ON_BLACKWELL, MOST_TOKENS, Asked, Captured, captured
from kvplan.engines.vllm.graphs import (
    H100,
    OTHERS,
    Driver,
    Held,
    graphs_bytes,
    kernels,
    pool_bytes,
    split_bytes,
)
from kvplan.engines.vllm.profiling import Batch, Widths
from kvplan.engines.vllm.settings import INTERACTIVITY
from kvplan.engines.vllm.versions import VllmRules
from kvplan.gpus import Card

_LATENT = ("mla", "compressed")
_BLACKWELL, _FIRST_TO_CAPTURE_MORE = 10, (0, 28)
_FIRST_WITH_BOTH = (0, 30)
"""The release from which images that see ahead leave text to FlashAttention (TRITON_FLASH_ATTN)."""

_MOST_OF_CLASS = {"gpt_oss": 1024}
"""The largest batch of a class: GptOssForCausalLMConfig in model_executor/models/config.py since 0.19."""

_WITHOUT_SPLITS = frozenset({"gpt_oss"})
"""Those whose attention has sinks, and no partial outputs: none were held in a rehearsal of 0.33."""

_MOST_WIDTH = 256
"""The widest head of FlashAttention 3 (get_flash_attn_version in v1/attention/backends/fa_utils.py)."""

_HALVES = frozenset({"bf16", "fp16"})


def estimated_bytes(  # noqa: PLR0913 - what is captured, and how
    workload: ProfileRun,
    rules: VllmRules,
    given: Settings,
    batch: Batch,
    widths: Widths,
    *,
    driver: Driver | None = None,
) -> int:
    """
    Return what vLLM sets aside for the graphs of a rank's layers; 0 where it does not.

    The *driver* is that of the card unless one is given.
    """
    if batch.eager or not rules.counts_graphs or (batch.v2 and not rules.v2_counts_graphs):
        return 0
    graphs = _captured(workload, rules, given, batch)
    latents = any(kind.kind in _LATENT for kind in workload.kinds)
    each = kernels(
        workload.architecture,
        experts=workload.has_experts,
        latents=latents,
        plain=workload.plain_weights,
        newer=rules.v2_counts_graphs,
    )
    inner = widths.matrices * widths.dense
    if not widths.workspaces:
        inner = max(inner, 2 * widths.experts_per_token * widths.expert)
    held = Held(
        pool=pool_bytes(graphs.most, inner, batch.element_bytes),
        split_bytes=split_per_token(workload, rules, given),
        copies=1 + workload.has_experts,
    )
    usual = H100 if runs_as_hopper(workload.card) else OTHERS
    return graphs_bytes(workload.layers, graphs, each, held, v2=batch.v2, driver=driver or usual)


def runs_as_hopper(card: Card) -> bool:
    """Return whether a card is a Hopper, as one is taken for that is known by its size alone."""
    return card.vendor is None or card.is_hopper


def _captured(workload: ProfileRun, rules: VllmRules, given: Settings, batch: Batch) -> Captured:
    blackwell = (workload.card.capability or (0, 0))[0] == _BLACKWELL
    more = blackwell and rules.version >= _FIRST_TO_CAPTURE_MORE
    most = given.count("max_cudagraph_capture_size")
    return captured(
        Asked(
            batch.sequences,
            batch.tokens,
            drafts=given.count("num_speculative_tokens") or 0,
            most=_MOST_OF_CLASS.get(workload.architecture or "") if most is None else most,
            usual=MOST_ON_BLACKWELL if more else MOST_TOKENS,
            sizes=given.counts("cudagraph_capture_sizes"),
            mode=given.name("cudagraph_mode"),
            fine=given.name("performance_mode") == INTERACTIVITY,
            version=rules.version,
            rounds=batch.v2,
        )
    )


def split_per_token(workload: ProfileRun, rules: VllmRules, given: Settings) -> int:
    """
    Return FlashAttention 3's partial outputs of a token, the most of any layer; it runs on Hopper alone.

    Other kernels are those of latents in fp8, of sparse attention, of wider heads, and up to 0.29 of models
    whose images see ahead (supports_combination in v1/attention/backends/flash_attn.py and mla).
    """
    from kvplan.attention.grouped import SoftmaxKind  # noqa: PLC0415 - a cold command has no kind but its own
    from kvplan.attention.latent import MLA  # noqa: PLC0415

    card, backend = workload.card, given.name("attention_backend")
    if not runs_as_hopper(card) or workload.indexer or workload.architecture in _WITHOUT_SPLITS:
        return 0
    ahead = rules.version < _FIRST_WITH_BOTH and sees_ahead(workload.architecture)
    keys = backend in (None, "FLASH_ATTN", "TRITON_FLASH_ATTN") and not (ahead and workload.sees)
    latents = backend in (None, "FLASH_ATTN_MLA") and workload.cache_dtypes <= _HALVES
    sizes = [0]
    for kind in workload.kinds:
        if isinstance(kind, MLA) and latents:
            sizes.append(split_bytes(kind.heads, kind.d_c, workload.tp))
        elif isinstance(kind, SoftmaxKind) and keys and kind.head_dim <= _MOST_WIDTH:
            sizes.append(split_bytes(kind.heads, kind.v_head_dim or kind.head_dim, workload.tp))
    return max(sizes)
