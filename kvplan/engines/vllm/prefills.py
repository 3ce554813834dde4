"""The states that a prefill exports beside those of a request, kernel by kernel."""

from collections.abc import Sequence

from kvplan.dtypes import RECURRENT_ROLES
from kvplan.engines.vllm.errors import RefusedError
from kvplan.engines.vllm.versions import NEWEST, VllmRules
from kvplan.records import record
from kvplan.terms import Layer, Unit


@record
class Exports:
    """State blocks that a prefill fills beside those of a request, and the tokens that blocks are cut to."""

    blocks: int
    alignment: int = 1


def exports(layers: Sequence[Layer], rules: VllmRules, *, gdn: str | None, kda: str | None) -> Exports | None:
    """
    Return what the prefill kernels of Gated DeltaNet and of Kimi Delta Attention export, if anything.

    FlashInfer's kernel for Gated DeltaNet exports a state per prefill and has blocks of whole 64
    tokens since 0.33; FlashKDA exports one and leaves blocks alone. Sources, vLLM 0.33:
    model_executor/layers/mamba/gdn/qwen_gdn_linear_attn.py, models/kimi_k3/nvidia/kda.py and
    get_mamba_prefill_checkpoint_alignment in model_executor/layers/mamba/abstract.py.
    """
    states = [layer for layer in layers if any(term.role in RECURRENT_ROLES for term in layer)]
    if gdn == "flashinfer" and rules.align_checkpoints and states and all(map(_is_gated_delta_net, states)):
        return Exports(blocks=1, alignment=64)
    if kda != "flashkda" or not any(map(_is_kda, states)):
        return None
    if not rules.align_checkpoints:
        raise RefusedError(
            f"what FlashKDA exports in {rules.name} is not known: kvplan knows it in {NEWEST.name}"
        )
    return Exports(blocks=1)


def has_delta_net(layers: Sequence[Layer]) -> bool:
    """Return whether a model has layers of Gated DeltaNet that FlashInfer's kernel can run."""
    return any(map(_is_gated_delta_net, layers))


def _is_gated_delta_net(layer: Layer) -> bool:
    """Return whether FlashInfer can run a layer: OLMo's, with keys of 96, always runs Triton's kernel."""
    return _key_width(layer, "q and k heads") == 128  # noqa: PLR2004 - the kernel's only head size


def _is_kda(layer: Layer) -> bool:
    return _key_width(layer, "state heads") is not None


def _key_width(layer: Layer, heads: Unit) -> int | None:
    """Return the size of a key that goes through a convolution of its own, None without one."""
    keys = [term for term in layer if term.stream == "k" and term.split.unit == heads]
    return keys[0].width if keys else None
