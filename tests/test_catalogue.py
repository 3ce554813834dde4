"""The shipped specs: each is held against its dimensions worked out by hand, and is found by name."""

import ast
import json
import operator
from fractions import Fraction
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

import kvplan
from kvplan.attention import kind_names
from kvplan.specs import ModelSpec
from kvplan.specs.catalogue import INDEX_NAME, catalogue_folder, read_index, spec_files
from kvplan.specs.index import build_index
from kvplan.specs.load import load_file
from kvplan.specs.schema import json_schema

EXPECTED = Path(__file__).parent / "expected"
FACTS = Path(__file__).parents[2] / "shared" / "reference" / "model_facts.yaml"
_OPERATORS: dict[type[ast.operator], Any] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.FloorDiv: operator.floordiv,
    ast.Div: operator.truediv,
}


def work_out(expression: str | int) -> Fraction:
    """The value of an arithmetic expression over whole numbers."""

    def value(node: ast.expr) -> Fraction:
        match node:
            case ast.Constant(value=int(number)):
                return Fraction(number)
            case ast.BinOp(left=left, op=op, right=right) if type(op) in _OPERATORS:
                return Fraction(_OPERATORS[type(op)](value(left), value(right)))
        raise ValueError(f"{expression!r} is not plain arithmetic")

    return value(ast.parse(str(expression), mode="eval").body)


def rows() -> list[dict[str, Any]]:
    files = sorted(EXPECTED.glob("*.yaml"))
    return [row for file in files for row in yaml.safe_load(file.read_text(encoding="utf-8"))]


@pytest.mark.parametrize("row", rows(), ids=lambda row: row["model"])
def test_a_spec_gives_what_its_dimensions_give(row: dict[str, Any]) -> None:
    answer = kvplan.size(row["model"], context=row["tokens"])
    assert answer.bytes_per_token == work_out(row["bytes_per_token"])
    assert answer.fixed_bytes == work_out(row["fixed_bytes"])
    assert answer.bytes_per_sequence == work_out(row["bytes_per_sequence"])


def test_every_spec_has_an_expectation() -> None:
    assert sorted(row["model"] for row in rows()) == sorted(path.stem for path in spec_files())


def test_the_catalogue_covers_every_kind() -> None:
    kinds = {kind.kind for path in spec_files() for kind in load_file(path).kinds()}
    assert kinds == set(kind_names())


def test_the_index_is_current() -> None:
    """`python -m kvplan.specs` writes it again."""
    folder = catalogue_folder()
    assert json.loads((folder / INDEX_NAME).read_text(encoding="utf-8")) == build_index(folder)


def test_every_spec_meets_the_json_schema() -> None:
    validator = jsonschema.Draft202012Validator(json_schema())
    for path in spec_files():
        errors = list(validator.iter_errors(yaml.safe_load(path.read_text(encoding="utf-8"))))
        assert not errors, (path.name, errors[0].message)


@pytest.mark.parametrize(
    "name",
    [
        "llama-3.1-8b",
        "LLAMA-3.1-8B",
        "meta-llama/Llama-3.1-8B",
        "meta-llama/Meta-Llama-3.1-8B",
        " llama-3.1-8b ",
    ],
)
def test_a_model_is_found_by_name_alias_and_hub_id(name: str) -> None:
    assert kvplan.load(name).name == "llama-3.1-8b"


def test_a_quantised_release_has_the_cache_of_its_model_and_weights_of_its_own() -> None:
    quantized = kvplan.load("nvidia/DeepSeek-V3.1-NVFP4")
    assert kvplan.size(quantized).bytes_per_token == kvplan.size("deepseek-v3.1").bytes_per_token
    with pytest.raises(kvplan.KvplanError, match="give the weights' size"):
        kvplan.fit(quantized, gpu="h200", tp=8)


@pytest.mark.parametrize(
    "name",
    [
        "llama-3.1-8b",
        "llama-65b",
        "llama-3.1-405b",
        "deepseek-v2",
        "deepseek-v3",
        "gpt-oss-120b",
        "qwen3-next-80b-a3b",
    ],
)
def test_common_names_are_catalogue_names(name: str) -> None:
    assert kvplan.load(name).name == name


def test_sources_are_public() -> None:
    for path in spec_files():
        spec = load_file(path)
        assert not spec.source.startswith(("/", ".")), path.name
        assert any(mark in spec.source for mark in ("http", "arXiv", "github.com", "transformers")), path.name


def facts() -> list[dict[str, Any]]:
    """The facts that others collected of models whose original file they did not find."""
    return yaml.safe_load(FACTS.read_text(encoding="utf-8"))["models"] if FACTS.is_file() else []


def catalogue_name(model: str) -> str:
    """The name in the index of a model that the facts call by its hub id, or in words."""
    return model.lower().replace(" ", "-")


@pytest.mark.skipif(not FACTS.is_file(), reason="the collected facts lie beside some checkouts only")
def test_every_model_of_which_facts_are_known_has_a_spec() -> None:
    known = read_index()
    assert [each["model"] for each in facts() if catalogue_name(each["model"]) not in known] == []


@pytest.mark.parametrize("each", facts(), ids=lambda each: each["model"])
def test_a_spec_agrees_with_the_facts_that_others_collected(each: dict[str, Any]) -> None:
    spec = kvplan.load(catalogue_name(each["model"]))
    has = {"layers": spec.layer_count, "hidden": spec.hidden, "vocab": spec.vocab}
    given = {name: each["facts"][name] for name in has if name in each["facts"] and has[name] is not None}
    assert given == {name: has[name] for name in given}


def test_the_parts_of_a_spec_are_within_its_parameters() -> None:
    """Embedding, head and what is replicated leave some parameters to the layers."""
    for path in spec_files():
        spec = load_file(path)
        if spec.parameters is not None:
            ends = (spec.vocab or 0) * (spec.hidden or 0) * (2 if spec.tied is False else 1)
            assert ends + (spec.replicated or 0) < spec.parameters, spec.name


def test_every_spec_names_its_architecture() -> None:
    assert [
        path.name for path in spec_files(catalogue_folder()) if load_file(path).architecture is None
    ] == []


def test_every_model_can_be_planned_on_a_card() -> None:
    """No entry asks for `--weights`."""
    assert [path.name for path in spec_files() if load_file(path).weights() is None] == []


def matrices(spec: ModelSpec) -> int:
    return 3 if spec.mlp is None or spec.mlp.gated else 2


def parameters(amount: int | tuple[int, int]) -> int:
    return amount if isinstance(amount, int) else amount[0]


WIDER_INSIDE = {"nemotron-3-ultra-550b-a55b"}
"""Its experts read a latent that is narrower than the model (moe_latent_size)."""


@pytest.mark.parametrize("path", spec_files(), ids=lambda path: path.stem)
def test_the_widths_of_mlps_make_the_counted_parts(path: Path) -> None:
    """An expert has two or three matrices of its width, beside a bias or a norm at most; so has an MLP."""
    spec = load_file(path)
    if spec.mlp is None or spec.parts is None or spec.name in WIDER_INSIDE:
        return
    per_width = matrices(spec) * (spec.hidden or 0)
    for kind in spec.parts.kinds.values():
        for amount, width in (
            (kind.expert, spec.mlp.expert_intermediate),
            (kind.dense, spec.mlp.intermediate),
        ):
            if amount and width:
                assert parameters(amount) == pytest.approx(per_width * width, rel=0.02)
