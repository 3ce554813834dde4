"""
The rules of each state of llama.cpp that was read, as values, by the build number that it prints.

Read in ggml-org/llama.cpp 0c1e57098, which is b11312. The rules of contexts, slots and windows are those
of b10107 too, whose files and 39 start-ups were compared in github.com/unslothai/unsloth/pull/7530.
ik_llama.cpp, a fork, has no cache for windows: what it prints is llama.cpp's with swa_full.
"""

import re

from kvplan.errors import UnknownNameError
from kvplan.records import record


@record
class LlamaRules:
    """
    What one state of llama.cpp does, from its `build` on.

    `sparse`: whether the caches of indexers and of DeepSeek-V4 are known (llama-kv-cache-dsa.cpp,
    -msa.cpp and -dsv4.cpp). `fused`: whether graphs are those of v0.5.0: CUDA's kernels for mixtures keep
    tensors, gpt-oss picks outputs behind all layers, and flash attention on CUDA takes K and V of two types;
    before, they are those of b10068. `rolls_back`: the model types whose states have copies for drafted
    tokens (llm_arch_supports_rs_rollback in src/llama-arch.cpp).
    """

    build: int
    sparse: bool
    fused: bool
    rolls_back: frozenset[str]

    @property
    def name(self) -> str:
        """The engine as people write it: `llamacpp@b11312`."""
        return f"llamacpp@b{self.build}"


# LLM_ARCH_QWEN35 and QWEN35MOE, and later KIMI_K3, DEEPSEEK4, NEMOTRON_H, LFM2 and their mixtures, too.
_QWEN35 = frozenset({"qwen3_5", "qwen3_5_text", "qwen3_5_moe", "qwen3_5_moe_text"})
_LATER = frozenset({"deepseek_v4", "kimi_k3", "lfm2", "lfm2_moe", "nemotron_h"})
_B10107 = LlamaRules(build=10107, sparse=False, fused=False, rolls_back=_QWEN35)
_B11312 = LlamaRules(build=11312, sparse=True, fused=True, rolls_back=_QWEN35 | _LATER)

BUILDS = (_B10107, _B11312)
"""The known rules, from the oldest to the newest."""

NEWEST = BUILDS[-1]


def find_rules(version: str | None = None) -> LlamaRules:
    """
    Return the rules of `b10107` or `10107`: those of the nearest older known build.

    Without a version the newest. Raises UnknownNameError for what is no build, and for builds older
    or newer than the known ones.
    """
    if version is None:
        return NEWEST
    match = re.fullmatch(r"b?(\d{1,6})", version.strip(), re.ASCII)
    if match is None:
        raise UnknownNameError(f"{version[:40]!r} is not a build of llama.cpp; write b{NEWEST.build}")
    asked = int(match[1])
    if not BUILDS[0].build <= asked <= NEWEST.build:
        raise UnknownNameError(
            f"llama.cpp b{asked} is not known: kvplan knows the rules of "
            f"b{BUILDS[0].build} to b{NEWEST.build}"
        )
    return [rules for rules in BUILDS if rules.build <= asked][-1]
