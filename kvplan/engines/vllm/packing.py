"""
Groups of unlike pages that lie side by side in one block: DeepSeek-V4.

Source: vLLM 0.33, v1/core/kv_cache_planning.py, _get_packed_kv_cache_groups.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from kvplan.engines.vllm.errors import RefusedError
from kvplan.engines.vllm.grouping import Cache, Group, Groups, is_uniform
from kvplan.units import ceil_div


@dataclass(frozen=True, slots=True, kw_only=True)
class _Bucket:
    """Caches that may share a group, by the size of their pages."""

    by_page: tuple[tuple[Cache, ...], ...]

    @property
    def caches(self) -> tuple[Cache, ...]:
        return tuple(cache for caches in self.by_page for cache in caches)

    @property
    def repeats(self) -> int:
        """The most layers of one page size."""
        return max(len(caches) for caches in self.by_page)

    @property
    def balanced(self) -> bool:
        """Whether each page size has equally many layers: a pattern that repeats."""
        return len({len(caches) for caches in self.by_page}) == 1

    @property
    def state_like(self) -> bool:
        return self.caches[0].spec.paging == "state"

    @property
    def windowed(self) -> bool:
        return self.caches[0].spec.windowed

    def widest(self, groups: int) -> int:
        """Return the bytes of the largest of *groups* groups that the bucket splits into."""
        return sum(ceil_div(len(caches), groups) * caches[0].spec.page_bytes for caches in self.by_page)

    def split(self, groups: int) -> list[Group]:
        """Return *groups* groups of whole repeats; vLLM 0.33 loses layers of an unbalanced bucket."""
        if groups == 1:
            return [Group(caches=self.caches)]
        if not self.balanced or groups > self.repeats:
            sizes = ", ".join(f"{len(each)} of {each[0].spec.page_bytes:,} B" for each in self.by_page)
            raise RefusedError(f"vLLM does not split unlike pages ({sizes}) into {groups} groups")
        patterns = list(zip(*self.by_page, strict=True))
        return [
            Group(caches=tuple(cache for pattern in patterns[start::groups] for cache in pattern))
            for start in range(groups)
        ]


def pack(caches: Sequence[Cache]) -> Groups:
    """Return the groups of a model of unlike pages whose blocks hold the pages of all layers."""
    buckets = _buckets(caches)
    per_group = _repeats_per_group(buckets)
    counts = [_fixed_count(bucket, per_group) for bucket in buckets]
    anchor = max(
        bucket.widest(len(bucket.caches) if _splittable(bucket, per_group) else count)
        for bucket, count in zip(buckets, counts, strict=True)
    )
    groups: list[Group] = []
    for bucket, fixed in zip(buckets, counts, strict=True):
        count = fixed
        if _splittable(bucket, per_group):
            fitting = max(anchor // bucket.caches[0].spec.page_bytes, 1)
            count = max(fixed, ceil_div(len(bucket.caches), fitting))
        groups += bucket.split(count)
    return Groups(groups=tuple(groups))


def _buckets(caches: Sequence[Cache]) -> list[_Bucket]:
    members: list[list[Cache]] = []
    for cache in caches:
        for bucket in members:
            if is_uniform([bucket[0].spec, cache.spec]):
                bucket.append(cache)
                break
        else:
            members.append([cache])
    buckets = []
    for bucket in members:
        by_page: dict[int, list[Cache]] = {}
        for cache in bucket:
            by_page.setdefault(cache.spec.page_bytes, []).append(cache)
        buckets.append(_Bucket(by_page=tuple(tuple(each) for each in by_page.values())))
    return buckets


def _repeats_per_group(buckets: Sequence[_Bucket]) -> int | None:
    """
    Return how many repeats of its pattern each group holds, for the least padding; larger on a tie.

    None if no balanced bucket mixes page sizes: then nothing asks for a common number.
    """
    floor = max((each.repeats for each in buckets if each.balanced and len(each.by_page) > 1), default=0)
    if not floor:
        return None
    repeats = [bucket.repeats for bucket in buckets if bucket.balanced]
    return min(
        range(floor, max(repeats) + 1), key=lambda size: (sum(-each % size for each in repeats), -size)
    )


def _fixed_count(bucket: _Bucket, per_group: int | None) -> int:
    return ceil_div(bucket.repeats, per_group) if per_group and bucket.balanced else 1


def _splittable(bucket: _Bucket, per_group: int | None) -> bool:
    """States, and windows where no pattern fixes their split, go down to one layer per group."""
    return bucket.state_like or (per_group is None and bucket.windowed)
