"""
Start-ups of SGLang in rehearsals: what its own code decides and torch's allocator measures without a GPU.

`free_bytes` are there before the weights, of `total_bytes`, and `weights_bytes` gone after them, of which
`allocated_bytes` are tensors; `rest_bytes` is what SGLang then has for its pools. `fraction` is its
mem_fraction_static, chosen by what nvidia-smi prints of the card. `tokens`, `window_tokens`, `slots` and
`requests` are the pools, in pages of `page` tokens, with requests of `context` tokens at most. `asked` are
options in kvplan's words, and `share` is a mem_fraction_static that was given.

Where graphs were captured, `graphs_bytes` are what torch reserves for them and for attention, `chunk_bytes`
what the forward pass of a whole chunk of one request then takes besides, and `draws` by requests what one
takes whose tokens are spread over so many.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import kvplan
from kvplan import Fit
from kvplan.engines.profile_run import ProfileRun
from kvplan.engines.sglang.engine import TokenPools
from kvplan.engines.sglang.images import reserved_bytes
from kvplan.gpus import Card, find_card
from kvplan.planner.choice import Choice
from kvplan.planner.deployment import Deployment, deploy
from kvplan.specs import ModelSpec

FILE = Path(__file__).parent / "sglang.jsonl"


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One start-up of a `model` by its hub id."""

    model: str
    gpu: str
    tp: int
    context: int
    total_bytes: int
    free_bytes: int
    weights_bytes: int
    allocated_bytes: int
    fraction: float
    rest_bytes: int
    tokens: int
    requests: int
    page: int
    window_tokens: int | None = None
    slots: int | None = None
    graphs_bytes: int | None = None
    chunk_bytes: int = 0
    draws: Mapping[str, int] = field(default_factory=dict)
    asked: Mapping[str, Any] = field(default_factory=dict)
    share: str | None = None

    @property
    def name(self) -> str:
        """The row in words."""
        return "-".join((self.model, self.gpu, str(self.tp), *map(str, self.asked.values())))

    @property
    def ranks(self) -> int:
        """All ranks, those of attention data parallelism together."""
        return self.tp * int(self.asked.get("dp", 1))

    @property
    def spec(self) -> ModelSpec:
        """The catalogue's spec of the model."""
        return kvplan.load(self.model)

    @property
    def card(self) -> Card:
        """The card, as the catalogue has it."""
        return find_card(self.gpu)

    @property
    def has_weights(self) -> bool:
        """Whether kvplan knows what the weights of this release take."""
        return self.spec.weights(None) is not None

    def deployment(self) -> Deployment:
        """Return the model on the card, by SGLang's rules."""
        return deploy(self.spec, Choice(engine="sglang@0.5.23", tp=self.tp, card=self.card, **self.asked))

    def pools(self) -> TokenPools:
        """Return the cache in SGLang's pools."""
        arrangement = self.deployment().arrangement
        assert isinstance(arrangement, TokenPools)
        return arrangement

    def reserved_bytes(self) -> int:
        """Return what SGLang sets aside for images."""
        asked = ProfileRun(
            card=self.card,
            hidden=None,
            vocab=None,
            element_bytes=2,
            rotations=0,
            rotated=0,
            layers=1,
            tp=self.tp,
            pp=1,
            batched_tokens=None,
            sequences=None,
            architecture=self.spec.architecture,
            sees=self.deployment().options.sees,
        )
        return reserved_bytes(asked)

    def planned_weights(self) -> int:
        """Return what a plan has for weights and tables of rotations, and nothing for images."""
        plan = self.plan()
        return plan.memory.weights_bytes + plan.budget.needs.kept_bytes - self.reserved_bytes()

    def plan(self) -> Fit:
        """Return the whole plan, in which only weights that the config leaves open are as measured."""
        measured: dict[str, Any] = {} if self.has_weights else {"weights": self.weights_bytes * self.ranks}
        return kvplan.fit(
            self.spec,
            gpu=self.gpu,
            engine="sglang@0.5.23",
            tp=self.tp,
            context=self.context,
            advice=False,
            **measured,
            **self.asked,
        )


@cache
def read_rows() -> tuple[Row, ...]:
    """Return all rows in the order of their file."""
    lines = FILE.read_text(encoding="utf-8").splitlines()
    return tuple(Row(**json.loads(line)) for line in lines)
