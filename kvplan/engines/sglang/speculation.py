"""How far SGLang goes when it drafts, or guesses, tokens: what it verifies, and what it places meanwhile."""

from kvplan.engines.base import EngineOptions
from kvplan.engines.settings import Setting, Settings
from kvplan.engines.sglang.errors import OptionsError
from kvplan.records import record
from kvplan.units import ceil_div

ALGORITHM, _NGRAM = "speculative_algorithm", "NGRAM"
"""What guesses, and its one choice: a draft says for itself what it is."""
_VERIFIED, _STEPS = "speculative_num_draft_tokens", "speculative_num_steps"
_BRANCHES, _BREADTH = "speculative_eagle_topk", "speculative_ngram_max_bfs_breadth"

SETTINGS = (
    Setting(
        name=ALGORITHM,
        kind="name",
        help="NGRAM guesses tokens from the text, without a draft",
        choices=(_NGRAM,),
    ),
    Setting(
        name=_VERIFIED,
        kind="count",
        help="tokens that are drafted to verify at once, with a state for each: 4; NGRAM: 12",
    ),
    Setting(name=_STEPS, kind="count", help="tokens that a draft goes on: 3"),
    Setting(name=_BRANCHES, kind="count", help="guesses that a draft follows at each: 1"),
    Setting(name=_BREADTH, kind="count", help="the same of NGRAM: 10"),
)
"""Options of speculation (arg_groups/fields/spec.py of SGLang 0.5.23)."""

CHOSEN = (_VERIFIED, _STEPS)
"""Those that say how many tokens are verified."""

REQUESTS = 48
"""Requests that run at once unless told, whatever drafts: arg_groups/speculative_hook.py."""

_USUAL_DRAFT = 4
"""Tokens verified, for all classes with states: _auto_choose_speculative_params there."""
_DFLASH, _USUAL_BLOCK = "dflash", 16
"""Those of DFlash whose config says none: _handle_dflash there."""
_USUAL_GUESS, _USUAL_BREADTH = 12, 10
"""Those of NGRAM, and its branches: _handle_ngram there, and arg_groups/fields/spec.py."""
_LEAST_DRAFT = 2
"""A token and its draft."""


@record
class Speculation:
    """
    What is verified at once for a request: `tokens`, of `steps` along each of `branches`.

    NGRAM, which `guesses`, keeps no rows of its own for them.
    """

    tokens: int
    steps: int
    branches: int
    guesses: bool = False

    def placed_tokens(self, page: int, *, overlaps: bool) -> int:
        """
        Return the tokens for which a running request has places ahead of those that it holds.

        Twice a decoding's while a batch is in flight. Sources: compute_swa_request_cap in
        model_executor/pool_configurator.py, spec_decode_alloc_len_per_request in utils/common.py.
        """
        if overlaps:
            return 2 * self._each(page)
        branch, tokens = (ceil_div(count, page) * page for count in (self.steps, self.tokens))
        if page > 1 and self.branches > 1:
            branch = ceil_div(self.steps + page, page) * page
        return max(branch * self.branches, tokens)

    def longer_tokens(self, page: int) -> int:
        """Return how much longer a request's row of the table is: get_req_to_token_extra_context_len."""
        return 4 + self.tokens if page == 1 else max(4 + self.tokens, 2 * self._each(page) + page - 1)

    def _each(self, page: int) -> int:
        """Return what one decoding places: get_alloc_len_per_decode in mem_cache/allocation_sizing.py."""
        if page == 1 or self.branches == 1 or self.guesses:
            return max(self.steps * self.branches, self.tokens)
        # Each branch lies on pages of its own, the first and the last of them not full.
        pages = (2 * (page - 1) + self.steps) // page
        return max(pages * page * self.branches, self.tokens)


def read_speculation(options: EngineOptions, given: Settings) -> Speculation | None:
    """
    Return how far is drafted or guessed, None where neither is.

    Raises OptionsError for settings that SGLang does not take, or that go with what is not asked for.
    """
    guesses = given.name(ALGORITHM) == _NGRAM
    if options.draft is None and not guesses:
        for name in (_VERIFIED, _STEPS, _BRANCHES, _BREADTH):
            if name in given.values:
                raise OptionsError(f"{name} goes with a draft: give --draft too")
        return None
    if guesses:
        found = _guessing(options, given)
    elif options.draft is not None and options.draft.architecture == _DFLASH:
        # It drafts a block in one step, whatever is asked.
        block = given.count(_VERIFIED) or options.draft.at_once or _USUAL_BLOCK
        found = Speculation(tokens=block, steps=1, branches=1)
    else:
        found = _drafting(given)
    if found.tokens < _LEAST_DRAFT:
        raise OptionsError(f"{_VERIFIED}={found.tokens} is not at least {_LEAST_DRAFT}")
    return found


def follows_one_branch(options: EngineOptions) -> bool:
    """
    Return whether SGLang knows, as it chooses its kernels, that no tree of tokens is drafted.

    How far a draft goes is not chosen by then: it is one branch if options say so, or DFlash's block.
    Source: get_default_attn_backend in arg_groups/model_override_base.py.
    """
    if options.draft is None or options.draft.architecture == _DFLASH:
        return ALGORITHM not in options.settings
    told = any(name in options.settings for name in (*CHOSEN, _BRANCHES))
    return told and options.settings.get(_BRANCHES, "1") == "1"


def _guessing(options: EngineOptions, given: Settings) -> Speculation:
    """Return what NGRAM guesses: _handle_ngram."""
    if options.draft is not None:
        raise OptionsError(f"{ALGORITHM}={_NGRAM} goes without a draft: leave one of them out")
    if given.flag("enable_dp_attention") and options.dp > 1:
        raise OptionsError(f"{ALGORITHM}={_NGRAM} goes without enable_dp_attention: SGLang refuses both")
    tokens, branches = given.count(_VERIFIED) or _USUAL_GUESS, given.count(_BREADTH) or _USUAL_BREADTH
    steps = given.count(_STEPS) or max(1, tokens // branches)
    return Speculation(tokens=tokens, steps=steps, branches=branches, guesses=True)


def _drafting(given: Settings) -> Speculation:
    """Return how far a draft goes: along one branch it verifies a token more (_handle_eagle_family)."""
    steps, tokens, branches = given.count(_STEPS), given.count(_VERIFIED), given.count(_BRANCHES) or 1
    if branches == 1:
        tokens = tokens or _USUAL_DRAFT if steps is None else steps + 1
        return Speculation(tokens=tokens, steps=max(1, tokens - 1), branches=1)
    if steps is None or tokens is None:
        raise OptionsError(f"{_BRANCHES}={branches} goes with {_STEPS} and {_VERIFIED}: give them too")
    return Speculation(tokens=tokens, steps=steps, branches=branches)
