"""What a file leaves out is what transformers' own class takes for it."""

from typing import Any

import pytest

from kvplan.importers.class_defaults import _FIELDS, defaults_of
from kvplan.importers.class_layers import _CYCLES
from kvplan.importers.class_widths import WIDTHS

transformers = pytest.importorskip("transformers", reason="needs transformers, as the extra validate has it")

WITHIN = {"num_key_value_heads": "num_attention_heads", "head_dim": "hidden_size"}
"""What a field that is null follows."""

DERIVED = ("sliding_window_pattern", "mamba_dt_rank")
"""Fields that the class turns into others, or into numbers."""


def _class(model_type: str, **changed: Any) -> dict[str, Any]:
    return dict(transformers.CONFIG_MAPPING[model_type](**changed).to_dict())


def _types() -> list[str]:
    listed = {each for values in _FIELDS.values() for types in values.values() for each in types.split()}
    return sorted((listed | set(WIDTHS)) & set(transformers.CONFIG_MAPPING.keys()))


@pytest.mark.parametrize("model_type", _types())
def test_the_values_are_those_of_the_class(model_type: str) -> None:
    own = _class(model_type)
    for name, value in defaults_of(model_type, {}, nested=False).values.items():
        if name in DERIVED or name == "layer_types" or name not in own:
            continue
        if value is not None:
            # Qwen's classes drop the window that their switch turns off.
            switched = _class(model_type, use_sliding_window=True) if "use_sliding_window" in own else own
            assert value in (own[name], switched[name]), name
        elif own[name] is not None and name in WITHIN:
            twice = _class(model_type, **{WITHIN[name]: 2 * own[WITHIN[name]]})
            assert twice[name] == 2 * own[name], name


@pytest.mark.parametrize("model_type", sorted(set(_CYCLES) & set(transformers.CONFIG_MAPPING.keys())))
@pytest.mark.parametrize("count", [7, 12])
def test_the_layers_are_those_of_the_class(model_type: str, count: int) -> None:
    values = defaults_of(model_type, {"num_hidden_layers": count}, nested=False).values
    assert (
        values["layer_types"] == transformers.CONFIG_MAPPING[model_type](num_hidden_layers=count).layer_types
    )


def test_a_text_model_inside_another_has_the_sizes_of_its_class() -> None:
    own = _class("mistral")
    nested = defaults_of("mistral", {}, nested=True).values
    for name in (
        "hidden_size",
        "num_hidden_layers",
        "num_attention_heads",
        "vocab_size",
        "intermediate_size",
    ):
        assert nested[name] == own[name]
        assert name not in defaults_of("mistral", {}, nested=False).values
