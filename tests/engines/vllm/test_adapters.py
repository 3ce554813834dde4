"""
Buffers of LoRA adapters against vLLM 0.33's own classes, and weights in the host's memory by hand.

Recorded of a faked H100: the elements of lora_a_stacked and lora_b_stacked that LoRAModelManager makes on the
meta device beside the model's own class, for groups of these sizes, of rank 0 of each pipeline stage. Of
mixtures the check of their kernel was left out, and create_lora_weights was vLLM's.
"""

from typing import Any

import pytest

import kvplan
from kvplan.engines.vllm.errors import RefusedError
from kvplan.errors import KvplanError
from kvplan.planner.choice import Choice
from kvplan.planner.deployment import Deployment, deploy
from kvplan.planner.loaded import adapter_bytes, loaded

RANK_16: list[tuple[str, list[int]]] = [
    ("aya-23-8b", [92_209_152]),
    ("deepseek-moe-16b", [603_668_480]),
    ("deepseek-v2-lite", [581_431_296]),
    ("deepseek-v3", [13_403_039_744]),
    ("exaone-4.0-32b", [273_743_872]),
    ("gemma-2-9b", [108_036_096]),
    ("gemma-3-1b", [26_091_520]),
    ("gemma-7b", [100_007_936]),
    ("glm-4-9b", [84_705_280]),
    ("granite-3.3-8b", [102_367_680]),
    ("hunyuan-7b", [88_118_496]),
    ("internlm2-7b", [75_497_472]),
    ("kimi-k2", [20_576_413_696]),
    ("llama-3.1-8b", [92_356_608]),
    ("llama-3.2-1b", [30_883_840]),
    ("mimo-7b", [82_870_272]),
    ("minimax-m2.5", [7_080_689_664]),
    ("mistral-7b-v0.3", [83_886_080]),
    ("mixtral-8x7b", [486_760_448]),
    ("olmo-2-7b", [83_296_256]),
    ("opt-6.7b", [75_497_472]),
    ("phi-3.5-mini", [52_580_352]),
    ("phi-3.5-moe", [549_687_296]),
    ("phi-4", [118_161_408]),
    ("qwen2-7b", [80_740_352]),
    ("qwen2.5-0.5b", [17_596_416]),
    ("qwen3-0.6b", [29_974_528]),
    ("qwen3-30b-a3b", [1_700_880_384]),
    ("smollm3-3b", [64_626_688]),
]
SPREAD: list[tuple[str, dict[str, Any], list[int]]] = [
    ("llama-3.1-8b", {"tp": 16, "max_loras": 2}, [82_739_200]),
    ("llama-3.2-1b", {"tp": 2, "pp": 2, "max_lora_rank": 8}, [5_820_416, 7_905_280]),
    ("qwen2.5-0.5b", {"pp": 2}, [8_798_208, 8_798_208]),
    ("qwen3-32b", {"tp": 2, "max_loras": 4, "max_lora_rank": 64, "sharded": True}, [2_308_308_992]),
    ("llama-3.1-8b", {"tp": 2, "max_loras": 3, "max_lora_rank": 32, "sharded": True}, [302_481_408]),
    ("qwen3-30b-a3b", {"tp": 4}, [1_350_524_928]),
    ("qwen3-30b-a3b", {"tp": 2, "enable_expert_parallel": "true"}, [863_330_304]),
    ("deepseek-v3", {"tp": 8}, [10_708_158_464]),
    (
        "deepseek-v2-lite",
        {"tp": 2, "max_loras": 3, "max_lora_rank": 32, "sharded": True},
        [1_756_366_848],
    ),
    ("mixtral-8x7b", {"tp": 2, "max_loras": 3, "max_lora_rank": 32, "sharded": True}, [1_479_819_264]),
    ("gemma-2-9b", {"tp": 2, "max_loras": 3, "max_lora_rank": 32, "sharded": True}, [324_108_288]),
]


def deployed(model: str, engine: str = "vllm", **asked: Any) -> Deployment:
    degrees = {name: asked.pop(name) for name in ("tp", "pp") if name in asked}
    settings = {"fully_sharded_loras": "true"} if asked.pop("sharded", False) else {}
    settings |= {name: str(value) for name, value in asked.items()}
    return deploy(kvplan.load(model), Choice(engine=engine, settings=settings, **degrees))


@pytest.mark.parametrize(("model", "said"), RANK_16)
def test_slots_are_those_of_vllms_classes(model: str, said: list[int]) -> None:
    assert list(adapter_bytes(deployed(model, enable_lora="true"))) == said


@pytest.mark.parametrize(("model", "asked", "said"), SPREAD)
def test_ranks_cut_what_vllm_cuts(model: str, asked: dict[str, Any], said: list[int]) -> None:
    assert list(adapter_bytes(deployed(model, enable_lora="true", **asked))) == said


def test_a_toy_by_hand() -> None:
    """
    One layer of width 8, two heads of 4, one KV head and an MLP of 16, rank 1, two slots in two bytes.

    A of queries, keys and values 3 x 8, B 8 + 4 + 4; output 8 + 8; MLP in 2 x 8 and 2 x 16, out 16 + 8.
    """
    spec = kvplan.load("mistral-7b-v0.3").changed(
        hidden=8,
        vocab=2,
        parameters=10**6,
        replicated=0,
        mlp={"intermediate": 16},
        layers=({"repeat": 1, "pattern": ("all",)},),
        attention={"all": {"kind": "gqa", "heads": 2, "groups": 1, "head_dim": 4}},
    )
    settings = {"enable_lora": "true", "max_loras": "2", "max_lora_rank": "1"}
    elements = 3 * 8 + 16 + 8 + 8 + 2 * 8 + 2 * 16 + 16 + 8
    assert adapter_bytes(deploy(spec, Choice(engine="vllm", settings=settings))) == (2 * 2 * elements,)


def test_adapters_are_a_part_of_the_weights_of_a_plan() -> None:
    without = kvplan.fit("llama-3.1-8b", gpu="h100-80gb", engine="vllm", context="8k").memory
    settings = {"enable_lora": "true", "max_loras": "4"}
    found = kvplan.fit("llama-3.1-8b", gpu="h100-80gb", engine="vllm", context="8k", settings=settings).memory
    assert found.adapters_bytes == 4 * 92_356_608
    assert found.weights_bytes == without.weights_bytes + found.adapters_bytes
    assert found.kv_bytes == without.kv_bytes - found.adapters_bytes
    assert found.offloaded_bytes == 0


def test_of_a_known_memory_for_the_cache_adapters_take_nothing() -> None:
    asked: dict[str, Any] = {"kv_memory": "20GiB", "engine": "vllm", "context": "8k"}
    with_adapters = kvplan.fit("llama-3.1-8b", **asked, settings={"enable_lora": "true"})
    assert with_adapters.memory == kvplan.fit("llama-3.1-8b", **asked).memory


@pytest.mark.parametrize("engine", ["vllm", "sglang"])
def test_layers_are_offloaded_up_to_their_weights(engine: str) -> None:
    """llama-3.1-8b: 8,030,261,248 parameters of two bytes, of which embedding and head are 128256 x 4096."""
    total, ends = 2 * 8_030_261_248, 2 * 2 * 128_256 * 4096
    some = loaded(deployed("llama-3.1-8b", engine, cpu_offload_gb="5"), total)
    assert (some.weights, some.offloaded) == ((total - 5 * 2**30,), (5 * 2**30,))
    every = loaded(deployed("llama-3.1-8b", engine, cpu_offload_gb="100"), total)
    assert (every.weights, every.offloaded) == ((ends,), (total - ends,))


def test_each_gpu_offloads_as_much() -> None:
    asked: dict[str, Any] = {"gpu": "h100-80gb", "engine": "vllm", "context": "8k", "tp": 2}
    whole = kvplan.fit("llama-3.1-8b", **asked)
    fewer = kvplan.fit("llama-3.1-8b", **asked, settings={"cpu_offload_gb": "1.5"})
    assert whole.memory.weights_bytes - fewer.memory.weights_bytes == 3 * 2**29
    assert whole.weights_bytes_all_gpus - fewer.weights_bytes_all_gpus == 3 * 2**30


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"max_loras": "4"}, "enable_lora=true"),
        ({"fully_sharded_loras": "true"}, "enable_lora=true"),
        ({"enable_lora": "true", "max_lora_rank": "24"}, "max_lora_rank=24 is none of vLLM's"),
        ({"enable_lora": "true", "max_loras": "4", "max_cpu_loras": "2"}, "max_cpu_loras=2"),
    ],
)
def test_what_vllm_refuses_is_refused(settings: dict[str, str], said: str) -> None:
    with pytest.raises(RefusedError, match=said):
        deployed("llama-3.1-8b", **settings)


def test_what_is_not_known_is_named() -> None:
    with pytest.raises(RefusedError, match="which layers of qwen3-next-80b-a3b have adapters"):
        adapter_bytes(deployed("qwen3-next-80b-a3b", enable_lora="true"))
    spec = kvplan.load("llama-3.1-8b").changed(mlp=None)
    with pytest.raises(KvplanError, match="no mlp"):
        adapter_bytes(deploy(spec, Choice(engine="vllm", settings={"enable_lora": "true"})))


def test_another_release_is_counted_as_the_newest_and_said_to_be() -> None:
    notes = deployed("llama-3.1-8b", "vllm@0.24", enable_lora="true").notes
    assert any("adapters' buffers are counted as" in str(note) for note in notes)
