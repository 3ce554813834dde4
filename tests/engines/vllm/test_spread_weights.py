"""
Weights and caches of mixtures at several tp, dp and ep, against vLLM 0.33's own classes.

Recorded of a faked H100: the parameters of rank 0 of each pipeline stage as the classes make them on the meta
device, with groups of these sizes, and the blocks for 60,000,000,000 B of cache and a context of 32,768
tokens.
"""

import json
import re
from pathlib import Path
from typing import Any

import pytest

import kvplan
from kvplan.errors import SplitError
from kvplan.planner.choice import Choice
from kvplan.planner.deployment import Deployment, deploy
from kvplan.planner.weights import stage_weights

SAID: dict[str, dict[str, list[int]]] = json.loads(
    Path(__file__).with_name("spread_weights.json").read_text(encoding="utf-8")
)
CASES = [(model, asked) for model, jobs in SAID.items() for asked in jobs]
AVAILABLE, CONTEXT = 60_000_000_000, 32_768

# What is made when the weights are loaded is not in the classes yet: two bytes for each weight of W_UK and
# W_UV, in each layer of a model whose up-projection of 512 x heads x 256 is in fp8. Heads of 128 and 64:
ABSORBED = {
    "deepseek-v3": (61, 2 * 512 * 128 * 256),
    "deepseek-v3.2": (61, 2 * 512 * 128 * 256),
    "kimi-k2": (61, 2 * 512 * 64 * 256),
}

# So is the form of experts in MXFP4 on Hopper, of a rank's 128 or 32 in each of 36 or 24 layers.
SWIZZLED = {"gpt-oss-120b": (36, 128), "gpt-oss-20b": (24, 32)}

# What is known to differ, of all stages together. Scales of the query, key, value and probabilities, of two
# bytes each, which go once the weights are loaded: 62 layers. The bias of a router in float32, which the
# release in bfloat16 leaves to its class: 75 layers of 256 experts. Where heads are repeated, their biases
# (92 layers of 8 x 128 keys and values) and norms (62 of 8 x 128, of which a rank of 16 has one whole) are,
# too.
_JOINED = {hidden: 4 * 4 * hidden + 4 + 1 for hidden in (4096, 7168)}
BESIDE: dict[str, dict[int | str | None, int]] = {
    "minimax-m2.5": {16: 62 * 8 + 62 * 64, None: 62 * 8},
    "glm-5.1": {None: 75 * 256 * 2},
    "glm-4.5": {16: 92 * 2 * 128},
    # Of the tower, cut as a whole here, embeddings, norms and outputs' biases are on each rank: 1408 x (1 and
    # 577 of classes and places, 4 of the ends, 6 of each of 34 layers) in two bytes.
    "llama-4-scout-17b-16e": {tp: 2 * 1408 * (578 + 4 + 34 * 6) * (tp - 1) // tp for tp in (1, 2, 4, 8)},
    # In float32: each rank has sinks of 64 heads at least, and each stage what joins the four streams after
    # all layers.
    "deepseek-v4-flash": dict.fromkeys(("tp8 dp1 pp2", "tp8 dp1 pp2 ep"), 4 * _JOINED[4096]),
    "deepseek-v4-pro": {
        **{tp: 4 * 61 * (64 - 128 // tp) for tp in (4, 8, 16)},
        **dict.fromkeys(("tp8 dp1 pp2", "tp8 dp1 pp2 ep"), 4 * (61 * 48 + _JOINED[7168])),
    },
}


def spread(asked: str) -> dict[str, Any]:
    degrees = {name: int(count) for name, count in re.findall(r"(tp|dp|pp)(\d+)", asked)}
    return degrees | ({"ep": degrees["tp"] * degrees["dp"]} if asked.endswith("ep") else {})


def deployed(model: str, asked: str) -> Deployment:
    return deploy(kvplan.load(model), Choice(engine="vllm", **spread(asked)))


def swizzled(model: str, asked: str) -> int:
    """
    Return what loading adds to experts 2880 wide, whose inner width a rank may have a part of.

    Biases of two and one times the width in float32; scales of these rows, padded to 256, and of a column for
    32 inputs, padded to 4.
    """
    layers, experts = SWIZZLED.get(model, (0, 0))
    degrees = spread(asked)
    ranks = degrees["tp"] * degrees["dp"]
    part = 2880 if "ep" in degrees else -(-2880 // ranks // 64) * 64
    up, down = -(-2 * part // 256) * 256 * 92, 3072 * (-(-part // 32 // 4) * 4)
    more = up + down - 3 * part * 90 + 2 * (2 * part + 2880)
    return layers * experts // (ranks if "ep" in degrees else 1) * more


@pytest.mark.parametrize(("model", "asked"), CASES)
def test_the_weights_of_a_rank_are_those_of_vllms_class(model: str, asked: str) -> None:
    deployment, (_, *said) = deployed(model, asked), SAID[model][asked]
    weights = deployment.spec.weights()
    assert weights is not None
    planned = stage_weights(deployment, weights)
    layers, each = ABSORBED.get(model, (0, 0))
    beside = BESIDE.get(model, {})
    known = beside.get(asked, beside.get(deployment.tp, beside.get(None, 0)))
    assert len(planned) == len(said)
    loaded = layers * each // deployment.tp + swizzled(model, asked)
    assert sum(said) - (sum(planned) - loaded) == known


@pytest.mark.parametrize(("model", "asked"), CASES)
def test_the_blocks_are_those_of_vllm(model: str, asked: str) -> None:
    deployment, (blocks, *stages) = deployed(model, asked), SAID[model][asked]
    found = deployment.arrangement.start_up([AVAILABLE] * len(stages), CONTEXT)
    assert found is not None
    assert found.num_blocks == blocks


def test_heads_that_do_not_spread_are_refused_as_vllm_does() -> None:
    """Total number of attention heads (40) must be divisible by tensor parallel size (16)."""
    with pytest.raises(SplitError, match="40 heads do not spread over tp=16"):
        deployed("llama-4-scout-17b-16e", "tp16 dp1 pp1")


def test_kimi_k3_has_the_way_to_its_experts_whole_on_each_rank() -> None:
    """By hand: its class needs CUDA. Files' tensors add up to the parts, of which these are not cut."""
    hidden, latent = 7168, 3584
    latents = 92 * (2 * hidden * latent + latent)
    routers = 92 * (896 * hidden * 2 + 896 * 4)
    norms = 93 * 6 * hidden + 3 * hidden
    mla = 24 * (hidden * (1536 + 576) + 1536 + 512)
    kda = 69 * (hidden * 128 * 2 + 128 * 4)
    whole = 2 * (latents + norms + mla) + routers + kda
    deployment = deployed("kimi-k3", "tp8 dp1 pp1 ep")
    weights = deployment.spec.weights()
    assert weights is not None
    (planned,) = stage_weights(deployment, weights)
    assert planned == whole + (1_560_860_324_864 - whole) // 8


def test_eight_models_were_asked() -> None:
    assert len(SAID) >= 8
    assert {asked.split(" pp")[0] for jobs in SAID.values() for asked in jobs} >= {
        "tp1 dp8", "tp1 dp16", "tp8 dp1", "tp8 dp2", "tp16 dp1", "tp4 dp4"
    }  # fmt: skip
