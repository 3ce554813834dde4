"""A rehearsal without vLLM: a Python that says what vLLM's would, and every way in which none can run."""

import json
import os
import site
import stat
import sys
from pathlib import Path

import pytest

from kvplan.cli import main
from kvplan.errors import KvplanError
from kvplan.gpus import find_card
from kvplan.validate.rehearsal import build, run, start
from kvplan.validate.rehearsal.build import Installed, find_installed
from kvplan.validate.rehearsal.run import Bounds, Measured, Rehearsed, RehearsedSglang, rehearse

CONFIG = {
    "architectures": ["LlamaForCausalLM"],
    "model_type": "llama",
    "torch_dtype": "bfloat16",
    "max_position_embeddings": 8192,
    "num_hidden_layers": 2,
    "hidden_size": 512,
    "num_attention_heads": 8,
    "num_key_value_heads": 2,
    "intermediate_size": 1024,
    "vocab_size": 32000,
    "tie_word_embeddings": False,
}
FOUND = Rehearsed(
    vllm="0.28.0",
    torch="2.13.0",
    runner="v2",
    tokens=8192,
    sequences=1024,
    weights_bytes=2**30,
    activation_bytes=2**29,
    graphs_bytes=0,
    kept_bytes=2**28,
    kv_bytes=70 * 2**30,
)
FOUND_OF_SGLANG = RehearsedSglang(
    sglang="0.5.23",
    torch="2.14.1",
    fraction=0.83,
    page=1,
    tokens=364_212,
    window_tokens=None,
    slots=None,
    requests=4096,
    table_bytes=4097 * 8196 * 4,
    weights_bytes=2**30,
    kv_bytes=50 * 2**30,
    graphs_bytes=3 * 2**29,
    chunk_bytes=2**28,
)
SAYS = "import sys; sys.stdout.write('loading\\n' + {mark!r} + {found!r} + '\\n')"
H100 = find_card("h100-80gb")


def _python(folder: Path, program: str, engine: str = "vllm") -> Installed:
    """Return an installed Python whose start-up is *program*."""
    path = folder / "python"
    path.write_text(f"#!{sys.executable}\n{program}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return Installed(python=str(path), site=folder, engine=engine)


def _config(folder: Path) -> Path:
    file = folder / "config.json"
    file.write_text(json.dumps(CONFIG))
    return file


@pytest.fixture(autouse=True)
def _nothing_is_compiled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run, "build", lambda _installed, _folder: {})


def _rehearse(
    folder: Path, program: str, *, seconds: int = 60, ranks: int = 1, engine: str = "vllm"
) -> Measured:
    installed = _python(folder, program, engine)
    bounds = Bounds(seconds=seconds, ram_gib=1)
    return rehearse(installed, _config(folder), ["--x"], card=H100, ranks=ranks, bounds=bounds)


def _says(found: Measured) -> str:
    values = {name: getattr(found, name) for name in found.__dataclass_fields__}
    return SAYS.format(mark=start.MARK, found=json.dumps(values))


def test_what_it_measured_is_read(tmp_path: Path) -> None:
    assert _rehearse(tmp_path, _says(FOUND)) == FOUND


def test_so_is_what_sglang_measured(tmp_path: Path) -> None:
    assert _rehearse(tmp_path, _says(FOUND_OF_SGLANG), engine="sglang") == FOUND_OF_SGLANG


def test_sglang_is_told_the_memory_that_nvidia_smi_prints(tmp_path: Path) -> None:
    """Of an H100, 81,559 MiB, whatever card the machine has; and yes is what a comparison answers."""
    told = tmp_path / "told.json"
    ask = "['nvidia-smi', '--query-gpu=memory.total', '--format=csv,noheader,nounits']"
    program = (
        "import json, os, subprocess\n"
        f"said = subprocess.run({ask}, capture_output=True, text=True, check=True).stdout\n"
        f"json.dump([said, os.environ['KVPLAN_BYTE']], open({str(told)!r}, 'w'))\n"
    )
    _rehearse(tmp_path, program + _says(FOUND_OF_SGLANG), engine="sglang")
    assert json.loads(told.read_text()) == ["81559\n", "1"]


def test_each_engine_has_a_start_up_of_its_own() -> None:
    for engine in ("vllm", "sglang"):
        starts = start.beside(engine)
        assert callable(starts.begin)
        assert starts.ENVIRONMENT


def test_the_child_is_told_the_card_and_has_folders_of_its_own(tmp_path: Path) -> None:
    told = tmp_path / "told.json"
    program = f"import json, os, sys; json.dump([sys.argv, dict(os.environ)], open({str(told)!r}, 'w'))\n"
    _rehearse(tmp_path, program + _says(FOUND), ranks=2)
    words, environment = json.loads(told.read_text())
    assert words[1:] == [
        "-P",
        str(run._START),
        "vllm",
        str(tmp_path / "config.json"),
        "1",
        "--x",
        "--disable-custom-all-reduce",
    ]
    card = [environment[f"KVPLAN_{name}"] for name in ("TOTAL", "NAME", "SM", "COUNT")]
    assert card == [str(H100.total_bytes), H100.device or H100.label, "90", "2"]
    assert not Path(environment["VLLM_CACHE_ROOT"]).exists()
    assert "kvplan-rehearsal-" in environment["VLLM_CACHE_ROOT"]
    assert "kvplan-rehearsal-" in environment["HOME"]
    assert environment["PYTHONUSERBASE"] == site.getuserbase()


@pytest.mark.parametrize(("method", "answer"), [("NVFP4", "0"), ("fp8", "None")])
def test_scales_in_nvfp4_are_said_to_be_loaded(tmp_path: Path, method: str, answer: str) -> None:
    """No kernel has computed whether they are."""
    told = tmp_path / "told"
    program = f"import os; open({str(told)!r}, 'w').write(str(os.environ.get('KVPLAN_BYTE')))\n"
    installed = _python(tmp_path, program + _says(FOUND))
    config = _config(tmp_path)
    quantized = {**CONFIG, "quantization_config": {"quant_method": "modelopt", "quant_algo": method}}
    config.write_text(json.dumps(quantized))
    rehearse(installed, config, [], card=H100, ranks=1, bounds=Bounds(ram_gib=1))
    assert told.read_text() == answer


def test_one_that_takes_too_long_is_ended_with_its_children(tmp_path: Path) -> None:
    mark = tmp_path / "pid"
    program = (
        "import subprocess, time\n"
        f"child = subprocess.Popen(['sleep', '60']); open({str(mark)!r}, 'w').write(str(child.pid))\n"
        "time.sleep(60)"
    )
    with pytest.raises(KvplanError, match=r"did not start within 2 s: give more, as in --seconds 4"):
        _rehearse(tmp_path, program, seconds=2)
    state = Path(f"/proc/{mark.read_text()}/stat")
    assert not state.exists() or state.read_text().split()[2] == "Z"


@pytest.mark.parametrize(
    ("program", "said"),
    [
        ("print('ValueError: no such model\\nbye')", "vLLM did not start: ValueError: no such model"),
        ("print('one\\nlast\\n')", "vLLM did not start: last"),
        ("pass", "vLLM did not start: it said nothing"),
        (
            "print('[rank0]: torch.Bad' 'Error: no\\nsee Errors of x')",
            "vLLM did not start: [rank0]: torch.BadError: no",
        ),
        ("print('RuntimeError: \\x1b[31mred')", "vLLM did not start: RuntimeError: \\x1b[31mred"),
    ],
)
def test_why_it_did_not_start_is_its_own_last_word(tmp_path: Path, program: str, said: str) -> None:
    with pytest.raises(KvplanError) as error:
        _rehearse(tmp_path, program)
    assert str(error.value).startswith(said.replace("\\x1b[31mred", ""))
    assert "\x1b" not in str(error.value)


def test_a_python_without_vllm_is_said(tmp_path: Path) -> None:
    installed = _python(tmp_path, f"print({str(tmp_path)!r})")
    with pytest.raises(KvplanError, match=r"has no vLLM: give the Python that has it"):
        find_installed(installed.python)
    (tmp_path / "vllm").mkdir()
    with pytest.raises(KvplanError, match=r"is no CUDA build from PyPI"):
        find_installed(installed.python)
    with pytest.raises(KvplanError, match=r"does not run as a Python"):
        find_installed(str(tmp_path / "none"))


def test_without_a_compiler_nothing_is_built(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(build, "which", lambda tool: None if tool == "gcc" else tool)
    with pytest.raises(KvplanError, match=r"compiles a few C files: gcc is not installed"):
        find_installed(sys.executable)


def _command(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *words: str
) -> tuple[int, str, str]:
    monkeypatch.setattr(sys, "argv", ["kvplan", "rehearse", *words])
    with pytest.raises(SystemExit) as ended:
        main()
    said = capsys.readouterr()
    return int(ended.value.code or 0), said.out, said.err


def test_the_command_prints_it_beside_the_plan(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(build, "find_installed", lambda *_asked: Installed(python="", site=tmp_path))
    monkeypatch.setattr(run, "rehearse", lambda *_args, **_options: FOUND)
    model = str(_config(tmp_path).parent)
    status, out, _ = _command(monkeypatch, capsys, "--gpu", "h100-80gb", "--", "vllm", "serve", model)
    assert status == 0
    assert "vLLM 0.28.0 (torch 2.13.0, model runner v2), rank 0, on h100-80gb" in out
    assert [line.split()[:4] for line in out.splitlines() if line.startswith("KV")] == [
        ["KV", "memory", "70.00", "GiB"]
    ]
    assert "No kernel computed anything" in out


def test_the_command_prints_sglangs_beside_the_plan(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The share is that of an H100 with one rank and no graphs: (81559 - 12928) / 81559."""
    asked: list[object] = []

    def rehearsed(_installed: Installed, _file: Path, flags: object, **_options: object) -> RehearsedSglang:
        asked.append(flags)
        return FOUND_OF_SGLANG

    installed = Installed(python="", site=tmp_path, engine="sglang")
    monkeypatch.setattr(build, "find_installed", lambda *_asked: installed)
    monkeypatch.setattr(run, "rehearse", rehearsed)
    model = str(_config(tmp_path).parent)
    words = ["python", "-m", "sglang.launch_server", "--model-path", model, "--disable-cuda-graph"]
    status, out, _ = _command(monkeypatch, capsys, "--gpu", "h100-80gb", "--", *words)
    assert status == 0
    assert asked == [("--model-path", model, "--disable-cuda-graph")]
    assert "SGLang 0.5.23 (torch 2.14.1), rank 0, on h100-80gb" in out
    rows = {line.split("  ")[0]: line.split()[1:] for line in out.splitlines()}
    assert rows["mem_fraction_static"] == ["0.830", "0.841"]
    assert rows["KV memory"][1:3] == ["50.00", "GiB"]
    assert rows["tokens"][0] == "364,212"
    assert rows["graphs, of torch"][2:4] == ["1.50", "GiB"]
    assert rows["a chunk of prefill"][3:5] == ["0.25", "GiB"]
    assert "A table of 4,096 requests takes 0.13 GiB of what is kept back." in out
    assert "No kernel computed anything" in out


def test_an_interruption_ends_it_without_a_word(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(*_args: object, **_options: object) -> Rehearsed:
        raise KeyboardInterrupt

    monkeypatch.setattr(build, "find_installed", lambda *_asked: Installed(python="", site=tmp_path))
    monkeypatch.setattr(run, "rehearse", interrupted)
    model = str(_config(tmp_path).parent)
    told = _command(monkeypatch, capsys, "--gpu", "h100-80gb", "--", "vllm", "serve", model)
    assert told == (130, "", "")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--", "vllm", "serve", "org/model"], "org/model is no folder: give --config FILE"),
        (["--", "llama-server", "-m", "a.gguf"], "only the start-ups of vLLM and SGLang can be rehearsed"),
    ],
)
def test_what_cannot_be_rehearsed_is_one_line(
    words: list[str],
    said: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(build, "find_installed", lambda *_asked: Installed(python="", site=tmp_path))
    status, out, err = _command(monkeypatch, capsys, "--gpu", "h100-80gb", *words)
    assert (status != 0, out) == (True, "")
    assert err.startswith("kvplan: ")
    assert said in err
    assert err.count("\n") == 1


def test_importing_the_start_changes_no_environment() -> None:
    assert "VLLM_DISABLE_PYNCCL" not in os.environ
