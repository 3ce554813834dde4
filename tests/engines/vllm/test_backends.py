"""Which attention backends serve a model: by release, card, vendor and KV dtype."""

from typing import Any

import pytest

import kvplan
from kvplan.errors import KvplanError
from kvplan.planner import words


def planned(model: str, gpu: str | None, *, backend: str | None = None, **options: Any) -> kvplan.Fit:
    settings = {"attention_backend": backend} if backend else {}
    memory: dict[str, Any] = {"kv_memory": "60GiB"} if gpu is None else {"gpu": gpu, "kv_memory": "60GiB"}
    return kvplan.fit(model, context=8_192, settings=settings, **memory, **{"engine": "vllm"} | options)


def said(answer: kvplan.Fit) -> tuple[str, ...]:
    return tuple(map(words.warning, answer.warnings))


def refusal(model: str, gpu: str | None, **options: Any) -> str:
    with pytest.raises(KvplanError) as caught:
        planned(model, gpu, **options)
    return str(caught.value)


@pytest.mark.parametrize(
    ("gpu", "backend", "makers"),
    [
        ("h100-80gb", "ROCM_ATTN", "AMD"),
        ("mi300x-192gb", "FLASH_ATTN", "NVIDIA"),
        ("mi300x-192gb", "FLASHINFER", "NVIDIA"),
        ("mi300x-192gb", "FLEX_ATTENTION", "NVIDIA"),
    ],
)
def test_a_backend_runs_on_cards_of_its_vendors(gpu: str, backend: str, makers: str) -> None:
    """platforms/rocm.py and cuda.py of vLLM 0.33."""
    label = {"h100-80gb": "NVIDIA H100 SXM 80GB"}.get(gpu, "AMD Instinct MI300X")
    assert refusal("llama-3.1-8b", gpu, backend=backend).startswith(
        f"the attention backend {backend} runs on cards of {makers}, not on {label}"
    )


@pytest.mark.parametrize(
    ("gpu", "backend"),
    [
        ("mi300x-192gb", "ROCM_ATTN"),
        ("mi300x-192gb", "TRITON_ATTN"),
        ("h100-80gb", "TRITON_ATTN"),
        # A size alone is no vendor's.
        ("192GB", "ROCM_ATTN"),
        (None, "ROCM_ATTN"),
    ],
)
def test_a_backend_of_the_cards_vendor_is_taken(gpu: str | None, backend: str) -> None:
    assert planned("llama-3.1-8b", gpu, backend=backend).block_size == 16


def test_blocks_on_amds_cards_are_assumed() -> None:
    (line,) = [note for note in said(planned("llama-3.1-8b", "mi300x-192gb")) if "AMD" in note]
    assert line == (
        "which kernels vLLM takes on AMD's cards is not known to kvplan: blocks are as on NVIDIA's; "
        "--block-size gives others"
    )
    assert not planned("llama-3.1-8b", "mi300x-192gb", block_size=16).warnings


def test_any_block_that_is_asked_for_is_taken_on_amds_cards() -> None:
    """AITER's MLA has blocks of 1, as recipes for DeepSeek on the MI300X ask for."""
    answer = planned("deepseek-v3", "mi300x-192gb", block_size=1)
    assert (answer.block_size, answer.warnings) == (1, ())
    assert answer.num_blocks == 60 * 2**30 // (61 * (512 + 64) * 2)
    assert "no multiple" in refusal("llama-3.1-8b", "mi300x-192gb", block_size=1, backend="ROCM_ATTN")
    assert "no multiple" in refusal("llama-3.1-8b", "h100-80gb", block_size=1)


@pytest.mark.parametrize(
    ("gpu", "version", "stored"),
    [
        # supports_kv_cache_dtype in flashinfer.py: Blackwell's from 0.24, the others' from 0.32.
        ("b200-180gb", "0.24", True),
        ("b200-180gb", "0.33", True),
        ("h100-80gb", "0.30", False),
        ("h100-80gb", "0.32", True),
        ("a100-80gb", "0.30", False),
        ("a100-80gb", "0.33", True),
        ("t4-16gb", "0.33", False),
        # No card: on the first that has it.
        (None, "0.24", True),
        (None, "0.20", False),
    ],
)
def test_nvfp4_by_card_and_release(gpu: str | None, version: str, *, stored: bool) -> None:
    options: dict[str, Any] = {"kv_dtype": "nvfp4", "engine": f"vllm@{version}"}
    if stored:
        # 128 values in 4 bits and a scale in fp8 for 16 of them: 72 bytes of a head's keys.
        assert planned("llama-3.1-8b", gpu, **options).kv_dtype == "nvfp4"
    else:
        assert "stores keys and values in nvfp4" in refusal("llama-3.1-8b", gpu, **options)


def test_nvfp4_of_keys_of_64() -> None:
    """supports_combination in flashinfer.py: gpt-oss has heads of 64."""
    assert "keys of 64 elements in nvfp4" in refusal("gpt-oss-20b", "h100-80gb", kv_dtype="nvfp4")
    assert planned("gpt-oss-20b", "b200-180gb", kv_dtype="nvfp4").kv_dtype == "nvfp4"


def test_nvfp4_is_shared_out_on_blackwell_alone() -> None:
    options: dict[str, Any] = {"kv_dtype": "nvfp4", "tp": 16, "dcp": 2}
    assert "does not share out keys and values in nvfp4" in refusal("llama-3.1-70b", "h100-80gb", **options)
    assert planned("llama-3.1-70b", "b200-180gb", **options).kv_dtype == "nvfp4"


def test_nvfp4_of_sparse_mla_is_blackwells() -> None:
    """supports_combination in flashmla_sparse.py: nvfp4_ds_mla on compute capability 10."""
    options: dict[str, Any] = {"kv_dtype": "nvfp4_ds_mla", "backend": "FLASHMLA_SPARSE"}
    assert "does not store nvfp4_ds_mla" in refusal("deepseek-v3.2", "h100-80gb", **options)
    assert planned("deepseek-v3.2", "b200-180gb", **options).kv_dtype == "nvfp4_ds_mla"


def test_fp8_of_sparse_mla_without_a_card_is_assumed() -> None:
    assumed = "no card is named: sparse MLA in fp8 has FlashMLA's rows, as on an H100; --gpu names a card"
    assert assumed in said(planned("deepseek-v3.2", None, kv_dtype="fp8"))
    assert assumed not in said(planned("deepseek-v3.2", "h100-80gb", kv_dtype="fp8"))
    assert assumed not in said(planned("deepseek-v3.2", None, kv_dtype="fp8", backend="FLASHMLA_SPARSE"))


def test_heads_of_256_of_flash_attention_on_blackwell_are_not_guessed() -> None:
    """FA4_HD256_PAGE_SIZE in fa_utils.py, from 0.30 on."""
    options: dict[str, Any] = {"backend": "FLASH_ATTN"}
    assert "heads of 256" in refusal("gemma-2-9b", "b200-180gb", **options | {"engine": "vllm@0.30"})
    assert planned("gemma-2-9b", "b200-180gb", **options | {"engine": "vllm@0.28"}).block_size == 16
    assert planned("gemma-2-9b", "h100-80gb", **options).block_size == 16
