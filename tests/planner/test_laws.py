"""What must hold for every spec, context, batch and spread."""

from itertools import permutations
from random import Random
from typing import Any

from hypothesis import assume, given, settings
from hypothesis import strategies as st

import kvplan
from kvplan.planner.choice import Choice
from kvplan.planner.deployment import deploy
from kvplan.specs import ModelSpec
from kvplan.units import GIB
from tests.strategies import BATCHES, TOKENS, TPS, grouped, specs

MEMORIES = st.integers(1 * GIB, 200 * GIB)


@given(specs(), TOKENS, st.integers(0, 5000), TPS)
def test_bytes_never_fall_when_the_context_grows(spec: ModelSpec, tokens: int, more: int, tp: int) -> None:
    short, long = (kvplan.size(spec, context=each, tp=tp) for each in (tokens, tokens + more))
    assert short.bytes_per_sequence <= long.bytes_per_sequence
    assert short.fixed_bytes == long.fixed_bytes <= short.bytes_per_sequence


@given(specs(), TOKENS, BATCHES, TPS)
def test_a_batch_is_that_many_sequences(spec: ModelSpec, tokens: int, batch: int, tp: int) -> None:
    answer = kvplan.size(spec, context=tokens, batch=batch, tp=tp)
    assert answer.total_bytes == batch * answer.bytes_per_sequence
    assert answer.total_bytes_all_gpus == tp * answer.total_bytes
    assert sum(layer.bytes_per_sequence for layer in answer.layers) == answer.bytes_per_sequence


@given(specs(), TOKENS, TPS)
def test_growth_is_the_slope_of_a_long_sequence(spec: ModelSpec, tokens: int, tp: int) -> None:
    far = 10**6 + tokens
    here, there = (kvplan.size(spec, context=each, tp=tp) for each in (far, far + 128))
    assert there.bytes_per_sequence - here.bytes_per_sequence == 128 * here.bytes_per_token


@given(specs(), MEMORIES, TOKENS, BATCHES, TPS)
def test_the_lines_sum_to_the_card(spec: ModelSpec, gpu: int, tokens: int, batch: int, tp: int) -> None:
    memory = kvplan.fit(spec, gpu=gpu, context=tokens, batch=batch, tp=tp).memory
    lines = (
        memory.gpu_bytes - memory.budget_bytes,
        memory.weights_bytes,
        memory.activation_bytes,
        memory.overhead_bytes,
        memory.kv_used_bytes,
        memory.free_bytes,
    )
    assert sum(lines) == memory.gpu_bytes == gpu
    assert memory.kv_bytes == max(0, memory.kv_used_bytes + memory.free_bytes)


@given(specs(), MEMORIES, TOKENS, TPS)
def test_max_batch_is_the_last_that_fits(spec: ModelSpec, kv_memory: int, tokens: int, tp: int) -> None:
    answer = kvplan.fit(spec, kv_memory=kv_memory, context=tokens, tp=tp)
    each = answer.bytes_per_sequence
    assume(each)
    assert answer.max_batch == answer.analytic_max_batch == kv_memory // each
    assert answer.fits == (answer.max_batch >= 1)


@given(specs(), MEMORIES, BATCHES, TPS)
def test_max_context_is_the_last_that_fits(spec: ModelSpec, kv_memory: int, batch: int, tp: int) -> None:
    answer = kvplan.fit(spec, kv_memory=kv_memory, context=1, batch=batch, tp=tp)
    if answer.max_context is None:
        assert answer.bytes_per_token == 0
        return

    def fits(tokens: int) -> bool:
        return kvplan.size(spec, context=tokens, batch=batch, tp=tp).total_bytes <= kv_memory

    assert not fits(answer.max_context + 1)
    assert answer.max_context == 0 or fits(answer.max_context)


@given(specs(), TOKENS, st.integers(0, 5))
def test_a_wider_spread_never_makes_a_rank_fuller(spec: ModelSpec, tokens: int, power: int) -> None:
    """Replication may cost over all GPUs, but never on one of them."""
    legal = [tp for tp in kvplan.check(spec).legal_tp if tp <= 2**power]
    sizes = [kvplan.size(spec, context=tokens, tp=tp) for tp in legal]
    per_rank = [size.bytes_per_sequence for size in sizes]
    assert per_rank == sorted(per_rank, reverse=True)
    all_gpus = [size.total_bytes_all_gpus for size in sizes]
    assert all_gpus[0] == min(all_gpus)


@given(grouped(), TOKENS, st.integers(0, 1000), st.sampled_from(("sliding", "chunked")))
def test_a_window_no_shorter_than_the_context_changes_nothing(
    facts: dict[str, int], tokens: int, more: int, kind: str
) -> None:
    common = {"name": "w", "source": "s", "dtype": "bfloat16", "max_context": 1, "layers": 3}
    bound = {"sliding": "window", "chunked": "chunk"}[kind]
    full = ModelSpec.model_validate({**common, "attention": facts})
    bounded = ModelSpec.model_validate({**common, "attention": {**facts, "kind": kind, bound: tokens + more}})
    a, b = (kvplan.size(spec, context=tokens).bytes_per_sequence for spec in (full, bounded))
    assert a == b


@given(specs(), TOKENS)
def test_a_hybrid_is_the_sum_of_its_layers(spec: ModelSpec, tokens: int) -> None:
    alone = 0
    for name in spec.layer_types:
        facts = spec.model_dump() | {"layers": 1, "attention": {name: spec.attention[name]}}
        facts["layers"] = ({"repeat": 1, "pattern": (name,)},)
        one = ModelSpec.model_validate(facts)
        alone += kvplan.size(one, context=tokens).bytes_per_sequence
    assert kvplan.size(spec, context=tokens).bytes_per_sequence == alone


@given(specs(), TOKENS, st.randoms(use_true_random=False))
def test_the_order_of_layers_matters_only_to_stages(spec: ModelSpec, tokens: int, random: Random) -> None:
    order = list(spec.layer_types)
    random.shuffle(order)
    shuffled = spec.model_copy(
        update={"layers": (spec.layers[0].model_copy(update={"repeat": 1, "pattern": tuple(order)}),)}
    )
    assert sorted(shuffled.layer_types) == sorted(spec.layer_types)
    answers = [kvplan.size(each, context=tokens, tp=1) for each in (spec, shuffled)]
    assert answers[0].bytes_per_sequence == answers[1].bytes_per_sequence
    assert answers[0].total_bytes_all_gpus == answers[1].total_bytes_all_gpus


@given(specs(), TOKENS, st.integers(1, 6), TPS)
def test_the_fullest_stage_decides(spec: ModelSpec, tokens: int, pp: int, tp: int) -> None:
    assume(pp <= spec.layer_count)
    deployment = deploy(spec, Choice(tp=tp, pp=pp))
    stages = [sum(term.bytes_on_rank(tokens, tp) for term in stage.terms()) for stage in deployment.stages]
    answer = kvplan.size(spec, context=tokens, tp=tp, pp=pp)
    assert answer.bytes_per_sequence == max(stages)
    assert answer.total_bytes_all_gpus == tp * sum(stages)
    assert tuple(name for stage in deployment.stages for name in stage.types) == spec.layer_types


@given(specs(), BATCHES, st.integers(1, 9))
def test_replicas_share_the_batch(spec: ModelSpec, batch: int, dp: int) -> None:
    answer = kvplan.size(spec, context=1000, batch=batch, dp=dp)
    assert answer.total_bytes == -(-batch // dp) * answer.bytes_per_sequence
    assert answer.total_bytes_all_gpus == batch * answer.bytes_per_sequence


@settings(max_examples=30)
@given(specs(), MEMORIES, TOKENS, BATCHES)
def test_the_smallest_spread_holds_and_no_better_one_does(
    spec: ModelSpec, gpu: int, tokens: int, batch: int
) -> None:
    """Tensor parallelism alone comes first, in the fewest GPUs; and none with half the GPUs holds it."""
    asked: dict[str, Any] = {"gpu": gpu, "context": tokens, "batch": batch}
    best = kvplan.fit(spec, **asked).smallest_gpus
    if best is None or best.gpus > 8:
        return
    assert best.tp * best.pp == best.gpus

    def holds(tp: int, pp: int) -> bool:
        return kvplan.fit(spec, **asked, tp=tp, pp=pp, advice=False).fits

    assert holds(best.tp, best.pp)
    inside = [tp for tp in kvplan.check(spec).legal_tp if tp <= 8]
    assert not any(holds(tp, 1) for tp in inside if tp <= best.gpus - (best.pp == 1))
    halves = [(tp, pp) for tp in inside for pp in range(2, spec.layer_count + 1) if 2 * tp * pp < best.gpus]
    assert not any(holds(tp, pp) for tp, pp in halves)


def test_permuted_two_stage_hybrids_differ_only_in_the_fullest_stage() -> None:
    """Two full layers of 512 B and two windows of 1 token: split 2 and 2, the order decides."""
    full = {"kind": "mqa", "heads": 1, "head_dim": 128}
    window = {"kind": "sliding", "heads": 1, "groups": 1, "head_dim": 128, "window": 1}
    seen = set()
    for order in set(permutations("ffww")):
        spec = ModelSpec.model_validate(
            {
                "name": "two-stages",
                "source": "by hand",
                "dtype": "bfloat16",
                "max_context": 10,
                "layers": ({"repeat": 1, "pattern": order},),
                "attention": {"f": full, "w": window},
            }
        )
        answer = kvplan.size(spec, context=10, pp=2)
        assert answer.total_bytes_all_gpus == 2 * 512 * 10 + 2 * 512 * 1
        seen.add(answer.bytes_per_sequence)
    assert seen == {512 * 20, 512 * 11}
