"""What every engine is to the planner: a value, the options that it is asked with, and what it estimates."""

from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import field
from functools import partial
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from kvplan.dtypes import RECURRENT_ROLES, Role
from kvplan.engines.arrangement import Arrangement
from kvplan.engines.handover import Handover, Pulled
from kvplan.engines.heads import NO_HEADS, Heads
from kvplan.engines.profile_run import Estimate, ProfileRun
from kvplan.engines.shares import Shares, over_tp
from kvplan.errors import OptionsError
from kvplan.frozen import FrozenDict
from kvplan.gpus import Card
from kvplan.records import field_names, record
from kvplan.terms import Stage

if TYPE_CHECKING:
    from fractions import Fraction

    from kvplan.attention import Kind
    from kvplan.engines.adapters import AdaptedModel
    from kvplan.engines.settings import Setting
    from kvplan.specs.parts import LayerParts
    from kvplan.specs.vision import Vision
    from kvplan.specs.weight_blocks import WeightBlocks


@record
class SharedOptions:
    """
    What several engines have: each says which it takes, and all others are refused of it.

    None, and a `dcp`, a `cp` or an `ep` of 1, leave it to the engine. Tokens of a sequence are shared out
    over `dcp` of the tensor-parallel ranks, or over `cp` times as many GPUs; whole routed experts are dealt
    out over `ep` ranks. `settings` are options that only one engine has, by its own names, as text.
    """

    block_size: int | None = None
    max_num_batched_tokens: int | None = None
    max_num_seqs: int | None = None
    prefix_caching: bool | None = None
    dcp: int = 1
    cp: int = 1
    ep: int = 1
    prompt: int | None = None
    settings: Mapping[str, str] = field(default_factory=FrozenDict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "settings", FrozenDict(self.settings))

    def shared(self) -> dict[str, Any]:
        """Return these options by name, whatever else stands beside them."""
        return {name: getattr(self, name) for name in _SHARED}

    def given(self) -> dict[str, Any]:
        """Return by name those of them that are not left to the engine."""
        return {name: value for name, value in self.shared().items() if value != _UNASKED[name]}


_SHARED = field_names(SharedOptions)
_UNASKED = SharedOptions().shared()


class Drafting(NamedTuple):
    """
    What drafts tokens for a model: its `architecture` by its spec, and what it `predicts` unless told.

    `predicts` are the tokens that it drafts unless told, one for each layer of a module of the model's own;
    None where its spec does not say. `at_once` are those that a draft's config says it drafts together.
    """

    architecture: str | None
    predicts: int | None
    at_once: int | None = None


@record
class EngineOptions(SharedOptions):
    """
    How an engine is asked to run a model.

    `dp` replicas of tp x pp ranks run together, of a model that `has_experts` or not, with `node_gpus` on
    each node, None where that is not known.
    `architecture` is the spec's, by which an engine knows its class for the model, and `computed_as` the one
    as which llama.cpp computes a file that has none. The model has these `heads` and the width `hidden`, and
    its embedding `vocab` rows; `model_context` is the longest context that its config allows,
    `yarn_context` that by its YaRN alone, None where its spec does not say. `dtype` is the model's own,
    `roles` those of its rows. `states_fixed` says that the release fixes the dtype of recurrent states, so
    that the engine does not choose it, `has_parts` that its weights are known by part, and `weight_blocks`
    are those of its weights that must stay whole. `draft` is what drafts tokens, whose layers the stages
    have. `sees` says that a tower of images or audio is known of, and `vision` its widths, where the spec
    tells them. Engines choose some defaults by the `card`, where it is known.
    """

    architecture: str | None = None
    computed_as: str | None = None
    heads: Heads = NO_HEADS
    hidden: int | None = None
    vocab: int | None = None
    model_context: int | None = None
    yarn_context: int | None = None
    tp: int = 1
    pp: int = 1
    dp: int = 1
    node_gpus: int | None = None
    dtype: str = "bfloat16"
    roles: frozenset[Role] = frozenset()
    states_fixed: bool = False
    weight_blocks: "WeightBlocks | None" = None
    has_experts: bool = False
    has_parts: bool = False
    draft: Drafting | None = None
    sees: bool = False
    vision: "Vision | None" = None
    card: Card | None = None

    @property
    def has_states(self) -> bool:
        """Whether layers keep recurrent states."""
        return bool(self.roles & RECURRENT_ROLES)


class HeldLayer(NamedTuple):
    """
    One layer's weights as ranks hold them, for what an engine adds to them.

    `parts` are as the release stores them, in `element_bytes` where no others are given, and cut by `shares`;
    `kinds` are the layer's, of a model of the width `hidden`.
    """

    parts: "LayerParts"
    kinds: "tuple[Kind, ...]"
    hidden: int
    element_bytes: int
    shares: Shares
    options: EngineOptions


def nothing_added(held: HeldLayer) -> int:  # noqa: ARG001 - for all
    """Return 0: of engines without a rule of their own it is not known that they store more."""
    return 0


def keeps_tower(options: EngineOptions) -> bool:  # noqa: ARG001 - for all
    """Return True: of engines without a rule of their own it is not known that they leave a tower out."""
    return True


def no_adapters(model: "AdaptedModel") -> tuple[int, ...]:
    """Return 0 for each stage: engines without adapters keep nothing for them."""
    return (0,) * len(model.stages)


def all_on_gpu(options: EngineOptions) -> int:  # noqa: ARG001 - for all
    """Return 0: engines without an option for it have all weights on the GPU."""
    return 0


def never_once(options: EngineOptions) -> bool:  # noqa: ARG001 - for all
    """Return False: of engines without a rule of their own it is not known that ranks share a tier."""
    return False


Extra = Literal["first", "before last", "last", "with head"]
"""Which pipeline stages get the layers that an even split leaves over: see Engine."""


def evenly(settings: Mapping[str, str], cards: Sequence[Card]) -> "Sequence[int | Fraction]":  # noqa: ARG001 - for all
    """Return nothing: engines without a rule of their own split layers evenly, whatever the cards."""
    return ()


def one_rank(options: SharedOptions) -> int:  # noqa: ARG001 - for all
    """Return 1: engines without context parallelism of its own GPUs have no more of them."""
    return 1


class Share(NamedTuple):
    """
    Which part of a card an engine takes.

    `of` says what the utilization is a share of: the `card`, the card `after start` (what is free
    before the weights come; activations live in the part kept back), or the `rest` that weights,
    activations and overhead leave. `default` gives it for a card and options, as text.
    """

    of: Literal["card", "after start", "rest"]
    default: Callable[[int, EngineOptions], str]


def as_released(dtype: str, architecture: str | None, card: Card | None) -> str:  # noqa: ARG001 - for all
    """Return the dtype of the release: engines without a rule of their own run a model in it."""
    return dtype


def not_heeded(dtype: str, by: str | None, roles: AbstractSet[Role]) -> str | None:  # noqa: ARG001 - for all
    """Return None: engines without a rule of their own take no heed of a checkpoint's declaration."""
    return None


class ToStore(NamedTuple):
    """
    What an engine chooses the format of a cache by, beside what was asked for.

    `roles` are those of the model's rows, `dtype` the one in which it runs, `architecture` its type;
    `settings` are the engine's own, as text, and `card` None where none is named. `scaled` says that the
    release is known to bring scales for a cache in fp8.
    """

    roles: AbstractSet[Role]
    dtype: str
    architecture: str | None = None
    card: Card | None = None
    settings: Mapping[str, str] = FrozenDict()
    scaled: bool = False


@record
class Engine:
    """
    One engine: how it lays a cache out, and how it divides a card's memory unless told otherwise.

    `model_dtype` gives the dtype in which a model runs unless told, for the release's own, its architecture
    and the card, as far as these are known; `unsaid_dtype` stands in for one that the release does not name,
    None where the engine has nothing to go by. `kv_dtype` gives the cache format for what was asked (or None)
    of a model's rows. `declared_kv` gives what counts as asked where nothing is, for the dtype that a
    checkpoint declares for its cache, what declares it and the roles: None if the engine takes no heed of it.
    `needs` estimates what else must be on the card. `takes` names the SharedOptions that it has, `settings`
    are its own. `extra` says which pipeline stages get the layers that an even split leaves over: the first,
    the last, or those before the last, from the second-last backwards, because the last also holds the output
    head. `with head` splits the layers and the head together, as one layer more, in the `proportions` that
    its settings or cards of several kinds give. `shares` says over how many ranks each part of the weights is
    cut, and `added` what a rank holds of a layer beyond its share; the classes of `ends_everywhere`, by
    architecture, have embedding, last norm and head on every stage. `has_tower` says whether a tower of
    images is loaded at all. `adapters` gives what a rank of each stage keeps for LoRA adapters, and
    `offloaded` how much of the layers' weights each rank is asked to leave in the host's memory.
    `once_on_host` says whether its own tier of the cache in the host's memory holds once what all ranks hold
    alike. `context_ranks` are the GPUs of context parallelism in place of each one of tp x pp.
    `even_weights`: every rank gets the same share, as in the textbook, whatever cannot be split.
    `embedding_on_gpu`: the input embedding is on the first stage, and not in the host's memory. `plain_ends`:
    embedding and head stay in the model's dtype where weights are asked for in fewer bits. `drafts` says
    where the layers and weights of a draft are: on the last stage, spread over all of them as the model is,
    or nowhere, as no draft is taken; the classes of `draft_projections`, by architecture, cut what brings a
    token and its hidden state together in a draft of the model's own, which others hold whole, and where
    `draft_embeds` such a draft has an embedding of its own beside stages that have none. `spread` is
    how several GPUs are used where only their number is given: tensor ranks or pipeline stages, and
    `several_nodes` whether ranks may be on more than one. `narrow_kv`
    is the cache format of about 8 bits that it has. `needs_by_context`: what it needs may differ between any
    two contexts, and not only grow with them. `pulled` is what each pipeline rank reads of a prompt
    from an instance that prefills, and `connector` names what does that; None where it is not known.
    """

    name: str
    arrange: Callable[[Sequence[Stage], EngineOptions], Arrangement]
    kv_dtype: Callable[[str | None, ToStore], str]
    share: Share
    needs: Callable[[ProfileRun], Estimate]
    declared_kv: Callable[[str, str | None, AbstractSet[Role]], str | None] = not_heeded
    takes: AbstractSet[str] = frozenset()
    settings: "tuple[Setting, ...]" = ()
    model_dtype: Callable[[str, str | None, Card | None], str] = as_released
    unsaid_dtype: str | None = None
    extra: Extra = "before last"
    proportions: Callable[[Mapping[str, str], Sequence[Card]], "Sequence[int | Fraction]"] = evenly
    shares: Callable[[EngineOptions], Shares] = over_tp
    added: Callable[[HeldLayer], int] = nothing_added
    ends_everywhere: AbstractSet[str] = frozenset()
    has_tower: Callable[[EngineOptions], bool] = keeps_tower
    adapters: "Callable[[AdaptedModel], tuple[int, ...]]" = no_adapters
    offloaded: Callable[[EngineOptions], int] = all_on_gpu
    once_on_host: Callable[[EngineOptions], bool] = never_once
    context_ranks: Callable[[SharedOptions], int] = one_rank
    even_weights: bool = False
    embedding_on_gpu: bool = True
    plain_ends: bool = False
    drafts: Literal["none", "last", "spread"] = "none"
    draft_projections: AbstractSet[str] = frozenset()
    draft_embeds: bool = False
    spread: Literal["tp", "pp"] = "tp"
    several_nodes: bool = True
    narrow_kv: str = "fp8"
    needs_by_context: bool = False
    pulled: Callable[[Any, Handover], tuple[Pulled, ...]] | None = None
    connector: str | None = None

    def require_taken(self, options: SharedOptions) -> None:
        """Raise OptionsError for an option or a setting that the engine does not have."""
        for name in options.given():
            if name not in self.takes and name != "settings":
                option = name.replace("_", "-")
                instead = (
                    "share tokens out with --dcp" if name == "cp" and "dcp" in self.takes else "leave it out"
                )
                raise OptionsError(f"the engine {self.name} has no --{option}: {instead}")
        if options.settings:
            from kvplan.engines.settings import require_declared  # noqa: PLC0415 - a cold command has none

            require_declared(self.name, self.settings, options.settings)


def always(utilization: str) -> Callable[[int, EngineOptions], str]:
    """Return a default utilization that neither card nor options change."""
    return partial(_fixed, utilization)


def _fixed(utilization: str, gpu_bytes: int, options: EngineOptions) -> str:  # noqa: ARG001 - that of Share.default
    return utilization
