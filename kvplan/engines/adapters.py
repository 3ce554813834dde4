"""
The linear layers to which LoRA adapters are added, as one rank holds them.

An adapter of rank r adds to a matrix of `outputs` x `inputs` the product of two: A of r x inputs and B of
outputs x r (Hu et al., arXiv 2106.09685, section 4.1). Engines keep slots of the largest rank for both.
"""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Literal, NamedTuple

from kvplan.attention.grouped import SoftmaxKind
from kvplan.attention.latent import MLA
from kvplan.errors import KvplanError
from kvplan.specs.parts import Amount, LayerParts, Measure

if TYPE_CHECKING:
    from kvplan.attention import Kind
    from kvplan.engines.base import EngineOptions
    from kvplan.engines.shares import Shares
    from kvplan.specs.mlp import Mlp


class AdaptedModel(NamedTuple):
    """
    What decides the adapters' buffers of a model, as far as its spec tells.

    `kinds` are those of each layer, and `parts` its weights by part, None where the spec does not count them.
    `stages` are the layers of each pipeline stage, `shares` over how many ranks each part is cut, and
    `element_bytes` those of the model's dtype.
    """

    name: str
    kinds: "Sequence[tuple[Kind, ...]]"
    parts: Sequence[LayerParts] | None
    mlp: "Mlp | None"
    hidden: int | None
    vocab: int | None
    tied: bool | None
    element_bytes: int
    stages: Sequence[int]
    shares: "Shares"
    options: "EngineOptions"


class Site(NamedTuple):
    """
    One linear layer on a rank: what goes in and out there, and which of both is cut, over so many `ranks`.

    Several matrices may be one layer, each a slice with an A of its own. A mixture's experts are `copies`.
    `what` says which layer it is: a class may have some of them fused.
    """

    what: Literal[
        "queries and keys",
        "states in",
        "states out",
        "queries",
        "keys and values",
        "latents",
        "output",
        "MLP in",
        "MLP out",
        "router",
        "experts",
    ]
    inputs: int
    outputs: int
    slices: int = 1
    cut: Literal["inputs", "outputs", "nothing"] = "nothing"
    ranks: int = 1
    copies: int = 1


def sites(model: AdaptedModel, layer: int) -> Iterator[Site]:
    """Yield the linear layers of a *layer*; raise a KvplanError for a width that the spec does not tell."""
    hidden = needed(model, "hidden")
    for kind in model.kinds[layer]:
        yield from _mixer(model, kind, hidden)
    yield from mlps(model, layer, hidden)


def needed(model: AdaptedModel, fact: Literal["hidden", "vocab"]) -> int:
    """Return a width of the model; raise a KvplanError that names it where the spec has none."""
    found: int | None = getattr(model, fact)
    if found is None:
        raise _missing(model, fact)
    return found


def _missing(model: AdaptedModel, fact: str) -> KvplanError:
    return KvplanError(
        f"the spec of {model.name} has no {fact}, and adapters' buffers are as wide: add {fact} to the spec"
    )


def _mixer(model: AdaptedModel, kind: "Kind", hidden: int) -> Iterator[Site]:
    ranks = model.shares.attention
    if isinstance(kind, MLA) and kind.indexer is None:
        yield from _latent(kind, hidden, ranks)
        return
    extra = isinstance(kind, SoftmaxKind) and (kind.output_gate or getattr(kind, "indexer", None) is not None)
    if not isinstance(kind, SoftmaxKind) or extra:
        raise KvplanError(
            f"which buffers adapters need on {kind.kind} layers of {model.name} is not known to kvplan: "
            "leave the adapters out, and give their size with --overhead"
        )
    queries = kind.heads // ranks * kind.head_dim
    # A KV head is stored on several ranks where there are more ranks: QKVParallelLinear of vLLM 0.33.
    groups = max(1, kind.kv_heads // ranks)
    value_dim = kind.v_head_dim or kind.head_dim
    outputs = queries + groups * (kind.head_dim + value_dim)
    yield Site("queries and keys", hidden, outputs, slices=3, cut="outputs", ranks=ranks)
    yield Site("output", kind.heads // ranks * value_dim, hidden, cut="inputs", ranks=ranks)


def _latent(kind: MLA, hidden: int, ranks: int) -> Iterator[Site]:
    """Yield MLA's matrices: those down to the latents are whole on each rank, those up are cut by heads."""
    d_nope, v_head_dim = kind.needed("d_nope", "v_head_dim", by="an adapter")
    heads = kind.heads // ranks
    queries, latent = heads * (d_nope + kind.d_rope), kind.d_c + kind.d_rope
    if kind.q_lora_rank is None:
        yield Site("queries", hidden, queries, cut="outputs", ranks=ranks)
        yield Site("latents", hidden, latent)
    else:
        yield Site("latents", hidden, kind.q_lora_rank + latent, slices=2)
        yield Site("queries", kind.q_lora_rank, queries, cut="outputs", ranks=ranks)
    yield Site("keys and values", kind.d_c, heads * (d_nope + v_head_dim), cut="outputs", ranks=ranks)
    yield Site("output", heads * v_head_dim, hidden, cut="inputs", ranks=ranks)


def mlps(model: AdaptedModel, layer: int, hidden: int) -> Iterator[Site]:
    """Yield what follows the mixer: without parts all layers have the one MLP, where there are no experts."""
    if model.mlp is None:
        raise _missing(model, "mlp")
    matrices = 2 + model.mlp.gated
    if model.parts is None:
        if model.mlp.intermediate is None or model.mlp.experts_per_token is not None:
            raise _missing(model, "parts")
        yield from _mlp(hidden, model.mlp.intermediate, matrices, model.shares.dense)
        return
    parts = model.parts[layer]
    if parts.dense:
        yield from _mlp(hidden, _width(model, parts.dense, matrices, hidden), matrices, model.shares.dense)
    if parts.experts:
        yield from _mixture(model, parts, matrices, hidden)


def _mixture(model: AdaptedModel, parts: LayerParts, matrices: int, hidden: int) -> Iterator[Site]:
    shares = model.shares
    if not parts.width:
        raise _missing(model, "parts' width of an expert")
    yield Site("router", hidden, parts.experts)
    copies = shares.on_rank(parts.experts)
    for site in _mlp(hidden, parts.width, matrices, shares.expert):
        yield site._replace(what="experts", copies=copies)
    if parts.shared:
        yield from _mlp(hidden, _width(model, parts.shared, matrices, hidden), matrices, shares.shared)


def _mlp(hidden: int, width: int, matrices: int, ranks: int) -> Iterator[Site]:
    part, slices = width // ranks, matrices - 1
    yield Site("MLP in", hidden, slices * part, slices=slices, cut="outputs", ranks=ranks)
    yield Site("MLP out", part, hidden, cut="inputs", ranks=ranks)


def _width(model: AdaptedModel, amount: Amount, matrices: int, hidden: int) -> int:
    """Return the width of an MLP by its parameters; raise where biases or more are among them."""
    width, more = divmod(Measure(None).of(amount), matrices * hidden)
    if more:
        raise KvplanError(
            f"an MLP of {model.name} has parameters beside its matrices, so that its width is not known: "
            "leave the adapters out, and give their size with --overhead"
        )
    return width
