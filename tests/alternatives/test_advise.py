"""The smallest change that fits: each candidate is what `fit` answers, in the order of their size."""

import pytest

import kvplan
from kvplan.errors import OptionsError
from kvplan.gpus import find_card

ASKED = {"gpu": "h100-80gb", "tp": 4, "context": "32k", "batch": 64, "engine": "vllm"}


def test_each_candidate_is_what_fit_answers() -> None:
    answer = kvplan.advise("llama-3.1-70b", **ASKED)  # type: ignore[arg-type]
    assert not answer.asked.fits
    for candidate in answer.candidates:
        if candidate.of == "design":
            continue
        words = candidate.change.removeprefix("--").split(" ")
        changed = {
            name.removeprefix("--").replace("-", "_"): int(value) if value.isdigit() else value
            for name, value in zip(words[::2], words[1::2], strict=True)
        }
        fit = kvplan.fit("llama-3.1-70b", advice=False, **(ASKED | changed))  # type: ignore[arg-type]
        assert (candidate.row.fits, candidate.row.max_batch) == (fit.fits, fit.max_batch), candidate.change


def test_the_best_is_the_first_that_fits() -> None:
    answer = kvplan.advise("llama-3.1-70b", **ASKED)  # type: ignore[arg-type]
    fitting = [each for each in answer.candidates if each.row.fits]
    assert answer.best == fitting[0]
    assert answer.best.change == "--kv-dtype fp8 --tp 8"


def test_what_fits_needs_no_change() -> None:
    answer = kvplan.advise("llama-3.1-8b", gpu="h100-80gb", context="8k")
    assert answer.best is not None
    assert answer.best.row is answer.asked
    assert answer.best.change == "as it is"


def test_a_larger_card_is_the_smallest_that_fits() -> None:
    answer = kvplan.advise("llama-3.1-8b", gpu="l4-24gb", context="32k", batch=8)
    (card,) = [each for each in answer.candidates if each.of == "card"]
    assert card.row.fits
    assert card.row.gpu is not None
    assert find_card(card.row.gpu).vendor == "nvidia"
    assert find_card(card.row.gpu).total_bytes > find_card("l4-24gb").total_bytes


def test_designs_are_changed_where_they_are_asked_for() -> None:
    facts = {"gpu": "h100-80gb", "context": "32k", "batch": 64}
    plain = kvplan.advise("llama-3.1-70b", **facts)  # type: ignore[arg-type]
    designed = kvplan.advise("llama-3.1-70b", design=True, **facts)  # type: ignore[arg-type]
    assert not [each for each in plain.candidates if each.of == "design"]
    changes = [each.change for each in designed.candidates if each.of == "design"]
    assert "--gqa 4" in changes
    assert "--hybrid gated_delta_net,full_every=4" in changes
    assert "--mla 512,d_rope=64" in changes


def test_nothing_that_is_searched_may_hold_it() -> None:
    answer = kvplan.advise("deepseek-v3", gpu="l4-24gb", context="128k", batch=1000)
    assert answer.best is None
    assert repr(answer) == "<Advised deepseek-v3: nothing searched holds it>"
    assert answer.to_dict()["best"] is None


def test_a_card_is_needed() -> None:
    with pytest.raises(OptionsError, match="give a GPU"):
        kvplan.advise("llama-3.1-8b", kv_memory="10GiB")


def test_several_cards_stay_several() -> None:
    """Eight of a card are eight of a larger one, and not one."""
    answer = kvplan.advise("llama-3.1-405b", gpu="8xH100", context="32k", batch=1, engine="vllm")
    (card,) = [each for each in answer.candidates if each.of == "card"]
    assert card.change.startswith("--gpu 8x")
    assert (answer.asked.gpus, card.row.gpus) == (8, 8)
