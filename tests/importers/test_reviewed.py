"""
Where the catalogue has a reviewed spec of a model, its original file imports to the same facts.

The parameters are held in parameters/test_originals.py, as specs count towers and files do not.
"""

from typing import Any

import pytest

from kvplan.importers.compare import compare, layer_kinds
from kvplan.importers.complete import import_complete
from kvplan.specs.catalogue import read_index
from kvplan.specs.load import load
from tests.importers.originals import FOLDER, REFUSED, index

Entry = dict[str, Any]

ACCEPTED = {
    # Re-exports of a release under another model type of the same shape.
    "nvidia--Kimi-K2.5-NVFP4.json": ("architecture",),
    # And its module for drafts has 1 layer, where the publisher's file counts 7 of one sort and 1 of another.
    "nvidia--MiniMax-M3-NVFP4.json": ("architecture", "draft"),
    # And without the factor that scales the weights of experts.
    "sgl-project--DeepSeek-V4-Pro-FP8.json": ("architecture", "mlp"),
    "state-spaces--mamba-2.8b-hf.json": ("architecture",),
    # The copy has 16 rows more than the published model.
    "codellama--CodeLlama-34b-hf.json": ("vocab",),
    # The copy is a long-context training run's: 16384 tokens in bfloat16 and 16 rows more, where Meta's
    # says 4096.
    "meta-llama--Llama-2-13b-hf.json": ("dtype", "max_context", "vocab"),
    # The section names no method, so that no engine heeds the declaration; the catalogue leaves it out.
    "Qwen--Qwen3-32B-FP8-Static-PerTensor.json": ("kv_cache_dtype", "kv_cache_by"),
    # The copy was saved in bfloat16; Meta published float16.
    "meta-llama--Llama-2-70b-hf.json": ("dtype",),
    # The copy's 65536 is not the 4096 tokens of the model that was published, which is tied and has 7
    # rows less.
    "openbmb--MiniCPM-2B-sft-bf16.json": ("max_context", "longest_context", "vocab", "tied"),
    # One spec serves base and chat model; the copy of the chat file has a shorter context and is tied.
    "Qwen--Qwen1.5-1.8B-Chat.json": ("max_context", "tied"),
    "Qwen--Qwen2.5-7B-Instruct.json": ("max_context",),
    # The copy's seq_length is 8192, the publisher's 131072.
    "THUDM--glm-4-9b-chat.json": ("max_context",),
    # The copy is trimmed and leaves out mamba_ssm_dtype, which the other Qwen3.5 files have.
    "Qwen--Qwen3.5-4B.json": ("states_fixed",),
    # The quantised release says 196608, the publisher's own file 204800.
    "nvidia--MiniMax-M2.7-NVFP4.json": ("max_context",),
    # The copy leaves out attention_other_setting (96 query heads) and has a quarter of the context.
    "stepfun-ai--Step-3.7-Flash.json": ("max_context", "layer"),
    "stepfun-ai--Step-3.7-Flash-FP8.json": ("max_context", "layer"),
}
"""Files that differ from the reviewed spec, the facts in which they do, and why."""


def _reviewed() -> list[Entry]:
    known = read_index()
    return [entry for entry in index() if entry["hf_id"].lower() in known and entry["file"] not in REFUSED]


@pytest.mark.parametrize("entry", _reviewed(), ids=lambda entry: entry["hf_id"])
def test_imported_spec_equals_the_reviewed_one(entry: Entry) -> None:
    complete = import_complete(FOLDER / entry["file"])
    imported, reviewed = complete.spec, load(entry["hf_id"])
    if reviewed.draft is not None:  # What no config tells.
        draft = reviewed.draft.model_copy(update={"weights": None})
        reviewed = reviewed.model_copy(update={"draft": draft})
    accepted = ACCEPTED.get(entry["file"], ())
    # A release in other weights has none of the reviewed one's; a part is as its parameters are.
    same = imported.parameters == reviewed.parameters and reviewed.parts is not None
    weights = {"parameters"} if same else {"parameters", "parts"}
    if entry["hf_id"] in reviewed.quantized:
        weights |= {"parts", "weight_blocks", "weight_bytes", "weights_by", "weights_open"}
    found = list(compare(reviewed, imported, {*complete.estimates, *weights}).differences)
    assert sorted(line.split()[0].rstrip(":") for line in found) == sorted(accepted)
    if "layer" not in accepted:
        assert layer_kinds(imported) == layer_kinds(reviewed)
    for fact in {"architecture", "hidden", "vocab", "tied", "replicated", "states_fixed"} - set(accepted):
        assert getattr(imported, fact) == getattr(reviewed, fact), fact


@pytest.mark.parametrize("name", ACCEPTED)
def test_an_accepted_difference_is_that_of_a_reviewed_model(name: str) -> None:
    """A file that was corrected or dropped must leave the list, too."""
    if not FOLDER.is_dir():
        pytest.skip("the original config files lie beside some checkouts only")
    assert name in {entry["file"] for entry in _reviewed()}
