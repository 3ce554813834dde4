"""What each rank holds of the weights, by hand."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

import kvplan
from kvplan.errors import KvplanError
from kvplan.planner.choice import Choice
from kvplan.planner.deployment import deploy
from kvplan.planner.weights import least_weights, rank_weights, stage_weights, stored_weights
from kvplan.specs import ModelSpec
from kvplan.specs.catalogue import catalogue_folder, read_index
from kvplan.specs.load import load, load_file
from kvplan.specs.releases import as_quantized
from kvplan.units import ceil_div

FACTS: dict[str, Any] = {
    "name": "toy",
    "source": "by hand",
    "dtype": "bfloat16",
    "max_context": 64,
    "hidden": 8,
    "attention": {"kind": "mha", "heads": 2, "head_dim": 4},
    "layers": 4,
}


RANKS = 8
GIVEN = 30_000_000_000


def spec(**facts: object) -> ModelSpec:
    return ModelSpec.model_validate({**FACTS, **facts})


def test_embedding_and_head_are_on_the_ends() -> None:
    """10 rows of 8 each, 1000 - 160 parameters over 4 layers: 80 + 210, 420, 210 + 80; two bytes each."""
    untied = spec(parameters=1000, vocab=10, tied=False, replicated=0)
    assert rank_weights(untied, 2000, tp=1, stages=(1, 2, 1)) == (580, 840, 580)
    assert rank_weights(untied, 2000, tp=1, stages=(4,)) == (2000,)


def test_a_tied_embedding_is_on_both_ends() -> None:
    """(1000 - 80) / 4 layers; vLLM keeps a copy on the last stage."""
    tied = spec(parameters=1000, vocab=10, tied=True, replicated=0)
    assert rank_weights(tied, 2000, tp=1, stages=(2, 2)) == (1080, 1080)
    assert rank_weights(tied, 2000, tp=1, stages=(4,)) == (2000,)


def test_an_embedding_in_the_hosts_memory_is_on_no_stage() -> None:
    """llama.cpp keeps the input embedding there: get_layer_buft_list in src/llama-model.cpp."""
    untied = spec(parameters=1000, vocab=10, tied=False, replicated=0)
    assert rank_weights(untied, 2000, tp=1, stages=(2, 2), embedding=False) == (840, 1000)
    tied = spec(parameters=1000, vocab=10, tied=True, replicated=0)
    assert rank_weights(tied, 2000, tp=1, stages=(4,), embedding=False) == (2000,)


def test_what_is_replicated_is_whole_on_every_rank() -> None:
    """900 of 1000 parameters are divided by 4, 100 are not: 325 on each rank."""
    model = spec(parameters=1000, vocab=10, tied=True, replicated=100)
    assert rank_weights(model, 2000, tp=4, stages=(4,)) == (650,)


def test_without_the_facts_the_ranks_share_evenly() -> None:
    assert rank_weights(spec(parameters=1000), 2001, tp=2, stages=(3, 1)) == (501, 501)
    assert rank_weights(spec(), 2001, tp=1, stages=(4,)) == (2001,)


def test_llama_over_four_stages_is_what_vllm_printed() -> None:
    """
    4.26 GiB on the fullest: the weights, and a table of 131072 x 128 rotations in 16 bits.

    github.com/llm-d-incubation/llm-d-planner/pull/205: vLLM 0.19.0, pp 4.
    """
    facts = {
        "parameters": 8_030_261_248,
        "hidden": 4096,
        "vocab": 128_256,
        "tied": False,
        "replicated": 266_240,
    }
    weights = rank_weights(spec(layers=32, **facts), 2 * 8_030_261_248, tp=1, stages=(8, 8, 8, 8))
    assert f"{(max(weights) + 131_072 * 128 * 2) / 2**30:.2f}" == "4.26"


@given(st.integers(1, 10**12), st.sampled_from([1, 2, 4, 8]), st.booleans(), st.integers(0, 500))
def test_all_ranks_together_hold_every_weight(size: int, tp: int, tied: bool, whole: int) -> None:  # noqa: FBT001
    model = spec(parameters=1000, vocab=10, tied=tied, replicated=whole)
    weights = rank_weights(model, size, tp=tp, stages=(1, 2, 1))
    assert tp * sum(weights) >= size
    assert all(
        one >= two
        for one, two in zip(weights, rank_weights(model, size, tp=2 * tp, stages=(1, 2, 1)), strict=True)
    )


def test_repeated_parameters_are_held_beside_the_rest() -> None:
    """Of 1000 parameters 160 are ends; 8 ranks hold 40 more in all, 5 each, of which the layers have 0.84."""
    untied = spec(parameters=1000, vocab=10, tied=False, replicated=0)
    (alone,) = rank_weights(untied, 1000, tp=8, stages=(4,))
    (repeated,) = rank_weights(untied, 1000, tp=8, stages=(4,), repeated=40)
    assert (alone, repeated) == (125, 130)


def test_each_rank_has_the_projections_of_a_whole_kv_head() -> None:
    """
    Qwen2.5-3B has 2 KV heads of 128 and a width of 2,048: over 8 ranks 6 heads more, of keys and of values.

    3,085,938,688 parameters and 36 x 2 x 6 x 128 x 2,048 = 113,246,208 more, and 8 times all that is whole.
    """
    qwen = load("qwen2.5-3b")
    whole = qwen.replicated or 0
    held = 2 * (3_085_938_688 - whole + 8 * whole + 113_246_208)
    plan = kvplan.plan("qwen2.5-3b", gpu="h100-80gb", engine="vllm", tp=8)
    assert plan.weights == (ceil_div(held, 8),)


STORED = {"embedding_bytes": 90, "inputs_bytes": 4, "layers_bytes": [100, 110, 120, 130], "head_bytes": 70}


def test_a_files_own_tensors_are_where_their_layers_are() -> None:
    """Of a mixture of types no two layers need weigh alike; tables of 5 bytes are on each device."""
    file = spec(weight_bytes=700, tied=False, tensors={**STORED, "everywhere_bytes": 5})
    assert file.tensors is not None
    host = stored_weights(file, file.tensors, stages=(2, 1, 1), embedding=False)
    assert host == (100 + 110 + 5, 120 + 5, 130 + 5 + 70)
    card = stored_weights(file, file.tensors, stages=(2, 2), embedding=True)
    assert card == (90 + 4 + 100 + 110 + 5, 120 + 130 + 5 + 70)


def test_a_tied_embedding_is_copied_to_where_the_head_is() -> None:
    file = spec(weight_bytes=700, tied=True, tensors=STORED)
    assert file.tensors is not None
    assert stored_weights(file, file.tensors, stages=(4,), embedding=True) == (90 + 4 + 460 + 70,)
    assert stored_weights(file, file.tensors, stages=(4,), embedding=False) == (460 + 70 + 90,)
    assert stored_weights(file, file.tensors, stages=(1, 3), embedding=True) == (90 + 4 + 100, 360 + 70 + 90)


def test_the_least_weights_are_those_of_a_files_own_tensors() -> None:
    """Of 4 layers, the head and an embedding in the host's memory: no more GPUs are thought needed."""
    file = spec(weight_bytes=700, parameters=1000, vocab=10, tied=False, tensors=STORED)
    deployment = deploy(file, Choice(engine="llamacpp"))
    assert least_weights(deployment, 700) == 460 + 70
    assert stage_weights(deployment, 700) == (460 + 70,)


def test_as_many_layers_are_stored_as_there_are() -> None:
    with pytest.raises(ValidationError, match="tensors has 4 layers_bytes for 5 layers"):
        spec(layers=5, tensors=STORED)


def _few_heads() -> list[str]:
    """Catalogue models with counted parameters, and fewer KV heads than 8 ranks, but more than one."""
    found = []
    for name in sorted(set(read_index().values())):
        model = load_file(catalogue_folder() / name)
        groups = [getattr(kind, "groups", 1) for kind in model.kinds()]
        if model.parameters is not None and any(1 < count < RANKS for count in groups):
            found.append(model.name)
    return found


@pytest.mark.parametrize("name", _few_heads())
def test_a_release_in_other_weights_is_spread_as_its_base(name: str) -> None:
    """Of given weights each rank has its own share, and as much of the KV projections as the base's ranks."""
    base = load(name)
    release = as_quantized(base, "somebody/a-release")
    assert release.weights() is None
    for tp in (2, RANKS):
        try:
            spread = stage_weights(deploy(base, Choice(engine="vllm", tp=tp)), GIVEN)
        except KvplanError:
            continue
        assert stage_weights(deploy(release, Choice(engine="vllm", tp=tp)), GIVEN) == spread


def test_a_release_has_its_kv_projections_on_every_rank() -> None:
    """
    Qwen3 30B A3B's 4 KV heads of 128 over 8 ranks: 4 heads' matrices of K and V more, of 2048 rows a layer.

    Norms and routers (`replicated`) are whole on each rank, too.
    """
    base = load("qwen3-30b-a3b")
    assert base.parameters is not None
    assert base.replicated is not None
    more = 48 * 2 * 4 * 128 * 2048
    held = base.parameters + 7 * base.replicated + more
    release = deploy(as_quantized(base, "somebody/a-release"), Choice(engine="vllm", tp=8))
    assert stage_weights(release, GIVEN) == (ceil_div(GIVEN * held, base.parameters * 8),)
