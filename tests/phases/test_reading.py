"""What a token reads and computes at least, by hand and against what models are sold as."""

from typing import Any

import pytest

import kvplan
from kvplan.attention.base import pairs
from kvplan.attention.grouped import GQA
from kvplan.attention.latent import MLA
from kvplan.attention.windowed import Chunked, Sliding
from kvplan.phases.reading import active, cache_reads, prompt_operations, stage_reads
from kvplan.planner.choice import Choice
from kvplan.planner.deployment import deploy


@pytest.mark.parametrize(
    ("model", "billions", "digits"),
    [
        # Active parameters by their makers, without the embedding.
        ("deepseek-v3", 37, 0),  # arXiv 2412.19437, abstract
        ("mixtral-8x7b", 13, 0),  # arXiv 2401.04088, abstract
        ("gpt-oss-120b", 5.1, 1),  # arXiv 2508.10925, table 1
        ("qwen3-235b-a22b", 22, 0),  # its name
        ("kimi-k2", 32, 0),  # arXiv 2507.20534, abstract
    ],
)
def test_active_parameters_are_those_that_models_are_sold_with(
    model: str, billions: float, digits: int
) -> None:
    assert round(active(kvplan.load(model)).parameters / 10**9, digits) == billions


def test_a_dense_model_is_read_whole_but_for_its_embedding() -> None:
    """Llama 3.1 8B: all 8,030,261,248 but 128,256 rows of 4,096, and but norms; a tied head is read."""
    found = active(kvplan.load("llama-3.1-8b"))
    norms = (2 * 32 + 1) * 4_096
    assert found.parameters == 8_030_261_248 - 128_256 * 4_096 - norms
    assert found.head == 128_256 * 4_096
    tied = kvplan.load("llama-3.2-1b")
    assert active(tied).parameters == (tied.parameters or 0) - (2 * 16 + 1) * 2_048


def test_each_token_may_choose_other_experts() -> None:
    """MiniMax-M2.5: 8 of 256 experts of 14,155,776 in each of 62 layers, and all from 32 tokens on."""
    spec = kvplan.load("minimax-m2.5")
    one, two, all_of_them, more = (active(spec, tokens).parameters for tokens in (1, 2, 32, 1_000))
    assert two - one == 62 * 8 * 14_155_776
    assert all_of_them == more == one + 62 * 248 * 14_155_776


def test_what_is_not_known_of_experts_is_left_out_and_said() -> None:
    found = active(kvplan.load("dots.llm1"))
    assert found.why == "the spec does not count its MLPs: attention and head are read alone"
    none = active(kvplan.load("deepseek-v4.1-flash"))
    assert none.why == "the spec does not count its parameters: caches are read alone"
    few = active(kvplan.load("kimi-vl-a3b"))
    assert few.why == "how many experts a token chooses is not known: one is read"


def test_weights_are_read_as_they_are_stored_and_cut() -> None:
    """70.55e9 parameters in bf16 without the embedding and norms, over 4 ranks or over 2 x 2."""
    spec = kvplan.load("llama-3.1-70b")
    weights = spec.weights() or 0
    (rank,) = stage_reads(deploy(spec, Choice(tp=4)), weights)
    parameters = 70_553_706_496 - 128_256 * 8_192 - (2 * 80 + 1) * 8_192
    assert rank == 2 * parameters // 4
    assert sum(stage_reads(deploy(spec, Choice(tp=2, pp=2)), weights)) == 2 * rank


def test_an_expert_that_is_dealt_out_whole_is_on_one_rank_at_least() -> None:
    """Of 8 chosen experts one is on some rank of 8, and each of its layers reads a whole one."""
    spec = kvplan.load("deepseek-v3")
    weights = spec.weights() or 0
    dealt = deploy(spec, Choice(engine="vllm", tp=8, ep=8))
    (one,), (two,) = stage_reads(dealt, weights), stage_reads(dealt, weights, 2)
    assert two - one == 58 * 44_050_944


def test_a_cache_is_read_but_for_what_an_indexer_passes_by() -> None:
    """61 layers: of DeepSeek-V3 576 elements a token; of V3.2 the indexer's 128 alone."""
    plain, sparse = (deploy(kvplan.load(f"deepseek-v{each}"), Choice(tp=8)) for each in ("3", "3.2"))
    assert cache_reads(plain, 1_000) == (61 * 576 * 2 * 1_000,)
    assert cache_reads(sparse, 1_000) == (61 * 128 * 2 * 1_000,)


def test_pairs_of_tokens_that_see_each_other() -> None:
    """Of 5 tokens 1 + 2 + 3 + 4 + 5; with a window of 2, 1 + 2 + 2 + 2 + 2; in chunks of 2, 3 + 3 + 1."""
    assert pairs(5) == 15
    assert pairs(5, 2) == 9
    sizes: dict[str, Any] = {"heads": 3, "groups": 1, "head_dim": 4, "v_head_dim": 2}
    assert GQA(kind="gqa", **sizes).attended(5) == 15 * 3 * 6
    assert Sliding(kind="sliding", window=2, **sizes).attended(5) == 9 * 3 * 6
    assert Chunked(kind="chunked", chunk=2, **sizes).attended(5) == 7 * 3 * 6
    latent = MLA(kind="mla", heads=3, d_c=8, d_rope=1, d_nope=2, v_head_dim=3)
    assert latent.attended(5) == 15 * 3 * (2 + 1 + 3)


def test_operations_of_a_prompt() -> None:
    """
    Two for each parameter and token, and those of attention, in 31 of Llama 3.1 8B's 32 layers.

    Of the last layer and the head the last token's output alone is needed.
    """
    layer = 2 * 4_096 * (32 + 8) * 128 + 3 * 4_096 * 14_336
    attention = 31 * 32 * 256 * 1_000 * 1_001 // 2
    spec = kvplan.load("llama-3.1-8b")
    assert prompt_operations(spec, 1_000) == 2 * (31 * layer * 1_000 + layer + 128_256 * 4_096 + attention)


def test_layers_above_the_last_cache_are_for_one_token() -> None:
    """
    Two layers with a cache and two that read the second one's: the first alone is needed of every token.

    Projections of 3,072 and of 2,048 elements and MLPs of 6,144: a fourth of 34,816 in each layer.
    """
    own = {"kind": "gqa", "heads": 4, "groups": 2, "head_dim": 8}
    facts = {
        "name": "toy",
        "dtype": "bfloat16",
        "parameters": 34_816 + 320,
        "hidden": 32,
        "vocab": 10,
        "tied": True,
        "mlp": {"intermediate": 64},
        "attention": {"own": own, "reads": {"kind": "shared", "heads": 4, "head_dim": 8}},
        "layers": [{"repeat": 1, "pattern": ["own", "own", "reads", "reads"]}],
    }
    spec = kvplan.ModelSpec.model_validate(facts)
    attention = 10 * 11 // 2 * 4 * 16
    assert prompt_operations(spec, 10) == 2 * (10 * 8_704 + 3 * 8_704 + 320 + attention)


def test_an_embedding_may_be_wider_than_the_rest() -> None:
    """Qwen2.5 7B in 4 bits: without 152,064 rows of 3,584 in bf16 no more than the rest can be read."""
    spec = kvplan.load("qwen2.5-7b")
    weights = 5_500_000_000
    (read,) = stage_reads(deploy(spec, Choice()), weights)
    assert read == weights - 2 * 152_064 * 3_584
