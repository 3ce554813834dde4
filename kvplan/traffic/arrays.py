"""Probabilities by integer lengths, as arrays: element n is the probability of n tokens."""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_SHIFTED = 64
"""Lengths of a law with so few are added up one by one, which is exact; more of them by a transform."""

ROUNDING = 1e-12
"""How far sums of probabilities may be off: shares that are closer are the same share."""


def convolved(one: Floats, other: Floats) -> Floats:
    """
    Return the probabilities of the sum of two independent lengths, shape (n + m - 1,).

    Where one has few lengths the sum is exact up to rounding; else it is worked out by a Fourier transform,
    whose error is below 1e-12 for lengths up to 10^6. What rounds to less than 0 is 0.
    """
    few, many = sorted((one, other), key=np.count_nonzero)
    size = few.size + many.size - 1
    places = np.flatnonzero(few)
    if places.size <= _SHIFTED:
        total = np.zeros(size)
        for place in places.tolist():
            total[place : place + many.size] += few[place] * many
        return total
    padded = 1 << (size - 1).bit_length()
    product = np.fft.rfft(few, padded) * np.fft.rfft(many, padded)
    total = np.fft.irfft(product, padded)[:size].clip(min=0.0)
    total[: places[0] + np.flatnonzero(many)[0]] = 0.0
    return total


def normalised(weights: Floats) -> Floats:
    """Return weights as probabilities, which nobody changes any more."""
    return kept(weights / weights.sum())


def kept(array: Floats) -> Floats:
    """Return an array that refuses to be written to: traffic does not change."""
    array.flags.writeable = False
    return array


def at(values: Floats, places: Ints) -> Floats:
    """Return *values* at *places*: 0 before the first, and the last one behind the last."""
    return np.where(places < 0, 0.0, values[places.clip(0, values.size - 1)])


def added(parts: list[tuple[float, Floats]]) -> Floats:
    """Return the sum of arrays by weights; the shorter ones have nothing behind their ends."""
    total = np.zeros(max(array.size for _, array in parts))
    for weight, array in parts:
        total[: array.size] += weight * array
    return total


def quantile_of(probabilities: Floats, share: float) -> int:
    """Return the smallest length that at least *share* of all do not exceed."""
    support = np.flatnonzero(probabilities)
    if share >= 1:
        return probabilities.size - 1
    place = int(np.searchsorted(np.cumsum(probabilities), share - ROUNDING))
    return min(max(place, int(support[0])), probabilities.size - 1)


def picked(cumulative: Floats, shares: Floats) -> Ints:
    """Return the length that each of *shares*, from 0 to below 1, falls on."""
    places = np.searchsorted(cumulative, shares, side="right")
    return places.clip(max=cumulative.size - 1).astype(np.int64)
