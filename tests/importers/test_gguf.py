"""GGUF: exact bytes by type, the layers as llama.cpp loads them, and bad files refused in one line."""

import os
import struct
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import kvplan
from kvplan.dtypes import kv_format
from kvplan.errors import ImportedError
from kvplan.ggml_types import GGML_TYPES
from kvplan.importers.gguf import find_gguf, read_gguf
from kvplan.importers.gguf_architectures import ARCHITECTURES
from kvplan.importers.gguf_specs import import_gguf
from kvplan.specs.model import ModelSpec
from kvplan.terms import Target
from tests.importers.model_files import gguf, gguf_text
from tests.steps import at_most

Values = Mapping[str, tuple[str, object]]

TENSORS = {
    "token_embd.weight": (12, [256, 4], 576),
    "blk.0.attn_q.weight": (1, [256, 2], 1024),
    "blk.0.attn_norm.weight": (0, [3], 12),
}
LLAMA: Values = {
    "general.architecture": ("str", "llama"),
    "llama.block_count": ("u32", 32),
    "llama.context_length": ("u32", 131072),
    "llama.embedding_length": ("u32", 4096),
    "llama.feed_forward_length": ("u32", 14336),
    "llama.attention.head_count": ("u32", 32),
    "llama.attention.head_count_kv": ("u32", 8),
    "llama.attention.layer_norm_rms_epsilon": ("f32", 1e-5),
    "llama.rope.dimension_count": ("u32", 128),
    "llama.vocab_size": ("u32", 128256),
    "general.file_type": ("u32", 15),
    "tokenizer.ggml.tokens": ("[str]", ["a", "b", "c"]),
}


def values_of(name: str, *, blocks: int, hidden: int, **own: Any) -> Values:
    """Return the metadata of an architecture; two underscores are a dot, lists are of u32 or bool."""
    values: dict[str, tuple[str, object]] = {"general.architecture": ("str", name)}
    given = {"block_count": blocks, "embedding_length": hidden, "context_length": 8192, **own}
    for key, value in given.items():
        each = value[0] if isinstance(value, list) else value
        kind = "bool" if isinstance(each, bool) else "u32"
        values[f"{name}.{key.replace('__', '.')}"] = (f"[{kind}]" if isinstance(value, list) else kind, value)
    return values


def spec_of(folder: Path, values: Values) -> ModelSpec:
    path = folder / "model.gguf"
    path.write_bytes(gguf(values, TENSORS))
    return import_gguf(path).spec


def kinds_of(spec: ModelSpec) -> list[dict[str, Any]]:
    """Return the facts of each layer; of one that runs two kinds, those of the first."""
    return [spec.attention[name][0].model_dump(exclude_defaults=True) for name in spec.layer_types]


def refusal(path: Path) -> str:
    """Return the one or two lines of the error, which must come early."""
    with pytest.raises(ImportedError) as error, at_most(calls=2000):
        import_gguf(path)
    text = str(error.value)
    assert len(text.splitlines()) <= 2
    assert len(text) < 400 + 2 * len(str(path))
    return text


def refused(folder: Path, data: bytes) -> str:
    path = folder / "model.gguf"
    path.write_bytes(data)
    return refusal(path)


def test_bytes_by_type(tmp_path: Path) -> None:
    """1024 elements in q4_k (144 bytes for 256), 512 in f16, 3 in f32."""
    path = tmp_path / "model.gguf"
    path.write_bytes(gguf(LLAMA, TENSORS))
    weights = read_gguf(path).weights
    assert weights.bytes_by_dtype() == {"f16": 1024, "q4_k": 576, "f32": 12}
    assert weights.total_bytes == 1612


def test_a_plain_model(tmp_path: Path) -> None:
    path = tmp_path / "Meta-Llama-3.1-8B-Q4_K_M.gguf"
    path.write_bytes(gguf(LLAMA, TENSORS))
    found = import_gguf(path)
    assert found.spec == ModelSpec.model_validate(
        {
            "name": "meta-llama-3.1-8b-q4_k_m",
            "source": "Meta-Llama-3.1-8B-Q4_K_M.gguf (GGUF, llama)",
            "computed_as": "llama",
            "dtype": "float16",
            "max_context": 131072,
            "parameters": 1539,
            "weight_bytes": 1612,
            "hidden": 4096,
            "tensors": {"embedding_bytes": 576, "layers_bytes": [1024 + 12] + 31 * [0], "head_bytes": 0},
            "layers": 32,
            "attention": {"kind": "gqa", "heads": 32, "groups": 8, "head_dim": 128},
        }
    )
    assert found.origins["groups"] == "llama.attention.head_count_kv = 8"
    assert "llama.cpp's default type of K and V" in found.origins["dtype"]


@pytest.mark.parametrize(
    ("name", "head", "tied"), [("llama", {}, True), ("llama", {"output.weight": (1, [256, 4], 2048)}, False)]
)
def test_the_embedding_and_the_head(
    tmp_path: Path,
    name: str,
    head: dict[str, Any],
    tied: bool,  # noqa: FBT001 - what is expected
) -> None:
    """An embedding of 4 rows; without an output matrix it is the head."""
    path = tmp_path / "model.gguf"
    values = values_of(name, blocks=2, hidden=256, attention__head_count=4)
    tensors = {"token_embd.weight": TENSORS["token_embd.weight"], **head}
    path.write_bytes(gguf(values, tensors))
    spec = import_gguf(path).spec
    assert (spec.vocab, spec.tied, spec.replicated) == (4, tied, None)
    assert spec.parameters == 1024 * (1 if tied else 2)


def test_an_encoder_has_no_head(tmp_path: Path) -> None:
    path = tmp_path / "model.gguf"
    values = values_of("bert", blocks=2, hidden=256, attention__head_count=4, attention__causal=False)
    path.write_bytes(gguf(values, {"token_embd.weight": TENSORS["token_embd.weight"]}))
    spec = import_gguf(path).spec
    assert (spec.vocab, spec.tied) == (4, None)


def test_an_embedding_that_does_not_fit_the_width_says_nothing(tmp_path: Path) -> None:
    assert spec_of(tmp_path, LLAMA).vocab is None


def test_version_2(tmp_path: Path) -> None:
    path = tmp_path / "model.gguf"
    path.write_bytes(gguf(LLAMA, TENSORS, version=2))
    assert import_gguf(path).spec.layer_count == 32


def test_the_loader_s_defaults(tmp_path: Path) -> None:
    """Without head_count_kv every head has its own keys; a head is embedding_length / head_count."""
    values = values_of("gpt2", blocks=12, hidden=768, attention__head_count=12)
    assert kinds_of(spec_of(tmp_path, values)) == [{"kind": "mha", "heads": 12, "head_dim": 64}] * 12


def test_key_and_value_lengths_and_a_list_of_heads(tmp_path: Path) -> None:
    """A NAS model: a layer without KV heads caches nothing."""
    values = values_of(
        "deci",
        blocks=3,
        hidden=8192,
        attention__head_count=[64, 0, 64],
        attention__head_count_kv=[8, 0, 4],
        attention__key_length=128,
        attention__value_length=96,
    )
    assert kinds_of(spec_of(tmp_path, values)) == [
        {"kind": "gqa", "heads": 64, "groups": 8, "head_dim": 128, "v_head_dim": 96},
        {"kind": "none"},
        {"kind": "gqa", "heads": 64, "groups": 4, "head_dim": 128, "v_head_dim": 96},
    ]


GEMMA = {"attention__head_count": 8, "attention__head_count_kv": 4, "attention__key_length": 256}


@pytest.mark.parametrize(
    ("name", "own", "local"),
    [
        ("gemma2", {}, "LFLFLFLF"),
        ("gemma3", {"attention__sliding_window": 512}, "LLLLLFLL"),
        ("gemma3", {}, "FFFFFFFF"),
        ("cohere2", {"attention__sliding_window": 512}, "LLLFLLLF"),
        ("gpt-oss", {"attention__sliding_window": 512}, "LFLFLFLF"),
        ("olmo2", {"attention__sliding_window": 512}, "LLLFLLLF"),
        ("plamo3", {"attention__sliding_window": 512}, "LLLLLLLF"),
        ("laguna", {"attention__sliding_window": 512}, "FLLLFLLL"),
        ("cohere2moe", {"attention__sliding_window": 512}, "FLLLFLLL"),
        ("gemma3", {"attention__sliding_window": 512, "attention__sliding_window_pattern": 2}, "LFLFLFLF"),
        (
            "gpt-oss",
            {
                "attention__sliding_window": 512,
                "attention__sliding_window_pattern": [True, False, False, True, True, True, True, True],
            },
            "LFFLLLLL",
        ),
    ],
)
def test_which_layers_slide(tmp_path: Path, name: str, own: dict[str, Any], local: str) -> None:
    """The periods are those that llama.cpp's src/models/*.cpp give to load_swa_pattern."""
    spec = spec_of(tmp_path, values_of(name, blocks=8, hidden=2048, **GEMMA, **own))
    kinds = kinds_of(spec)
    assert "".join("L" if kind["kind"] == "sliding" else "F" for kind in kinds) == local
    assert {kind["window"] for kind in kinds if kind["kind"] == "sliding"} <= {
        4096 if name == "gemma2" else 512
    }


def test_llama_4_has_chunks_of_8192(tmp_path: Path) -> None:
    kinds = kinds_of(spec_of(tmp_path, values_of("llama4", blocks=4, hidden=5120, **GEMMA)))
    assert [kind["kind"] for kind in kinds] == ["chunked", "chunked", "chunked", "gqa"]
    assert kinds[0]["chunk"] == 8192
    values = values_of("llama4", blocks=4, hidden=5120, **GEMMA, attention__sliding_window=0)
    assert [kind["kind"] for kind in kinds_of(spec_of(tmp_path, values))] == ["gqa"] * 4


def test_gemma_3n_shares_from_the_twentieth_layer(tmp_path: Path) -> None:
    values = values_of("gemma3n", blocks=30, hidden=2048, **GEMMA, attention__sliding_window=512)
    kinds = [kind["kind"] for kind in kinds_of(spec_of(tmp_path, values))]
    assert kinds == ["sliding", "sliding", "sliding", "sliding", "gqa"] * 4 + ["shared"] * 10
    values = {**values, "gemma3n.attention.shared_kv_layers": ("u32", 9)}
    with pytest.raises(ImportedError, match=r"found 9; llama\.cpp shares from layer 20"):
        spec_of(tmp_path, values)


def test_gemma_4_has_other_sizes_in_sliding_layers(tmp_path: Path) -> None:
    values = values_of(
        "gemma4",
        blocks=4,
        hidden=2048,
        attention__head_count=8,
        attention__head_count_kv=[4, 4, 1, 1],
        attention__key_length=512,
        attention__value_length=512,
        attention__key_length_swa=256,
        attention__value_length_swa=256,
        attention__sliding_window=512,
        attention__sliding_window_pattern=[True, True, False, True],
        attention__shared_kv_layers=1,
    )
    assert kinds_of(spec_of(tmp_path, values)) == [
        {"kind": "sliding", "heads": 8, "groups": 4, "head_dim": 256, "window": 512},
        {"kind": "sliding", "heads": 8, "groups": 4, "head_dim": 256, "window": 512},
        {"kind": "mqa", "heads": 8, "head_dim": 512},
        {"kind": "shared", "heads": 8, "head_dim": 256, "window": 512},
    ]


DEEPSEEK = {
    "attention__head_count": 128,
    "attention__head_count_kv": 1,
    "attention__key_length": 576,
    "attention__value_length": 512,
    "attention__key_length_mla": 192,
    "attention__value_length_mla": 128,
    "attention__kv_lora_rank": 512,
    "attention__q_lora_rank": 1536,
    "rope__dimension_count": 64,
}
MLA = {
    "kind": "mla",
    "heads": 128,
    "q_lora_rank": 1536,
    "d_c": 512,
    "d_rope": 64,
    "d_nope": 128,
    "v_head_dim": 128,
}


def test_latent_attention_without_draft_layers(tmp_path: Path) -> None:
    path = tmp_path / "model.gguf"
    path.write_bytes(
        gguf(values_of("deepseek2", blocks=3, hidden=7168, nextn_predict_layers=1, **DEEPSEEK), TENSORS)
    )
    found = import_gguf(path)
    assert kinds_of(found.spec) == [MLA, MLA]
    assert found.not_counted == ("1 multi-token prediction layers",)


def test_an_old_deepseek_file_caches_every_head(tmp_path: Path) -> None:
    """2 x (192 + 128) x 128 heads a layer, 71 times the latent, as the logs of such files show."""
    own = {
        **DEEPSEEK,
        "attention__head_count_kv": 128,
        "attention__key_length": 192,
        "attention__value_length": 128,
    }
    own = {key: value for key, value in own.items() if not key.endswith("_mla")}
    path = tmp_path / "model.gguf"
    path.write_bytes(gguf(values_of("deepseek2", blocks=1, hidden=7168, **own), TENSORS))
    found = import_gguf(path)
    assert kinds_of(found.spec) == [{"kind": "mha", "heads": 128, "head_dim": 192, "v_head_dim": 128}]
    assert "all heads, not the latent" in found.notes[0]
    (term, other) = found.spec.lower(Target(kv=kv_format("fp16")))[0]
    assert term.growth_on_rank(1, 1) + other.growth_on_rank(1, 1) == 2 * (192 + 128) * 128


def test_indexers_stand_where_the_file_says(tmp_path: Path) -> None:
    own: dict[str, Any] = {
        **DEEPSEEK,
        "attention__indexer__head_count": 64,
        "attention__indexer__key_length": 128,
    }
    indexed = {**MLA, "indexer": {"heads": 64, "head_dim": 128}}
    assert kinds_of(spec_of(tmp_path, values_of("deepseek32", blocks=2, hidden=7168, **own))) == [indexed] * 2
    own["attention__indexer__types"] = [True, False]
    assert kinds_of(spec_of(tmp_path, values_of("glm-dsa", blocks=2, hidden=7168, **own))) == [indexed, MLA]
    del own["attention__indexer__types"]
    with pytest.raises(ImportedError, match=r"indexer\.types: found nothing"):
        spec_of(tmp_path, values_of("glm-dsa", blocks=2, hidden=7168, context_length=2**20, **own))


def test_minimax_m3_has_indexers_behind_its_dense_layers(tmp_path: Path) -> None:
    own = {"attention__indexer__head_count": 4, "attention__indexer__key_length": 128}
    heads = {"attention__head_count": 64, "attention__head_count_kv": 4, "attention__key_length": 128}
    values = values_of("minimax-m3", blocks=2, hidden=6144, leading_dense_block_count=1, **own, **heads)
    full = {"kind": "gqa", "heads": 64, "groups": 4, "head_dim": 128, "v_head_dim": 96}
    assert kinds_of(spec_of(tmp_path, values)) == [full, {**full, "indexer": {"heads": 4, "head_dim": 128}}]


SSM = {"ssm__conv_kernel": 4, "ssm__inner_size": 4096, "ssm__state_size": 128, "ssm__time_step_rank": 64}
MAMBA2 = {
    "kind": "mamba2",
    "heads": 64,
    "head_dim": 64,
    "groups": 8,
    "d_state": 128,
    "conv_kernel": 4,
    "conv_dtype": "fp32",
    "state_dtype": "fp32",
}
GQA = {"kind": "gqa", "heads": 32, "groups": 8, "head_dim": 128}


def test_mamba(tmp_path: Path) -> None:
    values = values_of("mamba", blocks=2, hidden=2048, attention__head_count=0, **SSM)
    mamba = {
        "kind": "mamba",
        "d_inner": 4096,
        "d_state": 128,
        "dt_rank": 64,
        "conv_kernel": 4,
        "conv_dtype": "fp32",
        "state_dtype": "fp32",
    }
    assert kinds_of(spec_of(tmp_path, values)) == [mamba] * 2


def test_mamba_2_and_its_hybrids(tmp_path: Path) -> None:
    own: dict[str, Any] = {**SSM, "ssm__group_count": 8}
    values = values_of("mamba2", blocks=2, hidden=2048, attention__head_count=0, **own)
    assert kinds_of(spec_of(tmp_path, values)) == [MAMBA2] * 2
    own |= {"attention__head_count": 32, "attention__head_count_kv": [0, 8, 0]}
    values = values_of("granitehybrid", blocks=3, hidden=4096, **own)
    assert kinds_of(spec_of(tmp_path, values)) == [MAMBA2, GQA, MAMBA2]
    values = values_of("nemotron_h", blocks=3, hidden=4096, feed_forward_length=[0, 0, 9000], **own)
    assert kinds_of(spec_of(tmp_path, values)) == [MAMBA2, GQA, {"kind": "none"}]


def test_falcon_h1_has_both_in_each_layer(tmp_path: Path) -> None:
    own = {**SSM, "ssm__group_count": 8, "attention__head_count": 32, "attention__head_count_kv": 8}
    spec = spec_of(tmp_path, values_of("falcon-h1", blocks=2, hidden=4096, **own))
    assert [kind.kind for kind in spec.attention["parallel"]] == ["gqa", "mamba2"]
    assert spec.layer_types == ("parallel", "parallel")


def test_qwen3_next(tmp_path: Path) -> None:
    own = {
        "attention__head_count": 16,
        "attention__head_count_kv": 2,
        "attention__key_length": 256,
        "attention__value_length": 256,
        "ssm__conv_kernel": 4,
        "ssm__inner_size": 4096,
        "ssm__state_size": 128,
        "ssm__time_step_rank": 32,
        "ssm__group_count": 16,
    }
    delta = {
        "kind": "gated_delta_net",
        "qk_heads": 16,
        "v_heads": 32,
        "qk_head_dim": 128,
        "v_head_dim": 128,
        "conv_kernel": 4,
        "conv_dtype": "fp32",
        "state_dtype": "fp32",
    }
    full = {"kind": "gqa", "heads": 16, "groups": 2, "head_dim": 256, "output_gate": True}
    kinds = kinds_of(spec_of(tmp_path, values_of("qwen3next", blocks=8, hidden=2048, **own)))
    assert kinds == [delta, delta, delta, full] * 2
    own["full_attention_interval"] = 2
    kinds = kinds_of(spec_of(tmp_path, values_of("qwen35", blocks=4, hidden=2048, **own)))
    assert kinds == [delta, full] * 2


def test_short_convolutions_kda_lightning_and_rwkv(tmp_path: Path) -> None:
    heads: dict[str, Any] = {"attention__head_count": 32, "attention__head_count_kv": [0, 8]}
    values = values_of("lfm2", blocks=2, hidden=2048, shortconv__l_cache=3, **heads)
    assert kinds_of(spec_of(tmp_path, values)) == [
        {"kind": "short_conv", "channels": 2048, "conv_kernel": 3, "conv_dtype": "fp32"},
        {"kind": "gqa", "heads": 32, "groups": 8, "head_dim": 64},
    ]
    own: dict[str, Any] = {
        **DEEPSEEK,
        "attention__head_count_kv": [0, 1],
        "kda__head_dim": 128,
        "ssm__conv_kernel": 4,
    }
    kinds = kinds_of(spec_of(tmp_path, values_of("kimi-linear", blocks=2, hidden=2304, **own)))
    assert [kind["kind"] for kind in kinds] == ["kda", "mla"]
    values = values_of(
        "minimax-01", blocks=8, hidden=4096, attention__head_count=32, attention__head_count_kv=8
    )
    kinds = kinds_of(spec_of(tmp_path, values))
    assert [kind["kind"] for kind in kinds] == ["lightning"] * 7 + ["gqa"]
    values = values_of("rwkv7", blocks=1, hidden=2048, attention__head_count=0, wkv__head_size=64)
    assert kinds_of(spec_of(tmp_path, values))[0]["heads"] == 32


def test_encoders_and_diffusion_models_keep_nothing(tmp_path: Path) -> None:
    values = values_of("bert", blocks=12, hidden=768, attention__head_count=12)
    assert kinds_of(spec_of(tmp_path, values)) == [{"kind": "none", "heads": 12, "head_dim": 64}] * 12


def test_every_reader_is_reached_by_name() -> None:
    """The names are those of llama.cpp's LLM_ARCH_NAMES; a renamed one would never be found."""
    assert len(ARCHITECTURES) >= 110
    assert all(name == name.strip() and name for name in ARCHITECTURES)


def split(folder: Path, count: int = 2) -> list[Path]:
    """Write LLAMA in two parts: the metadata with the first tensor, and the other tensors."""
    names = list(TENSORS)
    paths = []
    for number in range(count):
        values: Values = {"split.no": ("u16", number), "split.count": ("u16", count)}
        if number == 0:
            values = {**LLAMA, **values, "split.tensors.count": ("i32", 3)}
        tensors = {name: TENSORS[name] for name in (names[:1] if number == 0 else names[1:])}
        paths.append(folder / f"m-{number + 1:05}-of-{count:05}.gguf")
        paths[-1].write_bytes(gguf(values, tensors))
    return paths


def test_a_split_model_from_any_of_its_parts(tmp_path: Path) -> None:
    for source in (*split(tmp_path), tmp_path):
        found = import_gguf(source)
        assert found.spec.weight_bytes == 1612
        assert found.spec.name == "m"


def test_a_missing_or_wrong_part(tmp_path: Path) -> None:
    first, second = split(tmp_path)
    whole = second.read_bytes()
    second.write_bytes(gguf({}, {"token_embd.weight": TENSORS["token_embd.weight"]}))
    assert "stands in two parts" in refusal(first)
    second.write_bytes(gguf({}, {"x": (0, [1], 4)}))
    assert "hold 2 tensors, the first speaks of 3" in refusal(first)
    second.unlink()
    assert "1 of 2 parts are missing: m-00002-of-00002.gguf" in refusal(first)
    second.write_bytes(whole)
    assert import_gguf(first).spec.weight_bytes == 1612


def test_a_folder_with_several_models_or_none(tmp_path: Path) -> None:
    assert find_gguf(tmp_path) is None
    (tmp_path / "a.gguf").write_bytes(b"")
    (tmp_path / "b.gguf").write_bytes(b"")
    assert "has 2 GGUF models: a.gguf, b.gguf" in refusal(tmp_path)


def head(values: int = 0, tensors: int = 0, version: int = 3) -> bytes:
    return b"GGUF" + struct.pack("<IQQ", version, tensors, values)


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (b"", "does not begin as GGUF does"),
        (b"GGML" + b"\0" * 40, "does not begin as GGUF does"),
        (b"PK\3\4" + b"\0" * 40, "does not begin as GGUF does"),
        (head(version=1), "GGUF version 1"),
        (head(version=3 << 24), "big-endian"),
        (head(values=2**60), "claims 1152921504606846976 values"),
        (head(tensors=2**60), "claims 1152921504606846976 tensors"),
        (head(values=1) + struct.pack("<Q", 2**63), "is cut short: a key ends at byte"),
        (head(values=1) + gguf_text("k") + struct.pack("<I", 13), "k has the unknown type 13"),
        (head(values=1) + gguf_text("k") + struct.pack("<IIQ", 9, 9, 1), "k is a list of the unknown type 9"),
        (head(values=1) + gguf_text("k") + struct.pack("<IIQ", 9, 4, 2**60), "is cut short: k ends at"),
        (head(values=1) + gguf_text("k") + struct.pack("<IIQ", 9, 8, 2**60), "no vocabulary has so many"),
        (head(values=1) + gguf_text("k") + struct.pack("<IIQQ", 9, 8, 5, 2**62), "is cut short: k ends at"),
        (head(values=2) + (gguf_text("k") + struct.pack("<IB", 0, 1)) * 2, "the key 'k' stands twice"),
        (head(values=1) + struct.pack("<Q", 1) + b"\xff" + struct.pack("<IB", 0, 1), "is not UTF-8"),
        (gguf(LLAMA, TENSORS)[:-600], "the file is cut short"),
        (gguf(LLAMA, {}), "holds no tensors"),
        (gguf(LLAMA, {"t": (31, [32], 18)}), "t has the unknown type 31"),
        (gguf(LLAMA, {"t": (12, [100], 56)}), "t has rows of 100, which blocks of 256 do not divide"),
        (gguf(LLAMA, {"t": (0, [1, 1, 1, 1, 1], 4)}), "t has 5 dimensions"),
        (gguf(LLAMA, {"t": (0, [2**40, 2**40], 4)}), "the file is cut short"),
        (gguf(LLAMA, {"a": (0, [64], 4), "b": (0, [1], 4)}), "b begins at byte 32 of the data, not at 256"),
        (gguf({**LLAMA, "general.alignment": ("u32", 3)}, TENSORS), "expected a power of two"),
        (gguf({**LLAMA, "general.alignment": ("u32", 0)}, TENSORS), "expected a power of two"),
        (gguf({**LLAMA, "general.type": ("str", "adapter")}, TENSORS), "general.type is 'adapter'"),
        (gguf({"general.architecture": ("str", "llamb")}, TENSORS), "no reader for 'llamb' (did you mean"),
        (gguf({"general.architecture": ("u32", 3)}, TENSORS), "no reader for '3'"),
        (gguf({}, TENSORS), "general.architecture: no reader for 'None'"),
    ],
)
def test_bad_files(tmp_path: Path, data: bytes, problem: str) -> None:
    assert problem in refused(tmp_path, data)


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"llama.block_count": None}, "llama.block_count: found nothing"),
        ({"llama.block_count": ("u32", 0)}, "found 0; expected a whole number from 1"),
        ({"llama.block_count": ("u32", 2**31)}, "expected a whole number from 1"),
        ({"llama.block_count": ("u32", 513)}, "513 layers"),
        ({"llama.block_count": ("f32", 32.0)}, "found 32.0; expected a whole number"),
        ({"llama.attention.head_count_kv": ("u32", 7)}, "7 KV heads do not divide 32 heads"),
        ({"llama.attention.head_count_kv": ("[u32]", [8, 8])}, "lists 2 layers, but block_count is 32"),
        ({"llama.attention.head_count": ("str", "32")}, "expected a whole number"),
        ({"llama.embedding_length": None}, "llama.embedding_length: found nothing"),
        ({"llama.context_length": None}, "llama.context_length: found nothing"),
        ({"llama.attention.sliding_window": ("u32", 4096)}, "does not know this key"),
        ({"llama.attention.new_cache_trick": ("u32", 1)}, "does not know this key, and it could change"),
        ({"llama.ssm.state_size": ("u32", 16)}, "does not know this key"),
    ],
)
def test_bad_metadata(tmp_path: Path, changes: Mapping[str, tuple[str, object] | None], problem: str) -> None:
    values = {key: value for key, value in {**LLAMA, **changes}.items() if value is not None}
    assert problem in refused(tmp_path, gguf(values, TENSORS))


@pytest.mark.parametrize("key", [key for key in LLAMA if key.startswith("llama.")])
def test_a_key_left_out_is_an_error_or_changes_nothing(tmp_path: Path, key: str) -> None:
    """Without tensors to tell, head_count_kv has a default: llama.cpp then has as many as heads."""
    whole = spec_of(tmp_path, LLAMA)
    try:
        changed = spec_of(tmp_path, {name: value for name, value in LLAMA.items() if name != key})
    except ImportedError:
        return
    if key == "llama.attention.head_count_kv":
        assert kinds_of(changed)[0]["kind"] == "mha"
    else:
        assert changed == whole


@pytest.mark.parametrize(
    ("changes", "tensor"),
    [
        ({"llama.attention.head_count_kv": None}, "attn_k"),
        ({"llama.attention.head_count_kv": ("u32", 4)}, "attn_v"),
        ({"llama.attention.head_count": ("u32", 64)}, "attn_k"),
        ({"llama.attention.key_length": ("u32", 64)}, "attn_k"),
        ({"llama.attention.value_length": ("u32", 64)}, "attn_v"),
        ({"llama.embedding_length": ("u32", 2048)}, "attn_qkv"),
    ],
)
def test_the_tensors_contradict_changed_metadata(
    tmp_path: Path, changes: Mapping[str, tuple[str, object] | None], tensor: str
) -> None:
    """8 KV heads of 128 for a width of 4096, in the second layer; fused, 32 heads of queries besides."""
    width = {"attn_k": 1024, "attn_v": 1024, "attn_qkv": 6144}[tensor]
    tensors = {f"blk.1.{tensor}.weight": (24, [4096, width], 4096 * width)}
    path = tmp_path / "model.gguf"
    path.write_bytes(gguf(LLAMA, tensors))
    assert import_gguf(path).spec.layer_count == 32
    values = {key: value for key, value in {**LLAMA, **changes}.items() if value is not None}
    assert f"blk.1.{tensor}.weight has" in refused(tmp_path, gguf(values, tensors))


def test_a_long_vocabulary_is_stepped_over(tmp_path: Path) -> None:
    values = {**LLAMA, "tokenizer.ggml.tokens": ("[str]", ["token"] * 300_000)}
    path = tmp_path / "model.gguf"
    path.write_bytes(gguf(values, TENSORS))
    with at_most(calls=2 * 300_000 + 2000):  # the length of each text, and a step over it
        lengths = read_gguf(path).lengths
    assert lengths == {"tokenizer.ggml.tokens": 300_000}


def test_texts_without_end_stop_at_the_limit(tmp_path: Path) -> None:
    """A sparse file of 10 GB whose one list claims as many empty texts as may be."""
    path = tmp_path / "model.gguf"
    path.write_bytes(head(values=1) + gguf_text("k") + struct.pack("<IIQ", 9, 8, 2_000_000))
    with path.open("r+b") as file:
        file.truncate(10 * 10**9)
    assert "holds no tensors" in refusal(path)
    path.write_bytes(head(values=1) + gguf_text("k") + struct.pack("<IIQ", 9, 6, 10**9))
    with path.open("r+b") as file:
        file.truncate(10 * 10**9)
    assert "k ends beyond 64 MiB of metadata" in refusal(path)


def test_links_and_pipes(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    os.mkfifo(folder / "pipe.gguf")
    assert "is not a plain file" in refusal(folder)
    (folder / "pipe.gguf").unlink()
    (tmp_path / "secret.gguf").write_bytes(gguf(LLAMA, TENSORS))
    (folder / "model.gguf").symlink_to(tmp_path / "secret.gguf")
    assert "leads out of the folder" in refusal(folder)


def test_block_sizes_by_hand() -> None:
    """Bytes of some blocks, from ggml-common.h: scales and minimums in f16, then the quants."""
    sizes = {dtype.name: (dtype.block, dtype.block_bytes) for dtype in GGML_TYPES.values()}
    assert len(sizes) == len(GGML_TYPES) == 35
    assert sizes["q8_0"] == (32, 2 + 32)
    assert sizes["q4_k"] == (256, 2 + 2 + 12 + 128)
    assert sizes["q5_k"] == (256, 2 + 2 + 12 + 128 + 32)
    assert sizes["q6_k"] == (256, 128 + 64 + 16 + 2)
    assert sizes["q3_k"] == (256, 32 + 64 + 12 + 2)
    assert sizes["q2_k"] == (256, 16 + 64 + 2 + 2)
    assert sizes["iq4_xs"] == (256, 2 + 2 + 4 + 128)
    assert sizes["mxfp4"] == (32, 1 + 16)
    assert sizes["nvfp4"] == (64, 4 + 32)


@given(st.data())
def test_one_changed_byte_is_an_error_or_a_model(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    """No byte of the metadata makes the reader fail otherwise."""
    content = bytearray(gguf(LLAMA, TENSORS))
    at = data.draw(st.integers(0, len(content) - 1700))
    content[at] = data.draw(st.integers(0, 255))
    path = tmp_path_factory.getbasetemp() / "changed.gguf"
    path.write_bytes(bytes(content))
    with suppress(ImportedError):
        import_gguf(path)


SAVED: Values = {
    # What llama-model-saver.cpp writes of any model, as of a Llama without the tokenizer.
    **{f"llama.{key}": ("u32", 0) for key in (
        "leading_dense_block_count", "expert_feed_forward_length", "expert_shared_feed_forward_length",
        "expert_count", "expert_used_count", "expert_shared_count", "rescale_every_n_layers",
        "time_mix_extra_dim", "time_decay_extra_dim", "attention.q_lora_rank", "attention.kv_lora_rank",
        "attention.relative_buckets_count", "attention.sliding_window", "ssm.inner_size", "ssm.conv_kernel",
        "ssm.state_size", "ssm.time_step_rank", "wkv.head_size", "rope.scaling.original_context_length",
    )},
    **{f"llama.{key}": ("f32", 0.0) for key in (
        "expert_weights_scale", "logit_scale", "attn_logit_softcapping", "final_logit_softcapping",
        "residual_scale", "embedding_scale", "attention.max_alibi_bias", "attention.clamp_kqv",
        "attention.layer_norm_epsilon", "attention.scale", "rope.scaling.factor",
        "rope.scaling.yarn_log_multiplier",
    )},
    **{f"llama.{key}": ("bool", False) for key in (
        "use_parallel_residual", "swin_norm", "ssm.dt_b_c_rms", "rope.scaling.finetuned",
    )},
    "llama.pooling_type": ("u32", 0),
    "llama.decoder_start_token_id": ("u32", 2**32 - 1),
    "llama.attention.key_length": ("u32", 128),
    "llama.attention.value_length": ("u32", 128),
    "llama.attention.causal": ("bool", True),
    "llama.rope.scaling.type": ("str", "linear"),
}  # fmt: skip
"""Its hyperparameters, which are written whatever the model has."""


def test_a_file_that_llama_cpp_saved_is_read_as_the_one_it_loaded(tmp_path: Path) -> None:
    saved = spec_of(tmp_path, {**LLAMA, **SAVED})
    assert saved == spec_of(tmp_path, LLAMA)


@pytest.mark.parametrize("key", ["attention.sliding_window", "attention.kv_lora_rank", "ssm.inner_size"])
def test_what_a_saved_file_has_is_not_taken_for_absent(tmp_path: Path, key: str) -> None:
    path = tmp_path / "model.gguf"
    path.write_bytes(gguf({**LLAMA, **SAVED, f"llama.{key}": ("u32", 64)}, TENSORS))
    assert f"llama.{key}: the reader of llama does not know this key" in refusal(path)


def test_a_split_by_layers_has_the_bytes_of_its_tensors(tmp_path: Path) -> None:
    """
    Of three layers and the head, two cards get two each; the middle layer is in q6_k.

    The embedding is in the host's memory, and rotations are on both cards.
    """
    path = tmp_path / "mixed.gguf"
    own = {"attention__head_count": 4, "feed_forward_length": 512}
    tensors = {
        "token_embd.weight": (12, [256, 4], 4 * 144),
        "rope_freqs.weight": (0, [32], 128),
        "blk.0.attn_q.weight": (12, [256, 8], 8 * 144),
        "blk.1.attn_q.weight": (14, [256, 8], 8 * 210),
        "blk.2.attn_q.weight": (12, [256, 8], 8 * 144),
        "output_norm.weight": (0, [256], 1024),
        "output.weight": (14, [256, 4], 4 * 210),
    }
    path.write_bytes(gguf(values_of("llama", blocks=3, hidden=256, **own), tensors))
    plan = kvplan.plan(path, gpu="8GB", engine="llamacpp", pp=2)
    assert plan.weights == (8 * 144 + 8 * 210 + 128, 8 * 144 + 1024 + 4 * 210 + 128)
    alone = kvplan.plan(path, gpu="8GB", engine="llamacpp")
    assert alone.weights == (2 * 8 * 144 + 8 * 210 + 1024 + 4 * 210 + 128,)


def test_given_weights_are_spread_as_parameters_are(tmp_path: Path) -> None:
    path = tmp_path / "model.gguf"
    path.write_bytes(gguf(LLAMA, TENSORS))
    given_size = kvplan.plan(path, gpu="80GB", engine="llamacpp", weights="4GB")
    assert given_size.weights != kvplan.plan(path, gpu="80GB", engine="llamacpp").weights
