"""Where a server's command begins, which word belongs to which option, and what is wrong input."""

import shlex

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kvplan.errors import OptionsError
from kvplan.serving import Served, read_command
from kvplan.serving.read import DIALECTS
from kvplan.serving.table import Harmless, LeftOut

MODEL = "org/model"


def read(line: str) -> Served:
    """Read a command as a shell splits it."""
    return read_command(shlex.split(line))


@pytest.mark.parametrize(
    ("line", "engine"),
    [
        ("vllm serve org/model", "vllm"),
        ("vllm serve --model org/model", "vllm"),
        ("/opt/venv/bin/vllm serve org/model", "vllm"),
        ("uv run --with vllm vllm serve org/model", "vllm"),
        ("env A=1 nohup vllm serve org/model", "vllm"),
        ("python3.12 -m vllm.entrypoints.openai.api_server --model org/model", "vllm"),
        ("python -m vllm.entrypoints.cli.main serve org/model", "vllm"),
        ("sglang serve org/model", "sglang"),
        ("sglang serve --model-path org/model", "sglang"),
        ("python -m sglang.launch_server --model org/model", "sglang"),
        ("uv run python -m sglang.launch_server --model-path=org/model", "sglang"),
        ("./build/bin/llama-server -hf org/model", "llamacpp"),
        ("llama-cli --hf-repo org/model", "llamacpp"),
        ("trtllm-serve org/model", "trtllm"),
        ("mpirun -n 2 trtllm-llmapi-launch trtllm-serve serve org/model", "trtllm"),
    ],
)
def test_a_server_is_found_however_it_is_launched(line: str, engine: str) -> None:
    served = read(line)
    assert (served.engine, served.model, served.unknown) == (engine, MODEL, ())


RUN = "docker run --rm --gpus all -v ~/.cache:/root/.cache -e HF_TOKEN=hf_secret -p 8000:8000 --ipc=host"


@pytest.mark.parametrize(
    ("line", "engine", "asked"),
    [
        ("vllm/vllm-openai:v0.19.1 --model org/model --max-num-seqs 7", "vllm", {"max_num_seqs": 7}),
        ("localhost:5000/vllm/vllm-openai@sha256:12 org/model -tp 2", "vllm", {"tp": 2}),
        (
            "lmsysorg/sglang:latest python3 -m sglang.launch_server --model org/model --tp 2",
            "sglang",
            {"tp": 2},
        ),
        ("ghcr.io/ggml-org/llama.cpp:server-cuda -hf org/model -c 4096 -np 1", "llamacpp", {"context": 4096}),
        ("nvcr.io/nvidia/tensorrt-llm/release:1.3.0 trtllm-serve org/model --tp_size 2", "trtllm", {"tp": 2}),
    ],
)
def test_an_image_of_an_engines_maker_is_its_server(line: str, engine: str, asked: dict[str, object]) -> None:
    served = read(f"{RUN} {line}")
    assert (served.engine, served.model, served.unknown) == (engine, MODEL, ())
    assert served.asked.items() >= asked.items()
    assert "secret" not in str(served)


def test_a_container_has_the_variables_that_its_engine_reads() -> None:
    asked = "org/model --max-model-len 8192"
    for option in ("-e VLLM_ALLOW_LONG_MAX_MODEL_LEN=1", "--env=VLLM_ALLOW_LONG_MAX_MODEL_LEN=1"):
        served = read(f"docker run {option} vllm/vllm-openai {asked}")
        assert served.asked == read(f"VLLM_ALLOW_LONG_MAX_MODEL_LEN=1 vllm serve {asked}").asked


def test_a_windows_path_is_a_path() -> None:
    assert read_command([r"C:\llama\llama-server.exe", "-m", "m.gguf"]).engine == "llamacpp"


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("docker run --gpus all my/image --model m", "which server this container runs is not known"),
        ("sudo podman run x python -m sglang.launch_server", "which server this container runs is not known"),
        ("docker run --entrypoint bash vllm/vllm-openai -c x", "which server this container runs is not"),
        ("docker exec vllm ls", "which server this container runs is not known"),
        ("docker run lmsysorg/sglang:latest bash", "no serving command in 'bash'"),
        ("kubectl run x --image vllm/vllm-openai", "does not read kubectl's own words"),
        ("vllm bench serve m", "no serving command in 'vllm bench serve m'"),
        ("vllm m", "no serving command"),
        ("python serve.py", "no serving command"),
        ("", "no serving command in ''"),
        ("vllm serve", "names no model"),
        ("vllm serve ''", "names no model"),
        ("vllm serve a b", "names two models: 'a' and 'b'"),
        ("vllm serve a --model b", "names two models: 'a' and 'b'"),
        ("llama-server word -m m.gguf", "'word' belongs to no option"),
    ],
)
def test_a_command_that_is_none_is_refused(line: str, message: str) -> None:
    with pytest.raises(OptionsError, match=message):
        read(line)


def test_a_paste_without_its_last_quote_is_refused() -> None:
    with pytest.raises(OptionsError, match="a quote without its end"):
        read_command(["vllm serve m --hf-overrides '{"])


def test_lines_that_go_on_are_one_command() -> None:
    assert read_command(["vllm serve m \\\n  -tp 2 \\\n  -pp 2"]).asked == {"tp": 2, "pp": 2}


@pytest.mark.parametrize(
    ("options", "unknown"),
    [
        ("--new-flag", ("--new-flag",)),
        ("--new-option 7", ("--new-option 7",)),
        ("--new-option -1", ("--new-option -1",)),
        ("--new-option=a=b", ("--new-option=a=b",)),
        ("--new.key 7 --new-flag -tp 2", ("--new.key 7", "--new-flag")),
        ("-zz --other", ("-zz", "--other")),
    ],
)
def test_an_option_that_is_not_known_takes_the_next_word_unless_it_is_one(
    options: str, unknown: tuple[str, ...]
) -> None:
    served = read(f"vllm serve org/model {options}")
    assert (served.model, served.unknown, served.ignored) == (MODEL, unknown, ())


def test_a_flag_does_not_take_the_model() -> None:
    served = read("vllm serve --trust-remote-code --enforce-eager org/model")
    assert (served.model, served.ignored) == (MODEL, ("--trust-remote-code",))


def test_an_option_of_many_values_takes_all_of_them() -> None:
    served = read("vllm serve org/model --served-model-name a b --port 1 --hf-token --host h")
    assert served.ignored == ("--served-model-name a b", "--port 1", "--hf-token", "--host h")


@pytest.mark.parametrize(
    ("options", "asked"),
    [
        ("--tensor-parallel 4", {"tp": 4}),
        ("--max-model 64", {"context": 64}),
        ("--max_num_se 3", {"max_num_seqs": 3}),
        ("--speculative-conf '{}'", {}),
    ],
)
def test_the_beginning_of_an_option_stands_for_it(options: str, asked: dict[str, int]) -> None:
    assert read(f"vllm serve m {options}").asked == asked


def test_the_beginning_of_several_options_is_refused() -> None:
    with pytest.raises(OptionsError, match="--max-num may stand for --max-num-active-seqs, "):
        read("vllm serve m --max-num 4")


def test_llama_cpp_takes_options_in_full_only() -> None:
    assert read("llama-cli -m m.gguf --ctx 4").unknown == ("--ctx 4",)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("-tp", "-tp has no value"),
        ("-tp --port 1", "-tp has no value"),
        ("-tp 0", "-tp '0' is not a whole number from 1 to 10\\^12"),
        ("-tp -1", "-tp '-1' is not a whole number"),
        ("-tp 1.5", "is not a whole number"),
        ("-tp nan", "is not a whole number"),
        ("-tp 1_000", "is not a whole number"),
        ("-tp \N{FULLWIDTH DIGIT TWO}", "is not a whole number"),
        (f"-tp {'9' * 30}", "is not a whole number"),
        ("--max-model-len 0", "is not a whole number"),
        ("--max-model-len -2", "is not a whole number"),
        ("--max-model-len 32x", "is not a count: write it in digits"),
        ("--max-model-len 1.5K", "is not a count"),
        ("--max-model-len 999999999T", "from 1 to 10\\^12"),
        ("--gpu-memory-utilization 0", "is not above 0"),
        ("--gpu-memory-utilization 1.01", "is not above 0 and at most 1"),
        ("--gpu-memory-utilization nan", "is not a number such as 0.9"),
        ("--gpu-memory-utilization -0.9", "is not a number such as 0.9"),
        ("--gpu-memory-utilization 90%", "is not a number such as 0.9"),
        ("--gpu-memory-utilization .", "is not a number such as 0.9"),
        ("--kv-cache-dtype int3", "'int3': kvplan has no layout for it"),
        ("--kv-cache-dtype turboquant_4bit_nc", "kvplan has no layout for it"),
        ("--dtype fp9", "'fp9' is not one of auto, float16"),
        ("--mamba-cache-mode all", "'all' is not one of none, align"),
        ("--enforce-eager=true", "--enforce-eager takes no value"),
        ("--speculative-config '{\"a\":'", "is not JSON"),
        ("--speculative-config '[1]'", "is not a JSON object"),
        ("--kv-transfer-config x", "is not JSON"),
        (f"--hf-overrides '{'[' * 100000}'", "is not JSON"),
        ("--speculative-config '{\"num_speculative_tokens\": 0}'", "num_speculative_tokens '0'"),
        ("-tp 2 -tp 4", "-tp 2 and -tp 4 contradict each other"),
        ("-tp 2 --tensor_parallel_size=4", "contradict each other"),
        ("--max-model-len auto --max-model-len 8", "contradict each other"),
        ("--enable-prefix-caching --no-enable-prefix-caching", "contradict each other"),
        ("--spec-tokens 2 --speculative-config '{\"num_speculative_tokens\": 3}'", "contradict each other"),
    ],
)
def test_wrong_input_is_one_error_of_two_lines_at_most(options: str, message: str) -> None:
    with pytest.raises(OptionsError, match=message) as error:
        read(f"vllm serve m {options}")
    assert str(error.value).count("\n") <= 1
    assert len(str(error.value)) <= 400


def test_a_long_option_is_cut_and_put_on_one_line() -> None:
    served = read_command(["vllm", "serve", "m", "--kv-transfer-config", '{"a":\n "' + "x" * 500 + '"}'])
    start = '--kv-transfer-config {"a": "xxxxx'
    assert [text[: len(start)] for text in served.unmodelled] == [start]
    assert "\n" not in served.unmodelled[0]
    assert len(served.unmodelled[0]) <= 180


@pytest.mark.parametrize("options", ["-tp 2 -tp 2", "-tp 2 --tensor-parallel-size 2"])
def test_saying_a_thing_twice_is_no_contradiction(options: str) -> None:
    assert read(f"vllm serve m {options}").asked == {"tp": 2}


def test_equal_ratios_are_no_contradiction() -> None:
    line = "vllm serve m --gpu-memory-utilization 0.9 --gpu-memory-utilization .90"
    assert read(line).asked == {"utilization": "0.9"}


WORDS = st.lists(
    st.sampled_from(
        [
            "vllm",
            "serve",
            "sglang",
            "-m",
            "llama-server",
            "trtllm-serve",
            "-tp",
            "--tp",
            "2",
            "0",
            "-1",
            "m",
            "--model",
            "--max-model-len",
            "32k",
            "--speculative-config",
            "{",
            "{}",
            "--",
            "-",
            "",
            "=",
            "--=",
            "--x.y",
            "-c",
            "-np",
            "-ts",
            "1,1",
            "A=b",
            "--kv-cache-dtype",
            "fp8",
            "-fa",
            "--enable-lora",
        ]
    )
    | st.text(max_size=8),
    max_size=9,
)


@given(WORDS)
def test_any_words_are_read_or_refused(words: list[str]) -> None:
    try:
        served = read_command(["vllm", "serve", "m", *words])
    except OptionsError:
        return
    assert served.model == "m"


@given(WORDS)
def test_any_command_is_read_or_refused(words: list[str]) -> None:
    try:
        served = read_command(words)
    except OptionsError:
        return
    assert served.engine in DIALECTS


def _command(engine: str, words: list[str]) -> list[str]:
    start = {"vllm": ["vllm", "serve", "m"], "sglang": ["sglang", "serve", "m"]}
    other = {"llamacpp": ["llama-cli", "-m", "m"], "trtllm": ["trtllm-serve", "m"]}
    return [*(start | other)[engine], *words]


@pytest.mark.parametrize("engine", DIALECTS)
def test_every_other_option_is_sorted_as_its_table_says(engine: str) -> None:
    """One command for each name, with the words that its row takes."""
    after = {"nothing": [], "value": ["7"], "optional": ["7"], "values": ["7", "8"], "json": ['{"a":7}']}
    for row in DIALECTS[engine].rows:
        if not isinstance(row, (Harmless, LeftOut)):
            continue
        for name in row.names:
            if not name.startswith("-"):
                continue
            words = [name, *after[row.takes]]
            served = read_command(_command(engine, words))
            where = served.ignored if isinstance(row, Harmless) else served.unmodelled
            written = " ".join(words)
            assert [text == written or text.startswith(f"{written}: ") for text in where] == [True]
            assert served.unknown == ()


@pytest.mark.parametrize("engine", DIALECTS)
def test_no_option_has_two_rows(engine: str) -> None:
    names = [name for row in DIALECTS[engine].rows for name in row.names]
    assert sorted(names) == sorted(set(names))
