"""The parts of a model's weights: their form, their totals, and what is refused."""

import pytest
from pydantic import ValidationError

from kvplan.specs import ModelSpec
from kvplan.specs.catalogue import spec_files
from kvplan.specs.load import load_file
from kvplan.specs.parts import LayerParts, Measure, ModelParts
from kvplan.specs.releases import as_quantized
from kvplan.specs.runs import LayerRun

DENSE = LayerParts(attention=40, whole=4, dense=(100, 110))
SPARSE = LayerParts(attention=40, whole=4, shared=10, router=(8, 20), expert=(50, 30), experts=4)


def parts(**changes: object) -> ModelParts:
    """One dense layer and two with four experts each."""
    values = {
        "embedding": 30,
        "head": 30,
        "beside": 1,
        "kinds": {"dense": DENSE, "sparse": SPARSE},
        "layers": (LayerRun(repeat=1, pattern=("dense",)), LayerRun(repeat=2, pattern=("sparse",))),
    }
    return ModelParts.model_validate({**values, **changes})


def test_parameters_and_bytes_are_totals_of_their_own() -> None:
    # 30 + 30 + 1, then 40 + 4 + 100, and twice 40 + 4 + 10 + 8 + 4 x 50.
    assert parts().parameters() == 61 + 144 + 2 * 262
    # In two bytes where only a number is given: 122, then 88 + 110, and twice 88 + 20 + 20 + 4 x 30.
    assert parts().total(Measure(element_bytes=2)) == 122 + 198 + 2 * 248


def test_without_bytes_all_is_in_one_dtype() -> None:
    plain = parts().without_bytes()
    assert plain.parameters() == parts().parameters()
    assert plain.total(Measure(element_bytes=2)) == 2 * parts().parameters()
    assert plain.of_layers[1].experts == 4


def test_layers_and_kinds_name_the_same() -> None:
    for layers in (("dense",), ("dense", "sparse", "other")):
        with pytest.raises(ValidationError, match="do not name the same"):
            parts(layers=(LayerRun(repeat=1, pattern=layers),))
    with pytest.raises(ValidationError, match="more than"):
        parts(layers=(LayerRun(repeat=10**6, pattern=("dense", "sparse")),))


def spec(**facts: object) -> ModelSpec:
    values = {
        "name": "model",
        "dtype": "bfloat16",
        "parameters": 729,
        "parts": parts(),
        "layers": 3,
        "attention": {"kind": "gqa", "heads": 2, "groups": 2, "head_dim": 2},
    }
    return ModelSpec.model_validate({**values, **facts})


def test_the_parts_of_a_spec_are_all_of_it() -> None:
    assert spec().parts == parts()
    with pytest.raises(ValidationError, match="the parts have 729 parameters, and parameters is 730"):
        spec(parameters=730)
    with pytest.raises(ValidationError, match="parts has 3 layers, and the model 4"):
        spec(layers=4)


def test_a_release_in_another_format_keeps_the_parameters_of_each_part() -> None:
    release = as_quantized(spec(quantized=("org/model-int4",)), "org/model-int4")
    assert release.parts == parts().without_bytes()


PUBLISHED = {
    # The total_size of the release's index, or of its files.
    "gpt-oss-120b": 65_248_815_744,
    "gpt-oss-20b": 13_761_264_768,
    "kimi-k2-thinking": 594_205_351_936,
    "kimi-k2.5": 595_147_639_776,
}


def test_where_parts_have_bytes_they_sum_to_the_weights() -> None:
    """Of one release the parts are counted in the model's dtype alone, and its published size is another."""
    unequal = set()
    found = {}
    for path in spec_files():
        model = load_file(path)
        if model.parts is None or model.weight_bytes is None:
            continue
        total = model.parts.total(Measure(element_bytes=2))
        found[model.name] = total
        if total != model.weight_bytes:
            unequal.add(model.name)
    assert unequal == {"mistral-small-4"}
    assert {name: found[name] for name in PUBLISHED} == PUBLISHED


def test_the_widest_mlp_that_every_token_meets_is_dense_or_beside_experts() -> None:
    """Three matrices of 2 x width are 100 and 10 parameters here: biases and more do not make them wider."""
    widths = {"intermediate": 16, "experts_per_token": 2, "expert_intermediate": 8}
    met = spec(hidden=2, mlp=widths).met_by_all
    assert met is not None
    assert met.intermediate == 16

    def alone(**sparse: int) -> int | None:
        kinds = {"sparse": LayerParts(**{**dict(SPARSE), **sparse})}
        layers = (LayerRun(repeat=3, pattern=("sparse",)),)
        held = parts(kinds=kinds, layers=layers)
        found = spec(hidden=2, mlp=widths, parts=held, parameters=held.parameters()).met_by_all
        return None if found is None else found.intermediate

    # A width that a config names and no layer has.
    assert alone(shared=0) is None
    assert alone(shared=3 * 2 * 32) == 32
    assert spec(hidden=2, mlp=widths, parts=None).met_by_all == spec(mlp=widths).mlp
