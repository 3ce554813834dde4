"""
Build a CUDA runtime without a GPU, so that torch's own caching allocator runs where there is none.

It is preloaded before a CUDA build of torch. The addresses that it hands out, their sizes and its
refusals are real, and so is the bookkeeping of torch that stands on them. Kernels and matrix products
compute nothing: what a tensor contains means nothing, and how large it is means all that it ever does.
cuDNN is not replaced and cannot start. Its device says of itself that it is fake: what is measured so
is no validation on CUDA, and `Run.on_cuda` is False for it.
"""

import os
import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from shutil import which

SOURCES = Path(__file__).parent
_IMPORTING = ("torch_cuda", "c10_cuda", "torch_python", "torch_cuda_linalg")
"""The libraries of torch that call CUDA and cuBLAS."""
_ASKED_FIRST = "caffe2_nvrtc"
"""The library of torch that calls the driver."""

# What CUDA's headers say to a compiler of device code, and mean nothing to one of C.
_WORDS = """
#define __host__
#define __device__
#define __global__
#define __shared__
#define __constant__
#define __managed__
#define __device_builtin__
#define __cudart_builtin__
#define __device_builtin_texture_type__
#define __device_builtin_surface_type__
#define __align__(n) __attribute__((aligned(n)))
#define __builtin_align__(n) __align__(n)
#define CUDARTAPI
#define CUDARTAPI_CDECL
#define CUDA_RT_CALLBACK
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Torch:
    """An installed torch: the Python that has it, and the folder of its site packages."""

    python: str
    site: Path

    @property
    def headers(self) -> Path | None:
        """Where the headers of its CUDA runtime lie."""
        found = sorted((self.site / "nvidia").glob("*/include/driver_types.h"))
        return found[0].parent if found else None


def torch_of(python: str) -> Torch:
    """Return the torch of a Python, which need not have one."""
    ask = "import sysconfig; print(sysconfig.get_path('purelib'))"
    site = subprocess.run([python, "-c", ask], capture_output=True, text=True, check=True).stdout  # noqa: S603
    return Torch(python=python, site=Path(site.strip()))


def missing(torch: Torch) -> str | None:
    """Return in words what is missing to build and use the runtime with *torch*, or None."""
    tools = [tool for tool in ("gcc", "nm") if which(tool) is None]
    if tools:
        return f"needs {' and '.join(tools)}"
    if not (torch.site / "torch" / "lib" / "libc10_cuda.so").exists() or torch.headers is None:
        return f"{torch.python} has no CUDA build of torch"
    return None


def build(torch: Torch, folder: Path) -> dict[str, str]:
    """Build the runtime in *folder*, and return the environment under which *torch* runs on it."""
    (folder / "crt").mkdir()
    (folder / "crt" / "host_defines.h").write_text(_WORDS)
    written = [str(path) for path in sorted(SOURCES.glob("*.c"))]
    own = _defined(written, torch, folder)
    wanted = {name for library in (*_IMPORTING, _ASKED_FIRST) for name in _imported(torch, library)}
    idle = folder / "idle.c"
    idle.write_text("".join(f"long {name}(void) {{ return 0; }}\n" for name in sorted(wanted - own)))
    runtime, driver = folder / "libfake.so", folder / "libcuda.so.1"
    name = f"-Wl,-soname,{runtime.name}"
    _compile(torch, folder, "-shared", name, "-o", str(runtime), *written, str(idle), "-ldl", "-lpthread")
    # torch looks the driver's calls up in its library, which here leads to the runtime.
    nothing = folder / "nothing.c"
    nothing.write_text("extern int kvplan_nothing;\n")
    leads = ("-Wl,--no-as-needed", str(runtime), "-Wl,-rpath,$ORIGIN", f"-Wl,-soname,{driver.name}")
    _compile(torch, folder, "-shared", "-o", str(driver), str(nothing), *leads)
    return {**os.environ, "OMP_NUM_THREADS": "1", "LD_PRELOAD": str(runtime), "LD_LIBRARY_PATH": str(folder)}


def _defined(sources: list[str], torch: Torch, folder: Path) -> set[str]:
    """Return the functions that the sources define."""
    own = folder / "own.o"
    joined = folder / "own.c"
    joined.write_text("".join(f'#include "{source}"\n' for source in sources))
    _compile(torch, folder, "-c", "-o", str(own), str(joined))
    return set(_symbols(own, "--defined-only"))


def _imported(torch: Torch, library: str) -> Iterator[str]:
    """Give the calls of CUDA's runtime, its driver and cuBLAS that a library of torch makes."""
    path = torch.site / "torch" / "lib" / f"lib{library}.so"
    pattern = r"cu[A-Z]\w+" if library == _ASKED_FIRST else r"(__)?cuda[A-Z]\w+|cublas\w+"
    return (name for name in _symbols(path, "-D", "--undefined-only") if re.fullmatch(pattern, name))


def _symbols(path: Path, *options: str) -> list[str]:
    listed = subprocess.run(["nm", *options, path], capture_output=True, text=True, check=True)  # noqa: S603, S607
    return [line.split()[-1].partition("@")[0] for line in listed.stdout.splitlines() if line.strip()]


def _compile(torch: Torch, folder: Path, *arguments: str) -> None:
    headers = [f"-I{place}" for place in (SOURCES, folder, torch.headers)]
    command = ["gcc", "-O1", "-Wall", "-Wextra", "-fPIC", *headers, *arguments]
    subprocess.run(command, check=True, capture_output=True, text=True)  # noqa: S603
