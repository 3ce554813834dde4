"""
What real engines printed when they started, and how much of it kvplan reproduces.

`start_ups.yaml` holds the records. The tests walk them, and docs/engines.md prints `shares()`,
`exceptions()` and `memory_splits()`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any, Literal

import yaml

FILE = Path(__file__).parent / "start_ups.yaml"

Kind = Literal["differs", "unscorable"]

_ADDS_UP_AT = {"split-gpt-oss-120b-vllm-h100": "0.95"}
"""
The share of the card with which a record's parts add up, where they do not with the one that it states.

0.95 x 79.18 - 64.38 - 7.38 - 0.13 are the 3.33 GiB of cache that it printed; with 0.9 they are below 0.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """
    One start-up: `facts` as its source states them, `printed` as its log prints them.

    `plan` is what kvplan is asked, where it can be. `known` says how an option of the plan is known
    that the source does not state; `reason` why the record is not reproduced.
    """

    id: str
    engine: str
    version: str | None
    model: str
    facts: Mapping[str, Any]
    printed: Mapping[str, Any]
    plan: Mapping[str, Any] = field(default_factory=dict)
    known: str | None = None
    kind: Kind | None = None
    reason: str | None = None

    @property
    def expected(self) -> bool:
        """Whether kvplan is held to reproduce it."""
        return self.kind is None

    @property
    def smaller_rank(self) -> bool:
        """Whether it differs because another rank, whose memory is not printed, had less."""
        return self.kind == "differs" and "another has less" in (self.reason or "")


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """How many of an engine's records can be scored, and of those are reproduced."""

    engine: str
    records: int
    scorable: int
    reproduced: int
    by_known: int
    """Those of the reproduced for which an option was not stated but follows from something else."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Exempt:
    """A record that is not reproduced, and why."""

    id: str
    engine: str
    source: str
    kind: Kind
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MemorySplit:
    """How a GPU's memory was divided at start-up, in GiB as printed; None where it was not printed."""

    id: str
    engine: str
    version: str | None
    asked_engine: str
    asked_weight_dtype: str | None
    model: str | None
    gpu: str | None
    tp: int
    pp: int
    context: int | None
    weight_dtype: str | None
    quantization: str | None
    total_gib: Decimal | None
    utilization: Decimal | None
    weights_gib: Decimal
    activation_gib: Decimal
    non_torch_gib: Decimal | None
    cuda_graph_gib: Decimal | None
    available_kv_gib: Decimal
    kv_tokens: int | None


@cache
def read_records(file: Path = FILE) -> tuple[Record, ...]:
    """Return all records of *file* in their order."""
    return tuple(_record(row) for row in yaml.safe_load(file.read_text(encoding="utf-8")))


def _record(row: dict[str, Any]) -> Record:
    own = ("printed", "plan", "known", "differs", "unscorable")
    kind: Kind | None = "differs" if "differs" in row else "unscorable" if "unscorable" in row else None
    return Record(
        id=row["id"],
        engine=row["engine"],
        version=row.get("engine_version"),
        model=row["model"],
        facts={name: value for name, value in row.items() if name not in own},
        printed=row["printed"],
        plan=row.get("plan", {}),
        known=row.get("known"),
        kind=kind,
        reason=row.get("differs") or row.get("unscorable"),
    )


def shares() -> tuple[Share, ...]:
    """Return the share of each engine, that with most records first; the tests prove each record."""
    engines = sorted({each.engine for each in read_records()}, key=lambda name: (-len(_of(name)), name))
    return tuple(_share(engine) for engine in engines)


def _of(engine: str) -> list[Record]:
    return [each for each in read_records() if each.engine == engine]


def _share(engine: str) -> Share:
    records = _of(engine)
    reproduced = [each for each in records if each.expected]
    return Share(
        engine=engine,
        records=len(records),
        scorable=sum(each.kind != "unscorable" for each in records),
        reproduced=len(reproduced),
        by_known=sum(each.known is not None for each in reproduced),
    )


def exceptions() -> tuple[Exempt, ...]:
    """Return every record that is not reproduced, first those that differ."""
    exempt = [
        Exempt(
            id=each.id, engine=each.engine, source=each.facts["source"], kind=each.kind, reason=each.reason
        )
        for each in read_records()
        if each.kind is not None and each.reason is not None
    ]
    return tuple(sorted(exempt, key=lambda each: each.kind))


def memory_splits() -> tuple[MemorySplit, ...]:
    """Return the records whose log divides the memory into weights, activations and cache."""
    needed = {"weights_gib", "activation_peak_gib", "available_kv_gib"}
    return tuple(_split(each) for each in read_records() if needed <= each.printed.keys())


def _split(record: Record) -> MemorySplit:
    facts, printed = record.facts, record.printed
    utilization = _ADDS_UP_AT.get(record.id, facts.get("gpu_memory_utilization"))
    return MemorySplit(
        id=record.id,
        engine=record.engine,
        version=record.version,
        asked_engine=record.plan.get("engine", record.engine),
        asked_weight_dtype=record.plan.get("weight_dtype"),
        model=record.plan.get("model"),
        gpu=facts.get("gpu"),
        tp=facts.get("tp", 1),
        pp=facts.get("pp", 1),
        context=facts.get("max_model_len"),
        weight_dtype=facts.get("weight_dtype"),
        quantization=facts.get("quantization"),
        total_gib=_gib(printed, "total_gpu_gib"),
        utilization=None if utilization is None else Decimal(str(utilization)),
        weights_gib=Decimal(printed["weights_gib"]),
        activation_gib=Decimal(printed["activation_peak_gib"]),
        non_torch_gib=_gib(printed, "non_torch_gib"),
        cuda_graph_gib=_gib(printed, "cuda_graph_gib"),
        available_kv_gib=Decimal(printed["available_kv_gib"]),
        kv_tokens=printed.get("kv_tokens"),
    )


def _gib(printed: Mapping[str, Any], name: str) -> Decimal | None:
    return Decimal(printed[name]) if name in printed else None
