"""How many tokens and sequences vLLM runs at once unless it is told."""

from kvplan.engines.base import EngineOptions
from kvplan.engines.overheads import at_once
from kvplan.engines.settings import Settings, read_settings
from kvplan.engines.vllm.exchange import usual_tokens
from kvplan.engines.vllm.settings import SETTINGS, THROUGHPUT
from kvplan.engines.vllm.shares import shares
from kvplan.engines.vllm.versions import VllmRules
from kvplan.gpus import Card


def usual(card: Card | None, rules: VllmRules, given: Settings, *, exchanges: bool) -> tuple[int, int]:
    """
    Return the tokens and the sequences of a card, an H100's if it is not known.

    Where tokens go to experts of other replicas, it may be fewer (exchange.py).
    """
    tokens, sequences = at_once(card, most_tokens=rules.most_batched_tokens)
    tokens = usual_tokens(given, rules, exchanges=exchanges) or tokens
    # performance_mode in engine/arg_utils.py of 0.19 to 0.33.
    times = 2 if given.name("performance_mode") == THROUGHPUT else 1
    return times * tokens, times * sequences


def usual_work(options: EngineOptions, rules: VllmRules) -> tuple[int, int]:
    """Return the tokens and the sequences that run at once unless told, of sequences no more than tokens."""
    given = read_settings(SETTINGS, options.settings)
    exchanges = options.has_experts and options.dp > 1 and shares(options, rules).experts > 1
    tokens, sequences = usual(options.card, rules, given, exchanges=exchanges)
    return tokens, min(sequences, options.max_num_batched_tokens or tokens)
