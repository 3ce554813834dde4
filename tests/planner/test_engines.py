"""An engine's figures through the planner: what vLLM 0.33's own planner printed for 80 GiB of KV memory."""

from typing import Any

import pytest

import kvplan
from kvplan.planner import words
from kvplan.planner.choice import Choice
from kvplan.planner.deployment import deploy
from kvplan.units import GIB


@pytest.mark.parametrize(
    ("model", "context", "options", "blocks", "block_size", "tokens", "concurrency"),
    [
        ("llama-3.1-8b", 131_072, {}, 40_960, 16, 655_360, "5.00"),
        ("gemma-3-27b", 131_072, {}, 65_536, 16, 583_317, "4.45"),
        ("deepseek-v3", 163_840, {"block_size": 64}, 19_099, 64, 1_222_336, "7.46"),
        ("qwen3-next-80b-a3b", 262_144, {"prefix_caching": False}, 6_425, 544, 3_472_732, "13.25"),
        ("qwen3-next-80b-a3b", 262_144, {"prefix_caching": True}, 6_425, 544, 3_451_383, "13.17"),
    ],
)
def test_vllm_starts_with_these_figures(  # noqa: PLR0913, PLR0917 - a line of its log
    model: str,
    context: int,
    options: dict[str, Any],
    blocks: int,
    block_size: int,
    tokens: int,
    concurrency: str,
) -> None:
    answer = kvplan.fit(
        model,
        kv_memory="80GiB",
        context=context,
        engine="vllm@0.33",
        **options,
    )
    assert (answer.num_blocks, answer.block_size, answer.kv_tokens) == (blocks, block_size, tokens)
    assert f"{answer.max_concurrency:.2f}" == concurrency


@pytest.mark.parametrize(
    "model", ["llama-3.1-70b", "gemma-3-27b", "deepseek-v3.2", "nemotron-h-8b", "gpt-oss-120b"]
)
@pytest.mark.parametrize("tp", [1, 2])
def test_the_waterfall_leads_to_what_is_reserved(model: str, tp: int) -> None:
    """And it starts with the formula's bytes, with what TP stores several times."""
    answer = kvplan.fit(model, kv_memory="60GiB", context=8_000, batch=3, tp=tp, engine="vllm")
    assert sum(line.size_bytes for line in answer.waterfall) == answer.memory.kv_used_bytes
    formula = sum(line.size_bytes for line in answer.waterfall if line.name in ("formula", "replication"))
    kv_dtype = answer.kv_dtype
    assert formula == kvplan.size(model, context=8_000, batch=3, tp=tp, kv_dtype=kv_dtype).total_bytes


def test_one_block_is_never_given_away() -> None:
    """80 GiB are exactly five sequences of 131072 tokens, and vLLM keeps the null block of 2 MiB."""
    answer = kvplan.fit("llama-3.1-8b", kv_memory="80GiB", context=131_072, engine="vllm")
    assert (answer.max_batch, answer.analytic_max_batch) == (4, 5)
    assert answer.bytes_per_sequence == 16 * GIB
    more = kvplan.fit("llama-3.1-8b", kv_memory=80 * GIB + 16 * 131_072, context=131_072, engine="vllm")
    assert more.max_batch == 5


def test_an_older_release_has_its_own_rules() -> None:
    """Up to 0.19.1 vLLM took 0.9 of the card, and 0.92 since 0.20.2."""
    old, new = (
        kvplan.fit("llama-3.1-8b", gpu="80GB", context=8192, engine=f"vllm@{v}") for v in ("0.19", "0.33")
    )
    assert (old.memory.budget_bytes, new.memory.budget_bytes) == (72 * 10**9, 736 * 10**8)
    assert (old.engine, new.engine) == ("vllm@0.19", "vllm@0.33")


@pytest.mark.parametrize(
    ("spelt", "plain"),
    [
        ("llama.cpp", "llamacpp"),
        ("llama-server", "llamacpp"),
        ("TensorRT-LLM", "trtllm"),
        ("trt-llm", "trtllm"),
        ("vLLM", "vllm"),
        ("vLLM@0.19", "vllm@0.19"),
        ("EXACT", "exact"),
    ],
)
def test_an_engine_may_be_called_as_its_maker_calls_it(spelt: str, plain: str) -> None:
    """The command that serves the plan is then the same, too."""
    answers = [
        kvplan.fit("llama-3.1-8b", gpu="80GB", context=8192, engine=engine) for engine in (spelt, plain)
    ]
    assert answers[0].to_dict() == answers[1].to_dict()


def test_a_pool_without_room_prints_nothing() -> None:
    answer = kvplan.fit("llama-3.1-8b", kv_memory="1GiB", context=131_072, engine="vllm")
    assert not answer.fits
    assert answer.num_blocks is answer.kv_tokens is answer.max_concurrency is None


def test_the_most_sequences_may_be_bounded() -> None:
    answer = kvplan.fit("llama-3.1-8b", gpu="h100-80gb", context=1024, max_num_seqs=7, dp=2)
    assert answer.max_batch == 14
    assert words.limit(answer.limit) == "the number of sequences: 7 in each replica"


def test_context_parallelism_holds_twice_the_tokens() -> None:
    """DCP 2 over DeepSeek-V3's TP ranks: 256 blocks of 64 for 32768 tokens in place of 512."""
    one, two = (
        kvplan.fit("deepseek-v3", kv_memory="8GiB", context=32_768, tp=2, engine="vllm", dcp=dcp)
        for dcp in (1, 2)
    )
    assert one.num_blocks == two.num_blocks
    assert one.kv_tokens is not None
    assert two.kv_tokens == 2 * one.kv_tokens


@pytest.mark.parametrize(
    ("model", "per_sequence"),
    [
        # Grows by concatenation: the formula's own bytes.
        ("llama-3.1-8b", 131_072 * 8192),
        # 10 full layers, and 52 that keep 1023 tokens of a window of 1024: transformers 5.23, as run.
        ("gemma-3-27b", 81_920 * 8192 + 52 * 1023 * 8192),
        # 12 full layers; states in float32 and four columns of convolution of 8192 channels in bf16.
        ("qwen3-next-80b-a3b", 24_576 * 8192 + 36 * (65_536 + 2_097_152)),
        # K and V are broadcast to all 128 heads of 60 layers before they are cached.
        ("falcon-40b", 60 * 2 * 128 * 64 * 2 * 8192),
    ],
)
def test_transformers_keeps_what_its_classes_keep(model: str, per_sequence: int) -> None:
    assert kvplan.size(model, context=8192, engine="transformers").bytes_per_sequence == per_sequence


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"engine": "exact", "block_size": 16}, "the engine exact has no --block-size"),
        ({"engine": "vllm@9.9"}, "vLLM 9.9 is not known"),
        ({"engine": "vllm@new"}, "is not a version of vLLM"),
        (
            {"engine": "vllm", "block_size": 24, "model": "deepseek-v3"},
            "no multiple of the attention kernel's 16",
        ),
        ({"engine": "vllm", "model": "rwkv-5-world-3b"}, "."),
    ],
)
def test_what_an_engine_refuses(options: dict[str, object], problem: str) -> None:
    asked = {"model": "llama-3.1-8b", "kv_memory": "8GiB", "context": 1024, **options}
    with pytest.raises(kvplan.KvplanError, match=problem):
        kvplan.fit(**asked)  # type: ignore[arg-type]


def test_vllm_refuses_learned_prefix_tokens() -> None:
    with pytest.raises(kvplan.KvplanError, match="a learned prefix beside K and V"):
        kvplan.size("hymba-1.5b", context=8192, engine="vllm")


def test_transformers_keeps_the_states_of_xlstm_in_bf16() -> None:
    """32 blocks of 8 heads: a 256 x 512 matrix, 256 of normalizer and 1 of stabilizer, as run in 5.23."""
    answer = kvplan.size("xlstm-7b", context=8192, engine="transformers")
    assert answer.bytes_per_sequence == 32 * 8 * (256 * 512 + 256 + 1) * 2


@pytest.mark.parametrize("engine", ["exact", "vllm", "sglang", "trtllm", "llamacpp", "transformers"])
def test_every_engine_answers_in_full(engine: str) -> None:
    """Hints and the fewest GPUs included; what an engine cannot do is left out of them."""
    answer = kvplan.fit("qwen3-8b", gpu="h100-80gb", context=8192, batch=2, engine=engine)
    assert answer.fits
    assert answer.smallest_gpus is not None
    assert [hint for hint in answer.hints if hint.option == "context"]
    assert sum(line.size_bytes for line in answer.waterfall) == answer.memory.kv_used_bytes
    assert answer.kv_range is not None
    assert answer.kv_range[0] <= answer.memory.kv_bytes <= answer.kv_range[1]
    assert (answer.command is None) == (engine in ("exact", "transformers"))


@pytest.mark.parametrize(
    ("engine", "sizes"),
    [
        # vLLM: the stages before the last, backwards; SGLang: the last; TensorRT-LLM: the first.
        ("vllm", (10, 11, 11, 10)),
        ("sglang", (10, 10, 11, 11)),
        ("trtllm", (11, 11, 10, 10)),
        # llama.cpp splits 42 layers and the head: floor(layer x 4 / 43).
        ("llamacpp", (11, 11, 11, 9)),
    ],
)
def test_each_engine_splits_layers_by_its_own_rule(engine: str, sizes: tuple[int, ...]) -> None:
    """42 layers of Gemma 2 9B over 4 stages."""
    spec = kvplan.load("gemma-2-9b")
    assert deploy(spec, Choice(engine=engine, pp=4)).stage_sizes == sizes


def test_llamacpp_splits_the_head_with_the_layers() -> None:
    """80 layers on 2 GPUs are 41 and 39."""
    spec = kvplan.load("llama-3.1-70b")
    assert deploy(spec, Choice(engine="llamacpp", pp=2)).stage_sizes == (41, 39)


@pytest.mark.parametrize(
    ("gpu", "tokens"), [("h100-80gb", 8192), ("a100-80gb", 2048), ("b200-180gb", 16_384), (None, 8192)]
)
def test_vllm_batches_by_the_card(gpu: str | None, tokens: int) -> None:
    """engine/arg_utils.py: 2048 tokens on A100 and cards below 70 GiB, 16384 from 160 GiB on since 0.28."""
    memory: dict[str, Any] = {"gpu": gpu} if gpu else {"kv_memory": "60GiB"}
    unasked, asked = (
        kvplan.fit("gemma-3-27b", context=65_536, engine="vllm", max_num_batched_tokens=each, **memory)
        for each in (None, tokens)
    )
    assert unasked.bytes_per_sequence == asked.bytes_per_sequence


@pytest.mark.parametrize(
    ("gpu", "release", "block_size"),
    [("h100-80gb", "0.33", 576), ("h100-80gb", "0.32", 544), ("a100-80gb", "0.33", 544)],
)
def test_gated_delta_net_runs_on_flashinfer_on_hopper(gpu: str, release: str, block_size: int) -> None:
    """Its prefill keeps states at multiples of 64 tokens, as vLLM 0.33's own planner says: 9 x 64."""
    answer = kvplan.fit(
        "qwen3-next-80b-a3b",
        gpu=gpu,
        context=8192,
        engine=f"vllm@{release}",
        weights="20GB",
        prefix_caching=True,
    )
    assert answer.block_size == block_size


def _with_states(release: str, **options: Any) -> kvplan.Fit:
    """976 blocks, each with the states of 48 layers in groups of 16."""
    return kvplan.fit(
        "qwen3.6-27b",
        engine=f"vllm@{release}",
        kv_memory="46.71GiB",
        context=262_144,
        kv_dtype="fp8",
        **options,
    )


def test_vllm_refuses_more_sequences_than_it_has_blocks_for_their_states() -> None:
    """Issue 49064 of vLLM has one: max_num_seqs (1024) exceeds available Mamba cache blocks (969)."""
    assert _with_states("0.24", max_num_seqs=976).num_blocks == 976
    with pytest.raises(kvplan.KvplanError) as error:
        _with_states("0.24", max_num_seqs=977)
    assert str(error.value) == (
        "max_num_seqs=977 is more than the 976 blocks, and vLLM 0.24 starts only with a block for the states "
        "of each sequence: lower --max-num-seqs to 976 or less"
    )


def test_without_graphs_more_sequences_than_blocks_may_be_told() -> None:
    """The check is for graphs of whole batches alone (config/compilation.py of 0.24)."""
    eager = {"enforce_eager": "true"}
    answer = _with_states("0.24", max_num_seqs=977, settings=eager)
    assert answer.num_blocks == 976
    assert "--max-num-seqs" not in (_with_states("0.24", settings=eager).command or "")


def test_the_command_says_fewer_sequences_where_vllm_refuses_its_default() -> None:
    commands = {
        (release, sequences): _with_states(release, max_num_seqs=sequences).command
        for release, sequences in (("0.24", None), ("0.24", 8), ("0.19", None), ("0.19", 1024))
    }
    said = {asked: (command or "").partition("--max-num-seqs ")[2][:4] for asked, command in commands.items()}
    assert said == {("0.24", None): "976 ", ("0.24", 8): "8 --", ("0.19", None): "", ("0.19", 1024): "1024"}


def test_a_model_without_states_has_as_many_sequences_as_asked() -> None:
    answer = kvplan.fit("llama-3.1-8b", engine="vllm", kv_memory="2GiB", context=8192, max_num_seqs=100_000)
    assert answer.num_blocks == 1024


def test_the_scaled_rows_of_sparse_mla_are_refused_without_an_indexer() -> None:
    asked: dict[str, Any] = {
        "engine": "vllm",
        "kv_memory": "40GiB",
        "context": 8192,
        "kv_dtype": "fp8_ds_mla",
    }
    assert kvplan.fit("deepseek-v3.2", **asked).kv_dtype == "fp8_ds_mla"
    with pytest.raises(kvplan.KvplanError, match="stores a latent in fp8_ds_mla"):
        kvplan.fit("deepseek-v3", **asked)
