"""A model as it is spread over GPUs: its layers in pipeline stages, its units over ranks."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import Literal

from kvplan.dtypes import CacheFormat, kv_format
from kvplan.engines import EXACT, Arrangement, Engine, EngineOptions, Rows, find_engine
from kvplan.errors import SplitError
from kvplan.gpus import Card
from kvplan.planner.model_dtype import as_run
from kvplan.specs import ModelSpec
from kvplan.terms import Layer, Split, Stage, Target, Term, token_bytes

MAX_DEGREE = 4096
"""No known deployment spreads one replica wider; a larger degree is a typing error."""

LISTED_TP = 64
"""Tensor-parallel degrees are searched and listed up to this one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """
    What a user chooses of a deployment.

    The model runs in `dtype`, or as its engine chooses; the cache is stored in that dtype unless
    `kv_dtype` says otherwise; `pp_layers` are
    the layers of each stage where they are not split evenly; `encoder_tokens` replaces the spec's.
    Engines choose some defaults by the `card`, where it is known.
    """

    engine: str = "exact"
    dtype: str | None = None
    kv_dtype: str | None = None
    tp: int = 1
    pp: int = 1
    dp: int = 1
    pp_layers: tuple[int, ...] | None = None
    encoder_tokens: int | None = None
    block_size: int | None = None
    max_num_batched_tokens: int | None = None
    max_num_seqs: int | None = None
    prefix_caching: bool | None = None
    dcp: int = 1
    settings: Mapping[str, str] = field(default_factory=dict)
    card: Card | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployment:
    """
    One replica of a model on tp x pp ranks, and dp such replicas.

    `spec` is the model as it runs, and `notes` say what the engine chose unasked. All sizes are per
    rank of the fullest stage unless a method says otherwise.
    """

    spec: ModelSpec
    choice: Choice
    engine: Engine
    kv: CacheFormat
    layers: dict[str, Layer]
    stages: tuple[Stage, ...]
    options: EngineOptions
    arrangement: Arrangement
    notes: tuple[str, ...] = ()

    @property
    def tp(self) -> int:
        """The tensor-parallel degree of one replica."""
        return self.choice.tp

    @property
    def dp(self) -> int:
        """The number of replicas, each with a cache of its own."""
        return self.choice.dp

    @property
    def stage_sizes(self) -> tuple[int, ...]:
        """The number of layers of each pipeline stage."""
        return tuple(len(stage.types) for stage in self.stages)

    def respread(self, *, tp: int, pp: int) -> "Deployment":
        """Return one replica of this deployment over *tp* ranks, known to be legal, and *pp* even stages."""
        choice = replace(self.choice, tp=tp, pp=pp, dp=1, pp_layers=None)
        return _arranged(self.spec, choice, self.engine, self.kv, self.layers)

    def reserved_bytes(self, *, tokens: int, batch: int) -> int:
        """Return the bytes that *batch* sequences of one replica take on a rank of the fullest stage."""
        return max(self.by_stage(tokens, batch))

    def sequence_bytes(self, tokens: int) -> int:
        """
        Return what one sequence more takes on a rank of the fullest stage, beside others.

        The first takes more where an engine needs room for one prefill in flight.
        """
        two, one = self.by_stage(tokens, 2), self.by_stage(tokens, 1)
        return max(after - before for after, before in zip(two, one, strict=True))

    def token_bytes(self, rank: int) -> int | float:
        """Return what one token more adds to one long sequence on a rank of a stage."""
        return plain(self.arrangement.token_bytes(rank))

    def fullest_rank(self, tokens: int) -> int:
        """Return the pipeline rank on which one sequence of *tokens* tokens takes most."""
        sizes = self.by_stage(tokens, 1)
        return sizes.index(max(sizes))

    def all_gpus_bytes(self, *, tokens: int, batch: int) -> int:
        """Return the bytes on all GPUs for *batch* sequences dealt out over the replicas."""
        shares = Counter(batch // self.dp + (replica < batch % self.dp) for replica in range(self.dp))
        return sum(self.tp * count * sum(self.by_stage(tokens, share)) for share, count in shares.items())

    def by_stage(self, tokens: int, batch: int) -> list[int]:
        """Return the bytes that *batch* sequences of one replica take on a rank of each stage."""
        reserved = self.arrangement.reserved_bytes
        return [reserved(rank=rank, context=tokens, batch=batch) for rank in range(len(self.stages))]


def plain(size: Fraction) -> int | float:
    """Return bytes as an int where they are whole."""
    return size.numerator if size.denominator == 1 else float(size)


def growth(terms: Iterable[Term], tp: int) -> int | float:
    """Return the formula's bytes per rank that one more token adds, all windows full."""
    return plain(token_bytes(terms, tp))


def deploy(spec: ModelSpec, choice: Choice) -> Deployment:
    """Return the deployment of *spec*; raise SplitError if its layers or units do not spread so."""
    for name, degree in (("tp", choice.tp), ("pp", choice.pp), ("dp", choice.dp)):
        if not 1 <= degree <= MAX_DEGREE:
            raise SplitError(f"{name}={degree} is not between 1 and {MAX_DEGREE}")
    require_sharing(spec)
    engine = find_engine(choice.engine)
    spec, note = as_run(spec, choice.dtype, engine, choice.card)
    layers, kv = lowered(spec, choice, engine)
    require_tp(spec, layers, choice.tp)
    deployment = _arranged(spec, choice, engine, kv, layers)
    notes = (*([note] if note else []), *deployment.arrangement.assumed)
    return replace(deployment, notes=notes) if notes else deployment


def _arranged(
    spec: ModelSpec, choice: Choice, engine: Engine, kv: CacheFormat, layers: dict[str, Layer]
) -> Deployment:
    stages = tuple(
        Stage(types=types, counts=tuple((layers[name], count) for name, count in Counter(types).items()))
        for types in split_stages(spec.layer_types, choice.pp, choice.pp_layers, engine.extra)
    )
    options = EngineOptions(
        architecture=spec.architecture,
        sharing=sharing(spec),
        model_context=spec.max_context,
        tp=choice.tp,
        pp=len(stages),
        dtype=spec.dtype,
        roles=frozenset(term.role for layer in layers.values() for term in layer),
        states_fixed=spec.states_fixed,
        block_size=choice.block_size,
        max_num_batched_tokens=choice.max_num_batched_tokens,
        max_num_seqs=choice.max_num_seqs,
        prefix_caching=choice.prefix_caching,
        dcp=choice.dcp,
        settings=choice.settings,
        card=choice.card,
    )
    return Deployment(
        spec=spec,
        choice=choice,
        engine=engine,
        kv=kv,
        layers=layers,
        stages=stages,
        options=options,
        arrangement=engine.arrange(stages, options),
    )


def lowered(spec: ModelSpec, choice: Choice, engine: Engine = EXACT) -> tuple[dict[str, Layer], CacheFormat]:
    """Return the terms of each layer type, and the cache format in which they are stored."""
    if choice.encoder_tokens is not None and choice.encoder_tokens < 1:
        raise SplitError(f"{choice.encoder_tokens} encoder tokens are not at least 1")
    plain = spec.lower_types(Target(kv=kv_format(spec.dtype), encoder_tokens=choice.encoder_tokens))
    roles = {term.role for layer in plain.values() for term in layer}
    rows = Rows(
        roles=roles,
        dtype=spec.dtype,
        architecture=spec.architecture,
        card=choice.card,
        settings=choice.settings,
    )
    kv = kv_format(engine.kv_dtype(choice.kv_dtype, rows))
    return spec.lower_types(Target(kv=kv, encoder_tokens=choice.encoder_tokens)), kv


def splits(spec: ModelSpec, layers: dict[str, Layer]) -> list[Split]:
    """Return everything that tensor parallelism has to divide in this model, each once."""
    of_kinds = [split for kind in spec.kinds() for split in kind.splits()]
    of_terms = [term.split for layer in layers.values() for term in layer]
    return list(dict.fromkeys(of_kinds + of_terms))


def refusal(parts: list[Split], tp: int) -> str | None:
    """Return why *parts* do not spread over *tp* ranks, or None if they do."""
    for part in parts:
        try:
            part.on_rank(tp)
        except SplitError as error:
            return str(error)
    return None


def shared(spec: ModelSpec) -> list[tuple[Split, Split]]:
    """Return the heads of this model and the groups that share them out, each pair once."""
    return list(dict.fromkeys(pair for kind in spec.kinds() for pair in kind.sharing()))


def sharing(spec: ModelSpec) -> int:
    """Return the most heads of this model that share one group; 1 where none do."""
    return max((many.count // few.count for many, few in shared(spec)), default=1)


def sharing_refusal(many: Split, few: Split) -> str | None:
    """Return why *few* groups do not share *many* heads out evenly, or None if they do."""
    rest = many.count % few.count
    return f"{many.count} {many.unit} over {few.count} {few.unit}: {rest} are left over" if rest else None


def require_sharing(spec: ModelSpec) -> None:
    """Raise SplitError if heads of the model are not a multiple of the groups that they share."""
    for many, few in shared(spec):
        reason = sharing_refusal(many, few)
        if reason is not None:
            raise SplitError(f"{spec.name}: {reason}; correct {many.unit} or {few.unit}")


def legal_tps(parts: list[Split]) -> list[int]:
    """Return the tensor-parallel degrees up to 64 over which *parts* spread."""
    return [tp for tp in range(1, LISTED_TP + 1) if refusal(parts, tp) is None]


def require_tp(spec: ModelSpec, layers: dict[str, Layer], tp: int) -> None:
    """Raise SplitError, naming the degrees that work, if the model does not spread over *tp* ranks."""
    parts = splits(spec, layers)
    reason = refusal(parts, tp)
    if reason is not None:
        legal = ", ".join(map(str, legal_tps(parts)))
        advice = f"legal tensor-parallel degrees up to {LISTED_TP}: {legal}"
        raise SplitError(f"{spec.name}: {reason}", advice)


def split_stages(
    layer_types: tuple[str, ...],
    pp: int,
    pp_layers: tuple[int, ...] | None = None,
    extra: Literal["first", "before last", "last", "with head"] = "before last",
) -> tuple[tuple[str, ...], ...]:
    """
    Return the layer types of each of *pp* stages: *pp_layers* of them, or an even split.

    *extra* says which stages get what an even split leaves over (Engine.extra): `before last` is the
    rule of vLLM 0.33, `last` SGLang's (get_pp_indices), `first` TensorRT-LLM's (mapping.py), and `with
    head` llama.cpp's for cards with equal memory (get_layer_buft_list in src/llama-model.cpp).
    """
    count = len(layer_types)
    if pp_layers is None:
        if pp > count:
            raise SplitError(f"{count} layers do not fill pp={pp} stages; use at most --pp {count}")
        pp_layers = _even(count, pp, extra)
    if len(pp_layers) != pp or sum(pp_layers) != count or min(pp_layers) < 1:
        sizes = ",".join(map(str, pp_layers))
        raise SplitError(f"the stage sizes {sizes} are not {pp} numbers above 0 that sum to {count} layers")
    starts = [sum(pp_layers[:stage]) for stage in range(pp)]
    return tuple(layer_types[start : start + size] for start, size in zip(starts, pp_layers, strict=True))


def _even(
    count: int, pp: int, extra: Literal["first", "before last", "last", "with head"]
) -> tuple[int, ...]:
    """Return how many of *count* layers each of *pp* stages gets; the head counts as one more, or not."""
    if extra == "with head":
        held = Counter(layer * pp // (count + 1) for layer in range(count))
        return tuple(held[stage] for stage in range(pp))
    base, rest = divmod(count, pp)
    start = {"first": 0, "before last": pp - 1 - rest, "last": pp - rest}[extra]
    return tuple(base + (start <= stage < start + rest) for stage in range(pp))
