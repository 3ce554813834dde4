"""
The literature's table: one set of dimensions in every kind of attention, each relative to MHA.

Elements are those that one layer caches; parameters those of its projection matrices.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from fractions import Fraction
from typing import Any

from kvplan.attention import Kind, kind_class
from kvplan.changes.base import elements
from kvplan.changes.hybrids import Heads, recurrent_layer
from kvplan.dtypes import kv_format
from kvplan.errors import OptionsError
from kvplan.planner.splits import legal_tps
from kvplan.records import record
from kvplan.specs import ModelSpec
from kvplan.terms import Target, Term

_WINDOW = 4096
"""Mistral 7B's, arXiv 2310.06825."""

_FULL_EVERY = 4
"""One full attention layer in four, as in Qwen3-Next and Kimi Linear."""

_LATENT, _ROPE, _QUERIES = 4, Fraction(1, 2), 12
"""DeepSeek-V2's d_c, d_rope and rank of queries over the size of a head: arXiv 2405.04434, section 3.1.2."""


@record
class Dimensions:
    """What all kinds of one table have in common: heads of one size, in a model of some width."""

    heads: int
    head_dim: int
    hidden: int
    layers: int

    def __post_init__(self) -> None:
        wrong = [f"{name} is {size}" for name, size in asdict(self).items() if size < 1]
        if wrong:
            raise OptionsError(f"{', '.join(wrong)}: expected at least 1")


@record
class KindRow:
    """
    One kind: elements per token and layer, and per sequence and layer whatever its length.

    `cache` is the first relative to MHA, and `equal_tokens` how many tokens of MHA take as much as what does
    not grow. `parameters` are of all layers' projections, `share` relative to MHA. `work` is how a token's
    attention grows with T tokens before it; `stops_at` the tokens from which on the cache does not grow,
    None where it always does, 0 where it never did. `legal_tp` are the degrees up to 64.
    """

    name: str
    token_elements: Fraction
    fixed_elements: Fraction
    cache: Fraction
    equal_tokens: Fraction
    parameters: int
    share: Fraction
    work: str
    legal_tp: tuple[int, ...]
    stops_at: int | None

    def to_dict(self) -> dict[str, Any]:
        """Return the plain values that `--json` prints."""
        return {
            name: float(value) if isinstance(value, Fraction) else value
            for name, value in asdict(self).items()
        }


def dimensions_of(spec: ModelSpec) -> Dimensions:
    """Return a model's dimensions; raise OptionsError where its spec does not tell them."""
    found = next((kind for kind in spec.kinds() if getattr(kind, "heads", None)), None)
    facts = {} if found is None else dict(found)
    head_dim = facts.get("head_dim") or facts.get("v_head_dim")
    if spec.hidden is None or head_dim is None:
        raise OptionsError(
            f"the spec of {spec.name} does not tell its width or the size of its heads: "
            "give --heads, --head-dim, --hidden and --layers"
        )
    return Dimensions(heads=facts["heads"], head_dim=head_dim, hidden=spec.hidden, layers=spec.layer_count)


def kinds(dimensions: Dimensions) -> tuple[KindRow, ...]:
    """Return the table for some dimensions, from MHA on."""
    mha = _kind("mha", heads=dimensions.heads, head_dim=dimensions.head_dim)
    by, per_token = mha.projections(dimensions.hidden), _growing(mha)
    return tuple(
        _row(dimensions, name, layers, work, parameters_of_mha=by, elements_of_mha=per_token)
        for name, layers, work in _every(dimensions, mha)
    )


def _every(of: Dimensions, mha: Kind) -> Iterator[tuple[str, Sequence[Kind], str]]:
    """Yield each kind's name, the layers that make up one period of it, and its work per token."""
    heads: Mapping[str, Any] = {"heads": of.heads, "head_dim": of.head_dim}
    yield "mha", [mha], "T h d"
    for groups in range(of.heads - 1, 1, -1):
        if of.heads % groups == 0:
            yield f"gqa, G = {groups}", [_kind("gqa", groups=groups, **heads)], "T h d"
    yield "mqa", [_kind("mqa", **heads)], "T h d"
    yield "mla", [_mla(of)], "T h (2 d_c + d_rope)"
    yield f"sliding, w = {_WINDOW}", [_kind("sliding", groups=of.heads, window=_WINDOW, **heads)], "w h d"
    yield "linear", [_recurrent("linear", of)], "h d^2"
    yield "lightning", [_recurrent("lightning", of)], "h d^2"
    if (mamba := _mamba2(of)) is not None:
        yield "mamba2", [mamba], "h d N"
    delta = _recurrent("gated_delta_net", of)
    yield "gated_delta_net", [delta], "h d^2"
    period = [delta] * (_FULL_EVERY - 1) + [mha]
    yield f"hybrid, 1 of {_FULL_EVERY} full", period, f"T h d / {_FULL_EVERY}"


def _kind(name: str, **facts: Any) -> Kind:  # noqa: ANN401 - facts of any kind
    return kind_class(name).model_validate({"kind": name, **facts})


def _mla(of: Dimensions) -> Kind:
    widths = {"d_c": _LATENT * of.head_dim, "d_rope": int(_ROPE * of.head_dim)}
    sizes = {"d_nope": of.head_dim, "v_head_dim": of.head_dim, "q_lora_rank": _QUERIES * of.head_dim}
    return _kind("mla", heads=of.heads, **widths, **sizes)


def _recurrent(name: str, of: Dimensions) -> Kind:
    heads = Heads(of.heads, of.head_dim, of.hidden, "bf16")
    return recurrent_layer(name, heads, state_dtype="bf16")


def _mamba2(of: Dimensions) -> Kind | None:
    """Return Mamba-2 in its own models' shape; None where its heads do not divide twice the width."""
    try:
        return _recurrent("mamba2", of)
    except OptionsError:
        return None


def _row(  # noqa: PLR0913 - each is one column
    of: Dimensions,
    name: str,
    layers: Sequence[Kind],
    work: str,
    *,
    parameters_of_mha: int,
    elements_of_mha: int,
) -> KindRow:
    count = len(layers)
    token = Fraction(sum(map(_growing, layers)), count)
    fixed = Fraction(sum(map(_fixed, layers)), count)
    parameters = Fraction(sum(kind.projections(of.hidden) for kind in layers), count)
    return KindRow(
        name=name,
        token_elements=token,
        fixed_elements=fixed,
        cache=token / elements_of_mha,
        equal_tokens=fixed / elements_of_mha,
        parameters=int(parameters * of.layers),
        share=parameters / parameters_of_mha,
        work=work,
        legal_tp=legal_tps(tuple(dict.fromkeys(split for kind in layers for split in _splits(kind)))),
        stops_at=_stops_at(layers),
    )


def _terms(kind: Kind) -> Sequence[Term]:
    return kind.lower(Target(kv=kv_format("bf16")))


def _growing(kind: Kind) -> int:
    """Return the elements that a token adds while a window is not full."""
    return elements((kind,), 1) - _fixed(kind)


def _fixed(kind: Kind) -> int:
    return elements((kind,), 0)


def _splits(kind: Kind) -> Iterator[Any]:
    yield from kind.splits()
    yield from (term.split for term in _terms(kind))


def _stops_at(layers: Sequence[Kind]) -> int | None:
    """Return from how many tokens on a cache does not grow; None if it always does."""
    if any(term.rows.growth(term.rows.stride) for kind in layers for term in _terms(kind)):
        return None
    return _WINDOW if any(_growing(kind) for kind in layers) else 0
