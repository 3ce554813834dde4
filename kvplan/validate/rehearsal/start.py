"""
Run by the Python that has the engine, under the libraries of build.py: its own start-up up to its KV memory.

`start.py ENGINE CONFIG GIB FLAG...` loads weights of no meaning for a config.json, and prints what was
measured as one line of JSON. That Python need not have kvplan, so that nothing of it is here; what
concerns one engine is in the file start_ENGINE.py beside this one.
"""

import ctypes
import json
import os
import sys
import tempfile
import threading
import time
from collections.abc import Mapping
from importlib import import_module
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any, NoReturn

MARK = "KVPLAN-REHEARSED "
_PAGE = 4096

_ENVIRONMENT = {
    "HF_HUB_OFFLINE": "1",
    "TRANSFORMERS_OFFLINE": "1",
    "TORCHINDUCTOR_COMPILE_THREADS": "1",
}
"""No network, and nothing compiled beside."""


def watch(most_bytes: int) -> None:
    """End the process before it takes more of the machine's own memory than it may."""
    while True:
        resident = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * _PAGE
        if resident > most_bytes:
            sys.stderr.write(f"kvplan: the start-up took more than {most_bytes >> 30} GiB of RAM\n")
            sys.stderr.flush()
            os._exit(3)
        time.sleep(0.2)


def leave_out_kernels() -> type:
    """
    Let Triton, Inductor and FlashInfer compile and run nothing; what their Python allocates stays.

    Returns what stands in for a compiled module.
    """
    launch = ctypes.CDLL(None).rehearsal_launch

    def skip(*_args: object, **options: object) -> None:
        if not options.get("warmup"):
            launch()

    def nothing(*_args: object, **_options: object) -> None:
        return None

    class Module:
        """A compiled module that does nothing, be it called itself or one of its functions."""

        def __call__(self, *_args: object, **_options: object) -> None:
            launch()

        def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - as a module of C
            return lambda *_args, **_options: launch() and None

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
    _leave_out_flashinfer(Module)
    return Module


def _leave_out_flashinfer(module: type) -> None:
    try:
        core = import_module("flashinfer.jit.core")
    except ImportError:
        return
    for each in vars(core).values():
        if isinstance(each, type) and "build_and_load" in vars(each):
            each.build_and_load = lambda *_args, **_options: module()  # type: ignore[attr-defined]


def be_alone(ranks: int) -> None:
    """Make this process rank 0 of so many, whose collectives do nothing and wait for nobody."""
    dist: Any = import_module("torch.distributed")
    store = import_module("torch.testing._internal.distributed.fake_pg").FakeStore
    start, group = dist.init_process_group, dist.new_group
    dist.init_process_group = lambda *_a, **_o: start("fake", store=store(), rank=0, world_size=ranks)
    dist.new_group = lambda members=None, *_a, **_o: group(members, backend="fake")


def model_folder(config: Path) -> str:
    """Return a folder with the config alone, without the model's own code, which would not be run."""
    folder = Path(tempfile.mkdtemp())
    content = json.loads(config.read_text(encoding="utf-8"))
    content.pop("auto_map", None)
    (folder / "config.json").write_text(json.dumps(content), encoding="utf-8")
    return str(folder)


def say(measured: Mapping[str, Any]) -> NoReturn:
    """Print what was measured, and end."""
    sys.stdout.write(MARK + json.dumps(measured) + "\n")
    sys.stdout.flush()
    os._exit(0)


def beside(engine: str) -> Any:  # noqa: ANN401 - a module
    """Return the module of an engine; nothing else in this folder can be imported by its name."""
    path = Path(__file__).with_name(f"start_{engine}.py")
    spec = spec_from_file_location(f"kvplan_start_{engine}", path)
    if spec is None or spec.loader is None:
        raise RuntimeError(f"{path} is gone")
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def main(engine: str, config: Path, most_bytes: int, flags: list[str]) -> None:
    """Start the engine on the *config*, and print what it measured before it makes its cache."""
    starts = beside(engine)
    os.environ.update({**_ENVIRONMENT, **starts.ENVIRONMENT})
    threading.Thread(target=watch, args=(most_bytes,), daemon=True).start()
    module = leave_out_kernels()
    starts.begin(model_folder(config), flags, alone=be_alone, module=module, say=say)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]) << 30, sys.argv[4:])
