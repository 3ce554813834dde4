"""vLLM's start-up, for start.py: rank 0 up to its KV memory. Run by the Python that has vLLM."""

import sys
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any

ENVIRONMENT = {
    "VLLM_ENABLE_V1_MULTIPROCESSING": "0",
    "VLLM_NO_USAGE_STATS": "1",
    "VLLM_USE_DEEP_GEMM": "0",
    "VLLM_DISABLE_PYNCCL": "1",
    "VLLM_ALLREDUCE_USE_SYMM_MEM": "0",
}
"""One process, and no library that asks a card what it is."""


def find_one_node() -> None:
    """Let vLLM find all ranks on one node, and give no rank a queue of the others."""
    dist: Any = import_module("torch.distributed")
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


def engine_config(folder: str, flags: list[str]) -> Any:  # noqa: ANN401 - vLLM's VllmConfig
    """Return vLLM's config for the flags of a server, of which those of the server alone are passed over."""
    arguments = import_module("vllm.engine.arg_utils").EngineArgs
    parser = arguments.add_cli_args(import_module("vllm.utils.argparse_utils").FlexibleArgumentParser())
    own = ["--model", folder, "--load-format", "dummy", "--skip-tokenizer-init"]
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


def begin(
    folder: str,
    flags: list[str],
    *,
    alone: Callable[[int], None],
    module: type,  # noqa: ARG001 - vLLM compiles nothing itself
    say: Callable[[Mapping[str, Any]], None],
) -> None:
    """Start vLLM on the model in *folder*, and say what it measured before it makes its cache."""
    look_at_models_here()
    vllm_config = engine_config(folder, flags)
    executor = import_module("vllm.v1.executor").Executor.get_class(vllm_config)
    worker = import_module("vllm.v1.worker.gpu_worker").Worker
    load_on_the_device()
    if (ranks := vllm_config.parallel_config.world_size) > 1:
        executor = import_module("vllm.v1.executor.uniproc_executor").UniProcExecutor
        alone(ranks)
        find_one_node()
    determine = worker.determine_available_memory

    def determined(self: Any) -> None:  # noqa: ANN401 - vLLM's worker
        determine(self)
        say(measured(self, vllm_config))

    worker.determine_available_memory = determined
    import_module("vllm.v1.engine.core").EngineCore(vllm_config, executor, log_stats=False)
