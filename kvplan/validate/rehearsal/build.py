"""
Build a CUDA runtime without a GPU for one Python's torch and serving engine.

The C sources beside this module are compiled against that torch's headers; every call of CUDA that its
libraries and the engine's import and that the sources do not define becomes one that succeeds and does
nothing.
"""

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from shutil import which

from kvplan.errors import KvplanError
from kvplan.records import record

_SOURCES = Path(__file__).parent / "runtime"
_PARTS = ("device.c", "driver.c", "memory.c", "work.c")
_ENGINES = {"vllm": "vLLM", "sglang": "SGLang"}
_KERNELS = {
    "vllm": ("vllm", "humming"),
    "sglang": ("sglang", "sgl_kernel", "deep_gemm", "flash_mla", "deep_ep"),
}
"""The folders of site packages in which libraries of an engine and of its kernels are."""

_RUNTIME, _DRIVER, _NVML = "libkvplan.so", "libcuda.so.1", "libnvidia-ml.so.1"

# What CUDA's headers say to a compiler of device code, and mean nothing to one of C (crt/host_defines.h).
_WORDS = (
    *("host", "device", "global", "shared", "constant", "managed", "device_builtin", "cudart_builtin"),
    *("device_builtin_texture_type", "device_builtin_surface_type"),
)
_ALIGN = "".join(
    f"#define __{name}__(n) __attribute__((aligned(n)))\n" for name in ("align", "builtin_align")
)
_DEFINES = "".join(f"#define __{word}__\n" for word in _WORDS) + _ALIGN
_CALLS = "#define CUDARTAPI\n#define CUDARTAPI_CDECL\n#define CUDA_RT_CALLBACK\n"


@record
class Installed:
    """A Python with an `engine`: its `python`, and the folder of its `site` packages."""

    python: str
    site: Path
    engine: str = "vllm"

    @property
    def name(self) -> str:
        """The engine in words."""
        return _ENGINES[self.engine]

    @property
    def headers(self) -> Path | None:
        """Where the headers of its CUDA runtime lie; None without a CUDA build of torch."""
        found = sorted((self.site / "nvidia").glob("*/include/driver_types.h"))
        return found[0].parent if found else None


def find_installed(python: str, engine: str = "vllm") -> Installed:
    """Return what a Python has; raise KvplanError, which says why, where no rehearsal can run on it."""
    tools = [tool for tool in ("gcc", "nm") if which(tool) is None]
    if tools:
        raise KvplanError(f"a rehearsal compiles a few C files: {' and '.join(tools)} is not installed")
    ask = "import sysconfig; print(sysconfig.get_path('purelib'))"
    try:
        found = subprocess.run([python, "-c", ask], capture_output=True, text=True, check=True)  # noqa: S603
    except (OSError, subprocess.CalledProcessError):
        raise KvplanError(f"{python[:60]} does not run as a Python") from None
    installed = Installed(python=python, site=Path(found.stdout.strip()), engine=engine)
    if not (installed.site / engine).is_dir():
        raise KvplanError(
            f"{python[:60]} has no {installed.name}: give the Python that has it, "
            "as in --python venv/bin/python"
        )
    if installed.headers is None or not (installed.site / "torch/lib/libc10_cuda.so").exists():
        raise KvplanError(f"the torch of {python[:60]} is no CUDA build from PyPI, whose headers are needed")
    return installed


def build(installed: Installed, folder: Path) -> dict[str, str]:
    """Build the libraries in *folder*; return the environment that preloads them."""
    (folder / "crt").mkdir()
    (folder / "crt" / "host_defines.h").write_text(_DEFINES + _CALLS)
    sources = [str(_SOURCES / part) for part in _PARTS]
    own = _defined(installed, folder, sources)
    libraries = list(_libraries(installed))
    idle = _idle(folder / "idle.c", {name for each in libraries for name in _imported(each)} - own)
    _compile(installed, folder, _RUNTIME, *sources, str(idle), "-ldl", "-lpthread")
    calls = set(_driver_calls(installed.site, libraries)) - own
    driver = _idle(folder / "calls.c", calls)
    leads = ("-L.", "-Wl,--no-as-needed", str(folder / _RUNTIME), "-Wl,-rpath,$ORIGIN")
    _compile(installed, folder, _DRIVER, str(driver), *leads)
    _compile(installed, folder, _NVML, str(_SOURCES / "nvml.c"))
    return {
        "LD_PRELOAD": str(folder / _RUNTIME),
        "LD_LIBRARY_PATH": str(folder),
        "TRITON_LIBCUDA_PATH": str(folder),
    }


def _libraries(installed: Installed) -> Iterator[Path]:
    """Give the libraries of torch and the engine that call CUDA, cuBLAS or the driver."""
    names = ("torch_cuda", "c10_cuda", "torch_python", "torch_cuda_linalg", "caffe2_nvrtc")
    yield from (path for name in names if (path := installed.site / f"torch/lib/lib{name}.so").exists())
    for folder in _KERNELS[installed.engine]:
        yield from sorted((installed.site / folder).rglob("*.so"))


def _imported(library: Path) -> Iterator[str]:
    """Give the calls of CUDA's runtime and of cuBLAS that a library makes."""
    return (name for name in _undefined(library) if re.fullmatch(r"cuda[A-Z]\w+|cublas\w+", name))


def _driver_calls(site: Path, libraries: list[Path]) -> Iterator[str]:
    """Give the calls of the driver that libraries make, and that Triton's own source names."""
    for library in libraries:
        yield from (name for name in _undefined(library) if re.fullmatch(r"cu[A-Z]\w+", name))
    source = site / "triton/backends/nvidia/driver.c"
    if source.exists():
        named = re.findall(r"\bcu[A-Z]\w+", source.read_text(encoding="utf-8"))
        yield from (name for name in named if not name.endswith("_t"))


def _idle(path: Path, names: set[str]) -> Path:
    """Write calls that succeed and do nothing."""
    path.write_text("".join(f"int {name}(void) {{ return 0; }}\n" for name in sorted(names)))
    return path


def _defined(installed: Installed, folder: Path, sources: list[str]) -> set[str]:
    """Return the functions that the sources define."""
    _compile(installed, folder, "own.so", *sources, "-ldl", "-lpthread")
    listed = _run("nm", "-D", "--defined-only", str(folder / "own.so"))
    return {line.split()[-1].partition("@")[0] for line in listed.splitlines() if line.strip()}


def _undefined(library: Path) -> Iterator[str]:
    listed = _run("nm", "-D", "--undefined-only", str(library))
    return (line.split()[-1].partition("@")[0] for line in listed.splitlines() if line.strip())


def _compile(installed: Installed, folder: Path, name: str, *arguments: str) -> None:
    headers = [f"-I{place}" for place in (_SOURCES, folder, installed.headers)]
    version = re.search(r"CUDART_VERSION +(\d+)", _runtime_header(installed))
    told = [f"-DKVPLAN_RUNTIME={version[1]}"] if version else []
    shared = ("-O1", "-fPIC", "-shared", f"-Wl,-soname,{name}", "-o", str(folder / name))
    _run("gcc", *shared, *told, *headers, *arguments)


def _runtime_header(installed: Installed) -> str:
    header = (installed.headers or Path()) / "cuda_runtime_api.h"
    return header.read_text(encoding="utf-8", errors="replace") if header.exists() else ""


def _run(*command: str) -> str:
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout  # noqa: S603
    except subprocess.CalledProcessError as error:
        first = (error.stderr.strip() or "no message").splitlines()[0]
        raise KvplanError(f"{command[0]} failed: {first[:160]}") from None
