"""The widths of latent attention that vLLM's releases have kernels for, and the blocks of these."""

from typing import Any

import pytest

import kvplan

V2_LITE = {"kind": "mla", "heads": 16, "d_c": 512, "d_rope": 64, "d_nope": 128, "v_head_dim": 128}


def _blocks(engine: str, changed: dict[str, Any], kv_dtype: str | None = None) -> int | None:
    spec = kvplan.load("deepseek-v2-lite").changed(attention={**V2_LITE, **changed}, parts=None)
    return kvplan.fit(
        spec, engine=engine, gpu="h100-80gb", kv_memory="60GB", context=2000, kv_dtype=kv_dtype
    ).block_size


@pytest.mark.parametrize(
    "changed", [{}, {"d_nope": 192, "v_head_dim": 256}, {"d_nope": 64}, {"d_nope": 256, "v_head_dim": 256}]
)
def test_vllm_has_prefills_for_some_heads(changed: dict[str, int]) -> None:
    """v1/attention/backends/mla/prefill/flash_attn.py of 0.33: 256 goes with d_rope of 0 alone."""
    if changed.get("d_nope") == 256:
        changed = {**changed, "d_rope": 0}
    assert _blocks("vllm@0.33", changed) == 16


@pytest.mark.parametrize("changed", [{"d_rope": 32}, {"d_nope": 64, "v_head_dim": 64}, {"v_head_dim": 192}])
def test_other_heads_are_refused_since_0_26(changed: dict[str, int]) -> None:
    with pytest.raises(kvplan.KvplanError, match=r"vLLM 0\.33 has no prefill backend for MLA heads of \("):
        _blocks("vllm@0.33", changed)
    with pytest.raises(kvplan.KvplanError, match=r"vLLM 0\.26 has no prefill backend"):
        _blocks("vllm@0.26", changed)
    assert _blocks("vllm@0.24", changed) == 16


def test_heads_without_rope_came_with_0_30() -> None:
    heads = {"d_nope": 256, "d_rope": 0, "v_head_dim": 256}
    assert _blocks("vllm@0.30", heads) == 16
    with pytest.raises(kvplan.KvplanError, match=r"vLLM 0\.28 has no prefill backend"):
        _blocks("vllm@0.28", heads)


@pytest.mark.parametrize(("d_c", "block"), [(512, 64), (256, 64), (384, 16)])
def test_a_width_that_flashmla_does_not_read_is_tritons(d_c: int, block: int) -> None:
    """In fp8, of which FlashAttention's kernel has none: rows of 576 and 320, and then of 448."""
    assert _blocks("vllm@0.33", {"d_c": d_c}, kv_dtype="fp8") == block
