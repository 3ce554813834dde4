"""Windows of a config that llama.cpp's graphs do not read: such layers keep every token."""

import pytest

import kvplan
from kvplan.importers.config import import_values
from kvplan.importers.strict_json import Json


@pytest.mark.parametrize("model_type", ["qwen2", "qwen2_moe", "qwen3", "qwen3_moe", "mimo"])
def test_the_windows_of_qwen_are_kept_whole(model_type: str) -> None:
    """
    Keys and values of 8 heads of 128 in fp16, of 4 layers and 16,384 cells: 2 x 8 x 128 x 2 x 4 x 16384.

    Sources: src/models/qwen2.cpp, qwen2moe.cpp, qwen3.cpp and qwen3moe.cpp have build_attn_inp_kv alone.
    """
    values: dict[str, Json] = {
        "model_type": model_type,
        "hidden_size": 4096,
        "num_hidden_layers": 4,
        "num_attention_heads": 32,
        "num_key_value_heads": 8,
        "head_dim": 128,
        "max_position_embeddings": 40960,
        "torch_dtype": "bfloat16",
        "use_sliding_window": True,
        "sliding_window": 4096,
        "max_window_layers": 2,
    }
    spec = import_values(values, file="config.json", name="qwen").spec
    assert kvplan.size(spec, context=16_384, engine="llamacpp").total_bytes == 268_435_456
