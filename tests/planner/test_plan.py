"""A plan as a value: its lines and its bytes are one ledger, and it can be sent to another process."""

import pickle
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import kvplan
from kvplan.engines import Arrangement, Line, engine_names
from kvplan.errors import NoRoomError
from kvplan.loads import dealt
from kvplan.planner.budget import Asked
from kvplan.planner.choice import Choice
from kvplan.planner.deployment import deploy
from kvplan.planner.plan import Plan, make_plan
from kvplan.planner.work import as_load
from kvplan.units import GIB

LOAD: list[tuple[int | str, int]] = [("8k", 3), (100, 2)]


def plan(engine: str) -> Plan:
    deployment = deploy(kvplan.load("llama-3.1-8b"), Choice(engine=engine))
    return make_plan(deployment, Asked(kv_memory="40GiB"), longest=8192)


class ABlockMore:
    """An arrangement whose lines have a block that its bytes do not have."""

    def __init__(self, right: Arrangement) -> None:
        self.right = right

    def lines(self, **load: Any) -> tuple[Line, ...]:
        return (*self.right.lines(**load), Line(name="spare", size_bytes=1, reason="made up"))

    def __getattr__(self, name: str) -> Any:
        return getattr(self.right, name)


@pytest.mark.parametrize("engine", engine_names())
def test_lines_that_are_not_the_bytes_are_no_answer(engine: str) -> None:
    right = plan(engine)
    assert right.waterfall(LOAD)
    arrangement: Any = ABlockMore(right.deployment.arrangement)
    wrong = replace(right, deployment=replace(right.deployment, arrangement=arrangement))
    with pytest.raises(kvplan.KvplanError, match="contradicts itself"):
        wrong.waterfall(LOAD)


@pytest.mark.parametrize("engine", engine_names())
def test_a_plan_is_the_same_in_another_process(engine: str) -> None:
    here = plan(engine)
    there = pickle.loads(pickle.dumps(here))  # noqa: S301 - its own
    assert there.max_batch("8k") == here.max_batch("8k")
    assert there.waterfall(LOAD) == here.waterfall(LOAD)


RESULTS = [
    lambda: kvplan.size("llama-3.1-8b"),
    lambda: kvplan.fit("llama-3.1-8b", gpu="h100-80gb"),
    lambda: kvplan.check("llama-3.1-8b"),
    lambda: kvplan.explain("llama-3.1-8b"),
    lambda: kvplan.load("gemma-3-27b"),
    lambda: kvplan.plan("gemma-3-27b", gpu="h100-80gb", engine="vllm"),
]


@pytest.mark.parametrize("ask", RESULTS)
def test_what_is_answered_is_a_key_here_and_in_another_process(ask: Callable[[], object]) -> None:
    here = ask()
    there = pickle.loads(pickle.dumps(here))  # noqa: S301 - its own
    assert there == here
    assert hash(there) == hash(here)


def test_a_plan_answers_what_fit_reports() -> None:
    """Each figure of a report is what its plan says of the same load."""
    options: dict[str, Any] = {"gpu": "h100-80gb", "engine": "vllm", "tp": 2}
    made, told = (
        kvplan.plan("gemma-3-27b", **options),
        kvplan.fit("gemma-3-27b", context="8k", batch=8, **options),
    )
    load: list[tuple[int | str, int]] = [("8k", 8)]
    assert (made.fits(load), made.max_batch("8k"), made.max_context(8)) == (
        told.fits,
        told.max_batch,
        told.max_context,
    )
    assert (made.memory(load), made.waterfall(load)) == (told.memory, told.waterfall)
    advice = made.advice("8k", batch=8)
    assert (advice.smallest_tp, advice.smallest_gpus, advice.hints) == (
        told.smallest_tp,
        told.smallest_gpus,
        told.hints,
    )
    start_up = made.start_up("8k")
    assert start_up is not None
    assert (start_up.num_blocks, start_up.kv_tokens) == (told.num_blocks, told.kv_tokens)


KEPT = ("llama-3.1-8b", "gemma-3-27b", "qwen3.5-4b", "mamba-2.8b", "nemotron-h-8b", "deepseek-v4-flash")


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from(KEPT),
    st.fixed_dictionaries(
        {
            "engine": st.sampled_from(("exact", "vllm", "vllm@0.19", "sglang", "transformers")),
            "kv_memory": st.integers(10**8, 60 * GIB),
            "max_num_seqs": st.sampled_from((None, 1, 7, 300, 2000)),
        }
    ),
    st.sampled_from((1, 900, 8192, 131_072, 300_000)),
    st.integers(1, 600),
)
def test_a_plan_holds_what_fit_holds(model: str, options: dict[str, Any], context: int, batch: int) -> None:
    """Also where the engine would not start with so long a context, or so many sequences."""
    try:
        made = kvplan.plan(model, **options)
    except kvplan.KvplanError:
        return
    try:
        told = kvplan.fit(model, context=context, batch=batch, advice=False, **options)
        max_batch, fits = told.max_batch, told.fits
    except NoRoomError:
        assert made.refusal(context)
        max_batch, fits = 0, False
    assert made.max_batch(context) == max_batch
    assert made.fits([(context, batch)]) == fits == (max_batch is None or max_batch >= batch)


def test_more_sequences_than_blocks_for_states_are_refused_by_a_plan() -> None:
    """Issue 49064 of vLLM has such a start; on more GPUs there are blocks for all."""
    options: dict[str, Any] = {"engine": "vllm", "kv_memory": "46.71GiB", "kv_dtype": "fp8"}
    # 976 blocks, each with the states of 48 layers in groups of 16.
    plans = [kvplan.plan("qwen3.6-27b", max_num_seqs=most, **options) for most in (976, 977)]
    assert [each.fits([(1, 1)]) for each in plans] == [True, False]
    assert [each.max_context(1) for each in plans] == [262_144, 0]
    assert plans[1].advice("8k").smallest_tp == 2


def test_what_is_not_read_is_not_computed(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    for name in ("advice", "analytic", "max_context", "memory", "start_up", "waterfall"):
        monkeypatch.setattr(Plan, name, lambda *_, name=name: asked.append(name))
    answer = kvplan.fit("llama-3.1-8b", gpu="h100-80gb", context="8k")
    assert (answer.fits, answer.max_batch, asked) == (True, 53, [])
    assert (answer.max_context, answer.max_context, asked) == (None, None, ["max_context"])


def test_an_answer_does_not_change() -> None:
    answer: Any = kvplan.fit("llama-3.1-8b", gpu="h100-80gb", context="8k")
    with pytest.raises(AttributeError):
        answer.max_batch = 54
    assert answer.max_batch == 53


def test_without_advice_the_rest_is_the_same() -> None:
    asked: dict[str, Any] = {"gpu": "h100-80gb", "context": "8k", "batch": 4}
    whole, bare = kvplan.fit("qwen3-8b", **asked), kvplan.fit("qwen3-8b", advice=False, **asked)
    left_out = {"smallest_tp": None, "smallest_gpus": None, "hints": ()}
    assert whole.to_dict() | left_out == bare.to_dict()


@pytest.mark.parametrize(
    ("load", "told"),
    [
        (8192, "pairs of tokens and sequences"),
        ([8192], "pairs of tokens and sequences"),
        ([("8k", 1, 2)], "pairs of tokens and sequences"),
        ([("8q", 1)], "is not a number of tokens"),
        ([("8k", 0)], "not between 1"),
        ([("8k", "x")], "sequences: found 'x'; expected an int"),
        ([(None, 1)], "tokens: found None; expected an int or text"),
        ([(10**5000, 1)], "tokens: found an int beyond"),
        ([b"ab"], "pairs of tokens and sequences"),
    ],
)
def test_what_is_no_load_is_refused(load: Any, told: str) -> None:
    with pytest.raises(kvplan.KvplanError, match=told):
        plan("exact").fits(load)


def test_replicas_share_sequences_out() -> None:
    """The longest first, in turn: of three long ones one of two replicas gets two, and fewer short ones."""
    one, two = (kvplan.plan("llama-3.1-8b", kv_memory="8GiB", dp=dp) for dp in (1, 2))
    # 8 GiB / 128 KiB are 65,536 tokens.
    assert one.fits([(32_768, 1), (1_024, 32)])
    assert not one.fits([(32_768, 1), (1_024, 33)])
    assert two.fits([(32_768, 2), (1_024, 64)])
    assert two.fits([(32_768, 4)])
    assert not two.fits([(32_768, 4), (1, 1)])
    # One replica has 32,768 + 32,767 tokens, the other 32,768 and a short one.
    assert two.fits([(32_768, 2), (32_767, 1), (1, 1)])


@given(st.lists(st.tuples(st.integers(1, 50), st.integers(1, 9)), min_size=1, max_size=6), st.integers(1, 5))
def test_the_fullest_replica_has_its_share_and_no_more(load: list[tuple[int, int]], replicas: int) -> None:
    """Dealt out by hand: every replicas-th of all sequences, from the longest on."""
    each = sorted((tokens for tokens, count in load for _ in range(count)), reverse=True)
    share = dealt(as_load(load), replicas)
    held = sorted((tokens for tokens, count in share for _ in range(count)), reverse=True)
    assert held == each[::replicas]


def test_what_a_caller_changes_later_changes_no_plan() -> None:
    """Settings are copied, and a spec of the catalogue, which all callers share, does not change."""
    given = {"num_gpu_blocks_override": "1000"}
    choice = Choice(engine="vllm", settings=given)
    deploy(kvplan.load("llama-3.1-8b"), choice)
    given["num_gpu_blocks_override"] = "2000"
    assert choice.settings == {"num_gpu_blocks_override": "1000"}
    asked: dict[str, Any] = {"gpu": "h100-80gb", "engine": "vllm", "context": "8k"}
    assert kvplan.fit("llama-3.1-8b", settings=given, **asked).num_blocks == 2000
    spec = kvplan.load("gemma-3-27b")
    with pytest.raises(TypeError, match="does not change"):
        spec.attention["global"] = ()


def test_lengths_that_are_equal_are_one_length() -> None:
    """Two replicas deal 106 sequences out as 53 and 53, however they are written."""
    two = kvplan.plan("llama-3.1-8b", gpu="h100-80gb", dp=2)
    assert two.max_batch("8k") == 106
    assert two.fits([("8k", 106)])
    assert two.fits([("8k", 53), (8192, 53)])


def test_no_answer_is_longer_than_its_engine_takes() -> None:
    """VLLM refuses 256k tokens of a model for 128k, so no plan promises them."""
    made = kvplan.plan("llama-3.1-8b", gpu="h200-141gb", engine="vllm")
    assert made.max_context(1) == 131_072
    assert made.max_batch("256k") == 0
    assert not made.fits([("256k", 1)])
    assert all(hint.max_context == 131_072 for hint in made.advice("8k").hints)
    longer = kvplan.plan(
        "llama-3.1-8b",
        gpu="h200-141gb",
        engine="vllm",
        settings={"allow_long_max_model_len": "true"},
    )
    assert longer.fits([("256k", 1)])


def test_a_model_of_states_has_no_longest_context_to_vllm() -> None:
    """Mamba's config names none: 2,048 tokens are what it was trained on."""
    assert kvplan.plan("mamba-2.8b", gpu="h100-80gb", engine="vllm").fits([("64k", 1)])


def test_weights_that_no_gpu_holds_need_no_more_gpus() -> None:
    """llama.cpp leaves the input embedding in the host's memory: less than all weights must fit."""
    asked: dict[str, Any] = {"engine": "llamacpp", "overhead": "0B", "context": "1k"}
    answer = kvplan.fit("llama-3.1-8b", gpu="15.6GB", **asked)
    assert answer.fits
    assert answer.smallest_gpus is not None
    assert (answer.smallest_gpus.gpus, answer.smallest_tp) == (1, 1)
