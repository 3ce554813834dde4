"""DeepSeek-V4: a window of entries, and one compressed entry for every few tokens."""

from typing import ClassVar

import torch
from torch import Tensor

from kvplan.attention.latent import Compressed
from kvplan.validate.reference.core import (
    HIDDEN,
    Cache,
    Reference,
    Weights,
    append,
    causal,
    keep_newest,
    rope,
    rope_at,
)
from kvplan.validate.reference.sparse import Selector, best, best_visible

_ROWS = ("slot", "channel")


class Compressor:
    """
    One compressed entry per *ratio* tokens: a gated sum of their key vectors, channel by channel.

    With an overlap of 2, the first half of each vector counts in the next block's entry too (the
    last block of a sequence has no next). Source: inference/model.py of the DeepSeek-V4 release.
    """

    def __init__(self, weights: Weights, *, width: int, ratio: int, overlap: int) -> None:
        self.keys = weights.matrix(HIDDEN, overlap, width)
        self.gates = weights.matrix(HIDDEN, overlap, width)
        self.bias = weights.normal(ratio, overlap, width)
        self.ratio, self.overlap, self.width = ratio, overlap, width

    def vectors(self, token: Tensor, position: int) -> Tensor:
        """Return the key and gate vectors of one token, [2 * overlap * width]."""
        keys, gates = (torch.einsum("e,eow->ow", token, each) for each in (self.keys, self.gates))
        return torch.stack([keys, gates + self.bias[position % self.ratio]]).flatten()

    def entry(self, newest: Tensor) -> Tensor:
        """Return the entry of the last block of *newest* [up to overlap * ratio tokens, vectors]."""
        vectors = newest.view(len(newest), 2, self.overlap, self.width)
        own, before = vectors[-self.ratio :, :, -1], vectors[: -self.ratio, :, 0]
        keys, gates = torch.cat([before, own]).unbind(dim=1)
        return (gates.softmax(dim=0) * keys).sum(dim=0)

    def entries(self, inputs: Tensor) -> Tensor:
        """Return all entries of *inputs* at once, [blocks, width]: sums over padded blocks."""
        blocks = len(inputs) // self.ratio
        whole = inputs[: blocks * self.ratio]
        keys, gates = (torch.einsum("te,eow->tow", whole, each) for each in (self.keys, self.gates))
        shape = (blocks, self.ratio, self.overlap, self.width)
        keys, gates = keys.view(shape), gates.view(shape) + self.bias
        own_keys, own_gates = keys[:, :, -1], gates[:, :, -1]
        if self.overlap > 1:
            # The first block has none before it: nothing to add, with a weight of zero.
            nothing = torch.zeros_like(own_keys[:1])
            own_keys = torch.cat([torch.cat([nothing, keys[:-1, :, 0]]), own_keys], dim=1)
            before = torch.cat([nothing.fill_(float("-inf")), gates[:-1, :, 0]])
            own_gates = torch.cat([before, own_gates], dim=1)
        weights = own_gates.exp() / own_gates.exp().sum(dim=1, keepdim=True)
        return (weights * own_keys).sum(dim=1)


class CompressedEntries(Reference):
    """
    One layer of DeepSeek-V4: shared entries that are key and value, as its release computes them.

    An entry's last d_rope channels are rotated, so the output's are rotated back. Without `ratio`
    the layer has the window alone; with an indexer it reads the best compressed entries only. Its
    keys are pooled like the entries, or projected from them before they are rotated (V4.1).
    """

    top: ClassVar = 3

    def __init__(self, kind: Compressed, owner: str = "") -> None:
        weights = Weights(seed=kind.heads)
        self.queries = weights.matrix(HIDDEN, kind.heads, kind.head_dim)
        self.entries = weights.matrix(HIDDEN, kind.head_dim)
        self.plain = kind.head_dim - kind.d_rope
        self.window, self.ratio = kind.window, kind.ratio or 1
        self.names = f"{owner}window entries", f"{owner}window RoPE parts"
        self.compressor = self.indexer = self.selector = self.to_keys = None
        if kind.ratio:
            # The softmax over the one token of a ratio of 1 is 1, as if there were no gate.
            sizes = {"ratio": kind.ratio, "overlap": kind.overlap or 1}
            self.compressor = Compressor(weights, width=kind.head_dim, **sizes)
            if kind.indexer:
                self.selector = Selector(weights, kind.indexer)
                if kind.keys_from_entry:
                    self.to_keys = weights.matrix(kind.head_dim, kind.indexer.head_dim)
                else:
                    self.indexer = Compressor(weights, width=kind.indexer.head_dim, **sizes)

    def layout(self) -> dict[str, tuple[str, ...]]:
        names = [*self.names]
        names += [state for _, state in self.compressors()] if self.ratio > 1 else []
        names += ["compressed entries", "compressed RoPE parts"] if self.compressor else []
        names += ["indexer keys"] if self.selector else []
        return dict.fromkeys(names, _ROWS)

    def compressors(self) -> list[tuple[Compressor, str]]:
        """Return each compressor, and the name of the tensor in which its tokens wait."""
        both = (self.compressor, "compressor state"), (self.indexer, "indexer compressor state")
        return [(compressor, state) for compressor, state in both if compressor]

    def rotate(self, vectors: Tensor, positions: Tensor) -> Tensor:
        """Return *vectors* [tokens, ..., head_dim] with their last d_rope channels rotated."""
        plain, tail = vectors[..., : self.plain], vectors[..., self.plain :]
        return torch.cat([plain, rope(tail, positions)], dim=-1)

    def full(self, inputs: Tensor) -> Tensor:
        return self.attend_all(inputs, *self.compressed(inputs))

    def attend_all(self, inputs: Tensor, compressed: Tensor, readable: Tensor) -> Tensor:
        """Return all outputs over the windows and the *compressed* entries that are *readable*."""
        positions = torch.arange(len(inputs))
        queries = self.rotate(torch.einsum("te,ehd->thd", inputs, self.queries), positions)
        entries = torch.cat([self.rotate(inputs @ self.entries, positions), compressed])
        near = causal(len(inputs)) & (positions[None, :] > positions[:, None] - self.window)
        visible = torch.cat([near, readable], dim=1)
        scores = torch.einsum("thd,sd->ths", queries, entries) / queries.shape[-1] ** 0.5
        weights = scores.masked_fill(~visible[:, None], float("-inf")).softmax(dim=-1)
        return self.rotate(weights @ entries, -positions).flatten(1)

    def compressed(self, inputs: Tensor) -> tuple[Tensor, Tensor]:
        """Return the entries [blocks, head_dim], and which of them each token reads [query, entry]."""
        if self.compressor is None:
            return inputs.new_empty(0, self.entries.shape[1]), causal(len(inputs))[:, :0]
        entries = self.compressor.entries(inputs)
        places = torch.arange(len(entries)) * self.ratio
        complete = places[None, :] + self.ratio <= torch.arange(len(inputs))[:, None] + 1
        if self.selector:
            keys = self.indexer.entries(inputs) if self.indexer else entries @ self.to_keys
            scores = self.selector.all_scores(inputs, rope(keys, places))
            complete = best_visible(scores, complete, self.top)
        return self.rotate(entries, places), complete

    def step(self, cache: Cache, token: Tensor, position: int) -> Tensor:
        return self.attend(cache, token, position, self.chosen(cache, token, position))

    def attend(self, cache: Cache, token: Tensor, position: int, chosen: list[Tensor]) -> Tensor:
        """Return one token's output over its window in the cache, and the *chosen* entries."""
        self.keep(cache, *self.names, token @ self.entries, position)
        entries = torch.cat([torch.cat([cache[name] for name in self.names], dim=1), *chosen])
        query = torch.einsum("e,ehd->hd", token, self.queries)
        query = self.rotate(query[None], torch.tensor([position]))[0]
        weights = (query @ entries.T / query.shape[-1] ** 0.5).softmax(dim=-1)
        return self.rotate((weights @ entries)[None], torch.tensor([-position]))[0].flatten()

    def keep(self, cache: Cache, plain: str, tail: str, entry: Tensor, position: int) -> None:
        """Add an entry to its two tensors in the cache."""
        rotated = self.rotate(entry[None], torch.tensor([position]))[0]
        append(cache, plain, rotated[: self.plain])
        append(cache, tail, rotated[self.plain :])

    def chosen(self, cache: Cache, token: Tensor, position: int) -> list[Tensor]:
        """Compress, and return the entries that a token reads: none, all, or the indexer's best."""
        self.compress(cache, token, position)
        if "compressed entries" not in cache:
            return []
        entries = torch.cat([cache["compressed entries"], cache["compressed RoPE parts"]], dim=1)
        if self.selector:
            entries = entries[best(self.selector.scores(token, position, cache["indexer keys"]), self.top)]
        return [entries]

    def compress(self, cache: Cache, token: Tensor, position: int) -> None:
        """Add a token to the states, and where it ends a block, the block's entry and indexer key."""
        newest = [
            (compressor, self.waiting(cache, state, compressor.vectors(token, position)))
            for compressor, state in self.compressors()
        ]
        if not newest or (position + 1) % self.ratio:
            return
        place = position + 1 - self.ratio
        entry, *keys = (compressor.entry(vectors) for compressor, vectors in newest)
        self.keep(cache, "compressed entries", "compressed RoPE parts", entry, place)
        if self.to_keys is not None:
            keys = [entry @ self.to_keys]
        for key in keys:
            append(cache, "indexer keys", rope_at(key, place))

    def waiting(self, cache: Cache, state: str, vectors: Tensor) -> Tensor:
        """Return the vectors that wait, the newest token's among them; alone they need no cache."""
        if self.ratio == 1:
            return vectors[None]
        append(cache, state, vectors)
        return cache[state]

    def forget(self, cache: Cache, position: int) -> None:
        for name in self.names:
            keep_newest(cache, name, self.window - 1)
        if self.ratio > 1 and (position + 1) % self.ratio == 0:
            for compressor, state in self.compressors():
                keep_newest(cache, state, (compressor.overlap - 1) * self.ratio)


class SharedEntries(Reference):
    """
    A layer that compresses, and one above it that keeps a window and reads the same entries.

    The reader takes the owner's choice too, as most layers of DeepSeek-V4.1 do. Source: vLLM 0.33,
    models/deepseek_v41/attention.py.
    """

    def __init__(self, owner: Compressed, reader: Compressed) -> None:
        self.owner, self.reader = CompressedEntries(owner), CompressedEntries(reader, "reader's ")
        self.out = Weights().matrix(owner.heads * owner.head_dim, HIDDEN)

    def layout(self) -> dict[str, tuple[str, ...]]:
        return self.owner.layout() | self.reader.layout()

    def full(self, inputs: Tensor) -> Tensor:
        compressed = self.owner.compressed(inputs)
        below = inputs + self.owner.attend_all(inputs, *compressed) @ self.out
        return self.reader.attend_all(below, *compressed)

    def step(self, cache: Cache, token: Tensor, position: int) -> Tensor:
        chosen = self.owner.chosen(cache, token, position)
        below = token + self.owner.attend(cache, token, position, chosen) @ self.out
        return self.reader.attend(cache, below, position, chosen)

    def forget(self, cache: Cache, position: int) -> None:
        self.owner.forget(cache, position)
        self.reader.forget(cache, position)
