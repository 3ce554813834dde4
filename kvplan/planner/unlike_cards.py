"""GPUs of several kinds in one replica: what must hold of them, and how an engine uses them unasked."""

from collections.abc import Callable, Sequence

from kvplan.errors import OptionsError, SplitError
from kvplan.gpus import Card


def require_ranks(cards: Sequence[Card], *, tp: int, pp: int, dp: int, cp: int) -> None:
    """Raise SplitError where *cards* of several kinds are not those of one replica's ranks."""
    if not cards:
        return
    if dp > 1:
        raise SplitError(
            f"dp={dp}: replicas on GPUs of several kinds hold unlike caches: plan each replica alone"
        )
    if cp > 1:
        raise SplitError(f"cp={cp} gives each GPU an equal part of a sequence: plan it on GPUs of one kind")
    if tp * pp != len(cards):
        raise SplitError(
            f"tp={tp} x pp={pp} are {tp * pp} ranks, and there are {len(cards)} GPUs of several kinds"
        )


def require_alike(engine: str, cards: Sequence[Card], laid_out: Callable[[Card], object]) -> None:
    """
    Raise OptionsError where an *engine* would lay a cache out otherwise on one of *cards* than on the first.

    Its processes choose by the card that they see, and share one layout.
    """
    for card in dict.fromkeys(cards[1:]):
        if laid_out(card) != laid_out(cards[0]):
            raise OptionsError(
                f"{engine} chooses otherwise on {card.label} than on {cards[0].label}, and what it does with "
                "both is not known: plan each alone"
            )


def how_split(engine: str, stages: Sequence[int], *, by_memory: bool) -> str:
    """Return how an engine splits layers over cards of several kinds where nobody says it."""
    sizes = ", ".join(map(str, stages))
    if by_memory:
        how = f"by the memory that is free on each GPU, {sizes} where all of it is"
        return f"{engine} splits layers {how}; --set tensor_split=3,1 gives other shares"
    return f"{engine} splits layers evenly, whatever the cards: {sizes}; --pp-layers gives others"
