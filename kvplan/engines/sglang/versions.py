"""The rules of the SGLang release that was read, as one value."""

import re

from kvplan.errors import UnknownNameError
from kvplan.records import record


@record
class SglangRules:
    """
    The numbers of one release of SGLang.

    `swa_full_tokens_ratio` and `mamba_full_memory_ratio`: the defaults (arg_groups/fields/schedule.py).
    `state_slots`: slots of recurrent state that a running request holds with the radix cache, and
    `buffer_slots` those that the strategies add (mem_cache/kv_cache_configurator.py,
    _calculate_mamba_ratio; mem_cache/allocation_sizing.py). `eviction_interval`: tokens that have left a
    window before their rows are freed (environ.py). `chunks_in_flight`: prefill chunks in the air with
    the overlap scheduler (model_executor/pool_configurator.py, compute_swa_request_cap). `sparse_page`:
    the page that DeepSeek's sparse attention forces (arg_groups/model_overrides/deepseek_v2.py).
    `most_requests`: the bound on running requests unless one is given (resolve_max_num_reqs).
    """

    version: tuple[int, int, int]
    swa_full_tokens_ratio: str
    mamba_full_memory_ratio: str
    state_slots: int
    buffer_slots: tuple[tuple[str, int], ...]
    eviction_interval: int
    chunks_in_flight: int
    sparse_page: int
    most_requests: int

    @property
    def name(self) -> str:
        """The release in words, as in SGLang 0.5.23."""
        return f"SGLang {_dotted(self.version)}"

    @property
    def engine_name(self) -> str:
        """The name by which `--engine` finds these rules again."""
        return f"sglang@{_dotted(self.version)}"


NEWEST = SglangRules(
    version=(0, 5, 23),
    swa_full_tokens_ratio="0.8",
    mamba_full_memory_ratio="0.9",
    state_slots=3,
    buffer_slots=(("no_buffer", 0), ("extra_buffer", 2), ("extra_buffer_lazy", 1)),
    eviction_interval=128,
    chunks_in_flight=2,
    sparse_page=64,
    most_requests=4096,
)


def find_rules(version: str | None = None) -> SglangRules:
    """
    Return the rules of `0.5.23`, or of `0.5`, its newest known patch; without a version the newest.

    Raises UnknownNameError for any other release: no rule of another one was read.
    """
    if version is None:
        return NEWEST
    match = re.fullmatch(r"v?(\d{1,4})\.(\d{1,4})(?:\.(\d{1,4}))?", version.strip())
    if match is None:
        raise UnknownNameError(
            f"{version[:40]!r} is not a version of SGLang; write {_dotted(NEWEST.version)}"
        )
    asked = tuple(int(part) for part in match.groups() if part is not None)
    if asked != NEWEST.version[: len(asked)]:
        raise UnknownNameError(
            f"SGLang {version.strip()} is not known: kvplan knows the rules of {_dotted(NEWEST.version)}"
        )
    return NEWEST


def _dotted(version: tuple[int, ...]) -> str:
    return ".".join(map(str, version))
