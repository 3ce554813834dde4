"""Requests from their arrival to their end: how many steps each runs, and what it takes at each of them."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from kvplan.engines.tally import Tally
from kvplan.records import record
from kvplan.traffic.arrays import Ints


@record(eq=False)
class Lives:
    """
    Requests by a `tally`: each takes `arriving` for the first `prefill` steps, then what its tokens take.

    Shape (requests,), and (amounts, requests) of `arriving`; `steps` are all of a request's. `of` is what
    so many tokens take, shape (amounts, longest + 1).
    """

    tally: Tally
    of: Ints
    prompts: Ints
    outputs: Ints
    prefill: Ints
    arriving: Ints
    steps: Ints

    def amounts(self, places: Ints, left: Ints) -> Ints:
        """
        Return what the requests at *places* take when so many steps are *left*, the last one among them.

        Steps are counted from the end of a life, so that a request without outputs stands at its prompt.
        """
        prompts, outputs = self.prompts[places], self.outputs[places]
        now = outputs if self.tally.claim == "end" else (outputs - left + 1).clip(min=0)
        taken = self.of[:, prompts + now]
        if not self.prefill.any():
            return taken
        arrives = left > (self.steps - self.prefill)[places]
        return np.where(arrives, self.arriving[:, places], taken)


def lives_of(tally: Tally, prompts: Ints, outputs: Ints) -> Lives:
    """Return the lives of requests."""
    prefill, arriving = arrivals_of(tally, prompts)
    # The first token comes with the prefill's last step.
    rest = np.where(prefill > 0, outputs - 1, outputs).clip(min=0) + (outputs == 0)
    return Lives(
        tally=tally,
        of=amounts_of(tally, np.arange((prompts + outputs).max() + 1)),
        prompts=prompts,
        outputs=outputs,
        prefill=prefill,
        arriving=arriving,
        steps=prefill + rest,
    )


def arrivals_of(tally: Tally, prompts: Ints) -> tuple[Ints, Ints]:
    """Return the steps of a prefill, and the amounts that it takes."""
    found = tally.arrival(prompts)  # type: ignore[arg-type]  # a rule of bytes takes an axis of lengths
    return np.broadcast_to(np.asarray(found.steps), prompts.shape), stacked(found.amounts, prompts)


def amounts_of(tally: Tally, contexts: Ints) -> Ints:
    """Return what sequences of so many tokens take, shape (amounts, contexts)."""
    return stacked(tally.amounts(contexts), contexts)  # type: ignore[arg-type]  # as above


def stacked(rows: Sequence[Any], lengths: Ints) -> Ints:
    """Return amounts, of which some are the same for all *lengths*, as rows of one array."""
    return np.stack([np.broadcast_to(np.asarray(row, dtype=np.int64), lengths.shape) for row in rows])
