"""
DeepSeek-V4's unlike pages in one pool of blocks, by release.

Expected: what get_kv_cache_configs and get_max_concurrency_for_kv_cache_config of the vLLM wheels 0.24.0,
0.26.0, 0.28.0, 0.30.0 and 0.32.0 made of the specs that models/deepseek_v4 of the same wheel gives each
layer (tp does not divide them), on a machine without a GPU.
"""

from typing import Any

import pytest

import kvplan

GIB = 2**30
MTP = {"draft_layers": "1"}

SAID = {
    # memory, context, tokens batched, settings: blocks and tokens by release.
    (20 * GIB, 32_768, 8192, False): {
        "0.24": (20655, 218541),
        "0.26": (20655, 111964),
        "0.28": (21426, 103096),
    },
    (20 * GIB, 131_072, 16384, True): {
        "0.24": (20655, 420452),
        "0.26": (20655, 219320),
        "0.28": (21426, 202768),
    },
    (11_048_803_368, 1_048_576, 4096, False): {
        "0.24": (10627, 1993063),
        "0.26": (10627, 1577242),
        "0.28": (11024, 1551610),
        "0.30": (11024, 1551610),
        "0.32": (11024, 1551610),
    },
    (11_048_803_368, 1_048_576, 4096, True): {"0.24": (10627, 1992350), "0.26": (10627, 1576126)},
    (28_078_348_697, 500_000, 8192, False): {
        "0.24": (27006, 2742839),
        "0.26": (27006, 1715538),
        "0.28": (28015, 1621989),
        "0.30": (28015, 1621989),
        "0.32": (28015, 1621989),
    },
    (28_078_348_697, 500_000, 2048, False): {"0.24": (27006, 4978982), "0.26": (27006, 3915047)},
}
PRO = {
    (20 * GIB, 131_072, 16384, True): {"0.24": (14574, 291818), "0.28": (14954, 141519)},
    (11_048_803_368, 1_048_576, 4096, True): {"0.24": (7498, 1398723), "0.28": (7694, 1082918)},
    (28_078_348_697, 500_000, 8192, False): {"0.24": (19056, 1913637), "0.28": (19553, 1132063)},
}
ASKED = [
    (model, *question, version, expected)
    for model, said in (("deepseek-v4-flash", SAID), ("deepseek-v4-pro", PRO))
    for question, answers in said.items()
    for version, expected in answers.items()
]


@pytest.mark.parametrize(("model", "memory", "context", "batched", "drafts", "version", "expected"), ASKED)
def test_blocks_and_tokens_are_those_of_the_releases_own_planner(  # noqa: PLR0913, PLR0917 - each is asked
    model: str,
    memory: int,
    context: int,
    batched: int,
    version: str,
    expected: tuple[int, int],
    *,
    drafts: bool,
) -> None:
    answer = kvplan.fit(
        model,
        engine=f"vllm@{version}",
        kv_memory=memory,
        context=context,
        kv_dtype="fp8",
        max_num_batched_tokens=batched,
        settings=MTP if drafts else {},
    )
    assert (answer.num_blocks, answer.kv_tokens) == expected


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"engine": "vllm@0.20"}, "how vLLM 0.20.1 pages compressed attention is not known"),
        (
            {"engine": "vllm@0.24", "kv_dtype": "bf16"},
            "pages compressed attention in rows that are not packed",
        ),
        (
            {"engine": "vllm@0.26", "pp": 2},
            "how vLLM 0.26 packs pages over pipeline stages is not known: use pp=1",
        ),
        (
            {"settings": MTP | {"draft_window": "64"}},
            "a draft beside compressed attention is the model's own",
        ),
    ],
)
def test_what_is_not_known_is_refused(options: dict[str, Any], words: str) -> None:
    plain: dict[str, Any] = {"engine": "vllm", "kv_memory": "20GiB", "context": 32_768, "kv_dtype": "fp8"}
    with pytest.raises(kvplan.KvplanError, match=words):
        kvplan.fit("deepseek-v4-flash", **plain | options)


def test_the_block_of_0_24_by_hand() -> None:
    """
    Full attention has pages of 64 x 584 B (of 576: 37,440), 64 x 132 (8,640) and 2 x 584 (1,728).

    The 43 windows are two groups, of 22 and 21 layers of 37,440; the states of compressors of ratio 4 are
    padded to 37,440 and 8,640, those of 128 to 37,440. Most of each size: 22, 21 and 20.
    """
    answer = kvplan.fit(
        "deepseek-v4-flash", engine="vllm@0.24", kv_memory="20GiB", context=32_768, kv_dtype="fp8"
    )
    assert answer.num_blocks == 20 * GIB // (22 * 37_440 + 21 * 8_640 + 20 * 1_728)


def test_a_published_start_up_of_0_25() -> None:
    """2 x RTX PRO 6000, MTP with 2 tokens: "10.29 GiB", 1,993,100 tokens, 1.90x for 1,048,576."""
    least, most = (
        kvplan.fit(
            "deepseek-v4-flash",
            engine="vllm@0.25.0",
            gpu="rtx-pro-6000-96gb",
            kv_memory=memory,
            tp=2,
            context=1_048_576,
            kv_dtype="fp8",
            max_num_seqs=64,
            max_num_batched_tokens=4096,
            settings=MTP | {"num_speculative_tokens": "2"},
        )
        for memory in ("10.285GiB", "10.295GiB")
    )
    assert least.kv_tokens is not None
    assert most.kv_tokens is not None
    assert least.kv_tokens <= 1_993_100 <= most.kv_tokens
    assert round(least.max_concurrency or 0, 2) == 1.9
