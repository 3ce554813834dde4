"""How SGLang's memory becomes slots of recurrent states, and how much some slots need."""

from fractions import Fraction

from kvplan.records import record
from kvplan.units import ceil_div


@record
class StatePool:
    """
    The pool of states: `_handle_max_mamba_cache` in mem_cache/kv_cache_configurator.py.

    A running request holds `per_request` of its slots, of `slot_bytes` each. `fixed` is the size of the pool
    where `ratio`, its memory per memory of tokens, does not decide it. Where `drafted` tokens are verified at
    once, each of the requests that run, at most `requests`, has as many further slots.
    """

    slot_bytes: int
    per_request: int
    fixed: int | None
    ratio: Fraction
    drafted: int = 0
    requests: int = 0

    def slots(self, available_bytes: int) -> int:
        """Return the size of the pool that a memory gets, its padding apart; below 0 if it is too small."""
        if self.fixed is not None:
            return self.fixed
        share = available_bytes * self.ratio / (1 + self.ratio) / self.slot_bytes
        return int((share - 1 - self.drafted) // self._each)

    def charged(self, slots: int) -> int:
        """Return the slots that memory is kept for where *slots* are in use, padding included."""
        if not self.slot_bytes:
            return 0
        return max(slots, self.fixed or 0) + 1 + self.of_drafts(slots)

    def of_drafts(self, slots: int) -> int:
        """Return the slots of drafted tokens among those, one request's of them padding."""
        if not self.drafted:
            return 0
        pool = max(slots, self.fixed or 0)
        return self.drafted * (min(self.requests, pool // self.per_request) + 1)

    def least_bytes(self, token_bytes: int, slots: int) -> int:
        """
        Return the memory from which on *slots* and *token_bytes* are there.

        Under the ratio, memory is cut into states first; each further slot takes from the tokens what
        the share of tokens has not grown by yet, so that a little more memory may hold a little less.
        """
        if self.fixed is not None or not self.slot_bytes:
            return token_bytes + self.charged(slots) * self.slot_bytes
        least = self._comes_at(slots)
        return max(least, self._leaves(token_bytes)) if token_bytes else least

    @property
    def _each(self) -> Fraction:
        """Slots of memory that each slot of the pool takes with its part of those of drafted tokens."""
        return 1 + Fraction(self.drafted, self.per_request)

    def _comes_at(self, slots: int) -> int:
        """Return the memory at which the pool under the ratio has grown to *slots*."""
        # slot_bytes (1 + drafted + slots _each) (1 + ratio) / ratio in whole numbers, as searches ask often.
        padding, each = (1 + self.drafted) * self.per_request, self.per_request + self.drafted
        above, below = self.ratio.numerator, self.ratio.denominator
        return ceil_div(
            (padding + slots * each) * self.slot_bytes * (above + below), self.per_request * above
        )

    def _leaves(self, token_bytes: int) -> int:
        """
        Return the memory from which on the pool under the ratio leaves *token_bytes*.

        What is left is least where a slot has just come, of those that bring room for a request's drafted
        tokens; it grows from one of these to the next, and between them with each slot.
        """
        fewest = self._fewest(token_bytes)
        least = self._comes_at(fewest)
        for slots in range(fewest - 1, -1, -1):
            least = min(least, token_bytes + self.charged(slots) * self.slot_bytes)
            if least > self._comes_at(slots):
                break
            least = self._comes_at(slots)
        return least

    def _fewest(self, token_bytes: int) -> int:
        """
        Return the fewest slots, of those after which least is left, that leave *token_bytes*.

        Each step has a request's drafted tokens. Beside a slot tokens get slot_bytes / ratio, and all that
        the share of states has for drafted tokens of more requests than run.
        """
        step = self.per_request if self.drafted else 1
        padding, each = 1 + self.drafted, step + self.drafted
        above, below = self.ratio.numerator, self.ratio.denominator
        less = token_bytes - 1
        steps = ceil_div(less * above // (self.slot_bytes * below) + 1 - padding, each)
        if self.drafted and steps > self.requests:
            beyond = less * above // self.slot_bytes + 1 + self.drafted * self.requests * above
            steps = ceil_div(beyond - padding * below, each * below + self.drafted * above)
        return max(0, steps) * step
