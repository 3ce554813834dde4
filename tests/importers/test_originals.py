"""Each original file imports with the bytes that follow, by hand, from facts others read from it."""

import math
import re
from collections.abc import Callable
from typing import Any

import pytest

import kvplan
from kvplan.errors import KvplanError
from kvplan.importers.config import import_config
from tests.importers.originals import FOLDER, REFUSED, index, needs_originals

Entry = dict[str, Any]
Bytes = tuple[float, float]
"""What one more token adds, windows full, and what a long sequence holds beside that."""

TOKENS = 2**20

_FOUR_BYTE = """
    bigcode--gpt_bigcode-santacoder openai-community--gpt2 openai-community--gpt2-medium
    BAAI--bge-large-en-v1.5 google-bert--bert-base-uncased
"""
"""Files that name no dtype, or float32, and are float32."""


def _width(entry: Entry) -> int:
    """Return the bytes of one cached number."""
    text = (FOLDER / entry["file"]).read_text(encoding="utf-8")
    named = re.search(r'"(?:torch_)?dtype": "(\w+)"', text)
    if named:
        return 4 if named[1] == "float32" else 2
    return 4 if entry["file"].removesuffix(".json") in _FOUR_BYTE.split() else 2


def _pair(entry: Entry) -> int:
    """Return the bytes of K and V of one layer and token."""
    return int(2 * entry["cached_kv_heads"] * entry["head_dim"] * _width(entry))


def _numbers(entry: Entry, pattern: str) -> list[int]:
    found = re.search(pattern, entry["attention"])
    assert found, f"{pattern!r} is not in {entry['attention']!r}"
    return [int(number) for number in found.groups()]


def _all_layers(entry: Entry) -> Bytes:
    return entry["layers"] * _pair(entry), 0


def _nothing(_: Entry) -> Bytes:
    return 0, 0


def _mla(entry: Entry) -> Bytes:
    assert entry["head_dim"] == 576
    return entry["layers"] * 576 * _width(entry), 0


def _mla_indexer(entry: Entry) -> Bytes:
    (keys,) = _numbers(entry, r"indexer keys (\d+) per token per layer")
    return entry["layers"] * (576 + keys) * _width(entry), 0


def _windows(entry: Entry) -> Bytes:
    (window,) = _numbers(entry, r"window (\d+) on all layers")
    return 0, entry["layers"] * window * _pair(entry)


def _window_hybrid(entry: Entry) -> Bytes:
    text = entry["attention"]
    if "local kv" in text:
        return _two_shapes(entry)
    if "alternating" in text:
        (window,) = _numbers(entry, r"alternating window (\d+)")
        full = entry["layers"] // 2
    elif "sliding_attention" in text:
        (window,) = _numbers(entry, r"window (\d+)")
        (full,) = _numbers(entry, r"'full_attention': (\d+)")
    else:
        full, layers, window = _numbers(entry, r"(\d+) global layers of (\d+) \(every 6th\), window (\d+)")
        assert layers == entry["layers"]
    return full * _pair(entry), (entry["layers"] - full) * window * _pair(entry)


def _two_shapes(entry: Entry) -> Bytes:
    local, full = _numbers(entry, r"'sliding_attention': (\d+), 'full_attention': (\d+)")
    local_heads, local_dim = _numbers(entry, r"local kv (\d+) x (\d+)")
    heads, dim = _numbers(entry, r"global kv (\d+) x (\d+)")
    (window,) = _numbers(entry, r"window (\d+)")
    width = 2 * _width(entry)
    return full * heads * dim * width, local * window * local_heads * local_dim * width


def _chunks(entry: Entry) -> Bytes:
    (chunk,) = _numbers(entry, r"chunk (\d+)\) with every 4th layer global")
    full = entry["layers"] // 4
    return full * _pair(entry), (entry["layers"] - full) * chunk * _pair(entry)


def _compressed(entry: Entry) -> Bytes:
    """One 512-wide entry is key and value; compressors wait in float32 as inference/model.py says."""
    counts = dict(re.findall(r"(\d+): (\d+)", entry["attention"]))
    csa, hca = int(counts["4"]), int(counts["128"])
    (indexer,) = _numbers(entry, r"indexer dim (\d+)")
    (window,) = _numbers(entry, r"window (\d+) everywhere")
    growth = 2 * (csa * (512 + indexer) / 4 + hca * 512 / 128)
    # Keys and gates of 2 x 4 tokens, twice as wide, with the indexer's; of 128 tokens, once.
    states = csa * (2 * 8 * 2 * (512 + indexer)) + hca * (2 * 128 * 512)
    return growth, 2 * entry["layers"] * window * 512 + 4 * states


def _encoder_decoder(entry: Entry) -> Bytes:
    (positions,) = _numbers(entry, r"encoder positions \((\d+)\)")
    return entry["layers"] * _pair(entry), entry["layers"] * positions * _pair(entry)


def _cross(entry: Entry) -> Bytes:
    own, cross = _numbers(entry, r"(\d+) self-attention layers GQA 32/8 \+ (\d+) cross-attention")
    # An image of 4 tiles, each of 40 x 40 patches and a class token.
    return own * _pair(entry), cross * 4 * 1601 * _pair(entry)


def _block_sparse(entry: Entry) -> Bytes:
    sparse, layers = _numbers(entry, r"on (\d+) of (\d+) layers")
    (keys,) = _numbers(entry, r"'sparse_index_dim': (\d+)")
    return layers * _pair(entry) + sparse * keys * _width(entry), 0


def _delta_net(entry: Entry) -> Bytes:
    (full,) = _numbers(entry, r"(\d+) gated full-attention layers")
    linear, k_heads, k_dim, v_heads, v_dim, conv = _numbers(
        entry, r"(\d+) Gated DeltaNet layers \(k heads (\d+) x (\d+), v heads (\d+) x (\d+), conv (\d+)"
    )
    channels = 2 * k_heads * k_dim + v_heads * v_dim
    return full * _pair(entry), linear * (v_heads * k_dim * v_dim * 4 + (conv - 1) * channels * 2)


def _kda(entry: Entry) -> Bytes:
    mla, latent, rope = _numbers(entry, r"(\d+) MLA layers \(d_c (\d+), d_rope (\d+)\)")
    kda, heads, key, value, conv = _numbers(
        entry, r"(\d+) KDA layers \((\d+) x (\d+) x (\d+) state, conv (\d+)"
    )
    state = heads * key * value * 4 + (conv - 1) * heads * (2 * key + value) * 2
    return mla * (latent + rope) * 2, kda * state


def _lightning(entry: Entry) -> Bytes:
    linear, full = _numbers(entry, r"(\d+) lightning .* (\d+) softmax layers")
    heads, key, value = _numbers(entry, r"linear state (\d+) x (\d+) x (\d+)")
    # The state keeps the model's dtype: modeling_minimax.py of transformers.
    return full * _pair(entry), linear * heads * key * value * 2


def _spikingbrain(entry: Entry) -> Bytes:
    local, window = _numbers(entry, r"(\d+) sliding-window layers \(window (\d+)")
    (linear,) = _numbers(entry, r"with (\d+) gated linear")
    return 0, local * window * _pair(entry) + linear * entry["heads"] * 128 * 128 * 4


def _mamba1_hybrid(entry: Entry) -> Bytes:
    full, mamba = _numbers(entry, r"(\d+) attention layers .* (\d+) Mamba-1 layers")
    state, expand, conv = _numbers(entry, r"state (\d+), expand (\d+), conv (\d+)")
    inner = expand * entry["heads"] * entry["head_dim"]
    return full * _pair(entry), mamba * inner * (state * 4 + (conv - 1) * 2)


def _mamba2_hybrid(entry: Entry) -> Bytes:
    """The pattern counts its layers by letter or by word; convolutions are 4 wide in all files."""
    counts = {name: int(count) for name, count in re.findall(r"'([\w*]+)': (\d+)", entry["attention"])}
    mamba = counts.get("M") or counts.get("mamba") or 0
    full = counts.get("*") or counts.get("attention") or 0
    heads, dim, state, groups = _numbers(
        entry, r"SSM (?:heads )?(\d+) x (\d+) x (?:state )?(\d+), groups (\d+)"
    )
    history = 3 * (heads * dim + 2 * groups * state) * 2
    return full * _pair(entry), mamba * (heads * dim * state * 4 + history)


def _plamo(entry: Entry) -> Bytes:
    mamba, local, window = _numbers(entry, r"(\d+) Mamba-2-style layers .* (\d+) MQA .* \((\d+)\) layers")
    # 32 heads of 128, a state of 64, and a convolution of 4 over x alone.
    return 0, local * window * _pair(entry) + mamba * 32 * 128 * (64 * 4 + 3 * 2)


def _rglru(entry: Entry) -> Bytes:
    width, conv = _numbers(entry, r"width (\d+), conv (\d+)")
    window, local, recurrent = _numbers(entry, r"window (\d+); (\d+) attention / (\d+) recurrent")
    return 0, local * window * _pair(entry) + recurrent * width * (4 + (conv - 1) * 2)


def _short_conv(entry: Entry) -> Bytes:
    full, conv = _numbers(entry, r"(\d+) attention layers .* (\d+) short-convolution layers")
    kernel, width = _numbers(entry, r"conv cache (\d+) x (\d+)")
    return full * _pair(entry), conv * (kernel - 1) * width * 2


def _parallel(entry: Entry) -> Bytes:
    heads, dim, state = _numbers(entry, r"Mamba-2 \((\d+) x (\d+) x (\d+)\)")
    # One group of B and C, and a convolution 4 wide.
    history = 3 * (heads * dim + 2 * state) * 2
    return entry["layers"] * _pair(entry), entry["layers"] * (heads * dim * state * 4 + history)


def _gla(entry: Entry) -> Bytes:
    found = re.search(r"(\d+) heads, expand_k ([\d.]+), expand_v 1", entry["attention"])
    assert found
    value = entry["head_dim"]
    return 0, entry["layers"] * int(found[1]) * int(float(found[2]) * value) * value * 4


def _mamba1(entry: Entry) -> Bytes:
    inner, state, conv = _numbers(entry, r"d_inner (\d+), state (\d+), conv (\d+)")
    return 0, entry["layers"] * inner * (state * 4 + (conv - 1) * 4)


def _rwkv(entry: Entry) -> Bytes:
    # 40 heads of 64 fill a width of 2560; two token shifts keep the model's dtype.
    assert entry["head_dim"] == 64
    return 0, entry["layers"] * (40 * 64 * 64 * 4 + 2 * 2560 * 2)


def _nas(entry: Entry) -> Bytes:
    (layers,) = _numbers(entry, r"(\d+) of 80 layers keep attention")
    return layers * _pair(entry), 0


def _vicuna(entry: Entry) -> Bytes:
    """LLaVA 1.5 nests Vicuna 7B without a dimension: 32 layers of 32 heads of 128, in float16."""
    assert entry["file"] == "llava-hf--llava-1.5-7b-hf.json"
    return 32 * 2 * 32 * 128 * 2, 0


BY_KIND: dict[str, Callable[[Entry], Bytes]] = {
    "chunked_local_hybrid": _chunks,
    "compressed_hybrid_csa_hca": _compressed,
    "encoder_decoder": _encoder_decoder,
    "encoder_no_kv": _nothing,
    "gqa": _all_layers,
    "gqa_block_sparse": _block_sparse,
    "gqa_plus_cross_attention": _cross,
    "hybrid_gdn_attention": _delta_net,
    "hybrid_kda_mla": _kda,
    "hybrid_lightning_softmax": _lightning,
    "hybrid_linear_swa": _spikingbrain,
    "hybrid_mamba1_attention": _mamba1_hybrid,
    "hybrid_mamba2_attention": _mamba2_hybrid,
    "hybrid_mamba2_swa": _plamo,
    "hybrid_rglru_swa": _rglru,
    "hybrid_shortconv_attention": _short_conv,
    "incomplete": _vicuna,
    "mha": _all_layers,
    "mla": _mla,
    "mla_dsa": _mla_indexer,
    "mqa": _all_layers,
    "nas_variable_attention": _nas,
    "parallel_hybrid_mamba2_attention": _parallel,
    "pure_linear_attention": _gla,
    "pure_mamba1": _mamba1,
    "pure_rwkv": _rwkv,
    "swa_all_layers": _windows,
    "swa_hybrid": _window_hybrid,
}

NOT_AS_INDEXED = {
    # An embedding model: is_causal is false, so every token sees all others and nothing is kept.
    "Alibaba-NLP--gte-Qwen2-7B-instruct.json": (0, 0),
    # A filter before attention keeps the last two hidden states: LocalizedFiltering in yuan_hf_model.py.
    "IEITYuan--Yuan2-2B-hf.json": (24 * 2 * 32 * 64 * 2, 24 * 2 * 2048 * 2),
}
"""Files whose index entry overlooks a field, and what they keep."""


WIDE = {
    "microsoft--Phi-3-mini-128k-instruct.json": 262_144,
    "microsoft--Phi-3-vision-128k-instruct.json": 131_072,
    "microsoft--Phi-3.5-MoE-instruct.json": 131_072,
    "microsoft--Phi-3.5-mini-instruct.json": 262_144,
    "microsoft--Phi-4-mini-instruct.json": 262_144,
}
"""Files whose window is not below their context of 131,072 tokens: it bounds what is longer alone."""


@needs_originals
def test_all_208_files_are_looked_at_and_at_most_8_are_refused() -> None:
    names = {entry["file"] for entry in index()}
    assert names == {path.name for path in FOLDER.glob("*.json")}
    assert len(names) == 208
    assert set(REFUSED) <= names
    assert len(REFUSED) <= 8


@pytest.mark.parametrize(
    "entry",
    [entry for entry in index() if entry["file"] not in REFUSED],
    ids=lambda entry: entry["file"][:-5],
)
def test_bytes_follow_from_the_facts_of_the_index(entry: Entry) -> None:
    spec = import_config(FOLDER / entry["file"]).spec
    answer = kvplan.size(spec, context=TOKENS)
    growth, rest = NOT_AS_INDEXED.get(entry["file"]) or BY_KIND[entry["kind"]](entry)
    assert answer.bytes_per_token == growth
    assert answer.bytes_per_sequence == growth * WIDE.get(entry["file"], TOKENS) + rest
    assert math.floor(rest) == rest


@needs_originals
@pytest.mark.parametrize(("name", "window"), WIDE.items())
def test_a_window_that_no_context_fills_stays_a_window(name: str, window: int) -> None:
    spec = import_config(FOLDER / name).spec
    (kind,) = spec.kinds()
    assert (kind.kind, getattr(kind, "window", None), spec.max_context) == ("sliding", window, 131_072)


@needs_originals
@pytest.mark.parametrize(("name", "field"), REFUSED.items())
def test_what_a_file_lacks_is_named(name: str, field: str) -> None:
    with pytest.raises(KvplanError, match=rf"{re.escape(name)}: {re.escape(field)}: found nothing"):
        import_config(FOLDER / name)
