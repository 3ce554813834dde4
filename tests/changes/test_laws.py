"""What holds for every change of a design, whatever the model."""

from pathlib import Path

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

import kvplan
from kvplan.changes import CHANGES, Change
from kvplan.errors import KvplanError, OptionsError
from kvplan.importers.write import as_yaml
from kvplan.specs import ModelSpec
from kvplan.specs.load import load_file
from kvplan.specs.parts import Measure
from kvplan.specs.runs import runs_of

MODELS = (
    "llama-2-7b",
    "llama-3.1-8b",
    "gemma-3-27b",
    "deepseek-v2",
    "mixtral-8x7b",
    "qwen3-next-80b-a3b",
    "jamba-v0.1",
    "whisper-large-v3",
    "falcon-h1-7b",
)
TEXTS = {
    "mha": [""],
    "gqa": ["1", "2", "4", "8"],
    "mqa": [""],
    "mla": ["512,d_rope=64", "d_c=128,d_rope=0"],
    "window": ["4k", "1k,full_every=6", "512,sinks=4"],
    "chunk": ["8k,full_every=4"],
    "hybrid": ["kda,full_every=4", "mamba2", "linear", "lightning,full_every=8", "retnet", "gated_delta_net"],
    "cla": ["2", "3"],
    "yoco": ["1k"],
    "streaming": ["1020"],
    "h2o": ["heavy=512,recent=512"],
    "snapkv": ["1k"],
    "pyramidkv": ["512"],
    "moa": ["window=4k,full=1"],
    "dms": ["8,newest=256"],
    "moh": [""],
    "dcmha": [""],
    "mohsa": [""],
}
WRITTEN = [(name, text) for name, texts in TEXTS.items() for text in texts]


def changed(spec: ModelSpec, name: str, text: str) -> ModelSpec | None:
    """The changed design; None where the change has nothing to work on."""
    try:
        return CHANGES[name].read(text).made_of(spec)
    except OptionsError:
        return None


def test_every_change_is_tried_below() -> None:
    assert TEXTS.keys() == CHANGES.keys()


@pytest.mark.parametrize(("name", "text"), WRITTEN)
def test_a_change_is_written_as_it_is_read(name: str, text: str) -> None:
    change = CHANGES[name].read(text)
    assert change.words().split(" ")[0] == name
    assert CHANGES[name].read(change.words().partition(" ")[2]) == change
    assert change.source
    assert change.help.endswith(".")


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(MODELS), st.sampled_from(WRITTEN), st.integers(1, 2**20))
def test_what_claims_to_shrink_never_grows(model: str, written: tuple[str, str], tokens: int) -> None:
    spec = kvplan.load(model)
    after = changed(spec, *written)
    if after is None or CHANGES[written[0]].grows:
        return
    had, has = (kvplan.size(each, context=tokens).bytes_per_sequence for each in (spec, after))
    assert has <= had


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize(("name", "text"), WRITTEN)
def test_every_result_loads_checks_and_fits(model: str, name: str, text: str, tmp_path: Path) -> None:
    after = changed(kvplan.load(model), name, text)
    if after is None:
        return
    path = tmp_path / "changed.yaml"
    path.write_text(as_yaml(after, {}), encoding="utf-8")
    assert load_file(path) == after
    assert kvplan.check(after).ok
    assert kvplan.fit(after, gpu="1000GiB", context="2k", advice=False).fits
    for engine in ("vllm", "sglang"):
        try:
            kvplan.fit(after, gpu="h200-141gb", context="2k", engine=engine, tp=8, advice=False)
        except KvplanError as error:
            assert "\n" not in error.line  # noqa: PT017 - refused in one line, or planned


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(("llama-2-7b", "llama-3.1-8b", "mixtral-8x7b")), st.sampled_from([1, 2, 4, 8]))
def test_merging_heads_and_windows_commute(model: str, groups: int) -> None:
    """As docs/whatif.md says: both change KV heads and windows apart from each other."""
    merging, windows = ("gqa", str(groups)), ("window", "1k,full_every=6")
    spec = kvplan.load(model)
    merged, windowed = changed(spec, *merging), changed(spec, *windows)
    assume(merged is not None and windowed is not None)
    assert merged is not None
    assert windowed is not None
    one, other = changed(merged, *windows), changed(windowed, *merging)
    assume(one is not None and other is not None)
    assert one is not None
    assert other is not None
    sizes = [kvplan.size(each, context="32k").bytes_per_sequence for each in (one, other)]
    assert sizes[0] == sizes[1]
    assert one.parameters == other.parameters


@given(st.lists(st.sampled_from("abc"), min_size=1, max_size=40))
def test_runs_unroll_to_the_same_layers(types: list[str]) -> None:
    assert [name for run in runs_of(types) for name in run.pattern * run.repeat] == types


def test_runs_are_as_a_person_would_write_them() -> None:
    gemma = (["local"] * 5 + ["global"]) * 10 + ["local"] * 2
    assert [(run.repeat, len(run.pattern)) for run in runs_of(gemma)] == [(10, 6), (2, 1)]
    assert [(run.repeat, len(run.pattern)) for run in runs_of(["a"] * 16 + ["b"] + ["c"] * 15)] == [
        (16, 1),
        (1, 1),
        (15, 1),
    ]


def test_nothing_of_a_release_is_left_in_a_changed_design() -> None:
    spec = kvplan.load("deepseek-v3")
    after = CHANGES["mla"].read("256,d_rope=64").made_of(spec)
    assert (after.hf_id, after.aliases, after.quantized, after.tensors) == (None, (), (), None)
    assert spec.name in after.source
    assert "arXiv 2502.07864" in after.source
    assert after.name == "deepseek-v3-mla256"


def test_weights_stay_as_they_are_stored() -> None:
    """
    Of gpt-oss-120b experts are stored in 4 bits, and attention in 16.

    With 4 groups of 64 in place of 8, 36 layers have two matrices of 2,880 x 256 less, of two bytes each.
    """
    spec = kvplan.load("gpt-oss-120b")
    after = CHANGES["gqa"].read("4").made_of(CHANGES["moh"].read("").made_of(spec))
    assert spec.weight_bytes is not None
    assert after.weight_bytes == spec.weight_bytes - 36 * 2 * 2880 * 256 * 2
    assert after.parts is not None
    assert after.parts.total(Measure(2)) == after.weight_bytes
    assert after.parts.parameters() == after.parameters


def test_parameters_change_by_the_projections() -> None:
    """LLaMA-2-7B has 32 K and V matrices of 4096 x 4096; with 8 heads of 32 a quarter of them."""
    spec = kvplan.load("llama-2-7b")
    after = CHANGES["gqa"].read("8").made_of(spec)
    assert spec.parameters is not None
    assert after.parameters == spec.parameters - 32 * 2 * 4096 * 4096 * 3 // 4


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("gqa", "7", "7 groups do not divide 32 heads"),
        ("gqa", "16", "8 KV heads cannot be merged into 16"),
        ("gqa", "x", "groups: found 'x'; input should be a valid integer"),
        ("gqa", "0", "groups"),
        ("gqa", "", "groups: field required; write --gqa groups=..."),
        ("mla", "512", "d_rope: field required"),
        ("mla", "d_k=3", "'d_k' is unknown (did you mean 'd_c'"),
        ("mla", "4096,d_rope=64", "would cache 4,160 elements of 1 token in a layer that caches 2,048"),
        ("window", "4k,8k", "'8k' has no name"),
        ("hybrid", "s5", "kind: found 's5'; input should be 'linear'"),
        ("moa", "window=4k,full=8", "leaves none of 8 KV heads a window"),
        ("pyramidkv", "8", "8 tokens are no more than the newest 8"),
        ("dcmha", "", "give --mha before it"),
        ("mqa", "3", "has no name"),
    ],
)
def test_what_is_wrong_is_said_in_a_line(name: str, text: str, said: str) -> None:
    with pytest.raises(OptionsError) as refused:
        CHANGES[name].read(text).made_of(kvplan.load("llama-3.1-8b"))
    assert said in refused.value.line
    assert "\n" not in refused.value.line


def test_a_change_with_nothing_to_work_on_is_refused() -> None:
    with pytest.raises(OptionsError, match="--gqa has nothing to change: mamba-130m has mamba"):
        CHANGES["gqa"].read("1").made_of(kvplan.load("mamba-130m"))


def test_other_facts_are_checked() -> None:
    spec = kvplan.load("llama-3.1-8b")
    assert spec.changed() == spec
    assert spec.changed(max_context=1000).max_context == 1000
    with pytest.raises(ValidationError):
        spec.changed(max_context=-5)
    with pytest.raises(ValidationError):
        spec.changed(contexts=5)


def test_the_changes_are_data() -> None:
    assert [change.name for change in CHANGES.values()] == list(CHANGES)
    assert {change.made_of is not Change.made_of for change in CHANGES.values()} == {True}
