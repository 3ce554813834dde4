"""
What images take of vLLM's profile run where ranks share them out, each of them having the whole tower.

Sources: run_dp_sharded_mrope_vision_model and run_dp_sharded_vision_model in model_executor/models/vision.py,
alike in 0.11 to 0.33. A rank copies the pixels of its share, encodes them, and gathers what all have made,
padded to as much as the fullest has.
"""

from typing import NamedTuple

from kvplan.engines.vllm.profiling import Batch, Encoding
from kvplan.engines.vllm.towers import alive
from kvplan.specs.vision import Vision
from kvplan.units import ceil_div


class Items(NamedTuple):
    """A `number` of images, or of films of so many `pictures`, which no two ranks share."""

    number: int
    pictures: int


class _Made(NamedTuple):
    """
    How wide each token is that a rank gives to the others, and how wide what is made of all of them `after`.

    `beside` are the numbers of a token while that is made; where nothing is, what was gathered stays.
    """

    width: int
    after: int = 0
    beside: int = 0


def shared_out(batch: Batch, vision: Vision, items: Items, *, pixel_bytes: int) -> Encoding:
    """
    Return what the rank with the most of *items* has, whose pixels are all there in so many bytes a number.

    Its peak is in the tower, where outputs are gathered, or where they are projected.
    """
    pieces = items.number * (vision.classes or 1)
    fullest, ranks = ceil_div(pieces, batch.tp), batch.tp
    # Tiles are padded before they are copied, and images are not.
    copied = fullest * ranks if vision.classes else fullest
    patches = items.pictures * vision.patches // (vision.classes or 1)
    tokens = items.pictures * vision.tokens // (vision.classes or 1)
    made, has, element = _made(batch, vision), alive(vision, 1), batch.element_bytes
    pixels = patches * vision.pixels * pixel_bytes
    rows = fullest * (patches + (vision.classes > 0)) * element
    stays = rows * has.stays + has.table_bytes
    deeper = fullest * tokens * vision.stacked * batch.hidden * element
    gathered = fullest * tokens * made.width * element * ranks
    own = gathered // ranks if ranks > 1 else 0
    outputs = pieces * tokens * made.after * element
    inside = (pieces + copied) * pixels + rows * has.inside + has.table_bytes + deeper
    gathering = (pieces + copied) * pixels + stays + own + gathered
    projecting = pieces * pixels + stays + gathered + pieces * tokens * made.beside * element
    return Encoding(
        peak_bytes=max(inside, gathering, projecting),
        encoded_bytes=(outputs or gathered) + stays + (0 if batch.v2 else pieces * pixels),
    )


_LLAMA4_WIDTH = 4096
"""The width of what Llama 4's tower makes of a token: vision_output_dim in its config.json."""


def _made(batch: Batch, vision: Vision) -> _Made:
    """
    Return what is gathered: Qwen's classes merge patches before, Kimi's and Llama 4's project tokens after.

    Kimi's tokens are then put into one tensor, normed, and projected twice (mm_projector_forward in
    kimi_k25_vit.py); ranks cut Llama 4's projection, gather its outputs, and put them in order.
    """
    match vision.design:
        case "kimi_k25":
            merged = vision.patches // vision.tokens * vision.hidden
            return _Made(merged, after=batch.hidden, beside=max(3 * merged, 2 * merged + batch.hidden))
        case "llama4":
            part = ceil_div(batch.hidden, batch.tp)
            beside = part + 2 * batch.hidden if batch.tp > 1 else part
            return _Made(_LLAMA4_WIDTH, after=batch.hidden, beside=beside)
        case _:
            return _Made((1 + vision.stacked) * batch.hidden)
