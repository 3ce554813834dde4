"""SGLang's names of KV dtypes, and its releases."""

import pytest

from kvplan.dtypes import Role, kv_format
from kvplan.engines import ToStore, find_engine
from kvplan.engines.sglang.formats import kv_dtype_name
from kvplan.errors import OptionsError, UnknownNameError
from kvplan.gpus import find_card

HEADS: frozenset[Role] = frozenset({"key", "value"})
SPARSE: frozenset[Role] = frozenset({"latent", "rope", "indexer"})


@pytest.mark.parametrize(
    ("asked", "roles", "name"),
    [
        (None, HEADS, "bfloat16"),
        ("auto", HEADS, "bfloat16"),
        ("bf16", HEADS, "bf16"),
        ("bfloat16", HEADS, "bf16"),
        ("fp8_e5m2", HEADS, "fp8"),
        ("fp8_e4m3", HEADS, "fp8"),
        ("mxfp8", HEADS, "mxfp8"),
        ("nvfp4", HEADS, "nvfp4"),
        ("fp8_e4m3", SPARSE, "fp8_ds_mla"),
        ("fp8", SPARSE, "fp8"),
        ("bf16", SPARSE, "bf16"),
    ],
)
def test_names(asked: str | None, roles: frozenset[Role], name: str) -> None:
    assert kv_dtype_name(asked, ToStore(roles=roles, dtype="bfloat16")) == name
    assert kv_format(name).roles


@pytest.mark.parametrize(
    ("asked", "roles", "message"),
    [
        ("q8_0", HEADS, "SGLang has no KV dtype 'q8_0': use one of auto, fp8_e5m2"),
        ("fp4_mx_block16", HEADS, "SGLang has no KV dtype 'fp4_mx_block16'"),
        (None, SPARSE, "bf16 on Hopper and in fp8 on Blackwell"),
        ("fp8_e5m2", SPARSE, "sparse MLA in bf16 or fp8_e4m3 only"),
    ],
)
def test_what_is_no_kv_dtype(asked: str | None, roles: frozenset[Role], message: str) -> None:
    with pytest.raises(OptionsError, match=message):
        kv_dtype_name(asked, ToStore(roles=roles, dtype="bfloat16"))


@pytest.mark.parametrize(
    ("asked", "gpu", "architecture", "name"),
    [
        # arg_groups/overrides.py: bf16 below compute capability 10; fp8 for trtllm's kernel from there on.
        (None, "h200", "deepseek_v32", "bf16"),
        ("auto", "b200", "deepseek_v32", "fp8"),
        ("fp8_e4m3", "b200", "glm_moe_dsa", "fp8"),
        ("fp8_e4m3", "h200", "glm_moe_dsa", "fp8_ds_mla"),
        ("fp8_e4m3", "rtx-pro-6000", "glm_moe_dsa", "fp8_ds_mla"),
        ("fp8_e4m3", "rtx-pro-6000", "deepseek_v32", "fp8"),
        ("auto", "mi300x", "deepseek_v32", "bf16"),
        ("fp8_e4m3", "mi300x", "deepseek_v32", "fp8"),
        ("fp8_e4m3", "141GB", "deepseek_v32", "fp8_ds_mla"),
        ("bf16", "b200", "deepseek_v32", "bf16"),
    ],
)
def test_the_rows_of_sparse_mla_follow_the_card(
    asked: str | None, gpu: str, architecture: str, name: str
) -> None:
    rows = ToStore(roles=SPARSE, dtype="bfloat16", architecture=architecture, card=find_card(gpu))
    assert kv_dtype_name(asked, rows) == name


@pytest.mark.parametrize("name", ["sglang", "sglang@0.5", "sglang@0.5.23", "sglang@v0.5.23"])
def test_the_known_release(name: str) -> None:
    assert find_engine(name).name == "sglang@0.5.23"


@pytest.mark.parametrize("version", ["0.5.22", "0.4", "1.0.0", "0.5.2"])
def test_other_releases_are_not_known(version: str) -> None:
    with pytest.raises(UnknownNameError, match=r"is not known: kvplan knows the rules of 0\.5\.23"):
        find_engine(f"sglang@{version}")


def test_what_is_no_release() -> None:
    with pytest.raises(UnknownNameError, match="'main' is not a version of SGLang"):
        find_engine("sglang@main")
