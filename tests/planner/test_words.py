"""Facts and their words: each fact has its own sentence, and no answer needs one to be read."""

from typing import Any, get_args

import pytest

import kvplan
from kvplan.planner import words
from kvplan.planner.facts import (
    Assumed,
    BeyondContext,
    Crowded,
    DeclaredKv,
    Ignored,
    LabelRead,
    LeftOut,
    Limit,
    Lowered,
    Origin,
    PassedOn,
    ReadAs,
    Replicated,
    Resource,
    RunsFewer,
    RunsIn,
    Uncounted,
    Warned,
    WeightsOpen,
)
from kvplan.units import GIB

WARNED: list[tuple[Warned, str]] = [
    (BeyondContext(model="m", context=9000, max_context=8192), "9,000 tokens are more than the 8,192 that m"),
    (
        ReadAs(model="m", release="a/m-FP8", how=" with FP8 weights, by its name"),
        "a/m-FP8 is answered as m with FP8",
    ),
    (RunsIn(dtype="bfloat16", released=None, engine=None), "name no dtype: it runs in bfloat16, as asked"),
    (RunsIn(dtype="float16", released=None, engine="e"), "name no dtype: e runs it in float16 unless"),
    (RunsIn(dtype="float16", released="float32", engine="e"), "e runs this float32 model in float16 unless"),
    (DeclaredKv(dtype="fp8", engine="e", taken=True), "e keeps the KV cache in fp8, as the checkpoint"),
    (DeclaredKv(dtype="fp8", engine="e", taken=False), "of which e takes no heed"),
    (Assumed(text="so it is"), "so it is"),
    (Lowered(engine="e", sequences=243, least=None), "--max-num-seqs 243, the most with which it starts"),
    (Lowered(engine="e", sequences=243, least=87), "it starts, and 87 with the least memory of the range"),
    (RunsFewer(engine="e", sequences=1024), "e runs 1,024 of them at once, unless --max-num-seqs says more"),
    (
        Crowded(engine="e", table_bytes=2 * GIB, kept_bytes=3 * GIB),
        "e's table of requests takes 2.00 GiB of the 3.00 GiB that it keeps back for activations and graphs",
    ),
    (
        Crowded(engine="e", table_bytes=3 * GIB, kept_bytes=3 * GIB),
        "e's table of requests takes 3.00 GiB, and it keeps back 3.00 GiB in all: it does not start, unless",
    ),
    (
        Crowded(
            engine="e", table_bytes=0, kept_bytes=GIB, needed_bytes=2 * GIB, most_bytes=3 * GIB, share="0.9"
        ),
        "a table of requests: it runs out of memory, unless --utilization is 0.9 or less, or --max-num",
    ),
    (
        Crowded(engine="e", table_bytes=GIB, kept_bytes=2 * GIB, needed_bytes=GIB, most_bytes=2 * GIB),
        "it may run out of memory, unless --max-num-batched-tokens are fewer",
    ),
    (LeftOut(text="--lora"), "left out of the plan: --lora"),
    (Ignored(fields=("a", "b")), "the answer is without a, b, which"),
    (Replicated(unit="latent", units=1, copies=8, tp=8), "tp=8 stores each latent 8 times: there is only 1"),
    (Replicated(unit="KV heads", units=4, copies=2, tp=8), "tp=8 stores each of the 4 KV heads 2 times"),
    (PassedOn(cp=4, context=8192, size_bytes=2**30), "in a prefill of 8,192 tokens each passes 1.00 GiB on"),
    (Uncounted(parts=("a tower", "a head")), "the weights are without a tower; a head: give --weights"),
    (WeightsOpen(least_bytes=2**30, most_bytes=2**31), "weights open, 1.00 GiB to 2.00 GiB: the larger is"),
    (LabelRead(gpu="x", total_bytes=2**34), "no driver's figure for x is known: its label means 16.00 GiB"),
]


@pytest.mark.parametrize(("fact", "said"), WARNED)
def test_what_to_know_is_said(fact: Warned, said: str) -> None:
    assert said in words.warning(fact)


def test_each_kind_of_warning_is_said_above() -> None:
    assert {type(fact) for fact, _ in WARNED} == set(get_args(Warned))


def test_each_limit_has_its_own_words() -> None:
    assert len({words.limit(Limit(resource=each, sequences=2)) for each in Resource}) == len(Resource)


LIMITS: list[tuple[Resource, str, dict[str, Any]]] = [
    (Resource.NOTHING, "bert-base-uncased", {"gpu": "24GiB", "context": 512}),
    (Resource.SEQUENCES, "llama-3.1-8b", {"gpu": "h100-80gb", "max_num_seqs": 7}),
    (Resource.POOL, "llama-3.1-8b", {"engine": "vllm", "settings": {"num_gpu_blocks_override": "600"}}),
    (Resource.CACHE, "llama-3.1-8b", {"gpu": "h100-80gb"}),
    (Resource.WEIGHTS, "llama-3.1-70b", {"gpu": "h100-80gb"}),
    (Resource.OVERHEAD, "llama-3.1-8b", {"gpu": "h100-80gb", "overhead": "100GiB"}),
]


@pytest.mark.parametrize(("resource", "model", "asked"), LIMITS)
def test_a_limit_names_its_resource(resource: Resource, model: str, asked: dict[str, Any]) -> None:
    answer = kvplan.fit(model, **{"gpu": "h100-80gb", "context": 8192, **asked})
    assert answer.limit.resource is resource
    assert answer.to_dict()["limit"] == words.limit(answer.limit)


def test_sources_say_how_each_figure_is_known() -> None:
    """By themselves, as given, and of a card whose driver's figure is not known."""
    plain = kvplan.fit("llama-3.1-8b", gpu="h100-80gb", context=8192).sources
    known = Origin.DRIVER, Origin.PARAMETERS, Origin.DEFAULT, Origin.ESTIMATE
    assert (plain.gpu_bytes, plain.weights, plain.utilization, plain.overhead) == known
    asked: dict[str, Any] = {"gpu": "80GB", "weights": "16GB", "utilization": 0.9, "overhead": 0}
    given = kvplan.fit("llama-3.1-8b", context=8192, **asked).sources
    assert {given.gpu_bytes, given.weights, given.utilization, given.overhead} == {Origin.GIVEN}
    labelled = kvplan.fit("llama-3.1-8b", gpu="a16-16gb", context=1024, weight_dtype="fp8")
    assert labelled.sources.gpu_bytes is Origin.LABEL
    assert LabelRead(gpu="a16-16gb", total_bytes=16 * 10**9) in labelled.warnings
    assert kvplan.fit("llama-3.1-8b", kv_memory="1GiB", context=8192).sources.weights is None


def test_a_hint_names_an_option_and_its_value() -> None:
    (first, *_) = kvplan.fit("llama-3.1-8b", gpu="h100-80gb", context=8192).hints
    assert (first.option, first.value) == ("kv_dtype", "fp8")
    assert words.change(first) == "--kv-dtype fp8"
    changed: dict[str, Any] = {first.option: first.value}
    assert kvplan.fit("llama-3.1-8b", gpu="h100-80gb", context=8192, **changed).max_batch == first.max_batch
