"""The dtype in which families were published whose config files often name none."""

_HUB = "the dtype of the tensors that were published"

RELEASED_IN: dict[str, tuple[str, str]] = {
    "albert": ("float32", "transformers' default"),
    "bart": ("float32", "transformers' default"),
    "bert": ("float32", "transformers' default"),
    "bloom": ("bfloat16", _HUB),
    "dbrx": ("bfloat16", _HUB),
    "falcon_h1": ("bfloat16", _HUB),
    "gemma3_text": ("bfloat16", _HUB),
    "gla": ("bfloat16", "an assumption: training configs name none"),
    "gpt2": ("float32", _HUB),
    "gpt_bigcode": ("float32", "transformers' default"),
    "gpt_oss": ("bfloat16", _HUB + ", experts aside"),
    "granite": ("bfloat16", _HUB),
    "granitemoehybrid": ("bfloat16", _HUB),
    "hunyuan_v1_dense": ("bfloat16", _HUB),
    "minimax_m1": ("bfloat16", _HUB),
    "minimax_m2": ("bfloat16", _HUB + " outside the fp8 matrices"),
    "opt": ("float16", _HUB),
    "plamo2": ("bfloat16", _HUB),
    "qwen": ("bfloat16", _HUB),
    "qwen3_5": ("bfloat16", _HUB),
    "qwen3_5_moe": ("bfloat16", _HUB),
    "qwen3_5_moe_text": ("bfloat16", _HUB),
    "qwen3_5_text": ("bfloat16", _HUB),
    "recurrent_gemma": ("bfloat16", _HUB),
    "rwkv5": ("bfloat16", _HUB),
    "smollm3": ("bfloat16", _HUB),
    "t5": ("float32", "transformers' default"),
    "whisper": ("float16", _HUB),
}
"""For each model type, the dtype, and why. Types whose releases differ are not here: they must say."""
