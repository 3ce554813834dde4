"""A model as it is spread over GPUs: its layers in pipeline stages, its units over ranks."""

from collections import Counter
from dataclasses import replace
from functools import lru_cache

from kvplan.dtypes import CacheFormat, kv_format
from kvplan.engines import (
    EXACT,
    Arrangement,
    Engine,
    EngineOptions,
    Shares,
    Straight,
    ToStore,
    find_engine,
)
from kvplan.errors import KvplanError, SplitError
from kvplan.frozen import FrozenDict
from kvplan.gpus import Card
from kvplan.loads import Load, uniform
from kvplan.planner.choice import Choice
from kvplan.planner.declared_kv import as_declared
from kvplan.planner.drafts import OWN, draft_of, draft_stages, drafting_of, require_apart
from kvplan.planner.facts import Assumed, Warned
from kvplan.planner.model_dtype import as_run
from kvplan.planner.nodes import crossing
from kvplan.planner.splits import (
    heads_of,
    require_experts,
    require_sharing,
    require_tp,
    split_stages,
    uncounted_experts,
)
from kvplan.planner.unlike_cards import how_split, require_alike, require_ranks
from kvplan.records import record
from kvplan.specs import ModelSpec
from kvplan.terms import Layer, Stage, Target, growth, plain, without_windows

MAX_DEGREE = 4096
"""No known deployment spreads one replica wider; a larger degree is a typing error."""

KEPT = 512
"""Deployments that are kept at once, of some kilobytes each."""


@record(eq=False)
class Deployment:
    """
    One replica of a model on tp x pp ranks, and dp such replicas.

    `spec` is the model as it runs, and `notes` say what the engine chose unasked. All sizes are per
    rank of the fullest stage unless a method says otherwise. `draft` is what drafts tokens, alone, its
    cache by the formula: its layers are in the stages, too.
    """

    spec: ModelSpec
    choice: Choice
    engine: Engine
    kv: CacheFormat
    layers: dict[str, Layer]
    stages: tuple[Stage, ...]
    options: EngineOptions
    arrangement: Arrangement
    draft: "Deployment | None" = None
    notes: tuple[Warned, ...] = ()

    @property
    def tp(self) -> int:
        """The tensor-parallel degree of one replica."""
        return self.choice.tp

    @property
    def dp(self) -> int:
        """The number of replicas, each with a cache of its own."""
        return self.choice.dp

    @property
    @lru_cache(maxsize=KEPT)  # noqa: B019 - as deployments are kept
    def shares(self) -> Shares:
        """Over how many ranks the engine cuts each part of the weights; raise where it cannot."""
        return self.engine.shares(self.options)

    @property
    @lru_cache(maxsize=KEPT)  # noqa: B019 - as above
    def replica_gpus(self) -> int:
        """The GPUs of one replica: tp x pp, and those of context parallelism in place of each."""
        return self.tp * len(self.stages) * self.engine.context_ranks(self.options)

    @property
    def gpus(self) -> int:
        """The GPUs of all replicas."""
        return self.replica_gpus * self.dp

    @property
    def stage_sizes(self) -> tuple[int, ...]:
        """The number of layers of each pipeline stage."""
        return tuple(len(stage.types) for stage in self.stages)

    def respread(self, *, tp: int, pp: int) -> "Deployment":
        """
        Return one replica over *tp* ranks and *pp* even stages, without cp; raise like deploy.

        GPUs of several kinds are as many as they are: they hold no other spread.
        """
        ep = min(self.choice.ep, tp)
        spread = replace(self.choice, tp=tp, pp=pp, dp=1, cp=1, ep=ep, nodes=None, pp_layers=None)
        return self if spread == self.choice else deploy(self.spec, spread)

    def reserved_bytes(self, load: Load) -> int:
        """Return the bytes that the sequences of one replica take on a rank of the fullest stage."""
        return max(self.by_stage(load))

    def sequence_bytes(self, tokens: int) -> int:
        """
        Return what one sequence more takes on a rank of the fullest stage, beside others.

        The first takes more where an engine needs room for one prefill in flight.
        """
        rows = self.by_sequence(tokens)
        if rows is not None:
            return max(each.more for each in rows)
        # What an engine asks for when it starts can be room for several, where their prompts are short.
        several = 2 if self.choice.prompt is None else 2**20
        more, some = self.by_stage(uniform(tokens, several)), self.by_stage(uniform(tokens, several - 1))
        return max(after - before for after, before in zip(more, some, strict=True))

    @lru_cache(maxsize=KEPT)  # noqa: B019 - as above
    def analytic(self) -> "Deployment":
        """Return the same spread and cache format by the formula alone."""
        return deploy(self.spec, self.choice.analytic(self.stage_sizes, self.kv))

    @lru_cache(maxsize=KEPT)  # noqa: B019 - as above
    def token_bytes(self, rank: int) -> int | float:
        """Return what one token more adds to one long sequence on a rank of a stage."""
        return plain(self.growing.arrangement.token_bytes(rank))

    @lru_cache(maxsize=KEPT)  # noqa: B019 - as above
    def growth(self, name: str, count: int) -> int | float:
        """Return the formula's bytes per rank that one token more adds to *count* layers of a type."""
        return growth(self.growing.layers[name], self.tp, count=count, cp=self.choice.cp)

    @property
    @lru_cache(maxsize=KEPT)  # noqa: B019 - as above
    def growing(self) -> "Deployment":
        """This deployment without windows that the model's longest context does not fill: all tokens add."""
        layers = {name: without_windows(each, self.spec.max_context) for name, each in self.layers.items()}
        draft = self.draft and self.draft.growing
        if layers == self.layers and draft is self.draft:
            return self
        return _arranged(self.spec, self.choice, self.engine, self.kv, layers, draft)

    def fullest_rank(self, tokens: int) -> int:
        """Return the pipeline rank on which one sequence of *tokens* tokens takes most."""
        sizes = self.by_stage(uniform(tokens, 1))
        return sizes.index(max(sizes))

    def all_gpus_bytes(self, *, tokens: int, batch: int) -> int:
        """Return the bytes on all GPUs for *batch* sequences dealt out over the replicas."""
        shares = Counter(batch // self.dp + (replica < batch % self.dp) for replica in range(self.dp))
        on_one = {share: sum(self.by_stage(uniform(tokens, share))) for share in shares}
        ranks = self.replica_gpus // len(self.stages)
        return sum(ranks * count * on_one[share] for share, count in shares.items())

    @lru_cache(maxsize=KEPT)  # noqa: B019 - as above
    def by_sequence(self, tokens: int) -> tuple[Straight, ...] | None:
        """Return what Arrangement.by_sequence does, kept for the lengths that are asked for again."""
        return self.arrangement.by_sequence(tokens)

    def by_stage(self, load: Load) -> list[int]:
        """Return the bytes that the sequences of one replica take on a rank of each stage."""
        if len(load) == 1 and load[0][1] and (rows := self.by_sequence(load[0][0])) is not None:
            return [each.of(load[0][1]) for each in rows]
        reserved = self.arrangement.reserved_bytes
        return [reserved(rank=rank, load=load) for rank in range(len(self.stages))]


def deploy(spec: ModelSpec, choice: Choice) -> Deployment:
    """
    Return the deployment of *spec*; raise SplitError if its layers or units do not spread so.

    The last ones are kept, and why there is none: scripts ask again and again, and nothing of it changes.
    """
    found = kept_deployment(spec, choice)
    if isinstance(found, KvplanError):
        raise type(found)(*found.args)
    return found


@lru_cache(maxsize=KEPT)
def kept_deployment(spec: ModelSpec, choice: Choice) -> Deployment | KvplanError:
    """Return the deployment, or why there is none."""
    try:
        return _deployed(spec, choice)
    except KvplanError as error:
        return error


def _deployed(spec: ModelSpec, choice: Choice) -> Deployment:
    for name, degree in (("tp", choice.tp), ("pp", choice.pp), ("dp", choice.dp), ("cp", choice.cp)):
        if not 1 <= degree <= MAX_DEGREE:
            raise SplitError(f"{name}={degree} is not between 1 and {MAX_DEGREE}")
    require_sharing(spec)
    require_ranks(choice.cards, tp=choice.tp, pp=choice.pp, dp=choice.dp, cp=choice.cp)
    engine = find_engine(choice.engine)
    engine.require_taken(choice)
    if (choice.nodes or 1) > 1 and not engine.several_nodes:
        raise SplitError(f"{engine.name} runs on one node: how it uses others is not known, leave nodes out")
    spec, note = as_run(spec, choice.dtype, engine, choice.card)
    layers, kv = lowered(spec, choice, engine)
    require_tp(spec, layers, choice.tp)
    require_experts(spec, choice.ep)
    draft = _drafted(spec, choice, engine, layers)
    deployment = _arranged(spec, choice, engine, kv, layers, draft)
    _require_alike(deployment)
    shares = deployment.shares  # It refuses what does not go together.
    roles = {term.role for layer in layers.values() for term in layer}
    said = (note, as_declared(spec, choice.kv_dtype, engine, roles)[1])
    assumed = [Assumed(text=text) for text in deployment.arrangement.assumed]
    across = crossing(choice.tp, choice.node_gpus) if choice.node_gpus else None
    if across is not None:
        assumed.append(Assumed(text=across))
    if choice.cards and choice.pp_layers is None and "tensor_split" not in choice.settings:
        proportions = engine.proportions(choice.settings, choice.cards)
        assumed.append(
            Assumed(text=how_split(engine.name, deployment.stage_sizes, by_memory=bool(proportions)))
        )
    if shares.experts > 1 and spec.parts is None:
        assumed.append(Assumed(text=uncounted_experts(spec)))
    notes = (*(each for each in said if each), *assumed)
    return replace(deployment, notes=notes) if notes else deployment


def _require_alike(deployment: Deployment) -> None:
    """Raise OptionsError where an engine would lay the cache out otherwise on another one of the cards."""
    spec, choice, engine = deployment.spec, deployment.choice, deployment.engine

    def laid_out(card: Card) -> tuple[CacheFormat, Arrangement]:
        on_card = replace(choice, card=card, pp_layers=deployment.stage_sizes)
        layers, kv = lowered(spec, on_card, engine)
        return kv, _arranged(spec, on_card, engine, kv, layers, deployment.draft).arrangement

    require_alike(engine.name, choice.cards, laid_out)


def _drafted(spec: ModelSpec, choice: Choice, engine: Engine, model: dict[str, Layer]) -> Deployment | None:
    """Return what drafts tokens for a model with these layers, alone; None if nothing does."""
    require_apart(choice.draft, choice.draft_kv_dtype, engine)
    if choice.draft is None:
        return None
    draft = draft_of(spec, choice.draft, engine, choice.pp)
    roles = {term.role for layer in model.values() for term in layer}
    asked, _ = as_declared(spec, choice.kv_dtype, engine, roles)
    spread = engine.drafts == "spread"
    alone = replace(
        choice,
        draft=None,
        draft_kv_dtype=None,
        kv_dtype=choice.draft_kv_dtype if spread else asked,
        pp=choice.pp if spread else 1,
        pp_layers=None,
    )
    layers, kv = lowered(draft, alone, engine)
    require_tp(draft, layers, choice.tp)
    return _arranged(draft, alone, replace(engine, arrange=EXACT.arrange), kv, layers)


def _arranged(  # noqa: PLR0913, PLR0917 - the parts of a deployment
    spec: ModelSpec,
    choice: Choice,
    engine: Engine,
    kv: CacheFormat,
    layers: dict[str, Layer],
    draft: Deployment | None = None,
) -> Deployment:
    readers = {name: spec.readers(name) for name in layers}
    stages = tuple(
        Stage(
            types=types,
            counts=tuple((layers[name], count) for name, count in Counter(types).items()),
            readers=tuple(window for name in types for window in readers[name]),
        )
        for types in split_stages(
            spec.layer_types,
            choice.pp,
            choice.pp_layers,
            engine.extra,
            engine.proportions(choice.settings, choice.cards),
        )
    )
    if draft is not None:
        stages = draft_stages(stages, draft.stages)
    options = EngineOptions(
        architecture=spec.architecture,
        computed_as=spec.computed_as,
        heads=heads_of(spec),
        hidden=spec.hidden,
        vocab=spec.vocab,
        model_context=spec.longest_context or spec.max_context,
        yarn_context=spec.yarn_context,
        tp=choice.tp,
        pp=len(stages),
        dp=choice.dp,
        dtype=spec.dtype,
        roles=frozenset(term.role for layer in layers.values() for term in layer),
        states_fixed=spec.states_fixed,
        weight_blocks=spec.weight_blocks,
        has_experts=spec.has_experts,
        has_parts=spec.parts is not None,
        node_gpus=choice.node_gpus,
        draft=None if draft is None else drafting_of(draft.spec, own=choice.draft == OWN),
        sees=bool(spec.vision or spec.uncounted or (spec.parts and spec.parts.tower)),
        vision=spec.vision,
        card=choice.card,
        **choice.shared(),
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
        draft=draft,
    )


def lowered(spec: ModelSpec, choice: Choice, engine: Engine = EXACT) -> tuple[dict[str, Layer], CacheFormat]:
    """Return the terms of each layer type, and the cache format in which they are stored."""
    if choice.encoder_tokens is not None and choice.encoder_tokens < 1:
        raise SplitError(f"{choice.encoder_tokens} encoder tokens are not at least 1")
    plain = _layers(spec, Target(kv=kv_format(spec.dtype), encoder_tokens=choice.encoder_tokens))
    roles = {term.role for layer in plain.values() for term in layer}
    asked, _ = as_declared(spec, choice.kv_dtype, engine, roles)
    rows = ToStore(
        roles=roles,
        dtype=spec.dtype,
        architecture=spec.architecture,
        card=choice.card,
        settings=choice.settings,
        scaled=spec.scales_cache,
    )
    kv = kv_format(engine.kv_dtype(asked, rows))
    return _layers(spec, Target(kv=kv, encoder_tokens=choice.encoder_tokens)), kv


@lru_cache(maxsize=KEPT)
def _layers(spec: ModelSpec, target: Target) -> dict[str, Layer]:
    """Return the terms of each layer type; kept, as other spreads of a model have the same."""
    return FrozenDict(spec.lower_types(target))
