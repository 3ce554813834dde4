"""What differs between vLLM's releases, by cases worked out by hand."""

from typing import Any

import pytest

from kvplan.dtypes import BF16, kv_format
from kvplan.engines.vllm import (
    NEWEST,
    RELEASES,
    NoRoomError,
    RefusedError,
    VllmOptions,
    VllmRules,
    find_rules,
    longest_context,
    plan_pool,
)
from kvplan.engines.vllm.grouping import group_size
from kvplan.engines.vllm.models import is_hybrid_class
from kvplan.errors import UnknownNameError
from kvplan.specs import ModelSpec
from kvplan.terms import Layer, Target
from tests.engines.vllm.planning import layout_of, layout_of_layers, pool_of

NEXT = f"0.{NEWEST.version[1] + 1}"
"""A release that is not out yet."""

STATES_IN_BF16: dict[str, Any] = {"conv_dtype": BF16, "state_dtype": BF16}


@pytest.mark.parametrize(
    ("asked", "release"),
    [
        ("0.33", "0.33"),
        ("0.33.0", "0.33"),
        ("0.33.0rc1", "0.33"),
        ("v0.19.1", "0.19"),
        ("0.18.2", "0.18"),
        ("0.20", "0.20.1"),
        ("0.20.0", "0.20.0"),
        ("0.20.2", "0.20.1"),
        # A start-up of it prints the older line: github.com/noonghunna/club-3090/issues/46. One of
        # 0.20.2rc1.dev129 prints the newer: issue 142.
        ("0.20.1rc1.dev16+g7a1eb8ac2", "0.20.0"),
        ("0.20.1.dev3", "0.20.0"),
        ("0.20.2rc1.dev129+g1acd67a79", "0.20.1"),
        ("0.21.0", "0.20.1"),
        ("0.29.1rc1.dev17+gd2d649e67", "0.29"),
        ("0.31.0", "0.30"),
        ("0.11", "0.11"),
        (None, NEWEST.release),
    ],
)
def test_a_version_has_the_rules_of_the_nearest_older_one(asked: str | None, release: str) -> None:
    assert find_rules(asked).release == release


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        (NEXT, f"vLLM {NEXT} is not known: kvplan knows the rules of 0.11 to {NEWEST.release}"),
        ("1.0", "vLLM 1.0 is not known: kvplan knows the rules of 0.11 to " + NEWEST.release),
        ("0.10.2", "vLLM 0.10 is not known: kvplan knows the rules of 0.11 to " + NEWEST.release),
        ("new", "'new' is not a version of vLLM; write " + NEWEST.release),
        ("0", "'0' is not a version of vLLM; write " + NEWEST.release),
        ("", "'' is not a version of vLLM; write " + NEWEST.release),
    ],
)
def test_other_versions_are_refused(asked: str, words: str) -> None:
    with pytest.raises(UnknownNameError) as error:
        find_rules(asked)
    assert str(error.value) == words


def test_releases_are_in_order_and_the_utilization_rose_in_0_20() -> None:
    versions = [(*rules.version, rules.patch or 0) for rules in RELEASES]
    assert versions == sorted(set(versions))
    assert all(find_rules(rules.release) is rules for rules in RELEASES)
    assert RELEASES[-1] is NEWEST
    assert {rules.utilization for rules in RELEASES if rules.version < (0, 20)} == {"0.9"}
    assert {rules.utilization for rules in RELEASES if rules.version >= (0, 20)} == {"0.92"}


@pytest.mark.parametrize(
    ("version", "per_request", "tokens", "printed"),
    [
        # 65536 blocks in 7 groups; up to 0.20.0 the line says 65536 // 7 * 16. A window of 1024 is
        # charged ceil((1023 + 8192) / 16) + 1 = 577 blocks, full attention 8192 of them.
        ("0.11", 8192 + 6 * 577, 149_792, "5.62x"),
        ("0.19", 8192 + 6 * 577, 149_792, "5.62x"),
        ("0.20.0", 8192 + 6 * 577, 149_792, "5.62x"),
        # Since 0.20.1 it says int(65536 / 11654 * 131072).
        ("0.20", 8192 + 6 * 577, 737_080, "5.62x"),
        ("0.24", 8192 + 6 * 577, 737_080, "5.62x"),
        # Since 0.26 two batches are in flight: ceil((1023 + 16384) / 16) + 1 = 1089.
        ("0.26", 8192 + 6 * 1089, 583_317, "4.45x"),
        ("0.33", 8192 + 6 * 1089, 583_317, "4.45x"),
    ],
)
def test_the_token_line_of_gemma_3(version: str, per_request: int, tokens: int, printed: str) -> None:
    pool = pool_of("gemma-3-27b", 131_072, version=version)
    assert (pool.num_blocks, pool.blocks_per_request, pool.kv_tokens) == (65_536, per_request, tokens)
    assert f"{pool.max_concurrency:.2f}x" == printed


@pytest.mark.parametrize(("version", "tokens"), [("0.19", 655_360), ("0.20", 655_319), ("0.33", 655_319)])
def test_the_token_line_where_blocks_do_not_divide_the_context(version: str, tokens: int) -> None:
    """40960 blocks of 16, and 131000 tokens take 8188 of them: int(40960 / 8188 * 131000) = 655319."""
    assert pool_of("llama-3.1-8b", 131_000, version=version).kv_tokens == tokens


@pytest.mark.parametrize("version", ["0.19", "0.20", "0.33"])
def test_dcp_doubles_the_token_line_of_every_release(version: str) -> None:
    """4096 blocks of 64 tokens: times dcp up to 0.19, since 0.20 because a request takes half of them."""
    size = 4096 * 4_497_408
    one, two = (
        pool_of("deepseek-v3", 65_536, size, tp=2, dcp=dcp, version=version).kv_tokens for dcp in (1, 2)
    )
    assert (one, two) == (262_144, 524_288)


@pytest.mark.parametrize(
    ("version", "counts", "size"),
    [
        # 12 windows and 13 full layers: gpt-oss-20b with a draft layer.
        ("0.11", [12, 13], 12),
        ("0.12", [12, 13], 13),
        # 25 of 20 is 1.25 exactly, which is not below it; 0.18 merges below 1.5.
        ("0.17", [20, 24], 24),
        ("0.17", [20, 25], 20),
        ("0.18", [20, 25], 25),
        ("0.19", [20, 25], 25),
        ("0.19", [20, 29], 29),
        ("0.19", [20, 30], 20),
        ("0.33", [10, 52], 10),
    ],
)
def test_buckets_of_close_sizes_are_padded_to_the_larger(version: str, counts: list[int], size: int) -> None:
    assert group_size(counts, find_rules(version)) == size


def two_kinds(first: dict[str, object], second: dict[str, object]) -> list[Layer]:
    """Return one layer of each of two kinds."""
    spec = ModelSpec.model_validate(
        {
            "name": "two-kinds",
            "source": "by hand",
            "dtype": "bfloat16",
            "max_context": 8192,
            "layers": ({"repeat": 1, "pattern": ("a", "b")},),
            "attention": {"a": first, "b": second},
        }
    )
    return list(spec.lower(Target(kv=kv_format("bf16"))))


FULL = {"kind": "gqa", "heads": 8, "groups": 8, "head_dim": 128}
HALF = {"kind": "sliding", "heads": 4, "groups": 4, "head_dim": 128, "window": 128}
NARROW = {"kind": "sliding", "heads": 8, "groups": 8, "head_dim": 96, "window": 128}


def test_pages_are_unified_by_larger_blocks_since_0_12() -> None:
    """Half as many heads: 16 x 4096 B against 16 x 2048 B a page, so 32 tokens of the smaller."""
    layers = two_kinds(FULL, HALF)
    with pytest.raises(RefusedError, match=r"vLLM 0.11 refuses layers whose pages differ"):
        layout_of_layers(layers, version="0.11")
    for version in ("0.12", "0.20", "0.33"):
        layout = layout_of_layers(layers, version=version)
        assert [group.spec.block_size for group in layout.groups] == [16, 32]
        assert layout.bytes_per_block == (65_536,)


def test_pages_that_do_not_divide_are_padded_since_0_24() -> None:
    """Heads of 96: a page of 49,152 B does not divide 65,536 B."""
    layers = two_kinds(FULL, NARROW)
    for version in ("0.12", "0.20"):
        with pytest.raises(RefusedError, match=r"cannot bring pages of 49,152 B, 65,536 B to one size"):
            layout_of_layers(layers, version=version)
    layout = layout_of_layers(layers, version="0.24")
    assert [group.bytes_on(0) for group in layout.groups] == [65_536, 65_536]


@pytest.mark.parametrize(("version", "blocks"), [("0.28", 8192), ("0.30", 8193), ("0.33", 8193)])
def test_the_start_up_check_counts_the_null_block_since_0_30(version: str, blocks: int) -> None:
    """131072 tokens of Llama-3.1-8B take 8192 blocks of 2 MiB."""
    assert pool_of("llama-3.1-8b", 131_072, blocks * 2_097_152, version=version).num_blocks == blocks
    with pytest.raises(NoRoomError):
        pool_of("llama-3.1-8b", 131_072, blocks * 2_097_152 - 1, version=version)


@pytest.mark.parametrize(("version", "fitted"), [("0.28", 65_536), ("0.30", 65_520), ("0.33", 65_520)])
def test_auto_fit_of_4096_blocks(version: str, fitted: int) -> None:
    layout = layout_of("llama-3.1-8b", version=version)
    assert longest_context(layout, 4096 * 2_097_152, limit=131_072) == fitted


@pytest.mark.parametrize(
    ("version", "pages"),
    [
        ("0.12", 10 + 52 * 2),
        # The first group is one of windows, because the first layer slides.
        ("0.14", 10 * 2),
        ("0.18", 10 * 2),
        ("0.19", 10 * (1 + 6 * 2)),
    ],
)
def test_what_the_start_up_check_adds_up(version: str, pages: int) -> None:
    """
    Gemma-3-27B at 16 tokens: full layers take 1 block and windows 2, in groups of 10 layers.

    Layers up to 0.12, from 0.14 on the blocks of the first group (v1/core/kv_cache_utils.py,
    _max_memory_usage_bytes_from_groups), since 0.19 those of all groups.
    """
    layout = layout_of("gemma-3-27b", version=version)
    assert plan_pool(layout, pages * 131_072, 16).blocks_per_request == 13
    with pytest.raises(NoRoomError):
        plan_pool(layout, pages * 131_072 - 1, 16)


@pytest.mark.parametrize(
    ("version", "caching", "mode"),
    [
        ("0.11", True, "none"),
        ("0.19", None, "none"),
        ("0.26", None, "none"),
        ("0.28", None, "align"),
        ("0.33", None, "align"),
        ("0.33", False, "none"),
    ],
)
def test_states_follow_prefix_caching(version: str, caching: bool | None, mode: str) -> None:  # noqa: FBT001
    options = VllmOptions(prefix_caching=caching)
    assert options.states(find_rules(version), hybrid=True) == mode


def test_models_without_attention_have_no_prefix_caching_by_default() -> None:
    assert VllmOptions().states(NEWEST, hybrid=False) == "none"
    assert VllmOptions(prefix_caching=True).states(NEWEST, hybrid=False) == "align"


@pytest.mark.parametrize(
    ("architecture", "version", "mode"),
    [
        ("granitemoehybrid", "0.33", "align"),
        ("granitemoehybrid", "0.26", "none"),
        ("mamba2", "0.33", "none"),
        (None, "0.33", "none"),
    ],
)
def test_a_class_of_hybrids_is_one_for_states_alone(
    architecture: str | None, version: str, mode: str
) -> None:
    """is_hybrid in config/model.py goes by the class, whose layers may all be states."""
    options = VllmOptions(hybrid_class=is_hybrid_class(architecture))
    assert options.states(find_rules(version), hybrid=False) == mode


def test_older_prefix_caching_of_states_depends_on_the_model_class() -> None:
    options: dict[str, Any] = {"version": "0.19", "prefix_caching": True}
    assert layout_of("qwen3-next-80b-a3b", **options).charge.states == "align"
    with pytest.raises(RefusedError, match="turn prefix caching off, or choose the setting mamba_cache_mode"):
        layout_of("qwen3-next-80b-a3b", **options, may_keep_every_state=True)
    chosen = layout_of("qwen3-next-80b-a3b", **options, may_keep_every_state=True, state_mode="align")
    assert chosen.charge.states == "align"


@pytest.mark.parametrize(("version", "pages"), [("0.28", 2), ("0.30", 2), ("0.32", 3), ("0.33", 3)])
def test_a_mamba_2_prefill_exports_one_state_more_since_0_32(version: str, pages: int) -> None:
    layout = layout_of("bamba-9b", version=version, **STATES_IN_BF16)
    states = [group.spec for group in layout.groups if group.spec.paging == "state"]
    assert {layout.charge.blocks(spec, 4096) for spec in states} == {pages}


def test_speculative_tokens_keep_a_state_and_a_column_each() -> None:
    """Qwen3-Next: 8192 channels in bf16, 3 columns and 2 more; 2 pages and 2 more."""
    plain, speculative = (
        layout_of("qwen3-next-80b-a3b", state_mode="align", speculative_tokens=tokens, **STATES_IN_BF16)
        for tokens in (0, 2)
    )
    sizes = []
    for layout in (plain, speculative):
        (spec,) = {group.spec for group in layout.groups if group.spec.paging == "state"}
        sizes.append((spec.content_bytes, layout.charge.blocks(spec, 4096)))
    assert sizes == [(1_097_728, 2), (1_097_728 + 2 * 8192 * 2, 4)]
    with pytest.raises(
        RefusedError, match=r"how vLLM 0\.14 pages states with speculative tokens is not known"
    ):
        layout_of("qwen3-next-80b-a3b", version="0.14", speculative_tokens=2)


@pytest.mark.parametrize(
    ("version", "options", "block_size"),
    [
        # A state of 1,097,728 B, a token of 2048 B: ceil(1097728 / (16 x 2048)) = 34 blocks of 16.
        ("0.19", {}, 544),
        ("0.33", {}, 544),
        # Asked for 64: still multiples of 16 up to 0.19, since 0.20 of 64: 9 x 64.
        ("0.19", {"block_size": 64}, 544),
        ("0.20", {"block_size": 64}, 576),
        # Asked for more than needed: kept.
        ("0.33", {"block_size": 1024}, 1024),
        # FlashInfer exports states every 64 tokens: 9 x 64, in mode align and since 0.33.
        ("0.33", {"checkpoint_alignment": 64, "state_mode": "align"}, 576),
        ("0.33", {"checkpoint_alignment": 64, "state_mode": "none"}, 544),
        ("0.32", {"checkpoint_alignment": 64, "state_mode": "align"}, 544),
    ],
)
def test_the_block_is_raised_to_hold_a_state(version: str, options: dict[str, Any], block_size: int) -> None:
    choices = {"prefix_caching": False, **STATES_IN_BF16, **options}
    assert layout_of("qwen3-next-80b-a3b", version=version, **choices).block_size == block_size


@pytest.mark.parametrize(("version", "block_size"), [("0.24", 960), ("0.28", 1024), ("0.33", 1024)])
def test_hybrids_with_mla_take_multiples_of_128_since_0_28(version: str, block_size: int) -> None:
    """
    Kimi-Linear on two ranks: a state of 16 x 128 x 128 fp32 and 3 x 6144 bf16, 1,085,440 B in all.

    A latent row is 1152 B: 15 blocks of 64 tokens hold the state, or 8 of 128.
    """
    layout = layout_of("kimi-linear-48b-a3b", tp=2, version=version, prefix_caching=False)
    states = {group.spec.content_bytes for group in layout.groups if group.spec.paging == "state"}
    assert states == {1_085_440}
    assert layout.block_size == block_size


def test_every_release_can_be_planned() -> None:
    def tokens(rules: VllmRules) -> int | None:
        return pool_of("llama-3.1-8b", 8192, version=".".join(map(str, rules.version))).kv_tokens

    assert {tokens(rules) for rules in RELEASES} == {655_360}
