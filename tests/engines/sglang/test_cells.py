"""What a token and a slot of states take on a rank, for the models on which engines differ most."""

import pytest

from kvplan.engines.sglang.cells import Rank
from kvplan.engines.sglang.errors import RefusedError
from kvplan.errors import KvplanError, OptionsError
from kvplan.planner.choice import Choice
from kvplan.planner.deployment import deploy
from kvplan.specs.model import ModelSpec
from tests.engines.sglang.planning import pools_of


def rank(model: str, **choice: object) -> Rank:
    (only,) = pools_of(model, **choice).sizing.cells.ranks
    return only


@pytest.mark.parametrize(
    ("model", "tp", "choice", "token_bytes"),
    [
        ("llama-3.1-8b", 1, {}, 32 * 8 * (128 + 128) * 2),
        ("llama-3.1-8b", 8, {}, 16_384),
        # 8 KV heads on 16 ranks: one each.
        ("llama-3.1-8b", 16, {}, 16_384),
        ("llama-3.1-8b", 1, {"kv_dtype": "fp8_e5m2"}, 65_536),
        # 33 bytes for 32 elements.
        ("llama-3.1-8b", 1, {"kv_dtype": "mxfp8"}, 67_584),
        # Gemma 3 has no pool for windows: 62 layers x 16 heads x 256 x 2 B.
        ("gemma-3-27b", 1, {}, 507_904),
        ("gemma-3-27b", 8, {}, 63_488),
        # A latent is on every rank: 61 x 576 x 2 B; x 1 B in fp8; 9 bytes for 16 elements in nvfp4.
        ("deepseek-v3", 1, {}, 70_272),
        ("deepseek-v3", 8, {}, 70_272),
        ("deepseek-v3", 8, {"kv_dtype": "fp8_e4m3"}, 35_136),
        ("deepseek-v3", 8, {"kv_dtype": "nvfp4"}, 61 * 324),
        # 512 fp8, 4 scales and 64 bf16; the indexer keeps 128 fp8 and a scale whatever the KV dtype.
        ("deepseek-v3.2", 8, {"kv_dtype": "fp8_e4m3"}, 61 * (656 + 132)),
        ("deepseek-v3.2", 8, {"kv_dtype": "fp8"}, 61 * (576 + 132)),
        ("deepseek-v3.2", 8, {"kv_dtype": "bf16"}, 61 * (1152 + 132)),
        # 57 of the 78 layers reuse another's indexer, and have the same rows.
        ("glm-5.2", 1, {"kv_dtype": "fp8_e4m3"}, 78 * 656 + 21 * 132),
        ("glm-5.2", 8, {"kv_dtype": "bf16"}, 78 * 1152 + 21 * 132),
        # Two attentions in each of 28 layers.
        ("longcat-flash", 1, {}, 56 * 1152),
        ("qwen3-next-80b-a3b", 1, {}, 12 * 2 * 512 * 2),
        ("qwen3-next-80b-a3b", 8, {}, 12 * 512 * 2),
        # A buffer for each of 80 layers, 31 of which have no attention.
        ("llama-3.3-nemotron-super-49b-v1", 1, {}, 80 * 8 * 256 * 2),
        ("mamba-codestral-7b", 1, {}, 0),
    ],
)
def test_a_token_takes_these_bytes(model: str, tp: int, choice: dict[str, object], token_bytes: int) -> None:
    assert rank(model, tp=tp, **choice).full_bytes == token_bytes


@pytest.mark.parametrize(
    ("model", "tp", "choice", "slot_bytes"),
    [
        # 36 x (3 x 8192 x 2 B of convolution + 32 x 128 x 128 x 4 B of state).
        ("qwen3-next-80b-a3b", 1, {}, 77_266_944),
        ("qwen3-next-80b-a3b", 8, {}, 9_658_368),
        ("qwen3-next-80b-a3b", 1, {"settings": {"mamba_ssm_dtype": "bfloat16"}}, 36 * (49_152 + 1_048_576)),
        # 64 x (3 x (8192 + 2 x 8 x 128) x 2 B + 128 x 64 x 128 x 4 B).
        ("mamba-codestral-7b", 1, {}, 272_367_616),
        ("mamba-codestral-7b", 8, {}, 34_045_952),
        # 45 x (3 x 6144 x 2 B + 32 x 128 x 128 x 4 B) on 2 ranks; float32 is the config's own.
        ("qwen3.5-397b-a17b", 2, {}, 45 * (36_864 + 2_097_152)),
        # 10 x 2 x 2048 x 2 B: a short convolution keeps nothing else.
        ("lfm2-1.2b", 1, {}, 10 * 2 * 2048 * 2),
        # A convolution is in bfloat16 though the checkpoint is in float32: 24 x (3 x 2 + 16 x 4) x 1536 B.
        ("mamba-130m", 1, {}, 24 * 70 * 1536),
        ("llama-3.1-8b", 1, {}, 0),
    ],
)
def test_a_slot_of_states_takes_these_bytes(
    model: str, tp: int, choice: dict[str, object], slot_bytes: int
) -> None:
    assert rank(model, tp=tp, **choice).slot_bytes == slot_bytes


@pytest.mark.parametrize(
    ("model", "tp", "full_bytes", "window_bytes", "window"),
    [
        # 18 layers each, 8 heads x 128 x 2 B.
        ("gpt-oss-120b", 1, 36_864, 36_864, 128),
        # 9 layers with 4 KV heads, 39 with 8; 192 + 128 elements.
        ("mimo-v2-flash", 4, 9 * 640, 39 * 1280, 128),
        ("mimo-v2.5", 4, 9 * 640, 39 * 1280, 128),
        # Chunked layers count as windowed ones: 12 and 36 layers of 8 heads x 256 x 2 B.
        ("llama-4-scout-17b-16e", 1, 49_152, 147_456, 8192),
    ],
)
def test_windows_with_a_pool_of_their_own(
    model: str, tp: int, full_bytes: int, window_bytes: int, window: int
) -> None:
    pools = pools_of(model, tp=tp)
    (only,) = pools.sizing.cells.ranks
    assert (only.full_bytes, only.window_bytes) == (full_bytes, window_bytes)
    assert pools.sizing.cells.window == window


def test_layers_that_read_anothers_rows_have_buffers_in_its_pool() -> None:
    """
    Gemma 4 E4B: 7 full layers of 2 x 512 K and V, 35 windows of 2 x 256, of which 4 and 20 keep rows.

    get_hybrid_layer_ids in configs/model_config.py goes by layer_types alone.
    """
    only = rank("gemma-4-e4b")
    assert (only.full_bytes, only.window_bytes) == (7 * 4096, 35 * 2048)
    assert (only.empty_bytes, only.empty_window_bytes) == (3 * 4096, 15 * 2048)


def test_without_windows_of_their_own_they_are_all_in_one_pool() -> None:
    """Gemma 3n E4B has one pool: 35 layers of 2 x 2 x 256 in bf16, 15 of which keep nothing."""
    only = rank("gemma-3n-e4b")
    assert (only.full_bytes, only.empty_bytes) == (35 * 2048, 15 * 2048)
    assert (only.window_bytes, only.empty_window_bytes) == (0, 0)


def test_without_the_hybrid_pool_windows_are_tokens() -> None:
    only = rank("gpt-oss-120b", settings={"disable_hybrid_swa_memory": "true"})
    assert (only.full_bytes, only.window_bytes) == (73_728, 0)


def test_every_stage_is_charged_the_states_of_the_fullest() -> None:
    """48 layers, 1 of 4 with attention: 16 on each of 3 ranks; 13 of 20 on the last of (14, 14, 20)."""
    even = pools_of("qwen3-next-80b-a3b", pp=3).sizing.cells
    assert [each.slot_bytes for each in even.ranks] == [12 * 2_146_304] * 3
    uneven = pools_of("qwen3-next-80b-a3b", pp=3, pp_layers=(14, 14, 20)).sizing.cells
    assert [each.slot_bytes // 2_146_304 for each in uneven.ranks] == [11, 10, 15]
    assert uneven.slot_bytes == 15 * 2_146_304


@pytest.mark.parametrize(
    ("model", "choice", "message"),
    [
        (
            "jamba-v0.1",
            {},
            "knows no class of SGLang .* that serves the recurrent states of the architecture jamba",
        ),
        ("recurrentgemma-2b", {}, "give disable_hybrid_swa_memory=true or =false"),
        ("deepseek-v4-flash", {}, "compressed attention is not known"),
        ("deepseek-v4.1-flash", {}, "compressed attention is not known"),
        ("llama-3.2-11b-vision", {}, "cross-attention"),
        ("rwkv-7-world-0.1b", {}, "has no pool for token shifts"),
        ("minimax-m3", {}, "a selector's keys beside K and V"),
        (
            "glm-5.3-flash",
            {"tp": 8, "kv_dtype": "bf16"},
            "^how SGLang .* keeps the cache of glm5_next_text is not known",
        ),
        # Its windows have other heads than its full layers.
        (
            "mimo-v2-flash",
            {"settings": {"disable_hybrid_swa_memory": "on"}},
            "stores all layers of a pool alike",
        ),
        ("llama-3.1-8b", {"kv_dtype": "nvfp4"}, "K and V in nvfp4 is not known"),
        ("llama-3.1-8b", {"dcp": 2, "tp": 16}, "has no --dcp"),
        ("mamba-codestral-7b", {"tp": 16}, "does not replicate 8 groups"),
        (
            "mistral-7b-v0.1",
            {"settings": {"mamba_radix_cache_strategy": "auto"}, "tp": 16, "dcp": 16},
            "has no --dcp",
        ),
        ("gpt-oss-20b", {"pp": 24}, "no pipeline stage without a windowed layer"),
    ],
)
def test_what_is_refused(model: str, choice: dict[str, object], message: str) -> None:
    with pytest.raises(KvplanError, match=message):
        pools_of(model, **choice)


@pytest.mark.parametrize(
    ("model", "choice", "page"),
    [
        ("llama-3.1-8b", {}, 1),
        ("llama-3.1-8b", {"block_size": 64}, 64),
        ("deepseek-v3", {}, 1),
        ("deepseek-v3.2", {"kv_dtype": "bf16"}, 64),
    ],
)
def test_the_page(model: str, choice: dict[str, object], page: int) -> None:
    assert pools_of(model, **choice).sizing.page == page


def test_pages_that_sglang_does_not_take() -> None:
    with pytest.raises(OptionsError, match="pages of 64 tokens for sparse MLA"):
        pools_of("deepseek-v3.2", kv_dtype="bf16", block_size=16)
    with pytest.raises(OptionsError, match="keeps states at pages of 1 token"):
        pools_of("lfm2-1.2b", block_size=16)


BUFFERED_IN_TURN = {"mamba_radix_cache_strategy": "extra_buffer", "disable_overlap_schedule": "true"}


@pytest.mark.parametrize(("pp", "told"), [(2, {}), (1, {"disable_overlap_schedule": "true"})])
def test_a_lazy_buffer_goes_with_overlapping_batches(pp: int, told: dict[str, str]) -> None:
    lazy = {"mamba_radix_cache_strategy": "extra_buffer_lazy", **told}
    with pytest.raises(OptionsError, match="extra_buffer_lazy goes with overlapping batches alone"):
        pools_of("qwen3-next-80b-a3b", settings=lazy, pp=pp)


@pytest.mark.parametrize(
    ("model", "choice", "slots"),
    [
        ("qwen3-next-80b-a3b", {}, 5),
        ("qwen3-next-80b-a3b", {"prefix_caching": False}, 1),
        ("qwen3-next-80b-a3b", {"settings": {"mamba_radix_cache_strategy": "no_buffer"}}, 3),
        ("qwen3-next-80b-a3b", {"settings": {"mamba_radix_cache_strategy": "extra_buffer_lazy"}}, 4),
        ("qwen3-next-80b-a3b", {"settings": {"mamba_radix_cache_strategy": "auto"}}, 5),
        # As SGLang 0.5.23 itself resolves it: without a batch in flight no buffer, or one slot of it.
        ("qwen3-next-80b-a3b", {"settings": {"disable_overlap_schedule": "true"}}, 3),
        ("qwen3-next-80b-a3b", {"settings": {"disable_overlap_schedule": "true"}, "block_size": 64}, 4),
        ("qwen3-next-80b-a3b", {"settings": BUFFERED_IN_TURN}, 4),
        ("qwen3-next-80b-a3b", {"pp": 2}, 4),
        ("lfm2-1.2b", {}, 3),
        ("lfm2-1.2b", {"pp": 2}, 3),
        ("jamba-v0.1", {"settings": {"mamba_radix_cache_strategy": "no_buffer"}}, 3),
        ("llama-3.1-8b", {}, 0),
    ],
)
def test_slots_of_a_running_request(model: str, choice: dict[str, object], slots: int) -> None:
    assert pools_of(model, **choice).sizing.slots_per_request == slots


HEADS = {"heads": 8, "groups": 8, "head_dim": 64}
LATENT = {"kind": "mla", "heads": 8, "d_c": 64, "d_rope": 64, "d_nope": 64, "v_head_dim": 64}


@pytest.mark.parametrize(
    ("layer", "message"),
    [
        # gpt-oss has a pool of windows, here with no other.
        ([{"kind": "sliding", "window": 128, **HEADS}], "a pool of windows alone"),
        ([{"kind": "gqa", **HEADS}, LATENT], "unlike attentions in one layer"),
        ([{"kind": "gqa", **HEADS}, {"kind": "sliding", "window": 128, **HEADS}], "unlike attentions"),
    ],
)
def test_layers_that_no_known_model_has(layer: list[dict[str, object]], message: str) -> None:
    spec = ModelSpec.model_validate(
        {
            "name": "odd",
            "source": "none",
            "architecture": "gpt_oss",
            "dtype": "bfloat16",
            "max_context": 8192,
            "attention": {"odd": tuple(layer)},
            "layers": ({"repeat": 4, "pattern": ("odd",)},),
        }
    )
    with pytest.raises(RefusedError, match=message):
        deploy(spec, Choice(engine="sglang"))
