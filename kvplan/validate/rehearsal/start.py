"""
Run by the Python that has vLLM, under the libraries of build.py: vLLM's own start-up up to its KV memory.

`start.py CONFIG GIB FLAG...` loads weights of no meaning for a config.json, runs the profile run, and
prints what was measured as one line of JSON. That Python need not have kvplan, so that nothing of it is here.
"""

import ctypes
import json
import os
import sys
import tempfile
import threading
import time
from importlib import import_module
from pathlib import Path
from typing import Any

MARK = "KVPLAN-REHEARSED "
_PAGE = 4096

_ENVIRONMENT = {
    "VLLM_ENABLE_V1_MULTIPROCESSING": "0",
    "VLLM_NO_USAGE_STATS": "1",
    "VLLM_USE_DEEP_GEMM": "0",
    "VLLM_DISABLE_PYNCCL": "1",
    "VLLM_ALLREDUCE_USE_SYMM_MEM": "0",
    "HF_HUB_OFFLINE": "1",
    "TRANSFORMERS_OFFLINE": "1",
    "TORCHINDUCTOR_COMPILE_THREADS": "1",
}
"""One process, no network, and no library that asks a card what it is."""


def watch(most_bytes: int) -> None:
    """End the process before it takes more of the machine's own memory than it may."""
    while True:
        resident = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * _PAGE
        if resident > most_bytes:
            sys.stderr.write(f"kvplan: the start-up took more than {most_bytes >> 30} GiB of RAM\n")
            sys.stderr.flush()
            os._exit(3)
        time.sleep(0.2)


def leave_out_kernels() -> None:
    """Let Triton, Inductor and FlashInfer compile and run nothing; what their Python allocates stays."""
    launch = ctypes.CDLL(None).rehearsal_launch

    def skip(*_args: object, **options: object) -> None:
        if not options.get("warmup"):
            launch()

    def nothing(*_args: object, **_options: object) -> None:
        return None

    torch = import_module("torch")
    torch.backends.cudnn.enabled = False
    torch.backends.cuda.enable_cudnn_sdp(False)  # noqa: FBT003 - torch's own signature
    jit, tuner = import_module("triton.runtime.jit"), import_module("triton.runtime.autotuner")
    jit.JITFunction.run, jit.JITFunction.warmup = skip, nothing
    tuner.Autotuner.run = tuner.Heuristics.run = skip
    inductor = import_module("torch._inductor.runtime.triton_heuristics").CachingAutotuner
    inductor.precompile, inductor.run = nothing, skip
    inductor.prepare_for_pickle = lambda _self: (None,) * 5
    import_module("torch._inductor.scheduler").Scheduler.speedup_by_combo_kernel = lambda *_args: True
    _leave_out_flashinfer(launch)


def _leave_out_flashinfer(launch: Any) -> None:  # noqa: ANN401 - a function of C
    try:
        core = import_module("flashinfer.jit.core")
    except ImportError:
        return

    class Module:
        """A compiled module that does nothing, be it called itself or one of its functions."""

        def __call__(self, *_args: object, **_options: object) -> None:
            launch()

        def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - as a module of C
            return lambda *_args, **_options: launch() and None

    for each in vars(core).values():
        if isinstance(each, type) and "build_and_load" in vars(each):
            each.build_and_load = lambda *_args, **_options: Module()  # type: ignore[attr-defined]


def be_alone(ranks: int) -> None:
    """Make this process rank 0 of so many, whose collectives do nothing and wait for nobody."""
    dist: Any = import_module("torch.distributed")
    store = import_module("torch.testing._internal.distributed.fake_pg").FakeStore
    start, group = dist.init_process_group, dist.new_group
    dist.init_process_group = lambda *_a, **_o: start("fake", store=store(), rank=0, world_size=ranks)
    dist.new_group = lambda members=None, *_a, **_o: group(members, backend="fake")
    state = import_module("vllm.distributed.parallel_state")
    queue = import_module("vllm.distributed.device_communicators.shm_broadcast").MessageQueue

    def on_one_node(members: Any, _source: int = 0) -> list[bool]:  # noqa: ANN401 - a group or its store
        size = dist.get_world_size(members) if isinstance(members, dist.ProcessGroup) else members.world_size
        return [True] * size

    for module in list(sys.modules.values()):
        if getattr(module, "__name__", "").startswith("vllm."):
            for name, value in (("in_the_same_node_as", on_one_node), ("_node_count", lambda _group: 1)):
                if hasattr(module, name):
                    setattr(module, name, value)
    if state.in_the_same_node_as is not on_one_node:
        raise RuntimeError("this vLLM finds its nodes in another way")
    for name in ("create_from_process_group", "create_from_process_group_single_reader"):
        setattr(queue, name, staticmethod(lambda *_a, **_o: None))


def load_on_the_device() -> None:
    """Make weights that are quantised while they load on the device, whose memory takes no RAM."""
    torch = import_module("torch")
    loader = import_module("vllm.model_executor.model_loader.dummy_loader").DummyModelLoader
    load = loader.load_weights

    def on_device(self: object, *args: object, **options: object) -> object:
        with torch.device("cuda"):
            return load(self, *args, **options)

    loader.load_weights = on_device


def engine_config(config: Path, flags: list[str]) -> Any:  # noqa: ANN401 - vLLM's VllmConfig
    """Return vLLM's config for the flags of a server, of which those of the server alone are passed over."""
    arguments = import_module("vllm.engine.arg_utils").EngineArgs
    parser = arguments.add_cli_args(import_module("vllm.utils.argparse_utils").FlexibleArgumentParser())
    folder = Path(tempfile.mkdtemp())
    content = json.loads(config.read_text(encoding="utf-8"))
    content.pop("auto_map", None)  # The model's own code is not there, and would not be run.
    (folder / "config.json").write_text(json.dumps(content), encoding="utf-8")
    own = ["--model", str(folder), "--load-format", "dummy", "--skip-tokenizer-init"]
    known, _ = parser.parse_known_args([*own, *flags])
    usage = import_module("vllm.usage.usage_lib").UsageContext
    return arguments.from_cli_args(known).create_engine_config(usage.OPENAI_API_SERVER)


def look_at_models_here() -> None:
    """Let vLLM ask a model's class in this process: in another it would import all of itself again."""
    registry: Any = import_module("vllm.model_executor.models.registry")
    if hasattr(registry, "_run_in_subprocess"):
        registry._run_in_subprocess = lambda ask: ask()  # noqa: SLF001 - it has no public name


def measured(worker: Any, config: Any) -> dict[str, Any]:  # noqa: ANN401 - vLLM's own
    """Return what a worker found, in bytes; None for what its release does not have."""
    torch = import_module("torch")
    weights = int(worker.model_runner.model_memory_usage)
    consumed = getattr(worker, "total_consumed", None)
    return {
        "vllm": import_module("vllm").__version__,
        "torch": torch.__version__,
        "runner": "v2" if ".gpu." in type(worker.model_runner).__module__ else "v1",
        "tokens": config.scheduler_config.max_num_batched_tokens,
        "sequences": config.scheduler_config.max_num_seqs,
        "weights_bytes": weights,
        "activation_bytes": int(getattr(worker, "peak_activation_memory", 0)),
        "graphs_bytes": int(getattr(worker, "cudagraph_memory_estimate", 0)),
        "kept_bytes": None if consumed is None else int(consumed) - weights,
        "kv_bytes": int(worker.available_kv_cache_memory_bytes),
    }


def main(config: Path, most_bytes: int, flags: list[str]) -> None:
    """Start vLLM on the *config*, and print what it measured before it makes its cache."""
    os.environ.update(_ENVIRONMENT)
    threading.Thread(target=watch, args=(most_bytes,), daemon=True).start()
    leave_out_kernels()
    look_at_models_here()
    vllm_config = engine_config(config, flags)
    executor = import_module("vllm.v1.executor").Executor.get_class(vllm_config)
    worker = import_module("vllm.v1.worker.gpu_worker").Worker
    load_on_the_device()
    if (ranks := vllm_config.parallel_config.world_size) > 1:
        executor = import_module("vllm.v1.executor.uniproc_executor").UniProcExecutor
        be_alone(ranks)
    determine = worker.determine_available_memory

    def determined(self: Any) -> None:  # noqa: ANN401 - vLLM's worker
        determine(self)
        sys.stdout.write(MARK + json.dumps(measured(self, vllm_config)) + "\n")
        sys.stdout.flush()
        os._exit(0)

    worker.determine_available_memory = determined
    import_module("vllm.v1.engine.core").EngineCore(vllm_config, executor, log_stats=False)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]) << 30, sys.argv[3:])
