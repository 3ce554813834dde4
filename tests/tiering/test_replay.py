"""The replay of a trace's prompts, against a cache that drops block after block, and by hand."""

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kvplan.tiering.replay import replay
from kvplan.traffic.observed import Observed, observed
from kvplan.traffic.requests import TrafficError
from tests.tiering.lru import one_by_one

BLOCK = 4
PATHS = st.lists(st.lists(st.integers(0, 1), max_size=6), min_size=1, max_size=30)


def trace(
    hashes: Sequence[Sequence[int]],
    prompts: Sequence[int],
    arrivals: Sequence[float] | None = None,
    block: int = BLOCK,
) -> Observed:
    return observed(
        "a trace",
        np.array(prompts, dtype=np.int64),
        np.ones(len(prompts), dtype=np.int64),
        arrivals=None if arrivals is None else np.array(arrivals, dtype=np.float64),
        hashes=tuple(map(tuple, hashes)),
        hash_block=block,
    )


def named(paths: Sequence[Sequence[int]]) -> list[list[int]]:
    """Return a name for each prefix of each path, as hashes of prefixes are."""
    names: dict[tuple[int, ...], int] = {}
    return [
        [names.setdefault(tuple(path[:end]), len(names)) for end in range(1, len(path) + 1)] for path in paths
    ]


@given(paths=PATHS, capacity=st.integers(0, 40), missing=st.lists(st.integers(0, BLOCK - 1), min_size=30))
def test_every_size_at_once_is_each_size_alone(
    paths: list[list[int]], capacity: int, missing: list[int]
) -> None:
    hashes = named(paths)
    short = [min(len(path) * BLOCK, less) for path, less in zip(hashes, missing, strict=False)]
    prompts = [len(path) * BLOCK - less for path, less in zip(hashes, short, strict=True)]
    found = replay(trace(hashes, prompts))
    assert tuple(found.hits(capacity)) == one_by_one(hashes, prompts, capacity, BLOCK)
    assert found.hits(None) == found.hits(found.distinct)


def test_by_hand() -> None:
    """
    Blocks 0 1, then 0 2, then 0 1 again: 0 was used last but for nothing, 1 before 2 and 0.

    The second request finds 0, the one used last: a cache of one block has it. The third finds 0 again, and
    1 behind 0 and 2: a cache of three has it. The last block of the third prompt holds 3 of 4 tokens.
    """
    found = replay(trace([[0, 1], [0, 2], [0, 1]], [8, 8, 7]))
    assert (found.requests, found.blocks, found.tokens, found.distinct) == (3, 6, 23, 3)
    assert [tuple(found.hits(size)) for size in (0, 1, 2, 3, None)] == [
        (0, 0),
        (2, 8),
        (2, 8),
        (3, 11),
        (3, 11),
    ]


def test_requests_come_as_they_arrive() -> None:
    """Block 1, which stands last, arrives between the two uses of 0: a cache of one block loses it."""
    found = replay(trace([[0], [0], [1]], [4, 4, 4], arrivals=[0.0, 2.0, 1.0]))
    assert [found.hits(size).blocks for size in (1, 2)] == [0, 1]


def test_a_cache_is_as_large_as_anyone_likes() -> None:
    found = replay(trace([[0], [0]], [4, 4]))
    assert found.hits(10**30) == found.hits(None) == (1, 4)


@pytest.mark.parametrize(
    "hashes",
    [[[0, 1], [2, 1]], [[0, 1], [1]], [[1], [0, 1]], [[0, 0]]],
    ids=["parent", "first", "later", "twice"],
)
def test_hashes_that_are_not_of_prefixes_are_refused(hashes: list[list[int]]) -> None:
    with pytest.raises(TrafficError, match=r"block [01] stands behind different blocks"):
        replay(trace(hashes, [len(path) * BLOCK for path in hashes]))


def test_a_trace_without_hashes_is_refused() -> None:
    plain = observed("a trace", np.array([4]), np.array([1]))
    with pytest.raises(TrafficError, match="no block hashes"):
        replay(plain)


def test_a_hash_that_is_too_large_is_refused() -> None:
    with pytest.raises(TrafficError, match="no int of 64 bits"):
        replay(trace([[2**70]], [4]))
