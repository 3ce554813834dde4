"""What a config says of a module for multi-token prediction."""

from typing import Any

import pytest

from kvplan.importers.drafts import draft_module
from kvplan.importers.fields import Fields
from kvplan.specs.draft_module import DraftModule

LAYERS = ("mamba", "moe", "attention", "moe")


@pytest.mark.parametrize(
    ("fields", "module"),
    [
        ({}, None),
        ({"num_nextn_predict_layers": 0}, None),
        ({"num_nextn_predict_layers": 1}, DraftModule(layers=1)),
        ({"mtp_num_hidden_layers": 2}, DraftModule(layers=2)),
        # MiniMax-M3's file has both: which of them is the module's is not known.
        ({"num_mtp_modules": 7, "num_nextn_predict_layers": 1}, None),
        # Nemotron 3 Super, and Ultra.
        (
            {
                "num_nextn_predict_layers": 1,
                "hybrid_override_pattern": "ME*E",
                "mtp_hybrid_override_pattern": "*E",
            },
            DraftModule(layers=1, pattern=("attention", "moe")),
        ),
        (
            {
                "num_nextn_predict_layers": 1,
                "layers_block_type": ["mamba", "moe", "full_attention", "moe"],
                "mtp_layers_block_type": ["full_attention", "moe"],
            },
            DraftModule(layers=1, pattern=("attention", "moe")),
        ),
        ({"num_nextn_predict_layers": 1, "mtp_layers_block_type": ["attention"]}, None),
        # Step 3.5 lists its modules' layers behind its own.
        (
            {"num_nextn_predict_layers": 2, "layer_types": ["m", "e", "a", "e", "a", "a"]},
            DraftModule(layers=2, pattern=("attention",)),
        ),
        (
            {"num_nextn_predict_layers": 1, "layer_types": ["m", "e", "a", "e", "s"]},
            None,
        ),
    ],
)
def test_the_module_is_read_in_the_models_own_words(
    fields: dict[str, Any], module: DraftModule | None
) -> None:
    assert draft_module(Fields(fields, file="config.json"), LAYERS) == module
