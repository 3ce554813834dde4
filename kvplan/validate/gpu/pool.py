"""
(b) Paged pools as an engine lays them out, filled by block tables and read by a real decode step.

The bytes are used, not only reserved: every sequence's output from the pool must be bit for bit that
of the same attention over its tokens in order, and the pool's requested bytes those of the plan.
"""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel

from kvplan.attention import Kind
from kvplan.attention.grouped import GQA
from kvplan.attention.latent import MLA
from kvplan.attention.ssm import Mamba2
from kvplan.attention.windowed import Sliding
from kvplan.dtypes import kv_format
from kvplan.records import record
from kvplan.terms import Target
from kvplan.units import GIB
from kvplan.validate.gpu.meter import metered
from kvplan.validate.results import Measurement

BLOCK = 16
LENGTHS = (1, 16, 17, 47, 80)
"""Tokens of the sequences: one, a whole block, one more, and a window (32) more than once around."""
_ROOM = GIB
"""What a pool and the tokens beside it may take; they are a few MiB."""

_GROUPED = GQA(kind="gqa", heads=32, groups=8, head_dim=128)
_WINDOW = Sliding(kind="sliding", heads=32, groups=8, head_dim=128, window=32)
_LATENT = MLA(kind="mla", heads=16, d_c=512, d_rope=64, d_nope=128, v_head_dim=128)
_STATE = Mamba2(
    kind="mamba2",
    heads=16,
    head_dim=64,
    groups=1,
    d_state=128,
    conv_kernel=4,
    conv_dtype="bf16",
    state_dtype="fp32",
)


@record
class Pool:
    """A family's pool: its kind, how the cache is stored, and what fills and reads it on a device."""

    family: str
    kind: Kind
    kv: str
    run: Callable[[str, torch.dtype], "Outcome"]


@record
class Outcome:
    """What a pool did: its requested bytes, the tokens it has room for, and the outputs that agree."""

    requested: int
    tokens: int
    sequences: int
    agreeing: int


def run_pool(pool: Pool, device: str) -> list[Measurement]:
    """Return the bytes of the pool and how many sequences it served right, beside what they must be."""
    outcome = pool.run(device, torch.float8_e4m3fn if pool.kv == "fp8" else torch.bfloat16)
    terms = pool.kind.lower(Target(kv=kv_format(pool.kv)))
    planned = outcome.sequences * sum(term.fixed_bytes_on_rank(1) for term in terms)
    planned += sum(
        term.row_bytes * outcome.tokens * term.split.count
        for term in terms
        if not term.fixed_bytes_on_rank(1)
    )
    facts = {"level": "L4", "subject": f"{pool.family} pool", "detail": f"{pool.kind!r}, {pool.kv}"}
    return [
        Measurement(
            **facts,  # type: ignore[arg-type]
            claim="requested bytes of the pool",
            predicted=planned,
            measured=outcome.requested,
            unit="bytes",
        ),
        Measurement(
            **facts,  # type: ignore[arg-type]
            claim="sequences whose decode step from the pool is bit for bit that without it",
            predicted=outcome.sequences,
            measured=outcome.agreeing,
            unit="sequences",
        ),
    ]


def block_table(blocks_each: list[int]) -> list[list[int]]:
    """Return which blocks each sequence owns, scattered over the pool as after some time of serving."""
    total = sum(blocks_each)
    scattered = torch.randperm(total, generator=torch.Generator().manual_seed(0)).tolist()
    return [[scattered.pop() for _ in range(count)] for count in blocks_each]


def slots(blocks: list[int], tokens: int, ring: int | None, device: str) -> Tensor:
    """Return the row of each of a sequence's newest tokens, oldest first; a ring reuses its blocks."""
    kept = tokens if ring is None else min(tokens, ring)
    places = [(token % ring if ring else token) for token in range(tokens - kept, tokens)]
    rows = [blocks[place // BLOCK] * BLOCK + place % BLOCK for place in places]
    return torch.tensor(rows, device=device)


@record
class _Rows:
    """
    How a softmax family keeps its tokens: pools of [blocks, BLOCK, groups, width], one for each width.

    With `latent`, the one pool is read as keys, and its first `latent` channels as values.
    """

    heads: int
    groups: int
    widths: tuple[int, ...]
    latent: int | None = None
    ring: int | None = None

    def attend(self, query: Tensor, rows: list[Tensor]) -> Tensor:
        """Return one token's attention [1, heads, 1, v] over *rows* [tokens, groups, width]."""
        keys, values = (rows[0], rows[0][..., : self.latent]) if self.latent else rows
        keys, values = (each.to(query.dtype).movedim(0, 1)[None] for each in (keys, values))
        # Of the kernels to choose from this one promises equal values for equal inputs.
        with sdpa_kernel(SDPBackend.MATH):
            return torch.nn.functional.scaled_dot_product_attention(query, keys, values, enable_gqa=True)

    def run(self, device: str, dtype: torch.dtype) -> Outcome:
        """Fill the pools through block tables, and let each sequence read its own rows back."""
        table = block_table([-(-min(tokens, self.ring or tokens) // BLOCK) for tokens in LENGTHS])
        blocks = sum(map(len, table))
        with metered(device) as meter:
            meter.require_free(_ROOM, "a pool")
            before = meter.requested()
            pools = [
                torch.empty(blocks, BLOCK, self.groups, width, dtype=dtype, device=device)
                for width in self.widths
            ]
            requested = meter.requested() - before
            given = [self._tokens(tokens, device, dtype) for tokens in LENGTHS]
            owned = [
                slots(blocks_of, tokens, self.ring, device)
                for blocks_of, tokens in zip(table, LENGTHS, strict=True)
            ]
            for rows, where in zip(given, owned, strict=True):
                for pool, row in zip(pools, rows, strict=True):
                    _bytes(pool).flatten(0, 1)[where] = _bytes(row)
            agreeing = sum(
                self._agree([_bytes(pool).flatten(0, 1)[where].view(dtype) for pool in pools], rows)
                for rows, where in zip(given, owned, strict=True)
            )
        return Outcome(requested=requested, tokens=blocks * BLOCK, sequences=len(LENGTHS), agreeing=agreeing)

    def _tokens(self, tokens: int, device: str, dtype: torch.dtype) -> list[Tensor]:
        kept = min(tokens, self.ring or tokens)
        return [torch.randn(kept, self.groups, width, device=device).to(dtype) for width in self.widths]

    def _agree(self, found: list[Tensor], wanted: list[Tensor]) -> bool:
        query = torch.randn(1, self.heads, 1, self.widths[0], device=found[0].device, dtype=torch.bfloat16)
        return bool(torch.equal(self.attend(query, found), self.attend(query, wanted)))


def _bytes(tensor: Tensor) -> Tensor:
    """Return the raw bytes of a tensor: torch cannot index float8 on every device."""
    return tensor.view(torch.uint8)


def _run_states(device: str, _: torch.dtype) -> Outcome:
    """Step Mamba-2 states in scattered pages, whose raw bytes hold the conv history and the state."""
    kind = _STATE
    channels = kind.heads * kind.head_dim + 2 * kind.groups * kind.d_state
    history_bytes = (kind.conv_kernel - 1) * channels * 2
    sizes = (kind.heads, kind.head_dim, kind.d_state)
    state_bytes = kind.heads * kind.head_dim * kind.d_state * 4
    with metered(device) as meter:
        meter.require_free(_ROOM, "a pool")
        before = meter.requested()
        pages = torch.zeros(len(LENGTHS), history_bytes + state_bytes, dtype=torch.uint8, device=device)
        requested = meter.requested() - before
        pages_of = [page for [page] in block_table([1] * len(LENGTHS))]
        agreeing = 0
        for page, tokens in zip(pages_of, LENGTHS, strict=True):
            history = pages[page, :history_bytes].view(torch.bfloat16).view(-1, channels)
            state = pages[page, history_bytes:].view(torch.float32).view(sizes)
            apart = torch.zeros_like(history), torch.zeros_like(state)
            agreeing += _step_both((history, state), apart, tokens)
    return Outcome(requested=requested, tokens=0, sequences=len(LENGTHS), agreeing=agreeing)


def _step_both(paged: tuple[Tensor, Tensor], apart: tuple[Tensor, Tensor], tokens: int) -> bool:
    """Feed the same tokens to a page and to tensors of its own; return whether all outputs agree."""
    same = True
    for _ in range(tokens):
        column = torch.randn(paged[0].shape[1], device=paged[0].device, dtype=torch.bfloat16)
        same &= torch.equal(_step(*paged, column), _step(*apart, column))
    return same


def _step(history: Tensor, state: Tensor, column: Tensor) -> Tensor:
    """Advance a convolution history and a state in place, and return the output [heads, channel]."""
    heads, head_dim, d_state = state.shape
    columns = torch.cat([history, column[None]])
    history.copy_(columns[1:])
    inner, write, read = columns.float().mean(dim=0).split([heads * head_dim, d_state, d_state])
    state.mul_(0.9).add_(inner.view(heads, head_dim, 1) * write)
    return state @ read


_KV_ROWS = _Rows(heads=32, groups=8, widths=(128, 128))
POOLS = (
    Pool(family="GQA", kind=_GROUPED, kv="bf16", run=_KV_ROWS.run),
    Pool(family="fp8 KV", kind=_GROUPED, kv="fp8", run=_KV_ROWS.run),
    Pool(
        family="sliding",
        kind=_WINDOW,
        kv="bf16",
        run=_Rows(heads=32, groups=8, widths=(128, 128), ring=_WINDOW.window).run,
    ),
    Pool(
        family="MLA",
        kind=_LATENT,
        kv="bf16",
        run=_Rows(heads=16, groups=1, widths=(512 + 64,), latent=512).run,
    ),
    Pool(family="state", kind=_STATE, kv="bf16", run=_run_states),
)
