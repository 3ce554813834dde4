"""
What one request holds of vLLM's pool from its prompt on, step by step, where the prompt's length is known.

Charge needs no prompt and never holds less. Sources, vLLM 0.33: v1/core/kv_cache_manager.py
(allocate_slots), v1/core/sched/scheduler.py (schedule, _mamba_block_aligned_split),
v1/core/sched/async_scheduler.py, and v1/core/single_type_kv_cache_manager.py (get_num_skipped_tokens and
get_num_blocks_to_allocate of each manager).
"""

from collections.abc import Iterator, Sequence
from functools import lru_cache, partial
from itertools import chain
from math import gcd

from kvplan.engines.vllm.charges import Charge
from kvplan.engines.vllm.pages import PageSpec
from kvplan.records import record
from kvplan.units import ceil_div

Kinds = tuple[tuple[PageSpec, int], ...]
"""The page that stands for each group, once, and how many groups have it."""

Held = tuple[int, ...]
"""The blocks of one group of each kind."""


@record
class Step:
    """
    A step of one request when its blocks are there: `settled` tokens are computed, and those of `ends`.

    The last of `ends` are the tokens with those of this step, the others those of the steps before it that
    still run. `exported` is the token at whose end a prefill leaves a state beside its own, 0 without.
    """

    settled: int
    ends: Sequence[int]
    exported: int = 0


@record
class Needs:
    """Blocks that are free before a request is `admitted`, that it holds at its `worst`, and in the end."""

    admitted: Held
    worst: Held
    standing: Held


@lru_cache(maxsize=512)
def needs(charge: Charge, kinds: Kinds, prompt: int, context: int) -> Needs:
    """
    Return the blocks of a request that comes with *prompt* tokens and grows to *context*.

    Of speculative tokens those are accepted with which it holds most.
    """
    prompt = max(1, min(prompt, context - 1))
    weights = [count for _, count in kinds]
    held = partial(_held, charge, kinds, context)
    total = partial(_total, weights)
    chunks = Prompt.of(charge, kinds, prompt)
    first, *later = chunks.steps(charge)
    steps = chain([first], later, _steps_of_decode(charge, kinds, chunks, context))
    whole = tuple(_admitted(charge, kinds, spec, prompt, context) for spec, _ in kinds)
    return Needs(
        admitted=max(whole, held(first), key=total),
        worst=max(map(held, steps), key=total),
        standing=held(_last_step(charge, context)),
    )


def _total(weights: Sequence[int], held: Held) -> int:
    return sum(count * blocks for count, blocks in zip(weights, held, strict=True))


def _held(charge: Charge, kinds: Kinds, context: int, step: Step) -> Held:
    """Return the blocks of a request once those of a step are there."""
    return tuple(_blocks(charge, spec, step, context) for spec, _ in kinds)


def _blocks(charge: Charge, spec: PageSpec, step: Step, context: int) -> int:
    """
    Return the blocks of one group: drafts are written behind a step's tokens, but not beyond the context.

    With prefix caching the state at the end of a step is kept until it is settled that a later one follows,
    in one place for each block of tokens.
    """
    slots = min(step.ends[-1] + charge.lookahead_tokens, context)
    match spec.paging:
        case "state":
            if charge.states != "align":
                return 1 + charge.speculative_tokens
            kept = {(end - 1) // charge.state_block for end in (step.settled, *step.ends) if end}
            if step.exported:
                kept.add(ceil_div(step.exported, charge.state_block) - 2)
            return len(kept) + charge.speculative_tokens
        case "cross":
            return charge.blocks(spec, context)
        case "sliding" | "sliding mla":
            passed = max(0, step.settled - (spec.window or 0) + 1)
        case "chunked":
            passed = step.settled // (spec.window or 1) * (spec.window or 1)
        case "full" | "mla":
            return ceil_div(slots, spec.block_size * charge.dcp)
    return ceil_div(slots, spec.block_size) - passed // spec.block_size


def _last_step(charge: Charge, context: int) -> Step:
    """Return the step of a request that fills its context: the last token is not fed back."""
    first = max(0, context - 1 - charge.decode_tokens)
    return Step(settled=first, ends=range(first + 1, max(first + 2, context)))


def _steps_of_decode(charge: Charge, kinds: Kinds, prompt: "Prompt", context: int) -> Iterator[Step]:
    """
    Yield the steps behind a prompt: first those while chunks of it still run, then the last ones.

    Alignments repeat with the windows and the blocks, so that the last ones tell all.
    """
    step = 1 + charge.speculative_tokens
    deep = charge.decode_tokens // step
    for number in range(1, deep):
        settled, running = prompt.behind(number - deep)
        tokens = (min(prompt.tokens + step * each, context - 1) for each in range(1, number + 1))
        yield Step(settled=settled, ends=(*running, *tokens), exported=prompt.tokens if prompt.exports else 0)
    windows = max((spec.window or 0 for spec, _ in kinds), default=0)
    blocks = max((spec.block_size or charge.state_block for spec, _ in kinds), default=0)
    last = _last_step(charge, context).settled
    for settled in range(max(prompt.tokens, last - 2 * windows - 2 * blocks), last + 1):
        yield Step(settled=settled, ends=range(settled + 1, settled + charge.decode_tokens + 1))


@record
class Prompt:
    """
    A prompt of so many `tokens`: where the steps that compute it end, and whether the last exports a state.

    With prefix caching they end where a state is kept: at blocks, and at the last one that another request
    could take up (_mamba_block_aligned_split).
    """

    tokens: int
    ends: tuple[int, ...]
    exports: bool

    @classmethod
    def of(cls, charge: Charge, kinds: Kinds, tokens: int) -> "Prompt":
        """Return how a prompt is cut when no other request computes one."""
        ends, exported = [0], False
        while ends[-1] < tokens:
            start = ends[-1]
            end = min(start + charge.batched_tokens, tokens)
            if charge.states == "align":
                exported = end == tokens and _exports(charge, kinds, start, tokens)
                end = end if exported else _cut(charge, kinds, start, end, tokens)
            ends.append(end)
        return cls(tokens=tokens, ends=tuple(ends[1:]), exports=exported)

    def behind(self, number: int) -> tuple[int, tuple[int, ...]]:
        """Return what is settled once all but the last -*number* steps are, and the ends of these."""
        settled = len(self.ends) + number
        return (self.ends[settled - 1], self.ends[settled:]) if settled > 0 else (0, self.ends)

    def steps(self, charge: Charge) -> Iterator[Step]:
        """Yield the steps that compute the prompt."""
        for number in range(1, len(self.ends) + 1):
            running = max(0, number - charge.batches)
            at_last = self.exports and number == len(self.ends)
            yield Step(
                settled=self.ends[running - 1] if running else 0,
                ends=self.ends[running:number],
                exported=self.tokens if at_last else 0,
            )


def _cut(charge: Charge, kinds: Kinds, start: int, end: int, prompt: int) -> int:
    block = charge.state_block
    aligned = end // block * block
    if end < prompt and (aligned > start or block <= charge.batched_tokens):
        end = aligned
    stops = [_last_state(prompt, block), _last_state(prompt, _hashed(charge, kinds))]
    if start % block:
        stops.append(start - start % block + block)
    return min((stop for stop in stops if start < stop < end), default=end)


def _exports(charge: Charge, kinds: Kinds, start: int, prompt: int) -> bool:
    """
    Return whether the step from *start* to the end of a prompt leaves a state beside its own.

    Source: is_mamba_prefill_checkpoint_valid in v1/kv_cache_interface.py.
    """
    block, hashed = charge.state_block, _hashed(charge, kinds)
    kept = _last_state(prompt, hashed)
    return (
        all(spec.checkpoints for spec, _ in kinds if spec.paging == "state")
        and start % hashed == 0
        and ceil_div(prompt, block) - 2 > (start - 1) // block
        and start + hashed <= kept
        and (kept - start) % charge.checkpoint_alignment == 0
    )


def _last_state(prompt: int, block: int) -> int:
    """Return the last end of a block whose state another request could take up: a token must remain."""
    return (prompt - 1) // block * block


def _hashed(charge: Charge, kinds: Kinds) -> int:
    """Return the tokens by which prefixes are told apart (resolve_kv_cache_block_sizes)."""
    return gcd(*(spec.block_size or charge.state_block for spec, _ in kinds))


def _admitted(charge: Charge, kinds: Kinds, spec: PageSpec, prompt: int, context: int) -> int:
    """
    Return the blocks that must be free for a prompt before it is admitted: full_sequence_must_fit.

    The first release that asks for them does so for windows, too, whatever they will let go.
    """
    if charge.admission == "first chunk":
        return 0
    match spec.paging:
        case "state":
            beside = charge.states == "align" and _exports(charge, kinds, 0, prompt)
            return 1 + beside + charge.speculative_tokens
        case "full" | "mla":
            return ceil_div(prompt, spec.block_size * charge.dcp)
        case "cross":
            return charge.blocks(spec, context)
        case _:
            whole = ceil_div(prompt, spec.block_size)
            return whole if charge.admission == "whole prompt" else min(whole, charge.blocks(spec, context))
