"""
Windows that vLLM's classes keep otherwise than a config says, from the config to blocks.

What vLLM 0.33.0 made of 60,000,012,345 bytes on an H100, its own classes and planner without a GPU: blocks,
and tokens of its "GPU KV cache size".
"""

from typing import Any

import pytest

import kvplan
from kvplan.engines.vllm import find_rules
from kvplan.engines.vllm.windows import windows_of
from kvplan.importers.config import import_values

_QWEN3_MOE: dict[str, Any] = {
    "model_type": "qwen3_moe", "hidden_size": 2048, "num_hidden_layers": 48, "num_attention_heads": 32,
    "num_key_value_heads": 4, "head_dim": 128, "max_position_embeddings": 40960, "torch_dtype": "bfloat16",
    "use_sliding_window": True, "sliding_window": 4096, "max_window_layers": 20,
}  # fmt: skip
_QWEN2_MOE: dict[str, Any] = {
    "model_type": "qwen2_moe", "hidden_size": 2048, "num_hidden_layers": 24, "num_attention_heads": 16,
    "num_key_value_heads": 16, "max_position_embeddings": 32768, "torch_dtype": "bfloat16",
    "use_sliding_window": True, "sliding_window": 4096, "max_window_layers": 12,
}  # fmt: skip
_COHERE2: dict[str, Any] = {
    "model_type": "cohere2", "hidden_size": 4096, "num_hidden_layers": 32, "num_attention_heads": 32,
    "num_key_value_heads": 8, "head_dim": 128, "max_position_embeddings": 131072, "torch_dtype": "bfloat16",
    "sliding_window": 4096, "sliding_window_pattern": 4, "layer_switch": 4,
    "order_of_interleaved_layers": "local_attn_first", "use_embedding_sharing": True,
    "use_gated_activation": True, "use_parallel_block": True, "use_parallel_embedding": True,
}  # fmt: skip
_QWEN3: dict[str, Any] = {
    "model_type": "qwen3", "hidden_size": 4096, "num_hidden_layers": 36, "num_attention_heads": 32,
    "num_key_value_heads": 8, "head_dim": 128, "max_position_embeddings": 40960, "torch_dtype": "bfloat16",
    "use_sliding_window": True, "sliding_window": 4096, "max_window_layers": 20,
}  # fmt: skip
_MISTRAL: dict[str, Any] = {
    "model_type": "mistral", "hidden_size": 4096, "num_hidden_layers": 32, "num_attention_heads": 32,
    "num_key_value_heads": 8, "max_position_embeddings": 32768, "torch_dtype": "bfloat16",
    "transformers_version": "4.34.0.dev0", "sliding_window": 0,
}  # fmt: skip


def _fit(values: dict[str, Any], engine: str = "vllm@0.33", **options: Any) -> kvplan.Fit:
    spec = import_values(values, file="config.json", name="changed").spec
    return kvplan.fit(
        spec, engine=engine, gpu="h100-80gb", kv_memory=60_000_012_345, context=20_000, **options
    )


@pytest.mark.parametrize(
    ("values", "options", "said"),
    [
        # The window is that of all 48 layers, as Qwen3MoeConfig has no layer_types.
        (_QWEN3_MOE, {}, (38_146, 609_848)),
        # Some layers slide by the config, and none in vLLM's class.
        (_QWEN2_MOE, {}, (19_073, 305_168)),
        # A window holds sliding_window + 1 tokens.
        (_COHERE2, {"max_num_batched_tokens": 2048}, (114_440, 820_652)),
        (
            {**_COHERE2, "sliding_window": 4080},
            {"max_num_batched_tokens": 2049, "settings": {"async_scheduling": "off"}},
            (114_440, 951_683),
        ),
        # A window of 0 is none.
        (_MISTRAL, {}, (28_610, 457_760)),
    ],
)
def test_blocks_are_those_of_vllms_class(
    values: dict[str, Any], options: dict[str, Any], said: tuple[int, int]
) -> None:
    answer = _fit(values, **options)
    assert (answer.num_blocks, answer.kv_tokens) == said


@pytest.mark.parametrize(("release", "tokens"), [("0.28", 4096), ("0.30", 4097), ("0.33", 4097)])
def test_a_window_of_cohere_has_a_token_more_since_0_30(release: str, tokens: int) -> None:
    assert windows_of((), "cohere2", find_rules(release)).of(4096) == tokens


@pytest.mark.parametrize("model_type", ["qwen2", "qwen3"])
def test_windows_in_some_layers_of_qwen_are_refused(model_type: str) -> None:
    # Qwen2Model: "Sliding window for some but all layers is not supported".
    values = {**_QWEN3, "model_type": model_type}
    with pytest.raises(kvplan.KvplanError, match=f"windows in all layers of {model_type} or in none"):
        _fit(values)
    # Served are windows in all layers, or in none: 147,456 B for each token, of 16 in a block.
    for first in (0, 36):
        assert _fit({**values, "max_window_layers": first}).num_blocks == 60_000_012_345 // (147_456 * 16)
