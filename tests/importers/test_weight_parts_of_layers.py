"""What each part of a layer weighs, counted from a config's dimensions: by hand, and held against a class."""

from typing import Any

from kvplan.importers.complete import with_weights
from kvplan.importers.config import import_values
from kvplan.specs import ModelSpec
from kvplan.specs.parts import LayerParts
from tests.importers import configs

_MLPS = {
    "intermediate_size": 18432,
    "moe_intermediate_size": 2048,
    "n_routed_experts": 256,
    "n_shared_experts": 1,
    "first_k_dense_replace": 3,
    "tie_word_embeddings": False,
}
_BLOCKS = {"quant_method": "fp8", "weight_block_size": [128, 128]}


def imported(**changes: Any) -> ModelSpec:
    values = {**configs.DEEPSEEK_V3, **_MLPS, **changes}
    return with_weights(import_values(values, file="config.json", name="model"), None, None).spec


HIDDEN, QUERIES, LATENT, ROPE = 7168, 1536, 512, 64
ATTENTION = QUERIES * 128 * 192 + LATENT * 128 * 256 + 128 * 128 * HIDDEN
DOWN = HIDDEN * QUERIES + HIDDEN * (LATENT + ROPE)
NORMS = QUERIES + LATENT + 2 * HIDDEN
EXPERT = 3 * HIDDEN * 2048
ROUTER = HIDDEN * 256


def test_a_model_in_one_dtype_has_parameters_alone() -> None:
    parts = imported().parts
    assert parts is not None
    assert parts.kinds == {
        "dense": LayerParts(attention=ATTENTION, whole=DOWN + NORMS, dense=3 * HIDDEN * 18432),
        "sparse": LayerParts(
            attention=ATTENTION,
            whole=DOWN + NORMS,
            shared=EXPERT,
            router=ROUTER + 256,
            expert=EXPERT,
            experts=256,
            width=2048,
        ),
    }
    assert [kind.experts for kind in parts.of_layers] == [0] * 3 + [256] * 58
    assert (parts.embedding, parts.head, parts.beside) == (129280 * HIDDEN, 129280 * HIDDEN, HIDDEN)


def test_a_block_of_fp8_has_a_scale_of_four_bytes_and_routers_stay_wide() -> None:
    spec = imported(quantization_config=_BLOCKS)
    assert spec.parts is not None
    sparse = spec.parts.kinds["sparse"]
    assert sparse.expert == (EXPERT, EXPERT + 4 * EXPERT // 128**2)
    # 576 rows are 4.5 blocks: five scales for each 128 columns. Norms are in two bytes.
    scales = 4 * (HIDDEN // 128) * (QUERIES // 128 + 5)
    assert sparse.whole == (DOWN + NORMS, DOWN + scales + 2 * NORMS)
    # The bias that steers is in float32.
    assert sparse.router == (ROUTER + 256, 2 * ROUTER + 4 * 256)
    assert spec.weight_bytes == 673_150_611_808  # rank 0 of one in vLLM 0.33


def test_modules_that_may_be_left_wide_leave_the_bytes_open() -> None:
    """By the old rule: what is not known is bounded."""
    spec = imported(quantization_config={**_BLOCKS, "modules_to_not_convert": ["self_attn"]})
    assert spec.parts == imported().parts
    assert spec.weight_bytes is not None
    assert spec.weight_bytes > 673_150_611_808


def test_layers_that_are_alike_and_have_no_experts_need_no_parts() -> None:
    values = {**configs.LLAMA, "vocab_size": 128, "intermediate_size": 14_336, "tie_word_embeddings": False}
    spec = with_weights(import_values(values, file="config.json", name="model"), None, None).spec
    assert spec.parameters is not None
    assert spec.parts is None
