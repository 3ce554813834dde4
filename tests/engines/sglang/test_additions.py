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
