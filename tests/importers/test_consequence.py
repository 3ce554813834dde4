"""Fields that no reader knows, by what they could change, and how an answer says that it is without one."""

import json
from pathlib import Path
from typing import Any

import pytest

import kvplan
from kvplan.errors import ImportedError, SpecError
from kvplan.importers import import_model
from kvplan.importers.config import import_values
from kvplan.importers.consequence import Consequence, consequence
from kvplan.importers.write import spec_yaml
from kvplan.planner.facts import Ignored
from kvplan.specs.load import load_file
from tests.importers import configs

MIB = 2**20


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("expert_dropout_p", 0.1),
        ("attention_dropout_rate", 0.0),
        ("speaker_token_id", 7),
        ("stop_token_ids", [1, 2]),
        ("router_aux_loss_weight", 0.01),
        ("second_norm_eps", 1e-6),
        ("adapter_initializer_range", 0.02),
        ("use_flash_something", True),
        ("release_date", "2026-01-01"),
        ("for_llm_compressor_v2", None),
        ("kv_shadow", None),
    ],
)
def test_a_name_and_a_value_that_change_nothing(name: str, value: Any) -> None:
    assert consequence(name, value) is Consequence.NOTHING


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("num_extra_experts", 2),
        ("moe_capacity_new", 64),
        ("mlp_style", "swiglu"),
        ("vocab_multiple", 128),
        ("router_bias_kind", "sum"),
    ],
)
def test_a_name_that_tells_of_weights_alone(name: str, value: Any) -> None:
    assert consequence(name, value) is Consequence.WEIGHTS


@pytest.mark.parametrize(
    ("name", "value"),
    [
        # The name could be about the cache, or says nothing that is known.
        ("kv_shadow", 3),
        ("num_shadow_kv_heads", 4),
        ("second_sliding_window", 512),
        ("layer_cache_types", ["full"]),
        ("moe_attention_mode", "full"),
        ("yoco", True),
        ("frobnicate", False),
        # The name is harmless, the value is not what so named a field has.
        ("attention_dropout_rate", {"kv": 2}),
        ("conv_kernel", 4),
        ("num_extra_experts", [2, 2]),
        ("init_tokens", 16),
    ],
)
def test_everything_else_could_change_the_cache(name: str, value: Any) -> None:
    assert consequence(name, value) is Consequence.CACHE


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "odd.json"
    path.write_text(json.dumps(configs.LLAMA | {"kv_shadow": 3, "speaker_token_id": 7}), encoding="utf-8")
    return path


def test_the_error_names_the_field_and_the_way_to_answer_without(file: Path) -> None:
    with pytest.raises(ImportedError, match=r"(?s)kv_shadow: the reader of llama.*--ignore kv_shadow"):
        kvplan.load(file)


def test_an_ignored_field_is_in_the_answer_and_warned_of(file: Path) -> None:
    answer = kvplan.size(file, context="8k", ignore=["kv_shadow"])
    assert answer.bytes_per_sequence == 1024 * MIB
    assert answer.to_dict()["ignored_fields"] == ("kv_shadow", "speaker_token_id")
    assert answer.warnings == (Ignored(fields=("kv_shadow",)),)
    assert kvplan.check(file, ignore=["kv_shadow"]).ignored_fields == ("kv_shadow", "speaker_token_id")
    assert kvplan.explain(file, ignore=["kv_shadow"]).ignored_fields == ("kv_shadow", "speaker_token_id")
    fit = kvplan.fit(file, kv_memory="40GiB", context="8k", ignore=["kv_shadow"])
    assert fit.ignored_fields == ("kv_shadow", "speaker_token_id")


def test_a_spec_written_without_a_field_still_says_so(file: Path, tmp_path: Path) -> None:
    imported = import_model(file, ignore=["kv_shadow"])
    (tmp_path / "odd.yaml").write_text(spec_yaml(imported), encoding="utf-8")
    loaded = load_file(tmp_path / "odd.yaml")
    assert loaded == imported.spec
    assert loaded.ignored == ("kv_shadow",)
    assert loaded.unread == ("speaker_token_id",)


def test_a_field_that_is_known_cannot_be_ignored(file: Path) -> None:
    with pytest.raises(ImportedError, match="num_key_value_heads: no field of this name is unknown"):
        kvplan.load(file, ignore=["kv_shadow", "num_key_value_heads"])
    with pytest.raises(SpecError, match=r"llama-3\.1-8b has no unknown field x: leave --ignore out"):
        kvplan.load("llama-3.1-8b", ignore=["x"])


def test_a_field_of_weights_leaves_them_uncounted_and_the_cache_answered() -> None:
    config = configs.LLAMA | {"num_extra_experts": 2}
    assert import_values(config, file="config.json", name="x").spec.unread == ("num_extra_experts",)


def test_weights_are_not_counted_with_a_field_that_could_change_them(tmp_path: Path) -> None:
    path = tmp_path / "odd.json"
    path.write_text(json.dumps(configs.LLAMA | {"num_extra_experts": 2}), encoding="utf-8")
    spec = kvplan.load(path)
    assert spec.parameters is None
    assert "num_extra_experts: not known, and it could change their number" in str(spec.notes)
    assert kvplan.size(path, context="8k").bytes_per_sequence == 1024 * MIB
    assert kvplan.load(path, ignore=["num_extra_experts"]).parameters == 8_030_261_248
