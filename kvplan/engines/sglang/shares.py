"""Over how many ranks SGLang cuts each part of a model's weights."""

from kvplan.engines.base import EngineOptions
from kvplan.engines.settings import Settings, read_settings
from kvplan.engines.sglang.errors import OptionsError
from kvplan.engines.sglang.options import BY_TOKENS, SETTINGS
from kvplan.engines.sglang.traits import traits_of
from kvplan.engines.shares import Shares, over_tp, together


def shares(options: EngineOptions) -> Shares:
    """
    Return the shares of the ranks of a replica; with attention data parallelism of all of them together.

    Then tp are the ranks of one sequence, SGLang's tp_size is tp x dp, and all but attention and embedding is
    cut over tp_size: models/deepseek_v2.py and layers/vocab_parallel_embedding.py of SGLang 0.5.23.
    """
    given = read_settings(SETTINGS, options.settings)
    attention = has_dp_attention(options)
    if not attention:
        _refuse_without(given)
    ranks = options.tp * options.dp if attention else options.tp
    ep = _ep_size(options, given, ranks)
    # Placed over all ranks of a group, copies beside the rest: eplb/expert_location.py.
    spare = given.count("ep_num_redundant_experts") or 0
    if not attention:
        found = over_tp(options)._replace(expert=ranks // ep, experts=ep, spare=spare)
        if traits_of(options.architecture).whole_embedding:
            found = found._replace(embedding=1, tower=options.tp)
        return _by_tokens(found, given)
    found = together(options, ep)._replace(dense=ranks, shared=ranks, head=ranks, spare=spare)
    if given.count("moe_dense_tp_size") == 1:
        found = found._replace(dense=1)
    if given.flag("enable_dp_lm_head"):
        found = found._replace(head=options.tp)
    return _by_tokens(found, given)


def has_dp_attention(options: EngineOptions) -> bool:
    """Return whether the dp replicas run as one group of ranks, each attending for sequences of its own."""
    return read_settings(SETTINGS, options.settings).flag("enable_dp_attention") is True


def _by_tokens(found: Shares, given: Settings) -> Shares:
    """Return shares where shared experts are whole, if tokens are sent so: _shared_expert_use_tp1."""
    return found._replace(shared=1) if given.name("moe_a2a_backend") in BY_TOKENS else found


def _ep_size(options: EngineOptions, given: Settings, ranks: int) -> int:
    """Return over how many ranks whole experts are dealt out, a divisor: arg_groups/parallel_hook.py."""
    asked = given.count("ep_size")
    if asked is not None and options.ep not in (1, asked):
        raise OptionsError(f"ep={options.ep} and ep_size={asked} say the same: give one of them")
    ep = asked or options.ep
    if given.name("moe_a2a_backend") in BY_TOKENS:
        return ranks
    if ranks % ep:
        raise OptionsError(f"ep_size={ep} does not divide tp={ranks}: SGLang takes 1, {ranks} or a divisor")
    return ep


def _refuse_without(given: Settings) -> None:
    """Raise OptionsError for what goes with attention data parallelism alone."""
    for name in ("moe_dense_tp_size", "enable_dp_lm_head"):
        if name in given.values and given.flag(name) is not False:
            raise OptionsError(f"{name} goes with enable_dp_attention alone: give that, or leave it out")
