"""What must hold for every engine and every model of the catalogue: samples of a sweep over all of them."""

import json
import shlex
from functools import partial
from math import lcm
from typing import Any

from hypothesis import assume, given, settings
from hypothesis import strategies as st

import kvplan
from kvplan.engines.sglang.engine import TokenPools
from kvplan.engines.vllm.engine import PagedCache
from kvplan.loads import uniform
from kvplan.planner.budget import Asked
from kvplan.planner.choice import Choice
from kvplan.planner.deployment import deploy
from kvplan.planner.plan import Plan, make_plan
from kvplan.serving import read_command
from kvplan.specs.catalogue import spec_files
from kvplan.units import GIB

NAMES = sorted(path.stem for path in spec_files())
SETTINGS: dict[str, tuple[dict[str, str], ...]] = {
    "exact": ({},),
    "transformers": ({}, {"cache_implementation": "static"}),
    "vllm": ({}, {"hybrid_manager": "false"}, {"num_gpu_blocks_override": "5000"}),
    "sglang": (
        {},
        {"disable_hybrid_swa_memory": "true"},
        {"disable_hybrid_swa_memory": "false", "swa_full_tokens_ratio": "0.37"},
        {"mamba_radix_cache_strategy": "extra_buffer", "mamba_full_memory_ratio": "0.3"},
        {"mamba_radix_cache_strategy": "no_buffer", "max_mamba_cache_size": "37"},
        {"max_total_tokens": "100000"},
    ),
    "trtllm": ({}, {"max_tokens": "100000"}, {"max_attention_window": "1024,4096"}),
    "llamacpp": ({}, {"kv_unified": "true"}, {"swa_full": "true"}, {"flash_attn": "off"}),
}
"""Of each engine its own settings, and some that a user may choose."""

LESS_THAN_THE_FORMULA = {
    # Convolutions and states in the model's dtype, where the spec has its reference's float32; and of an
    # encoder's tokens no more than may be in flight.
    "vllm": {"row layout", "encoder reserve"},
    # Conv histories are bfloat16 whatever the model's dtype. A pool of states or windows that an option
    # sizes is smaller than what too many requests hold, which is then out of reach.
    "sglang": {"row layout", "state slots", "pool of windows"},
    # A user may make windows of layers that have none.
    "trtllm": {"attention windows"},
    # Models with less in a library's cache than in the formula, as run.
    "transformers": {"library"},
    "llamacpp": set[str](),
    "exact": set[str](),
}
"""The lines of a waterfall that may be below 0."""


@st.composite
def choices(draw: st.DrawFn) -> dict[str, Any]:
    engine = draw(st.sampled_from(sorted(SETTINGS)))
    own = engine not in ("exact", "transformers")
    return {
        "engine": engine,
        "settings": draw(st.sampled_from(SETTINGS[engine])),
        "tp": draw(st.sampled_from((1, 2, 8))) if engine != "llamacpp" else 1,
        "pp": draw(st.sampled_from((1, 2))),
        "dp": draw(st.sampled_from((1, 1, 3))),
        "kv_dtype": draw(st.sampled_from((None, None, "fp8"))) if engine != "llamacpp" else None,
        "max_num_seqs": draw(st.sampled_from((None, None, 16))),
        "max_num_batched_tokens": draw(st.sampled_from((None, 2048))) if own else None,
    }


CONTEXTS = st.sampled_from((1, 17, 1023, 4097, 100_001))
BATCHES = st.sampled_from((1, 3, 17, 256))
MEMORIES = st.sampled_from((123_456_789, 57 * GIB))


def plan_of(model: str, choice: dict[str, Any], memory: int = GIB) -> Plan | None:
    """Return a plan, or None where the engine, or kvplan, refuses it in one or two lines."""
    try:
        deployment = deploy(kvplan.load(model), Choice(**choice))
        return make_plan(deployment, Asked(kv_memory=memory), longest=4096)
    except kvplan.KvplanError as error:
        problem = str(error)
    assert 1 <= len(problem.splitlines()) <= 2
    return None


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(NAMES), choices(), CONTEXTS, BATCHES)
def test_the_lines_lead_from_the_formula_to_what_is_reserved(
    model: str, choice: dict[str, Any], context: int, batch: int
) -> None:
    plan = plan_of(model, choice)
    if plan is None:
        return
    arrangement = plan.deployment.arrangement
    for rank in range(len(plan.deployment.stages)):
        lines = arrangement.lines(rank=rank, load=uniform(context, batch))
        reserved = arrangement.reserved_bytes(rank=rank, load=uniform(context, batch))
        assert lines[0].name == "formula"
        assert sum(line.size_bytes for line in lines) == reserved
        below = {line.name for line in lines if line.size_bytes < 0}
        assert below <= LESS_THAN_THE_FORMULA[choice["engine"]]


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(NAMES), choices(), CONTEXTS, BATCHES, st.integers(1, 5000))
def test_what_is_reserved_never_falls(
    model: str, choice: dict[str, Any], context: int, batch: int, more: int
) -> None:
    plan = plan_of(model, choice)
    if plan is None:
        return
    arrangement = plan.deployment.arrangement
    reserved = arrangement.reserved_bytes
    for rank in range(len(plan.deployment.stages)):
        if isinstance(arrangement, PagedCache) and arrangement.layout.charge.hands_on(context):
            context -= arrangement.layout.charge.decode_tokens
        here = reserved(rank=rank, load=uniform(context, batch))
        assert reserved(rank=rank, load=uniform(context, 0)) <= here
        assert here <= reserved(rank=rank, load=uniform(context + more, batch))
        assert here <= reserved(rank=rank, load=uniform(context, batch + more))


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(NAMES), choices(), CONTEXTS, st.integers(1, 5000))
def test_the_first_sequence_and_each_one_more_say_all_of_equal_ones(
    model: str, choice: dict[str, Any], context: int, batch: int
) -> None:
    plan = plan_of(model, choice)
    rows = plan.deployment.arrangement.by_sequence(context) if plan else None
    if plan is None or rows is None:
        return
    reserved, load = plan.deployment.arrangement.reserved_bytes, uniform(context, batch)
    assert [each.of(batch) for each in rows] == [reserved(rank=rank, load=load) for rank in range(len(rows))]
    for each in rows:
        held = each.held(each.of(batch))
        assert held is None or (each.of(held) == each.of(batch) and held >= batch)


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(NAMES), choices(), CONTEXTS, CONTEXTS, BATCHES, BATCHES)
def test_unlike_sequences_lie_between_as_many_short_and_as_many_long_ones(  # noqa: PLR0913, PLR0917 - a load
    model: str, choice: dict[str, Any], context: int, other: int, batch: int, more: int
) -> None:
    plan = plan_of(model, choice)
    if plan is None:
        return
    arrangement, mixed = plan.deployment.arrangement, ((context, batch), (other, more))
    for rank in range(len(plan.deployment.stages)):
        reserved = partial(arrangement.reserved_bytes, rank=rank)
        low, high = (uniform(tokens, batch + more) for tokens in sorted((context, other)))
        assert reserved(load=low) <= reserved(load=mixed) <= reserved(load=high)
        assert reserved(load=mixed) == reserved(load=mixed[::-1])
        assert reserved(load=((context, batch), (context, more))) == reserved(
            load=uniform(context, batch + more)
        )
        lines = arrangement.lines(rank=rank, load=mixed)
        assert sum(line.size_bytes for line in lines) == reserved(load=mixed)


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(NAMES), choices())
def test_a_token_and_what_is_fixed_are_the_engines_own(model: str, choice: dict[str, Any]) -> None:
    """Between two long contexts that every block, page and stride divides, all that grows is tokens."""
    plan = plan_of(model, choice)
    # Under a ratio SGLang asks for memory of states with every token.
    if plan is None or "mamba_full_memory_ratio" in choice["settings"]:
        return
    arrangement = plan.deployment.arrangement
    sizes = {"llamacpp": 256 * 128}.get(choice["engine"], 1)
    if isinstance(arrangement, PagedCache):
        sizes = lcm(*(group.spec.block_size for group in arrangement.layout.groups if group.spec.block_size))
    step = lcm(sizes, 2**12)
    for rank in range(len(plan.deployment.stages)):
        reserved = partial(arrangement.reserved_bytes, rank=rank)
        before, after = uniform(step * 2**30, 1), uniform(step * 2**31, 1)
        grown = reserved(load=after) - reserved(load=before)
        if isinstance(arrangement, TokenPools):
            # Its pool of windows is rounded in floats, and an option may bound the pool of tokens.
            assume(arrangement.sizing.cells.window is None and arrangement.most_bytes(rank) is None)
            assume(not arrangement.fixed_bytes(rank))
        assert arrangement.token_bytes(rank) * step * 2**30 == grown
        empty = reserved(load=uniform(0, 1)) - reserved(load=())
        assert arrangement.fixed_bytes(rank) <= empty


@settings(max_examples=100, deadline=None)
@given(st.sampled_from(NAMES), choices(), MEMORIES, CONTEXTS, BATCHES)
def test_the_most_is_the_last_that_fits(
    model: str, choice: dict[str, Any], memory: int, context: int, batch: int
) -> None:
    plan = plan_of(model, choice, memory)
    if plan is None:
        return
    most, longest = plan.max_batch(context), plan.max_context(batch)
    if most is not None:
        assert most == 0 or plan.fits([(context, most)])
        assert not plan.fits([(context, most + choice["dp"])])
    if longest is not None:
        assert longest == 0 or plan.fits([(longest, batch)])
        assert not plan.fits([(longest + 1, batch)])


@settings(max_examples=100, deadline=None)
@given(st.sampled_from(NAMES), choices(), MEMORIES, CONTEXTS)
def test_no_engine_holds_more_than_the_formula_without_a_reason(
    model: str, choice: dict[str, Any], memory: int, context: int
) -> None:
    plan = plan_of(model, choice, memory)
    if plan is None:
        return
    formula = plan.analytic()
    most, ceiling = plan.max_batch(context), formula.max_batch(context)
    assume(plan.deployment.kv.name == formula.deployment.kv.name)
    if ceiling is None or (most is not None and most <= ceiling):
        return
    assert any(line.size_bytes < 0 for line in plan.waterfall([(context, 1)]))


@settings(max_examples=40, deadline=None)
@given(st.sampled_from(NAMES), choices(), CONTEXTS, BATCHES)
def test_an_answer_is_whole_and_its_command_means_the_same(
    model: str, choice: dict[str, Any], context: int, batch: int
) -> None:
    asked: dict[str, Any] = {"gpu": "h200-141gb", "context": context, "batch": batch}
    try:
        answer = kvplan.fit(model, **asked, **choice)
    except kvplan.KvplanError:
        return
    values = answer.to_dict()
    json.dumps(values, allow_nan=False)
    assert sum(line.size_bytes for line in answer.waterfall) == answer.memory.kv_used_bytes
    if answer.kv_range is not None:
        assert answer.kv_range[0] <= answer.memory.kv_bytes <= answer.kv_range[1]
    if answer.max_batch_range is not None and answer.max_batch is not None:
        assert answer.max_batch_range[0] <= answer.max_batch <= answer.max_batch_range[1]
    if answer.command is None:
        return
    served = read_command(shlex.split(answer.command))
    assert (served.engine, served.unknown) == (choice["engine"], ())
    # Sparse MLA in plain fp8 is the layout of one card's kernel, and of SGLang's word for another.
    assume(answer.engine.partition("@")[0] != "sglang" or answer.kv_dtype != "fp8")
    same: dict[str, Any] = {**served.asked, "batch": batch}
    if choice["engine"] == "llamacpp":
        # Its slots are the batch, and its bound.
        same["max_num_seqs"] = choice["max_num_seqs"]
        assume(choice["max_num_seqs"] is None)
    # A command may write out what was left to the engine. One with the most sequences that start says no
    # more that they are, and does not start in the least memory of the range.
    unlike = {"options"} | ({"warnings", "max_batch_range"} if answer.plan.lowered else set())
    again = kvplan.fit(model, gpu="h200-141gb", engine=served.engine, **same).to_dict()
    assert {name: again[name] for name in again.keys() - unlike} == {
        name: values[name] for name in values.keys() - unlike
    }
