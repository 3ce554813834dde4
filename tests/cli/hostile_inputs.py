"""Random hostile inputs: files that are written into a folder, and the command that reads them."""

import os
import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any, get_args

import yaml

from kvplan.engines import engine_names, find_engine
from kvplan.gpus import all_gpus
from kvplan.serving.read import DIALECTS
from kvplan.specs.catalogue import read_index
from tests.cli import hostile_sites as fixed
from tests.cli.hostile_values import NUMBERS, damaged, dumped, json_value, lines_changed, mutated, text
from tests.importers import configs
from tests.importers.hub_server import COMMIT, Hub
from tests.importers.model_files import gguf, safetensors
from tests.program import ROOT
from tests.reconcile.logs_at_hand import FOLDER


@dataclass(frozen=True, slots=True, kw_only=True)
class Input:
    """One command, the files that it was asked to write, and what stands on its stdin."""

    words: list[str]
    outputs: frozenset[Path] = frozenset()
    stdin: bytes = b""
    notes: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where an input is made, and by which chance; the hub answers as it says."""

    rng: Random
    folder: Path
    hub: Hub


Maker = Callable[[Place], Input]

CONFIGS = [each for name, each in vars(configs).items() if name.isupper() and isinstance(each, dict)]
SPECS = sorted((ROOT / "model_specs").rglob("*.yaml"))
LOGS = sorted(FOLDER.glob("*.txt"))
MODELS = sorted(read_index())
GPUS = [gpu.name for gpu in all_gpus()]
READS = ("size", "show", "check", "fit", "fit", "import", "import")
GOOD = (
    "1",
    "2",
    "4",
    "8",
    "16",
    "1k",
    "8k",
    "fp8",
    "q8_0",
    "int4",
    "80GB",
    "1GiB",
    "0.9",
    "bfloat16",
    "16,16",
)
OUTPUTS = ("new.yaml", "old.yaml", "fifo", "folder", "link", "device")
"""What is asked for in a folder as `furnish` leaves it."""

GGUF_KINDS = ("u32", "i32", "f32", "bool", "str", "u16", "u64", "[u32]", "[str]")


def options(rng: Random, command: str, most: int = 2) -> list[str]:
    """Return a few options of a command, about half of their values good ones."""
    named = fixed.OPTIONS[command].__annotations__
    words: list[str] = []
    for name in rng.sample(sorted(named), min(rng.randint(0, most), len(named))):
        kind, option = get_args(named[name])
        long = option.name or "--" + name.replace("_", "-")
        words += [long] if bool in get_args(kind) else [long, _option_value(rng, name)]
    return [*words, *(["--json"] if rng.random() < 0.2 else [])]


def _option_value(rng: Random, name: str) -> str:
    known = {"engine": engine_names(), "gpu": GPUS}.get(name, list(GOOD))
    if name == "settings":
        every = [each.name for engine in engine_names() for each in find_engine(engine).settings]
        return f"{rng.choice([*every, text(rng)])}={rng.choice([*GOOD, *NUMBERS, text(rng)])}"
    return rng.choice(known) if rng.random() < 0.5 else text(rng)


def reading(rng: Random, path: Path, folder: Path) -> Input:
    """Return a command that reads a model's file or folder."""
    command = rng.choice(READS)
    words = [command, str(path), *options(rng, command)]
    if command == "fit":
        words += ["--gpu", "h100-80gb", "--context", "1k"]
    if command != "import" or rng.random() < 0.6:
        return Input(words=words)
    output = folder / rng.choice((*OUTPUTS, _name(rng)))
    forced = ["--force"] if rng.random() < 0.5 else []
    return Input(words=[*words, "--output", str(output), *forced], outputs=frozenset({output}))


def _name(rng: Random) -> str:
    return text(rng).replace("/", "") or "x"


def config(at: Place) -> Input:
    """A model's folder whose config.json is hostile, and at times its other files."""
    rng, folder = at.rng, at.folder
    (folder / "config.json").write_bytes(dumped(rng, mutated(rng, rng.choice(CONFIGS))))
    if rng.random() < 0.2:
        quantised = {"quantization": {"quant_algo": "FP8", "kv_cache_quant_algo": "FP8"}}
        (folder / "hf_quant_config.json").write_bytes(dumped(rng, mutated(rng, quantised)))
    if rng.random() < 0.2:
        (folder / "model.safetensors").write_bytes(tensors(rng))
    if rng.random() < 0.1:
        index = {"metadata": {"total_size": 76}, "weight_map": {"a": "x.safetensors", "b": "y.safetensors"}}
        (folder / "model.safetensors.index.json").write_bytes(dumped(rng, mutated(rng, index)))
    return reading(rng, folder / "config.json" if rng.random() < 0.7 else folder, folder)


def tensors(rng: Random) -> bytes:
    """Return a safetensors file with a hostile header."""
    if rng.random() < 0.3:
        return damaged(rng, safetensors({"a": ("BF16", [4, 8], 64), "b": ("F32", [3], 12)}))
    entry = {"dtype": "BF16", "shape": [4, 8], "data_offsets": [0, 64]}
    header = dumped(rng, mutated(rng, {"__metadata__": {"format": "pt"}, "a": entry}))
    return len(header).to_bytes(8, "little") + header


def safetensors_folder(at: Place) -> Input:
    """A model whose weight file is hostile."""
    rng, folder = at.rng, at.folder
    (folder / "config.json").write_bytes(dumped(Random(0), configs.LLAMA))  # noqa: S311 - no secret
    (folder / "model.safetensors").write_bytes(tensors(rng))
    return reading(rng, folder, folder)


def gguf_file(at: Place) -> Input:
    """A GGUF file with hostile keys, values, tensors or bytes."""
    rng, folder = at.rng, at.folder
    values: dict[str, Any] = dict(fixed.GGUF)
    named: dict[str, Any] = dict(fixed.TENSORS)
    for _ in range(rng.randint(0, 2)):
        values[rng.choice([*values, _utf8(rng)])] = _gguf_value(rng)
    if rng.random() < 0.3:
        named[_utf8(rng)] = (rng.choice((0, 1, 2, 8, 14, 30, 99, 2**31)), [rng.choice((0, 1, 2**40))], 32)
    data = gguf(values, named, version=rng.choice((3, 3, 3, 2, 1, 2**31)))
    path = folder / "x.gguf"
    path.write_bytes(damaged(rng, data) if rng.random() < 0.4 else data)
    return reading(rng, path, folder)


def _utf8(rng: Random) -> str:
    return text(rng).encode("utf-8", "replace").decode()


def _gguf_value(rng: Random) -> tuple[str, object]:
    kind = rng.choice(GGUF_KINDS)
    if kind.startswith("["):
        return kind, [_gguf_of(rng, kind[1:-1]) for _ in range(rng.choice((0, 1, 2, 500)))]
    return kind, _gguf_of(rng, kind)


def _gguf_of(rng: Random, kind: str) -> object:
    most = {"u32": 2**32, "u16": 2**16, "u64": 2**64, "i32": 2**31}
    if kind in most:
        return rng.choice((0, 1, 2, 4, 255, most[kind] - 1, -1 if kind == "i32" else 3))
    if kind == "f32":
        return rng.choice((0.0, -0.0, 1.5, float("nan"), float("inf")))
    return rng.random() < 0.5 if kind == "bool" else _utf8(rng)


def spec(at: Place) -> Input:
    """A spec of the catalogue with lines changed, or with hostile values in its tree."""
    rng, folder = at.rng, at.folder
    whole = rng.choice(SPECS).read_text(encoding="utf-8")
    path = folder / "x.yaml"
    if rng.random() < 0.5:
        path.write_bytes(lines_changed(rng, whole).encode("utf-8", "surrogatepass"))
    else:
        path.write_bytes(dumped(rng, mutated(rng, yaml.safe_load(whole))))
    command = rng.choice(("size", "show", "check", "fit", "import"))
    if command == "import":
        (folder / "config.json").write_bytes(dumped(rng, rng.choice(CONFIGS)))
        return Input(words=["import", str(folder / "config.json"), "--check", str(path)])
    more = ["--gpu", "h100-80gb"] if command == "fit" else []
    return Input(words=[command, str(path), *options(rng, command), *more])


def log(at: Place) -> Input:
    """An engine's log with lines changed, from a file or from stdin."""
    rng, folder = at.rng, at.folder
    whole = lines_changed(rng, rng.choice(LOGS).read_text(encoding="utf-8"))
    data = whole.encode("utf-8", "surrogatepass")
    data = damaged(rng, data) if rng.random() < 0.2 else data
    path = folder / "x.log"
    path.write_bytes(data)
    more = options(rng, "reconcile")
    if rng.random() < 0.2:
        more += ["--model", rng.choice([*MODELS, text(rng)])]
    source = "-" if rng.random() < 0.2 else str(path)
    return Input(words=["reconcile", source, *more], stdin=data)


def typed(at: Place) -> Input:
    """A command with several options."""
    rng = at.rng
    command = rng.choice(
        ("size", "fit", "fit", "check", "show", "models", "gpus", "help", "schema", text(rng))
    )
    if command not in fixed.OPTIONS:
        kind = ["--kind", text(rng)] if command == "models" and rng.random() < 0.5 else []
        return Input(words=[command, text(rng), *kind])
    model = rng.choice(MODELS) if rng.random() < 0.9 else text(rng)
    words = [command, model, *options(rng, command, most=5)]
    return Input(words=[*words, "--gpu", "h100-80gb"] if command == "fit" and rng.random() < 0.8 else words)


HEADS = {
    "vllm": (["vllm", "serve", "Qwen/Qwen3-8B"], ["python", "-m", "vllm.entrypoints.openai.api_server"]),
    "sglang": (["python3", "-m", "sglang.launch_server", "--model-path", "Qwen/Qwen3-8B"],),
    "llamacpp": (["llama-server", "-m", "x.gguf"], ["llama-cli", "-m", "x.gguf"]),
    "trtllm": (["trtllm-serve", "Qwen/Qwen3-8B"],),
}


def serving(at: Place) -> Input:
    """The command of a server with real options, real and hostile values."""
    rng = at.rng
    engine = rng.choice(sorted(HEADS))
    rows = DIALECTS[engine].by_name()
    words = [*rng.choice(HEADS[engine])]
    for _ in range(rng.randint(0, 4)):
        name = rng.choice(sorted(rows)) if rng.random() < 0.9 else f"--{text(rng)}"
        words.append(name)
        if name in rows and rows[name].takes != "nothing":
            words += [_served(rng) for _ in range(rng.choice((1, 1, 1, 2)))]
    if rng.random() < 0.1:
        words.insert(0, f"{rng.choice(('CUDA_VISIBLE_DEVICES', 'VLLM_X', 'X'))}={text(rng)}")
    if rng.random() < 0.1:
        words = [" ".join(words)]
    own = ["--gpu", rng.choice(GPUS), *options(rng, "fit", most=1)]
    return Input(words=["fit", *own, "--", *words])


def _served(rng: Random) -> str:
    kind = rng.random()
    if kind < 0.4:
        return rng.choice(GOOD)
    if kind < 0.5:
        return dumped(rng, json_value(rng)).decode("utf-8", "replace")
    return text(rng)


def site(at: Place) -> Input:
    """One of the places where text from outside is printed, with a hostile text in it."""
    rng, folder = at.rng, at.folder
    name = rng.choice([*fixed.SITES])
    value = text(rng)
    if "GGUF" in name or "log" in name:
        value = value.encode("utf-8", "replace").decode()
    try:
        words = shlex.split(fixed.SITES[name](folder, value))
    except (OSError, ValueError):  # a name that no file can have
        words = shlex.split(fixed.SITES[name](folder, "x\x1b[2J"))
    outputs = {
        Path(words[words.index(option) + 1])
        for option in ("--output", *(["--json"] if words[0] == "validate" else []))
        if option in words
    }
    return Input(words=words, outputs=frozenset(outputs), notes=[name])


def validation(at: Place) -> Input:
    """A validation of one short check, alone or where a hostile record of it ends."""
    rng, folder = at.rng, at.folder
    file = folder / rng.choice(("run.json", "run.json", *OUTPUTS, _name(rng)))
    (folder / "run.json").write_bytes(dumped(rng, mutated(rng, fixed.RUN)))
    words = ["validate", "bert-base", "--level", rng.choice(("L0", "L0", "l0", text(rng)))]
    for option in ("--part", "--device"):
        words += [option, rng.choice(("cpu", text(rng)))] if rng.random() < 0.15 else []
    words += ["--resume"] if rng.random() < 0.6 else []
    written = "-" if rng.random() < 0.1 else str(file)
    words += ["--json", written] if rng.random() < 0.8 else []
    words += ["--", text(rng)] if rng.random() < 0.15 else []
    return Input(words=words, outputs=frozenset({file}))


def path(at: Place) -> Input:
    """Something that is no file of a model: a device, a pipe, a folder, a link in a circle, a long name."""
    rng, folder = at.rng, at.folder
    names = ("fifo", "device", "folder", "circle", "link", "nothing", "x" * 5000, "/".join("x" * 99))
    where = str(folder / rng.choice(names)) if rng.random() < 0.8 else text(rng)
    command = rng.choice(("size", "show", "check", "fit", "import", "reconcile"))
    return Input(words=[command, where, *options(rng, command)])


ETAGS = ("../../../x", "a" * 500, "\x1b[2J", "/etc/x", "", "..", "a/b")


def hub_answer(at: Place) -> Input:
    """A hub that answers with hostile files, headers or bodies."""
    rng, hub = at.rng, at.hub
    repo = f"org/m{rng.randrange(10**9)}"
    asked = text(rng) if rng.random() < 0.2 else repo
    files = {f"{repo}/config.json": dumped(rng, mutated(rng, rng.choice(CONFIGS)))}
    if rng.random() < 0.6:
        files[f"{repo}/model.safetensors"] = tensors(rng)
    _misbehave(rng, hub, repo, files)
    revision = ["--revision", rng.choice(("main", COMMIT, text(rng)))] if rng.random() < 0.3 else []
    if revision or rng.random() < 0.5:
        return Input(words=["import", asked, *revision])
    return Input(words=["size", asked])


def _misbehave(rng: Random, hub: Hub, repo: str, files: dict[str, bytes]) -> None:
    """Let the hub hold *files* and, most often, answer for one of them as none should."""
    # Header lines of the standard library's server cannot hold a line end.
    said = text(rng).encode("latin-1", "ignore").decode("latin-1").replace("\r", "").replace("\n", "")[:900]
    name = rng.choice(sorted(files))
    changes: dict[str, object] = {
        "etags": {name: (rng.randrange(3), rng.choice((*ETAGS, said)))},
        "commits": {repo: rng.choice((said, "../x", "a" * 40))},
        "errors": {repo: (rng.choice((401, 403, 404, 410, 418, 500)), said)},
        "lengths": {name: rng.choice((0, 1, 2**20, 2**33))},
        "cut": {name: rng.randrange(20)},
        "packed": {name: rng.choice(("gzip", "br", said))},
        "moved": {name: rng.choice(("/", "file:///etc/passwd", "http://127.0.0.1:1/", said))},
        "dripping": {name},
        "slow": {repo},
    }
    chosen = rng.choices(["", *changes], [4, 2, 2, 2, 2, 2, 2, 2, 0.2, 0.2])[0]
    hub.files = files
    for field_name, value in changes.items():
        setattr(hub, field_name, value if field_name == chosen else type(value)())


MAKERS: Mapping[str, tuple[Maker, int]] = {
    "config": (config, 26),
    "safetensors": (safetensors_folder, 8),
    "gguf": (gguf_file, 16),
    "spec": (spec, 18),
    "log": (log, 6),
    "typed": (typed, 6),
    "serving": (serving, 8),
    "site": (site, 8),
    "path": (path, 2),
    "validation": (validation, 2),
}
"""What makes inputs, and in how many of a hundred."""

HUB: Mapping[str, tuple[Maker, int]] = {"hub": (hub_answer, 3)}


def furnish(folder: Path) -> None:
    """Put into a folder what no command may change unless it is asked to, and what none can replace."""
    (folder / "old.yaml").write_text("kept", encoding="utf-8")
    (folder / "folder").mkdir()
    (folder / "link").symlink_to("old.yaml")
    (folder / "circle").symlink_to("circle")
    os.mkfifo(folder / "fifo")
    (folder / "device").symlink_to("/dev/null")
