"""What of a model tensor and pipeline parallelism divide, and the degrees over which it spreads."""

from bisect import bisect_right
from collections import Counter
from collections.abc import Sequence
from fractions import Fraction
from functools import lru_cache
from itertools import accumulate

from kvplan.attention import Kind
from kvplan.attention.grouped import SoftmaxKind
from kvplan.attention.latent import MLA
from kvplan.engines.base import Extra
from kvplan.engines.heads import Heads
from kvplan.errors import SplitError
from kvplan.specs import ModelSpec
from kvplan.terms import Layer, Split
from kvplan.units import counted

LISTED_TP = 64
"""Tensor-parallel degrees are searched and listed up to this one."""

_KEPT = 512
"""Sets of parts whose degrees are kept at once."""


def splits(spec: ModelSpec, layers: dict[str, Layer]) -> tuple[Split, ...]:
    """
    Return everything that tensor parallelism has to divide in this model, each once.

    A dense MLP is cut by columns, then by rows, and engines refuse a width that leaves a rest: divide in
    vLLM's and SGLang's linear.py, and the two asserts of Linear in TensorRT-LLM's _torch/modules/linear.py.
    """
    of_kinds = [split for kind in spec.kinds() for split in kind.splits()]
    of_terms = [term.split for layer in layers.values() for term in layer]
    width = spec.dense_width
    of_mlp = [Split(unit="MLP columns", count=width, replicable=False)] if width else []
    return tuple(dict.fromkeys(of_kinds + of_terms + of_mlp))


def unspread(parts: Sequence[Split], tp: int) -> Split | None:
    """Return the first of *parts* that does not spread over *tp* ranks, or None if all do."""
    for part in parts:
        try:
            part.on_rank(tp)
        except SplitError:
            return part
    return None


def shared(spec: ModelSpec) -> list[tuple[Split, Split]]:
    """Return the heads of this model and the groups that share them out, each pair once."""
    return list(dict.fromkeys(pair for kind in spec.kinds() for pair in kind.sharing()))


def heads_of(spec: ModelSpec) -> Heads:
    """Return what engines ask of this model's heads."""
    return Heads(
        sharing=max((many.count // few.count for many, few in shared(spec)), default=1),
        latents=_latents(spec),
        filled=spec.hidden is None or all(_fills(kind, spec.hidden) for kind in spec.kinds()),
    )


def _latents(spec: ModelSpec) -> frozenset[tuple[int, int, int]]:
    latents = [kind for kind in spec.kinds() if isinstance(kind, MLA)]
    if any(kind.indexer for kind in latents):
        return frozenset()
    return frozenset(
        (kind.d_nope, kind.d_rope, kind.v_head_dim) for kind in latents if kind.d_nope and kind.v_head_dim
    )


def _fills(kind: Kind, hidden: int) -> bool:
    return not isinstance(kind, SoftmaxKind) or kind.heads * kind.head_dim == hidden


def sharing_refusal(many: Split, few: Split) -> str | None:
    """Return why *few* groups do not share *many* heads out evenly, or None if they do."""
    rest = many.count % few.count
    return (
        f"{many.counted} over {few.counted}: {rest} {'is' if rest == 1 else 'are'} left over"
        if rest
        else None
    )


def require_sharing(spec: ModelSpec) -> None:
    """Raise SplitError if heads of the model are not a multiple of the groups that they share."""
    for many, few in shared(spec):
        reason = sharing_refusal(many, few)
        if reason is not None:
            raise SplitError(f"{spec.name}: {reason}; correct {many.unit} or {few.unit}")


@lru_cache(maxsize=_KEPT)
def legal_tps(parts: tuple[Split, ...]) -> tuple[int, ...]:
    """Return the tensor-parallel degrees up to 64 over which *parts* spread."""
    return tuple(tp for tp in range(1, LISTED_TP + 1) if unspread(parts, tp) is None)


def require_tp(spec: ModelSpec, layers: dict[str, Layer], tp: int) -> None:
    """Raise SplitError, naming the degrees that work, if the model does not spread over *tp* ranks."""
    parts = splits(spec, layers)
    part = unspread(parts, tp)
    if part is not None:
        legal = ", ".join(map(str, legal_tps(parts)))
        advice = f"legal tensor-parallel degrees up to {LISTED_TP}: {legal}"
        raise SplitError(f"{spec.name}: {part.refusal(tp)}", advice)


def require_experts(spec: ModelSpec, ep: int) -> None:
    """Raise SplitError if whole experts cannot be dealt out over *ep* ranks."""
    if ep == 1:
        return
    if spec.parts is None:
        raise SplitError(
            f"{spec.name}: ep={ep} deals out experts, and its spec does not count its weights by part",
            "        leave ep out, or import the model's config.json: `kvplan import` counts them",
        )
    most = max(kind.experts for kind in spec.parts.kinds.values())
    if not most:
        raise SplitError(f"{spec.name}: ep={ep} deals out experts, and the model has none: leave ep out")


def split_stages(
    layer_types: tuple[str, ...],
    pp: int,
    pp_layers: tuple[int, ...] | None = None,
    extra: Extra = "before last",
    proportions: Sequence[int | Fraction] = (),
) -> tuple[tuple[str, ...], ...]:
    """
    Return the layer types of each of *pp* stages: *pp_layers* of them, or an even split.

    *extra* says which stages get what an even split leaves over (Engine.extra): `before last` is the
    rule of vLLM 0.33, `last` SGLang's (get_pp_indices), `first` TensorRT-LLM's (mapping.py), and `with
    head` llama.cpp's (get_layer_buft_list in src/llama-model.cpp), which deals layers out in *proportions*
    where they are not even.
    """
    count = len(layer_types)
    if pp_layers is None:
        if pp > count:
            verb = "does" if count == 1 else "do"
            raise SplitError(
                f"{counted(count, 'layer')} {verb} not fill pp={pp} stages; use at most --pp {count}"
            )
        pp_layers = with_head(count, pp, proportions) if extra == "with head" else _even(count, pp, extra)
    if len(pp_layers) != pp or sum(pp_layers) != count or min(pp_layers) < 1:
        sizes = ",".join(map(str, pp_layers))
        raise SplitError(
            f"the stage sizes {sizes} are not {pp} numbers above 0 that sum to {counted(count, 'layer')}"
        )
    starts = [sum(pp_layers[:stage]) for stage in range(pp)]
    return tuple(layer_types[start : start + size] for start, size in zip(starts, pp_layers, strict=True))


def with_head(count: int, pp: int, proportions: Sequence[int | Fraction]) -> tuple[int, ...]:
    """
    Return how many of *count* layers each of *pp* stages gets in *proportions*; without any, evenly.

    Layers and head stand in a row, each as long as the others; the stage in which one begins has it.
    """
    shares = proportions or (1,) * pp
    if len(shares) != pp:
        raise SplitError(f"{counted(len(shares), 'share')} of the layers are not those of pp={pp} stages")
    ends, total = list(accumulate(shares)), sum(shares)
    held = Counter(bisect_right(ends, Fraction(layer * total, count + 1)) for layer in range(count))
    return tuple(held[stage] for stage in range(pp))


def _even(count: int, pp: int, extra: Extra) -> tuple[int, ...]:
    """Return how many of *count* layers each of *pp* stages gets, the head left out of the account."""
    base, rest = divmod(count, pp)
    start = {"first": 0, "before last": pp - 1 - rest, "last": pp - rest}[extra]
    return tuple(base + (start <= stage < start + rest) for stage in range(pp))


def uncounted_experts(spec: ModelSpec) -> str:
    """Return what a plan is without where a spec does not count the experts that are dealt out."""
    return (
        f"the spec of {spec.name} does not count its weights by part: each GPU is planned with all experts, "
        "divided by tp alone, which is more than those that are dealt out to it"
    )
