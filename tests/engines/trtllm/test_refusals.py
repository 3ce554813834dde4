"""What TensorRT-LLM refuses, and what kvplan does not know of it."""

import re
from typing import Any

import pytest

from kvplan.engines import ToStore
from kvplan.engines.trtllm.engine import trtllm
from kvplan.engines.trtllm.formats import kv_dtype_name
from kvplan.errors import KvplanError, OptionsError, UnknownNameError
from tests.engines.trtllm.making import arranged

TWO = {"max_attention_window": "1024,131072"}


@pytest.mark.parametrize(
    ("model", "options", "message"),
    [
        ("bamba-9b", {}, "recurrent states (conv history of x)"),
        ("qwen3-next-80b-a3b", {}, "recurrent states"),
        ("rwkv-4-169m-pile", {}, "recurrent states (WKV sums)"),
        ("bart-large", {}, "encoder K, which does not grow with the context"),
        ("hymba-1.5b", {}, "does not grow"),
        ("deepseek-v4-pro", {}, "where tokens share a row"),
        ("deepseek-v4-flash", {}, "window entry"),
        ("deepseek-v4.1-flash", {}, "window entry"),
        ("minimax-m3", {}, "K and V and indexer keys"),
        ("mimo-v2-flash", {}, "not 192 and 128"),
        ("gemma-4-26b-a4b", {}, "one head size"),
        ("gemma-3n-e2b", {}, "layers without a cache of their own"),
        ("llama-3.1-8b", {"kv_dtype": "int8"}, "rows in int8"),
        ("llama-3.1-8b", {"kv_dtype": "kivi2"}, "newest are kept apart"),
        ("llama-3.1-8b", {"kv_dtype": "fp8,value=nvfp4"}, "fp8 and nvfp4"),
        ("deepseek-v3", {"kv_dtype": "fp8_ds_mla"}, "bf16 and fp8+fp32/128"),
        ("deepseek-v3.2", {"kv_dtype": "nvfp4,indexer=fp8"}, "no nvfp4 cache beside a selector's keys"),
        ("deepseek-v3", {"settings": TWO}, "latents in one window only"),
        ("llama-3.1-8b", {"settings": TWO, "kv_dtype": "nvfp4"}, "without counting the scales"),
        ("llama-3.1-8b", {"settings": {"max_attention_window": "1,2,3"}}, "windows of 2 lengths"),
        # 36 layers over 5 ranks are 7, 7, 7, 8 and 7: only the eighth has the other window.
        (
            "qwen3-8b",
            {"pp": 5, "settings": {"max_attention_window": ",".join(["512"] * 7 + ["9000"])}},
            "differ by pipeline rank",
        ),
        ("llama-3.1-8b", {"block_size": 48}, "48 tokens is not a power of two"),
        ("llama-3.1-8b", {"block_size": 1}, "a block of 1 token is not a power of two"),
        ("llama-3.1-8b", {"settings": TWO | {"max_tokens": "100"}}, "ignores max_tokens"),
    ],
)
def test_refusals(model: str, options: dict[str, Any], message: str) -> None:
    with pytest.raises(KvplanError, match=re.escape(message)) as refused:
        arranged(model, **options)
    assert len(str(refused.value).splitlines()) <= 2


@pytest.mark.parametrize("version", [None, "1.3", "v1.3.0", "1.3.0rc5"])
def test_the_known_rules(version: str | None) -> None:
    engine = trtllm(version)
    assert engine.name == "trtllm@1.3"
    assert engine.share.of == "rest"
    assert engine.share.default(80 * 10**9, None) == "0.9"  # type: ignore[arg-type]


@pytest.mark.parametrize("version", ["1.2", "1.2.1", "1.30", "2.0", "0.21"])
def test_unknown_rules(version: str) -> None:
    with pytest.raises(UnknownNameError, match=r"kvplan knows the rules of 1\.3"):
        trtllm(version)


def test_no_version() -> None:
    with pytest.raises(UnknownNameError, match=r"'newest' is not a version of TensorRT-LLM; write 1\.3"):
        trtllm("newest")


@pytest.mark.parametrize(
    ("asked", "name"),
    [
        (None, "bf16"),
        ("auto", "bf16"),
        ("bfloat16", "bf16"),
        ("fp8", "fp8"),
        ("fp8_e4m3", "fp8"),
        ("nvfp4", "nvfp4"),
    ],
)
def test_kv_dtypes(asked: str | None, name: str) -> None:
    assert kv_dtype_name(asked, ToStore(roles={"key", "value"}, dtype="bf16")) == name


@pytest.mark.parametrize("asked", ["int8", "fp16", "q8_0", "fp8_ds_mla", "fp8,value=nvfp4", "x" * 99])
def test_other_kv_dtypes(asked: str) -> None:
    with pytest.raises(UnknownNameError, match="it takes auto \\(bf16\\), fp8 or nvfp4"):
        kv_dtype_name(asked, ToStore(roles={"key", "value"}, dtype="bf16"))


def test_options_errors_are_such() -> None:
    with pytest.raises(OptionsError):
        arranged("llama-3.1-8b", settings=TWO | {"max_tokens": "100"})
