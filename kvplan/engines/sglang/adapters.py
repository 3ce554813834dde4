"""
What SGLang keeps beside weights for LoRA adapters: slots of the largest rank for its target modules.

Source: srt/lora/mem_pool.py and utils.py of SGLang 0.5.23, which allocate the pool before the cache. A stage
has slots for all of the model's layers.
"""

from typing import NamedTuple

from kvplan.engines.adapters import AdaptedModel, Site, needed, sites
from kvplan.engines.settings import Settings, read_settings
from kvplan.engines.sglang.errors import OptionsError, RefusedError
from kvplan.engines.sglang.options import SETTINGS
from kvplan.units import ceil_div

_READ = frozenset({"llama", "mistral", "mixtral", "qwen2", "qwen3", "qwen3_moe"})
"""Classes with layers as the default of get_hidden_dim has them: queries, keys and values, gated MLPs."""

_NORMALISED = {
    "q_proj": "qkv_proj",
    "k_proj": "qkv_proj",
    "v_proj": "qkv_proj",
    "gate_proj": "gate_up_proj",
    "up_proj": "gate_up_proj",
}
_MODULES = ("qkv_proj", "o_proj", "gate_up_proj", "down_proj", "embed_tokens", "lm_head")
"""What `all` stands for in these classes (auto_detect_lora_target_modules)."""

_USUAL_SLOTS = 8
"""max_loras_per_batch in arg_groups/fields/lora.py."""

_PADDED_TO = 64
"""The vocabulary is padded to a multiple of it: layers/vocab_parallel_embedding.py."""


class _Slots(NamedTuple):
    number: int
    rank: int
    targets: frozenset[str]
    element_bytes: int


def adapter_bytes(model: AdaptedModel) -> tuple[int, ...]:
    """
    Return the bytes of adapters' slots on a rank of each stage; 0 unless they are enabled.

    Raises RefusedError for a class of which kvplan does not know its target modules.
    """
    slots = _slots(read_settings(SETTINGS, model.options.settings), model.element_bytes)
    if slots is None:
        return (0,) * len(model.stages)
    if model.options.architecture not in _READ or not _alike(model):
        raise RefusedError(
            f"which modules of {model.name} have adapters in SGLang is not known to kvplan: leave "
            "enable_lora out, and give the size of their slots with --overhead"
        )
    layers = range(len(model.kinds))
    size = sum(_site(site, slots) for layer in layers for site in sites(model, layer)) + _ends(model, slots)
    return (size,) * len(model.stages)


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
        element_bytes=element_bytes,
    )


def _alike(model: AdaptedModel) -> bool:
    """Return whether all layers are mixtures without experts that all tokens meet, or none is a mixture."""
    if model.parts is None:
        return model.mlp is not None and model.mlp.experts_per_token is None
    mixtures = {bool(parts.experts) for parts in model.parts}
    return len(mixtures) == 1 and not any(parts.shared for parts in model.parts)


def _module(site: Site) -> str | None:
    """Return the target module that a linear layer is, None for what is none."""
    match site.what, site.cut:
        case "queries and keys", _:
            return "qkv_proj"
        case "output", _:
            return "o_proj"
        case (("MLP in" | "MLP out" | "experts"), cut):
            return "gate_up_proj" if cut == "outputs" else "down_proj"
        case _:
            return None


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
    ends = slots.targets & {"embed_tokens", "lm_head"}
    if not ends:
        return 0
    hidden, vocab, ranks = needed(model, "hidden"), needed(model, "vocab"), model.shares.head
    padded = ceil_div(vocab, _PADDED_TO) * _PADDED_TO
    outputs = vocab if ranks == 1 else min(vocab, padded // ranks)
    each = {"embed_tokens": vocab + hidden, "lm_head": hidden + outputs}
    elements = len(ends) * sum(each[name] for name in ends) * slots.rank
    return slots.number * elements * slots.element_bytes
