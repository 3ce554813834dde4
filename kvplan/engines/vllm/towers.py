"""
What the towers of images of vLLM's classes compute at once, counted in numbers for each patch.

Each function is one design, and its figures are the tensors of the named class that are alive where most
are, beside the pixels of the images. Heads and MLPs are cut over the ranks, and what these made of their
parts is there a second time when it has been summed up.
"""

from collections.abc import Callable, Mapping
from typing import NamedTuple

from kvplan.specs.vision import Design, Vision
from kvplan.units import ceil_div


class Alive(NamedTuple):
    """
    What a patch has: numbers in the model's dtype `inside` the tower, `stays` of them after it.

    `table_bytes` are made with the first image, and stay.
    """

    inside: int
    stays: int = 0
    table_bytes: int = 0


def alive(vision: Vision, ranks: int) -> Alive:
    """Return what a patch of an image has on one of so many *ranks*."""
    return _DESIGNS[vision.design](vision, ranks)


def _states(count: int, vision: Vision, ranks: int) -> int:
    """Return so many hidden states, and one more where ranks sum them up."""
    return (count + (ranks > 1)) * vision.hidden


def _attention(vision: Vision, ranks: int) -> int:
    """
    Return what Qwen2_5_VisionAttention of qwen2_5_vl.py has, which Qwen3-VL's tower uses, too.

    Queries, keys and values, queries and keys turned and once more in one tensor, and the output.
    """
    return 8 * ceil_div(vision.hidden, ranks)


def _perceptron(vision: Vision, ranks: int) -> int:
    """Return an MLP's rows before and after the activation, or one, and its output, beside four states."""
    inner = ceil_div(vision.intermediate, ranks)
    return max(2 * inner + 4 * vision.hidden, inner + _states(5, vision, ranks))


def _siglip(vision: Vision, ranks: int) -> Alive:
    """
    Return what an MLP has (siglip.py).

    The four states are the patches as they are cut out, a layer's input, what attention adds, and that
    normed.
    """
    return Alive(_perceptron(vision, ranks))


_KIMI_TURNS = 512 * 512
"""The places of Kimi-K2.5's table of rotations (Rope2DPosEmbRepeated in kimi_k25_vit.py)."""

_COMPLEX_BYTES = 8


def _kimi_k25(vision: Vision, ranks: int) -> Alive:
    """
    Return what an MLP has (kimi_k25_vit.py of 0.33).

    The four states are the patches with their places, a layer's input, that with what attention adds, and
    that normed. Rotations are complex numbers for each two of a head; before 0.32 queries and keys were
    turned in float32, which is less than the text model runs.
    """
    turned = vision.hidden // vision.heads // 2 * _COMPLEX_BYTES
    return Alive(_perceptron(vision, ranks) + turned // 2, table_bytes=_KIMI_TURNS * turned)


def _llama4(vision: Vision, ranks: int) -> Alive:
    """
    Return queries and keys as they are turned, in float32 before and after, or what an MLP has (mllama4.py).

    Beside those are three states: the patches as they go into the first layer, a layer's input, and that
    normed. Tiles are short, so that FlashAttention 3 splits their keys where a rank
    has few heads, which is not counted: 44 MiB of 828 on two ranks, 3 of 589 on four.
    """
    turning = 13 * ceil_div(vision.hidden, ranks) + 3 * vision.hidden
    return Alive(max(turning, _perceptron(vision, ranks)))


def _pixtral(vision: Vision, ranks: int) -> Alive:
    """
    Return a gated MLP's rows before and after its activation, its output, and five states (pixtral.py).

    The five are the patches as they are cut out, those normed, a layer's input, what attention adds to it,
    and that normed. Sines and cosines are of a whole head, and places are two numbers of eight bytes. The
    class that reads Mistral's own format has the same, and pixels of two bytes.
    """
    perceptron = 3 * ceil_div(vision.intermediate, ranks) + _states(6, vision, ranks)
    return Alive(perceptron + 2 * vision.hidden // vision.heads + 8)


def _qwen2_vl(vision: Vision, ranks: int) -> Alive:
    """
    Return what attention has, its output projected, and two states, or a wide MLP's (qwen2_vl.py).

    The two are a layer's input and the patches as they are cut out. Ranks gather queries, keys and values of
    all heads before each takes its own. Sines and cosines are of half a head.
    """
    gathered = (ranks > 1) * 3 * vision.hidden
    perceptron = 2 * ceil_div(vision.intermediate, ranks)
    most = max(_attention(vision, ranks) + gathered, perceptron) + _states(3, vision, ranks)
    return Alive(most + vision.hidden // vision.heads)


def _qwen2_5_vl(vision: Vision, ranks: int) -> Alive:
    """
    Return a gated MLP's rows before and after its activation, its output, input and residual, or attention's.

    Sines and cosines of half a head stay for the next image of that size, and are there a second time;
    which windows the tokens are in, and the way back, are eight bytes of each (qwen2_5_vl.py).
    """
    perceptron = 3 * ceil_div(vision.intermediate, ranks) + _states(3, vision, ranks)
    attention = _attention(vision, ranks) + _states(2, vision, ranks)
    turned = vision.hidden // vision.heads
    return Alive(max(perceptron, attention) + 2 * turned + 2, stays=turned)


def _qwen3_vl(vision: Vision, ranks: int) -> Alive:
    """
    Return what attention has, its output projected, and three states, or what an MLP has (qwen3_vl.py).

    The three are a layer's input, that of the first, and the places; sines and cosines are of half a head.
    """
    most = max(_attention(vision, ranks) + _states(4, vision, ranks), _perceptron(vision, ranks))
    return Alive(most + vision.hidden // vision.heads)


_DESIGNS: Mapping[Design, Callable[[Vision, int], Alive]] = {
    "kimi_k25": _kimi_k25,
    "llama4": _llama4,
    "pixtral": _pixtral,
    "qwen2_vl": _qwen2_vl,
    "qwen2_5_vl": _qwen2_5_vl,
    "qwen3_vl": _qwen3_vl,
    "siglip": _siglip,
}
