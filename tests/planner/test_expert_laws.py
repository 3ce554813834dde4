"""Laws of experts that are dealt out, and of attention that is whole on each rank."""

from dataclasses import replace
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

import kvplan
from kvplan.planner.choice import Choice
from kvplan.planner.deployment import Deployment, deploy
from kvplan.planner.weights import all_weights, stage_weights
from kvplan.specs import ModelSpec
from kvplan.specs.parts import LayerParts, ModelParts
from kvplan.specs.runs import LayerRun

SIZES = st.integers(0, 10**6)
DEGREES = st.sampled_from((1, 2, 4, 8))
HEADS = 8
LAYERS = st.builds(
    LayerParts,
    attention=SIZES,
    whole=SIZES,
    dense=SIZES,
    shared=SIZES,
    router=SIZES,
    expert=SIZES,
    experts=st.integers(1, 20),
)


@st.composite
def models(draw: st.DrawFn) -> ModelSpec:
    """A mixture in bfloat16 of one or two kinds of layers."""
    kinds = draw(st.lists(LAYERS, min_size=1, max_size=2, unique=True))
    names = [f"kind{number}" for number in range(len(kinds))]
    parts = ModelParts(
        embedding=draw(SIZES),
        head=draw(SIZES),
        beside=draw(SIZES),
        tower=draw(SIZES),
        kinds=dict(zip(names, kinds, strict=True)),
        layers=(LayerRun(repeat=draw(st.integers(1, 3)), pattern=tuple(names)),),
    )
    return ModelSpec.model_validate(
        {
            "name": "model",
            "dtype": "bfloat16",
            "max_context": 4096,
            "parameters": max(1, parts.parameters()),
            "parts": parts if parts.parameters() else None,
            "layers": len(parts.of_layers),
            "attention": {"kind": "mha", "heads": HEADS, "head_dim": 16},
        }
    )


@st.composite
def deployments(draw: st.DrawFn) -> Deployment:
    """A mixture by an engine that deals its experts out, or cuts them."""
    spec = draw(models().filter(lambda spec: spec.parts is not None))
    engine = draw(st.sampled_from(("exact", "vllm", "sglang")))
    tp, dp = draw(DEGREES), draw(DEGREES)
    whole, attention = draw(st.booleans()), engine == "sglang" and draw(st.booleans())
    ranks = tp * dp if engine == "vllm" or attention else tp
    options: dict[str, Any] = {"ep": ranks} if whole else {}
    if attention:
        options["settings"] = {"enable_dp_attention": "true"}
    if engine == "sglang":
        spec = spec.model_copy(update={"architecture": "mixtral"})
    return deploy(spec, Choice(engine=engine, tp=tp, dp=dp, **options))


def weights(deployment: Deployment) -> int:
    found = deployment.spec.weights()
    assert found is not None
    return found


@given(deployments())
def test_every_expert_is_stored_at_least_once(deployment: Deployment) -> None:
    shares = deployment.engine.shares(deployment.options)
    assert deployment.spec.parts is not None
    for layer in deployment.spec.parts.of_layers:
        held = [shares.on_rank(layer.experts, rank) for rank in range(shares.experts)]
        assert sum(held) == layer.experts
        assert held == sorted(held, reverse=True)
        assert held[0] - held[-1] <= 1


@given(deployments())
def test_all_ranks_hold_the_model_and_what_is_repeated(deployment: Deployment) -> None:
    """Each part counts as often as it is held; what is cut may round up by less than a byte on each rank."""
    parts, ranks = deployment.spec.parts, deployment.tp * deployment.dp
    shares = deployment.engine.shares(deployment.options)
    if parts is None or (deployment.engine.even_weights and deployment.choice.ep == 1):
        assert all_weights(deployment, weights(deployment)) >= deployment.dp * weights(deployment)
        return

    def copies(amount: object, cut: int) -> int:
        assert isinstance(amount, int)
        return 2 * amount * (ranks // cut)

    held = copies(parts.embedding, shares.embedding) + copies(parts.tower, shares.embedding)
    held += copies(parts.head, shares.head) + copies(parts.beside, 1)
    for layer in parts.of_layers:
        held += copies(layer.attention, shares.attention) + copies(layer.whole, 1) + copies(layer.router, 1)
        held += copies(layer.dense, shares.dense) + copies(layer.shared, shares.shared)
        assert isinstance(layer.expert, int)
        held += 2 * layer.expert * layer.experts * (ranks // (shares.expert * shares.experts))
    rounded = ranks * sum(5 + layer.experts for layer in parts.of_layers) + 4 * ranks
    assert held <= all_weights(deployment, weights(deployment)) <= held + rounded
    assert held >= weights(deployment)


@given(deployments())
def test_the_fullest_rank_decides(deployment: Deployment) -> None:
    (most,) = stage_weights(deployment, weights(deployment))
    assert most * deployment.tp * deployment.dp >= all_weights(deployment, weights(deployment))


@given(deployments(), st.integers(1, 4096))
def test_a_sequence_is_never_smaller_for_more_replicas(deployment: Deployment, tokens: int) -> None:
    """It lies whole on the tp ranks of its replica, whatever is done with the experts."""
    alone = replace(deployment.choice, dp=1, ep=1, settings={})
    assert deployment.sequence_bytes(tokens) == deploy(deployment.spec, alone).sequence_bytes(tokens)


def test_attention_of_fewer_ranks_takes_more_of_each() -> None:
    """SGLang's tp of 8 with 8 groups of attention: a sequence has one rank, and its experts all of them."""
    whole = kvplan.fit("qwen3-235b-a22b", gpu="h200", engine="sglang", tp=8, context="32k", advice=False)
    groups: dict[str, Any] = {"tp": 1, "dp": 8, "ep": 8, "settings": {"enable_dp_attention": "true"}}
    apart = kvplan.fit(
        "qwen3-235b-a22b", gpu="h200", engine="sglang", utilization=0.8, context="32k", advice=False, **groups
    )
    # 4 KV heads: a rank of 8 has one, and one alone has all.
    assert apart.bytes_per_sequence == 4 * whole.bytes_per_sequence
    assert apart.memory.weights_bytes > whole.memory.weights_bytes
    assert (apart.experts and apart.experts.on_gpu) == 128 // 8


def test_experts_that_a_spec_does_not_count_are_planned_whole_and_it_says_so() -> None:
    settings = {"enable_expert_parallel": "true"}
    spec = kvplan.load("deepseek-v3").model_copy(update={"parts": None})
    answer = kvplan.fit(spec, gpu="h200", engine="vllm", dp=8, settings=settings, context="32k", advice=False)
    assert "does not count its weights by part" in answer.to_dict()["warnings"][0]
    counted = kvplan.fit(
        "deepseek-v3", gpu="h200", engine="vllm", dp=8, settings=settings, context="32k", advice=False
    )
    assert answer.memory.weights_bytes > counted.memory.weights_bytes
    assert counted.to_dict()["warnings"] == ()
