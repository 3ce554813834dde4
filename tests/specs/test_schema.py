"""The JSON Schema: it takes the files that kvplan takes, and refuses what it can of the others."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator

from kvplan.attention import kind_class, kind_names
from kvplan.errors import SpecError
from kvplan.specs.load import load_file
from kvplan.specs.schema import json_schema

HEAD = "{name: toy, source: https://example.org/config.json, dtype: bfloat16, max_context: 4096, "
GQA = "{kind: gqa, heads: 32, groups: 8, head_dim: 128}"
GOOD = {
    "one kind": f"layers: 32, attention: {GQA}}}",
    "layer types": f"""attention: {{a: {GQA}, b: {{kind: none}}}},
        layers: [{{repeat: 2, pattern: [a, b]}}, {{repeat: 1, pattern: [a]}}]}}""",
    "side by side": f"attention: {{a: [{GQA}, {{kind: none}}]}}, layers: [{{repeat: 2, pattern: [a]}}]}}",
    "an indexer": f"layers: 2, attention: {GQA[:-1]}, indexer: {{heads: 64, head_dim: 128}}}}}}",
    "all facts": f"""hf_id: Org/Toy, aliases: [toy-hf, Org/Toy2], notes: text, parameters: 1000,
        weight_dtype: fp8, weight_bytes: 1000, hidden: 64, layers: 10000, attention: {GQA}}}""",
    "short dtypes": "layers: 2, attention: {kind: lightning, heads: 8, head_dim: 64, state_dtype: bfloat16}}",
    "a latent in three words": "layers: 2, attention: {kind: mla, heads: 8, d_c: 512, d_rope: 64}}",
    "a state": """layers: 2, attention: {kind: linear, heads: 8, qk_head_dim: 64, feature_dim: 64,
        v_head_dim: 64, normalizer: true, state_dtype: fp32}}""",
}
BAD = {
    "no attention": "layers: 32}",
    "no layers": f"attention: {GQA}}}",
    "unknown key": f"layers: 32, potato: 1, attention: {GQA}}}",
    "unknown key of a kind": f"layers: 32, attention: {GQA[:-1]}, window: 8}}}}",
    "unknown key of an indexer": f"layers: 32, attention: {GQA[:-1]}, indexer: {{heads: 1, dim: 1}}}}}}",
    "missing key of a kind": "layers: 32, attention: {kind: gqa, heads: 32, groups: 8}}",
    "unknown kind": f"layers: 32, attention: {GQA.replace('gqa', 'gqaa')}}}",
    "no kind": "layers: 32, attention: {heads: 32, groups: 8, head_dim: 128}}",
    "kind as text": "layers: 32, attention: gqa}",
    "zero": f"layers: 0, attention: {GQA}}}",
    "negative": f"layers: 32, attention: {GQA.replace('32', '-32')}}}",
    "more than 10^9": f"layers: 32, attention: {GQA.replace('32', '1000000001')}}}",
    "text for a number": f"layers: 32, attention: {GQA.replace('32', chr(39) + '32' + chr(39))}}}",
    "truth for a number": f"layers: true, attention: {GQA}}}",
    "a fraction": f"layers: 32.5, attention: {GQA}}}",
    "an empty pattern": f"layers: [{{repeat: 1, pattern: []}}], attention: {{a: {GQA}}}}}",
    "a pattern as text": f"layers: [{{repeat: 1, pattern: a}}], attention: {{a: {GQA}}}}}",
    "state dtype": "layers: 2, attention: {kind: lightning, heads: 8, head_dim: 64, state_dtype: fp8}}",
    "version": """layers: 2, attention: {kind: rwkv, version: 8, heads: 8, head_dim: 64,
        state_dtype: fp32, shift_dtype: bf16}}""",
}


@pytest.fixture(scope="module")
def schema() -> dict[str, Any]:
    return json_schema()


@pytest.fixture(scope="module")
def validator(schema: dict[str, Any]) -> Draft202012Validator:
    return Draft202012Validator(schema)


def test_the_schema_is_one(schema: dict[str, Any]) -> None:
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    Draft202012Validator.check_schema(schema)


def test_the_schema_knows_every_kind_and_its_keys(schema: dict[str, Any]) -> None:
    """An editor completes from the definitions: one for each class, with all of its keys."""
    definitions = schema["$defs"]
    for name in kind_names():
        kind = kind_class(name)
        definition = definitions[kind.__name__]
        assert definition["properties"].keys() == kind.model_fields.keys()
        assert definition["properties"]["kind"]["const"] == name
        assert definition["additionalProperties"] is False


@pytest.mark.parametrize("body", GOOD.values(), ids=GOOD)
def test_good_files_agree_with_the_schema(validator: Draft202012Validator, body: str, tmp_path: Path) -> None:
    """Parsed by plain YAML, as an editor does, and read by kvplan."""
    document: Any = yaml.safe_load(HEAD + body)
    assert list(validator.iter_errors(document)) == []
    path = tmp_path / "toy.yaml"
    path.write_text(HEAD + body, encoding="utf-8")
    assert load_file(path).name == "toy"


@pytest.mark.parametrize("body", BAD.values(), ids=BAD)
def test_bad_files_are_refused_by_both(validator: Draft202012Validator, body: str, tmp_path: Path) -> None:
    document: Any = yaml.safe_load(HEAD + body)
    assert not validator.is_valid(document)
    path = tmp_path / "toy.yaml"
    path.write_text(HEAD + body, encoding="utf-8")
    with pytest.raises(SpecError):
        load_file(path)


@pytest.mark.parametrize(
    ("key", "value"),
    [("name", "Toy Model"), ("dtype", "int8"), ("source", ""), ("max_context", 0), ("aliases", [""])],
)
def test_facts_of_a_model_are_checked(validator: Draft202012Validator, key: str, value: object) -> None:
    document: Any = yaml.safe_load(HEAD + GOOD["one kind"])
    assert validator.is_valid(document)
    assert not validator.is_valid({**document, key: value})


@pytest.mark.parametrize("key", ["name", "source", "max_context", "dtype", "layers", "attention"])
def test_the_schema_asks_for_what_every_design_has(validator: Draft202012Validator, key: str) -> None:
    """A name, a source and a longest context are facts of published models."""
    document: Any = yaml.safe_load(HEAD + GOOD["one kind"])
    without = {name: value for name, value in document.items() if name != key}
    assert validator.is_valid(without) == (key in ("name", "source", "max_context"))
