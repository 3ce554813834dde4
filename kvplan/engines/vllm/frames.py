"""
What Gemma 4's tower takes, which runs the pictures of films, and images, in parts that fit the card.

Sources: gemma4_mm.py of vLLM 0.33, and modeling_gemma4.py of transformers 5.20, whose tower it runs whole on
every rank. Older releases of vLLM came with a transformers whose tower looked up places in another way.
"""

from math import isqrt
from typing import NamedTuple

from kvplan.engines.vllm.profiling import Batch
from kvplan.specs.vision import Vision

PICTURES, PICTURE_TOKENS, FILM_TOKENS = 32, 70, 32 * (70 + 2 + 6)
"""The pictures of a film, the tokens of each, and those of a film with what parts its pictures."""

PLACES = 10_240
"""position_embedding_size of a config, of which a part's size is reckoned."""

_PLACE_BYTES = 8


class Room(NamedTuple):
    """The memory of a card, and what is free of it beside the weights."""

    total_bytes: int
    free_bytes: int


class Frames(NamedTuple):
    """So many `pictures` of `tokens` each at the most, `copied` part by part where they are images."""

    pictures: int
    tokens: int
    copied: bool = False


def encoded_bytes(frames: Frames, vision: Vision, batch: Batch) -> int:
    """Return what is made of pictures of 224 x 224, in whole squares of pooled patches."""
    pooled = vision.patches // vision.tokens
    seen = (isqrt(frames.tokens * pooled) // isqrt(pooled)) ** 2
    return frames.pictures * seen * batch.hidden * batch.element_bytes


def peak_bytes(frames: Frames, vision: Vision, element_bytes: int, room: Room) -> int:
    """
    Return what the part has that has the most, beside the pixels of all pictures and what former parts made.

    That is a gated MLP's rows before, after and beside its activation, four hidden states, sines and cosines
    of a head, and a mask of each patch with each other; places are two numbers of eight bytes.
    """
    patches = frames.tokens * (vision.patches // vision.tokens)
    part = min(frames.pictures, _part(patches, room))
    turned = 2 * vision.hidden // vision.heads
    inside = 3 * vision.intermediate + 4 * vision.hidden + turned
    pixels = patches * (vision.pixels * element_bytes + 2 * _PLACE_BYTES)
    # Which patches are no more than padding is a byte, of all pictures at once unless they are copied.
    each = patches * (inside * element_bytes + patches + 1) + (pixels + patches if frames.copied else 0)
    made = patches * vision.hidden * element_bytes
    full, rest = divmod(frames.pictures, part)
    most = max((full - 1) * part * made + part * each, full * part * made + rest * each)
    return frames.pictures * (pixels if frames.copied else pixels + patches) + most


def _part(patches: int, room: Room) -> int:
    """Return how many pictures are run at once: _encoder_chunk."""
    budget = min(room.free_bytes // 2, room.total_bytes // 10)
    return max(1, budget // (patches * 4 * PLACES * _PLACE_BYTES))
