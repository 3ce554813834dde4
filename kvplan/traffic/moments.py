"""What a running sequence takes at a random moment of its life, and how likely: what sums are made of."""

import numpy as np

from kvplan.engines.tally import Tally
from kvplan.records import record
from kvplan.traffic.arrays import Floats, Ints
from kvplan.traffic.lives import amounts_of, arrivals_of, lives_of, stacked
from kvplan.traffic.requests import Traffic, TrafficError

_DRAWN = 2**17
"""Requests of which some moment is drawn, where their prompts decide what is shared."""


@record
class Sharing:
    """
    What sequences share, and an engine stores once.

    A share `hits` of all requests begins with the same `prefix` tokens. Each request is answered by `samples`
    sequences, of one prompt.
    """

    prefix: int = 0
    hits: float = 0.0
    samples: int = 1

    @property
    def is_nothing(self) -> bool:
        """Whether each sequence has all of its tokens for itself."""
        return self.samples == 1 and not (self.prefix and self.hits)


ALONE = Sharing()


@record(eq=False)
class Moments:
    """
    What a request takes of each thing that is shared out, and how likely: columns of `amounts`, and `shares`.

    `once` is taken beside all requests together: a prefix that is stored once.
    """

    amounts: Ints
    shares: Floats
    once: Ints

    @property
    def mean(self) -> Floats:
        """The mean of each amount, shape (amounts,)."""
        mean: Floats = self.amounts @ self.shares
        return mean

    @property
    def most(self) -> Ints:
        """The largest of each amount, shape (amounts,)."""
        most: Ints = self.amounts.max(axis=1)
        return most


def moments_of(traffic: Traffic, tally: Tally, sharing: Sharing, seed: int) -> Moments:
    """
    Return what a running request takes by a tally.

    By the exact probabilities of lengths where nothing is shared; else by moments of drawn requests.
    Raises TrafficError where the engine shares nothing.
    """
    if sharing.is_nothing:
        return _of_lengths(traffic, tally)
    prompts, amounts = _drawn(traffic, tally, np.random.default_rng(seed))
    amounts = sharing.samples * amounts
    if sharing.samples > 1:
        amounts -= (sharing.samples - 1) * shared_of(tally, prompts, "samples of one prompt")
    if not (sharing.prefix and sharing.hits):
        return _joined(amounts, np.ones(len(prompts)))
    prefix = shared_of(tally, np.array([sharing.prefix]), "a prefix")
    begins, hit = prompts > sharing.prefix, hit_of(traffic, sharing)
    both = np.concatenate([amounts, amounts - prefix], axis=1)
    shares = np.concatenate([np.where(begins, 1 - hit, 1.0), np.where(begins, hit, 0.0)])
    return _joined(both, shares, once=prefix[:, 0])


def hit_of(traffic: Traffic, sharing: Sharing) -> float:
    """Return the share of the requests with prompts beyond the prefix that begin with it."""
    longer = float(traffic.pmf("prompt")[sharing.prefix + 1 :].sum())
    if sharing.hits > longer:
        raise TrafficError(
            f"{sharing.hits:.1%} of the requests cannot begin with a prefix of {sharing.prefix:,} tokens: "
            f"{longer:.1%} have a longer prompt"
        )
    return sharing.hits / longer


def longest_of(traffic: Traffic, tally: Tally) -> Ints:
    """Return the most of each amount that a sequence takes once it is prefilled, shape (amounts,)."""
    lengths = traffic.living() if tally.claim == "now" else traffic.living_final()
    most: Ints = amounts_of(tally, np.flatnonzero(lengths)).max(axis=1)
    return most


def _of_lengths(traffic: Traffic, tally: Tally) -> Moments:
    """Return what a sequence takes by the probabilities of its lengths, and of its prompt at first."""
    lengths = traffic.living() if tally.claim == "now" else traffic.living_final()
    contexts = np.flatnonzero(lengths)
    amounts, weights = amounts_of(tally, contexts), traffic.mean_life * lengths[contexts]
    prompts = np.flatnonzero(traffic.pmf("prompt"))
    steps, arriving = arrivals_of(tally, prompts)
    if not steps.any():
        return _joined(amounts, weights)
    here = traffic.pmf("prompt")[prompts] * steps
    weights = (weights - _first_steps(traffic)[contexts]).clip(min=0.0)
    return _joined(np.concatenate([amounts, arriving], axis=1), np.concatenate([weights, here]))


def _first_steps(traffic: Traffic) -> Floats:
    """Return how often a sequence has its first token, by lengths: that is a step of its prefill, too."""
    generates = 1 - float(traffic.pmf("output")[0])
    prompts, first = traffic.pmf("prompt"), np.zeros(traffic.longest + 2)
    first[1 : prompts.size + 1] = generates * prompts
    return first


def _drawn(traffic: Traffic, tally: Tally, rng: np.random.Generator) -> tuple[Ints, Ints]:
    """Return prompts and amounts of sequences that run: a request counts by the steps of its life."""
    lives = lives_of(tally, *traffic.draw(rng, _DRAWN))
    ends = np.cumsum(lives.steps)
    moments = rng.integers(0, ends[-1], _DRAWN)
    drawn = np.searchsorted(ends, moments, side="right")
    return lives.prompts[drawn], lives.amounts(drawn, ends[drawn] - moments)


def shared_of(tally: Tally, tokens: Ints, what: str) -> Ints:
    """Return the amounts of shared *tokens*; raise TrafficError if the engine does not store *what* once."""
    found = tally.shared(tokens)  # type: ignore[arg-type]  # a rule of bytes takes an axis of lengths
    if found is None:
        raise TrafficError(f"this engine is not known to store {what} once: leave it out")
    return stacked(found, tokens)


def _joined(amounts: Ints, weights: Floats, once: Ints | None = None) -> Moments:
    """Return equal amounts once, with all of their weight."""
    distinct, places = np.unique(amounts, axis=1, return_inverse=True)
    shares = np.bincount(places.ravel(), weights=weights, minlength=distinct.shape[1])
    once = np.zeros(len(amounts), dtype=np.int64) if once is None else once
    return Moments(amounts=distinct, shares=shares / shares.sum(), once=once)
