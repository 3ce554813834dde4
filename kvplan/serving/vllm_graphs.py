"""What a command says of CUDA graphs, by config/compilation.py and config/vllm.py of vLLM 0.33."""

from collections.abc import Iterator, Mapping

from kvplan.serving.rows import either
from kvplan.serving.served import Answer
from kvplan.serving.values import brief, whole

COMPILATION, LEVEL = "compilation_config", "optimization_level"
_MODE, _SIZES, _MOST = "cudagraph_mode", "cudagraph_capture_sizes", "max_cudagraph_capture_size"
_COMPILES = ("3", "VLLM_COMPILE")
_OF_NO_EFFECT = (
    "backend",
    "cache_dir",
    "compile_cache_save_format",
    "compile_sizes",
    "custom_ops",
    "debug_dump_path",
    "inductor_compile_config",
    "inductor_passes",
    "ir_enable_torch_wrap",
    "pass_config",
    "splitting_ops",
)
"""Keys that decide neither what is captured nor what an activation is."""


def of_graphs(answers: Mapping[str, Answer]) -> tuple[dict[str, Answer], tuple[str, ...]]:
    """
    Return answers with those about graphs as a plan has them, and what it leaves out.

    The level 0 neither compiles nor captures, and 1 captures pieces (OPTIMIZATION_LEVEL_00 and _01).
    """
    found = {name: answer for name, answer in answers.items() if not name.startswith((COMPILATION, LEVEL))}
    keys = {
        name.partition(".")[2]: str(answer)
        for name, answer in answers.items()
        if name.startswith(f"{COMPILATION}.")
    }
    level = answers.get(LEVEL)
    if level == "0":
        found["settings.enforce_eager"] = "true"
    if level == "1":
        keys.setdefault(_MODE, "PIECEWISE")
    left_out = tuple(_left_out(keys))
    if (mode := keys.get(_MODE)) is not None:
        found[f"settings.{_MODE}"] = mode.upper()
    if (sizes := keys.get(_SIZES)) is not None:
        listed = sizes.strip("[]").replace(",", " ").split()
        found[f"settings.{_SIZES}"] = ",".join(str(whole(_SIZES, size)) for size in listed)
    if (most := keys.get(_MOST)) is not None:
        found[f"settings.{_MOST}"] = str(whole(_MOST, most))
    return found, left_out


def _left_out(keys: Mapping[str, str]) -> Iterator[str]:
    """Yield what no plan counts of the other keys."""
    told = either("CUDA graphs and activations are counted as vLLM compiles them unless told")
    for name, value in keys.items():
        compiles = name in ("mode", "level") and value.upper() in _COMPILES
        if name not in (*_OF_NO_EFFECT, _MODE, _SIZES, _MOST) and not compiles:
            yield f"{brief(f'--compilation-config.{name} {value}')}: {told}"


def as_keys(answers: Mapping[str, Answer]) -> dict[str, Answer]:
    """Undo `of_graphs`: answers about graphs are keys of the config."""
    named = {f"settings.{key}": f"{COMPILATION}.{key}" for key in (_MODE, _SIZES, _MOST)}
    return {named.get(name, name): answer for name, answer in answers.items()}
