"""What all attention kinds share: strict facts, growing rows and convolution histories."""

from collections.abc import Callable
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from kvplan.attention import Kind, kind_class, kind_names
from kvplan.attention.base import conv_history, groups_split, growing, heads_split, state_split, whole
from kvplan.attention.grouped import Indexer
from kvplan.dtypes import kv_format
from kvplan.errors import SpecError, SplitError, UnknownNameError
from kvplan.terms import Growing, Layer, Target

FP32_STATE = {"state_dtype": "fp32"}
FP32_CONV = {"conv_dtype": "fp32", **FP32_STATE}

# Facts of each kind in small unlike numbers, and the elements that one layer keeps of n tokens.
EVERY_KIND: dict[str, tuple[dict[str, Any], Callable[[int], int]]] = {
    "mha": ({"heads": 3, "head_dim": 5, "v_head_dim": 7}, lambda n: 3 * (5 + 7) * n),
    "mqa": ({"heads": 3, "head_dim": 5, "v_head_dim": 7}, lambda n: (5 + 7) * n),
    "gqa": (
        {"heads": 6, "groups": 2, "head_dim": 5, "v_head_dim": 7, "indexer": {"heads": 3, "head_dim": 11}},
        lambda n: 2 * (5 + 7) * n + 11 * n,
    ),
    "sliding": (
        {"heads": 6, "groups": 2, "head_dim": 5, "v_head_dim": 7, "window": 17, "sinks": 2},
        lambda n: 2 * (5 + 7) * min(n, 17 + 2),
    ),
    "chunked": (
        {"heads": 6, "groups": 2, "head_dim": 5, "chunk": 17},
        lambda n: 2 * (5 + 5) * min(n, 17),
    ),
    "budget": (
        {"heads": 6, "groups": 2, "head_dim": 5, "v_head_dim": 7, "one_of": 3, "newest": 4},
        # The newest 4, and of those before them one in 3.
        lambda n: 2 * (5 + 7) * (min(n, 4) + max(0, n - 4 + 2) // 3),
    ),
    # And two matrices of 3 x 3.
    "dcmha": ({"heads": 3, "head_dim": 5, "v_head_dim": 7}, lambda n: (3 * (5 + 7) + 2 * 3 * 3) * n),
    "cross": ({"heads": 6, "groups": 2, "head_dim": 5, "encoder_tokens": 13}, lambda _: 2 * 2 * 5 * 13),
    "shared": ({"heads": 6, "head_dim": 5}, lambda _: 0),
    "none": ({"heads": 6, "head_dim": 5}, lambda _: 0),
    "mla": (
        {"heads": 3, "d_c": 11, "d_rope": 3, "d_nope": 5, "v_head_dim": 7},
        lambda n: (11 + 3) * n,
    ),
    "compressed": (
        {"heads": 3, "head_dim": 13, "d_rope": 3, "window": 17, "ratio": 4, "overlap": 2, **FP32_STATE}
        | {"indexer": {"heads": 5, "head_dim": 7}, "q_lora_rank": 9, "o_groups": 3, "o_lora_rank": 4},
        # A window, an entry and an indexer key per 4 tokens, key and gate of 2 x 4 waiting tokens.
        lambda n: 13 * min(n, 17) + (13 + 7) * (n // 4) + 2 * 2 * (13 + 7) * min(n, 8),
    ),
    "linear": (
        {"heads": 3, "qk_head_dim": 5, "feature_dim": 11, "v_head_dim": 7, "normalizer": True, **FP32_STATE},
        lambda _: 3 * 11 * 7 + 3 * 11,
    ),
    "lightning": ({"heads": 3, "head_dim": 5, **FP32_STATE}, lambda _: 3 * 5 * 5),
    "retnet": ({"heads": 3, "qk_head_dim": 5, "v_head_dim": 7, **FP32_STATE}, lambda _: 3 * 5 * 7),
    "gla": (
        {"heads": 3, "qk_head_dim": 5, "v_head_dim": 7, "gate_rank": 2, **FP32_STATE},
        lambda _: 3 * 5 * 7,
    ),
    "mlstm": (
        {"heads": 3, "qk_head_dim": 5, "v_head_dim": 7, **FP32_STATE},
        lambda _: 3 * 5 * 7 + 3 * 5 + 3,
    ),
    "rwkv4": ({"d_model": 11, "shift_dtype": "fp32", **FP32_STATE}, lambda _: 5 * 11),
    "rwkv": (
        {"version": 6, "heads": 3, "head_dim": 5, "shift_dtype": "fp32", **FP32_STATE},
        lambda _: 3 * 5 * 5 + 2 * 3 * 5,
    ),
    "gated_delta_net": (
        {"qk_heads": 2, "v_heads": 6, "qk_head_dim": 5, "v_head_dim": 7, "conv_kernel": 4, **FP32_CONV},
        lambda _: 3 * (2 * 5 + 2 * 5 + 6 * 7) + 6 * 5 * 7,
    ),
    "kda": ({"heads": 3, "head_dim": 5, "conv_kernel": 4, **FP32_CONV}, lambda _: 3 * 3 * 15 + 3 * 5 * 5),
    "mamba": (
        {"d_inner": 11, "d_state": 5, "dt_rank": 3, "conv_kernel": 4, **FP32_CONV},
        lambda _: 11 * 5 + 3 * 11,
    ),
    "mamba2": (
        {"heads": 6, "head_dim": 5, "groups": 2, "d_state": 7, "conv_kernel": 4, **FP32_CONV},
        lambda _: 6 * 5 * 7 + 3 * (6 * 5 + 2 * 2 * 7),
    ),
    "rg_lru": ({"heads": 2, "width": 22, "conv_kernel": 4, **FP32_CONV}, lambda _: 22 + 3 * 22),
    "short_conv": ({"channels": 11, "conv_kernel": 3, "conv_dtype": "fp32"}, lambda _: 2 * 11),
}
GROW_WITH_THE_CONTEXT = {"mha", "mqa", "gqa", "sliding", "chunked", "mla", "compressed", "budget", "dcmha"}


def kind_of(name: str) -> Kind:
    facts, _ = EVERY_KIND[name]
    return kind_class(name).model_validate({"kind": name, **facts})


def held(layer: Layer, tokens: int, tp: int = 1) -> int:
    return sum(term.bytes_on_rank(tokens, tp) for term in layer)


def rows(layer: Layer, tokens: int) -> list[int]:
    return [term.rows.at(tokens) for term in layer]


def test_every_kind_is_in_the_table_above() -> None:
    """A kind that is added needs its line: its elements written out by hand."""
    assert set(kind_names()) == EVERY_KIND.keys()


@pytest.mark.parametrize("name", EVERY_KIND)
@pytest.mark.parametrize("tokens", [1, 3, 4, 16, 17, 18, 19, 20, 1000])
def test_a_layer_keeps_the_elements_of_its_formula(name: str, tokens: int) -> None:
    """In float32 throughout, so 4 bytes an element, summed over the terms."""
    _, elements = EVERY_KIND[name]
    assert held(kind_of(name).lower(Target(kv=kv_format("fp32"))), tokens) == 4 * elements(tokens)


@given(st.sampled_from(sorted(EVERY_KIND)), st.integers(0, 2000), st.integers(0, 2000))
def test_bytes_never_fall_as_tokens_grow(name: str, tokens: int, more: int) -> None:
    layer = kind_of(name).lower(Target(kv=kv_format("int8_per_token_head")))
    assert held(layer, tokens) <= held(layer, tokens + more)


@pytest.mark.parametrize("name", sorted(EVERY_KIND.keys() - GROW_WITH_THE_CONTEXT - {"cross"}))
def test_the_cache_format_does_not_touch_a_state(name: str) -> None:
    """The dtype of a state is a fact of the spec; `--kv-dtype fp8` leaves it as it is."""
    kind = kind_of(name)
    assert kind.lower(Target(kv=kv_format("fp8"))) == kind.lower(Target(kv=kv_format("fp32")))


@pytest.mark.parametrize("name", sorted(GROW_WITH_THE_CONTEXT))
def test_the_cache_format_halves_what_grows(name: str) -> None:
    """From 2 bytes to 1 for each token above a window of 19, in each role."""
    kind = kind_of(name)

    def growth(kv: str) -> int:
        layer = kind.lower(Target(kv=kv_format(kv)))
        return held(layer, 2000) - held(layer, 1000)

    assert growth("bf16") == 2 * growth("fp8")


@pytest.mark.parametrize("name", EVERY_KIND)
def test_a_kind_says_its_name_formula_and_source(name: str) -> None:
    """`kvplan show` prints the formula and the paper beside the numbers."""
    kind = kind_class(name)
    assert get_args(kind.model_fields["kind"].annotation) == (name,)
    assert kind.formula
    assert kind.source


@pytest.mark.parametrize("name", EVERY_KIND)
def test_facts_are_frozen_and_strict(name: str) -> None:
    facts, _ = EVERY_KIND[name]
    kind = kind_of(name)
    with pytest.raises(ValidationError, match="frozen"):
        setattr(kind, "kind", "other")  # noqa: B010 - mypy refuses the plain assignment, rightly
    with pytest.raises(ValidationError, match="Extra inputs are not permitted"):
        kind_class(name).model_validate({"kind": name, **facts, "potato": 1})
    dimension = next(key for key, value in facts.items() if type(value) is int and key != "version")
    for wrong in (0, -1, True, 1.0, "8", 10**9 + 1):
        with pytest.raises(ValidationError, match=dimension):
            kind_class(name).model_validate({"kind": name, **facts, dimension: wrong})
    widest = {"kind": name, **facts, dimension: 10**9}
    assert kind_class(name).model_validate(widest).model_dump()[dimension] == 10**9


NOT_CACHED = {
    "mla": ("d_nope", "v_head_dim"),
    "compressed": ("q_lora_rank", "o_lora_rank"),
    "shared": ("head_dim",),
    "linear": ("qk_head_dim",),
    "gla": ("gate_rank",),
    "rwkv": ("version",),
    "mamba": ("dt_rank",),
}
"""Dimensions that no cache holds and no rank divides, by the kinds that have some."""


@pytest.mark.parametrize("name", EVERY_KIND)
def test_every_dimension_that_a_kind_asks_for_decides_a_byte_or_a_split(name: str) -> None:
    """Whatever one of them is changed to: what decides nothing need not be given."""
    kind, target = kind_of(name), Target(kv=kv_format("fp32"))
    others = {"fp32": "bf16", True: False}
    required = {key for key, field in type(kind).model_fields.items() if field.is_required()}
    for key in required - {"kind"}:
        was = getattr(kind, key)
        other = kind.model_copy(update={key: 2 * was if type(was) is int else others[was]})
        assert (other.lower(target), other.splits(), other.sharing()) != (
            kind.lower(target),
            kind.splits(),
            kind.sharing(),
        ), key


@pytest.mark.parametrize("name", NOT_CACHED)
def test_what_no_cache_holds_is_asked_for_where_it_is_read(name: str) -> None:
    """By name, and all of it at once."""
    facts, keys = EVERY_KIND[name][0], NOT_CACHED[name]
    whole, target = kind_of(name), Target(kv=kv_format("fp32"))
    short = kind_class(name).model_validate(
        {"kind": name, **{key: value for key, value in facts.items() if key not in keys}}
    )
    assert (short.lower(target), short.splits(), short.sharing()) == (
        whole.lower(target),
        whole.splits(),
        whole.sharing(),
    )
    they = " and ".join(keys)
    with pytest.raises(SpecError) as caught:
        short.projections(hidden=64)
    assert str(caught.value) == (
        f"{name} without {they}: the cache does without, its parameters cannot; add {they} to its attention"
    )


def test_an_indexer_caches_its_keys_whoever_reads_them() -> None:
    """DeepSeek-V3.2: 128 of index_head_dim per token, for any number of query heads."""
    indexer, target = Indexer(head_dim=128), Target(kv=kv_format("bf16"))
    assert indexer.lower(target) == Indexer(heads=64, head_dim=128).lower(target)
    with pytest.raises(SpecError, match=r"^indexer without heads: the cache does without, its parameters"):
        indexer.projections(7168, 1536)


def test_an_unknown_kind_is_refused_with_the_known_ones() -> None:
    with pytest.raises(UnknownNameError) as caught:
        kind_class("gqaa")
    assert str(caught.value).startswith(
        "found the kind 'gqaa', which is unknown (did you mean 'gqa'?); the kinds are mha, mqa, gqa, "
    )


def test_kv_heads_and_latents_are_copied_where_ranks_outnumber_them_and_others_are_not() -> None:
    """As in vLLM 0.33: KV heads are copied up to tp, query and state heads must divide."""
    assert groups_split(8).on_rank(16) == whole("latent").on_rank(16) == 1
    for split in (heads_split(8), state_split(8)):
        assert split.on_rank(8) == 1
        with pytest.raises(SplitError):
            split.on_rank(16)


def keys(kv: str, *, window: int | None = None, stride: int = 1, chunked: bool = False) -> Layer:
    return growing(
        Target(kv=kv_format(kv)),
        "key",
        "K",
        pool="attention",
        split=groups_split(8),
        width=128,
        window=window,
        stride=stride,
        chunked=chunked,
    )


def test_plain_rows_are_one_term() -> None:
    """8 KV heads of 128 in fp8, at most 1024 tokens, chunk by chunk."""
    (term,) = keys("fp8", window=1024, chunked=True)
    assert (term.role, term.allocation.pool, term.row_bytes) == ("key", "attention", 128)
    assert term.split == groups_split(8)
    assert term.rows == Growing(window=1024, chunked=True)


@given(st.none() | st.integers(1, 400), st.integers(0, 1000), st.sampled_from(["kivi2", "kivi4"]))
def test_quantised_and_newest_rows_are_all_rows(window: int | None, tokens: int, kv: str) -> None:
    """KIVI moves a token from one term to the other; it stores none twice and drops none."""
    quantised, newest = rows(keys(kv, window=window), tokens)
    assert quantised + newest == min(tokens, window or tokens)
    assert newest == min(tokens, 128, window or tokens)


@pytest.mark.parametrize("tokens", [1, 127, 128, 129, 1000])
def test_kivi_keeps_128_tokens_in_16_bits_and_the_rest_in_3(tokens: int) -> None:
    """KIVI, arXiv 2402.02750: 256 bytes for each of the newest 128, 48 = 128 x 3 / 8 for the others."""
    layer = keys("kivi2")
    assert held(layer, tokens) == 8 * (256 * min(tokens, 128) + 48 * max(0, tokens - 128))
    assert [term.label for term in layer] == ["K", "newest K"]
    assert len({term.allocation.pool for term in layer}) == 1


@given(st.integers(1, 64), st.integers(0, 5000))
def test_compressed_rows_are_floored_per_stride(stride: int, tokens: int) -> None:
    (count,) = rows(keys("bf16", stride=stride), tokens)
    assert count * stride <= tokens < (count + 1) * stride


def test_a_convolution_remembers_one_input_less_than_its_kernel() -> None:
    """A kernel of 4: 3 columns of 64 channels for each of 8 heads, and of 256 on every rank."""
    layer = conv_history(4, "bf16", (state_split(8), "x", 64), (whole("token shift"), "B and C", 256))
    assert [term.label for term in layer] == ["conv history of x", "conv history of B and C"]
    assert {term.role for term in layer} == {"conv"}
    assert [term.bytes_on_rank(1, 1) for term in layer] == [3 * 8 * 64 * 2, 3 * 256 * 2]
    assert [term.bytes_on_rank(9999, 4) for term in layer] == [3 * 2 * 64 * 2, 3 * 256 * 2]
    assert held(conv_history(4, "fp32", (state_split(8), "x", 64)), 1) == 3 * 8 * 64 * 4
