"""The KV cache dtype that a checkpoint declares, as each engine takes it."""

import json
from pathlib import Path
from typing import Any

import pytest

import kvplan
from kvplan.errors import KvplanError
from kvplan.importers.complete import import_complete
from kvplan.importers.quantization import read_quantization
from kvplan.importers.write import as_yaml
from kvplan.planner import words
from kvplan.planner.facts import DeclaredKv
from tests.importers import configs
from tests.importers.originals import FOLDER, index, needs_originals

FP8 = {"dynamic": False, "num_bits": 8, "type": "float"}
NVFP4 = {"dynamic": False, "num_bits": 4, "type": "float", "group_size": 16}
CT = {**FP8, "strategy": "tensor", "symmetric": True}


def _file(folder: Path, section: dict[str, Any] | None, beside: dict[str, Any] | None = None) -> Path:
    folder.mkdir()
    config = configs.LLAMA | ({} if section is None else {"quantization_config": section})
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    if beside is not None:
        (folder / "hf_quant_config.json").write_text(json.dumps({"quantization": beside}), encoding="utf-8")
    return folder


def _kept(path: Path, engine: str, **options: Any) -> tuple[str, tuple[str, ...]]:
    answer = kvplan.size(path, context=1000, engine=engine, **options)
    return answer.kv_dtype, tuple(
        words.warning(each) for each in answer.warnings if isinstance(each, DeclaredKv)
    )


SECTIONS: dict[str, dict[str, Any]] = {
    "modelopt fp8": {"quant_method": "modelopt", "quant_algo": "NVFP4", "kv_cache_scheme": FP8},
    "modelopt name": {"quant_method": "modelopt_fp4", "quant_algo": "NVFP4", "kv_cache_quant_algo": "FP8"},
    "modelopt nvfp4": {"quant_method": "modelopt", "quant_algo": "NVFP4", "kv_cache_scheme": NVFP4},
    "modelopt int8": {"quant_method": "modelopt", "quant_algo": "FP8", "kv_cache_quant_algo": "INT8"},
    "compressed-tensors": {
        "quant_method": "compressed-tensors",
        "config_groups": {
            "group_0": {
                "targets": ["Linear"],
                "weights": {"num_bits": 8, "type": "float", "strategy": "tensor"},
            }
        },
        "kv_cache_scheme": CT,
    },
    "no method": {"quant_algo": "FP8", "kv_cache_scheme": "FP8"},
    # As ModelOpt wrote it into a config.json before 0.31: its hf_quant_config.json, in full.
    "modelopt within": {
        "producer": {"name": "modelopt", "version": "0.29.0"},
        "quantization": {"quant_algo": "FP8", "kv_cache_quant_algo": "FP8", "exclude_modules": ["lm_head"]},
    },
    "modelopt of the cache": {
        "producer": {"name": "modelopt", "version": "0.29.0"},
        "quantization": {"quant_algo": None, "kv_cache_quant_algo": "FP8"},
    },
}


@pytest.mark.parametrize(
    ("section", "engine", "dtype"),
    [
        ("modelopt fp8", "vllm", "fp8"),
        ("modelopt fp8", "vllm@0.14", "fp8"),
        ("modelopt fp8", "vllm@0.12", "bf16"),
        ("modelopt fp8", "sglang", "fp8"),
        ("modelopt fp8", "trtllm", "fp8"),
        ("modelopt fp8", "exact", "bf16"),
        ("modelopt fp8", "llamacpp", "fp16"),
        ("modelopt fp8", "transformers", "bf16"),
        ("modelopt name", "vllm", "fp8"),
        ("modelopt nvfp4", "vllm", "nvfp4"),
        ("modelopt nvfp4", "sglang", "bf16"),
        ("modelopt nvfp4", "trtllm", "nvfp4"),
        ("modelopt int8", "vllm", "bf16"),
        ("modelopt int8", "trtllm", "bf16"),
        ("compressed-tensors", "vllm", "fp8"),
        ("compressed-tensors", "vllm@0.14", "bf16"),
        ("compressed-tensors", "sglang", "bf16"),
        # vLLM 0.33 says "auto" of this file: the section names no method.
        ("no method", "vllm", "bf16"),
        ("modelopt within", "vllm", "fp8"),
        ("modelopt within", "trtllm", "fp8"),
        # It knows ModelOpt by the weights' algorithm, and here there is none.
        ("modelopt of the cache", "vllm", "bf16"),
    ],
)
def test_auto_is_what_the_engine_makes_of_a_declaration(
    tmp_path: Path, section: str, engine: str, dtype: str
) -> None:
    path = _file(tmp_path / "model", SECTIONS[section])
    kept, (note,) = _kept(path, engine)
    assert kept == dtype
    name = kvplan.size(path, context=1000, engine=engine).engine
    declared = "nvfp4" if "nvfp4" in section else "int8" if "int8" in section else "fp8"
    heeds = f"{name} keeps the KV cache in {declared}, as the checkpoint declares, unless "
    heeds += "--kv-dtype says otherwise"
    not_heeded = f"the checkpoint declares a KV cache in {declared}, of which {name} takes no heed"
    assert note == (heeds if kept == declared else not_heeded)


@pytest.mark.parametrize(
    ("section", "asked", "blocks", "tokens"),
    [
        (None, None, 28_610, 457_760),
        ("modelopt fp8", None, 57_220, 915_520),
        ("modelopt int8", None, 28_610, 457_760),
        ("compressed-tensors", None, 57_220, 915_520),
        ("modelopt within", None, 57_220, 915_520),
        ("modelopt of the cache", None, 28_610, 457_760),
        ("modelopt fp8", "bf16", 28_610, 457_760),
    ],
)
def test_vllms_own_steps_come_to_these_blocks(
    tmp_path: Path, section: str | None, asked: str | None, blocks: int, tokens: int
) -> None:
    """What vLLM 0.33.0 made of Llama 3.1 8B's config with this section: its arguments, class and planner."""
    path = _file(tmp_path / "model", SECTIONS[section] if section else None)
    answer = kvplan.fit(
        path,
        engine="vllm@0.33",
        gpu="h100-80gb",
        kv_memory=60_000_012_345,
        context=20_000,
        kv_dtype=asked,
    )
    assert (answer.num_blocks, answer.kv_tokens) == (blocks, tokens)


@pytest.mark.parametrize("engine", ["vllm", "sglang", "trtllm"])
def test_what_is_asked_for_wins_without_a_line(tmp_path: Path, engine: str) -> None:
    path = _file(tmp_path / "model", SECTIONS["modelopt fp8"])
    assert _kept(path, engine, kv_dtype="bf16") == ("bf16", ())
    assert _kept(path, engine, kv_dtype="auto")[0] == "fp8"


@pytest.mark.parametrize(
    ("section", "engine", "dtype"),
    [
        (None, "vllm", "fp8"),
        (None, "trtllm", "fp8"),
        # vLLM reads the file beside a config only where that has no section of its own.
        ({"quant_method": "modelopt", "quant_algo": "FP8"}, "vllm", "bf16"),
        ({"quant_method": "modelopt", "quant_algo": "FP8"}, "trtllm", "fp8"),
    ],
)
def test_the_file_beside_a_config_declares_too(
    tmp_path: Path, section: dict[str, Any] | None, engine: str, dtype: str
) -> None:
    path = _file(tmp_path / "model", section, {"quant_algo": "FP8", "kv_cache_quant_algo": "FP8"})
    assert _kept(path, engine)[0] == dtype


@pytest.mark.parametrize(
    ("section", "by"),
    [("modelopt fp8", "other"), ("compressed-tensors", "compressed-tensors")],
)
def test_vllm_finds_no_modelopt_in_a_text_models_part(section: str, by: str) -> None:
    """get_kv_cache_quant_algo_string reads the outer section alone; quantised layers have the inner one."""
    found = read_quantization({"text_config": {"quantization_config": SECTIONS[section]}}, file="config.json")
    assert found is not None
    assert (found.kv_dtype, found.kv_declared_by) == ("fp8", by)


def test_a_declaration_that_vllm_refuses(tmp_path: Path) -> None:
    section = SECTIONS["compressed-tensors"] | {"kv_cache_scheme": {**CT, "type": "int"}}
    with pytest.raises(KvplanError, match=r"vLLM 0\.33 takes no KV cache in int8 from compressed-tensors"):
        kvplan.size(_file(tmp_path / "model", section), context=1000, engine="vllm")


def _declaring() -> list[str]:
    return [
        entry["hf_id"]
        for entry in index()
        if '"kv_cache_scheme": {' in (FOLDER / entry["file"]).read_text(encoding="utf-8")
    ]


@needs_originals
def test_the_published_files_that_declare_are_eleven() -> None:
    assert len(_declaring()) == 11


@pytest.mark.parametrize("hub_id", _declaring())
def test_a_release_of_the_catalogue_declares_what_its_file_does(hub_id: str) -> None:
    spec = import_complete(FOLDER / f"{hub_id.replace('/', '--')}.json").spec
    assert (spec.kv_cache_dtype, spec.kv_cache_by) == ("fp8", "modelopt")
    known = kvplan.load(hub_id)
    assert (known.kv_cache_dtype, known.kv_cache_by) == ("fp8", "modelopt")


@pytest.mark.parametrize(
    "section",
    [
        SECTIONS["modelopt fp8"],
        SECTIONS["compressed-tensors"],
        {"quant_method": "fp8", "weight_block_size": [128, 128], "activation_scheme": "dynamic"},
        {"quant_method": "fp8", "activation_scheme": "dynamic"},
        {"quant_method": "modelopt", "quant_algo": "FP8", "ignore": ["lm_head"]},
    ],
)
def test_vllm_takes_no_fp8_e5m2_with_a_checkpoint_of_fp8(tmp_path: Path, section: dict[str, Any]) -> None:
    with pytest.raises(KvplanError, match="takes no fp8_e5m2 with a checkpoint in fp8"):
        kvplan.size(_file(tmp_path / "model", section), context=1000, engine="vllm", kv_dtype="fp8_e5m2")


def test_vllm_takes_fp8_e5m2_with_a_checkpoint_of_awq(tmp_path: Path) -> None:
    path = _file(
        tmp_path / "model", {"quant_method": "awq", "bits": 4, "group_size": 128, "zero_point": True}
    )
    assert _kept(path, "vllm", kv_dtype="fp8_e5m2")[0] == "fp8"


@needs_originals
def test_what_sparse_mla_declares_has_rows_on_blackwell_alone() -> None:
    """Rows of 576 bytes in FLASHINFER_MLA_SPARSE; on Hopper vLLM says "No valid attention backend found"."""
    with pytest.raises(KvplanError, match=r"takes fp8 for FlashMLA's rows .* give the KV dtype"):
        kvplan.size("nvidia/GLM-5.1-NVFP4", context=1000, engine="vllm")
    there: dict[str, Any] = {
        "engine": "vllm@0.33",
        "gpu": "b200",
        "kv_memory": 60_000_012_345,
        "context": 20_000,
        "tp": 8,
    }
    answer = kvplan.fit("nvidia/GLM-5.1-NVFP4", **there)
    assert (answer.num_blocks, answer.kv_tokens) == (16_976, 1_084_728)
    assert (
        kvplan.size("nvidia/GLM-5.1-NVFP4", context=1000, engine="vllm", kv_dtype="bf16").kv_dtype == "bf16"
    )


@pytest.mark.parametrize("engine", ["exact", "vllm", "sglang", "llamacpp"])
@pytest.mark.parametrize(
    "declared",
    [
        {"kv_cache_quant_algo": "FP3"},
        {"kv_cache_bits": 8},
        {"kv_cache_scheme": "FP8; rm -rf"},
        # vLLM takes no heed of the first, and refuses the others.
        {"kv_cache_scheme": {**FP8, "dynamic": True}},
        {"kv_cache_scheme": {**CT, "strategy": "token"}},
        {"kv_cache_scheme": {**CT, "symmetric": False}},
    ],
)
def test_a_declaration_that_is_not_understood_is_asked_for(
    tmp_path: Path, engine: str, declared: dict[str, Any]
) -> None:
    path = _file(tmp_path / "model", {"quant_method": "modelopt", "quant_algo": "FP8", **declared})
    with pytest.raises(KvplanError, match=r"quantization_config\.kv_cache_.*: give --kv-dtype"):
        kvplan.size(path, context=1000, engine=engine)
    kv_dtype = "q8_0" if engine == "llamacpp" else "bf16"
    assert _kept(path, engine, kv_dtype=kv_dtype) == (kv_dtype, ())


def test_it_survives_being_written(tmp_path: Path) -> None:
    path = _file(tmp_path / "model", {"quant_method": "modelopt", "quant_algo": "FP8", "kv_cache_bits": 8})
    spec = import_complete(path).spec
    assert spec.kv_cache_open is not None
    (tmp_path / "own.yaml").write_text(as_yaml(spec, {}), encoding="utf-8")
    assert kvplan.load(tmp_path / "own.yaml").kv_cache_open == spec.kv_cache_open
