"""
Start-ups of unmodified vLLM releases under a CUDA runtime without a GPU, whose kernels compute nothing.

Each row of vllm.jsonl is one: what torch's own allocator held, in bytes. `weights_bytes` are those of rank 0;
`run_bytes` the peak of the batch's forward pass, and `sampler_bytes` that of the draw, over what was there
before the profile run; `kept_bytes` is what was there beside the weights. `eager` says whether without
torch.compile (else cold), `runner` which model runner ran, `text` that no image may come.
"""

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import kvplan
from kvplan.engines.overheads import Sampler
from kvplan.engines.vllm.models import keeps_workspaces
from kvplan.engines.vllm.profiling import Batch, Widths
from kvplan.engines.vllm.versions import find_rules
from kvplan.specs import ModelSpec
from kvplan.units import ceil_div

FILE = Path(__file__).parent / "vllm.jsonl"


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One start-up of a `model` by its hub id."""

    model: str
    vllm: str
    context: int
    tokens: int
    sequences: int
    tp: int
    runner: int
    eager: bool
    text: bool
    weights_bytes: int
    run_bytes: int
    sampler_bytes: int
    kept_bytes: int
    graphs_bytes: int | None = None
    quant: str | None = None

    @property
    def spec(self) -> ModelSpec:
        """The catalogue's spec of the model."""
        return kvplan.load(self.model)

    @property
    def sampler(self) -> Sampler:
        """What the release draws tokens with."""
        return find_rules(self.vllm).sampler

    def batch(self) -> Batch:
        """Return the batch of the profile run."""
        spec = self.spec
        return Batch(
            tokens=self.tokens,
            sequences=self.sequences,
            hidden=spec.hidden or 0,
            vocab=spec.vocab or 0,
            element_bytes=2,
            tp=self.tp,
            v2=self.runner == 2,
            eager=self.eager,
            copies_logits=find_rules(self.vllm).v2_copies_logits,
        )

    def widths(self) -> Widths:
        """Return the widths of a rank's MLPs."""
        mlp = self.spec.mlp
        assert mlp is not None, self.model
        return Widths(
            dense=ceil_div(mlp.intermediate or 0, self.tp),
            expert=ceil_div(mlp.expert_intermediate or 0, self.tp),
            experts_per_token=mlp.experts_per_token or 0,
            matrices=3 if mlp.gated else 2,
            workspaces=keeps_workspaces(self.spec.architecture),
        )


@cache
def read_rows() -> tuple[Row, ...]:
    """Return all rows in the order of their file."""
    lines = FILE.read_text(encoding="utf-8").splitlines()
    values: list[dict[str, Any]] = [json.loads(line) for line in lines]
    return tuple(Row(**each) for each in values)
