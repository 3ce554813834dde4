"""Speculative decoding that a log names: its layers are planned, and nothing agrees without them."""

import pytest

from kvplan.reconcile import Overrides, reconcile
from kvplan.reconcile.log import NO_DRAFT
from kvplan.reconcile.read import read_log
from kvplan.units import GIB

COMMAND = "vllm serve meta-llama/Llama-3.1-8B-Instruct --speculative-config '{0}'\n"
EAGLE = '{"method": "eagle3", "model": "yuhuili/EAGLE3-LLaMA3.1-Instruct-8B", "num_speculative_tokens": 3}'
MODEL = Overrides(model="llama-3.1-8b")


def pool(layers: int) -> str:
    """Return the pool of 40 GiB in blocks of 16 tokens of 2 x 8 heads x 128 x 2 bytes in each layer."""
    tokens = 40 * GIB // (16 * 4096 * layers) * 16
    return f"Available KV cache memory: 40.00 GiB\nGPU KV cache size: {tokens:,} tokens\n"


def test_a_draft_that_the_command_names_is_planned() -> None:
    found = reconcile(COMMAND.format(EAGLE) + pool(33), MODEL)
    assert found.verdict == "agrees"
    assert found.setup.choice.settings == {"draft_layers": "1", "num_speculative_tokens": "3"}
    assert [note for note in found.notes if "speculative decoding (eagle3)" in note]


@pytest.mark.parametrize("layers", [32, 34])
def test_nothing_agrees_without_the_drafts_layer(layers: int) -> None:
    found = reconcile(COMMAND.format(EAGLE) + pool(layers), MODEL)
    assert not found.agrees
    # Two layers of a draft may be; none is not.
    assert found.explained is (layers == 34)
    assert ("--set draft_layers=2" in [option for each in found.explanations for option in each.options]) is (
        layers == 34
    )


def test_the_users_own_layers_stand_against_the_logs_draft() -> None:
    asked = Overrides(model="llama-3.1-8b", settings={"draft_layers": "2"})
    assert reconcile(COMMAND.format(EAGLE) + pool(34), asked).verdict == "agrees"
    assert reconcile(COMMAND.format(EAGLE) + pool(32), asked).verdict == "unexplained"


@pytest.mark.parametrize("method", ["ngram", "suffix", "medusa"])
def test_what_drafts_without_a_cache_adds_no_layer(method: str) -> None:
    found = reconcile(COMMAND.format(f'{{"method": "{method}"}}') + pool(32), MODEL)
    assert found.verdict == "agrees"
    assert "draft_layers" not in found.setup.choice.settings


def test_a_draft_that_nothing_names_is_an_assumption() -> None:
    found = reconcile(pool(33), MODEL)
    assert found.verdict == "explained"
    assert ("--set draft_layers=1",) in [each.options for each in found.explanations]


@pytest.mark.parametrize(
    ("words", "draft", "tokens"),
    [
        (f"--speculative-config '{EAGLE}'", "eagle3", "3"),
        (f"--speculative-config={EAGLE}", "eagle3", "3"),
        ('--speculative_config "{\\"method\\": \\"mtp\\", \\"num_speculative_tokens\\": 1}"', "mtp", "1"),
        ("-sc '{\"num_speculative_tokens\": 2}'", "speculative decoding", "2"),
        ("--speculative-config.method mtp --speculative-config.num_speculative_tokens 4", "mtp", "4"),
        ("--spec-method dflash --spec-tokens 7", "dflash", "7"),
        ("--speculative-model [ngram] --num-speculative-tokens 5", "ngram", "5"),
        ("--speculative-model a/b --num-speculative-tokens 5", "speculative decoding", "5"),
        ('"--speculative-config", "{\\"method\\": \\"mtp\\", \\"num_speculative_tokens\\": 1}"', "mtp", "1"),
        ("['--spec-method', 'eagle', '--spec-tokens', '2']", "eagle", "2"),
        ("--max-num-seqs 4", None, None),
    ],
)
def test_the_draft_of_a_command(words: str, draft: str | None, tokens: str | None) -> None:
    log = read_log(f"$ vllm serve a/b {words} --max-model-len 8192\nGPU KV cache size: 16 tokens")
    assert (log.options.draft, log.options.settings.get("num_speculative_tokens")) == (draft, tokens)


def test_what_the_engine_says_after_the_command_counts() -> None:
    engine = "with config: model='a', speculative_config=None, max_seq_len=8192\n"
    log = read_log(COMMAND.format(EAGLE) + engine + "GPU KV cache size: 16 tokens")
    assert log.options.draft == NO_DRAFT


def test_llamacpp_prints_the_drafts_own_cache() -> None:
    """Qwen3.6 27B: 4 heads x 256 in q8_0, 34 bytes for 32: 8,704 MiB in 16 layers, 544 in the draft's."""
    line = (
        "llama_kv_cache: size = {0:.2f} MiB (262144 cells, {1:3} layers,  1/1 seqs), "
        "K (q8_0): {2:.2f} MiB, V (q8_0): {2:.2f} MiB\n"
    )
    text = line.format(8704, 16, 4352) + line.format(544, 1, 272)
    found = reconcile(text, Overrides(model="qwen3.6-27b"))
    assert found.verdict == "agrees"
    assert [row.figure for row in found.rows][3:] == ["KV size, draft", "K size, draft", "V size, draft"]
    assert reconcile(text.replace("272", "270"), Overrides(model="qwen3.6-27b")).verdict == "unexplained"


ARGS = "server_args=ServerArgs(model_path='Qwen/Qwen3-8B', tp_size=1, speculative_algorithm='EAGLE3')\n"
POOL = "KV Cache is allocated. dtype: torch.bfloat16, #tokens: 100000, K size: {0} GB, V size: {0} GB\n"


def test_sglang_prints_the_drafts_own_pool() -> None:
    """36 layers x 8 heads x 128 x 2 bytes x 100,001 are 6.87 GiB of K, and a draft's layer 0.19."""
    found = reconcile(ARGS + POOL.format("6.87") + POOL.format("0.19"))
    assert found.verdict == "agrees"
    assert [row.figure for row in found.rows] == ["K size", "V size", "K size, draft", "V size, draft"]
    assert reconcile(ARGS + POOL.format("6.87") + POOL.format("0.30")).verdict == "unexplained"


def test_a_draft_that_is_named_but_not_shown_is_noted() -> None:
    notes = reconcile(ARGS + POOL.format("6.87")).notes
    assert [
        note for note in notes if note.startswith("the log names speculative decoding (EAGLE3), but shows")
    ]
