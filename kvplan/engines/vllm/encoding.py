"""
What vLLM's profile run takes for images, before the batch of tokens.

As many of the largest images, or films where these are larger, as a batch may bring go through the tower at
once, and what it made of them stays while the text model runs. Each figure is arithmetic over the tensors
of the model's class; they were compared with start-ups of unmodified releases whose kernels compute nothing
(tests/rehearsed).
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

from kvplan.engines.vllm.frames import (
    FILM_TOKENS,
    PICTURE_TOKENS,
    PICTURES,
    Frames,
    Room,
    encoded_bytes,
    peak_bytes,
)
from kvplan.engines.vllm.media import UNLIMITED
from kvplan.engines.vllm.profiling import Batch, Encoding
from kvplan.engines.vllm.sharing import Items, shared_out
from kvplan.engines.vllm.towers import alive
from kvplan.specs.vision import Vision

_NO_LIMITS: Mapping[str, int] = MappingProxyType({})


class Prompts(NamedTuple):
    """
    What prompts bring: a *context* each, with as many images and films as `limits` at the most.

    None are `profiled` with skip_mm_profiling; `limits` are those of limit_mm_per_prompt, and `pixels` the
    most of an image where mm_processor_kwargs say so. Images may be `shared_out` over the ranks.
    """

    context: int
    pixels: int | None = None
    limits: Mapping[str, int] = _NO_LIMITS
    profiled: bool = True
    shared_out: bool = False


def encoding(batch: Batch, vision: Vision, prompts: Prompts, room: Room, *, pixel_bytes: int) -> Encoding:
    """
    Return what the largest images take that one batch of *prompts* may have.

    Each number of a patch comes in *pixel_bytes*; the older runner keeps them until the text model has run,
    too. Sources: MultiModalBudget in vllm/multimodal/encoder_budget.py of 0.30, in v1/worker/utils.py
    before; profile_run in v1/worker/gpu_model_runner.py; deepstack_input_embeds in qwen3_vl.py.
    """
    states = batch.states_bytes
    buffers = Encoding(buffer_bytes=vision.stacked * states, inputs_bytes=states if batch.v2 else 0)
    if not prompts.profiled:
        return buffers
    if vision.design == "gemma4":
        frames = _frames(batch, vision, prompts)
        return buffers._replace(
            peak_bytes=peak_bytes(frames, vision, batch.element_bytes, room),
            encoded_bytes=encoded_bytes(frames, vision, batch),
        )
    vision = _of_pixels(vision, prompts.pixels)
    pictures, most = _largest(vision, prompts)
    items = _at_once(batch, prompts, pictures * vision.tokens, most)
    if prompts.shared_out:
        found = shared_out(batch, vision, Items(items, pictures), pixel_bytes=pixel_bytes)
        return buffers._replace(peak_bytes=found.peak_bytes, encoded_bytes=found.encoded_bytes)
    images = pictures * items
    patches, outputs = images * vision.patches, images * vision.tokens * batch.hidden * batch.element_bytes
    rows = (patches + images * vision.classes) * batch.element_bytes
    pixels, has = patches * vision.pixels * pixel_bytes, alive(vision, batch.tp)
    stays = rows * has.stays + has.table_bytes
    return buffers._replace(
        peak_bytes=rows * has.inside + has.table_bytes + pixels + vision.stacked * outputs,
        encoded_bytes=(1 + vision.stacked) * outputs + stays + (0 if batch.v2 else pixels),
    )


_SIZED = frozenset({"qwen2_vl", "qwen2_5_vl"})
_COLOURS, _PICTURES = 3, 2


def is_sized(vision: Vision | None) -> bool:
    """Return whether pixels alone tell a tower's largest image, and the pictures of its films."""
    return vision is not None and vision.design in _SIZED


def _of_pixels(vision: Vision, pixels: int | None) -> Vision:
    """Return a tower whose largest image has no more than so many *pixels*."""
    if pixels is None or not is_sized(vision):
        return vision
    merged = vision.patches // vision.tokens
    tokens = max(1, pixels * _COLOURS * _PICTURES // (vision.pixels * merged))
    return vision.model_copy(update={"tokens": tokens, "patches": tokens * merged})


def _at_once(batch: Batch, prompts: Prompts, tokens: int, most: int) -> int:
    """Return how many images or films of so many *tokens* a batch may bring, of which a prompt has *most*."""
    of_prompt = max(1, min(most, prompts.context // tokens))
    return max(1, min(max(batch.tokens, tokens) // tokens, batch.sequences * of_prompt))


def _frames(batch: Batch, vision: Vision, prompts: Prompts) -> Frames:
    """Return the pictures that Gemma 4 is given: films, which have more tokens, unless none may come."""
    films = prompts.limits.get("video", UNLIMITED)
    if films:
        return Frames(PICTURES * _at_once(batch, prompts, FILM_TOKENS, films), PICTURE_TOKENS)
    most = prompts.limits.get("image", UNLIMITED)
    return Frames(_at_once(batch, prompts, vision.tokens, most), vision.tokens, copied=True)


def _largest(vision: Vision, prompts: Prompts) -> tuple[int, int]:
    """
    Return how many pictures the largest of what a prompt may bring has, and how many of it may come.

    A film has as many as a context holds and its class takes, and is run where it has as many as an image
    (get_modality_with_max_tokens; get_num_frames_with_most_features in qwen2_vl.py).
    """
    films = prompts.limits.get("video", UNLIMITED)
    if not vision.film or films == 0:
        return 1, prompts.limits.get("image", UNLIMITED)
    return max(1, min(vision.film, prompts.context // vision.tokens)), films
