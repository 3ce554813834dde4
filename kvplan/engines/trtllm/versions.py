"""
The rules of TensorRT-LLM that were read, as one value.

They are those of the PyTorch flow and its first block manager, `KVCacheManager`, as it was after
NVIDIA/TensorRT-LLM#10659 (early 2026, release candidates of 1.3) had set `KVCacheManagerV2` beside
it: `_torch/pyexecutor/resource_manager.py`@001541bad83b. Later candidates take V2 unasked for some
models (docs/source/features/kvcache.md); `use_kv_cache_manager_v2: false` keeps to these rules.
"""

import re

from kvplan.errors import UnknownNameError
from kvplan.records import record


@record
class TrtllmRules:
    """
    What the release does.

    `utilization`: free_gpu_memory_fraction, a share of what weights and activations leave, and
    `block_size`: tokens_per_block (KvCacheConfig in llmapi/llm_args.py). `max_num_tokens`: tokens in
    flight (the same file). `most_windows`: how many lengths of window were tested side by side
    (NVIDIA/TensorRT-LLM#5151).
    """

    version: tuple[int, int]
    utilization: str
    block_size: int
    max_num_tokens: int
    most_windows: int

    @property
    def dotted(self) -> str:
        """The release's number: `1.3`."""
        return f"{self.version[0]}.{self.version[1]}"

    @property
    def name(self) -> str:
        """The release as people write it: `TensorRT-LLM 1.3`."""
        return f"TensorRT-LLM {self.dotted}"


_1_3 = TrtllmRules(version=(1, 3), utilization="0.9", block_size=32, max_num_tokens=8192, most_windows=2)


def find_rules(version: str | None = None) -> TrtllmRules:
    """
    Return the rules of `1.3`, `1.3.0` or `v1.3.0rc5`; the only known ones without a version.

    Raises UnknownNameError for any other: its files were not read.
    """
    if version is None:
        return _1_3
    match = re.match(r"v?(\d{1,4})\.(\d{1,4})(?![0-9])", version.strip())
    if match is None:
        raise UnknownNameError(f"{version[:40]!r} is not a version of TensorRT-LLM; write {_1_3.dotted}")
    if (int(match[1]), int(match[2])) != _1_3.version:
        raise UnknownNameError(
            f"TensorRT-LLM {match[1]}.{match[2]} is not known: kvplan knows the rules of {_1_3.dotted}, "
            "with the first of its two block managers"
        )
    return _1_3
