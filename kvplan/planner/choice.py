"""What a user chooses of a deployment."""

from typing import Literal

from kvplan.dtypes import CacheFormat
from kvplan.engines import SharedOptions, find_engine
from kvplan.gpus import Card
from kvplan.planner.nodes import node_gpus
from kvplan.records import record
from kvplan.specs import ModelSpec


@record
class Choice(SharedOptions):
    """
    What a user chooses of a deployment: its spread, its dtypes, and options of its engine.

    The model runs in `dtype`, or as its engine chooses; the cache is stored in that dtype unless
    `kv_dtype` says otherwise; `pp_layers` are the layers of each stage where they are not split evenly;
    `encoder_tokens` replaces the spec's. `draft` drafts tokens: a model, or `mtp`, the module that the
    model's own checkpoint brings; an engine that stores its cache apart does so in `draft_kv_dtype`. Engines
    choose some defaults by the `card`, where it is known; `cards` are those of all ranks, stage by stage,
    where they are of several kinds. They are on so many `nodes`, None where that is not known.
    """

    engine: str = "exact"
    dtype: str | None = None
    kv_dtype: str | None = None
    tp: int = 1
    pp: int = 1
    dp: int = 1
    nodes: int | None = None
    pp_layers: tuple[int, ...] | None = None
    encoder_tokens: int | None = None
    draft: ModelSpec | Literal["mtp"] | None = None
    draft_kv_dtype: str | None = None
    card: Card | None = None
    cards: tuple[Card, ...] = ()

    @property
    def node_gpus(self) -> int | None:
        """The GPUs of each node; None where it is not known. Raises SplitError where they are not alike."""
        if self.nodes is None:
            return None
        ranks = self.tp * self.pp * self.dp * find_engine(self.engine).context_ranks(self)
        return node_gpus(ranks, self.nodes)

    def analytic(self, stage_sizes: tuple[int, ...], kv: CacheFormat) -> "Choice":
        """Return the same spread and cache format by the formula, without an engine's options."""
        return Choice(
            dtype=self.dtype,
            kv_dtype=kv.name,
            tp=self.tp,
            pp=self.pp,
            dp=self.dp,
            nodes=self.nodes,
            pp_layers=stage_sizes,
            encoder_tokens=self.encoder_tokens,
            draft=self.draft,
            max_num_seqs=self.max_num_seqs,
            cp=self.cp,
            card=self.card,
            cards=self.cards,
        )
