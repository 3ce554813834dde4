"""
The defaults of transformers' config classes that name a published model import to its reviewed spec.

They are files as transformers writes them today, with other words for layers than published ones.
"""

import json
from typing import Any

import pytest

from kvplan.errors import KvplanError
from kvplan.importers.compare import layer_kinds
from kvplan.importers.config import import_values
from kvplan.importers.families import WRAPPERS, model_types
from kvplan.specs.load import load

transformers = pytest.importorskip("transformers", reason="needs transformers, as the extra validate has it")

PUBLISHED = {
    "bart": "bart-large",
    "bert": "bert-base-uncased",
    "deepseek_v3": "deepseek-v3",
    "deepseek_v32": "deepseek-v3.2",
    "ernie4_5": "ernie-4.5-0.3b",
    "falcon": "falcon-7b",
    "gemma": "gemma-7b",
    "gemma2": "gemma-2-2b",
    "gemma3n": "gemma-3n-e4b",
    "glm_moe_dsa": "glm-5",
    "gpt2": "gpt-2",
    "gpt_neox": "gpt-neox-20b",
    "gpt_oss": "gpt-oss-120b",
    "gptj": "gpt-j-6b",
    "jamba": "jamba-v0.1",
    "llama": "llama-7b",
    "llama4": "llama-4-scout-17b-16e",
    "longcat_flash": "longcat-flash",
    "mamba2": "mamba-codestral-7b",
    "minimax_m2": "minimax-m2",
    "mistral": "mistral-7b-v0.1",
    "mistral4": "mistral-small-4",
    "mixtral": "mixtral-8x7b",
    "mllama": "llama-3.2-11b-vision",
    "olmo_hybrid": "olmo-hybrid-7b",
    "qwen3_5_moe": "qwen3.5-35b-a3b",
    "qwen3_next": "qwen3-next-80b-a3b",
    "smollm3": "smollm3-3b",
}
"""Model types whose defaults are those of a published model, and its name in the catalogue."""


WITHOUT_DEFAULTS = {"gemma4_assistant"}
"""Types whose class refuses its own defaults."""


def _defaults(model_type: str) -> dict[str, Any]:
    written = json.loads(transformers.CONFIG_MAPPING[model_type]().to_json_string(use_diff=False))
    return {**written, "dtype": written.get("dtype") or "bfloat16"}


@pytest.mark.parametrize(("model_type", "name"), PUBLISHED.items())
def test_the_defaults_of_a_class_are_its_published_model(model_type: str, name: str) -> None:
    imported = import_values(_defaults(model_type), file="config.json", name="model").spec
    reviewed = load(name)
    assert layer_kinds(imported) == layer_kinds(reviewed)
    assert imported.hidden == reviewed.hidden


@pytest.mark.parametrize(
    "model_type",
    sorted({*model_types(), *WRAPPERS} & set(transformers.CONFIG_MAPPING.keys()) - WITHOUT_DEFAULTS),
)
def test_every_class_is_read_or_says_which_field_it_lacks(model_type: str) -> None:
    try:
        import_values(_defaults(model_type), file="config.json", name="model")
    except KvplanError as error:
        assert str(error).startswith("config.json: ")  # noqa: PT017 - not every class is refused
