"""
Which batches vLLM captures as CUDA graphs.

Sources: _set_cudagraph_sizes in config/vllm.py of 0.19 to 0.33; initialize_cudagraph_keys in
v1/cudagraph_dispatcher.py for the older runner, _init_candidates in v1/worker/gpu/cudagraph_utils.py for the
second.
"""

from typing import NamedTuple

from kvplan.units import ceil_div

MOST_TOKENS = 512
"""The largest batch that is captured unless told."""

MOST_ON_BLACKWELL = 1024
"""The same on data-centre Blackwell since 0.28: a compute capability of 10."""

MODES = ("NONE", "PIECEWISE", "FULL", "FULL_DECODE_ONLY", "FULL_AND_PIECEWISE")
"""CUDAGraphMode in config/compilation.py; the last one is what vLLM takes unless told."""

_IN_PIECES, _DECODES_WHOLE = ("PIECEWISE", MODES[-1]), ("FULL_DECODE_ONLY", MODES[-1])

_COARSE = 256
"""From here up only each 16th batch is captured."""

_FINE = 32
"""Up to here each batch is, with performance_mode=interactivity."""

_FIRST_WITH_FULL_BATCH, _FIRST_WITH_STEPS, _FIRST_WITH_ALL_SEQUENCES = (0, 20), (0, 30), (0, 31)
"""
Which releases also capture a full batch that is small, steps of all drafts, and one of all sequences.

0.19.1 has none of them, 0.24 the first.
"""


def captures_whole(mode: str | None) -> bool:
    """Return whether whole graphs are captured in a *mode*."""
    return (mode or MODES[-1]) in ("FULL", *_DECODES_WHOLE)


class Asked(NamedTuple):
    """
    What decides the batches: `sequences` that decode a token and its `drafts` in each, of `tokens` at most.

    `most` is max_cudagraph_capture_size, by default what twice so many take, or the `usual`; `sizes` that are
    given stand for all. Batches may be `fine`. By `version` they are those of a release, and the second
    runner `rounds` whole ones up to steps of all drafts.
    """

    sequences: int
    tokens: int
    drafts: int = 0
    most: int | None = None
    usual: int = MOST_TOKENS
    sizes: tuple[int, ...] | None = None
    mode: str | None = None
    fine: bool = False
    version: tuple[int, int] = (0, 33)
    rounds: bool = False

    @property
    def step(self) -> int:
        """The tokens of a sequence in one step."""
        return 1 + self.drafts


class Captured(NamedTuple):
    """
    The graphs that are captured: of `pieces`, and `whole` ones, up to `most` tokens of either.

    The largest whole one has `largest` tokens, the `following` one fewer; 0 where there is none.
    """

    pieces: int
    most: int
    whole: int
    largest: int
    following: int


def captured(asked: Asked) -> Captured:
    """Return the graphs of a mode: whole ones alone are of any batch where they are all that there is."""
    mode, sizes = asked.mode or MODES[-1], batches(asked)
    pieces = sizes if mode in _IN_PIECES else []
    decoding = _decoding(asked, sizes) if mode in _DECODES_WHOLE else []
    whole = sizes if mode == "FULL" else decoding
    last, following = (*reversed(whole), 0, 0)[:2]
    return Captured(len(pieces), max((*pieces, *whole), default=0), len(whole), last, following)


def _decoding(asked: Asked, sizes: list[int]) -> list[int]:
    """Return the batches of whole graphs that decode; fewer tokens than one step of a sequence are none."""
    most = asked.sequences * asked.step
    if not asked.rounds:
        return [size for size in sizes if asked.drafts < size <= most]
    rounded = {ceil_div(size, asked.step) * asked.step for size in sizes}
    return sorted(size for size in rounded if size <= min(most, sizes[-1]))


def batches(asked: Asked) -> list[int]:
    """Return all batches that are captured, the smallest first."""
    if asked.sizes is not None:
        return sorted({size for size in asked.sizes if size <= asked.tokens})
    bound = min(2 * asked.sequences * asked.step, asked.usual) if asked.most is None else asked.most
    largest = min(bound, asked.tokens)
    found = {size for size in (1, 2, 4) if size <= largest} | _grid(largest)
    if asked.fine:
        found |= {*range(1, min(largest, _FINE) + 1)}
    if asked.version >= _FIRST_WITH_FULL_BATCH and asked.tokens == largest:
        found.add(largest)
    if asked.most is None:
        found |= {size for size in _of_sequences(asked) if size <= largest}
    return sorted(found)


def _grid(largest: int) -> set[int]:
    """Return each 8th batch below 256, then each 16th."""
    return {*range(8, min(largest + 1, _COARSE), 8), *range(_COARSE, largest + 1, 16)}


def _of_sequences(asked: Asked) -> set[int]:
    """Return the batches that newer releases capture for so many sequences: steps of all drafts, or all."""
    if asked.drafts and asked.version >= _FIRST_WITH_STEPS:
        most = min(asked.sequences, asked.usual)
        counts = {count for count in (1, 2, 4, most) if count <= most} | _grid(most)
        return {count * asked.step for count in counts}
    return {asked.sequences} if not asked.drafts and asked.version >= _FIRST_WITH_ALL_SEQUENCES else set()
