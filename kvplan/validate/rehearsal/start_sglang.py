"""SGLang's start-up, for start.py: rank 0 with its pools and graphs. Run by the Python that has SGLang."""

import sys
import traceback
from array import array
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any

ENVIRONMENT = {
    "SGLANG_ENABLE_JIT_DEEPGEMM": "0",
    "SGLANG_SKIP_SGL_KERNEL_VERSION_CHECK": "1",
}
"""No library that asks a card what it is."""

_PORT = 29500
"""Where ranks would meet: nobody listens."""


def compile_nothing(module: type) -> None:
    """Put *module* in the place of what SGLang compiles itself, and of kernels in CuTe's language."""
    for name in ("compile.loader", "compile", ""):
        found = import_module(f"sglang.kernels.jit.utils.{name}".rstrip("."))
        found.load_jit = lambda *_a, **_o: module()  # type: ignore[attr-defined]

    class Compiles:
        """As cute.compile, which may be given options in brackets."""

        def __call__(self, *_args: object, **_options: object) -> object:
            return module()

        def __getitem__(self, _options: object) -> "Compiles":
            return self

    import_module("cutlass.cute").compile = Compiles()  # type: ignore[attr-defined]


def ask_torch() -> None:
    """Let torch say whether a stream is captured, as SGLang itself has it where cuda-python is not there."""
    cuda: Any = import_module("torch").cuda
    graphs = "sglang.srt.model_executor.runner_backend_utils.breakable_cuda_graph.breakable_cuda_graph"

    def captures(stream: Any) -> bool:  # noqa: ANN401 - torch's own
        with cuda.stream(stream):
            return bool(cuda.is_current_stream_capturing())

    import_module(graphs)._is_stream_capturing = captures  # type: ignore[attr-defined]  # noqa: SLF001


def reach_nobody(ranks: int) -> None:
    """Let NCCL do nothing, all ranks be on one node, and no rank wait for another."""
    dist: Any = import_module("torch.distributed")
    dist.monitored_barrier = lambda *_a, **_o: None
    wrapper: Any = import_module("sglang.srt.distributed.device_communicators.pynccl")

    class Silent:
        """NCCL's library, whose calls do nothing."""

        def __init__(self, *_args: object) -> None:
            """Load nothing."""

        def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - as a library of C
            return lambda *_a, **_o: wrapper.ncclUniqueId() if name == "ncclGetUniqueId" else None

    wrapper.NCCLLibrary = Silent
    state: Any = import_module("sglang.srt.distributed.parallel_state")
    state.in_the_same_node_as = lambda *_a, **_o: [True] * ranks
    queue = import_module("sglang.srt.distributed.device_communicators.shm_broadcast").MessageQueue
    for name in ("create_from_process_group", "create_from_process_group_single_reader"):
        setattr(queue, name, staticmethod(lambda *_a, **_o: None))


def note(found: dict[str, int]) -> None:
    """Note what is free before and after the weights, and what SGLang then takes for its pools."""
    torch: Any = import_module("torch")
    runner = import_module("sglang.srt.model_executor.model_runner").ModelRunner
    sizes = import_module("sglang.srt.mem_cache.kv_cache_configurator").KVCacheConfigurator
    load, profile, states = runner.load_model, sizes._profile_available_bytes, sizes._handle_max_mamba_cache  # noqa: SLF001

    def free() -> int:
        torch.cuda.empty_cache()
        return int(torch.cuda.mem_get_info()[0])

    def loaded(self: Any, *args: Any, **options: Any) -> Any:  # noqa: ANN401 - SGLang's own
        before = free()
        result = load(self, *args, **options)
        found["weights_bytes"] = before - free()
        return result

    def profiled(self: Any, memory: float) -> int:  # noqa: ANN401 - SGLang's own
        size = int(profile(self, memory))
        found.setdefault("kv_bytes", size)
        return size

    def kept(self: Any, memory: float) -> float:  # noqa: ANN401 - SGLang's own
        found["kv_bytes"] = int(memory * 2**30)
        return float(states(self, memory))

    runner.load_model = loaded
    sizes._profile_available_bytes, sizes._handle_max_mamba_cache = profiled, kept  # noqa: SLF001


def schedule(arguments: Any, resolved: Any) -> Any:  # noqa: ANN401 - SGLang's own
    """Return a scheduler that has got as far as its model and its pools, without sockets and tokenizers."""
    scheduler = import_module("sglang.srt.managers.scheduler").Scheduler
    bootstrap = import_module("sglang.srt.distributed.bootstrap")
    algorithm = import_module("sglang.srt.speculative.spec_info").SpeculativeAlgorithm
    own: Any = object.__new__(scheduler)
    own.server_args, own.nccl_port = arguments, _PORT
    own.spec_algorithm = algorithm.from_string(resolved.speculative_algorithm)
    own.init_model_config()
    bootstrap.init_parallel_runtime(server_args=arguments, device="cuda", dist_port=_PORT)
    bootstrap.init_layer_runtime(model_config=own.model_config)
    own.init_moe_gemm_config()
    own.init_mamba_backend()
    own.init_tp_model_worker()
    own.maybe_init_draft_worker()
    own.init_memory_pools()
    return own


def measured(runner: Any, found: Mapping[str, int]) -> dict[str, Any]:  # noqa: ANN401 - SGLang's own
    """Return what a model runner has: sizes in bytes, and None for pools that there are not."""
    torch: Any = import_module("torch")
    context = import_module("sglang.srt.runtime_context")
    schedules = context.get_schedule()
    table = runner.req_to_token_pool.req_to_token
    return {
        "sglang": import_module("sglang").__version__,
        "torch": torch.__version__,
        "fraction": schedules.mem_fraction_static,
        "page": schedules.page_size,
        "tokens": runner.max_total_num_tokens,
        "window_tokens": getattr(runner, "swa_max_total_num_tokens", None),
        "slots": schedules.max_mamba_cache_size,
        "requests": runner.max_running_requests,
        "table_bytes": table.numel() * table.element_size(),
        **found,
    }


def taken(call: Callable[[], object]) -> tuple[int, int]:
    """Return what torch reserves more after a call, and the peak of what it allocated within, in bytes."""
    cuda: Any = import_module("torch").cuda
    cuda.empty_cache()
    reserved, allocated = cuda.memory_reserved(), cuda.memory_allocated()
    cuda.reset_peak_memory_stats()
    call()
    peak = cuda.max_memory_allocated() - allocated
    cuda.empty_cache()
    return cuda.memory_reserved() - reserved, peak


def prefill(runner: Any, tokens: int) -> None:  # noqa: ANN401 - SGLang's own
    """Run one request of so many tokens, and draw its next one."""
    request = import_module("sglang.srt.managers.schedule_batch").Req(
        rid="0",
        origin_input_text="",
        origin_input_ids=array("q", [1] * tokens),
        sampling_params=import_module("sglang.srt.sampling.sampling_params").SamplingParams(),
    )
    request.sampling_params.normalize(None)
    request.full_untruncated_fill_ids = request.origin_input_ids
    request.logprob_start_len, request.extend_end = -1, tokens
    import_module("sglang.benchmark.one_batch").extend([request], runner)


def captured(own: Any) -> dict[str, int | None]:  # noqa: ANN401 - SGLang's own
    """
    Return what torch takes for attention's workspaces and graphs, and then for a whole chunk of prefill.

    Both are None where a kernel asks a card for more than an address, as FlashInfer's do.
    """
    tokens = import_module("sglang.srt.runtime_context").get_schedule().chunked_prefill_size
    try:
        workspaces, _ = taken(own.init_all_attention_backends)
        graphs, _ = taken(own.init_all_cuda_graphs)
        _, chunk = taken(lambda: prefill(own.tp_worker.model_runner, tokens))
    except Exception:  # noqa: BLE001 - whatever a kernel without a card does
        traceback.print_exc(file=sys.stderr)
        return {"graphs_bytes": None, "chunk_bytes": None}
    return {"graphs_bytes": workspaces + graphs, "chunk_bytes": chunk}


def begin(
    folder: str,
    flags: list[str],
    *,
    alone: Callable[[int], None],
    module: type,
    say: Callable[[Mapping[str, Any]], None],
) -> None:
    """Start SGLang on the model in *folder*, and say what it measured when it had its pools and graphs."""
    compile_nothing(module)
    parse = import_module("sglang.srt.server_args").prepare_server_args
    own = ["--model-path", folder, "--load-format", "dummy", "--skip-tokenizer-init"]
    arguments = parse([*flags, *own])
    arguments.resolve_once()
    resolved = import_module("sglang.srt.arg_groups.overrides").resolving_view(arguments)
    ranks = resolved.tp_size * resolved.pp_size
    alone(ranks)
    context = import_module("sglang.srt.runtime_context")
    placed = context.SpawnRanks(world_rank=0, dp_rank=None, gpu_id=0)
    context.publish(arguments, role="scheduler", ranks=placed)
    reach_nobody(ranks)
    ask_torch()
    found: dict[str, int] = {}
    note(found)
    scheduler = schedule(arguments, resolved)
    pools = measured(scheduler.tp_worker.model_runner, found)
    say(pools | captured(scheduler))
