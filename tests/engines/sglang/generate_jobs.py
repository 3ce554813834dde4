"""
Record what SGLang's own code makes of a memory, for test_oracle.py.

Give it the folder `srt` of the unpacked wheel of sglang 0.5.23; torch and numpy must be installed, and
nothing else of SGLang's dependencies: what surrounds the sizing is replaced by mocks.

    python -m tests.engines.sglang.generate_jobs .../sglang/srt > tests/engines/sglang/oracle_jobs.json
"""

import importlib.util
import json
import random
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any
from unittest.mock import MagicMock

from kvplan.errors import KvplanError
from tests.engines.sglang.planning import pools_of

SWA = ("gpt-oss-120b", "mimo-v2-flash", "llama-4-scout-17b-16e", "gemma-4-31b")
STATES = ("qwen3-next-80b-a3b", "falcon-h1-7b", "kimi-linear-48b-a3b", "nemotron-h-8b")
DRAFTED = ("qwen3-next-80b-a3b", "qwen3.5-35b-a3b")
JOBS = 60


class Struct:
    """The base of msgspec's classes, without its options."""

    def __init_subclass__(cls, **_: object) -> None:
        """Take the options and do nothing."""


class Mocks:
    """An import hook under which every module of SGLang and its dependencies is a mock."""

    def find_spec(self, name: str, *_: object) -> Any:
        if name.partition(".")[0] not in {"sglang", "msgspec", "triton"}:
            return None
        return importlib.util.spec_from_loader(name, self, is_package=True)  # type: ignore[arg-type]

    def create_module(self, spec: Any) -> MagicMock:
        module = MagicMock(name=spec.name)
        module.Struct = Struct
        return module

    def exec_module(self, module: object) -> None:
        """Do nothing: a mock has no code."""


def load(folder: Path, path: str) -> ModuleType:
    """Run one real file of SGLang among mocks."""
    name = f"sglang.srt.{path.removesuffix('.py').replace('/', '.')}"
    spec = importlib.util.spec_from_file_location(name, folder / path)
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def windows(module: ModuleType, job: dict[str, Any]) -> dict[str, int] | None:
    """Return the pools of tokens and windows, or None if SGLang refuses."""
    pools = pools_of(job["model"], **job["choice"])
    (rank,) = pools.sizing.cells.ranks
    own = object.__new__(module.HybridSWAPoolConfigurator)
    vars(own).update(
        _full_layers_num=1,
        _swa_layers_num=1,
        _full_per_token=rank.full_bytes,
        _swa_per_token=rank.window_bytes,
        _swa_full_tokens_ratio=float(job["choice"]["settings"]["swa_full_tokens_ratio"]),
        _sliding_window_size=pools.sizing.cells.window,
        _page_size=pools.sizing.page,
        _enable_unified_memory=False,
        _draft_full_layers_num=0,
        _draft_swa_layers_num=0,
        _draft_swa_full_layers_num=0,
        _draft_cell_size=0,
        _fused_full_entry=None,
        _fused_swa_entry=None,
    )
    own._recompute_cell_size()
    try:
        found = own.calculate_pool_sizes(job["memory"], pools.sizing.page)
    except ValueError:
        return None
    return {"tokens": found.full_max_total_num_tokens, "window_tokens": found.swa_max_total_num_tokens}


def states(module: ModuleType, job: dict[str, Any]) -> dict[str, int] | None:
    """Return the slots of states, and beside a draft the tokens, or None if SGLang refuses."""
    choice = job["choice"]
    settings = choice["settings"]
    drafted = int(settings.get("speculative_num_draft_tokens", 0))
    size = settings.get("max_mamba_cache_size")
    schedule = SimpleNamespace(
        max_mamba_cache_size=None if size is None else int(size),
        mamba_full_memory_ratio=float(settings.get("mamba_full_memory_ratio", "0.9")),
        max_running_requests=choice.get("max_num_seqs", 48 if drafted else None),
    )
    radix = choice.get("prefix_caching", True)
    module.get_schedule = lambda: schedule  # type: ignore[attr-defined]
    module.get_memory = lambda: SimpleNamespace(disable_radix_cache=not radix)  # type: ignore[attr-defined]
    module.get_spec = lambda: SimpleNamespace(speculative_num_draft_tokens=drafted)  # type: ignore[attr-defined]
    module._pd_prefill_skips_mamba_spec_state = lambda: False  # type: ignore[attr-defined]
    module.get_exec = lambda: SimpleNamespace(  # type: ignore[attr-defined]
        mamba=SimpleNamespace(enable_linear_replayssm_spec=False)
    )
    context = SimpleNamespace(override=lambda _, **values: vars(schedule).update(values))
    module.get_context = lambda: context  # type: ignore[attr-defined]
    sizing = pools_of(job["model"], **choice).sizing
    params = SimpleNamespace(layers=[0], mamba_cache_per_req=sizing.cells.slot_bytes)
    own = SimpleNamespace(
        mambaish_config=SimpleNamespace(mamba2_cache_params=params),
        pp_size=1,
        spec_algorithm=SimpleNamespace(is_none=lambda: not drafted),
        _calculate_mamba_ratio=lambda: sizing.slots_per_request,
        fused_entry_bytes=lambda _: None,
        hybrid_gdn_config=None,
        hybrid_kda_config=None,
        extra_mamba_cache_bytes_per_req=0,
        attn_dp_size=1,
    )
    configurator = module.KVCacheConfigurator
    try:
        rest = configurator._handle_max_mamba_cache(own, job["memory"] / 2**30)
    except RuntimeError:
        return None
    answer = {"slots": schedule.max_mamba_cache_size}
    if not drafted or answer["slots"] < sizing.slots_per_request:
        return answer
    (rank,) = sizing.cells.ranks
    tokens = int(rest * 2**30) // rank.full_bytes
    return answer | {"tokens": tokens} if tokens > 0 else None


def jobs(pick: random.Random) -> list[dict[str, Any]]:
    """Return random models, options and memories."""
    with_windows = [
        {
            "model": pick.choice(SWA),
            "memory": pick.randrange(10**8, 6 * 10**10) // pick.choice((1, 1, 1, 1000)),
            "choice": {
                "block_size": pick.choice((1, 16, 64)),
                "settings": {"swa_full_tokens_ratio": pick.choice(("0.8", "0.1", "0.29", "0.7"))},
            },
        }
        for _ in range(JOBS)
    ]
    with_states = [
        {
            "model": pick.choice(STATES),
            "memory": pick.randrange(10**8, 10**11) // pick.choice((1, 1, 1, 1000)),
            "choice": {"settings": {"mamba_full_memory_ratio": pick.choice(("0.9", "0.2", "3"))}},
        }
        for _ in range(JOBS)
    ]
    return with_windows + with_states + [beside_a_draft(pick) for _ in range(JOBS)]


def beside_a_draft(pick: random.Random) -> dict[str, Any]:
    """Return a random model with states and a draft, and any way to size its pool."""
    settings = {"speculative_num_draft_tokens": pick.choice(("2", "4", "8"))}
    choice: dict[str, Any] = {"draft": "mtp", "settings": settings}
    sizes = pick.choice(("ratio", "ratio", "slots", "requests"))
    if sizes == "ratio":
        settings["mamba_full_memory_ratio"] = pick.choice(("0.9", "0.2", "3"))
    elif sizes == "slots":
        settings["max_mamba_cache_size"] = pick.choice(("40", "163", "500"))
    if sizes == "requests":
        choice["prefix_caching"] = False
    if sizes == "requests" or pick.random() < 0.5:
        choice["max_num_seqs"] = pick.choice((1, 7, 64, 200))
    memory = pick.randrange(10**10, 2 * 10**11) // pick.choice((1, 1, 1, 1, 10))
    return {"model": pick.choice(DRAFTED), "memory": memory, "choice": choice}


def main() -> None:
    """Print the jobs with what SGLang's code answers."""
    sys.meta_path.insert(0, Mocks())
    folder = Path(sys.argv[1])
    sizes = load(folder, "model_executor/pool_configurator.py")
    caches = load(folder, "mem_cache/kv_cache_configurator.py")
    recorded = []
    for job in jobs(random.Random(523)):  # noqa: S311 - jobs are no secrets
        try:
            answer = windows(sizes, job) if job["model"] in SWA else states(caches, job)
        except KvplanError as error:
            raise SystemExit(str(error)) from error
        recorded.append({**job, "answer": answer})
    json.dump(recorded, sys.stdout, indent=1)


if __name__ == "__main__":
    main()
