"""
What SGLang keeps beside weights for LoRA adapters: slots of the largest rank for its target modules.

Source: srt/lora/mem_pool.py and utils.py of SGLang 0.5.23, which allocate the pool before the cache. A stage
has slots for all of the model's layers.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from kvplan.attention.grouped import SoftmaxKind
from kvplan.attention.recurrent import GatedDeltaNet
from kvplan.engines.adapters import AdaptedModel, Site, mlps, needed, sites
from kvplan.engines.settings import Settings, read_settings
from kvplan.engines.sglang.errors import OptionsError, RefusedError
from kvplan.engines.sglang.options import SETTINGS
from kvplan.units import ceil_div

_READ = frozenset(
    {
        "cohere",
        "cohere2",
        "deepseek_v2",
        "deepseek_v3",
        "ernie4_5",
        "exaone4",
        "gemma",
        "gemma2",
        "gemma3_text",
        "glm4",
        "glm4_moe",
        "gpt_oss",
        "granite",
        "kimi_k2",
        "llama",
        "mimo",
        "minicpm",
        "minimax_m2",
        "mistral",
        "mixtral",
        "olmo2",
        "olmo3",
        "phi3",
        "phimoe",
        "qwen2",
        "qwen2_moe",
        "qwen3",
        "qwen3_moe",
        "stablelm",
        "xverse",
    }
)
"""
Classes with layers as the default of get_hidden_dim has them, and with names of its own: srt/models/*.py.

Queries, keys and values in one or MLA with a latent for queries, gated MLPs, experts in FusedMoE.
"""

_NORMALISED = {
    "q_proj": "qkv_proj",
    "k_proj": "qkv_proj",
    "v_proj": "qkv_proj",
    "gate_proj": "gate_up_proj",
    "up_proj": "gate_up_proj",
    "q_a_proj": "fused_qkv_a_proj_with_mqa",
    "kv_a_proj_with_mqa": "fused_qkv_a_proj_with_mqa",
}
_ENDS = frozenset({"embed_tokens", "lm_head"})
_HYBRIDS = frozenset({"qwen3_5", "qwen3_5_moe_text", "qwen3_5_text"})
"""Classes whose every layer has slots for both of its mixers: get_hidden_dim in srt/models/qwen3_5.py."""

_OF_SITES = {
    "queries and keys": "qkv_proj",
    "queries": "q_b_proj",
    "keys and values": "kv_b_proj",
    "latents": "fused_qkv_a_proj_with_mqa",
    "states in": "in_proj_qkvz",
    "states out": "out_proj",
    "output": "o_proj",
    "MLP in": "gate_up_proj",
    "MLP out": "down_proj",
}
"""What `all` stands for in these classes beside both ends (auto_detect_lora_target_modules)."""

_MODULES = (*_OF_SITES.values(), *sorted(_ENDS))

_MLP = ("MLP in", "MLP out")

_USUAL_SLOTS = 8
"""max_loras_per_batch in arg_groups/fields/lora.py."""

_PADDED_TO = 64
"""The vocabulary is padded to a multiple of it: layers/vocab_parallel_embedding.py."""


class _Slots(NamedTuple):
    number: int
    rank: int
    targets: frozenset[str]
    all: bool
    element_bytes: int


def adapter_bytes(model: AdaptedModel) -> tuple[int, ...]:
    """
    Return the bytes of adapters' slots on a rank of each stage; 0 unless they are enabled.

    Raises RefusedError for a class of which kvplan does not know its target modules.
    """
    slots = _slots(read_settings(SETTINGS, model.options.settings), model.element_bytes)
    if slots is None:
        return (0,) * len(model.stages)
    if model.options.architecture not in _READ | _HYBRIDS:
        raise RefusedError(
            f"which modules of {model.name} have adapters in SGLang is not known to kvplan: leave "
            "enable_lora out, and give the size of their slots with --overhead"
        )
    of_layer = _of_both if model.options.architecture in _HYBRIDS else sites
    found = [tuple(of_layer(model, layer)) for layer in range(len(model.kinds))]
    _require_modules(model, found, slots)
    size = sum(_site(site, slots) for site in _allocated(found)) + _ends(model, slots)
    return (size,) * len(model.stages)


def _of_both(model: AdaptedModel, layer: int) -> Iterator[Site]:
    """Yield the sites of a layer of a hybrid, with those of the mixer that it has not."""
    hidden, ranks = needed(model, "hidden"), model.shares.attention
    for kind in dict.fromkeys(kind for kinds in model.kinds for kind in kinds):
        if isinstance(kind, GatedDeltaNet):
            qk, v = kind.qk_heads * kind.qk_head_dim, kind.v_heads * kind.v_head_dim
            fused = 2 * (qk + v) // ranks
            yield Site("states in", hidden, fused, slices=4, cut="outputs", ranks=ranks)
            yield Site("states out", v // ranks, hidden, cut="inputs", ranks=ranks)
        elif isinstance(kind, SoftmaxKind):
            queries = kind.heads * kind.head_dim // ranks
            outputs = queries * (1 + kind.output_gate) + 2 * max(1, kind.kv_heads // ranks) * kind.head_dim
            yield Site("queries and keys", hidden, outputs, slices=3, cut="outputs", ranks=ranks)
            yield Site("output", queries, hidden, cut="inputs", ranks=ranks)
    yield from mlps(model, layer, hidden)


def _allocated(layers: Sequence[Sequence[Site]]) -> Iterator[Site]:
    """
    Yield what init_buffers allocates for.

    In a mixture each layer has slots for experts, be it dense, and those of MLPs stand beside them only where
    there are shared experts.
    """
    experts = next(
        ([site for site in each if site.what == "experts"] for each in layers if _is_mixture(each)), []
    )
    shared = any(_is_mixture(each) and any(site.what in _MLP for site in each) for each in layers)
    for each in layers:
        yield from experts
        for site in each:
            if site.what not in ("router", "experts") and (site.what not in _MLP or shared or not experts):
                yield site


def _is_mixture(layer: Sequence[Site]) -> bool:
    return any(site.what == "experts" for site in layer)


def _require_modules(model: AdaptedModel, layers: Sequence[Sequence[Site]], slots: _Slots) -> None:
    """Raise RefusedError for target modules that the class has not, and SGLang sizes all the same."""
    has = {_module(site) for each in layers for site in each} | _ENDS
    if missing := sorted(slots.targets - has - ({*_MODULES} if slots.all else set())):
        raise RefusedError(
            f"the layers of {model.name} have no {missing[0]} in SGLang: leave it out of lora_target_modules"
        )
    # Without a latent for queries, q_proj is normalised to a module of another size.
    if any(site.what == "queries" for each in layers for site in each) and not any(
        site.what == "latents" and site.slices > 1 for each in layers for site in each
    ):
        raise RefusedError(
            f"which slots SGLang has for the queries of {model.name} is not known to kvplan: leave "
            "enable_lora out, and give the size of their slots with --overhead"
        )


def require_adapters(given: Settings) -> None:
    """Raise OptionsError for settings of adapters that SGLang refuses, or takes no heed of."""
    named = [name for name in ("max_loras_per_batch", "max_lora_rank") if given.count(name)]
    named += ["lora_target_modules"] if given.name("lora_target_modules") else []
    if given.flag("enable_lora") is not True:
        if named:
            raise OptionsError(f"SGLang takes no heed of {named[0]} without adapters: add enable_lora=true")
        return
    if given.count("max_lora_rank") is None or given.name("lora_target_modules") is None:
        raise OptionsError(
            "SGLang takes the rank and the modules of adapters from their files: give max_lora_rank and "
            "lora_target_modules=all, or some of them, to plan their slots"
        )
    _targets(given.name("lora_target_modules") or "")


def _targets(text: str) -> frozenset[str]:
    """Return target modules by the names of their slots; raise OptionsError for one that is not known."""
    if text == "all":
        return frozenset(_MODULES)
    found = frozenset(_NORMALISED.get(name.strip(), name.strip()) for name in text.split(","))
    if unknown := sorted(found - {*_MODULES}):
        known = ", ".join(("all", *_MODULES, *_NORMALISED))
        raise OptionsError(f"lora_target_modules={unknown[0][:40]!r} is none that kvplan knows: {known}")
    return found


def _slots(given: Settings, element_bytes: int) -> _Slots | None:
    if given.flag("enable_lora") is not True:
        return None
    return _Slots(
        number=given.count("max_loras_per_batch") or _USUAL_SLOTS,
        rank=given.count("max_lora_rank") or 0,
        targets=_targets(given.name("lora_target_modules") or "all"),
        all=given.name("lora_target_modules") in (None, "all"),
        element_bytes=element_bytes,
    )


def _module(site: Site) -> str | None:
    """Return the target module that a linear layer is, None for what is none."""
    if site.what == "experts":
        return "gate_up_proj" if site.cut == "outputs" else "down_proj"
    return _OF_SITES.get(site.what)


def _site(site: Site, slots: _Slots) -> int:
    """Return the bytes of a layer's slots: A with a rank for each slice, B with all outputs of a rank."""
    if _module(site) not in slots.targets:
        return 0
    elements = (site.slices * site.inputs + site.outputs) * slots.rank
    return slots.number * site.copies * elements * slots.element_bytes


def _ends(model: AdaptedModel, slots: _Slots) -> int:
    """
    Return the bytes of the slots of embedding and head, of which the head's outputs alone are cut.

    Where both are targets each has two buffers: init_buffers asks for all that are targets, once for each.
    """
    ends = slots.targets & _ENDS
    if not ends:
        return 0
    hidden, vocab, ranks = needed(model, "hidden"), needed(model, "vocab"), model.shares.head
    padded = ceil_div(vocab, _PADDED_TO) * _PADDED_TO
    outputs = vocab if ranks == 1 else min(vocab, padded // ranks)
    each = {"embed_tokens": vocab + hidden, "lm_head": hidden + outputs}
    elements = len(ends) * sum(each[name] for name in ends) * slots.rank
    return slots.number * elements * slots.element_bytes
