"""
L3: tensor parallelism for real, in processes that talk through torch.distributed.

Reference layers are sharded as serving engines shard them: each rank computes with its part, the sum
of their outputs equals the unsharded layer in float64, and what each rank keeps is what the terms say.
Then transformers' own sharding, where it works and where it refuses.
"""

from dataclasses import replace
from functools import partial
from typing import Any, get_args

from kvplan.attention import kind_class
from kvplan.dtypes import CacheFormat, Dtype, Role
from kvplan.errors import SplitError
from kvplan.records import record
from kvplan.specs.load import load
from kvplan.terms import Target
from kvplan.validate import sharded, sharded_states
from kvplan.validate.ranks import on_ranks
from kvplan.validate.results import Check, Measurement
from kvplan.validate.sharded import HIDDEN, TOKENS, Layer, Rank, Tensor, alone
from kvplan.validate.sharded_hf import CASES as HF_CASES
from kvplan.validate.sharded_hf import checks_of as hf_checks

TOLERANCE = 1e-9
"""The largest difference allowed in float64; a lost head or column is about 1e-2."""
# The reference layers compute in float64, so that a difference is a fault and no rounding.
_FP64 = Dtype(name="fp64", block_bytes=8)
_IN_FP64 = CacheFormat(name="fp64", roles=tuple((role, _FP64) for role in get_args(Role)))
_ROWS = {"conv_dtype": "fp32", "state_dtype": "fp32", "shift_dtype": "fp32"}


@record
class Case:
    """
    One kind with its facts, the layer that runs it, and the numbers of ranks that can share it.

    `facts` are kvplan's spec keys; `extra` are those that the reference layer alone needs.
    """

    kind: str
    layer: Layer
    facts: dict[str, Any]
    ranks: tuple[int, ...] = (2, 4, 8)
    extra: tuple[tuple[str, int], ...] = ()

    @property
    def name(self) -> str:
        """The kind with its heads and groups, as a reader knows it."""
        counts = ("groups", "heads", "qk_heads", "d_inner", "channels", "width")
        units = ", ".join(f"{self.facts[key]} {key}" for key in counts if key in self.facts)
        return f"{self.kind}, {units}{', with an indexer' if 'indexer' in self.facts else ''}"

    def bytes_on_rank(self, ranks: int) -> int:
        """Return what the terms of the kind say that one of *ranks* ranks keeps, in float64."""
        kind = kind_class(self.kind)
        dtypes = {key: value for key, value in _ROWS.items() if key in kind.model_fields}
        terms = kind.model_validate({"kind": self.kind, **self.facts, **dtypes}).lower(Target(kv=_IN_FP64))
        return sum(replace(term, dtype=_FP64).bytes_on_rank(TOKENS, ranks) for term in terms)

    def numbers(self) -> dict[str, int]:
        """Return the facts that the reference layer reads."""
        return {
            **{key: value for key, value in self.facts.items() if isinstance(value, int)},
            **dict(self.extra),
        }


_MLA = {"heads": 16, "d_c": 24, "d_rope": 8, "d_nope": 12, "v_head_dim": 10}
_DELTA = {"qk_heads": 8, "v_heads": 16, "qk_head_dim": 6, "v_head_dim": 4, "conv_kernel": 4}

CASES = (
    Case(kind="mha", layer=sharded.grouped, facts={"heads": 16, "head_dim": 6}),
    Case(kind="mqa", layer=sharded.grouped, facts={"heads": 16, "head_dim": 6}, extra=(("groups", 1),)),
    Case(kind="gqa", layer=sharded.grouped, facts={"heads": 16, "groups": 8, "head_dim": 6}),
    Case(kind="gqa", layer=sharded.grouped, facts={"heads": 16, "groups": 2, "head_dim": 6, "v_head_dim": 4}),
    Case(
        kind="sliding",
        layer=sharded.grouped,
        facts={"heads": 16, "groups": 4, "head_dim": 6, "window": 5},
    ),
    Case(
        kind="cross",
        layer=sharded.crossed,
        facts={"heads": 16, "groups": 4, "head_dim": 6, "encoder_tokens": 7},
    ),
    Case(kind="mla", layer=sharded.latent, facts=_MLA),
    Case(
        kind="mla",
        layer=sharded.latent,
        facts={**_MLA, "indexer": {"heads": 2, "head_dim": 5}},
        extra=(("index_dim", 5), ("top", 6)),
    ),
    Case(kind="lightning", layer=sharded_states.linear, facts={"heads": 16, "head_dim": 5}),
    Case(kind="retnet", layer=sharded_states.linear, facts={"heads": 8, "qk_head_dim": 4, "v_head_dim": 8}),
    Case(kind="gated_delta_net", layer=sharded_states.delta, facts=_DELTA),
    Case(kind="kda", layer=sharded_states.delta, facts={"heads": 16, "head_dim": 4, "conv_kernel": 4}),
    Case(
        kind="mamba",
        layer=sharded_states.mamba,
        facts={"d_inner": 48, "d_state": 4, "dt_rank": 3, "conv_kernel": 4},
    ),
    Case(
        kind="mamba2",
        layer=sharded_states.mamba2,
        facts={"heads": 16, "head_dim": 4, "groups": 2, "d_state": 5, "conv_kernel": 4},
    ),
    Case(
        kind="mamba2",
        layer=sharded_states.mamba2,
        facts={"heads": 16, "head_dim": 4, "groups": 8, "d_state": 5, "conv_kernel": 4},
    ),
    Case(kind="rg_lru", layer=sharded_states.rg_lru, facts={"heads": 8, "width": 48, "conv_kernel": 4}),
    Case(kind="short_conv", layer=sharded_states.short_conv, facts={"channels": 48, "conv_kernel": 3}),
    Case(kind="rwkv", layer=sharded_states.rwkv, facts={"version": 6, "heads": 8, "head_dim": 4}),
    # What no number of ranks here can share.
    Case(kind="gqa", layer=sharded.grouped, facts={"heads": 12, "groups": 6, "head_dim": 4}, ranks=(4, 8)),
    Case(kind="lightning", layer=sharded_states.linear, facts={"heads": 6, "head_dim": 4}, ranks=(4, 8)),
    Case(
        kind="mamba2",
        layer=sharded_states.mamba2,
        facts={"heads": 12, "head_dim": 4, "groups": 6, "d_state": 4, "conv_kernel": 4},
        ranks=(4, 8),
    ),
)


def checks(models: tuple[str, ...] = ()) -> list[Check]:
    """
    Return the checks of 2, 4 and 8 ranks, for the kinds of *models* only if there are any.

    Starting the processes is what takes time, so one check runs all layers that so many ranks share.
    """
    kinds = {kind.kind for model in models for kind in load(model).kinds()}
    found = []
    for ranks in (2, 4, 8):
        numbers = tuple(
            number
            for number, case in enumerate(CASES)
            if ranks in case.ranks and (not models or case.kind in kinds)
        )
        if numbers:
            name = f"{ranks} ranks, {len(numbers)} reference layers"
            found.append(Check(level="L3", name=name, run=partial(run_cases, numbers, ranks)))
    return found if models else found + hf_checks(HF_CASES)


def run_cases(numbers: tuple[int, ...], ranks: int, device: str) -> list[Measurement]:
    """Return how the sharded layers differ from the unsharded, and the bytes that each rank keeps."""
    found = on_ranks(_run_cases, ranks, device, numbers)
    measured: list[Measurement] = []
    for position, number in enumerate(numbers):
        measured += _measurements(CASES[number], ranks, [rank[position] for rank in found])
    return measured


def _measurements(case: Case, ranks: int, found: list[dict[str, Any]]) -> list[Measurement]:
    subject, detail = case.name, f"{TOKENS} tokens in float64, {found[0]['backend']}, {case.facts}"
    try:
        predicted = case.bytes_on_rank(ranks)
    except SplitError as refusal:
        return [
            Measurement(
                level="L3",
                subject=subject,
                claim=f"ranks of {ranks} that cannot share it",
                measured=sum(rank["refused"] for rank in found),
                predicted=ranks,
                unit="ranks",
                detail=f"kvplan: {refusal}",
            )
        ]
    error = Measurement(
        level="L3",
        subject=subject,
        claim=f"largest difference from the unsharded layer, {ranks} ranks",
        measured=max(rank["error"] for rank in found),
        predicted=TOLERANCE,
        unit="",
        rule="at most",
        detail=detail,
    )
    kept = [
        Measurement(
            level="L3",
            subject=subject,
            claim=f"cache on rank {index} of {ranks}",
            measured=rank["bytes"],
            predicted=predicted,
            unit="bytes",
            detail=f"{detail}, {rank['shapes']}",
        )
        for index, rank in enumerate(found)
    ]
    return [error, *kept]


def _run_cases(rank: Rank, numbers: tuple[int, ...]) -> list[dict[str, Any]]:
    """Run in each process: the layers one after another, all ranks in step."""
    return [_run_case(rank, CASES[number]) for number in numbers]


def _run_case(rank: Rank, case: Case) -> dict[str, Any]:
    import torch  # noqa: PLC0415 - only the checks need it

    from kvplan.validate.cachewalk import walk  # noqa: PLC0415 - as above

    source = torch.Generator().manual_seed(3)
    inputs = torch.randn((TOKENS, HIDDEN), generator=source, dtype=torch.float64).to(rank.device)
    backend = torch.distributed.get_backend()
    try:
        output, cache = case.layer(case.numbers(), inputs, rank)
    except ValueError:
        return {"refused": True, "error": float("nan"), "bytes": 0, "shapes": "", "backend": backend}
    whole, _ = case.layer(case.numbers(), inputs, alone(rank.device))
    walked = walk(cache)
    return {
        "refused": False,
        "error": _difference(output, whole),
        "bytes": walked.storage_bytes,
        "shapes": walked.shapes(),
        "backend": backend,
    }


def _difference(one: Tensor, other: Tensor) -> float:
    return float((one - other).abs().max())
