"""Each of llama.cpp's options of memory, by hand: common/arg.cpp and tools/server/server.cpp at 0c1e57098."""

import shlex
from dataclasses import replace
from typing import Any

import pytest

import kvplan
from kvplan.errors import OptionsError
from kvplan.serving import Served, read_command, write_command
from kvplan.serving.llamacpp import LLAMACPP
from kvplan.serving.table import Asks, Refused, Switch

SLOT = {"batch": 1, "max_num_seqs": 1}
DRAFTS = ("-md", "--spec-draft-model", "--model-draft", "-hfd", "-hfrd", "--spec-draft-hf", "--hf-repo-draft")
ASKED: list[tuple[str, dict[str, Any]]] = [
    ("-c 8192", {"context": 8192}),
    ("--ctx-size 8192", {"context": 8192}),
    ("-c 0", {}),
    ("-np 1", {}),
    ("--parallel 4", {"batch": 4, "max_num_seqs": 4}),
    ("--kv-unified", {"settings": {"kv_unified": "true"}}),
    ("-kvu", {"settings": {"kv_unified": "true"}}),
    ("--no-kv-unified", {"settings": {"kv_unified": "false"}}),
    ("-no-kvu", {"settings": {"kv_unified": "false"}}),
    ("--kv-unified-per-slot 4096", {"context": 4096}),
    ("-b 2048", {}),
    ("-b 600", {}),
    ("--batch-size 256", {"max_num_batched_tokens": 256}),
    ("-ub 1024", {"max_num_batched_tokens": 1024}),
    ("--ubatch-size 4096", {"max_num_batched_tokens": 2048}),
    ("-ub 0", {"max_num_batched_tokens": 2048}),
    ("-ctk q8_0", {"kv_dtype": "q8_0,value=fp16"}),
    ("--cache-type-k f16", {"kv_dtype": "fp16"}),
    ("-ctv q4_0", {"kv_dtype": "fp16,value=q4_0"}),
    ("--cache-type-v bf16", {"kv_dtype": "fp16,value=bf16"}),
    ("-fa off", {"settings": {"flash_attn": "false"}}),
    ("--flash-attn on", {"settings": {"flash_attn": "true"}}),
    ("--swa-full", {"settings": {"swa_full": "true"}}),
    ("-ts 1,1", {"pp": 2}),
    ("--tensor-split 3/3/3/0", {"pp": 3}),
    ("-ts 3,1", {"pp": 2, "settings": {"tensor_split": "3,1"}}),
    ("-ts 0.60,0,.4", {"pp": 2, "settings": {"tensor_split": "0.6,0.4"}}),
    ("-dev CUDA0,CUDA1", {"pp": 2}),
    ("--device CUDA0", {}),
    ("-ngl 99", {}),
    ("--gpu-layers all", {}),
    ("--n-gpu-layers auto", {}),
    *((f"{name} d.gguf", {"draft": "d.gguf"}) for name in DRAFTS),
    ("--spec-type draft-mtp", {"draft": "mtp"}),
    (
        "--spec-draft-n-max 5 --spec-type draft-mtp",
        {"draft": "mtp", "settings": {"spec_draft_n_max": "5"}},
    ),
    ("--spec-type ngram-mod,none", {}),
    ("--spec-draft-n-max 5", {}),
    ("--draft-max 5", {}),
    ("--draft 5", {}),
    ("--draft-n 5 --spec-type draft-mtp", {"draft": "mtp", "settings": {"spec_draft_n_max": "5"}}),
    ("-fit off", {}),
    ("--fit on", {}),
    ("-ctkd q8_0 -ctvd q5_1", {}),
    ("-ctkd q8_0 -ctvd q5_1 -md d.gguf", {"draft": "d.gguf", "draft_kv_dtype": "q8_0,value=q5_1"}),
    ("--spec-draft-type-k f16 -md d.gguf", {"draft": "d.gguf", "draft_kv_dtype": "fp16"}),
    ("--cache-type-k-draft q4_0 -md d.gguf", {"draft": "d.gguf", "draft_kv_dtype": "q4_0,value=fp16"}),
    ("-ctvd q4_0 -md d.gguf", {"draft": "d.gguf", "draft_kv_dtype": "fp16,value=q4_0"}),
    ("--spec-draft-type-v q4_0 -md d.gguf", {"draft": "d.gguf", "draft_kv_dtype": "fp16,value=q4_0"}),
    ("--cache-type-v-draft q4_0 -md d.gguf", {"draft": "d.gguf", "draft_kv_dtype": "fp16,value=q4_0"}),
    ("-sm layer", {}),
    ("--split-mode none", {"pp": 1}),
    ("--main-gpu 1", {}),
]
REFUSED = (
    "--no-kv-offload",
    "-nkvo",
    "-dr ai/smollm2",
    "--docker-repo ai/smollm2",
    "--models-dir models",
    "--models-preset models.ini",
    "--server-base http://localhost:8080",
    "--embd-gemma-default",
    "--fim-qwen-1.5b-default",
    "--fim-qwen-3b-default",
    "--fim-qwen-7b-default",
    "--fim-qwen-7b-spec",
    "--fim-qwen-14b-spec",
    "--fim-qwen-30b-default",
    "--gpt-oss-20b-default",
    "--gpt-oss-120b-default",
    "--vision-gemma-4b-default",
    "--vision-gemma-12b-default",
)


def read(options: str, program: str = "llama-cli") -> Served:
    """Read *program* with a model and *options*."""
    return read_command([*shlex.split(program), "-m", "m.gguf", *shlex.split(options)])


@pytest.mark.parametrize(("options", "asked"), ASKED)
def test_an_option_asks_for_one_thing(options: str, asked: dict[str, Any]) -> None:
    served = read(options)
    assert served.asked == {**SLOT, **asked}
    assert (served.unmodelled, served.unknown) == ((), ())


@pytest.mark.parametrize("options", REFUSED)
def test_an_option_that_would_make_the_plan_wrong_is_refused(options: str) -> None:
    with pytest.raises(OptionsError, match=options.split(maxsplit=1)[0]):
        read(options)


def test_every_row_that_asks_or_refuses_is_in_these_tests() -> None:
    tested = {options.split()[0] for options in (*(options for options, _ in ASKED), *REFUSED)}
    tabled = {
        name
        for row in LLAMACPP.rows
        if isinstance(row, (Asks, Switch, Refused))
        for name in (*row.names, *(row.against if isinstance(row, Switch) else ()))
    }
    assert tabled - tested == {"CUDA_VISIBLE_DEVICES"}


def test_the_context_is_that_of_all_slots() -> None:
    """32768 / 4 = 8192 tokens in each of 4 slots, unified or not."""
    served = read("-c 32768 -np 4")
    assert served.asked == {"batch": 4, "max_num_seqs": 4, "context": 8192}
    assert served.notes == ("-c 32768: 4 slots have it, 8192 tokens each",)
    unified = read("-c 32768 -np 4 -kvu")
    assert unified.asked == {**served.asked, "settings": {"kv_unified": "true"}}
    assert unified.notes == ("-c 32768: 4 slots share it, 8192 tokens each where all are full",)


def test_llama_server_takes_four_slots_over_one_cache_by_itself() -> None:
    served = read("-c 8192", "llama-server")
    assert served.asked == {
        "batch": 4,
        "max_num_seqs": 4,
        "context": 2048,
        "settings": {"kv_unified": "true"},
    }
    assert read("-c 8192 -np -1", "llama-server").asked == served.asked


def test_a_context_left_open_may_be_lowered() -> None:
    assert read("").notes == ("without -c, llama.cpp may lower the context to what fits",)
    assert read("").sharing == 1


def test_without_a_context_slots_share_the_models_longest() -> None:
    """n_ctx_train for all of them in llama_context's constructor, unless each is told its own."""
    served = read("", "llama-server")
    assert (served.sharing, served.asked.get("context")) == (4, None)
    assert served.notes[-1] == "without -c, 4 slots share the model's longest context, as llama.cpp takes it"
    assert read("-np 2").notes[-1].startswith("without -c, 2 slots have the model's longest context")
    assert read("-c 8192", "llama-server").sharing == 1
    assert read("--kv-unified-per-slot 8192", "llama-server").sharing == 1


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ("-ngl 35", "-ngl 35: all layers are counted on the GPUs"),
        ("-ot exps=CPU", "-ot exps=CPU: all weights are counted on the GPUs"),
        ("-cmoe", "-cmoe: all weights are counted on the GPUs"),
        (
            "--spec-type draft-dspark",
            (
                "--spec-type 'draft-dspark': the weights and the cache of the draft are counted only with "
                "--draft MODEL"
            ),
        ),
        ("--mmproj p.gguf", "--mmproj p.gguf: the projector of images and audio is not counted"),
        ("--control-vector-layer-range 4 8", "--control-vector-layer-range 4 8: adapters are not counted"),
        ("-ngld 0", "-ngld 0: all of the draft is counted on the GPUs"),
        ("-cmoed", "-cmoed: all of the draft is counted on the GPUs"),
        ("-ncmoed 4", "-ncmoed 4: all of the draft is counted on the GPUs"),
        ("-otd exps=CPU", "-otd exps=CPU: all of the draft is counted on the GPUs"),
        ("-devd CUDA1", "-devd CUDA1: a draft is counted on its model's GPUs"),
        ("-fitt 512", "-fitt 512: what llama.cpp lowers to fit is not planned"),
        ("--fit-ctx 8192", "--fit-ctx 8192: what llama.cpp lowers to fit is not planned"),
        ("-mmdev none", "-mmdev none: the projector of images and audio is not counted so"),
        ("--image-max-tokens 4096", "--image-max-tokens 4096: the projector of images and audio is not"),
        ("-bs", "-bs: what sampling on a GPU computes is not counted"),
    ],
)
def test_what_no_plan_counts_is_said(options: str, text: str) -> None:
    (told,) = read(options).unmodelled
    assert told.startswith(text)
    assert told.endswith(" than planned")


@pytest.mark.parametrize("options", ["-ngld all", "-ngld 99", "-ncmoed 0", "-fitt 1024", "-fitc 4096"])
def test_what_llama_cpp_does_unasked_changes_nothing(options: str) -> None:
    served = read(options)
    assert (served.unmodelled, served.ignored) == ((), (options,))


def test_memory_shared_with_the_host_is_told() -> None:
    (told,) = read("", "GGML_CUDA_ENABLE_UNIFIED_MEMORY=1 llama-cli").unmodelled
    assert told.startswith("GGML_CUDA_ENABLE_UNIFIED_MEMORY=1: all memory is counted on the GPUs")


def test_a_preset_says_what_to_write_for_it() -> None:
    with pytest.raises(OptionsError, match="-hf ggml-org/gpt-oss-20b-GGUF -c 262144 -np 2 -b 32768 -ub 2048"):
        read_command(["llama-server", "--gpt-oss-20b-default"])


def test_without_fitting_no_context_is_lowered() -> None:
    assert read("-fit off").notes == ()
    with pytest.raises(OptionsError, match="not one of on, enabled, true, 1, off"):
        read("-fit maybe")


def test_drafted_tokens_are_written_with_their_draft() -> None:
    asked: dict[str, Any] = {"draft": "mtp", "settings": {"spec_draft_n_max": "5"}, "max_num_seqs": 1}
    line = write_command("llamacpp", "m.gguf", asked)
    assert line == "llama-server -m m.gguf -np 1 --spec-type draft-mtp --spec-draft-n-max 5"
    assert read_command(shlex.split(str(line))).asked == {**SLOT, **asked}


@pytest.mark.parametrize(
    "options",
    [
        "-sm row",
        "-sm tensor",
        "-ts 3,1 -dev CUDA0",
        "-ts 3,1 -dev a,b,c",
        "-ngl 0",
        "-dev none",
        "-c 3 -np 4",
        "-ts 0,0",
        "-ts a,b",
        "-ctk q8_1",
        "word",
    ],
)
def test_what_makes_no_plan_is_refused(options: str) -> None:
    with pytest.raises(OptionsError):
        read(options)


def test_visible_gpus_share_the_layers() -> None:
    assert read("", "CUDA_VISIBLE_DEVICES=0,3 llama-cli").asked == {**SLOT, "pp": 2}
    assert read("-sm none", "CUDA_VISIBLE_DEVICES=0,3 llama-cli").asked == {**SLOT, "pp": 1}
    assert read("-dev CUDA0", "CUDA_VISIBLE_DEVICES=0,3 llama-cli").asked == SLOT


def test_options_from_the_environment_are_refused() -> None:
    with pytest.raises(OptionsError, match="LLAMA_ARG_CTX_SIZE sets an option from the environment"):
        read("", "LLAMA_ARG_CTX_SIZE=8192 llama-server")


def test_a_value_may_begin_with_a_dash() -> None:
    served = read("-p '- list\n- more' --grammar -1")
    assert served.ignored == ("-p - list\n- more", "--grammar -1")


@pytest.mark.parametrize(
    ("model", "option"),
    [("m.gguf", "-m m.gguf"), ("org/m-GGUF:Q4_K_M", "-hf org/m-GGUF:Q4_K_M"), ("https://h/m.gguf", "-mu")],
)
def test_the_model_is_written_by_where_it_is(model: str, option: str) -> None:
    line = write_command("llamacpp", model, {"max_num_seqs": 1})
    assert line is not None
    assert line.startswith(f"llama-server {option}")
    assert read_command(shlex.split(line)).model == model


def test_an_option_of_two_values_takes_no_option() -> None:
    served = read("--control-vector-layer-range 4 8 -c 64")
    assert served.asked == {**SLOT, "context": 64}


def test_the_slots_of_a_batch_are_written() -> None:
    assert write_command("llamacpp", "m.gguf", {"batch": 4, "context": 8192}) == (
        "llama-server -m m.gguf -c 32768 -np 4"
    )


PROJECTED = "-hf loads the repository's projector of images and audio, too, onto a GPU, unless --no-mmproj"


@pytest.mark.parametrize(
    ("command", "loads"),
    [
        ("llama-server -hf ggml-org/gemma-3-4b-it-GGUF -c 8192", True),
        ("llama-server --hf-repo ggml-org/gemma-3-4b-it-GGUF:Q8_0 -c 8192", True),
        ("llama-cli -hf ggml-org/gemma-3-4b-it-GGUF -c 8192", True),
        ("llama-server -m gemma-3-4b-it-Q4_K_M.gguf -c 8192", False),
        ("llama-server -hf ggml-org/gemma-3-4b-it-GGUF -c 8192 --no-mmproj", False),
        ("llama-server -hf ggml-org/gemma-3-4b-it-GGUF -c 8192 --no-mmproj-auto", False),
        ("llama-server -hf ggml-org/gemma-3-4b-it-GGUF -c 8192 --no-mmproj-offload", False),
        # It is said of the file that is named.
        ("llama-server -hf ggml-org/gemma-3-4b-it-GGUF -c 8192 --mmproj p.gguf", False),
    ],
)
def test_a_repositorys_projector_is_loaded_unless_told(command: str, *, loads: bool) -> None:
    """common_models_handler_init in common/arg.cpp and find_best_mmproj in common/download.cpp of v0.5.0."""
    told = read_command(shlex.split(command)).of_tower
    assert len(told) == loads
    assert all(text.startswith(PROJECTED) for text in told)


@pytest.mark.parametrize(("model", "told"), [("qwen3-vl-8b", 1), ("qwen3-8b", 0)])
def test_a_projector_is_spoken_of_where_the_model_sees(model: str, told: int) -> None:
    served = read_command(["llama-server", "-hf", model, "-c", "8192"])
    plain = kvplan.fit(model, engine="llamacpp", kv_memory="40GiB", context=2048, advice=False)
    fit = replace(plain, served=served)
    assert sum(PROJECTED in text for text in fit.to_dict()["warnings"]) == told
