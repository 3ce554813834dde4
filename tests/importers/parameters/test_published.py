"""
Published totals, each worked out by hand: embeddings, layers times (mixer, MLP, norms), final norm.

The arithmetic is written as the papers and classes have it, and its result is the number of elements
that the checkpoint's index or the model's card gives.
"""

from dataclasses import dataclass
from typing import Any

import pytest

from kvplan.errors import ImportedError
from kvplan.importers.fields import Fields
from kvplan.importers.parameters import Parameters, Shape, count
from kvplan.specs.load import load


@dataclass(frozen=True)
class Published:
    """A model of the catalogue, the fields that its count reads, the arithmetic, and the total."""

    model: str
    model_type: str
    fields: dict[str, Any]
    by_hand: int
    total: int


UNTIED = {"tie_word_embeddings": False, "architectures": ["PublishedForCausalLM"]}

# A latent row of 512, a key of 64 with RoPE, 128 without; values of 128.
_V3_ATTENTION = 7168 * 1536 + 1536 * 128 * 192 + 7168 * 576 + 512 * 128 * 256 + 128 * 128 * 7168 + 1536 + 512
_V3_MOE = 257 * 3 * 7168 * 2048 + 256 * 7168 + 256
_V3 = 2 * 129280 * 7168 + 7168 + 61 * (_V3_ATTENTION + 2 * 7168) + 3 * 3 * 7168 * 18432 + 58 * _V3_MOE
_V3_FIELDS = {
    "vocab_size": 129280,
    "intermediate_size": 18432,
    "moe_intermediate_size": 2048,
    "n_routed_experts": 256,
    "n_shared_experts": 1,
    "first_k_dense_replace": 3,
} | UNTIED

# q, k, v and gate of 4096, 4096, 8192 and 8192 in all; decay and strength per value head; convolutions.
_NEXT_DELTA = 2048 * (12288 + 64) + 8192 * 4 + 2 * 32 + 128 + 4096 * 2048
_NEXT_ATTENTION = 2048 * (2 * 16 * 256 + 2 * 2 * 256) + 16 * 256 * 2048 + 2 * 256
_NEXT_MOE = 512 * 3 * 2048 * 512 + 512 * 2048 + 3 * 2048 * 512 + 2048

_JAMBA_MAMBA = 4096 * 16384 + 8192 * 5 + 8192 * 288 + 256 * 8192 + 8192 + 288 + 8192 * 16 + 8192 + 8192 * 4096
_JAMBA_ATTENTION = 4096 * (2 * 4096 + 2 * 1024)
_JAMBA_MLP = 3 * 4096 * 14336

_KDA = (
    4 * 2304 * 4096  # q, k, v and the output
    + 3 * 4096 * 4  # their convolutions
    + 2 * (2304 * 128 + 128 * 4096)  # two gates of rank 128
    + 2304 * 32
    + 32
    + 4096
    + 128  # write strength, A_log, dt_bias, norm
)
_KIMI_MLA = 2304 * 32 * 192 + 2304 * 576 + 512 + 512 * 32 * 256 + 32 * 128 * 2304
_KIMI_MOE = 257 * 3 * 2304 * 1024 + 256 * 2304 + 256

_LONGCAT_MLA = 6144 * 1536 + 1536 + 1536 * 64 * 192 + 6144 * 576 + 512 + 512 * 64 * 256 + 64 * 128 * 6144
_LONGCAT_MOE = 512 * 3 * 6144 * 2048 + 768 * 6144 + 768

# Receptance twice, key, value, gate and output; channel mixing of 3.5 x 2560. Vectors: 4 mixes, decay,
# first, a norm of 2, 2 mixes, and two norms of 2.
_RWKV_LAYER = 6 * 2560 * 2560 + 2 * 2560 * 8960 + (4 + 1 + 1 + 2 + 2 + 4) * 2560

_PLAMO_MAMBA = 2048 * 8192 + 4096 * 4 + 4096 * 256 + 256 + 128 * 32 + 3 * 32 + 4096 * 2048
_PLAMO_ATTENTION = 2048 * (2 * 2048 + 2 * 128) + (16 + 1) * 128

PUBLISHED = (
    Published(
        "llama-3.1-8b",
        "llama",
        {"vocab_size": 128256, "hidden_size": 4096, "intermediate_size": 14336} | UNTIED,
        2 * 128256 * 4096 + 32 * (4096 * (2 * 4096 + 2 * 1024) + 3 * 4096 * 14336 + 2 * 4096) + 4096,
        8_030_261_248,
    ),
    Published(
        "qwen2.5-7b",
        "qwen2",
        {"vocab_size": 152064, "intermediate_size": 18944} | UNTIED,
        2 * 152064 * 3584
        + 28 * (3584 * (2 * 3584 + 2 * 512) + 3584 + 2 * 512 + 3 * 3584 * 18944 + 2 * 3584)
        + 3584,
        7_615_616_512,
    ),
    Published(
        "mixtral-8x7b",
        "mixtral",
        {"vocab_size": 32000, "intermediate_size": 14336, "num_local_experts": 8} | UNTIED,
        2 * 32000 * 4096
        + 32 * (4096 * (2 * 4096 + 2 * 1024) + 8 * 3 * 4096 * 14336 + 8 * 4096 + 2 * 4096)
        + 4096,
        46_702_792_704,
    ),
    Published("deepseek-v3", "deepseek_v3", _V3_FIELDS, _V3, 671_026_419_200),
    Published(
        "deepseek-v3.2",
        "deepseek_v32",
        _V3_FIELDS,
        # 64 indexer queries of 128 from the latent, one key of 128 with a norm, a weight per head.
        _V3 + 61 * (1536 * 64 * 128 + 7168 * 128 + 2 * 128 + 7168 * 64),
        671_877_944_064,
    ),
    Published(
        "gpt-oss-20b",
        "gpt_oss",
        {"vocab_size": 201088, "intermediate_size": 2880, "num_local_experts": 32} | UNTIED,
        2 * 201088 * 2880
        + 24
        * (
            2880 * (2 * 4096 + 2 * 512)
            + 4096
            + 2 * 512
            + 2880
            + 64
            + 32 * (3 * 2880 * 2880 + 2 * 2880 + 2880)
            + 32 * 2880
            + 32
            + 2 * 2880
        )
        + 2880,
        20_914_757_184,
    ),
    Published(
        "gemma-2-9b",
        "gemma2",
        {"vocab_size": 256000, "intermediate_size": 14336},
        256000 * 3584 + 42 * (3584 * (2 * 4096 + 2 * 2048) + 3 * 3584 * 14336 + 4 * 3584) + 3584,
        9_241_705_984,
    ),
    Published(
        "mamba-2.8b",
        "mamba",
        {"vocab_size": 50280},
        50280 * 2560
        + 64
        * (2560 * 10240 + 5120 * 5 + 5120 * 192 + 160 * 5120 + 5120 + 5120 * 16 + 5120 + 5120 * 2560 + 2560)
        + 2560,
        2_768_345_600,
    ),
    Published(
        "falcon-7b",
        "falcon",
        {"vocab_size": 65024, "multi_query": True, "parallel_attn": True, "bias": False},
        65024 * 4544 + 32 * (4544 * (4544 + 2 * 64) + 4544**2 + 8 * 4544**2 + 2 * 4544) + 2 * 4544,
        6_921_720_704,
    ),
    Published(
        "gpt-2",
        "gpt2",
        {"vocab_size": 50257, "n_positions": 1024},
        (50257 + 1024) * 768 + 12 * (12 * 768**2 + (3 + 1 + 4 + 1 + 4) * 768) + 2 * 768,
        124_439_808,
    ),
    Published(
        "olmo-2-7b",
        "olmo2",
        {"vocab_size": 100352, "intermediate_size": 11008} | UNTIED,
        2 * 100352 * 4096 + 32 * (4 * 4096**2 + 2 * 4096 + 3 * 4096 * 11008 + 2 * 4096) + 4096,
        7_298_617_344,
    ),
    Published(
        "qwen3-next-80b-a3b",
        "qwen3_next",
        {
            "vocab_size": 151936,
            "num_experts": 512,
            "moe_intermediate_size": 512,
            "shared_expert_intermediate_size": 512,
        }
        | UNTIED,
        2 * 151936 * 2048 + 36 * _NEXT_DELTA + 12 * _NEXT_ATTENTION + 48 * (_NEXT_MOE + 2 * 2048) + 2048,
        79_674_391_296,
    ),
    Published(
        "jamba-1.5-mini",
        "jamba",
        {
            "vocab_size": 65536,
            "intermediate_size": 14336,
            "num_experts": 16,
            "expert_layer_period": 2,
            "expert_layer_offset": 1,
        }
        | UNTIED,
        2 * 65536 * 4096
        + 28 * _JAMBA_MAMBA
        + 4 * _JAMBA_ATTENTION
        + 16 * _JAMBA_MLP
        + 16 * (16 * _JAMBA_MLP + 16 * 4096)
        + (2 * 32 + 1) * 4096,
        51_570_323_328,
    ),
    Published(
        "kimi-linear-48b-a3b",
        "kimi_linear",
        {
            "vocab_size": 163840,
            "intermediate_size": 9216,
            "moe_intermediate_size": 1024,
            "num_experts": 256,
            "num_shared_experts": 1,
            "first_k_dense_replace": 1,
        }
        | UNTIED,
        2 * 163840 * 2304
        + 20 * _KDA
        + 7 * _KIMI_MLA
        + 3 * 2304 * 9216
        + 26 * _KIMI_MOE
        + (2 * 27 + 1) * 2304,
        49_122_681_728,
    ),
    Published(
        "longcat-flash",
        "longcat_flash",
        {
            "vocab_size": 131072,
            "ffn_hidden_size": 12288,
            "expert_ffn_hidden_size": 2048,
            "n_routed_experts": 512,
            "zero_expert_num": 256,
        }
        | UNTIED,
        2 * 131072 * 6144 + 28 * (2 * _LONGCAT_MLA + 2 * 3 * 6144 * 12288 + _LONGCAT_MOE + 4 * 6144) + 6144,
        560_664_980_480,
    ),
    Published(
        "rwkv-5-world-3b",
        "rwkv5",
        # The file says that the head is tied; the checkpoint holds one of its own.
        {"vocab_size": 65536, "tie_word_embeddings": True},
        2 * 65536 * 2560 + 32 * _RWKV_LAYER + 2 * 2 * 2560,
        3_062_999_040,
    ),
    Published(
        "plamo-2-1b",
        "plamo2",
        {"vocab_size": 100000, "intermediate_size": 8192, "mamba_num_heads": 32, "tie_word_embeddings": True},
        100000 * 2048 + 8 * (_PLAMO_MAMBA + _PLAMO_ATTENTION) + 16 * (3 * 2048 * 8192 + 4 * 2048) + 2048,
        1_291_441_920,
    ),
    Published(
        "gla-7b",
        "gla",
        {"vocab_size": 32000, "intermediate_size": 14336, "num_kv_heads": 8, "use_output_gate": False}
        | UNTIED,
        2 * 32000 * 4096
        + 32
        * (4096 * (2 * 4096 + 2 * 1024) + 4096 * 16 + 16 * 1024 + 1024 + 128 + 3 * 4096 * 14336 + 2 * 4096)
        + 4096,
        7_244_390_400,
    ),
    Published(
        "chatglm3-6b",
        "chatglm",
        {
            "padded_vocab_size": 65024,
            "ffn_hidden_size": 13696,
            "add_qkv_bias": True,
            "add_bias_linear": False,
        }
        | UNTIED,
        2 * 65024 * 4096
        + 28 * (4096 * (2 * 4096 + 2 * 256) + 4096 + 2 * 256 + 3 * 4096 * 13696 + 2 * 4096)
        + 4096,
        6_243_584_000,
    ),
)


def _counted(case: Published) -> Parameters:
    counted = count(case.model_type, Fields(case.fields, file="config.json"), Shape.of(load(case.model)))
    assert counted is not None
    return counted


@pytest.mark.parametrize("case", PUBLISHED, ids=lambda case: case.model)
def test_published_totals(case: Published) -> None:
    assert case.by_hand == case.total
    assert _counted(case).total == case.total


def _split(model: str) -> Parameters:
    return _counted(next(case for case in PUBLISHED if case.model == model))


def test_a_dense_model_replicates_its_norms_alone() -> None:
    split = _split("llama-3.1-8b")
    assert (split.replicated, split.experts) == (65 * 4096, 0)
    assert split.sharded == 8_030_261_248 - 65 * 4096


def test_every_rank_holds_the_one_key_and_value_head_whole() -> None:
    """32 layers of K and V, 64 wide each, and a norm of two vectors per layer and at the end."""
    assert _split("falcon-7b").replicated == 32 * 4544 * 2 * 64 + 33 * 2 * 4544


def test_expert_parallelism_spreads_the_routed_experts_alone() -> None:
    split = _split("deepseek-v3")
    assert split.experts == 58 * 256 * 3 * 7168 * 2048
    down = 7168 * (1536 + 576) + 1536 + 512
    assert split.replicated == 61 * (down + 2 * 7168) + 58 * (256 * 7168 + 256) + 7168
    assert split.sharded == 671_026_419_200 - split.experts - split.replicated


def test_the_indexer_is_whole_on_every_rank() -> None:
    more = _split("deepseek-v3.2").replicated - _split("deepseek-v3").replicated
    assert more == 61 * (1536 * 64 * 128 + 7168 * (128 + 64) + 2 * 128)


def test_output_biases_and_routers_are_replicated_and_sinks_are_divided() -> None:
    """Router, its bias, the output's bias and two norms; expert biases belong to the experts."""
    split = _split("gpt-oss-20b")
    assert split.replicated == 24 * (32 * 2880 + 32 + 2880 + 2 * 2880) + 2880
    assert split.experts == 24 * 32 * (3 * 2880 * 2880 + 3 * 2880)


# GLA leaves its KV heads out where there are as many as heads; Llama's width is its spec's.
_MAY_BE_ABSENT = ("num_kv_heads", "hidden_size", "decoder_sparse_step", "zero_expert_num")


@pytest.mark.parametrize("case", PUBLISHED, ids=lambda case: case.model)
def test_a_number_that_goes_missing_is_an_error(case: Published) -> None:
    for name, value in case.fields.items():
        if type(value) is not int or name in _MAY_BE_ABSENT:
            continue
        for change in ({}, {name: str(value)}, {name: -1}, {name: [value]}, {name: True}):
            fields = {key: each for key, each in case.fields.items() if key != name} | change
            with pytest.raises(ImportedError, match=name):
                count(case.model_type, Fields(fields, file="config.json"), Shape.of(load(case.model)))
