"""On whose cards an engine's rules are known to hold."""

from collections.abc import Sequence

from kvplan.errors import OptionsError
from kvplan.gpus import Card, Vendor

WRITTEN: dict[Vendor, str] = {"nvidia": "NVIDIA", "amd": "AMD", "apple": "Apple", "intel": "Intel"}
"""Who makes cards, as people write it."""


def require_vendor(engine: str, card: Card | None, vendors: Sequence[Vendor]) -> None:
    """Raise OptionsError for a *card* of none of the *vendors*; one known by its size alone passes."""
    if card is None or card.vendor is None or card.vendor in vendors:
        return
    *others, last = (WRITTEN[each] for each in vendors)
    known = f"{', '.join(others)} and {last}" if others else last
    raise OptionsError(
        f"kvplan knows {engine} on cards of {known} only, not on {card.label}: "
        "choose another card, or another engine, as in --engine llamacpp"
    )
