"""The published models of level L2 at full size: what transformers is given for each."""

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from kvplan.records import record
from kvplan.specs.strict_yaml import read_yaml
from kvplan.validate.toys import as_lists

FILE = Path(__file__).parent / "full_models.yaml"


@record
class FullModel:
    """
    One published model: its catalogue name, and transformers' class and configuration of it.

    An empty `config` is the class's own defaults, where they are this model's. `lengths` are the two
    prompts; they are short where the class loops over tokens without its kernels. `device_lengths` are
    those of L4 on a GPU, shorter where the class needs more memory than a card has. For `give_cache`
    and `since` see Toy.
    """

    model: str
    config_class: str
    config: Mapping[str, Any]
    lengths: tuple[int, int]
    device_lengths: tuple[int, int]
    give_cache: bool
    since: str


@cache
def full_models() -> tuple[FullModel, ...]:
    """Return all models of full_models.yaml."""
    document: Any = read_yaml(FILE).value
    usual = document["lengths"]
    return tuple(
        FullModel(
            model=facts["model"],
            config_class=facts["class"],
            config={key: _unrolled(value) for key, value in facts["config"].items()},
            lengths=facts.get("lengths", usual),
            device_lengths=facts.get("device_lengths", facts.get("lengths", usual)),
            give_cache=facts.get("give_cache", False),
            since=facts.get("since", ""),
        )
        for facts in document["models"]
    )


def _unrolled(value: Any) -> Any:  # noqa: ANN401 - what a file holds
    """Return a list for `{repeat: 2, pattern: [a, b]}`, and other values as transformers wants them."""
    if isinstance(value, Mapping) and set(value) == {"repeat", "pattern"}:
        return list(value["pattern"]) * int(value["repeat"])
    return as_lists(value)
