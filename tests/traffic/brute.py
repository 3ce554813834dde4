"""Traffic worked out request by request and token by token, as its docstrings say it."""

from collections.abc import Iterable

import numpy as np

from kvplan.traffic.arrays import Floats

Weighted = Iterable[tuple[int, int, float]]
"""Tokens of a prompt and of an output, and how many requests have them."""


def living(requests: Weighted) -> Floats:
    """One step at each length from the prompt's next token to the output's last; one at a prompt alone."""
    steps: dict[int, float] = {}
    for prompt, output, weight in requests:
        for length in range(prompt + 1, prompt + output + 1) if output else (prompt,):
            steps[length] = steps.get(length, 0.0) + weight
    return _probabilities(steps)


def living_final(requests: Weighted) -> Floats:
    ends: dict[int, float] = {}
    for prompt, output, weight in requests:
        for _ in range(output or 1):
            ends[prompt + output] = ends.get(prompt + output, 0.0) + weight
    return _probabilities(ends)


def totals(requests: Weighted) -> Floats:
    lengths: dict[int, float] = {}
    for prompt, output, weight in requests:
        lengths[prompt + output] = lengths.get(prompt + output, 0.0) + weight
    return _probabilities(lengths)


def _probabilities(weights: dict[int, float]) -> Floats:
    array = np.zeros(max(length for length, weight in weights.items() if weight) + 1)
    for length, weight in weights.items():
        if weight:
            array[length] = weight
    probabilities: Floats = array / array.sum()
    return probabilities
