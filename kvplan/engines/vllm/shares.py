"""Over how many ranks vLLM cuts each part of a model's weights."""

from kvplan.dtypes import SPARSE_MLA_ROLES
from kvplan.engines.base import EngineOptions, SharedOptions
from kvplan.engines.settings import Settings, read_settings
from kvplan.engines.shares import Shares, together
from kvplan.engines.vllm.errors import RefusedError
from kvplan.engines.vllm.media import shares_images_out
from kvplan.engines.vllm.settings import SETTINGS
from kvplan.engines.vllm.versions import VllmRules

_DEEPSEEK = ("deepseek", "deepseek_v2", "deepseek_v3", "deepseek_v32", "glm_moe_dsa", "kimi_k2")
_BY_TOKENS = frozenset({*_DEEPSEEK, "llama4", "llama4_text", "nemotron_h"})
"""
Classes that share a mixture's tokens out over tp where dp engines run beside each other.

Their shared experts are then whole on each rank: disable_tp=is_sequence_parallel in deepseek_v2.py, llama4.py
and nemotron_h.py of model_executor/models, vLLM 0.33. Mistral Large 3 and Kimi's are of the first.
"""

_ON_ONE_STAGE = frozenset({"deepseek_v4", "kimi_k3"})
"""Classes that do so on one pipeline stage alone: nvidia/model.py of theirs in models, vLLM 0.33."""

_WHOLE_DENSE = frozenset({"kimi_k3"})
"""Of these, those whose dense MLPs are whole then, too: KimiMLP."""


_WHOLE_MLPS = frozenset({"gpt_bigcode"})
"""
Model types of the Transformers backend without a tensor parallel plan, whose MLPs are no gated ones.

It cuts attention whose queries, keys and values it finds, and gated MLPs, and keeps what is left whole on
each rank: recursive_replace in model_executor/models/transformers/base.py of vLLM 0.33, and fusers there.
"""

_SINCE_PLANS = (0, 33)

_WHOLE_EMBEDDINGS = frozenset({"whisper"})
"""Models whose embedding, the head with it, no rank cuts: nn.Embedding in models/whisper.py of vLLM 0.33."""

_WHOLE_TOWERS = frozenset({"gemma4", "gemma4_text"})
"""Text models beside towers of transformers, which no rank cuts: models/gemma4_mm.py of vLLM 0.33."""


def context_ranks(options: SharedOptions) -> int:
    """Return the GPUs of prefill context parallelism in place of each: world_size in config/parallel.py."""
    return read_settings(SETTINGS, options.settings).count("prefill_context_parallel_size") or 1


def shares(options: EngineOptions, rules: VllmRules) -> Shares:
    """
    Return the shares of tp ranks in each of dp engines, which hold one set of experts together.

    All tp x dp ranks, prefill context parallelism's with them, cut each expert, or with expert parallelism
    deal whole ones out: FusedMoEParallelConfig.make in model_executor/layers/fused_moe/config.py of vLLM
    0.33.
    """
    given = read_settings(SETTINGS, options.settings)
    ranks = options.tp * options.dp * context_ranks(options)
    whole = _deals_out(options, given, ranks)
    found = together(options, 1)._replace(
        expert=1 if whole else ranks, experts=ranks if whole else 1, spare=_spare(given, whole=whole)
    )
    if options.architecture in _WHOLE_MLPS and rules.version >= _SINCE_PLANS:
        found = found._replace(dense=1)
    if options.architecture in _WHOLE_EMBEDDINGS:
        found = found._replace(embedding=1)
    if options.architecture in _WHOLE_TOWERS or _shares_images_out(options, given):
        found = found._replace(tower=1)
    # use_sequence_parallel_moe in config/parallel.py, for all but a few ways to send tokens.
    if not (whole and options.tp > 1 and options.dp > 1 and _by_tokens(options)):
        return found
    # The class of sparse MLA has its dense MLPs whole, too: models/deepseek_v32.
    dense = options.roles >= SPARSE_MLA_ROLES or options.architecture in _WHOLE_DENSE
    return found._replace(shared=1, dense=1 if dense else found.dense)


def _shares_images_out(options: EngineOptions, given: Settings) -> bool:
    """Return whether a rank has the whole tower; of Llama 4's, ranks cut 40 MiB that project all the same."""
    return shares_images_out(given, options.architecture, options.vision)


def _by_tokens(options: EngineOptions) -> bool:
    return options.architecture in _BY_TOKENS or (options.architecture in _ON_ONE_STAGE and options.pp == 1)


def _deals_out(options: EngineOptions, given: Settings, ranks: int) -> bool:
    """Return whether experts are whole; raise RefusedError for another number of ranks than all of them."""
    asked = given.flag("enable_expert_parallel")
    if options.ep > 1 and (asked is False or options.ep != ranks):
        raise RefusedError(
            f"vLLM deals experts out over all of its tp x dp ranks or none: ep={options.ep} is not {ranks}"
        )
    return ranks > 1 and (options.ep > 1 or asked is True)


def _spare(given: Settings, *, whole: bool) -> int:
    """Return the copies of experts; vLLM keeps them with two more options alone: config/parallel.py."""
    spare, moves = given.count("num_redundant_experts") or 0, given.flag("enable_eplb") is True
    if spare and not (whole and moves):
        raise RefusedError(
            f"vLLM keeps num_redundant_experts={spare} with expert parallelism and enable_eplb alone: give "
            "--ep, and --set enable_eplb=true"
        )
    return spare
