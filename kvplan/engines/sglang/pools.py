"""How a memory becomes SGLang's pools of tokens, windows and states, and how much some requests need."""

from dataclasses import field
from fractions import Fraction

from kvplan.engines.sglang.cells import Cells, Rank
from kvplan.engines.sglang.errors import NoRoomError
from kvplan.engines.sglang.options import SglangOptions
from kvplan.engines.sglang.states import StatePool
from kvplan.engines.sglang.versions import SglangRules
from kvplan.loads import Load, sequences_in
from kvplan.records import record
from kvplan.units import MAX_BYTES, ceil_div, counted, format_gib


@record
class Pools:
    """
    What SGLang prints when it starts.

    `tokens` is max_total_num_tokens and `requests` max_running_requests; `window_tokens` is the size of
    the pool of windows and `slots` max_mamba_cache_size, None where there is no such pool.
    """

    tokens: int
    window_tokens: int | None
    slots: int | None
    requests: int


@record
class Demand:
    """
    What requests hold at once, in whole pages: tokens, tokens of windows, and slots of states.

    `logical_tokens` are those of the requests, also where no layer keeps a row for them.
    """

    logical_tokens: int
    tokens: int
    window_tokens: int
    slots: int


@record
class Sizing:
    """
    The rules by which pools are sized; file names are relative to SGLang's `srt`.

    `window_cap` is the size of the pool of windows where the requests that run decide it
    (SWARequestCapPoolConfigurator).
    """

    cells: Cells
    options: SglangOptions
    rules: SglangRules
    page: int
    states: StatePool
    window_cap: int | None
    _cells: dict[Rank, Fraction] = field(init=False, repr=False, compare=False)
    _tightest: tuple[Rank, ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        # Every search divides by these, once for all stages that are alike.
        cells = {rank: self._cell(rank) for rank in self.cells.ranks}
        object.__setattr__(self, "_cells", cells)
        # Without a fixed pool beside the tokens, the rank with the largest cell needs most for any number.
        alone = self.window_cap is None
        object.__setattr__(self, "_tightest", (max(cells, key=cells.__getitem__),) if alone else tuple(cells))

    @property
    def slots_per_request(self) -> int:
        """What a running request holds of the pool of states."""
        return self.states.per_request

    @property
    def fixed_slots(self) -> int | None:
        """The size of the pool of states where no ratio decides it."""
        return self.states.fixed

    def demand(self, load: Load) -> Demand:
        """Return what requests hold at once, in the middle of a prefill too."""
        logical = sum(batch * self.paged(context) for context, batch in load)
        tokens = logical if self.cells.has_tokens else 0
        return Demand(
            logical_tokens=logical,
            tokens=tokens,
            window_tokens=self._window_demand(tokens, load),
            slots=sequences_in(load) * self.slots_per_request,
        )

    def _window_demand(self, tokens: int, load: Load) -> int:
        """
        Return the tokens of the pool of windows that requests of *tokens* tokens hold, each at most once.

        At worst a request keeps its window, the tokens that await eviction, and a page at either end or
        places for drafted tokens, and the chunks of prefill in flight come on top (compute_swa_request_cap).
        The pool must exceed a window and a page (validate_swa_pool_size). Some classes count a window without
        the newest token (get_attention_sliding_window_size); they hold one token less.
        """
        window = self.cells.window
        if window is None or not sequences_in(load):
            return 0
        most = self.most_of_a_window(window)
        held = sum(batch * min(self.paged(context), most) for context, batch in load)
        held = min(tokens, held + self.chunk_tokens)
        return self.paged(max(held, window + self.page + 1))

    def most_window_tokens(self, window: int, batch: int) -> int:
        """Return the tokens of windows that *batch* requests hold at worst (compute_swa_request_cap)."""
        return batch * self.most_of_a_window(window) + self.chunk_tokens

    def most_of_a_window(self, window: int) -> int:
        """Return the tokens of a window that one request holds at worst, beside chunks in flight."""
        interval, drafting = self.rules.eviction_interval, self.options.speculation
        if drafting is None:
            return window + interval + 2 * self.page
        placed = drafting.placed_tokens(self.page, overlaps=self.options.overlaps)
        return window + interval * drafting.tokens + self.page + placed

    @property
    def chunk_tokens(self) -> int:
        """Tokens of windows that the chunks of prefill in flight hold, one chunk where batches take turns."""
        chunks = self.rules.chunks_in_flight if self.options.overlaps else 1
        return chunks * self.options.chunked_prefill_size + self.page

    def least_bytes(self, demand: Demand) -> int:
        """
        Return the memory from which on, whatever more there is, every rank can hold *demand*.

        It is more than any memory if an option lets no memory hold it.
        """
        least = self.with_states(self.fullest_bytes(self.pool_tokens(demand)), demand.slots)
        return max(least, MAX_BYTES + 1) if self.is_out_of_reach(demand) else least

    def is_out_of_reach(self, demand: Demand) -> bool:
        """
        Return whether, beside states, an option lets no memory hold *demand*.

        Without states `most_bytes` says as much.
        """
        if not self.cells.slot_bytes:
            return False
        if self.fixed_slots is not None and demand.slots > self.fixed_slots:
            return True
        most = self.options.max_total_tokens
        return most is not None and max(demand.logical_tokens, self.pool_tokens(demand)) > self.floored(most)

    def most_requests(self, context: int) -> int | None:
        """Return how many requests the options let run beside states; None if they bound none."""
        if not self.cells.slot_bytes:
            return None
        bounds = []
        if self.fixed_slots is not None:
            bounds.append(self.fixed_slots // self.slots_per_request)
        if self.options.max_total_tokens is not None:
            bounds.append(self.floored(self.options.max_total_tokens) // self.paged(context))
        return min(bounds, default=None)

    def most_bytes(self) -> int | None:
        """Return the memory that max_total_tokens tokens take, if there are no states beside them."""
        most = self.options.max_total_tokens
        return None if most is None or self.cells.slot_bytes else self.fullest_bytes(self.floored(most))

    def fullest_bytes(self, tokens: int) -> int:
        """Return the least memory that becomes a pool of *tokens* tokens on every rank."""
        return max(self.token_bytes(rank, tokens) for rank in self._tightest)

    def pool_tokens(self, demand: Demand) -> int:
        """Return the smallest token pool with which the pool of windows is large enough, too."""
        if self.cells.window is None or self.window_cap is not None:
            return demand.tokens
        ratio = self.options.swa_full_tokens_ratio
        for_window = self.paged(ceil_div(demand.window_tokens * ratio.denominator, ratio.numerator))
        if self._windows_beside(for_window) < demand.window_tokens:
            for_window += self.page
        return max(demand.tokens, for_window)

    def window_room(self, tokens: int) -> int:
        """Return the most tokens of windows beside which a pool of *tokens* tokens is large enough."""
        if self.pool_tokens(self._of_windows(self._windows_beside(tokens))) <= tokens:
            return self._windows_beside(tokens)
        return self._windows_beside(tokens) - self.page

    def _of_windows(self, tokens: int) -> Demand:
        return Demand(logical_tokens=0, tokens=0, window_tokens=tokens, slots=0)

    def _windows_beside(self, tokens: int) -> int:
        """
        Return the size of the pool of windows beside *tokens* tokens.

        In floats, as SGLang reckons: 715 210 x 0.7 is a little less than 500 647 there.
        """
        return self.floored(int(tokens * float(self.options.swa_full_tokens_ratio)))

    def token_bytes(self, rank: Rank, tokens: int) -> int:
        """Return the least memory that becomes a pool of *tokens* tokens on a rank."""
        cell = self.cell(rank)
        return ceil_div(tokens * cell.numerator, cell.denominator) + self._cap_bytes(rank)

    def with_states(self, token_bytes: int, slots: int) -> int:
        """Return the memory from which on *slots* and *token_bytes* are there, beside the padding slot."""
        return self.states.least_bytes(token_bytes, slots)

    def charged_slots(self, slots: int) -> int:
        """Return the slots that memory is kept for with *slots* in use, padding included."""
        return self.states.charged(slots)

    def pools(self, available_bytes: int, context: int) -> Pools:
        """
        Return what SGLang makes of the memory that the tightest rank has for its cache.

        Raises NoRoomError where SGLang would not start. *context* is context_len, the longest request.
        """
        slots, rest = self._state_pool(available_bytes)
        tokens = min(self._tokens(rank, rest) for rank in self.cells.ranks) if self.cells.has_tokens else None
        if tokens is None:
            # Without tokens to store, the pool counts context_len of them (_zero_kv_max_tokens).
            tokens = self.options.max_total_tokens or context
        if self.options.max_total_tokens is not None:
            tokens = min(tokens, self.options.max_total_tokens)
        tokens = self.floored(tokens)
        if tokens <= 0:
            raise NoRoomError(
                f"{format_gib(available_bytes)} hold no page of {counted(self.page, 'token')} on a rank: "
                "use more GPUs, a smaller KV dtype, or a larger mem_fraction_static"
            )
        window = self._window_pool(tokens)
        return Pools(
            tokens=tokens, window_tokens=window, slots=slots, requests=self._requests(tokens, slots, context)
        )

    def _state_pool(self, available_bytes: int) -> tuple[int | None, int]:
        """Return the slots of states and the memory that they leave (_handle_max_mamba_cache)."""
        slot = self.cells.slot_bytes
        if not slot:
            return None, available_bytes
        slots = self.states.slots(available_bytes)
        rest = available_bytes - self.charged_slots(slots) * slot
        if slots < self.slots_per_request or rest < 0:
            raise NoRoomError(
                f"recurrent states have no room: a request needs {self.slots_per_request} slots of "
                f"{format_gib(slot)} beside a padding slot, and of {format_gib(available_bytes)} the pool "
                f"gets {max(0, slots)}: raise mamba_full_memory_ratio, or use more GPUs"
            )
        return slots, rest

    def _tokens(self, rank: Rank, rest_bytes: int) -> int:
        cell = self.cell(rank)
        # A stage that keeps no tokens sets no limit (has_kv_on_another_pp_stage).
        return max(0, int((rest_bytes - self._cap_bytes(rank)) / cell)) if cell else rest_bytes

    def _window_pool(self, tokens: int) -> int | None:
        window = self.cells.window
        if window is None:
            return None
        if self.window_cap is not None:
            return self.window_cap
        size = self._windows_beside(tokens)
        if window + self.page >= size:
            raise NoRoomError(
                f"the pool of windows gets {counted(size, 'token')} beside {tokens:,} of full attention, "
                f"and one request needs more than a window of {window} and a page of {self.page}: "
                "raise swa_full_tokens_ratio, or use more GPUs"
            )
        return size

    def _requests(self, tokens: int, slots: int | None, context: int) -> int:
        """Return max_running_requests (resolve_max_num_reqs)."""
        estimated = max(min(tokens * 512 // context, self.rules.most_requests), 2048)
        requests = min(self.options.most_requests or estimated, tokens // 2)
        return requests if slots is None else min(requests, slots // self.slots_per_request)

    def table_bytes(self, requests: int, context: int) -> int:
        """
        Return the table of where requests have their tokens, a row of it beside theirs.

        Each row has four places more than the context, and with speculation some more: ReqToTokenPool in
        mem_cache/memory_pool.py, and get_req_to_token_extra_context_len.
        """
        drafting = self.options.speculation
        longer = 4 if drafting is None else drafting.longer_tokens(self.page)
        return (requests + 1) * (context + longer) * 4

    def cell(self, rank: Rank) -> Fraction:
        """Return the bytes by which the memory of a rank is divided into tokens."""
        return self._cells[rank]

    def _cell(self, rank: Rank) -> Fraction:
        if not rank.full_bytes or self.window_cap is not None:
            return Fraction(rank.full_bytes or rank.window_bytes)
        return rank.full_bytes + self.options.swa_full_tokens_ratio * rank.window_bytes

    def _cap_bytes(self, rank: Rank) -> int:
        return (self.window_cap or 0) * rank.window_bytes if rank.full_bytes else 0

    def paged(self, tokens: int) -> int:
        """Return *tokens* rounded up to whole pages."""
        return ceil_div(tokens, self.page) * self.page

    def floored(self, tokens: int) -> int:
        """Return *tokens* rounded down to whole pages."""
        return tokens // self.page * self.page
