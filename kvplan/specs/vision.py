"""The widths of a tower of images, by which an engine's profile run is sized."""

from typing import Literal

from kvplan.attention.base import Count, Facts, Width

Design = Literal["gemma4", "kimi_k25", "llama4", "pixtral", "qwen2_vl", "qwen2_5_vl", "qwen3_vl", "siglip"]


class Vision(Facts):
    """
    What a tower of images computes of the largest image that a model takes.

    `design` is the class of the tower, by the model type that vision_config has, of so many `layers`;
    `hidden`, `intermediate`, `heads` and `pixels`, the numbers that a patch of an image is made of, are its
    widths. The largest image has so many `patches` and gives the text model so many `tokens`, each of them
    once more for each of the `stacked` layers whose output it has beside the last (deepstack_visual_indexes).
    A film has up to `film` pictures as large as that; 0 where films are smaller than an image. Images that
    are cut into tiles have so many `classes`, rows beside the patches.
    """

    design: Design
    layers: Count
    hidden: Count
    intermediate: Count
    heads: Count
    pixels: Count
    patches: Count
    tokens: Count
    stacked: Width = 0
    film: Width = 0
    classes: Width = 0
