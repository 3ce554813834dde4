"""What SGLang sets aside for images: arg_groups/memory_hook.py and kv_cache_configurator.py of 0.5.23."""

from dataclasses import replace
from fractions import Fraction
from typing import Any

import pytest

import kvplan
from kvplan.engines.base import EngineOptions
from kvplan.engines.sglang.engine import sglang
from kvplan.engines.sglang.images import factor, has_images, is_guessed, reserved_bytes
from kvplan.gpus import find_card
from kvplan.specs.vision import Vision
from kvplan.units import MIB
from tests.engines.sglang.test_needs import workload

QWEN = Vision(
    design="qwen3_vl",
    layers=27,
    hidden=1152,
    intermediate=4304,
    heads=16,
    pixels=1536,
    patches=65536,
    tokens=16384,
)


def test_a_tower_as_large_as_vit_l_takes_a_twentieth() -> None:
    assert factor(None) == 0.95
    assert factor(QWEN.model_copy(update={"hidden": 1024})) == 0.95


def test_a_larger_tower_takes_a_tenth_more_for_each_time() -> None:
    """1152^2 / 1024^2 = 1.265625 with 24 layers each: 0.95 x (1 - 0.0265625)."""
    assert factor(QWEN) == pytest.approx(0.95 * 0.9734375, rel=1e-12)
    assert factor(QWEN.model_copy(update={"hidden": 8192})) == pytest.approx(0.95 * 0.8)


@pytest.mark.parametrize(
    ("model", "found"),
    [
        ("qwen3-vl-8b", 0.9247656249999999),
        ("qwen2.5-vl-7b", 0.8965624999999999),
        ("qwen2-vl-2b", 0.8312499999999999),
        ("qwen2-vl-7b", 0.76),
        ("mistral-small-24b", 0.95),
        ("kimi-k2.5", 0.9097363281249999),
        ("gemma-4-26b-a4b", 0.9097363281249999),
    ],
)
def test_a_factor_is_that_of_its_own_function(model: str, found: float) -> None:
    """What adjust_mem_fraction_for_vlm of 0.5.23 makes of 1.0 and the vision_config of each model's file."""
    spec = kvplan.load(model)
    assert factor(spec.vision, spec.hidden) == found


def test_a_tower_that_is_not_known_is_guessed() -> None:
    unseen = EngineOptions(architecture="llama", sees=True)
    assert is_guessed(unseen)
    assert not is_guessed(replace(unseen, vision=QWEN))
    assert not is_guessed(replace(unseen, sees=False))


def test_the_share_is_that_of_a_model_without_images_times_that() -> None:
    """H100, one rank: (81559 - 13904 + 464) / 81559 = 0.835, as no prefill is captured for Qwen3-VL."""
    options = EngineOptions(architecture="qwen3_vl_text", sees=True, vision=QWEN, card=find_card("h100-80gb"))
    share = sglang(None).share.default(find_card("h100-80gb").total_bytes, options)
    assert Fraction(share) == Fraction(str(0.835 * factor(QWEN)))


def test_qwen35_is_captured_with_images() -> None:
    """0.830, as for a model without images."""
    options = EngineOptions(architecture="qwen3_5", sees=True, card=find_card("h100-80gb"))
    share = sglang(None).share.default(find_card("h100-80gb").total_bytes, options)
    assert share == str(0.83 * 0.95)


@pytest.mark.parametrize(("architecture", "sees"), [("gemma3_text", False), ("llama4_text", False)])
def test_some_classes_are_served_without_their_tower(architecture: str, *, sees: bool) -> None:
    assert has_images(architecture, sees=True) is sees
    assert not has_images("qwen3_5", sees=False)


@pytest.mark.parametrize(
    ("architecture", "gpu", "requests", "mebibytes"),
    [
        ("gemma4_text", "h100-80gb", None, 100),
        ("qwen3_vl_text", "l40s-48gb", None, 100),
        ("qwen3_vl_text", "h100-80gb", None, 1024),
        ("qwen3_vl_text", "h100-80gb", 400, 3072),
        ("llama", "h100-80gb", None, 100),
    ],
)
def test_room_for_images_comes_out_of_the_share(
    architecture: str, gpu: str, requests: int | None, mebibytes: int
) -> None:
    """Embeddings, or on a large Hopper card what Qwen3-VL's come in by CUDA IPC."""
    asked = workload(1, 1)._replace(
        architecture=architecture, sees=True, card=find_card(gpu), sequences=requests
    )
    assert reserved_bytes(asked) == mebibytes * MIB
    assert reserved_bytes(asked._replace(sees=False)) == 0


def test_what_comes_out_of_the_share_leaves_the_cache_that_much_less() -> None:
    """And not the share of it: two plans that differ by the tower's 1 GiB and its factor."""
    plan = kvplan.fit(
        "qwen3-vl-8b", gpu="h100-80gb", engine="sglang", context=4096, utilization="0.8", advice=False
    )
    memory = plan.memory
    lost = memory.overhead_bytes - 1024 * MIB - 262_144 * 128 * 4
    shared = -(-(memory.gpu_bytes - lost) * 8 // 10)
    assert memory.kv_bytes == shared - memory.weights_bytes - 1024 * MIB - 262_144 * 128 * 4


@pytest.mark.parametrize(
    ("requests", "asked", "share"),
    [
        (None, {}, "0.7721792968749999"),
        # Graphs of decoding for up to 512 requests, unless their size is asked for.
        (300, {}, "0.7712545312499999"),
        (512, {}, "0.7666307031249999"),
        (513, {}, "0.7721792968749999"),
        (400, {"tp": 4}, "0.7647811718749999"),
        (300, {"settings": {"cuda_graph_max_bs_decode": "128"}}, "0.77495359375"),
        (300, {"settings": {"disable_decode_cuda_graph": "true"}}, "0.7777278906249999"),
    ],
)
def test_qwen3_vls_graphs_are_for_all_requests_that_run(
    requests: int | None, asked: dict[str, Any], share: str
) -> None:
    """SGLang 0.5.23's own shares of an H100 for Qwen3-VL-8B-Instruct with --max-running-requests."""
    fit = kvplan.fit(
        "qwen3-vl-8b",
        gpu="h100-80gb",
        engine="sglang",
        context=4096,
        max_num_seqs=requests,
        advice=False,
        **asked,
    )
    assert Fraction(*fit.budget.utilization) == Fraction(share)
