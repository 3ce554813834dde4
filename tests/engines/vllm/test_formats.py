"""What vLLM stores where nothing is asked, and what fp8 stands for."""

import pytest

from kvplan.dtypes import BF16, FP16, FP32, Dtype, Role
from kvplan.engines import ToStore
from kvplan.engines.vllm import NEWEST, RefusedError, find_rules, kv_dtype_name, state_dtypes
from kvplan.gpus import find_card
from tests.engines.vllm.planning import layout_of

PLAIN: set[Role] = {"key", "value"}
MLA: set[Role] = {"latent", "rope"}
SPARSE: set[Role] = {"latent", "rope", "indexer"}
COMPRESSED: set[Role] = {"entry", "rope", "indexer", "state"}


@pytest.mark.parametrize(
    ("asked", "roles", "name"),
    [
        (None, PLAIN, "bfloat16"),
        ("auto", PLAIN, "bfloat16"),
        ("fp8", PLAIN, "fp8"),
        ("fp8", MLA, "fp8"),
        ("auto", SPARSE, "bfloat16"),
        ("fp8", SPARSE, "fp8_ds_mla"),
        ("nvfp4_ds_mla", SPARSE, "nvfp4_ds_mla"),
        ("auto", COMPRESSED, "fp8_ds_mla"),
        ("fp8", COMPRESSED, "fp8_ds_mla"),
        ("bfloat16", COMPRESSED, "bfloat16"),
    ],
)
def test_cache_formats(asked: str | None, roles: set[Role], name: str) -> None:
    assert kv_dtype_name(asked, ToStore(roles=roles, dtype="bfloat16"), rules=NEWEST) == name


@pytest.mark.parametrize(
    ("asked", "gpu", "backend", "version", "name"),
    [
        # B200 has compute capability 10.0, RTX PRO 6000 12.0: the rows of _get_backend_priorities' first.
        ("fp8", "b200", None, None, "fp8"),
        ("fp8", "b200", "FLASHMLA_SPARSE", None, "fp8_ds_mla"),
        ("fp8", "b200", None, "0.19", "fp8"),
        ("fp8", "b200", "FLASHINFER_MLA_SPARSE", "0.18", "fp8"),
        ("fp8", "b200", None, "0.17", "fp8_ds_mla"),
        ("fp8", "h200", None, None, "fp8_ds_mla"),
        ("fp8", "h200", "FLASHINFER_MLA_SPARSE_SM90", None, "fp8"),
        ("auto", "b200", None, None, "bfloat16"),
        ("auto", "rtx-pro-6000", None, None, "fp8_ds_mla"),
        ("fp8", None, "FLASHINFER_MLA_SPARSE", None, "fp8"),
    ],
)
def test_the_rows_of_sparse_mla_follow_the_card_and_the_backend(
    asked: str, gpu: str | None, backend: str | None, version: str | None, name: str
) -> None:
    settings = {"attention_backend": backend} if backend else {}
    card = find_card(gpu) if gpu else None
    rows = ToStore(roles=SPARSE, dtype="bfloat16", card=card, settings=settings)
    assert kv_dtype_name(asked, rows, rules=find_rules(version)) == name


@pytest.mark.parametrize(
    ("asked", "gpu", "version", "name"),
    [
        # GlmMoeDsaForCausalLM in model_executor/models/config.py of 0.32.0 and 0.33.0; 0.30.0 has it not.
        (None, "b200", None, "fp8"),
        ("auto", "b200", "0.32", "fp8"),
        ("bfloat16", "b200", None, "bfloat16"),
        (None, "b200", "0.30", "bfloat16"),
        (None, "h200", None, "bfloat16"),
        (None, "rtx-pro-6000", None, "fp8_ds_mla"),
    ],
)
def test_the_class_of_glm_5_asks_for_fp8_on_blackwell(
    asked: str | None, gpu: str, version: str | None, name: str
) -> None:
    rows = ToStore(roles=SPARSE, dtype="bfloat16", architecture="glm_moe_dsa", card=find_card(gpu))
    assert kv_dtype_name(asked, rows, rules=find_rules(version)) == name


@pytest.mark.parametrize(
    ("asked", "roles", "dtype", "version", "message"),
    [
        ("fp32", PLAIN, "bfloat16", None, "has no KV dtype fp32 beside a model that runs in bfloat16"),
        ("float16", PLAIN, "bfloat16", "0.17", "has no KV dtype float16 beside a model"),
        ("float16", PLAIN, "bfloat16", "0.33", "has no KV dtype float16 beside a model"),
        ("bf16", PLAIN, "float16", "0.33", "has no KV dtype bf16 beside a model that runs in float16"),
        ("fp8_e5m2", SPARSE, "bfloat16", None, "stores a latent in fp8_e5m2"),
        ("fp8_e4m3", SPARSE, "bfloat16", None, "takes fp8 for FlashMLA's rows of sparse MLA"),
        ("fp8_e5m2", MLA, "bfloat16", None, "stores a latent in fp8_e5m2"),
    ],
)
def test_kv_dtypes_that_a_release_does_not_take(
    asked: str, roles: set[Role], dtype: str, version: str | None, message: str
) -> None:
    with pytest.raises(RefusedError, match=message):
        kv_dtype_name(asked, ToStore(roles=roles, dtype=dtype), rules=find_rules(version))


def test_a_checkpoint_with_scales_for_fp8_takes_no_other_fp8() -> None:
    """As vLLM says it: "fp8_e5m2 kv-cache is not supported with fp8 checkpoints"."""
    plain = ToStore(roles=PLAIN, dtype="bfloat16")
    assert kv_dtype_name("fp8_e5m2", plain, rules=NEWEST) == "fp8_e5m2"
    assert kv_dtype_name("fp8", plain._replace(scaled=True), rules=NEWEST) == "fp8"
    with pytest.raises(RefusedError, match="takes no fp8_e5m2 with a checkpoint in fp8: use fp8"):
        kv_dtype_name("fp8_e5m2", plain._replace(scaled=True), rules=NEWEST)


@pytest.mark.parametrize("gpu", ["h200-141gb", "b200", None])
def test_naming_the_backend_that_is_taken_undoes_no_refusal(gpu: str | None) -> None:
    """FLASHMLA_SPARSE has fp8 and fp8_ds_mla alone (supported_kv_cache_dtypes in flashmla_sparse.py)."""
    card = find_card(gpu) if gpu else None
    settings = {"attention_backend": "FLASHMLA_SPARSE"}
    rows = ToStore(roles=SPARSE, dtype="bfloat16", card=card, settings=settings)
    with pytest.raises(RefusedError, match="takes fp8 for FlashMLA's rows"):
        kv_dtype_name("fp8_e4m3", rows, rules=NEWEST)


def test_releases_before_0_33_take_another_float_than_the_models() -> None:
    rows = ToStore(roles=PLAIN, dtype="bfloat16")
    assert kv_dtype_name("float16", rows, rules=find_rules("0.32")) == "float16"


def test_the_cache_of_falcon_is_not_told_the_kv_dtype() -> None:
    """What vLLM's own steps made of Falcon-40B in fp8: as many blocks as in bfloat16."""
    rows = ToStore(roles=PLAIN, dtype="bfloat16", architecture="falcon")
    assert kv_dtype_name("bf16", rows, rules=NEWEST) == "bf16"
    with pytest.raises(RefusedError, match="keeps the cache of falcon in the model's dtype"):
        kv_dtype_name("fp8", rows, rules=NEWEST)


def test_vllm_018_stores_fp8_on_blackwell_by_the_heads_of_a_rank() -> None:
    rows = ToStore(roles=SPARSE, dtype="bfloat16", card=find_card("b200"))
    with pytest.raises(RefusedError, match="depends on the heads of a rank: choose the setting"):
        kv_dtype_name("fp8", rows, rules=find_rules("0.18"))


@pytest.mark.parametrize(
    ("model_dtype", "fixed", "expected"),
    [(BF16, None, (BF16, BF16)), (FP16, None, (FP16, FP16)), (BF16, FP32, (BF16, FP32))],
)
def test_state_dtypes(model_dtype: Dtype, fixed: Dtype | None, expected: tuple[Dtype, Dtype]) -> None:
    assert state_dtypes(model_dtype, fixed) == expected


def test_the_state_dtype_decides_the_block_of_qwen3_next() -> None:
    """A state page of 1,097,728 B in bf16, of 2,146,304 B in fp32: 544 and 1056 tokens of 2048 B."""
    sizes = []
    for fixed in (None, FP32):
        conv_dtype, state_dtype = state_dtypes(BF16, fixed)
        layout = layout_of(
            "qwen3-next-80b-a3b", state_mode="none", conv_dtype=conv_dtype, state_dtype=state_dtype
        )
        sizes.append(layout.block_size)
    assert sizes == [544, 1056]
