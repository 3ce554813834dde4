"""
What every reference shares: how it is decoded, what is counted and when, and what may be lost.

A reference knows two ways to its outputs, written apart from each other: `full`, the paper's form
over all tokens at once, and `step`, one token from the cache alone. Both are float64. No reference
reads terms: it takes its sizes from the kind's own facts, and the count of what it kept is then
compared with the terms.

Counted are the elements in the cache at the moment a token's output is computed. Softmax attention
reads the newest token's row from the cache too, as engines do (they write the row, then start the
attention kernel), so a sliding window has `window` rows at that moment, and needs window - 1 of
them between two tokens. A convolution's newest column is still the layer's input at that moment,
so its history has kernel - 1 columns.
"""

from typing import ClassVar

import torch
from torch import Tensor

from kvplan.errors import KvplanError
from kvplan.records import record

Cache = dict[str, Tensor]
HIDDEN = 14
"""The width of the inputs; no other size of a case equals it."""
BOUND = 1e-9
"""The largest absolute difference of two float64 computations of one output."""
_SLOT = "slot"


class Reference:
    """
    One layer (or a few that share a cache) with random weights.

    `axes` names the axes of each cached tensor, and `layout` those of the tensors that this one has.
    Along `slot` are the rows that come with tokens.
    """

    axes: ClassVar[dict[str, tuple[str, ...]]] = {}

    def layout(self) -> dict[str, tuple[str, ...]]:
        """Return the cached tensors and their axes."""
        return self.axes

    def begin(self) -> Cache:
        """Return the cache before the first token."""
        return {}

    def full(self, inputs: Tensor) -> Tensor:
        """Return the outputs [tokens, ...] for *inputs* [tokens, HIDDEN], all at once."""
        raise NotImplementedError

    def step(self, cache: Cache, token: Tensor, position: int) -> Tensor:
        """Return the output for one *token* [HIDDEN] from the cache alone, and keep the token in it."""
        raise NotImplementedError

    def forget(self, cache: Cache, position: int) -> None:
        """Drop from the cache what no later token needs."""


@record
class Proof:
    """
    What decoding showed: the largest error, and the elements held after each number of tokens.

    `held[n - 1]` is the most that the cache held at any output up to token n, `between[n - 1]` what
    it held after token n when all that is not needed had been dropped.
    """

    error: float
    held: tuple[int, ...]
    between: tuple[int, ...]

    @property
    def suffices(self) -> bool:
        """Whether the cache alone gave the full forward's outputs; NaN does not."""
        return self.error <= BOUND


class Weights:
    """Random float64 matrices that leave their outputs of the size of their inputs."""

    def __init__(self, seed: int = 0) -> None:
        self._generator = torch.Generator().manual_seed(seed)

    def normal(self, *shape: int) -> Tensor:
        """Return standard normal numbers."""
        return torch.randn(*shape, generator=self._generator, dtype=torch.float64)

    def matrix(self, rows: int, *columns: int) -> Tensor:
        """Return a [rows, columns...] matrix; more than one column axis is one per head."""
        return self.normal(rows, *columns) / rows**0.5


def prove(reference: Reference, tokens: int, *, mutate: str | None = None) -> Proof:
    """
    Decode *tokens* random inputs one by one, and compare with the full forward pass.

    *mutate* is one of `losses`: what the cache loses once, two thirds of the way.
    """
    inputs = Weights(seed=tokens).normal(tokens, HIDDEN)
    cache = reference.begin()
    outputs: list[Tensor] = []
    held: list[int] = []
    between: list[int] = []
    for position, token in enumerate(inputs):
        if mutate and position == tokens * 2 // 3:
            lose(reference, cache, mutate)
        outputs.append(reference.step(cache, token, position))
        held.append(max(_elements(cache), held[-1] if held else 0))
        reference.forget(cache, position)
        between.append(_elements(cache))
    error = (torch.stack(outputs) - reference.full(inputs)).abs().max()
    return Proof(error=float(error), held=tuple(held), between=tuple(between))


def _elements(cache: Cache) -> int:
    return sum(tensor.numel() for tensor in cache.values())


def losses(reference: Reference) -> list[str]:
    """Return what a cache of this layout can lose: a slot, a whole tensor, or a slice of one."""
    found = ["one slot fewer"] if any(_SLOT in axes for axes in reference.layout().values()) else []
    for name, axes in reference.layout().items():
        found.append(f"no {name}")
        found += [f"{name}: one {axis} fewer" for axis in axes if axis != _SLOT]
    return found


def lose(reference: Reference, cache: Cache, mutate: str) -> None:
    """
    Take a part out of the cache; raise KvplanError if this layout has no such part.

    A lost slot is the oldest one, and shortens every tensor that has slots. Any other lost part
    reads as zero, which is what a decoder without it would have to assume.
    """
    if mutate not in losses(reference):
        raise KvplanError(f"{mutate!r} is not a loss of this cache: {', '.join(losses(reference))}")
    for name, axes in reference.layout().items():
        if mutate == "one slot fewer" and _SLOT in axes:
            cache[name] = cache[name][1:]
        elif mutate == f"no {name}":
            cache[name] = torch.zeros_like(cache[name])
        elif mutate.startswith(f"{name}: "):
            axis = mutate.removeprefix(f"{name}: one ").removesuffix(" fewer")
            cache[name] = cache[name].clone()
            cache[name].select(axes.index(axis), 0).zero_()


def append(cache: Cache, name: str, row: Tensor) -> None:
    """Add a row to a cached tensor [slot, ...]."""
    cache[name] = torch.cat([cache[name], row[None]]) if name in cache else row[None]


def keep_newest(cache: Cache, name: str, rows: int) -> None:
    """Drop the oldest rows of a cached tensor, so that at most *rows* are left."""
    cache[name] = cache[name][max(0, len(cache[name]) - rows) :].clone()


def rope(vectors: Tensor, positions: Tensor) -> Tensor:
    """Return *vectors* [tokens, ..., even width] rotated by their *positions* [tokens]."""
    half = vectors.shape[-1] // 2
    frequencies = 100.0 ** (-torch.arange(half, dtype=torch.float64) / half)
    angles = positions.to(torch.float64)[:, None] * frequencies
    angles = angles.view(len(positions), *[1] * (vectors.dim() - 2), half)
    first, second = vectors[..., :half], vectors[..., half:]
    cos, sin = angles.cos(), angles.sin()
    return torch.cat([first * cos - second * sin, second * cos + first * sin], dim=-1)


def rope_at(vectors: Tensor, position: int) -> Tensor:
    """Return one token's *vectors* [..., even width] rotated by its position."""
    return rope(vectors[None], torch.tensor([position]))[0]


def causal(tokens: int) -> Tensor:
    """Return [query, key]: whether a query may see a key."""
    return torch.ones(tokens, tokens, dtype=torch.bool).tril()


def masked_softmax(scores: Tensor, visible: Tensor) -> Tensor:
    """Return the softmax over the last axis of *scores*, where *visible*."""
    return scores.masked_fill(~visible, float("-inf")).softmax(dim=-1)
