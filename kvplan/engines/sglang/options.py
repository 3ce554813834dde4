"""What a user chooses when SGLang starts, as far as it concerns the cache."""

from fractions import Fraction

from kvplan.dtypes import SPARSE_MLA_ROLES, Dtype, dtype_by_name
from kvplan.engines.base import Drafting, EngineOptions
from kvplan.engines.offloading import CPU_OFFLOAD
from kvplan.engines.settings import Setting, read_settings
from kvplan.engines.sglang import speculation
from kvplan.engines.sglang.errors import OptionsError
from kvplan.engines.sglang.fraction import MAX_PREFILL_TOKENS, scale_of
from kvplan.engines.sglang.pages import forced_page
from kvplan.engines.sglang.speculation import Speculation, read_speculation
from kvplan.engines.sglang.versions import SglangRules
from kvplan.records import record

_BY_TOKENS = "deepep deepep_v2 flashinfer flashinfer_megamoe megamoe mooncake mori nixl pplx"
BY_TOKENS = tuple(_BY_TOKENS.split())
"""
Ways to send tokens that deal experts out over all ranks.

_A2A_EP_SPANNING_BACKENDS in arg_groups/overrides.py of SGLang 0.5.23, without Ascend's.
"""

CAPTURED_A2A = ("none", "deepep", "megamoe", "flashinfer")
"""
Those of them beside which prefill is captured in graphs.

disable_breakable_cudagraph_if_incompatible in arg_groups/cuda_graph_hook.py of SGLang 0.5.23.
"""

SETTINGS = (
    Setting(name="swa_full_tokens_ratio", kind="ratio", help="tokens of windowed layers per full one"),
    Setting(name="disable_hybrid_swa_memory", kind="flag", help="one pool: windows drop nothing"),
    Setting(name="mamba_full_memory_ratio", kind="ratio", help="memory of states per memory of tokens"),
    Setting(name="max_mamba_cache_size", kind="count", help="slots for states in place of that ratio"),
    Setting(
        name="mamba_ssm_dtype",
        kind="name",
        help="of recurrent states",
        choices=("float32", "bfloat16", "float16"),
    ),
    Setting(
        name="mamba_radix_cache_strategy",
        kind="name",
        help="how the radix cache keeps states",
        choices=("auto", "no_buffer", "extra_buffer", "extra_buffer_lazy"),
    ),
    Setting(
        name="disable_overlap_schedule",
        kind="flag",
        help="on keeps no batch in flight, and fewer states; pipeline stages have none",
    ),
    Setting(name="chunked_prefill", kind="flag", help="off prefills whole prompts at once"),
    Setting(name="max_prefill_tokens", kind="count", help="tokens of such prefills at once: 16384"),
    Setting(
        name="disable_decode_cuda_graph", kind="flag", help="on keeps nothing back for graphs of decoding"
    ),
    Setting(
        name="disable_prefill_cuda_graph", kind="flag", help="on keeps nothing back for those of prefill"
    ),
    Setting(name="cuda_graph_max_bs_decode", kind="count", help="the largest batch decoded in a graph"),
    Setting(name="cuda_graph_max_bs_prefill", kind="count", help="the longest prefill in a graph"),
    Setting(name="cuda_graph_bs_prefill", kind="counts", help="all prefills in graphs: 64,128"),
    Setting(name="ep_size", kind="count", help="ranks over which whole experts are dealt out, as --ep"),
    Setting(name="ep_num_redundant_experts", kind="count", help="copies of experts, dealt out with them"),
    Setting(
        name="enable_dp_attention",
        kind="flag",
        help="on runs dp replicas as one group of tp x dp ranks, SGLang's tp_size, with one set of experts",
    ),
    Setting(name="moe_dense_tp_size", kind="count", help="1 holds the MLPs of dense layers whole"),
    Setting(name="enable_dp_lm_head", kind="flag", help="on cuts the head over tp, and not over tp x dp"),
    Setting(
        name="moe_a2a_backend",
        kind="name",
        help="how tokens reach experts: deepep and its kin deal these out over all ranks",
        choices=("none", *BY_TOKENS),
    ),
    Setting(name="max_total_tokens", kind="count", help="tokens of the pool in place of more that fit"),
    *speculation.SETTINGS,
    Setting(name="enable_lora", kind="flag", help="slots for adapters"),
    Setting(name="max_loras_per_batch", kind="count", help="slots, one of them for none: 8"),
    Setting(name="max_lora_rank", kind="count", help="the rank of a slot"),
    Setting(name="lora_target_modules", kind="name", help="modules with slots: all, or q_proj,o_proj"),
    CPU_OFFLOAD,
)
"""Options of SGLang that other engines do not have (arg_groups/fields/schedule.py, exec_.py)."""

CHUNKED_PREFILL_SIZE = 8192
"""Where no card is known: SGLang's own for cards of 60 to 160 GiB (arg_groups/memory_hook.py)."""


@record
class SglangOptions:
    """
    SGLang's options by its own names, where it has one; what is None is its own choice.

    `state_dtype` is mamba_ssm_dtype: None takes float32, or what the release's config fixes.
    `sparse` says that layers of the model, if not all, have an indexer beside their latent, and `draft`
    what drafts tokens; `speculation` says how far it, or NGRAM, goes. `groups` of ranks attend for requests
    of their own. `forced_page` is what the attention backend makes of a page that is not asked for. `in_turn`
    says that the scheduler was told not to overlap batches, which it cannot over several of `pp` stages.
    Each prefills `chunked_prefill_size` tokens at once, or a longer prompt where they are not `chunked`.
    """

    architecture: str | None
    tp: int
    sparse: bool
    page_size: int | None
    chunked_prefill_size: int
    max_running_requests: int | None
    radix_cache: bool
    states_fixed: bool
    state_dtype: Dtype | None
    strategy: str | None
    disable_hybrid_swa_memory: bool | None
    swa_full_tokens_ratio: Fraction
    mamba_full_memory_ratio: Fraction
    max_mamba_cache_size: int | None
    max_total_tokens: int | None
    draft: Drafting | None = None
    speculation: Speculation | None = None
    groups: int = 1
    forced_page: int = 1
    in_turn: bool = False
    pp: int = 1
    chunked: bool = True

    @property
    def overlaps(self) -> bool:
        """Whether a batch is in flight while the next is scheduled (_pipeline_parallel_overlap_disable)."""
        return self.pp == 1 and not self.in_turn

    @property
    def most_requests(self) -> int | None:
        """The requests that run at once, as asked or as speculation has them; None where memory decides."""
        usual = None if self.speculation is None else max(1, speculation.REQUESTS // self.groups)
        return self.max_running_requests or usual

    @property
    def drafted_tokens(self) -> int:
        """The tokens that are verified at once, 0 where none are drafted or guessed."""
        return 0 if self.speculation is None else self.speculation.tokens


def read_options(options: EngineOptions, rules: SglangRules) -> SglangOptions:
    """Return SGLang's options of the shared ones and the settings; raise OptionsError for a bad one."""
    given = read_settings(SETTINGS, options.settings)
    ratio = given.ratio("swa_full_tokens_ratio") or Fraction(rules.swa_full_tokens_ratio)
    if ratio > 1:  # arg_groups/kv_cache_hook.py
        raise OptionsError(f"swa_full_tokens_ratio={float(ratio):g} is above 1: SGLang takes 0 to 1")
    dtype = given.name("mamba_ssm_dtype")
    chunked = given.flag("chunked_prefill") is not False
    groups = options.dp if given.flag("enable_dp_attention") else 1
    prefilled = _at_once(options, given.count("max_prefill_tokens"), chunked=chunked, groups=groups)
    return SglangOptions(
        architecture=options.architecture,
        tp=options.tp,
        sparse=options.roles >= SPARSE_MLA_ROLES,
        page_size=_count("page_size", options.block_size),
        chunked_prefill_size=prefilled,
        max_running_requests=_count("max_running_requests", options.max_num_seqs),
        radix_cache=options.prefix_caching is not False,
        states_fixed=options.states_fixed,
        state_dtype=dtype_by_name(dtype) if dtype else None,
        strategy=given.name("mamba_radix_cache_strategy"),
        disable_hybrid_swa_memory=given.flag("disable_hybrid_swa_memory"),
        swa_full_tokens_ratio=ratio,
        mamba_full_memory_ratio=given.ratio("mamba_full_memory_ratio")
        or Fraction(rules.mamba_full_memory_ratio),
        max_mamba_cache_size=given.count("max_mamba_cache_size"),
        max_total_tokens=given.count("max_total_tokens"),
        draft=options.draft,
        speculation=read_speculation(options, given),
        groups=groups,
        forced_page=forced_page(options),
        in_turn=given.flag("disable_overlap_schedule") is True,
        pp=options.pp,
        chunked=chunked,
    )


def _at_once(options: EngineOptions, most: int | None, *, chunked: bool, groups: int) -> int:
    """
    Return the tokens that a rank prefills at once: its group's part of a chunk, or all of whole prompts.

    Source: handle_data_parallelism in arg_groups/parallel_hook.py of SGLang 0.5.23.
    """
    if not chunked:
        return most or MAX_PREFILL_TOKENS
    asked = _count("chunked_prefill_size", options.max_num_batched_tokens)
    chunk = asked or _usual_chunk(options.card.total_bytes if options.card else None)
    if chunk < groups:
        raise OptionsError(f"chunked_prefill_size={chunk} has no token for each of {groups} groups: raise it")
    return chunk // groups


def _usual_chunk(gpu_bytes: int | None) -> int:
    """Return the prefill chunk that SGLang takes on a card."""
    return CHUNKED_PREFILL_SIZE if gpu_bytes is None else scale_of(gpu_bytes).chunked_prefill_size


def _count(name: str, count: int | None) -> int | None:
    if count is not None and count < 1:
        raise OptionsError(f"{name}={count} is not at least 1")
    return count
