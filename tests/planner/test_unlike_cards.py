"""GPUs of several kinds in one replica: `--gpu 2xrtx-4090+1xrtx-3090-ti`."""

import shlex
from itertools import accumulate
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import kvplan
from kvplan.errors import KvplanError, OptionsError, SplitError
from kvplan.gpus import find_card, machine
from kvplan.planner.facts import Assumed
from kvplan.planner.splits import with_head
from kvplan.serving import read_command
from kvplan.units import GIB

MIXED = "2xrtx-4090+1xrtx-a6000"


def in_floats(count: int, shares: list[int]) -> tuple[int, ...]:
    """Deal layers out as load_tensors in llama.cpp's src/llama-model.cpp does: sums and ratios of floats."""
    sums = np.cumsum(np.array(shares, dtype=np.float32), dtype=np.float32)
    ends = sums / sums[-1]
    places = np.arange(count, dtype=np.float32) / np.float32(count + 1)
    of = np.searchsorted(ends, places, side="right")
    return tuple(int(held) for held in np.bincount(of, minlength=len(shares)))


@given(st.integers(1, 130), st.lists(st.integers(1, 1000), min_size=1, max_size=16))
def test_layers_go_where_llama_cpps_floats_put_them(count: int, shares: list[int]) -> None:
    assert with_head(count, len(shares), shares) == in_floats(count, shares)


def test_a_split_of_fifteen_gpus_by_hand() -> None:
    """
    DeepSeek-R1's 61 layers by `-ts 38,26,24,...`: github.com/ikawrakow/ik_llama.cpp/pull/235.

    The first GPU's share ends at 62 x 38 / 386 = 6.1 layers, so that it has seven; the last begins at
    62 x 353 / 386 = 56.7, and has 57 to 60 and the head.
    """
    shares = [38, 26, 24, 24, 24, 24, 24, 24, 24, 25, 24, 24, 24, 24, 33]
    layers = with_head(61, 15, shares)
    assert (layers[0], layers[-1], sum(layers)) == (7, 4, 61)


def test_cards_decide_how_many_layers_each_has() -> None:
    """
    81 places of Llama 3.1 70B by memory: 24,041 + 24,041 + 48,669 MiB, or whatever the drivers report.

    The first two cards' shares end at 20.13 and 40.25 places.
    """
    totals = [find_card(name).total_bytes for name in ("rtx-4090", "rtx-4090", "rtx-a6000")]
    ends = [81 * end / sum(totals) for end in accumulate(totals)]
    first, second = (int(end) + 1 for end in ends[:2])
    answer = kvplan.fit("llama-3.1-70b", gpu=MIXED, engine="llamacpp", context="8k", weights="40GB")
    assert tuple(each.layers for each in answer.stages) == (first, second - first, 80 - second)
    assert (answer.pp, answer.gpu) == (3, "2xrtx-4090-24gb+1xrtx-a6000-48gb")
    told = f"{first}, {second - first}, {80 - second} where all of it is"
    assert any(isinstance(each, Assumed) and told in each.text for each in answer.warnings)


def test_a_cache_lies_where_its_layer_does() -> None:
    """8 KV heads x 128 x (K, V) x 2 bytes for each of 8,192 cells and each layer."""
    answer = kvplan.fit("llama-3.1-70b", gpu=MIXED, engine="llamacpp", context="8k", weights="40GB")
    assert [each.memory.kv_used_bytes for each in answer.stages] == [
        each.layers * 8192 * 4096 for each in answer.stages
    ]
    assert [each.memory.gpu_bytes for each in answer.stages] == [
        find_card(name).total_bytes for name in ("rtx-4090", "rtx-4090", "rtx-a6000")
    ]


def test_the_tightest_card_decides() -> None:
    """What is left on each divided by its layers' cells: the fewest sequences of all cards."""
    answer = kvplan.fit(
        "llama-3.1-70b",
        gpu=MIXED,
        engine="llamacpp",
        context="8k",
        weights="40GB",
        settings={"tensor_split": "1,1,1"},
    )
    held = [each.memory.kv_bytes // (each.layers * 8192 * 4096) for each in answer.stages]
    assert answer.max_batch == min(held) < max(held)
    assert answer.memory.free_bytes == min(each.memory.free_bytes for each in answer.stages)


def test_every_layers_weights_are_on_one_card() -> None:
    """A model in one dtype: the layers and the head, and the embedding in the host's memory."""
    answer = kvplan.fit("llama-3.1-70b", gpu=MIXED, engine="llamacpp", context="8k", weight_dtype="q8_0")
    alone = kvplan.fit("llama-3.1-70b", gpu="b300", engine="llamacpp", context="8k", weight_dtype="q8_0")
    each = [stage.memory.weights_bytes for stage in answer.stages]
    assert abs(sum(each) - alone.memory.weights_bytes) < len(each)  # each is rounded up to a byte


def test_an_asked_split_is_that_of_the_command() -> None:
    """-ts of a serving command, and what is written for the plan, which is read again."""
    command = "llama-server -m a.gguf -c 8192 -np 1 -ts 3,3,2"
    asked: Any = read_command(shlex.split(command)).asked
    assert (asked["pp"], asked["settings"]) == (3, {"tensor_split": "3,3,2"})
    answer = kvplan.fit(
        "llama-3.1-70b",
        gpu=MIXED,
        engine="llamacpp",
        context="8k",
        weights="40GB",
        settings=asked["settings"],
    )
    assert tuple(each.layers for each in answer.stages) == with_head(80, 3, [3, 3, 2]) == (31, 30, 19)
    assert answer.command is not None
    assert answer.command.endswith("-ts 3,3,2")
    planned = kvplan.fit("llama-3.1-70b", gpu=MIXED, engine="llamacpp", context="8k", weights="40GB")
    assert planned.command is not None
    written: Any = read_command(shlex.split(planned.command.partition(": ")[2] or planned.command)).asked
    again = kvplan.fit(
        "llama-3.1-70b",
        gpu=MIXED,
        engine="llamacpp",
        context="8k",
        weights="40GB",
        settings=written["settings"],
    )
    assert again.stages == planned.stages


def test_a_list_of_counted_cards_is_one_machine_where_it_can_be_nothing_else() -> None:
    """llama.cpp splits a model over all cards; elsewhere the degrees say that all are used."""
    listed, joined = "2xrtx-4090,1xrtx-a6000", MIXED
    each: tuple[dict[str, Any], ...] = ({"engine": "llamacpp"}, {"engine": "vllm", "pp": 3})
    for options in each:
        one, other = (
            kvplan.fit("llama-3.1-8b", gpu=gpu, context="8k", **options) for gpu in (listed, joined)
        )
        assert one.to_dict() == other.to_dict()
    for gpu, options in ((listed, {"engine": "vllm"}), ("rtx-4090,rtx-a6000", {"engine": "llamacpp"})):
        with pytest.raises(KvplanError):
            kvplan.fit("llama-3.1-8b", gpu=gpu, context="8k", **options)  # type: ignore[arg-type]


def test_cards_of_one_kind_are_one_kind_however_they_are_joined() -> None:
    assert machine("h100 + 2xH100-SXM") == ((3, "h100"),)
    one, other = (
        kvplan.plan("llama-3.1-8b", gpu=gpu, engine="vllm", tp=2) for gpu in ("h100+h100", "2xh100")
    )
    assert one.deployment.choice.cards == ()
    assert one.max_batch("8k") == other.max_batch("8k")


def test_vllm_has_the_blocks_of_its_tightest_stage() -> None:
    """num_blocks is the least of all workers: get_kv_cache_configs in v1/core/kv_cache_utils.py."""
    mixed = kvplan.fit("llama-3.1-8b", gpu="rtx-4090+rtx-3090", pp=2, engine="vllm", context="8k")
    alone = [
        kvplan.plan("llama-3.1-8b", gpu=gpu, pp=2, engine="vllm").left for gpu in ("rtx-4090", "rtx-3090")
    ]
    assert mixed.plan.left == (alone[0][0], alone[1][1])
    page = 16 * 4096 * 16  # tokens x bytes of a layer x layers
    assert mixed.num_blocks == min(mixed.plan.left) // page


def test_ranks_of_a_stage_have_the_smallest_ones_memory() -> None:
    plan = kvplan.plan("llama-3.1-8b", gpu="rtx-4090+rtx-a6000", tp=2, engine="vllm")
    assert [each.gpu for each in plan.budgets] == ["rtx-4090-24gb"]


@pytest.mark.parametrize(
    ("options", "error", "said"),
    [
        (
            {"engine": "vllm"},
            OptionsError,
            "h100+h200 are 2 GPUs of unlike kinds: say how they are used, as in --pp 2",
        ),
        ({"pp": 4}, OptionsError, "h100+h200 are 2 GPUs, and tp 1 x pp 4 x dp 1 use 4: make them agree"),
        (
            {"dp": 2},
            SplitError,
            "dp=2: replicas on GPUs of several kinds hold unlike caches: plan each replica alone",
        ),
    ],
)
def test_what_does_not_go_together_is_refused(
    options: dict[str, object], error: type[KvplanError], said: str
) -> None:
    with pytest.raises(error) as caught:
        kvplan.fit("llama-3.1-8b", gpu="h100+h200", context="8k", **options)  # type: ignore[arg-type]
    assert caught.value.line == said


def test_an_engine_that_chooses_by_the_card_is_refused_on_two_kinds_of_them() -> None:
    """On Hopper it takes FlashAttention 3, and batches other than on A100."""
    with pytest.raises(
        OptionsError, match=r"vllm@0.33 chooses otherwise on NVIDIA A100 .* than on NVIDIA H100"
    ):
        kvplan.fit("llama-3.1-8b", gpu="h100+a100-80gb", pp=2, engine="vllm", context="8k")


def test_shares_are_as_many_as_gpus() -> None:
    with pytest.raises(SplitError, match="2 shares of the layers are not those of pp=3 stages"):
        kvplan.fit(
            "llama-3.1-8b", gpu=MIXED, engine="llamacpp", context="8k", settings={"tensor_split": "3,1"}
        )
    with pytest.raises(OptionsError, match="tensor_split='0' is not a number above 0"):
        kvplan.fit(
            "llama-3.1-8b", gpu=MIXED, engine="llamacpp", context="8k", settings={"tensor_split": "3,0,1"}
        )


def test_no_other_number_of_cards_is_advised() -> None:
    answer = kvplan.fit("llama-3.1-8b", gpu=MIXED, engine="llamacpp", context="8k")
    assert (answer.smallest_tp, answer.smallest_gpus) == (None, None)
    assert {hint.option for hint in answer.hints} <= {"kv_dtype", "context"}


def test_a_known_memory_for_the_cache_is_that_of_each_card() -> None:
    answer = kvplan.fit(
        "llama-3.1-8b", gpu="rtx-4090+rtx-3090", kv_memory="1GiB", engine="llamacpp", context="8k"
    )
    assert [each.memory.gpu_bytes for each in answer.stages] == [GIB, GIB]
