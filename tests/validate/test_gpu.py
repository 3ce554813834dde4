"""L4: its CPU path runs whole here, and notices what it must; with a GPU, the level itself."""

import re
import weakref
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch", reason="torch is not installed")
pytest.importorskip("transformers", reason="transformers is not installed")

import torch
from transformers.cache_utils import DynamicLayer, DynamicSlidingWindowLayer

from kvplan.attention import Kind, kind_class
from kvplan.dtypes import kv_format
from kvplan.errors import KvplanError
from kvplan.planner.fit import Fit
from kvplan.terms import Target
from kvplan.validate.gpu import card, checks, edge, full_size, pool, real
from kvplan.validate.gpu.allocator import MIB, block_bytes, require_plain, segment_bytes
from kvplan.validate.gpu.edge import EDGES, run_edge
from kvplan.validate.gpu.findings import (
    AWAITED,
    run_call,
    run_context,
    run_rounding,
    run_workspace,
    workspace_bytes,
)
from kvplan.validate.gpu.grown import Sizes, claims, predictions
from kvplan.validate.gpu.layout import TensorShape, shapes
from kvplan.validate.gpu.meter import CpuMeter, CudaMeter, metered
from kvplan.validate.gpu.pool import POOLS, Pool, block_table, run_pool, slots
from kvplan.validate.gpu.real import NAMES, WORKING_ROOM, chosen, run_real
from kvplan.validate.hf_models import build, quiet
from kvplan.validate.machine import ALLOCATOR_SETTINGS
from kvplan.validate.results import Check, Measurement, SkippedError
from kvplan.validate.run import run_checks, validate
from kvplan.validate.toys import Toy, toys

STATES = {"conv_kernel": 4, "conv_dtype": "bf16", "state_dtype": "fp32"}
LAID_OUT: list[tuple[dict[str, Any], str, int]] = [
    # K and V of 2 heads for 40 tokens of 3 sequences, in 2 bytes.
    ({"kind": "gqa", "heads": 6, "groups": 2, "head_dim": 5, "v_head_dim": 7}, "bf16", 3 * 40 * 2 * 12 * 2),
    ({"kind": "gqa", "heads": 6, "groups": 2, "head_dim": 5}, "fp8", 3 * 40 * 2 * 10),
    ({"kind": "mha", "heads": 6, "head_dim": 5}, "bf16", 3 * 40 * 6 * 10 * 2),
    ({"kind": "mqa", "heads": 6, "head_dim": 5}, "fp32", 3 * 40 * 10 * 4),
    ({"kind": "sliding", "heads": 6, "groups": 2, "head_dim": 5, "window": 16}, "bf16", 3 * 16 * 2 * 10 * 2),
    (
        {"kind": "mla", "heads": 6, "d_c": 8, "d_rope": 3, "d_nope": 5, "v_head_dim": 7},
        "bf16",
        3 * 40 * 11 * 2,
    ),
    (
        {"kind": "mamba2", "heads": 6, "head_dim": 5, "groups": 2, "d_state": 7, **STATES},
        "bf16",
        3 * (3 * (30 + 28) * 2 + 6 * 5 * 7 * 4),
    ),
    (
        {"kind": "gated_delta_net", "qk_heads": 2, "v_heads": 6, "qk_head_dim": 5, "v_head_dim": 7, **STATES},
        "bf16",
        3 * (3 * (20 + 42) * 2 + 6 * 7 * 5 * 4),
    ),
    ({"kind": "none"}, "bf16", 0),
]


def failed(found: list[Measurement]) -> list[str]:
    return [f"{each.subject}: {each.claim}" for each in found if not each.passed]


def kind_of(facts: dict[str, Any]) -> Kind:
    return kind_class(facts["kind"]).model_validate(facts)


@pytest.mark.parametrize(("facts", "kv", "size"), LAID_OUT, ids=lambda each: str(each)[:30])
def test_a_layout_takes_the_bytes_of_its_equations_and_of_the_plan(
    facts: dict[str, Any], kv: str, size: int
) -> None:
    kind = kind_of(facts)
    assert sum(shape.data_bytes for shape in shapes(kind, sequences=3, tokens=40, kv=kv)) == size
    assert 3 * sum(term.bytes_on_rank(40, 1) for term in kind.lower(Target(kv=kv_format(kv)))) == size


def test_a_kind_without_a_layout_is_skipped_by_name() -> None:
    kind = kind_of({"kind": "retnet", "heads": 2, "qk_head_dim": 3, "v_head_dim": 4, "state_dtype": "fp32"})
    with pytest.raises(SkippedError, match="the kind retnet"):
        shapes(kind, sequences=1, tokens=1, kv="bf16")


def test_the_counting_meter_sees_each_storage_once_and_lets_it_go() -> None:
    with metered("cpu") as meter:
        base = torch.zeros(100, dtype=torch.float32)
        view = base[10:]
        assert meter.requested() == 400
        copied = view.clone()
        assert meter.requested() == 400 + 360
        del base, copied
        meter.clear()
        assert meter.requested() == 400
        del view
        assert meter.requested() == 0


def test_the_counting_meter_runs_out_of_memory_at_its_limit_and_not_before() -> None:
    with CpuMeter() as meter:
        with meter.limited(1000):
            first = torch.empty(1000, dtype=torch.uint8)
            with pytest.raises(torch.OutOfMemoryError, match="1001 bytes are more than 1000"):
                torch.empty(1, dtype=torch.uint8)
        del first
        assert torch.empty(2000, dtype=torch.uint8).numel() == 2000


def test_a_limit_is_lifted_after_an_interruption() -> None:
    with CpuMeter() as meter:
        with pytest.raises(KeyboardInterrupt), meter.limited(10):
            raise KeyboardInterrupt
        assert torch.empty(20, dtype=torch.uint8).numel() == 20


@pytest.mark.parametrize("each", POOLS, ids=lambda each: each.family)
def test_a_pool_takes_the_plan_and_serves_every_sequence(each: Pool) -> None:
    assert failed(run_pool(each, "cpu")) == []


def test_a_pool_read_at_the_wrong_slot_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two sequences that share a block overwrite each other, and their outputs tell."""
    monkeypatch.setattr(pool, "block_table", lambda counts: [list(range(count)) for count in counts])
    agree = run_pool(POOLS[0], "cpu")[1]
    assert agree.measured < agree.predicted  # type: ignore[operator]


def test_no_two_sequences_share_a_block_and_a_ring_reuses_its_own() -> None:
    table = block_table([2, 1, 3])
    assert sorted(block for owned in table for block in owned) == list(range(6))
    assert slots([4, 1], 18, None, "cpu").tolist() == [*range(64, 80), 16, 17]
    # 18 tokens in a ring of one block: tokens 2 to 15, and 16 and 17 in the places of 0 and 1.
    assert slots([4], 18, 16, "cpu").tolist() == [*range(66, 80), 64, 65]


@pytest.mark.parametrize("each", EDGES, ids=lambda each: each.family)
def test_at_the_edge_the_planned_sequences_fit_and_one_more_does_not(each: edge.Edge) -> None:
    found = run_edge(each, "cpu")
    assert failed(found) == []
    assert [each.measured for each in found[:2]] == [1, 0]
    assert found[2].measured > 0


@pytest.mark.parametrize(("promised", "wrong"), [(1, 0), (-1, 1)])
def test_a_plan_of_one_sequence_too_many_or_too_few_fails(
    monkeypatch: pytest.MonkeyPatch, promised: int, wrong: int
) -> None:
    real = edge._plan

    def off(*asked: Any) -> Fit:
        answer = real(*asked)
        vars(answer)["max_batch"] = (answer.max_batch or 0) + promised
        return answer

    monkeypatch.setattr(edge, "_plan", off)
    found = run_edge(EDGES[0], "cpu")
    assert not found[wrong].passed
    assert found[1 - wrong].passed


def test_a_layout_that_is_a_little_larger_than_planned_is_noticed_at_the_edge(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def padded(kind: Kind, **asked: Any) -> list[TensorShape]:
        rows = shapes(kind, **asked)
        return [
            TensorShape(sizes=(*shape.sizes[:-1], shape.sizes[-1] + 1), dtype=shape.dtype) for shape in rows
        ]

    monkeypatch.setattr(edge, "shapes", padded)
    assert len(failed(run_edge(EDGES[0], "cpu"))) == 2


def toy_named(name: str) -> Toy:
    return next(toy for toy in toys() if toy.name == name)


@pytest.mark.parametrize(("limit", "left"), [(32 * MIB, 0), (32 * MIB + 7, 7), (75 * MIB, 0)])
def test_what_a_device_refuses_is_counted_to_the_last_piece(limit: int, left: int) -> None:
    """Pieces of 64, 10 and 1 MiB here; on a GPU those of 1 MiB share segments of 2."""
    with CpuMeter() as meter, meter.limited(limit):
        assert card.left_over(meter) == left
        assert meter.free() == limit


@pytest.mark.parametrize("each", EDGES, ids=lambda each: each.family)
def test_at_the_edge_of_what_is_free_the_plan_fits_and_one_more_does_not(each: edge.Edge) -> None:
    with CpuMeter() as meter, meter.limited(32 * MIB):
        held = torch.empty(5 * MIB, dtype=torch.uint8)
        planned, fits = edge.at_the_card(each, meter)
        del held
    assert planned.answer.gpu == f"{27 * MIB}B"
    assert fits == [True, False]
    with pytest.raises(SkippedError, match="needs a GPU, whose driver refuses"):
        edge.run_card_edge(each, "cpu")


def test_torchs_choice_of_a_workspace_is_that_of_its_source(monkeypatch: pytest.MonkeyPatch) -> None:
    assert (workspace_bytes(9), workspace_bytes(8)) == (33_554_432, 8_519_680)
    assert workspace_bytes(10) is None
    monkeypatch.setenv("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    assert workspace_bytes(9) is None


def test_the_catalogues_figure_holds_to_its_last_digit() -> None:
    """143,156 MiB of an H200, and 79.18 GiB of an H100, of which a hundredth of a GiB is 10.24 MiB."""
    exact = card.catalogued("NVIDIA H200", 143_156 * MIB + MIB)
    assert (exact.subject, exact.predicted, exact.measured, exact.passed) == ("h200-141gb", MIB, MIB, True)
    assert not card.catalogued("NVIDIA H200", 143_156 * MIB + MIB + 1).passed
    assert card.catalogued("NVIDIA H100 80GB HBM3", 85_018_877_624).predicted == 10_737_419
    with pytest.raises(SkippedError, match="no card that a driver calls 'NVIDIA Nothing'"):
        card.catalogued("NVIDIA Nothing", 1)


# With a cache of K and V apart, one whose memory no formula predicts, a state without layers, an encoder.
@pytest.mark.parametrize("name", ["llama", "deepseek-v4", "rwkv-4", "bart"])
def test_a_real_model_class_takes_the_bytes_of_the_plan(name: str) -> None:
    found = run_real(toy_named(name), "cpu")
    assert failed(found) == []
    assert all(each.measured for each in found if each.unit == "bytes")


def test_memory_that_no_formula_predicts_is_recorded_and_its_data_is_a_claim() -> None:
    sizes = predictions(real.subject_of(toy_named("deepseek-v4"), "cpu"))[0]
    assert sizes.memory is None
    # 45 tokens of 512 channels in bf16: 31 of the window as K and as V in the layer without
    # compression, once in the others; 11 blocks of 4 with keys of 128 in two layers, 2 blocks of 16 in one.
    rows = 512 * 2
    assert sizes.data > real.BATCH * (5 * 31 * rows + 2 * 11 * (rows + 256) + 2 * rows)


def test_every_kind_that_a_class_caches_runs_at_this_level() -> None:
    """RecurrentGemma alone keeps its states in its modules, and returns no cache."""

    def kinds(names: set[str]) -> set[str]:
        chosen_toys = [toy for toy in toys() if toy.name in names]
        return {kind.kind for toy in chosen_toys for kinds in toy.spec.attention.values() for kind in kinds}

    assert kinds({toy.name for toy in toys()}) - kinds(set(NAMES)) == {"rg_lru", "none"}


def test_published_models_run_with_the_lengths_that_a_card_holds() -> None:
    """Mistral: 32 layers of K and V of 8 heads of 128 channels in bf16; 4 sequences; a window of 4,096."""
    subjects = {each.full.model: full_size.subject_of(each.full) for each in full_size.full_sizes()}
    assert len(subjects) == 6
    assert subjects["bamba-9b"].lengths == (300, 700)
    row = 4 * 32 * 2 * 8 * 128 * 2
    assert predictions(subjects["mistral-7b-v0.1"]) == [
        Sizes(memory=1001 * row, data=1001 * row),
        Sizes(memory=1002 * row, data=1002 * row),
        Sizes(memory=9002 * row, data=4095 * row),
        Sizes(memory=4096 * row, data=4095 * row),
    ]


def test_a_model_at_full_size_is_measured_as_a_small_one() -> None:
    toy = toy_named("llama")
    small = replace(real.subject_of(toy, "cpu"), batch=full_size.BATCH)
    with metered("cpu") as meter, quiet():
        model = build(toy.config_class, toy.model_class, toy.config, "cpu", experts=None)
        assert failed(claims(small, full_size._measured(meter, small, model))) == []
    with pytest.raises(SkippedError, match="needs a GPU with 29 GiB free"):
        full_size.run_full_size(full_size.full_sizes()[0], "cpu")


def test_a_window_that_a_decode_step_keeps_whole_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    toy = toy_named("mistral")
    assert failed(run_real(toy, "cpu")) == []
    monkeypatch.setattr(
        DynamicSlidingWindowLayer, "update", lambda self, *args, **_: DynamicLayer.update(self, *args)
    )
    assert any("decode step" in each for each in failed(run_real(toy, "cpu")))


def test_on_a_cpu_every_cuda_call_is_listed_with_the_check_that_awaits_it() -> None:
    listed = {check.name for check in checks(())}
    assert set(AWAITED) <= listed
    for call, awaiting in AWAITED.items():
        with pytest.raises(SkippedError, match="needs a GPU; awaited by") as skipped:
            run_call(call, "cpu")
        assert awaiting in str(skipped.value)
    for run in (partial(run_context, "at the start"), run_workspace, run_rounding):
        with pytest.raises(SkippedError, match="there is no GPU"):
            run("cpu")


def test_no_cuda_call_of_this_level_is_missing_from_the_list() -> None:
    sources = "".join(path.read_text(encoding="utf-8") for path in Path(edge.__file__).parent.glob("*.py"))
    called = set(re.findall(r"torch\.cuda\.\w+(?=\()", sources))
    assert called == {call.partition(",")[0] for call in AWAITED if call.startswith("torch.cuda")}


def test_models_select_their_own_edges_and_classes() -> None:
    names = [check.name for check in checks(("mistral-7b-v0.1",))]
    assert names == ["(a) mistral", "(e) mistral-7b-v0.1"]
    names = [check.name for check in checks(("llama-3.1-8b",)) if check.name.startswith("(c)")]
    assert names == ["(c) GQA: llama-3.1-8b", "(c) fp8 KV: llama-3.1-8b"]


ROUNDED = [
    # A tensor's bytes, the block that it is charged, the segment that it lies in.
    (1, 512, 2 * MIB),
    (513, 1024, 2 * MIB),
    (MIB, MIB, 2 * MIB),
    (MIB + 1, MIB + 512, 20 * MIB),
    (10 * MIB - 512, 10 * MIB - 512, 20 * MIB),
    (10 * MIB, 10 * MIB, 10 * MIB),
    # The rest of less than a MiB is not split off.
    (21 * MIB + 3, 22 * MIB, 22 * MIB),
]


@pytest.mark.parametrize(("size", "block", "segment"), ROUNDED)
def test_the_allocators_rounding_is_that_of_its_source(size: int, block: int, segment: int) -> None:
    assert (block_bytes(size), segment_bytes(size)) == (block, segment)


@pytest.mark.parametrize("name", ALLOCATOR_SETTINGS)
def test_an_allocator_with_settings_is_refused_by_name(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv(name, "expandable_segments:True")
    with pytest.raises(KvplanError, match=f"unset {name}$"):
        require_plain()


def test_another_allocator_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "get_allocator_backend", lambda: "cudaMallocAsync")
    with pytest.raises(KvplanError, match="not 'cudaMallocAsync'"):
        require_plain()


def test_a_card_with_too_little_free_memory_is_skipped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "synchronize", lambda: None)
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda: (9, 80))
    with pytest.raises(SkippedError, match="the budget takes 10 bytes, and the card has 9 free"):
        CudaMeter().require_free(10, "the budget")


def test_memory_that_runs_out_where_the_plan_fits_is_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    """A cache far larger than planned ends so, and must not hide among what was skipped."""
    monkeypatch.setattr(torch.cuda, "synchronize", lambda: None)

    def grows(_: str) -> list[Measurement]:
        with metered("cuda"):
            raise torch.OutOfMemoryError("out of it\nand how")

    machine: dict[str, str | None] = {
        "device": "a card",
        "driver": "580.95",
        "torch": "2.11.0",
        "transformers": "5.17.0",
    }
    run = run_checks([Check(level="L4", name="(a) toy", run=grows)], device="cuda", machine=machine)
    assert [(each.name, each.reason) for each in run.failed] == [("(a) toy", "OutOfMemoryError: out of it")]
    assert (run.skipped, run.passed) == ((), False)


def test_a_card_without_room_for_a_forward_pass_is_skipped_before_anything_is_built(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(torch.cuda, "synchronize", lambda: None)
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda: (WORKING_ROOM - 1, 2 * WORKING_ROOM))
    with pytest.raises(SkippedError, match="a forward pass of LlamaConfig takes"):
        run_real(chosen()[0], "cuda")


def test_the_weights_at_an_edge_are_let_go_when_a_check_breaks(monkeypatch: pytest.MonkeyPatch) -> None:
    held: list[Any] = []

    def breaks(*_: object) -> bool:
        raise RuntimeError("broken")

    real = edge._weights

    def noted(*asked: Any) -> Any:
        made = real(*asked)
        held.append(weakref.ref(made))
        return made

    monkeypatch.setattr(edge, "_weights", noted)
    monkeypatch.setattr(edge, "_allocates", breaks)
    with pytest.raises(RuntimeError, match="broken"):
        run_edge(EDGES[0], "cpu")
    assert [each() for each in held] == [None]


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU here")
def test_the_level_holds_on_a_gpu() -> None:
    run = validate(levels=("L4",), device="cuda")
    assert run.on_cuda
    assert (failed(list(run.measurements)), run.failed) == ([], ())
