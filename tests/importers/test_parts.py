"""Decoders that are one part of a file keep what their own class keeps, beside what the others bring."""

import json
from importlib import import_module
from typing import Any

import pytest

from kvplan.engines.transformers.caches import kept, traits_of
from kvplan.importers.config import Imported, import_values
from kvplan.validate.cachewalk import walk
from kvplan.validate.hf_models import cache_of, is_since, quiet, stage_of
from tests.importers.parameters.real_classes import installed
from tests.importers.tiny_models import LENGTHS

pytest.importorskip("torch", reason="runs small models: kvplan[validate]")

PARTS = (
    "blip",
    "blip_text_model",
    "gemma4_assistant",
    "gemma4_unified_assistant",
    "idefics",
    "moshi",
    "musicgen",
    "musicgen_melody",
    "trocr",
)
"""The types that are proven here."""

_TEXT, _CHROMA = 7, 6
_ONE_MORE = {"bos_token_id": 1, "max_position_embeddings": 64, "pad_token_id": 0, "vocab_size": 97}
_SIZES = {**_ONE_MORE, "ffn_dim": 48, "hidden_size": 64, "num_attention_heads": 4, "num_hidden_layers": 3}


def _read(config: Any, **more: Any) -> Imported:
    values = {**json.loads(config.to_json_string(use_diff=False)), **more, "dtype": "bfloat16"}
    found = import_values(values, file="config.json", name="tiny")
    assert found.spec.unread == ()
    return found


def _measured(name: str, config: Any, *, before: int = 0, rows: int = 1) -> list[int]:
    """Return the bytes that a class keeps, *before* its own tokens so many of an encoder."""
    torch, transformers = installed("torch"), installed("transformers")
    model = getattr(transformers, name)._from_config(config, dtype=torch.bfloat16).eval()
    states = torch.zeros(1, before, config.hidden_size, dtype=torch.bfloat16)
    given = {"encoder_hidden_states": states} if before else {}
    with quiet():
        caches = [cache_of(model(input_ids=torch.full((rows, length), 7), **given)) for length in LENGTHS]
    return [walk(cache).data_bytes for cache in caches]


def _predicted(found: Imported, encoder: int | None = None) -> list[int]:
    traits = traits_of(found.model_type, 1)
    stage = stage_of(found.spec, encoder)
    return [kept(stage, tokens=length, batch=1, tp=1, traits=traits) for length in LENGTHS]


@pytest.mark.filterwarnings("ignore")
def test_trocr_keeps_its_tokens_and_those_of_an_image() -> None:
    sizes = {"d_model": 64, "decoder_attention_heads": 4, "decoder_ffn_dim": 48, "decoder_layers": 3}
    config = installed("transformers").TrOCRConfig(**sizes, **_ONE_MORE)
    found = _read(config)
    assert _measured("TrOCRForCausalLM", config, before=13) == _predicted(found, 13)
    assert found.spec.attention["decoder"][1].encoder_tokens == 578  # type: ignore[attr-defined] # Cross


def _musicgen(model_type: str, **more: Any) -> tuple[Any, Imported]:
    transformers = installed("transformers")
    outer = transformers.CONFIG_MAPPING[model_type]
    decoder = transformers.CONFIG_MAPPING[f"{model_type}_decoder"](**_SIZES)
    parts = {"text_encoder": transformers.T5Config(), "audio_encoder": transformers.EncodecConfig()}
    config = outer(decoder=decoder, **parts)
    return config.decoder, _read(config, text_encoder={"model_type": "t5", "n_positions": _TEXT}, **more)


@pytest.mark.filterwarnings("ignore")
def test_musicgen_keeps_its_frames_and_the_text() -> None:
    config, found = _musicgen("musicgen")
    assert _measured("MusicgenForCausalLM", config, before=_TEXT, rows=4) == _predicted(found)
    assert "twice" in found.notes[0]


@pytest.mark.filterwarnings("ignore")
def test_musicgen_melody_keeps_melody_and_text_before_its_frames() -> None:
    config, found = _musicgen("musicgen_melody", chroma_length=_CHROMA)
    before = _CHROMA + _TEXT
    assert _measured("MusicgenMelodyForCausalLM", config, before=before, rows=4) == _predicted(found)


@pytest.mark.filterwarnings("ignore")
def test_moshi_keeps_a_window_of_its_main_decoder() -> None:
    sizes = {**_SIZES, "audio_vocab_size": 13, "head_dim": 16, "num_key_value_heads": 2, "sliding_window": 8}
    config = installed("transformers").MoshiConfig(**sizes)
    found = _read(config)
    assert _measured("MoshiForCausalLM", config) == _predicted(found)
    assert found.spec.max_context == 64
    assert "depth decoder" in found.notes[-1]


@pytest.mark.filterwarnings("ignore")
def test_blip_keeps_its_tokens_and_those_of_an_image() -> None:
    sizes = {name: value for name, value in _SIZES.items() if name != "ffn_dim"}
    config = installed("transformers").BlipTextConfig(**sizes, intermediate_size=48, encoder_hidden_size=64)
    found = _read(config)
    torch = installed("torch")
    name = "transformers.models.blip.modeling_blip_text"
    model = import_module(name).BlipTextLMHeadModel._from_config(config, dtype=torch.bfloat16).eval()
    states = torch.zeros(1, 13, 64, dtype=torch.bfloat16)
    with quiet():
        caches = [
            cache_of(
                model(input_ids=torch.full((1, length), 7), encoder_hidden_states=states, use_cache=True)
            )
            for length in LENGTHS
        ]
    assert [walk(cache).data_bytes for cache in caches] == _predicted(found, 13)
    assert found.spec.attention["decoder"][1].encoder_tokens == 577  # type: ignore[attr-defined] # Cross


@pytest.mark.filterwarnings("ignore")
def test_idefics_keeps_its_text_alone() -> None:
    torch, transformers = installed("torch"), installed("transformers")
    sizes = {name: value for name, value in _SIZES.items() if name != "ffn_dim"}
    config = transformers.IdeficsConfig(
        **sizes, intermediate_size=48, vision_config={"embed_dim": 32, "num_hidden_layers": 1}
    )
    found = _read(config)
    model = transformers.IdeficsModel._from_config(config, dtype=torch.bfloat16).eval()
    image = torch.zeros(1, 1, 5, 32, dtype=torch.bfloat16)
    sizes_seen = []
    for length in LENGTHS:
        seen = torch.ones(1, length, 1)
        tokens = torch.full((1, length), 7)
        with quiet():
            told = model(input_ids=tokens, image_encoder_embeddings=image, image_attention_mask=seen)
        sizes_seen.append(walk(cache_of(told)).data_bytes)
    assert sizes_seen == _predicted(found)


@pytest.mark.parametrize("model_type", ["gemma4_assistant", "gemma4_unified_assistant"])
def test_an_assistant_of_gemma_4_keeps_nothing_of_its_own(model_type: str) -> None:
    transformers = installed("transformers")
    if not is_since("5.24"):
        pytest.skip(f"the installed transformers builds no {model_type}")
    text: dict[str, Any] = {**_SIZES, "head_dim": 16, "num_key_value_heads": 2, "sliding_window": 8}
    text |= {"layer_types": [*["sliding_attention"] * 2, "full_attention"], "intermediate_size": 48}
    text |= {"hidden_size_per_layer_input": 0, "vocab_size_per_layer_input": 0, "num_kv_shared_layers": 3}
    inner = transformers.CONFIG_MAPPING[model_type.replace("assistant", "text")]
    config = transformers.CONFIG_MAPPING[model_type](text_config=inner(**text), backbone_hidden_size=32)
    found = _read(config)
    assert _predicted(found) == [0, 0]
    assert [cache_of(_assisted(config, length)) for length in LENGTHS] == [None, None]
    assert "reads the cache of the model that it drafts for" in found.notes[0]


def _assisted(config: Any, length: int) -> Any:
    """Return what an assistant's class returns, with a target's cache of so many tokens."""
    torch, transformers = installed("torch"), installed("transformers")
    name = type(config).__name__.replace("Config", "ForCausalLM")
    model = getattr(transformers, name)._from_config(config, dtype=torch.bfloat16).eval()
    target = {}
    for layer, kind in zip(model.model.layers, config.text_config.layer_types, strict=True):
        rows = torch.zeros(1, 2, length, layer.self_attn.head_dim, dtype=torch.bfloat16)
        target[kind] = (rows, rows)
    with quiet():
        return model(
            inputs_embeds=torch.zeros(1, 1, 2 * config.backbone_hidden_size, dtype=torch.bfloat16),
            shared_kv_states=target,
            position_ids=torch.tensor([[length]]),
        )
