"""Refused command lines: the exact message on stderr, nothing on stdout, and the status."""

import os
import re
from pathlib import Path

import pytest

from tests.program import Cli

FIT = "fit llama-3.1-8b --context 8k --gpu"
H100 = f"{FIT} h100-80gb"

NO_GPU = "; `kvplan gpus` lists the known ones, or give a size with its unit: 80GB"
NO_MODEL = "; `kvplan models` lists the known ones, or give a spec file: model.yaml"
NO_FILE = (
    " is not a file; expected a model name or a spec file in YAML, "
    "or a config.json, a model folder, a .gguf file"
)
NO_MEMORY = "give a GPU (h100-80gb, or a size: 80GB) or the memory for the KV cache"
TP = "'--tp' / '--tensor-parallel-size'"
NO_UNIT = "'80' has no unit: write 80GB (10^9) or 80GiB (2^30)"
NO_SIZE = "is not a size: write a number and its unit, as in 80GB or 57.3GiB"
LESS_THAN_1 = "Input should be greater than or equal to 1"
NOT_WHOLE = "Input should be a valid integer, unable to parse string as an integer"

WRONG_INPUT = [
    (
        "fit llama-3.1-8bx --gpu 80GB",
        f"unknown model 'llama-3.1-8bx' (did you mean 'llama-3.1-8b'{{}}{NO_MODEL}",
    ),
    ("size no-such", f"unknown model 'no-such'{NO_MODEL}"),
    ("check 80", f"unknown model '80'{NO_MODEL}"),
    (f"{FIT} h100-80gbb", f"unknown GPU 'h100-80gbb' (did you mean 'h100-80gb'{{}}{NO_GPU}"),
    (f"{FIT} -5", f"unknown GPU '-5'{NO_GPU}"),
    (f"{FIT} NaN", f"unknown GPU 'NaN'{NO_GPU}"),
    (f"{FIT} ''", f"unknown GPU ''{NO_GPU}"),
    (f"{H100} --kv-dtype fp88", "unknown dtype 'fp88' (did you mean 'fp8'{}"),
    (f"{H100} --weight-dtype nvfp44", "unknown dtype 'nvfp44' (did you mean 'nvfp4'{}"),
    (f"{H100} --kv-dtype ''", "unknown dtype '': use one of fp32, bf16, {}"),
    (
        f"{H100} --kv-dtype fp8_ds_mla",
        (
            "the cache format fp8_ds_mla has no layout for key rows: "
            "it is for latent and rope and entry and indexer rows"
        ),
    ),
    (
        "size opt-2.7b --kv-dtype q8_0",
        "q8_0 stores blocks of 32 elements, which do not divide a row of 80",
    ),
    (
        f"{H100} --kv-dtype q8_0,keys=q4_0",
        (
            "'keys=q4_0' in the KV dtype 'q8_0,keys=q4_0' is not ROLE=DTYPE "
            "with a role of key, value, latent, rope, entry, indexer"
        ),
    ),
    (f"{H100} --engine exact1", "unknown engine 'exact1' (did you mean 'exact'?); kvplan knows {}"),
    (
        f"{H100} --tp 3",
        (
            "llama-3.1-8b: 32 heads do not spread over tp=3: 32 % 3 is 2, not 0\n"
            "legal tensor-parallel degrees up to 64: 1, 2, 4, 8, 16, 32"
        ),
    ),
    (
        "size deepseek-v3 --tp 24",
        (
            "deepseek-v3: 128 heads do not spread over tp=24: 128 % 24 is 8, not 0\n"
            "legal tensor-parallel degrees up to 64: 1, 2, 4, 8, 16, 32, 64"
        ),
    ),
    (f"{H100} --tp 1000000000000", "tp=1000000000000 is not between 1 and 4096"),
    (f"{H100} --dp 4097", "dp=4097 is not between 1 and 4096"),
    (f"{H100} --pp 33", "32 layers do not fill pp=33 stages; use at most --pp 32"),
    (
        f"{H100} --pp 2 --pp-layers 16,15",
        "the stage sizes 16,15 are not 2 numbers above 0 that sum to 32 layers",
    ),
    (
        f"{H100} --pp 2 --pp-layers 33,-1",
        "the stage sizes 33,-1 are not 2 numbers above 0 that sum to 32 layers",
    ),
    (f"{H100} --pp-layers 16,16", "the stage sizes 16,16 are not 1 numbers above 0 that sum to 32 layers"),
    ("models zzz", "no model has 'zzz' in its name; `kvplan models` lists all"),
    ("models --kind gqaa", "{}'gqaa'{} (did you mean 'gqa'?){}"),
    ("gpus zzz", "no GPU has 'zzz' in its name; `kvplan gpus` lists all"),
]

MISUSE = [
    (f"{FIT} 80", NO_UNIT),
    (f"{FIT} 0", "'0' has no unit: write 0GB (10^9) or 0GiB (2^30)"),
    (f"{FIT} 0GB", "a GPU of 0GB has no memory to plan"),
    (f"{FIT} 1e9", f"'1e9' {NO_SIZE}"),
    (f"{FIT} 80Gi", "'80Gi' has the unknown unit 'Gi': use B, KB, MB, GB, TB, KiB, MiB, GiB or TiB"),
    (f"{FIT} 1000001TB", "'1000001TB' is more than 10^18 bytes"),
    (f"{FIT} {'9' * 5000}GB", f"'{'9' * 36}...' {NO_SIZE}"),
    ("fit llama-3.1-8b --context 8k", NO_MEMORY),
    (
        "fit llama-3.1-8b --kv-memory 40GB --utilization 0.9",
        "a known KV memory leaves no room for weights, activation, overhead or utilization: give it alone",
    ),
    (f"{H100} --weights 16GB --weight-dtype fp8", "give the weights in bytes or a dtype for them, not both"),
    ("fits", "No such command 'fits'. Did you mean 'fit'?"),
    ("fitt -- vllm serve Qwen/Qwen3-8B", "No such command 'fitt'. Did you mean 'fit'?"),
    ("nope", "No such command 'nope'. `kvplan help` lists the commands"),
    ("help nope", "No such command 'nope'. `kvplan help` lists the commands"),
    ("plan llama-3.1-8b", "No such command 'plan'. The command of the library's plan is `kvplan fit`"),
    *(
        (
            name,
            (
                f"No such command '{name}'. For a model: `kvplan size {name}` or "
                f"`kvplan fit {name} --gpu h100-80gb`"
            ),
        )
        for name in ("llama-3.1-8b", "gpt2", "Qwen/No-Such", "./my-model", "x.gguf")
    ),
    (f"{'x/' * 31} --tp 1", "No such command '{}'. For a model: `kvplan size MODEL` or `kvplan fit MODEL {}"),
    *(
        (
            f"{server} --port 1",
            "No such command '{}'. The command of a server stands behind `kvplan fit --gpu h100-80gb --`",
        )
        for server in ("vllm serve x", "python -m sglang.launch_server", "llama-server", "trtllm-serve x")
    ),
    ("fit", "Missing argument 'MODEL'."),
    ("fit llama-3.1-8b more", "no serving command in 'llama-3.1-8b more': kvplan reads vllm serve, {}"),
    ("fit llama-3.1-8b --batches 3", "No such option: --batches{}--batch{}"),
    ("fit llama-3.1-8b --gpu", "Option '--gpu' requires an argument."),
    (f"{H100} --context 0", "{}'0' is not between 1 and 10^12 tokens"),
    (f"{H100} --context 1000001m", "{}'1000001m' is not between 1 and 10^12 tokens"),
    *(
        (
            f"{H100} --context '{text}'",
            (
                f"Invalid value for '--context' / '--max-model-len' / '-c': '{text}' is not a number of "
                "tokens: write 8192, 8k (8192) or 1m (1048576)"
            ),
        )
        for text in ("", "-5", "1e9", "NaN", "8kk", "8.5k", "8,192", "9" * 30)
    ),
    (f"{H100} --batch 0", "Invalid value for '--batch' / '-b': '0' is not between 1 and 10^12 sequences"),
    (f"{H100} --batch NaN", "Invalid value for '--batch' / '-b': 'NaN' is not a number of sequences{}"),
    (
        f"{H100} --encoder-tokens -1",
        "{}'-1' is not a number of tokens: write 8192, 8k (8192) or 1m (1048576)",
    ),
    (f"{H100} --weights 80", f"Invalid value for '--weights': {NO_UNIT}"),
    (f"{H100} --overhead NaN", f"Invalid value for '--overhead': 'NaN' {NO_SIZE}"),
    (f"{H100} --activation -1GiB", f"Invalid value for '--activation': '-1GiB' {NO_SIZE}"),
    ("fit llama-3.1-8b --kv-memory ''", f"Invalid value for '--kv-memory': '' {NO_SIZE}"),
    *(
        (f"{H100} --utilization {text}", f"{{}}'{text}' is not {problem}")
        for text, problem in (
            ("0", "above 0 and at most 1"),
            ("1.01", "above 0 and at most 1"),
            ("90%", "a ratio: write a number above 0 and at most 1, as in 0.9"),
            ("inf", "a ratio: write a number above 0 and at most 1, as in 0.9"),
        )
    ),
    *(
        (f"{H100} {option} 0", f"Invalid value for {named}: {LESS_THAN_1}")
        for option, named in (
            ("--tp", TP),
            ("--pp", "'--pp' / '--pipeline-parallel-size'"),
            ("--dp", "'--dp'"),
        )
    ),
    (f"{H100} --tp -8", f"Invalid value for {TP}: {LESS_THAN_1}"),
    (f"{H100} --tp 8k", f"Invalid value for {TP}: {NOT_WHOLE}"),
    (f"{H100} --tp ''", f"Invalid value for {TP}: {NOT_WHOLE}"),
    (
        f"{H100} --pp 2 --pp-layers 16,x",
        "Invalid value for '--pp-layers': '16,x' is not a list of layers per stage: write 16,16",
    ),
]


def matches(text: str, expected: str) -> bool:
    """Return whether *text* is *expected*, in which {} stands for anything on one line."""
    return re.fullmatch(".*".join(map(re.escape, expected.split("{}"))), text) is not None


CASES = [
    pytest.param(command, message, status, id=command[:60])
    for table, status in ((WRONG_INPUT, 1), (MISUSE, 2))
    for command, message in table
]


@pytest.mark.parametrize(("command", "message", "status"), CASES)
def test_a_refusal_is_a_line_or_two(kvplan: Cli, command: str, message: str, status: int) -> None:
    """In the table, {} stands for what else a sentence may say."""
    run = kvplan(command)
    assert matches(run.err, f"kvplan: {message}\n"), run.err
    assert (run.status, run.out) == (status, "")
    assert run.err.count("\n") <= 2


@pytest.mark.parametrize(
    ("option", "lacks"),
    [("", "neither parameters nor weight_bytes"), (" --weight-dtype fp8", "no number of parameters")],
)
def test_a_spec_of_ones_own_may_lack_its_weights(
    kvplan: Cli, tmp_path: Path, option: str, lacks: str
) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(
        "layers: 2\ndtype: bf16\nattention: {kind: mha, heads: 2, head_dim: 64}\n", encoding="utf-8"
    )
    run = kvplan(f"fit {path} --gpu 80GB --context 1k{option}")
    said = f"the spec of mine has {lacks}: give the weights' size, as in --weights 16.06GB"
    assert (run.status, run.out, run.err) == (1, "", f"kvplan: {said}\n")


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("folder", None, " holds no config.json; expected the folder of a model"),
        ("fifo", None, NO_FILE),
        ("fifo.yaml", None, " is not a file; expected a model spec in YAML"),
        ("missing.yaml", None, None),
        ("missing", None, NO_FILE),
        ("broken.yaml", b"name: [\n", ":2: not YAML: did not find expected node content"),
        ("empty.yml", b"", ":1: the file is empty; expected the keys of a model spec"),
        ("list.yaml", b"- 1\n", ":1: found a list; expected the keys of a model spec"),
        ("bytes.yaml", b"\xff\xfe\x00", " is not UTF-8 text; expected a model spec in YAML"),
        ("large.yaml", b"#" * (2**20 + 1), " is larger than 1 MiB; a model spec is a short YAML file"),
        (
            "twice.yaml",
            b"layers: 2\nlayers: 3\ndtype: bf16\nattention: {kind: mha, heads: 2, head_dim: 64}\n",
            ":2: layers: this key stands twice",
        ),
    ],
)
def test_what_is_not_a_spec_file(
    kvplan: Cli, tmp_path: Path, name: str, content: bytes | None, message: str | None
) -> None:
    """The path comes first, then what is wrong with it; a FIFO without a writer must not hang."""
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    elif name == "folder":
        path.mkdir()
    elif name.startswith("fifo"):
        os.mkfifo(path)
    run = kvplan(f"size {path}")
    told = f"{path}{message}" if message else f"cannot read {path}: No such file or directory"
    assert (run.status, run.out, run.err) == (1, "", f"kvplan: {told}\n")


@pytest.mark.parametrize("command", ["size", "check", "show", "fit --gpu 80GB"])
def test_an_empty_model_name_is_named(kvplan: Cli, command: str) -> None:
    run = kvplan(f"{command} ''")
    assert (run.status, run.out) == (1, "")
    assert "''" in run.err


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ("--batch 54", "the KV cache: sequence 54 needs 1.00 GiB per GPU, and 0.22 GiB is free"),
        ("--context 1m", "the KV cache: one sequence needs 128.00 GiB per GPU, and 53.22 GiB is free"),
        ("--weights 1TB", "the weights need 931.32 GiB per GPU, and the budget has 68.18 GiB for them"),
    ],
)
def test_a_plan_that_does_not_fit_says_what_is_needed_and_what_is_there(
    kvplan: Cli, options: str, told: str
) -> None:
    """79.18 GiB x 0.9 - 3.08 GiB = 68.18 GiB; less 14.96 GiB of weights = 53.22 GiB; 1 TB = 931.32 GiB."""
    run = kvplan(f"{H100} {options}")
    needed, would_fit = run.err.splitlines()
    assert run.status == 1
    assert needed.endswith(f" tokens do not fit: {told}")
    assert would_fit.startswith(("longest context that fits: ", "no context fits, not even 1 token; "))
    assert run.out.startswith("No: ")


def test_it_is_the_overhead_where_the_overhead_alone_is_too_much(kvplan: Cli) -> None:
    """The weights' 14.96 GiB would fit on the card."""
    run = kvplan(f"{FIT} 24GB --overhead 30GB")
    assert run.status == 1
    assert "overhead" in run.err


LONG = "a" * 5000
FIFO_READERS = (
    "size {}",
    "size {}.yaml",
    "size {}.json",
    "size {}.gguf",
    "import {}",
    "import {}.json --check {}.yaml",
    "reconcile {}",
)


@pytest.mark.parametrize(
    "command",
    [
        *FIFO_READERS,
        "size {0}/{0}",
        "fit {} --gpu 80GB",
        "fit --gpu 80GB -- vllm serve {}",
        "fit 'vllm serve {}' --gpu 80GB",
        "fit --gpu 80GB -- llama-server -m {}.gguf",
        "import config.json -o {}",
        "validate --json {}/{}",
    ],
)
def test_a_path_of_5000_characters_has_an_error_of_its_own(kvplan: Cli, command: str) -> None:
    run = kvplan(command.format(LONG, LONG))
    assert run.status in (1, 2)
    assert len(run.err) <= 1200
    assert run.err.count("\n") <= 2
    assert "the answer" not in run.err


@pytest.mark.parametrize("command", FIFO_READERS)
def test_a_fifo_without_a_writer_ends(
    kvplan: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    monkeypatch.setattr("kvplan.files.IDLE_SECONDS", 0.05)
    for ending in ("", ".yaml", ".json", ".gguf"):
        os.mkfifo(tmp_path / f"fifo{ending}")
    run = kvplan(command.format(tmp_path / "fifo", tmp_path / "fifo"))
    assert run.status == 1
    assert re.search(r"fifo.* (is not a|is no|nothing was written)", run.err)
    assert run.err.count("\n") <= 2


@pytest.mark.parametrize("command", ["size /dev/zero", "import /dev/zero", "reconcile /dev/zero"])
def test_an_endless_file_ends(kvplan: Cli, command: str) -> None:
    run = kvplan(command)
    assert run.status == 1
    assert "/dev/zero" in run.err or "the log has more than 16 million characters" in run.err
