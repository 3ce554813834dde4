"""What a command names as its model: the release with the planned weights, or what is missing."""

import shlex
from pathlib import Path

import pytest

import kvplan
from kvplan.planner.budget import Asked
from kvplan.planner.repository import GGUF, MODEL, ServedModel, served_model
from kvplan.planner.size import as_spec
from kvplan.serving import read_command

LLAMA = "meta-llama/Llama-3.1-8B"


def served(model: object, *, gguf: bool = False, **asked: object) -> ServedModel:
    return served_model(model, as_spec(model), Asked(gpu="80GB", **asked), gguf=gguf)  # type: ignore[arg-type]


def test_a_catalogue_name_is_served_as_its_hub_id() -> None:
    assert served("llama-3.1-8b") == ServedModel(name=LLAMA)
    assert served(kvplan.load("llama-3.1-8b")) == ServedModel(name=LLAMA)


def test_the_hub_id_that_was_asked_for_stays() -> None:
    assert served(f"{LLAMA}-Instruct") == ServedModel(name=f"{LLAMA}-Instruct")


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"weight_dtype": "int4"}, "with weights in int4"),
        ({"weights": "5GB"}, "with weights of 5GB"),
        ({"weights": 5_000_000_000}, "with weights of 5000000000 bytes"),
    ],
)
def test_other_weights_than_the_releases_are_missing(asked: dict[str, object], words: str) -> None:
    for model in ("llama-3.1-8b", f"{LLAMA}-Instruct"):
        found = served(model, **asked)  # type: ignore[arg-type]
        assert found == ServedModel(
            name=MODEL, missing=f"MODEL stands for a repository of llama-3.1-8b {words}"
        )


@pytest.mark.parametrize("dtype", ["bf16", "bfloat16"])
def test_the_releases_own_dtype_is_no_other(dtype: str) -> None:
    assert served("llama-3.1-8b", weight_dtype=dtype).missing is None
    assert served("deepseek-v3", weight_dtype="fp8").missing is None


def test_an_own_spec_has_no_hub_id(tmp_path: Path) -> None:
    """Even where it says one: whose weights these are only its writer knows."""
    own = kvplan.load("llama-3.1-8b").model_copy(update={"max_context": 4096})
    path = tmp_path / "own.yaml"
    path.write_text(
        "name: own\nhf_id: meta-llama/Llama-3.1-8B\nsource: me\ndtype: bfloat16\nmax_context: 4096\n"
        "parameters: 1000000\nattention: {kind: mha, heads: 8, head_dim: 64}\nlayers: 2\n",
        encoding="utf-8",
    )
    assert served(own).name == MODEL
    assert served(str(path)) == ServedModel(name=MODEL, missing="MODEL stands for a repository of own")


def test_llamacpp_takes_a_gguf_alone() -> None:
    assert served("llama-3.1-8b", gguf=True) == ServedModel(
        name=GGUF, missing="MODEL.gguf stands for a GGUF of llama-3.1-8b"
    )
    spec = as_spec("llama-3.1-8b")
    for name in ("models/llama.Q4_K_M.gguf", "unsloth/Llama-3.1-8B-GGUF"):
        assert served_model(name, spec, Asked(gpu="80GB"), gguf=True) == ServedModel(name=name)


@pytest.mark.parametrize(
    ("engine", "options", "model"),
    [("vllm", {"weight_dtype": "int4"}, MODEL), ("llamacpp", {}, GGUF), ("sglang", {}, LLAMA)],
)
def test_a_command_that_lacks_its_model_is_a_comment(
    engine: str, options: dict[str, str], model: str
) -> None:
    command = kvplan.fit("llama-3.1-8b", gpu="h100-80gb", engine=engine, context=8192, **options).command  # type: ignore[arg-type]
    assert command is not None
    assert command.startswith("# ") is (model != LLAMA)
    assert read_command(shlex.split(command)).model == model


def test_a_plan_that_does_not_fit_has_no_command() -> None:
    answer = kvplan.fit("llama-3.1-405b", gpu="rtx-4090-24gb", engine="vllm", context=8192)
    assert (answer.fits, answer.command) == (False, None)
