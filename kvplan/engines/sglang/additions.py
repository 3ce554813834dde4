"""What SGLang's classes hold of a layer's weights beside what the release stores, each rank for itself."""

from kvplan.attention.latent import MLA
from kvplan.engines.base import HeldLayer
from kvplan.engines.sglang import mxfp4
from kvplan.specs.parts import Measure, is_quantised
from kvplan.units import ceil_div


def added(held: HeldLayer) -> int:
    """Return the bytes that a rank holds of a layer beyond its share of what the release stores."""
    return _absorbed(held) + _kernels(held)


def _absorbed(held: HeldLayer) -> int:
    """
    Return the two matrices by which MLA decodes in its latent, made of the one of both, which stays.

    They are copies in the model's dtype, whether the release is quantised or not: w_kc and w_vc of
    post_load_weights in models/deepseek_common/deepseek_weight_loader.py of SGLang 0.5.23.
    """
    sizes = [_up_projection(kind) for kind in held.kinds if isinstance(kind, MLA)]
    return sum(ceil_div(size * held.element_bytes, held.shares.attention) for size in sizes)


def _up_projection(kind: MLA) -> int:
    d_nope, v_head_dim = kind.needed("d_nope", "v_head_dim", by="SGLang's copy of its up-projection")
    return kind.d_c * kind.heads * (d_nope + v_head_dim)


def _kernels(held: HeldLayer) -> int:
    """Return what MXFP4 experts take more in the form of their kernels."""
    layer = held.parts
    if held.options.architecture not in mxfp4.CLASSES or not is_quantised(layer.expert, held.element_bytes):
        return 0
    number = held.shares.on_rank(layer.experts)
    width = ceil_div(layer.width, held.shares.expert)
    experts = mxfp4.Experts(number=number, width=width, hidden=held.hidden)
    stored = Measure(held.element_bytes).of(layer.expert)
    return mxfp4.held_bytes(experts, held.options.card) - number * ceil_div(stored, held.shares.expert)
