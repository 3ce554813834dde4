"""A spec with its weights: counted, stored, or quantised and left open by the config."""

import json
from pathlib import Path
from typing import Any

import pytest

import kvplan
from kvplan.errors import ImportedError, KvplanError
from kvplan.importers.complete import import_complete
from kvplan.importers.write import spec_yaml
from kvplan.planner.facts import WeightsOpen
from kvplan.specs.load import load, load_file
from tests.importers import configs
from tests.importers.model_files import safetensors

DOGE: dict[str, Any] = {"model_type": "doge", "vocab_size": 135040, "tie_word_embeddings": True}
FP8 = {"quant_method": "fbgemm_fp8", "activation_scale_ub": 1200.0}
"""What does not tell its scales."""


def _file(tmp_path: Path, **changes: Any) -> Path:
    folder = tmp_path / "model"
    folder.mkdir(exist_ok=True)
    path = folder / "config.json"
    path.write_text(json.dumps({**configs.LLAMA, **changes}), encoding="utf-8")
    return path


def test_parameters_are_counted(tmp_path: Path) -> None:
    """Meta's 8,030,261,248 for Llama 3.1 8B."""
    imported = import_complete(_file(tmp_path))
    assert imported.spec.parameters == 8030261248
    assert imported.spec.weights() == load("llama-3.1-8b").weights()
    assert imported.origins["parameters"] == "counted from the dimensions in the config"


def test_the_ends_and_what_every_rank_holds_are_told_with_their_fields(tmp_path: Path) -> None:
    """Two norms in each of 32 layers and one behind them are whole on every rank: 65 x 4096."""
    imported = import_complete(_file(tmp_path))
    assert (imported.spec.vocab, imported.spec.tied, imported.spec.replicated) == (128256, False, 65 * 4096)
    text = spec_yaml(imported)
    assert (
        "hidden: 4096  # hidden_size\n"
        "vocab: 128256  # vocab_size\n"
        "tied: false  # tie_word_embeddings\n"
        "replicated: 266240  # counted from the dimensions in the config\n"
    ) in text
    (tmp_path / "model.yaml").write_text(text, encoding="utf-8")
    assert load_file(tmp_path / "model.yaml") == imported.spec


@pytest.mark.parametrize("lacking", ["tie_word_embeddings", "architectures"])
def test_a_file_that_leaves_the_head_open_is_not_counted(tmp_path: Path, lacking: str) -> None:
    """`fit` then asks for the weights, in place of those of another model."""
    path = _file(tmp_path)
    values = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps({name: values[name] for name in values if name != lacking}), encoding="utf-8")
    spec = import_complete(path).spec
    assert (spec.parameters, spec.replicated, spec.vocab, spec.tied) == (None, None, None, None)
    assert f"Parameters are not counted: {path}: {lacking}: found nothing; expected " in (spec.notes or "")


def test_what_an_uncounted_family_says_of_its_ends_is_kept(tmp_path: Path) -> None:
    """Doge is read and not counted."""
    spec = import_complete(_file(tmp_path, **DOGE)).spec
    assert (spec.parameters, spec.vocab, spec.tied) == (None, 135040, True)


def test_what_the_count_lacks_is_said_and_the_cache_is_still_known(tmp_path: Path) -> None:
    path = _file(tmp_path)
    values = json.loads(path.read_text(encoding="utf-8"))
    del values["intermediate_size"]
    path.write_text(json.dumps(values), encoding="utf-8")
    spec = import_complete(path).spec
    assert spec.parameters is None
    assert spec.weights() is None
    assert spec.notes is not None
    assert "Parameters are not counted: " in spec.notes
    assert "intermediate_size" in spec.notes


def test_quantised_weights_have_a_range_of_which_the_larger_is_used(tmp_path: Path) -> None:
    """One byte for each matrix element, two for the embedding and head: 9.1e9, and scales of rows of 256."""
    imported = import_complete(_file(tmp_path, quantization_config=FP8))
    embedding = 2 * 128256 * 4096
    least = 8030261248 + embedding
    assert imported.spec.weight_bytes is not None
    assert least <= imported.spec.weight_bytes < least * 1.02
    assert "leaves the size of the quantised weights open" in (imported.spec.notes or "")
    assert imported.spec.dtype == "bfloat16"
    assert imported.estimates == ("weight_bytes", "weight_least_bytes")
    # The head may be quantised, too.
    fewest = 8030261248 + embedding // 2
    assert 0 <= (imported.spec.weight_least_bytes or 0) - fewest < 500_000


def test_modules_that_a_config_leaves_open_are_asked_for(tmp_path: Path) -> None:
    """ModelOpt's NVFP4 without a list: 4.5 bits a parameter but the 525,336,576 of the embedding, or 16."""
    config = _file(tmp_path, quantization_config={"quant_method": "modelopt", "quant_algo": "NVFP4"})
    spec = import_complete(config).spec
    assert spec.weights() is None
    why = "the config does not tell which modules are quantised, so that they may take 4.91 GiB to 14.96 GiB"
    assert spec.weights_open == why
    with pytest.raises(KvplanError) as caught:
        kvplan.fit(config, gpu="h100", context="8k")
    assert f"is not known ({why}): give the weights' size" in str(caught.value)


def test_a_size_that_a_config_leaves_open_is_said_beside_a_plan(tmp_path: Path) -> None:
    """One byte for each matrix element, two for the embedding and head, and scales."""
    fit = kvplan.fit(_file(tmp_path, quantization_config=FP8), gpu="h100", context="8k")
    (told,) = [fact for fact in fit.warnings if isinstance(fact, WeightsOpen)]
    assert told.most_bytes == fit.memory.weights_bytes
    assert told.least_bytes == fit.deployment.spec.weight_least_bytes
    assert fit.sources.weights == "bound"


def test_a_declared_cache_dtype_is_a_fact_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    declared = {
        "quantization": {"quant_algo": "FP8", "kv_cache_quant_algo": "FP8", "exclude_modules": ["lm_head"]}
    }
    (tmp_path / "model" / "hf_quant_config.json").write_text(json.dumps(declared), encoding="utf-8")
    spec = import_complete(_file(tmp_path).parent).spec
    assert spec.dtype == "bfloat16"
    assert (spec.kv_cache_dtype, spec.kv_cache_by) == ("fp8", "modelopt")


def test_stored_weights_win_in_a_folder_and_are_not_looked_for_beside_a_file(tmp_path: Path) -> None:
    path = _file(tmp_path)
    (path.parent / "model.safetensors").write_bytes(safetensors({"a": ("BF16", [3, 5], 30)}))
    assert import_complete(path.parent).spec.weight_bytes == 30
    assert import_complete(path).spec.weight_bytes is None


def test_broken_weights_are_an_error(tmp_path: Path) -> None:
    path = _file(tmp_path)
    (path.parent / "model.safetensors").write_bytes(b"\xff" * 8 + b"{}")
    with pytest.raises(ImportedError, match=r"model\.safetensors"):
        import_complete(path.parent)


def test_weights_of_unknown_size_are_spread_as_the_parameters_are(tmp_path: Path) -> None:
    """What a method stores that kvplan cannot size is still divided as the model's matrices are."""
    plain = import_complete(_file(tmp_path)).spec
    spec = import_complete(_file(tmp_path, quantization_config={"quant_method": "vptq"})).spec
    assert (spec.parameters, spec.weights()) == (plain.parameters, None)
    assert spec.weights_open == "the config does not tell it for vptq"
    assert (spec.vocab, spec.tied, spec.replicated) == (plain.vocab, plain.tied, plain.replicated)
