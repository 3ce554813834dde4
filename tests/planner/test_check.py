"""Which tensor-parallel degrees are legal, why the others are not, and what replication costs."""

import json
from pathlib import Path

import pytest

import kvplan
from kvplan.planner.check import Check
from kvplan.planner.splits import split_stages
from kvplan.specs import ModelSpec
from tests.importers import configs


def details(answer: Check) -> dict[str, str]:
    return {rule.rule: rule.detail for rule in answer.checks}


def test_replication_is_allowed_and_its_cost_is_stated() -> None:
    """80 layers x 2 x 8 x 128 x 2 B = 320 KiB per token, twice over 16 GPUs."""
    answer = kvplan.check("llama-3.1-70b", tp=16)
    assert answer.ok
    assert details(answer)["tp % groups"] == (
        "8 groups on TP 16: every KV head is stored twice, 640 KiB per token over all GPUs instead of 320 KiB"
    )


@pytest.mark.parametrize(
    ("model", "legal"),
    [
        # 64 heads and 8 groups: the powers of two.
        ("llama-3.1-70b", (1, 2, 4, 8, 16, 32, 64)),
        # 40 heads and 10 groups: 4 and 8 divide neither way, 20 and 40 replicate.
        ("phi-4", (1, 2, 5, 10, 20, 40)),
        # 71 heads are prime, and the one KV head is stored on every rank.
        ("falcon-7b", (1,)),
        # 14 heads and 2 groups: 14 replicates, and does not cut an MLP of 4,864.
        ("qwen2.5-0.5b", (1, 2)),
        # 24 heads and 8 groups: 24 replicates too, and does not cut an MLP of 8,192.
        ("llama-3.2-3b", (1, 2, 4, 8)),
        # 96 heads and 8 groups; the intermediate_size of 8,192 is that of no layer: all have experts.
        ("qwen3-coder-480b-a35b", (1, 2, 4, 8, 16, 24, 32, 48)),
        # 40 heads and 8 groups, and every other layer has an MLP of 16,384: 40 does not cut it.
        ("llama-4-maverick-17b-128e", (1, 2, 4, 8)),
        # 128 heads; the latent has no heads to shard.
        ("deepseek-v3", (1, 2, 4, 8, 16, 32, 64)),
        # 16 q and k heads, 32 v heads, 16 query heads, 2 groups.
        ("qwen3-next-80b-a3b", (1, 2, 4, 8, 16)),
    ],
)
def test_legal_degrees(model: str, legal: tuple[int, ...]) -> None:
    answer = kvplan.check(model)
    assert answer.legal_tp == legal
    assert sorted((*answer.legal_tp, *answer.refused_tp)) == list(range(1, 65))


@pytest.mark.parametrize(
    ("model", "tp", "reason"),
    [
        ("llama-3.1-70b", 3, "64 heads do not spread over tp=3: 64 % 3 is 1, not 0"),
        ("phi-4", 4, "10 groups do not spread over tp=4: neither 10 % 4 nor 4 % 10 is 0"),
        ("llama-3.2-3b", 24, "8,192 MLP columns do not spread over tp=24: 8192 % 24 is 8, not 0"),
        ("mamba-codestral-7b", 3, "128 state heads do not spread over tp=3: 128 % 3 is 2, not 0"),
    ],
)
def test_a_refusal_gives_its_reason(model: str, tp: int, reason: str) -> None:
    answer = kvplan.check(model, tp=tp)
    assert not answer.ok
    assert reason in [rule.detail for rule in answer.checks if not rule.ok]
    assert answer.refused_tp[tp].refusal(tp) in [rule.detail for rule in answer.checks]
    with pytest.raises(kvplan.KvplanError, match="legal tensor-parallel degrees"):
        kvplan.size(model, tp=tp)


def test_a_latent_is_stored_on_every_rank() -> None:
    """61 layers x (512 + 64) x 2 B = 68.62 KiB per token, on each of 8 ranks."""
    detail = details(kvplan.check("deepseek-v3", tp=8))["tp % latent"]
    assert detail == (
        "1 latent on TP 8: every latent is stored 8 times, "
        "549 KiB per token over all GPUs instead of 68.62 KiB"
    )


def test_indexer_keys_are_stored_on_every_rank() -> None:
    """61 layers x 128 x 2 B, 8 times."""
    detail = details(kvplan.check("deepseek-v3.2", tp=8))["tp % indexer key head"]
    assert "122 KiB per token over all GPUs instead of 15.25 KiB" in detail


def test_states_count_per_sequence() -> None:
    """Mamba-2's B and C of 8 groups at TP 16, where a token adds nothing."""
    detail = details(kvplan.check("mamba-codestral-7b", tp=16))["tp % groups"]
    # 64 layers x 3 columns x 8 groups x 256 x 2 B = 768 KiB.
    assert detail.endswith("1.5 MiB per sequence over all GPUs instead of 768 KiB")


def test_heads_must_share_the_groups_evenly() -> None:
    spec = ModelSpec.model_validate(
        {
            "name": "odd",
            "source": "by hand",
            "dtype": "bfloat16",
            "max_context": 1,
            "layers": 1,
            "attention": {"kind": "gqa", "heads": 10, "groups": 4, "head_dim": 64},
        }
    )
    answer = kvplan.check(spec)
    assert not answer.ok
    assert details(answer)["heads % groups"] == "10 heads over 4 groups: 2 are left over"
    refusal = "10 heads over 4 groups: 2 are left over"
    with pytest.raises(kvplan.KvplanError, match=refusal):
        kvplan.size(spec)
    with pytest.raises(kvplan.KvplanError, match=refusal):
        kvplan.fit(spec, kv_memory="1GiB")


def test_windows_are_full_where_no_context_is_known() -> None:
    """2 groups on TP 4: 4096 tokens x 2 x 2 x 64 x 2 B in the wider window, and 1024 in the other."""
    window = {"kind": "sliding", "heads": 8, "groups": 2, "head_dim": 64}
    spec = ModelSpec.model_validate(
        {
            "name": "windows",
            "dtype": "bfloat16",
            "layers": ({"repeat": 1, "pattern": ("wide", "narrow")},),
            "attention": {"wide": {**window, "window": 4096}, "narrow": {**window, "window": 1024}},
        }
    )
    detail = details(kvplan.check(spec, tp=4))["tp % groups"]
    assert detail.endswith("5 MiB per sequence over all GPUs instead of 2.5 MiB")
    short = spec.model_copy(update={"max_context": 1024})
    assert details(kvplan.check(short, tp=4))["tp % groups"].endswith(
        "2 MiB per sequence over all GPUs instead of 1 MiB"
    )


@pytest.mark.parametrize(
    ("model", "words"),
    [
        ("llama-3.1-8b", "8 groups for 32 heads are within the usual h/8 to h/4 (4 to 8;"),
        ("llama-3.2-3b", "8 groups for 24 heads are above the usual h/8 to h/4 (3 to 6;"),
        ("chatglm3-6b", "2 groups for 32 heads are below the usual h/8 to h/4 (4 to 8;"),
    ],
)
def test_the_advice_of_the_literature_is_no_failure(model: str, words: str) -> None:
    answer = kvplan.check(model)
    assert answer.ok
    assert answer.advice[0].startswith(words)


@pytest.mark.parametrize(
    ("layers", "pp", "sizes"),
    # vLLM 0.33: what is left over goes to the stages before the last, backwards; 32 / 5 is its example.
    [
        (32, 5, (6, 6, 7, 7, 6)),
        (61, 2, (31, 30)),
        (62, 4, (15, 16, 16, 15)),
        (4, 4, (1, 1, 1, 1)),
        (7, 1, (7,)),
    ],
)
def test_an_even_split_into_stages(layers: int, pp: int, sizes: tuple[int, ...]) -> None:
    assert tuple(len(stage) for stage in split_stages(("x",) * layers, pp)) == sizes


def test_stages_may_be_given() -> None:
    assert [len(stage) for stage in split_stages(("x",) * 10, 2, (7, 3))] == [7, 3]


@pytest.mark.parametrize(("pp", "sizes"), [(2, (5, 4)), (2, (10,)), (2, (10, 0)), (11, None)])
def test_stages_that_do_not_fit_are_refused(pp: int, sizes: tuple[int, ...] | None) -> None:
    with pytest.raises(kvplan.KvplanError):
        split_stages(("x",) * 10, pp, sizes)


def test_a_broken_stage_count_is_an_answer() -> None:
    answer = kvplan.check("llama-3.1-8b", pp=64)
    assert not answer.ok
    assert details(answer)["layers / pp"] == "32 layers do not fill pp=64 stages; use at most --pp 32"


def test_degrees_that_some_engines_refuse_are_named() -> None:
    """1,536 / 8 = 192 is one and a half blocks of 128."""
    (reason,) = [line for line in kvplan.check("minimax-m2.5", tp=8).advice if "experts" in line]
    assert reason.startswith("SGLang, as vLLM before 0.30, does not cut experts of 1,536 over 8 ranks")
    assert not [line for line in kvplan.check("minimax-m2.5", tp=4).advice if "experts" in line]


def test_degrees_that_cut_blocks_of_a_release_are_named() -> None:
    """The release's own files tell its blocks of 128: 1,536 / 8 as above."""
    (reason,) = [line for line in kvplan.check("Qwen/Qwen3-235B-A22B-FP8", tp=8).advice if "experts" in line]
    assert reason.startswith("SGLang, as vLLM before 0.30, does not cut experts of 1,536 over 8 ranks")


@pytest.mark.parametrize("name", ["Qwen/Qwen3-32B-FP8", "qwen3-32b-fp8-dynamic"])
def test_of_a_release_in_a_format_of_its_own_blocks_are_not_known(name: str) -> None:
    advice = kvplan.check(name, tp=8).advice
    assert any(f"the weights of {name} are in a format of their own" in line for line in advice)


def test_a_config_that_was_read_is_not_asked_for_again(tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    path.write_text(json.dumps({**configs.LLAMA, "quantization_config": {"quant_method": "vptq"}}))
    (line,) = [line for line in kvplan.check(path, tp=8).advice if "format of their own" in line]
    assert line.endswith("share a scale is not known: the config does not tell it for vptq")


@pytest.mark.parametrize("name", ["qwen3-235b-a22b", "qwen3:30b", "lmstudio/Qwen3-8B-GGUF:Q4_K_M"])
def test_of_a_ggufs_weights_no_block_is_cut(name: str) -> None:
    assert not any("format of their own" in line for line in kvplan.check(name).advice)


def test_whole_experts_are_dealt_out_over_a_divisor_of_the_gpus() -> None:
    answer = kvplan.check("deepseek-v3", dp=48, ep=48)
    assert answer.ok
    said = {rule.rule: rule.detail for rule in answer.checks}
    assert said["experts / ep"] == "256 routed experts on EP 48: 6 on 16 GPUs and 5 on the others"
    assert said["expert % (tp x dp / ep)"].startswith("each expert is whole on its GPU")


def test_a_degree_that_cuts_experts_unevenly_or_in_their_blocks_is_refused() -> None:
    """Of 2,048: over 3 GPUs unevenly; over 128 a part has 16, below the smallest block of vLLM's."""
    answer = kvplan.check("deepseek-v3", tp=1, dp=48)
    assert answer.legal_ep == (3, 6, 12, 24, 48)
    assert answer.refused_ep[16] == "experts of 2,048 are not cut evenly over 3 GPUs"
    wide = kvplan.check("deepseek-v3", tp=128)
    assert "vLLM does not cut experts of 2,048 over 128 ranks" in wide.refused_ep[1]
    assert wide.legal_ep == (2, 4, 8, 16, 32, 64, 128)


@pytest.mark.parametrize(
    ("model", "ep", "rule"), [("deepseek-v3", 3, "tp x dp % ep"), ("llama-3.1-8b", 2, "experts / ep")]
)
def test_experts_that_cannot_be_dealt_out_are_a_broken_rule(model: str, ep: int, rule: str) -> None:
    answer = kvplan.check(model, tp=2, dp=1, ep=ep)
    assert not answer.ok
    assert [each.rule for each in answer.checks if not each.ok] == [rule]


def test_without_experts_no_degree_is_listed() -> None:
    answer = kvplan.check("llama-3.1-8b", tp=2)
    assert (answer.legal_ep, answer.refused_ep) == ((), {})
