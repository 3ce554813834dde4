"""
Reference layers that decode token by token on one of several ranks, as serving engines shard them.

Each layer makes its whole weights from a seed, uses the rank's part of them, and keeps its part of
the cache; the sum of the ranks' outputs is the layer's. Nothing here reads a term. The softmax kinds
are here, those with states in sharded_states.py.
"""

from collections.abc import Callable, Mapping
from typing import Any

from kvplan.records import record

Facts = Mapping[str, int]
Tensor = Any
"""torch.Tensor, which the core's type checker does not know."""
Cache = dict[str, Tensor]

HIDDEN = 32
TOKENS = 11


@record
class Rank:
    """One of *world* ranks, and how a sum over all of them is taken."""

    index: int
    world: int
    device: str
    reduce: Callable[[Tensor], Tensor]

    def part(self, count: int, *, replicable: bool = False) -> slice:
        """
        Return which of *count* units this rank has.

        With fewer units than ranks, neighbours hold the same one if it may be stored again.
        """
        if count % self.world == 0:
            each = count // self.world
            return slice(self.index * each, (self.index + 1) * each)
        if replicable and self.world % count == 0:
            start = self.index * count // self.world
            return slice(start, start + 1)
        raise ValueError(f"{count} units cannot be dealt to {self.world} ranks")


def alone(device: str) -> Rank:
    """Return the only rank of an unsharded layer."""
    return Rank(index=0, world=1, device=device, reduce=lambda tensor: tensor)


Layer = Callable[[Facts, Tensor, Rank], tuple[Tensor, Cache]]
"""Facts of the kind, inputs [tokens, hidden] and the rank, to the output (summed) and the cache."""


def weights(device: str) -> Callable[..., Tensor]:
    """Return a source of float64 weights that is the same on every rank."""
    import torch  # noqa: PLC0415 - only the checks need it

    source = torch.Generator().manual_seed(7)

    def draw(*shape: int) -> Tensor:
        drawn = torch.randn(shape, generator=source, dtype=torch.float64)
        return (drawn / shape[0] ** 0.5).to(device)

    return draw


def grouped(facts: Facts, inputs: Tensor, rank: Rank) -> tuple[Tensor, Cache]:
    """GQA, MHA, MQA, sliding windows: query heads divided, KV heads divided or held again."""
    import torch  # noqa: PLC0415 - only the checks need it

    heads, groups = facts["heads"], facts.get("groups", facts["heads"])
    key_dim, value_dim = facts["head_dim"], facts.get("v_head_dim", facts["head_dim"])
    draw = weights(rank.device)
    to_q, to_k = draw(HIDDEN, heads, key_dim), draw(HIDDEN, groups, key_dim)
    to_v, to_out = draw(HIDDEN, groups, value_dim), draw(heads, value_dim, HIDDEN)
    mine, shared = rank.part(heads), rank.part(groups, replicable=True)
    group_of = torch.arange(heads, device=rank.device)[mine] // (heads // groups) - shared.start
    cache = {"keys": inputs.new_zeros(0, 1, 1), "values": inputs.new_zeros(0, 1, 1)}
    outputs = []
    for token in inputs:
        new = {
            "keys": torch.einsum("d,dgk->gk", token, to_k[:, shared])[None],
            "values": torch.einsum("d,dgk->gk", token, to_v[:, shared])[None],
        }
        cache = {name: _append(cache[name], row, facts.get("window")) for name, row in new.items()}
        query = torch.einsum("d,dhk->hk", token, to_q[:, mine])
        mixed = attend(query, cache["keys"][:, group_of], cache["values"][:, group_of])
        outputs.append(rank.reduce(torch.einsum("hk,hkd->d", mixed, to_out[mine])))
    return torch.stack(outputs), cache


def attend(query: Tensor, keys: Tensor, values: Tensor) -> Tensor:
    """Return softmax attention of one query [heads, dim] to keys and values [tokens, heads, dim]."""
    import torch  # noqa: PLC0415 - only the checks need it

    scores = torch.einsum("hk,thk->ht", query, keys) / query.shape[-1] ** 0.5
    return torch.einsum("ht,thk->hk", scores.softmax(-1), values)


def _append(rows: Tensor, row: Tensor, window: int | None) -> Tensor:
    import torch  # noqa: PLC0415 - only the checks need it

    joined = torch.cat([rows, row]) if len(rows) else row
    # A copy, as an engine writes the new row over the oldest and holds no longer tensor.
    return joined if window is None else joined[-window:].clone()


def crossed(facts: Facts, inputs: Tensor, rank: Rank) -> tuple[Tensor, Cache]:
    """Cross-attention: the encoder's K and V, computed once, KV heads divided or held again."""
    import torch  # noqa: PLC0415 - only the checks need it

    heads, groups, dim = facts["heads"], facts["groups"], facts["head_dim"]
    draw = weights(rank.device)
    encoder = draw(facts["encoder_tokens"], HIDDEN)
    to_q, to_k, to_v = draw(HIDDEN, heads, dim), draw(HIDDEN, groups, dim), draw(HIDDEN, groups, dim)
    to_out = draw(heads, dim, HIDDEN)
    mine, shared = rank.part(heads), rank.part(groups, replicable=True)
    group_of = torch.arange(heads, device=rank.device)[mine] // (heads // groups) - shared.start
    cache = {
        "keys": torch.einsum("td,dgk->tgk", encoder, to_k[:, shared]),
        "values": torch.einsum("td,dgk->tgk", encoder, to_v[:, shared]),
    }
    outputs = []
    for token in inputs:
        query = torch.einsum("d,dhk->hk", token, to_q[:, mine])
        mixed = attend(query, cache["keys"][:, group_of], cache["values"][:, group_of])
        outputs.append(rank.reduce(torch.einsum("hk,hkd->d", mixed, to_out[mine])))
    return torch.stack(outputs), cache


def latent(facts: Facts, inputs: Tensor, rank: Rank) -> tuple[Tensor, Cache]:
    """MLA with absorbed weights: heads divided, latent and RoPE key (and indexer keys) on every rank."""
    import torch  # noqa: PLC0415 - only the checks need it

    heads, d_c, d_rope = facts["heads"], facts["d_c"], facts["d_rope"]
    d_nope, v_dim, index_dim = facts["d_nope"], facts["v_head_dim"], facts.get("index_dim", 0)
    draw = weights(rank.device)
    to_c, to_rope = draw(HIDDEN, d_c), draw(HIDDEN, d_rope)
    to_q, to_q_rope = draw(HIDDEN, heads, d_nope), draw(HIDDEN, heads, d_rope)
    up_k, up_v, to_out = draw(d_c, heads, d_nope), draw(d_c, heads, v_dim), draw(heads, v_dim, HIDDEN)
    to_index, to_index_q = draw(HIDDEN, max(index_dim, 1)), draw(HIDDEN, max(index_dim, 1))
    mine = rank.part(heads)
    rows: dict[str, list[Tensor]] = {"latent": [], "rope": [], **({"index": []} if index_dim else {})}
    outputs = []
    for token in inputs:
        rows["latent"].append(token @ to_c)
        rows["rope"].append(token @ to_rope)
        held = {name: torch.stack(rows[name]) for name in ("latent", "rope")}
        if index_dim:
            rows["index"].append(token @ to_index)
            kept = _picked(token @ to_index_q, torch.stack(rows["index"]), facts["top"])
            held = {name: tensor[kept] for name, tensor in held.items()}
        absorbed = torch.einsum("d,dhn,chn->hc", token, to_q[:, mine], up_k[:, mine])
        turned = torch.einsum("d,dhr->hr", token, to_q_rope[:, mine])
        scores = absorbed @ held["latent"].T + turned @ held["rope"].T
        mixed = (scores / (d_nope + d_rope) ** 0.5).softmax(-1) @ held["latent"]
        outputs.append(rank.reduce(torch.einsum("hc,chv,hvd->d", mixed, up_v[:, mine], to_out[mine])))
    return torch.stack(outputs), {name: torch.stack(kept) for name, kept in rows.items()}


def _picked(query: Tensor, keys: Tensor, top: int) -> Tensor:
    """Return the positions of the *top* keys for a query: every rank must pick the same ones."""
    return (keys @ query).topk(min(top, len(keys))).indices
