"""
Start-ups of unmodified vLLM releases under a CUDA runtime without a GPU, whose kernels compute nothing.

Each row of vllm.jsonl is one: what torch's own allocator held, in bytes. `weights_bytes` are those of rank 0;
`run_bytes` the peak of the batch's forward pass, and `sampler_bytes` that of the draw, over what was there
before the profile run; `kept_bytes` is what was there beside the weights. Where these were not told apart,
`peak_bytes` is the release's own figure of both, without graphs: from 0.27 over what stays, before that over
what was there; and `consumed_bytes` all that the device lost beside weights. `eager` says whether without
torch.compile (else cold), `runner` which model runner ran, `text` that no image may come. Where one may,
`encoder_bytes` is the peak of the tower before the batch, and `encoded_bytes` what was there when the batch
began, both over what was there before the profile run; the latter is left out where a collective of the
rehearsal kept what the tower had. `graphs_bytes` is the release's estimate of graphs, in which each captured
kernel took `node_bytes` of the driver's memory (0 where that was not recorded). A text model that is `cut` to
a few layers was there for its tower alone. Images were `shared_out` with mm_encoder_tp_mode=data, and had so
many `pixels` where mm_processor_kwargs said so.
"""

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import kvplan
from kvplan.dtypes import RECURRENT_ROLES, kv_format
from kvplan.engines.overheads import Sampler
from kvplan.engines.profile_run import ProfileRun
from kvplan.engines.settings import read_settings
from kvplan.engines.vllm.capturing import estimated_bytes
from kvplan.engines.vllm.encoding import Prompts, encoding
from kvplan.engines.vllm.frames import Room
from kvplan.engines.vllm.graphs import Driver
from kvplan.engines.vllm.mixing import mixed, tried
from kvplan.engines.vllm.models import eager_states, keeps_workspaces
from kvplan.engines.vllm.profiling import CUBLAS_BYTES, NO_IMAGES, Batch, Encoding, Widths
from kvplan.engines.vllm.runners import takes_v2
from kvplan.engines.vllm.settings import SETTINGS
from kvplan.engines.vllm.versions import find_rules
from kvplan.gpus import find_card
from kvplan.specs import ModelSpec
from kvplan.terms import Target
from kvplan.units import ceil_div

TARGET = Target(kv=kv_format("bfloat16"))

CARD_BYTES = find_card("h100-80gb").total_bytes

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
    eager: bool
    text: bool
    weights_bytes: int
    pp: int = 1
    runner: int | None = None
    run_bytes: int | None = None
    sampler_bytes: int | None = None
    peak_bytes: int | None = None
    kept_bytes: int | None = None
    consumed_bytes: int | None = None
    graphs_bytes: int | None = None
    node_bytes: int = 0
    quant: str | None = None
    encoder_bytes: int | None = None
    encoded_bytes: int | None = None
    cut: bool = False
    shared_out: bool = False
    pixels: int | None = None

    @property
    def spec(self) -> ModelSpec:
        """The catalogue's spec of the model."""
        return kvplan.load(self.model)

    @property
    def sampler(self) -> Sampler:
        """What the release draws tokens with."""
        return find_rules(self.vllm).sampler

    def planned_weights(self) -> int:
        """Return what a plan has for the weights of the fullest rank, on an H100 with memory enough."""
        settings = {"language_model_only": "true"} if self.text else {}
        settings |= {"mm_encoder_tp_mode": "data"} if self.shared_out else {}
        answer = kvplan.fit(
            self.spec,
            gpu="h100-80gb",
            engine=f"vllm@{self.vllm}",
            context=self.context,
            tp=self.tp,
            pp=self.pp,
            settings=settings,
            advice=False,
        )
        return answer.memory.weights_bytes

    @property
    def has_states(self) -> bool:
        """Whether layers keep recurrent states."""
        return any(term.role in RECURRENT_ROLES for kind in self.spec.kinds() for term in kind.lower(TARGET))

    @property
    def has_three_axes(self) -> bool:
        """Whether a token's place is one of an image or a film (mrope_section in the config that was run)."""
        return (self.spec.architecture or "").startswith("qwen3_5")

    @property
    def takes_v2(self) -> bool:
        """Whether the release's own rule takes Model Runner V2."""
        return takes_v2(
            find_rules(self.vllm).v2_runner,
            self.spec.architecture,
            has_experts=self.spec.has_experts,
            has_states=self.has_states,
            asked=None,
        )

    @property
    def cublas_bytes(self) -> int:
        """The workspace of cuBLAS as a part of the profile run; 0.33 has it before."""
        return 0 if find_rules(self.vllm).version >= (0, 33) else CUBLAS_BYTES

    def measured(self, size_bytes: int | None) -> int:
        """Return one of the sizes, which this row has."""
        assert size_bytes is not None, self.model
        return size_bytes

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
            v2=self.takes_v2,
            eager=self.eager,
            logit_bytes=find_rules(self.vllm).v2_logit_bytes,
            copies=3 if self.pp > 1 else 1,
        )

    def planned_graphs(self, driver: Driver) -> int:
        """Return the estimate of graphs on an H100 where a driver takes so much."""
        spec, rules = self.spec, find_rules(self.vllm)
        batch, widths = self.batch(), self.widths()
        workload = ProfileRun(
            card=find_card("h100-80gb"),
            hidden=spec.hidden,
            vocab=spec.vocab,
            element_bytes=2,
            rotations=0,
            rotated=0,
            layers=ceil_div(spec.layer_count, self.pp),
            tp=self.tp,
            pp=self.pp,
            batched_tokens=self.tokens,
            sequences=self.sequences,
            kinds=spec.kinds(),
            architecture=spec.architecture,
            has_experts=spec.has_experts,
            has_states=self.has_states,
            sees=not self.text and bool(spec.uncounted or (spec.parts and spec.parts.tower)),
            plain_weights=self.quant is None,
        )
        return estimated_bytes(workload, rules, read_settings(SETTINGS, {}), batch, widths, driver=driver)

    @property
    def images(self) -> Encoding:
        """What the tower of images takes, if one was profiled."""
        if self.encoder_bytes is None:
            return NO_IMAGES
        vision = self.spec.vision
        assert vision is not None, self.model
        raw = vision.design in find_rules(self.vllm).raw_pixels
        room = Room(CARD_BYTES, CARD_BYTES - self.weights_bytes)
        prompts = Prompts(self.context, self.pixels, shared_out=self.shared_out)
        return encoding(self.batch(), vision, prompts, room, pixel_bytes=1 if raw else 2)

    def widths(self) -> Widths:
        """Return the widths of a rank's MLPs."""
        mlp = self.spec.met_by_all
        assert mlp is not None, self.model
        return Widths(
            dense=ceil_div(mlp.intermediate or 0, self.tp),
            expert=ceil_div(mlp.expert_intermediate or 0, self.tp),
            experts_per_token=mlp.experts_per_token or 0,
            matrices=3 if mlp.gated else 2,
            mixed=max(mixed(kind, self.tp) for kind in self.spec.kinds()),
            tried_bytes=2
            * max(
                tried(kind, self.tp, context=self.context, sequences=self.sequences)
                for kind in self.spec.kinds()
            ),
            states=eager_states(self.spec.architecture),
            workspaces=keeps_workspaces(self.spec.architecture),
        )


@cache
def read_rows() -> tuple[Row, ...]:
    """Return all rows in the order of their file."""
    lines = FILE.read_text(encoding="utf-8").splitlines()
    values: list[dict[str, Any]] = [json.loads(line) for line in lines]
    return tuple(Row(**each) for each in values)
