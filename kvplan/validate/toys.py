"""The small models of level L1: what transformers is given, and what kvplan is told of it."""

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, Literal

from kvplan.engines.transformers.caches import Traits
from kvplan.records import record
from kvplan.specs.model import ModelSpec
from kvplan.specs.strict_yaml import read_yaml

FILE = Path(__file__).parent / "toys.yaml"

Encoder = Literal["tokens", "audio", "states"]
"""What an encoder's input is: token ids, audio features, or states that are handed over as they are."""


@record
class Toy:
    """
    One small model. `family` is the catalogue folder whose models it stands for.

    `config_class`, `model_class` and `config` are transformers' own words; `spec` and `traits` are
    kvplan's. `give_cache` says that the caller must pass the cache that the model fills. `fitted` says
    what of the expectation was made after a measurement, and is empty where nothing was. `since` is the
    first version of transformers known to do so, where an older one was seen to differ. `lengths` are
    the two prompts of L1, `device_lengths` those of L4 on a GPU: by default long enough for each tensor
    of the cache to be a block of its own.
    """

    name: str
    family: str
    config_class: str
    model_class: str
    config: Mapping[str, Any]
    spec: ModelSpec
    traits: Traits
    encoder: Encoder | None
    give_cache: bool
    lengths: tuple[int, int]
    device_lengths: tuple[int, int]
    fitted: str
    since: str


@cache
def toys() -> tuple[Toy, ...]:
    """Return all small models of toys.yaml; raise SpecError where a spec in it is wrong."""
    document: Any = read_yaml(FILE).value
    return tuple(_toy(dict(facts), document["common"]) for facts in document["toys"])


def _toy(facts: dict[str, Any], common: Mapping[str, Any]) -> Toy:
    config = dict(facts["config"]) if facts.get("bare") else {**common, **facts["config"]}
    spec = ModelSpec.model_validate(
        {
            "name": "toy",
            "source": f"toys.yaml: {facts['name']}",
            "dtype": "bfloat16",
            "max_context": 4096,
            "layers": facts["layers"],
            "attention": facts["attention"],
        }
    )
    return Toy(
        name=facts["name"],
        family=facts["family"],
        config_class=facts["class"],
        model_class=facts.get("model", "AutoModelForCausalLM"),
        config=as_lists(config),
        spec=spec,
        traits=Traits(**facts.get("traits", {})),
        encoder=facts.get("encoder"),
        give_cache=facts.get("give_cache", False),
        lengths=facts.get("lengths", (40, 72)),
        device_lengths=facts.get("device_lengths", (1024, 3072)),
        fitted=facts.get("fitted", ""),
        since=facts.get("since", ""),
    )


def as_lists(value: Any) -> Any:  # noqa: ANN401 - what a file holds
    """Return *value* with lists in place of tuples, as transformers' configurations want them."""
    if isinstance(value, Mapping):
        return {key: as_lists(item) for key, item in value.items()}
    return [as_lists(item) for item in value] if isinstance(value, tuple) else value
