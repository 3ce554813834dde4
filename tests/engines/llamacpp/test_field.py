"""What llama.cpp and its fork ik_llama.cpp printed at start-up, to the last printed digit."""

import pytest

from kvplan.specs import ModelSpec
from kvplan.units import MIB
from tests.engines.llamacpp.planning import printed, reserved, toy

# DeepSeek-R1 and -Coder-V2-Lite from files without latents: K of 192 and V of 128 for each head.
R1_AS_MHA = toy(61, kind="mha", heads=128, head_dim=192, v_head_dim=128)
CODER_AS_MHA = toy(27, kind="mha", heads=16, head_dim=192, v_head_dim=128)
# 64 of the 162 blocks have attention, of 8 KV heads.
NEMOTRON_253B = toy(64, kind="gqa", heads=128, groups=8, head_dim=128)
# The ggml example kept K and V of all 16 heads.
SANTACODER_AS_MHA = toy(24, kind="mha", heads=16, head_dim=128)
K_Q8_V_F16 = "q8_0,value=f16"


@pytest.mark.parametrize(
    ("model", "cells", "kv_dtype", "mib"),
    [
        # github.com/GeniePod/genie-claw/issues/410 and ggml-org/llama.cpp/pull/6122: llama.cpp.
        ("qwen2.5-1.5b", 32768, "fp16", "896.00"),
        ("qwen2.5-1.5b", 4096, "fp16", "112.00"),
        ("falcon-h1-1.5b", 32768, "fp16", "768.00 384.00 384.00"),
        ("command-r-v01", 4096, "fp16", "5120.00 2560.00 2560.00"),
        # github.com/ggml-org/ggml/pull/146: a ggml example.
        (SANTACODER_AS_MHA, 2048, "f32", "768.00"),
        # github.com/ikawrakow/ik_llama.cpp: issues/103, pull/344 (twice), issues/380 and issues/398.
        ("llama-3.1-8b", 1024, "iq4_nl,value=f16", "82.00 18.00 64.00"),
        ("glm-z1-32b", 5120, "q8_0", "162.03 81.02 81.02"),
        ("glm-z1-32b", 32768, "fp16", "1952.00 976.00 976.00"),
        ("qwen3-30b-a3b", 4096, "fp16", "384.00 192.00 192.00"),
        ("qwen3-30b-a3b", 32768, "fp16", "3072.00 1536.00 1536.00"),
        # pull/259, discussions/258, issues/245, pull/237, pull/239 and pull/287: latents, no V.
        ("deepseek-r1", 32768, "q8_0", "1166.62 1166.62 0.00"),
        ("deepseek-r1", 32768, "fp16", "2196.00 2196.00 0.00"),
        ("deepseek-r1", 2048, "fp16", "137.25 137.25 0.00"),
        ("deepseek-r1", 163840, "fp16", "10980.00 10980.00 0.00"),
        ("deepseek-r1", 4096, "fp16", "274.50 274.50 0.00"),
        ("deepseek-r1", 16896, "q8_0", "601.54 601.54 0.00"),
        # discussions/242, issues/271, issues/389 and issues/230: the same models without latents.
        (R1_AS_MHA, 512, "fp16", "2440.00 1464.00 976.00"),
        (R1_AS_MHA, 2048, "fp16", "9760.00 5856.00 3904.00"),
        (R1_AS_MHA, 8192, K_Q8_V_F16, "28060.00 12444.00 15616.00"),
        (CODER_AS_MHA, 512, "fp16", "135.00 81.00 54.00"),
        # pull/328, discussions/334, issues/539 and pull/377: windows are kept whole in the fork.
        ("llama-2-13b", 512, "fp16", "400.00 200.00 200.00"),
        ("gemma-3-27b", 32768, "fp16", "15872.00 7936.00 7936.00"),
        ("gemma-3-27b", 131072, "fp16", "63488.00 31744.00 31744.00"),
        (NEMOTRON_253B, 12288, "q8_0,value=q4_0", "1248.00 816.00 432.00"),
    ],
)
def test_the_printed_kv_size(model: ModelSpec | str, cells: int, kv_dtype: str, mib: str) -> None:
    """The size of all caches of K and V together, K and V: swa_full makes two caches of Gemma's."""
    made = printed(model, cells, kv_dtype=kv_dtype, swa_full=True)
    kv = [(each.size_bytes, each.k_bytes, each.v_bytes) for name, each in made.items() if name != "rs"]
    found = [f"{sum(sizes) / MIB:.2f}" for sizes in zip(*kv, strict=True)]
    assert found[: len(mib.split())] == mib.split()


def test_the_printed_state_of_mamba_and_falcon_h1() -> None:
    """github.com/ggml-org/llama.cpp/pull/5328 and GeniePod/genie-claw/issues/410."""
    assert printed("mamba-2.8b", 32768)["rs"].mib()[0] == "23.75"
    assert printed("mamba-2.8b", 32768, 4)["rs"].cells == 4
    state = printed("falcon-h1-1.5b", 32768)["rs"]
    assert (state.cells, state.layers, state.mib()) == (1, 24, ("72.98", "0.98", "72.00"))


@pytest.mark.parametrize(
    ("context", "slots", "cells", "mib"),
    [
        # github.com/unslothai/unsloth/pull/7530: 1024 // 3 = 341 tokens are 512 cells a slot, and
        # 1024 // 4 = 256 stay 256.
        (341, 3, 1536, 27),
        (256, 4, 1024, 18),
        # The same source, n_ctx 8192: 24 MiB and 15 MiB for the 1024 cells of each slot's windows.
        (8192, 1, None, 39),
        (4096, 2, None, 54),
        (2048, 4, None, 84),
    ],
)
def test_slots_of_gemma_3_270m_in_b10107(context: int, slots: int, cells: int | None, mib: int) -> None:
    assert reserved("gemma-3-270m", context, slots) == mib * MIB
    whole = printed("gemma-3-270m", context, slots)["kv"]
    assert cells in (None, whole.cells * whole.streams)
