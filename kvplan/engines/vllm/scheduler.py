"""
How many requests of one length vLLM's scheduler keeps resident, where their prompts' length is known.

Layout.reserved_bytes needs no prompt and never promises more. Sources, vLLM 0.33:
v1/core/kv_cache_manager.py (can_fit_full_sequence, allocate_slots), v1/core/sched/scheduler.py, and
v1/core/single_type_kv_cache_manager.py (get_num_skipped_tokens of each manager).
"""

from kvplan.engines.vllm.charges import Charge
from kvplan.engines.vllm.pages import PageSpec
from kvplan.engines.vllm.pool import Pool
from kvplan.units import ceil_div


def resident(pool: Pool, prompt: int) -> int | None:
    """
    Return how many requests stand at full length together when each comes with *prompt* tokens.

    They have the pool's context when they are done, and come one by one. None if they take no blocks.
    Equal to the scheduler's own answer in 328 of 330 jobs, and one too many in two of a model of states
    alone with prefix caching.
    """
    context, charge = pool.context, pool.layout.charge
    specs = [group.spec for group in pool.layout.groups]
    last = context - 2  # The last token is not fed back, and positions count from 0.
    block = pool.layout.block_size
    steady = sum(_decoding(charge, spec, last, block) for spec in specs)
    if not steady:
        return None
    admitted = sum(_admitted(charge, spec, prompt, context) for spec in specs)
    # A step that is scheduled ahead adds its token before anything of the prompt is given back.
    ahead = sum(_admitted(charge, spec, prompt + charge.decode_tokens - 1, context) for spec in specs)
    worst = max(ahead, sum(_worst(charge, spec, prompt, last, block) for spec in specs))
    usable = pool.usable_blocks
    kept_free = int(pool.layout.options.watermark * pool.num_blocks)
    if max(worst, admitted) > usable:
        return 0
    if admitted + kept_free > usable:
        return 1  # The watermark holds back those that wait while others run.
    return min(usable // steady, 1 + (usable - max(worst, admitted + kept_free)) // steady)


def _decoding(charge: Charge, spec: PageSpec, position: int, state_block: int) -> int:
    """
    Return the blocks of a request that decodes, while the token of a position is computed.

    With prefix caching a state is kept at the end of each *state_block*, while the next is begun.
    """
    behind = charge.decode_tokens - 1
    match spec.paging:
        case "state":
            crosses = charge.states == "align" and position >= state_block
            return 2 if crosses and position % state_block <= behind else 1
        case "cross":
            return charge.blocks(spec, position)
        case "sliding" | "sliding mla":
            first = max(0, position - behind - (spec.window or 0) + 1)
        case "chunked":
            window = spec.window or 1
            first = max(0, position - behind) // window * window
        case "full" | "mla":
            first = 0
    return position // spec.block_size - first // spec.block_size + 1


def _admitted(charge: Charge, spec: PageSpec, prompt: int, context: int) -> int:
    """Return the blocks that must be free for a prompt before it is admitted: can_fit_full_sequence."""
    if spec.paging == "state":
        return 1
    whole = ceil_div(prompt, spec.block_size) if spec.block_size else 0
    return min(whole, charge.blocks(spec, context))


def _worst(charge: Charge, spec: PageSpec, prompt: int, last: int, state_block: int) -> int:
    """Return the most blocks of a request that decodes from the end of its prompt on."""
    if spec.paging == "state":
        if charge.states != "align" or last < state_block:
            return 1
        return 2
    # Alignments repeat with the window and the block.
    first = max(prompt, last - 2 * (spec.window or 0) - 2 * spec.block_size)
    positions = range(first, last + 1)
    return max((_decoding(charge, spec, position, state_block) for position in positions), default=0)
