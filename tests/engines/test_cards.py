"""Engines whose rules were read for the cards of some vendors only."""

import pytest

import kvplan
from kvplan.errors import OptionsError


@pytest.mark.parametrize(
    ("engine", "gpu", "vendors"),
    [
        ("vllm", "m3-max-128gb", "NVIDIA, AMD and Intel"),
        ("sglang", "m2-ultra-192gb", "NVIDIA, AMD and Intel"),
        ("trtllm", "m3-max-128gb", "NVIDIA"),
        ("trtllm", "mi300x", "NVIDIA"),
    ],
)
def test_a_card_that_an_engine_does_not_run_on_is_refused(engine: str, gpu: str, vendors: str) -> None:
    with pytest.raises(OptionsError, match=f"on cards of {vendors} only, not on "):
        kvplan.fit("llama-3.1-8b", engine=engine, gpu=gpu, context=8192)


@pytest.mark.parametrize(
    ("engine", "gpu"),
    [("vllm", "mi300x"), ("sglang", "mi300x"), ("llamacpp", "m3-max-128gb"), ("trtllm", "80GB")],
)
def test_other_cards_are_planned(engine: str, gpu: str) -> None:
    assert kvplan.fit("llama-3.1-8b", engine=engine, gpu=gpu, context=8192).max_batch
