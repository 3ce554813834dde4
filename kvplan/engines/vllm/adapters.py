"""
What vLLM keeps beside a model's weights for LoRA adapters: slots of the largest rank for every linear layer.

Sources are files of vLLM 0.33: create_lora_weights of lora/layers/*.py, and lora/model_manager.py for which
layers have them. Of the punica wrapper's indices a rank has a megabyte more, which the range of the estimate
holds.
"""

from typing import NamedTuple

from kvplan.dtypes import dtype_by_name
from kvplan.engines.adapters import AdaptedModel, Site, needed, sites
from kvplan.engines.settings import Settings, read_settings
from kvplan.engines.vllm.additions import ENDS_EVERYWHERE
from kvplan.engines.vllm.errors import RefusedError
from kvplan.engines.vllm.settings import SETTINGS

_MOST_VOCAB = 258_048
"""Above it LogitsProcessorWithLoRA refuses to start: lora/layers/logits_processor.py."""


class _Class(NamedTuple):
    """
    What is its own of a class for models: which ends have adapters, and what has one A for all slices.

    The embedding has them where `embedding_modules` of the class names it, and the head alike;
    `fused` are the layers that are one in the checkpoint, too: packed_modules_mapping.
    """

    embedding: bool = False
    head: bool = False
    fused: frozenset[str] = frozenset()


_PLAIN = _Class()
_BOTH_ENDS = _Class(embedding=True, head=True)
_EMBEDDING = _Class(embedding=True)
_CLASSES = {
    "chatglm": _Class(fused=frozenset({"queries and keys", "MLP in"})),
    "cohere": _EMBEDDING,
    "deepseek": _PLAIN,
    "deepseek_v2": _PLAIN,
    "deepseek_v3": _PLAIN,
    "exaone4": _BOTH_ENDS,
    "gemma": _PLAIN,
    "gemma2": _PLAIN,
    "gemma3_text": _PLAIN,
    "granite": _BOTH_ENDS,
    "hunyuan_v1_dense": _EMBEDDING,
    "internlm2": _Class(fused=frozenset({"queries and keys"})),
    "kimi_k2": _PLAIN,
    "llama": _BOTH_ENDS,
    "mimo": _PLAIN,
    "minimax_m2": _PLAIN,
    "mistral": _PLAIN,
    "mixtral": _BOTH_ENDS,
    "olmo2": _EMBEDDING,
    "opt": _PLAIN,
    "phi3": _Class(embedding=True, head=True, fused=frozenset({"queries and keys", "MLP in"})),
    "phimoe": _BOTH_ENDS,
    "qwen2": _PLAIN,
    "qwen3": _BOTH_ENDS,
    "qwen3_moe": _BOTH_ENDS,
    "smollm3": _EMBEDDING,
}
"""The classes of which kvplan knows it: their files in model_executor/models, held against what they make."""


class _Slots(NamedTuple):
    """The slots of adapters as vLLM is asked for them."""

    number: int
    rank: int
    element_bytes: int
    sharded: bool


def adapter_bytes(model: AdaptedModel) -> tuple[int, ...]:
    """
    Return the bytes of adapters' buffers on a rank of each stage; 0 unless they are enabled.

    Raises RefusedError for a class of which kvplan does not know where it has them.
    """
    slots = _slots(read_settings(SETTINGS, model.options.settings), model.element_bytes)
    if slots is None:
        return (0,) * len(model.stages)
    known = _CLASSES.get(model.options.architecture or "")
    if known is None:
        raise RefusedError(
            f"which layers of {model.name} have adapters in vLLM is not known to kvplan: leave enable_lora "
            "out, and give the size of their buffers with --overhead"
        )
    sizes = []
    for number, count in enumerate(model.stages):
        start = sum(model.stages[:number])
        layers = range(start, start + count)
        sizes.append(sum(_site(site, slots, known) for layer in layers for site in sites(model, layer)))
    for number, size in _ends(model, slots, known):
        sizes[number] += size
    return tuple(sizes)


def require_adapters(given: Settings) -> None:
    """Raise RefusedError for settings of adapters that vLLM refuses, or takes no heed of."""
    named = [name for name in ("max_loras", "max_lora_rank", "max_cpu_loras") if given.count(name)]
    named += [name for name in ("fully_sharded_loras",) if given.flag(name)]
    if named and given.flag("enable_lora") is not True:
        raise RefusedError(
            f"vLLM takes no heed of {named[0]} without adapters: give --set enable_lora=true with it"
        )
    rank, most, kept = (given.count(name) for name in ("max_lora_rank", "max_loras", "max_cpu_loras"))
    if rank is not None and rank not in _RANKS:
        raise RefusedError(f"max_lora_rank={rank} is none of vLLM's: {', '.join(map(str, _RANKS))}")
    if kept is not None and kept < (most or 1):
        raise RefusedError(f"vLLM refuses max_cpu_loras={kept} below max_loras={most or 1}: raise it")


_RANKS = (1, 8, 16, 32, 64, 128, 256, 320, 512)
_USUAL_RANK = 16
"""MaxLoRARanks and max_lora_rank in config/lora.py; max_loras is 1 there."""


def _slots(given: Settings, element_bytes: int) -> _Slots | None:
    if given.flag("enable_lora") is not True:
        return None
    dtype = given.name("lora_dtype") or "auto"
    return _Slots(
        number=given.count("max_loras") or 1,
        rank=given.count("max_lora_rank") or _USUAL_RANK,
        element_bytes=element_bytes if dtype == "auto" else dtype_by_name(dtype).row_bytes(1),
        sharded=given.flag("fully_sharded_loras") is True,
    )


def _site(site: Site, slots: _Slots, known: _Class) -> int:
    """
    Return the bytes of a layer's slots on a rank.

    What tensor parallelism cuts of the layer it cuts of the adapter, and with fully sharded adapters the
    other of the two matrices, too. The latter leave alone what is whole on each rank.
    """
    ranks = site.ranks if slots.sharded else 1
    down = slots.rank // ranks if site.cut == "outputs" else slots.rank
    outputs = site.outputs // ranks if site.cut == "inputs" else site.outputs
    slices = 1 if site.what in known.fused else site.slices
    elements = slices * down * site.inputs + outputs * slots.rank
    return slots.number * site.copies * elements * slots.element_bytes


def _ends(model: AdaptedModel, slots: _Slots, known: _Class) -> list[tuple[int, int]]:
    """
    Return what the stages with the embedding and with the head have for these, whole on each rank.

    The last stage has a copy of a tied embedding, with its slots: VocabParallelEmbedding in models/llama.py.
    """
    if not known.embedding and not known.head:
        return []
    hidden, vocab, last = needed(model, "hidden"), needed(model, "vocab"), len(model.stages) - 1
    if known.head and vocab > _MOST_VOCAB:
        raise RefusedError(
            f"vLLM has no adapters where the vocabulary is above {_MOST_VOCAB:,}, not {vocab:,}"
        )
    size = slots.number * (vocab + hidden) * slots.rank * slots.element_bytes
    if model.options.architecture in ENDS_EVERYWHERE:
        return [(number, size * (known.embedding + known.head)) for number in range(len(model.stages))]
    found = [(0, size)] if known.embedding else []
    if known.embedding and model.tied and last:
        found.append((last, size))
    return [*found, (last, size)] if known.head else found
