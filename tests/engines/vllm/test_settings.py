"""vLLM's own options as settings, each against what vLLM 0.33's planner gave or a count by hand."""

from collections.abc import Mapping
from typing import Any

import pytest

import kvplan
from kvplan.dtypes import BF16
from kvplan.engines.vllm import NEWEST, RefusedError
from kvplan.engines.vllm.skipping import read_skipped
from kvplan.errors import KvplanError, OptionsError
from kvplan.planner import words
from tests.engines.vllm.planning import layout_of

BF16_STATES = {"mamba_ssm_cache_dtype": "bfloat16"}


def planned(  # noqa: PLR0913 - the options of kvplan.fit
    model: str,
    settings: Mapping[str, str],
    *,
    context: int = 163_840,
    kv_dtype: str | None = None,
    version: str = NEWEST.release,
    tp: int = 1,
    dcp: int = 1,
    prefix_caching: bool | None = None,
) -> tuple[int | None, int | None, int | None]:
    """Return the block size, blocks and tokens of a model in 80 GiB."""
    answer = kvplan.fit(
        model,
        engine=f"vllm@{version}",
        context=context,
        kv_dtype=kv_dtype,
        tp=tp,
        dcp=dcp,
        prefix_caching=prefix_caching,
        kv_memory="80GiB",
        settings=settings,
    )
    return answer.block_size, answer.num_blocks, answer.kv_tokens


def refusal(model: str, settings: Mapping[str, str], **options: str | int) -> str:
    with pytest.raises(RefusedError) as error:
        planned(model, settings, **options)  # type: ignore[arg-type]
    return str(error.value)


@pytest.mark.parametrize(
    ("backend", "version", "expected"),
    [
        # A token of DeepSeek-V3 takes 61 x 1152 B: 80 GiB hold 76,398 blocks of 16.
        (None, "0.33", (16, 76_398, 1_222_368)),
        ("TRITON_MLA", "0.33", (16, 76_398, 1_222_368)),
        # The numbers of vLLM 0.33's planner for blocks of 32.
        ("FLASHINFER_MLA", "0.33", (32, 38_199, 1_222_368)),
        ("FLASHINFER_MLA", "0.18", (32, 38_199, 1_222_368)),
        # platforms/cuda.py of 0.17.1 sets 64 unless 32 is asked for.
        ("FLASHINFER_MLA", "0.17", (64, 19_099, 1_222_336)),
        ("FLASHMLA", "0.33", (64, 19_099, 1_222_336)),
        ("CUTLASS_MLA", "0.33", (128, 9_549, 1_222_272)),
        ("CUTLASS_MLA", "0.11", (128, 9_549, 1_222_272)),
    ],
)
def test_the_block_of_an_attention_backend(
    backend: str | None, version: str, expected: tuple[int, int, int]
) -> None:
    settings = {"attention_backend": backend} if backend else {}
    assert planned("deepseek-v3", settings, version=version) == expected


def test_flashinfers_mla_takes_blocks_of_32_that_flashmla_refuses() -> None:
    options = {"engine": "vllm", "context": "4k", "kv_memory": "1GiB", "block_size": 32}
    answer = kvplan.fit("deepseek-v3", settings={"attention_backend": "FLASHINFER_MLA"}, **options)  # type: ignore[arg-type]
    assert answer.block_size == 32
    with pytest.raises(
        RefusedError, match="a block of 32 tokens is no multiple of the attention kernel's 64"
    ):
        kvplan.fit("deepseek-v3", settings={"attention_backend": "FLASHMLA"}, **options)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("model", "backend", "reads"),
    [
        ("deepseek-v3", "FLASHINFER", "keys and values"),
        ("deepseek-v3", "FLASHMLA_SPARSE", "a latent and an indexer"),
        ("deepseek-v3.2", "FLASHMLA", "a latent"),
        ("llama-3.1-8b", "TRITON_MLA", "a latent"),
        ("deepseek-v4-flash", "FLASHMLA_SPARSE", "a latent and an indexer"),
        ("mamba-codestral-7b", "FLASH_ATTN", "keys and values"),
    ],
)
def test_a_backend_that_does_not_read_the_model_is_refused(model: str, backend: str, reads: str) -> None:
    assert refusal(model, {"attention_backend": backend}, context=4096) == (
        f"the attention backend {backend} reads {reads}: choose another for this model, or none"
    )


def test_an_unknown_backend_is_refused() -> None:
    with pytest.raises(OptionsError, match="attention_backend='TRITON' is not one of FLASH_ATTN, "):
        planned("llama-3.1-8b", {"attention_backend": "TRITON"})


@pytest.mark.parametrize(
    ("version", "backend", "expected"),
    [
        # From runs of vLLM 0.33's planner: blocks of whole 64 tokens, and three states for a request.
        ("0.33", "flashinfer", (576, 6_068, 3_420_838)),
        ("0.33", "triton", (544, 6_425, 3_451_383)),
        ("0.33", None, (544, 6_425, 3_451_383)),
        # Before 0.33 FlashInfer's kernel exported none.
        ("0.32", "flashinfer", (544, 6_425, 3_451_383)),
    ],
)
def test_flashinfers_gated_delta_net_exports_states(
    version: str, backend: str | None, expected: tuple[int, int, int]
) -> None:
    settings = BF16_STATES | ({"gdn_prefill_backend": backend} if backend else {})
    assert planned("qwen3-next-80b-a3b", settings, context=262_144, version=version) == expected


def test_without_prefix_caching_no_state_is_exported() -> None:
    settings = BF16_STATES | {"gdn_prefill_backend": "flashinfer"}
    found = planned("qwen3-next-80b-a3b", settings, context=262_144, prefix_caching=False)
    assert found == (544, 6_425, 3_472_732)


@pytest.mark.parametrize("model", ["olmo-hybrid-7b", "jamba-v0.1", "kimi-k3", "llama-3.1-8b"])
def test_only_qwens_gated_delta_net_has_flashinfers_kernel(model: str) -> None:
    """OLMo always runs Triton's (olmo_gdn_linear_attn.py), and others do not read the option."""
    settings = {"gdn_prefill_backend": "flashinfer"}
    assert planned(model, settings, context=32_768) == planned(model, {}, context=32_768)


def test_flashkda_exports_a_state_and_leaves_blocks_alone() -> None:
    """
    Kimi K3's three groups of states take a page more: 24 blocks and not 21 while a prompt is computed.

    Two batches in flight and the one before them keep a state each, beside 12 blocks of tokens.
    """
    plain = kvplan.size("kimi-k3", engine="vllm@0.33", context=65_536)
    flash = kvplan.size(
        "kimi-k3", engine="vllm@0.33", context=65_536, settings={"kda_prefill_backend": "flashkda"}
    )
    # A null block comes on top.
    assert flash.total_bytes * 22 == plain.total_bytes * 25
    words = f"what FlashKDA exports in vLLM 0.32 is not known: kvplan knows it in {NEWEST.name}"
    assert refusal("kimi-k3", {"kda_prefill_backend": "flashkda"}, version="0.32", context=65_536) == words


@pytest.mark.parametrize(
    ("model", "kv_dtype", "dcp", "expected"),
    [
        # Alone it stores every token on each rank: as without it.
        ("deepseek-v3", None, 1, (16, 76_398, 1_222_368)),
        # From a run of vLLM 0.33's planner: dcp over its 8 ranks holds 8 times the tokens.
        ("deepseek-v3.2", "fp8_ds_mla", 8, (64, 27_922, 14_296_064)),
    ],
)
def test_prefill_context_parallelism(
    model: str, kv_dtype: str | None, dcp: int, expected: tuple[int, int, int]
) -> None:
    settings = {"prefill_context_parallel_size": "8"}
    assert planned(model, settings, kv_dtype=kv_dtype, dcp=dcp) == expected


@pytest.mark.parametrize(
    ("model", "options", "words"),
    [
        ("llama-3.1-8b", {}, f"{NEWEST.name} has prefill context parallelism for MLA only"),
        (
            "deepseek-v3",
            {"dcp": 8},
            f"{NEWEST.name} has decode beside prefill context parallelism for sparse MLA only: use dcp=1",
        ),
        (
            "deepseek-v3.2",
            {"dcp": 4, "tp": 2},
            "beside prefill_context_parallel_size=8 and tp=2, dcp is 1 or 8 or 16, not 4",
        ),
        (
            "deepseek-v3",
            {"version": "0.32"},
            "prefill context parallelism of vLLM 0.32 is not known to kvplan",
        ),
    ],
)
def test_prefill_context_parallelism_that_vllm_refuses(
    model: str, options: dict[str, str | int], words: str
) -> None:
    assert refusal(model, {"prefill_context_parallel_size": "8"}, **{"context": 8192} | options) == words


def test_skipped_windows_keep_the_models_dtype() -> None:
    """
    Gemma-3-27B in fp8: 10 layers of full attention in pages of 32 tokens and 4096 B each.

    A window of bf16 fits 16 tokens in that page: ceil((1023 + 16384) / 16) + 1 = 1089 blocks for each
    of six groups, beside 131072 / 32 = 4096 for full attention, of 10 pages of 131,072 B.
    """
    settings = {"kv_cache_dtype_skip_layers": "sliding_window"}
    block, blocks, tokens = planned("gemma-3-27b", settings, context=131_072, kv_dtype="fp8")
    per_request = 4096 + 6 * 1089
    assert (block, blocks, tokens) == (32, 65_536, int(65_536 / per_request * 131_072))


def test_releases_before_0_26_skip_layers_without_a_larger_block() -> None:
    """Llama-3.1-8B in fp8 with two layers in bf16: 30 x 2048 + 2 x 4096 B a token, in blocks of 16."""
    settings = {"kv_cache_dtype_skip_layers": "0,31"}
    per_token = 30 * 2048 + 2 * 4096
    for version, block in (("0.19", 16), ("0.24", 16), ("0.26", 32), ("0.33", 32)):
        found = planned("llama-3.1-8b", settings, context=8192, kv_dtype="fp8", version=version)
        assert found[:2] == (block, 80 * 2**30 // (block * per_token)), version


@pytest.mark.parametrize(
    ("settings", "options", "words"),
    [
        (
            {"kv_cache_dtype_skip_layers": "0"},
            {"version": "0.17"},
            "vLLM 0.17 has no kv_cache_dtype_skip_layers, which came with 0.19",
        ),
        (
            {"kv_cache_dtype_skip_layers": "3,windows"},
            {},
            "kv_cache_dtype_skip_layers='windows' is neither the number of a layer nor sliding_window",
        ),
        (
            {"kv_cache_dtype_skip_layers": "3,32"},
            {},
            "kv_cache_dtype_skip_layers names layer 32, but the last one is 31",
        ),
        (
            {"kv_cache_dtype_skip_layers": "3"},
            {"kv_dtype": "fp32"},
            (
                f"{NEWEST.name} has no KV dtype fp32 beside a model that runs in bfloat16: choose another, "
                "or --dtype"
            ),
        ),
        (
            {"kv_cache_dtype_skip_layers": "3", "draft_layers": "1"},
            {},
            "kvplan does not know which draft layers kv_cache_dtype_skip_layers names",
        ),
        ({"draft_window": "512"}, {}, "draft_window is given without draft_layers, their number"),
    ],
)
def test_skipped_and_draft_layers_that_are_refused(
    settings: dict[str, str], options: dict[str, str | int], words: str
) -> None:
    assert refusal("llama-3.1-8b", settings, **{"context": 8192} | options) == words


def test_layers_that_are_skipped_are_wider_than_the_cache() -> None:
    skipped = read_skipped("3", BF16)
    with pytest.raises(RefusedError, match="skips no layers of a cache that is wider than the model's dtype"):
        layout_of("llama-3.1-8b", kv_dtype="fp32", skipped=skipped)


def test_skipped_layers_of_latents_are_not_guessed() -> None:
    words = "kv_cache_dtype_skip_layers is known to kvplan for keys and values only"
    assert refusal("deepseek-v3", {"kv_cache_dtype_skip_layers": "0"}, kv_dtype="fp8") == words


def on_card(
    model: str, gpu: str, *, backend: str | None = None, **options: str | int
) -> tuple[int | None, ...]:
    """Return the block size and blocks of a model in 60,000,012,345 B of a card."""
    answer = kvplan.fit(
        model,
        gpu=gpu,
        kv_memory=60_000_012_345,
        context=20_000,
        settings={"attention_backend": backend} if backend else {},
        **{"engine": "vllm"} | options,  # type: ignore[arg-type]
    )
    return answer.block_size, answer.num_blocks


@pytest.mark.parametrize(
    ("gpu", "options", "expected"),
    [
        # 61 rows of 576 + 132 B in blocks of 64, and of 656 + 132 B, by hand; 656 B is FlashMLA's.
        ("b200", {"kv_dtype": "fp8"}, (64, 60_000_012_345 // (64 * 61 * (576 + 132)))),
        (
            "b200",
            {"kv_dtype": "fp8", "backend": "FLASHMLA_SPARSE"},
            (64, 60_000_012_345 // (64 * 61 * (656 + 132))),
        ),
        ("h100", {"kv_dtype": "fp8"}, (64, 60_000_012_345 // (64 * 61 * (656 + 132)))),
        # What vLLM's own steps gave on an H100.
        ("h100", {}, (64, 11_969)),
        ("h100", {"backend": "FLASH_ATTN_MLA_SPARSE"}, (64, 11_969)),
    ],
)
def test_the_rows_of_sparse_mla(gpu: str, options: dict[str, str | int], expected: tuple[int, int]) -> None:
    assert on_card("deepseek-v3.2", gpu, **options) == expected  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("gpu", "version", "block"),
    [
        # The first of MLA's backends in platforms/cuda.py of each release that the card runs.
        ("b200", "0.33", 32),
        ("b200", "0.17", 64),
        ("b200", "0.14", 128),
        ("a100", "0.33", 16),
        ("a100", "0.14", 16),
        ("h100", "0.33", 16),
        ("h100", "0.14", 64),
    ],
)
def test_the_block_of_mla_on_a_card(gpu: str, version: str, block: int) -> None:
    assert on_card("deepseek-v3", gpu, engine=f"vllm@{version}")[0] == block


@pytest.mark.parametrize(
    ("gpu", "options", "expected"),
    [
        # What vLLM's own steps gave on an H100: fp8 has blocks of 64 with FlashAttention 4, not with Triton.
        ("h100", {}, (16, 91_552)),
        ("h100", {"kv_dtype": "fp8"}, (64, 45_776)),
        ("h100", {"kv_dtype": "fp8", "backend": "TRITON_FLASH_ATTN"}, (64, 45_776)),
        ("h100", {"kv_dtype": "fp8", "backend": "TRITON_ATTN"}, (16, 183_105)),
        ("h100", {"kv_dtype": "fp8", "engine": "vllm@0.30"}, (16, 183_105)),
        # And on a card of compute capability 10.0, where images see ahead.
        ("b200", {"backend": "TRITON_FLASHINFER"}, (64, 22_888)),
        ("b200", {"kv_dtype": "fp8", "backend": "TRITON_FLASHINFER"}, (64, 45_776)),
        ("b200", {"kv_dtype": "fp8"}, (16, 183_105)),
    ],
)
def test_the_block_of_gemma_4(gpu: str, options: dict[str, str | int], expected: tuple[int, int]) -> None:
    assert on_card("gemma-4-26b-a4b", gpu, **options) == expected  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("model", "gpu", "version", "told"),
    [
        ("gemma-4-26b-a4b", "b200", "0.33", True),
        ("gemma-4-26b-a4b", "b200", "0.28", False),
        ("gemma-4-26b-a4b", "h100", "0.33", False),
        # Heads of 128, which the kernel does not take, and a model without such images.
        ("gemma-3-27b", "b200", "0.33", False),
        ("gemma-2-9b", "b200", "0.33", False),
    ],
)
def test_blocks_of_models_whose_images_may_see_ahead_are_assumed(
    model: str, gpu: str, version: str, *, told: bool
) -> None:
    answer = kvplan.fit(model, engine=f"vllm@{version}", context=4096, gpu=gpu)
    assert any("see ahead" in words.warning(note) for note in answer.warnings) == told


@pytest.mark.parametrize(
    ("model", "gpu", "options", "words"),
    [
        ("deepseek-v3.2", "a100", {}, "stores a latent and an indexer in bf16 on compute capability 8.x"),
        ("deepseek-v3", "h100", {"dtype": "float32"}, "stores a latent in fp32 on compute capability 9.x"),
        ("llama-3.1-8b", "h100", {"kv_dtype": "q8_0"}, "stores keys and values in q8_0 on compute"),
        (
            "llama-3.1-8b",
            "h100",
            {"kv_dtype": "int8_per_token_head", "engine": "vllm@0.19"},
            "no attention backend of vLLM 0.19 stores keys and values in int8_per_token_head",
        ),
        ("deepseek-v3.2", "h100", {"backend": "FLASHINFER_MLA_SPARSE"}, "capability 10.x, not on 9.x"),
        ("deepseek-v3", "h100", {"backend": "FLASH_ATTN_MLA", "kv_dtype": "fp8"}, "does not store fp8"),
        (
            "llama-3.1-8b",
            "h100",
            {"backend": "FLASHINFER", "kv_dtype": "fp8_per_token_head"},
            "does not store",
        ),
        (
            "deepseek-v3.2",
            "b200",
            {"backend": "FLASHINFER_MLA_SPARSE", "engine": "vllm@0.14"},
            "vLLM 0.14 has no attention backend FLASHINFER_MLA_SPARSE, which came with 0.17",
        ),
        (
            "deepseek-v3.2",
            "h100",
            {"tp": 8, "dcp": 2},
            "does not share out sparse MLA in bf16 over dcp ranks",
        ),
        (
            "deepseek-v3.2",
            "h100",
            {"tp": 8, "dcp": 2, "kv_dtype": "fp8", "engine": "vllm@0.28"},
            "does not share out sparse MLA in fp8_ds_mla over dcp ranks",
        ),
    ],
)
def test_what_no_attention_backend_serves(
    model: str, gpu: str, options: dict[str, str | int], words: str
) -> None:
    with pytest.raises(RefusedError, match=words):
        on_card(model, gpu, **options)  # type: ignore[arg-type]


def test_sparse_mla_in_packed_rows_is_shared_out_over_dcp_ranks() -> None:
    one = on_card("deepseek-v3.2", "h100", tp=8, kv_dtype="fp8")
    assert on_card("deepseek-v3.2", "h100", tp=8, dcp=2, kv_dtype="fp8") == one


def test_a_context_beyond_the_models_own_must_be_allowed() -> None:
    """config/model.py, _get_and_verify_max_len: qwen3-8b was made for 40,960 tokens."""
    options: dict[str, Any] = {"engine": "vllm", "gpu": "h200", "context": 40_961}
    assert kvplan.fit("qwen3-8b", **options | {"context": 40_960}).max_batch
    with pytest.raises(
        KvplanError, match="refuses a context of 40,961 tokens, as the model was made for 40,960"
    ):
        kvplan.fit("qwen3-8b", **options)
    assert kvplan.fit("qwen3-8b", **options, settings={"allow_long_max_model_len": "true"}).max_batch


TEXT = {"language_model_only": "true"}


def test_text_alone_loads_no_tower() -> None:
    """Qwen3.5-27B: the 460,730,096 parameters of its tower in two bytes."""
    asked: dict[str, Any] = {"gpu": "h100-80gb", "engine": "vllm@0.28", "context": 8192, "advice": False}
    whole, text = (kvplan.fit("qwen3.5-27b", settings=each, **asked).memory for each in ({}, TEXT))
    assert whole.weights_bytes - text.weights_bytes == 2 * 460_730_096


DATA = {"mm_encoder_tp_mode": "data"}


@pytest.mark.parametrize(
    ("model", "tower"),
    [
        ("qwen3.5-27b", 460_730_096),
        ("qwen3-vl-30b-a3b", 538_631_408),
        ("qwen3-vl-2b", 406_957_056),
        ("kimi-k2.6", 471_143_920),
    ],
)
def test_ranks_that_share_images_out_have_the_whole_tower(model: str, tower: int) -> None:
    """Its parameters in two bytes, of which a rank of eight had an eighth."""
    asked: dict[str, Any] = {"gpu": "h200", "tp": 8, "engine": "vllm", "context": 8192, "advice": False}
    cut, whole = (kvplan.fit(model, settings=each, **asked) for each in ({}, DATA))
    assert whole.memory.weights_bytes - cut.memory.weights_bytes == 2 * tower - 2 * tower // 8
    assert not any("mm_encoder_tp_mode" in words.warning(each) for each in whole.warnings)


@pytest.mark.parametrize("model", ["gemma-3-27b", "mistral-large-3", "kimi-vl-a3b"])
def test_a_class_that_cannot_share_images_out_cuts_its_tower(model: str) -> None:
    """supports_encoder_tp_data is not in gemma3_mm.py; of two of DeepSeek-V3's type kvplan cannot tell."""
    asked: dict[str, Any] = {"gpu": "b200", "tp": 8, "engine": "vllm", "context": 8192, "advice": False}
    cut, data = (kvplan.fit(model, settings=each, **asked) for each in ({}, DATA))
    assert data.memory == cut.memory
    assert any("mm_encoder_tp_mode" in words.warning(each) for each in data.warnings)
    text = kvplan.fit(model, settings={**DATA, **TEXT}, **asked)
    assert not any("mm_encoder_tp_mode" in words.warning(each) for each in text.warnings)


@pytest.mark.parametrize(
    ("model", "limits"),
    [
        ("qwen3.5-27b", '{"image": 0, "video": 0}'),
        ("qwen3.5-27b", '{"image": {"count": 0, "width": 512}, "video": 0, "audio": 0}'),
        ("llama-4-scout-17b-16e", '{"image": 0}'),
    ],
)
def test_limits_of_0_load_no_tower(model: str, limits: str) -> None:
    """_mark_tower_model of qwen3_5.py names images and videos, that of mllama4.py images."""
    asked: dict[str, Any] = {"gpu": "h200", "tp": 4, "engine": "vllm@0.28", "context": 8192, "advice": False}
    both = [kvplan.fit(model, settings=each, **asked) for each in (TEXT, {"limit_mm_per_prompt": limits})]
    assert both[0].memory == both[1].memory
    assert both[0].memory.weights_bytes < kvplan.fit(model, **asked).memory.weights_bytes


@pytest.mark.parametrize(
    ("engine", "limits", "warned"),
    [
        ("vllm@0.28", '{"image": 0}', True),
        ("vllm@0.28", '{"image": 0, "video": 1}', True),
        ("vllm@0.28", '{"audio": 1}', False),
    ],
)
def test_a_tower_that_encodes_videos_stays_without_images(engine: str, limits: str, *, warned: bool) -> None:
    asked: dict[str, Any] = {"gpu": "h100-80gb", "engine": engine, "context": 8192, "advice": False}
    answer = kvplan.fit("qwen3.5-27b", settings={"limit_mm_per_prompt": limits}, **asked)
    assert answer.memory == kvplan.fit("qwen3.5-27b", **asked).memory
    assert any("a tower is counted as loaded" in words.warning(each) for each in answer.warnings) is warned


def test_sizes_of_what_is_profiled_are_not_counted() -> None:
    settings = {"limit_mm_per_prompt": '{"image": {"count": 1, "width": 512, "height": 512}}'}
    answer = kvplan.fit("qwen3.5-27b", gpu="h100-80gb", engine="vllm", context=8192, settings=settings)
    assert any("images are counted at their largest" in words.warning(each) for each in answer.warnings)


@pytest.mark.parametrize(
    ("model", "processed", "warned"),
    [
        ("qwen2.5-vl-7b", '{"max_pixels": 1003520}', False),
        ("qwen2.5-vl-7b", '{"fps": 1}', True),
        ("qwen3-vl-8b", '{"max_pixels": 1003520}', True),
        ("qwen3-8b", '{"max_pixels": 1003520}', False),
    ],
)
def test_pixels_of_an_image_are_those_of_qwen25_vl_alone(model: str, processed: str, *, warned: bool) -> None:
    asked: dict[str, Any] = {"gpu": "h100-80gb", "engine": "vllm", "context": 8192, "advice": False}
    answer = kvplan.fit(model, settings={"mm_processor_kwargs": processed}, **asked)
    assert any("kvplan takes max_pixels" in words.warning(each) for each in answer.warnings) is warned
    if warned or model == "qwen3-8b":
        assert answer.memory == kvplan.fit(model, **asked).memory


@pytest.mark.parametrize("processed", ["max_pixels", '{"max_pixels": 0}', '{"size": {"longest_edge": "a"}}'])
def test_pixels_that_are_no_count_are_refused(processed: str) -> None:
    with pytest.raises(KvplanError, match="mm_processor_kwargs"):
        kvplan.fit(
            "qwen2.5-vl-7b",
            gpu="h100-80gb",
            engine="vllm",
            context=8192,
            settings={"mm_processor_kwargs": processed},
        )


@pytest.mark.parametrize(
    "limits", ["image=0", "[0]", '{"image": -1}', '{"image": "none"}', '{"image": true}']
)
def test_limits_that_are_none_are_refused(limits: str) -> None:
    with pytest.raises(KvplanError, match="limit_mm_per_prompt"):
        kvplan.fit(
            "qwen3.5-27b",
            gpu="h100-80gb",
            engine="vllm",
            context=8192,
            settings={"limit_mm_per_prompt": limits},
        )


def test_older_releases_load_a_tower_whatever_the_limits() -> None:
    """0.14.1 has no _mark_tower_model."""
    asked: dict[str, Any] = {"gpu": "h100-80gb", "engine": "vllm@0.14", "context": 8192, "advice": False}
    sizes = [
        kvplan.fit("qwen3.5-27b", settings=each, **asked).memory.weights_bytes
        for each in ({}, {"limit_mm_per_prompt": '{"image": 0, "video": 0}'})
    ]
    assert sizes[0] == sizes[1]


def test_a_spec_that_does_not_tell_its_tower_apart_says_so() -> None:
    answer = kvplan.fit("gemma-3-27b", gpu="h100-80gb", engine="vllm", context=8192, settings=TEXT)
    assert any("a tower of images" in words.warning(each) for each in answer.warnings)


def test_text_alone_is_not_known_of_older_releases() -> None:
    with pytest.raises(kvplan.KvplanError, match=r"language_model_only is not known of vLLM 0\.14"):
        kvplan.fit("qwen3.5-27b", gpu="h100-80gb", engine="vllm@0.14", context=8192, settings=TEXT)


@pytest.mark.parametrize(
    ("settings", "options", "held"),
    [
        ({}, {}, 54),
        ({"max_num_active_seqs": "8"}, {}, 8),
        ({"max_num_active_seqs": "8"}, {"max_num_seqs": 16}, 8),
        # Of two replicas each lets 8 run.
        ({"max_num_active_seqs": "8"}, {"dp": 2}, 16),
    ],
)
def test_fewer_requests_may_be_let_run_than_would_fit(
    settings: dict[str, str], options: dict[str, Any], held: int
) -> None:
    answer = kvplan.fit(
        "llama-3.1-8b", gpu="h100-80gb", engine="vllm", context="8k", settings=settings, **options
    )
    assert answer.max_batch == held


@pytest.mark.parametrize(
    ("engine", "settings", "options", "said"),
    [
        ("vllm", {"max_num_active_seqs": "8"}, {"max_num_seqs": 4}, "=8 is more than max_num_seqs=4"),
        ("vllm", {"max_num_active_seqs": "0"}, {}, "is not between 1 and"),
        ("vllm@0.30", {"max_num_active_seqs": "8"}, {}, "vLLM 0.30 has no max_num_active_seqs"),
        ("vllm@0.18", {"scheduler_reserve_full_isl": "off"}, {}, "has no scheduler_reserve_full_isl"),
    ],
)
def test_what_the_scheduler_cannot_be_told(
    engine: str, settings: dict[str, str], options: dict[str, Any], said: str
) -> None:
    with pytest.raises(KvplanError, match=said):
        kvplan.fit("llama-3.1-8b", gpu="h100-80gb", engine=engine, context="8k", settings=settings, **options)
