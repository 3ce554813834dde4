"""Prefill and decode on one instance."""

import pytest

import kvplan


def test_requests_per_second_by_littles_law() -> None:
    """64 sequences, each for 0.5 s of prefill and 100 tokens of 20 ms: 25.6 requests a second."""
    answer = kvplan.bounds(
        "llama-3.1-8b", gpu="h100-80gb", context="1k", output=100, batch=64, tpot="20ms", prefill_time="500ms"
    )
    assert answer.requests_per_second == 25.6
    assert answer.tokens_per_second == 3_200
    assert answer.fits is True


def test_all_that_fit_decode_unless_a_number_is_asked_for() -> None:
    answer = kvplan.bounds("llama-3.1-8b", gpu="h100-80gb", context="8k", output=512)
    assert answer.held == kvplan.fit("llama-3.1-8b", gpu="h100-80gb", context=8_192 + 512).max_batch
    assert answer.decode is not None
    assert answer.held is not None
    assert answer.prefill_seconds is not None
    assert answer.tpot_seconds == answer.decode.seconds
    assert answer.requests_per_second == answer.held / (answer.prefill_seconds + 512 * answer.decode.seconds)


def test_more_than_fit_is_told() -> None:
    assert kvplan.bounds("llama-3.1-8b", gpu="h100-80gb", context="8k", batch=1_000).fits is False


@pytest.mark.parametrize("model", ["llama-3.1-8b", "deepseek-v3"])
def test_a_given_bandwidth_stands_for_the_cards(model: str) -> None:
    """Twice the bandwidth, half the time."""
    half, whole = (
        kvplan.bounds(model, gpu="h200-141gb", tp=8, context="4k", batch=8, bandwidth=each)
        for each in ("2.4TB/s", "4.8TB/s")
    )
    assert half.tpot_seconds == 2 * (whole.tpot_seconds or 0.0)
    assert whole.tpot_seconds == kvplan.bounds(model, gpu="h200", tp=8, context="4k", batch=8).tpot_seconds
