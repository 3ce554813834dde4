"""What `import --check` finds between a spec and its source."""

import pytest

from kvplan.importers.compare import LABELS, compare
from kvplan.importers.complete import with_weights
from kvplan.importers.config import import_values
from kvplan.specs import ModelSpec
from kvplan.specs.draft_module import DraftModule
from kvplan.specs.mlp import Mlp
from kvplan.specs.parts import LayerParts, ModelParts
from kvplan.specs.runs import LayerRun
from kvplan.specs.stored import StoredParts
from kvplan.specs.vision import Vision
from kvplan.specs.weight_blocks import WeightBlocks
from tests.importers import configs
from tests.importers.configs import Config


def _spec(config: Config, **changes: object) -> ModelSpec:
    return import_values({**config, **changes}, file="config.json", name="model").spec  # type: ignore[dict-item]


def test_equal_facts_under_other_names_do_not_differ() -> None:
    spec = _spec(configs.QWEN3_NEXT)
    renamed = ModelSpec.model_validate(
        {
            "name": "other",
            "source": "elsewhere",
            "dtype": spec.dtype,
            "max_context": spec.max_context,
            "architecture": spec.architecture,
            "hidden": spec.hidden,
            "states_fixed": spec.states_fixed,
            "layers": ({"repeat": 12, "pattern": ("a", "a", "a", "b")},),
            "attention": {"a": spec.attention["linear"][0], "b": spec.attention["full"][0]},
        }
    )
    assert list(compare(renamed, spec).differences) == []


def test_each_differing_fact_has_a_line() -> None:
    spec, source = (
        _spec(configs.LLAMA, max_position_embeddings=8192),
        _spec(configs.LLAMA, torch_dtype="float16"),
    )
    assert list(compare(spec, source).differences) == [
        "dtype: bfloat16 in the spec, float16 in the source",
        "max_context: 8192 in the spec, 131072 in the source",
    ]


def test_the_ends_and_the_replicated_parameters_are_compared() -> None:
    spec = _spec(configs.LLAMA).model_copy(update={"vocab": 128256, "tied": False, "replicated": 266240})
    other = spec.model_copy(update={"vocab": 128000, "tied": True, "replicated": 0})
    assert list(compare(spec, other).differences) == [
        "vocab: 128256 in the spec, 128000 in the source",
        "tied: false in the spec, true in the source",
        "replicated: 266240 in the spec, 0 in the source",
    ]


def test_layers_that_differ_alike_share_a_line() -> None:
    lines = list(compare(_spec(configs.LLAMA, num_key_value_heads=4), _spec(configs.LLAMA)).differences)
    start = "layer 0, 1, 2, 3 and 28 more"
    mine, theirs = (f"gqa (heads 32, groups {groups}, head_dim 128)" for groups in (4, 8))
    assert lines == [f"{start}: {mine} in the spec, {theirs} in the source"]


def test_another_number_of_layers_is_one_line() -> None:
    lines = list(compare(_spec(configs.LLAMA, num_hidden_layers=16), _spec(configs.LLAMA)).differences)
    assert lines == ["layers: 16 in the spec, 32 in the source"]


def test_an_estimate_of_the_source_is_no_difference() -> None:
    spec = _spec(configs.LLAMA)
    exact, open_ended = (spec.model_copy(update={"weight_bytes": size}) for size in (10, 20))
    assert list(compare(exact, open_ended).differences) == ["weight_bytes: 10 in the spec, 20 in the source"]
    assert list(compare(exact, open_ended, ("weight_bytes",)).differences) == []


CHANGED: dict[str, object] = {
    "architecture": "qwen2",
    "computed_as": "mistral",
    "dtype": "float16",
    "dtype_open": True,
    "max_context": 1,
    "longest_context": 1,
    "yarn_context": 1,
    "parameters": 8_030_261_249,
    "weight_dtype": "int4",
    "weight_bytes": 1,
    "weight_least_bytes": 1,
    "weight_blocks": WeightBlocks(rows=128, columns=128),
    "weights_open": True,
    "kv_cache_dtype": "fp8",
    "kv_cache_by": "modelopt",
    "weights_by": "fp8",
    "kv_cache_open": "not understood",
    "hidden": 1,
    "vocab": 1,
    "tied": True,
    "replicated": 1,
    "mlp": Mlp(intermediate=1),
    "rotations": 1,
    "draft_tokens": 8,
    "vision": Vision(
        design="siglip", layers=1, hidden=1, intermediate=1, heads=1, pixels=1, patches=1, tokens=1
    ),
    "draft": DraftModule(layers=1),
    "uncounted": ("tower",),
    "states_fixed": True,
    "tensors": StoredParts(embedding_bytes=1, layers_bytes=(1,) * 32, head_bytes=1),
    "parts": ModelParts(
        embedding=1,
        kinds={"dense": LayerParts(dense=1)},
        layers=(LayerRun(repeat=32, pattern=("dense",)),),
    ),
    "ignored": ("field",),
    "unread": ("field",),
}
"""Another value for each fact that is compared as it stands."""


def _complete() -> ModelSpec:
    imported = import_values(
        {**configs.LLAMA, "vocab_size": 128_256, "intermediate_size": 14_336, "tie_word_embeddings": False},
        file="config.json",
        name="model",
    )
    return with_weights(imported, None, None).spec


def test_every_field_of_a_spec_is_a_label_or_is_changed_here() -> None:
    assert set(ModelSpec.model_fields) == set(CHANGED) | LABELS | {
        "attention",
        "layers",
        "quantized_kv",
        "quantized_weights",
    }


@pytest.mark.parametrize("fact", CHANGED)
def test_a_changed_fact_is_noticed(fact: str) -> None:
    source = _complete()
    changed = compare(source.model_copy(update={fact: CHANGED[fact]}), source)
    (line,) = (*changed.differences, *changed.untold)
    assert line.startswith(f"{fact}: ")
    assert changed.labels == ()


@pytest.mark.parametrize(
    "fact", [fact for fact in CHANGED if fact not in ("dtype", "dtype_open", "weights_open", "states_fixed")]
)
def test_a_fact_that_a_spec_leaves_out_is_noticed(fact: str) -> None:
    source = _complete().model_copy(update={fact: CHANGED[fact]})
    default = ModelSpec.model_fields[fact].get_default()
    (line,) = list(compare(source.model_copy(update={fact: default}), source).differences)
    assert line.startswith(f"{fact}: nothing in the spec")


@pytest.mark.parametrize("label", sorted(LABELS))
def test_a_changed_label_is_named_and_is_no_difference(label: str) -> None:
    source = _complete()
    changed = ("other",) if label in ("aliases", "quantized") else "other"
    found = compare(source.model_copy(update={label: changed}), source)
    assert (found.differences, found.untold, found.labels) == ((), (), (label,))


@pytest.mark.parametrize("fact", ["heads", "groups", "head_dim"])
def test_a_changed_dimension_of_a_layer_is_noticed(fact: str) -> None:
    source = _complete()
    (kind,) = source.attention[""]
    other = kind.model_copy(update={fact: 16})
    assert compare(source.model_copy(update={"attention": {"": (other,)}}), source).differences


def test_a_fact_that_the_source_only_bounds_is_not_passed_over() -> None:
    spec = _spec(configs.LLAMA)
    exact, open_ended = (spec.model_copy(update={"weight_bytes": size}) for size in (10, 20))
    found = compare(exact, open_ended, ("weight_bytes",))
    assert found.differences == ()
    assert found.untold == ("weight_bytes: 10 in the spec, 20 in the source, which leaves it open",)
