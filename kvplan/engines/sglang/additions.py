"""What SGLang's classes hold of a layer's weights beside what the release stores, each rank for itself."""

from kvplan.attention.latent import MLA
from kvplan.engines.base import HeldLayer
from kvplan.units import ceil_div


def added(held: HeldLayer) -> int:
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
