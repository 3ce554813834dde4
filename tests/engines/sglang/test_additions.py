"""What SGLang's classes hold beside a release's weights."""

import pytest

import kvplan
from kvplan.engines import find_engine


@pytest.mark.parametrize(
    ("model", "tp", "layers"),
    [
        # kv_lora_rank 512, heads 16, qk_nope_head_dim and v_head_dim 128 each; 27 layers.
        ("deepseek-v2-lite", 1, 27),
        # 128 heads, 61 layers.
        ("deepseek-v3", 8, 61),
    ],
)
def test_mla_has_its_up_projection_twice(model: str, tp: int, layers: int) -> None:
    """As vLLM has none of it in bfloat16, and both of a quantised one: the same of DeepSeek-V3."""
    heads = 16
    by_engine = {
        engine: kvplan.fit(
            model, gpu="b200-180gb", engine=engine, context=4096, tp=tp, advice=False
        ).memory.weights_bytes
        for engine in ("sglang", "vllm")
    }
    copies = layers * heads * (128 + 128) * 512 * 2
    held = by_engine["sglang"] - by_engine["vllm"]
    assert held == (copies if model == "deepseek-v2-lite" else 0)
    assert find_engine("sglang").added is not find_engine("exact").added


def test_gemma_has_its_embedding_whole_on_every_rank() -> None:
    """262,144 rows of 2,816 in bfloat16, of which two ranks had half each; the tower is cut as before."""
    held = {
        tp: kvplan.fit(
            "gemma-4-26b-a4b", gpu="h100-80gb", engine="sglang", context=4096, tp=tp, advice=False
        ).memory.weights_bytes
        for tp in (1, 2)
    }
    embedding, tower = 262_144 * 2816 * 2, 572_792_112 * 2
    assert held[2] > held[1] / 2 + embedding / 2
    assert held[2] < held[1] / 2 + embedding / 2 + tower / 2


def test_tables_of_rotations_are_those_of_the_class() -> None:
    """Gemma 4 has one of 512 and one of 256, Kimi Linear none, and Qwen3.5 turns a quarter of 256."""
    kept = {
        model: kvplan.fit(
            model, gpu="b200-180gb", engine="sglang", context=4096, advice=False
        ).budget.needs.kept_bytes
        for model in ("gemma-4-26b-a4b", "kimi-linear-48b-a3b", "qwen3.5-4b")
    }
    images = 100 * 2**20
    assert kept == {
        "gemma-4-26b-a4b": 262_144 * (512 + 256) * 4 + images,
        "kimi-linear-48b-a3b": 0,
        "qwen3.5-4b": 262_144 * 64 * 4 + images,
    }
