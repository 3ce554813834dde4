"""Public traces restated as quantiles: against figures of the traces, published and recomputed."""

import re

import numpy as np
import pytest

import kvplan
from kvplan.traffic.presets import preset, preset_names
from kvplan.traffic.requests import Of

PUBLISHED: dict[tuple[str, Of], dict[str, float]] = {
    # Azure/AzurePublicDataset: counted in the two files of 2023.
    ("azure-code-2023", "prompt"): {"p50": 1469, "p99": 7436},
    ("azure-code-2023", "output"): {"p50": 13},
    ("azure-conv-2023", "prompt"): {"p50": 1020, "p99": 4142},
    ("azure-conv-2023", "output"): {"p50": 129},
    # kvcache-ai/Mooncake, FAST25-release/README.md, "Workloads": the means, without their decimals.
    ("mooncake-conversation", "prompt"): {"mean": 12035, "p99": 85401},
    ("mooncake-conversation", "output"): {"mean": 343},
    ("mooncake-synthetic", "prompt"): {"mean": 15325},
    ("mooncake-synthetic", "output"): {"mean": 149},
}
REQUESTS = {
    "azure-code-2023": 8819,
    "azure-conv-2023": 19366,
    "mooncake-conversation": 12031,
    "mooncake-synthetic": 3993,
}


@pytest.mark.parametrize(("name", "of"), PUBLISHED)
def test_what_was_observed_is_what_was_published(name: str, of: Of) -> None:
    observed = preset(name).observed[of]
    assert {figure: round(observed[figure]) for figure in PUBLISHED[name, of]} == PUBLISHED[name, of]


@pytest.mark.parametrize("name", preset_names())
def test_a_preset_has_its_traces_figures(name: str) -> None:
    """Prompts' are points of it, and the rest is near: a running sequence's mean within a hundredth."""
    traffic, observed = kvplan.read_traffic(name), preset(name).observed
    for figure, share in (("p50", 0.5), ("p99", 0.99), ("max", 1)):
        assert traffic.quantile("prompt", share) == observed["prompt"][figure]
        assert traffic.quantile("output", share) == pytest.approx(observed["output"][figure], rel=0.03)
    assert traffic.quantile("output", 1) == observed["output"]["max"]
    assert observed["total"]["max"] <= traffic.longest < observed["total"]["max"] * 1.03
    living = traffic.living()
    means = {
        "prompt": traffic.mean_prompt,
        "output": traffic.mean_output,
        "living": living @ np.arange(living.size),
    }
    assert means == pytest.approx({of: observed[of]["mean"] for of in means}, rel=0.01)
    assert np.searchsorted(np.cumsum(living), 0.99) == pytest.approx(observed["living"]["p99"], rel=0.01)


def test_each_preset_says_where_it_is_from() -> None:
    for name in preset_names():
        traffic = kvplan.read_traffic(name)
        assert traffic.words.startswith(f"{name} (")
        assert traffic.requests == REQUESTS[name]
        (note,) = traffic.notes
        assert re.search(r"https://github.com/\S+/[0-9a-f]{40}/\S+, (CC-BY-4.0|Apache-2.0): ", note)
    assert preset_names() == sorted(REQUESTS)


def test_a_preset_of_no_such_name_is_refused() -> None:
    with pytest.raises(kvplan.KvplanError, match=re.escape("(did you mean 'azure-conv-2023'")):
        kvplan.read_traffic("azure-conv-2032")
    with pytest.raises(kvplan.KvplanError, match="no traffic is called 'x': there are azure-code-2023"):
        preset("x")
    with pytest.raises(kvplan.KvplanError, match="has outputs of its own"):
        kvplan.read_traffic("azure-conv-2023", "fixed:3")
