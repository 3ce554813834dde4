"""What an engine needs on a card beside weights and cache: what decides it, and the estimate."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple

from kvplan.dtypes import CacheFormat
from kvplan.frozen import FrozenDict
from kvplan.gpus import Card

if TYPE_CHECKING:
    from kvplan.attention import Kind
    from kvplan.specs.mlp import Mlp
    from kvplan.specs.parts import ModelParts
    from kvplan.specs.vision import Vision


class Dealt(NamedTuple):
    """
    Whole experts, `experts` in a layer with copies, dealt out over `ranks` of `dp` replicas.

    `crosses` says that these ranks are on several nodes.
    """

    experts: int = 0
    ranks: int = 1
    dp: int = 1
    crosses: bool = False

    @property
    def over_replicas(self) -> bool:
        """Whether tokens go to experts of other replicas."""
        return self.ranks > 1 and self.dp > 1


class ProfileRun(NamedTuple):
    """
    What decides how much an engine needs beside weights and cache; None where it is not known.

    `hidden` is the width of the residual stream, `vocab` the rows of the embedding, `element_bytes` those of
    the model's dtype, `rotations` the rows of a table of rotary embeddings for the model's longest context,
    each `rotated` wide, `layers` those of the longest pipeline stage, `batched_tokens` and `sequences` what
    the engine was asked to run at once. `mlp` has the widths of the MLPs, `vision` those of a tower of
    images, `kinds` has the mixers, `architecture` and `computed_as` are the spec's, `has_experts` and
    `has_states` say whether layers are mixtures or keep recurrent states, `sees` whether a tower of images
    is known of, `plain_weights` whether all are in the model's dtype. `context` is the longest that is
    served, and `indexer` the width of sparse attention's keys and the tokens of one; `cache_dtypes` are
    those of the cache; something `drafts` for it, and it is `drafted` for by a model of its own. `settings`
    are the engine's own. `model_context` is the longest context that the model's config allows, and
    `weights_bytes` are those of all ranks of a replica together. So many `ranks` share layers or experts,
    those of pipeline stages and of attention's data parallelism with them. `mixers` has the kinds of each
    layer and `parts` its weights, from the first to the last, `stages` the layers of each pipeline stage,
    and `kv` the format of the cache. Whole experts are `dealt` out.
    """

    card: Card
    hidden: int | None
    vocab: int | None
    element_bytes: int
    rotations: int
    rotated: int
    layers: int
    tp: int
    pp: int
    batched_tokens: int | None
    sequences: int | None
    mlp: "Mlp | None" = None
    vision: "Vision | None" = None
    kinds: "tuple[Kind, ...]" = ()
    architecture: str | None = None
    computed_as: str | None = None
    has_experts: bool = False
    has_states: bool = False
    sees: bool = False
    plain_weights: bool = True
    context: int = 0
    indexer: tuple[int, int] | None = None
    cache_dtypes: frozenset[str] = frozenset()
    drafts: bool = False
    drafted: bool = False
    model_context: int | None = None
    weights_bytes: int = 0
    ranks: int = 1
    settings: Mapping[str, str] = FrozenDict()
    mixers: "tuple[tuple[Kind, ...], ...]" = ()
    parts: "ModelParts | None" = None
    stages: tuple[int, ...] = ()
    kv: CacheFormat | None = None
    dealt: Dealt = Dealt()

    @property
    def rotations_bytes(self) -> int:
        """The table of rotary embeddings in the model's dtype."""
        return self.rotations * self.rotated * self.element_bytes


class Aside(NamedTuple):
    """
    What has to fit in the part of a card that an engine keeps back beside its share.

    `graphs_bytes` are CUDA graphs with the memory that they run in, of which a driver holds `driver_bytes`,
    and `activation_bytes` are what a chunk of prefill takes beside them; both together lie between
    `low_bytes` and `high_bytes`. Drawing a next token takes `draw_bytes` for each sequence, and `few_bytes`
    where no more than `few` are drawn at once, whose logits have a place in the graphs.
    """

    graphs_bytes: int
    driver_bytes: int
    activation_bytes: int
    low_bytes: int
    high_bytes: int
    few: int
    few_bytes: int
    draw_bytes: int

    def draws_bytes(self, sequences: int) -> int:
        """Return what it takes to draw the next tokens of so many sequences at once."""
        return sequences * (self.few_bytes if sequences <= self.few else self.draw_bytes)


class Estimate(NamedTuple):
    """
    What an engine needs on a card beside weights and cache, where `evidence` says how that is known.

    `overhead_bytes` are the CUDA context, communication, CUDA graphs and the like; both together lie
    between `low_bytes` and `high_bytes`. Of the overhead `kept_bytes` come out of the engine's share, where
    that is one of the card after start; `aside` is then what lives in the rest, None where it is not known.
    """

    activation_bytes: int
    overhead_bytes: int
    low_bytes: int
    high_bytes: int
    evidence: str
    kept_bytes: int = 0
    aside: Aside | None = None
