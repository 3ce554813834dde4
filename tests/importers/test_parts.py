"""Decoders that are one part of a file keep what their own class keeps, beside what the others bring."""

import json
from typing import Any

import pytest

from kvplan.engines.transformers.caches import kept, traits_of
from kvplan.importers.config import Imported, import_values
from kvplan.validate.cachewalk import walk
from kvplan.validate.hf_models import cache_of, quiet, stage_of
from tests.importers.parameters.real_classes import installed
from tests.importers.tiny_models import LENGTHS

pytest.importorskip("torch", reason="runs small models: kvplan[validate]")

PARTS = ("moshi", "musicgen", "musicgen_melody", "trocr")
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
