"""Old lines, and programs that write like an engine: read where figures are plain, named where not."""

import pytest

from kvplan.reconcile import LogError, Overrides, Reconciliation, read_log, reconcile
from kvplan.reconcile.foreign import FOREIGN


def of_model(text: str, model: str, **asked: object) -> Reconciliation:
    return reconcile(text, Overrides(model=model, **asked))  # type: ignore[arg-type]


def test_tensorrt_llm_0_8_prints_bytes_and_tokens_apart() -> None:
    """7,952,400,384 / 60,672 are 131,072: 32 layers x 2 x 8 heads x 128 x 2 bytes."""
    text = (
        "[TensorRT-LLM][INFO] Allocate 7952400384 bytes for k/v cache. \n"
        "[TensorRT-LLM][INFO] Using 60672 tokens in paged KV cache.\n"
        "[TensorRT-LLM] TensorRT-LLM version: 0.8.0\n"
    )
    assert read_log(text).version == "0.8.0"
    assert of_model(text, "llama-3-8b").verdict == "agrees"
    assert of_model(text.replace("7952400384", "7952400385"), "llama-3-8b").verdict == "unexplained"
    assert of_model(text, "llama-2-13b").verdict == "unexplained"


def test_llamacpp_of_2023_says_kv_in_small_letters() -> None:
    """512 cells x 40 layers x 2 x 5,120 x 2 bytes are 400 MiB, which it calls MB."""
    text = "llama_model_load_internal: n_ctx      = 512\nllama_init_from_file: kv self size  =  400.00 MB\n"
    found = of_model(text, "llama-2-13b")
    assert found.verdict == "agrees"
    assert found.rows[0].low == 512 * 40 * 2 * 5120 * 2


def test_vllm_on_ascend_prints_its_memory_in_bytes() -> None:
    """114,688 bytes a token: 47,612,861,952 bytes are 3,243 blocks of 128 tokens, and 415,151 tokens."""
    text = (
        "(Worker pid=2) INFO 11-06 09:33:08 [worker_v1.py:259] Available memory: 47612861952, "
        "total memory: 65452113920\n"
        "(EngineCore_DP0 pid=1) INFO [kv_cache_utils.py:1201] GPU KV cache size: 415,104 tokens\n"
    )
    assert of_model(text, "qwen3-1.7b", block_size=128).verdict == "agrees"
    found = of_model(text, "qwen3-1.7b", gpu="h100-80gb")
    assert found.verdict == "explained"
    # The memory of an NPU is not that of the GPU that someone names.
    assert found.estimates == ()
    assert any("vLLM's Ascend plugin, whose pool alone is compared" in note for note in found.notes)


def test_ollama_runs_one_model_after_another() -> None:
    run = 'time=2025-10-03 level=INFO source=server.go:399 msg="starting runner" cmd="/usr/bin/ollama"\n'
    pool = (
        "llama_context: n_ctx         = {0}\n"
        "llama_kv_cache: size = {1}.00 MiB ( {0} cells, {2} layers, 1/1 seqs), "
        "K (f16): {3}.00 MiB, V (f16): {3}.00 MiB\n"
    )
    text = run + pool.format(4096, 448, 28, 224) + run + pool.format(8192, 1024, 32, 512)
    log = read_log(text)
    assert (log.options.context, log.restarted) == (8192, True)
    assert of_model(text, "llama-3.1-8b").verdict == "agrees"


@pytest.mark.parametrize(
    ("text", "name"),
    [
        (
            "[TM][INFO] [BlockManager] block_size = 8.000 MB\n[BlockManager] max_block_count = 6214",
            "LMDeploy",
        ),
        ('level=INFO source=device.go:251 msg="kv cache" device=CUDA0 size="448.0 MiB"', "ollama"),
        ('msg="offload to cuda" memory.required.full="6.5 GiB" memory.required.kv="1.0 GiB"', "ollama"),
        ("[2026-08-05 17:22:08][INFO][LM STUDIO SERVER] Success! HTTP server listening", "LM Studio"),
        (
            "Paged attention: not enough Metal memory for KV cache. metal_limit=26.80GB, fraction=0.98",
            "vLLM's Metal plugin",
        ),
    ],
)
def test_what_has_no_figure_is_named(text: str, name: str) -> None:
    with pytest.raises(LogError) as caught:
        read_log(text)
    first, second = str(caught.value).splitlines()
    assert first.removeprefix("the log is ").removeprefix("of ").startswith(name)
    assert len(second) > 20


def test_llamacpps_lines_inside_lm_studio_are_read() -> None:
    """32 layers x 2 x 8 heads x 128 x 2 bytes are 131,072, and 8,192 of them 1 GiB."""
    text = (
        "[2026-08-05 17:22:01][DEBUG] llama_context: n_ctx         = 8192\n"
        "[DEBUG] llama_kv_cache: size = 1024.00 MiB (  8192 cells,  32 layers,  1/1 seqs)"
        ", K (f16):  512.00 MiB, V (f16):  512.00 MiB\n"
        "[2026-08-05 17:22:08][INFO][LM STUDIO SERVER] Success! HTTP server listening\n"
    )
    assert of_model(text, "llama-3.1-8b").verdict == "agrees"


def test_a_tpu_pool_alone_follows_for_every_model() -> None:
    text = (
        "INFO 07-08 01:14:18 [tpu_jax_runner.py:180] Init model | hbm=[(3.74, 31.25), (3.74, 31.25)]Gb\n"
        "INFO 07-08 01:14:18 [kv_cache_utils.py:716] GPU KV cache size: 811,008 tokens\n"
        "INFO [kv_cache_utils.py:720] Maximum concurrency for 4,096 tokens per request: 198.00x\n"
    )
    with pytest.raises(LogError, match="nothing in this log can be checked") as caught:
        of_model(text, "llama-3.1-8b")
    assert "of vLLM's TPU plugin" in str(caught.value)


def test_each_program_is_known_by_words_of_its_own() -> None:
    marks = [mark for each in FOREIGN for mark in each.marks]
    assert len(set(marks)) == len(marks)
    assert all(each.lacks and "\n" not in each.lacks for each in FOREIGN)


def test_a_log_of_text_generation_inference_is_named() -> None:
    text = "INFO text_generation_router_v3: lib.rs:137: Setting max batch total tokens to 9\n"
    with pytest.raises(
        LogError, match="the log is of Text Generation Inference, and has no figure to compare"
    ):
        read_log(text)


def test_a_card_of_which_a_log_says_nothing_is_told() -> None:
    """llama.cpp prints its cache, and not what the card had left for it."""
    text = (
        "llama_context: n_ctx         = 8192\n"
        "llama_kv_cache: size = 1024.00 MiB ( 8192 cells, 32 layers, 1/1 seqs), K (f16): 512.00 MiB, "
        "V (f16): 512.00 MiB\n"
    )
    said = "the log does not print the memory left for the cache: nothing is compared with --gpu"
    assert said in of_model(text, "llama-3.1-8b", gpu="rtx-3090-24gb").notes
    assert said not in of_model(text, "llama-3.1-8b").notes
