"""
Groups of unlike pages that lie side by side in one block: DeepSeek-V4.

Since 0.28 a block is as large as the largest group needs. Before, it has places for pages of each size, and
windows' pages are padded to a size that full attention has. Sources: vLLM 0.33,
v1/core/kv_cache_planning.py (_get_packed_kv_cache_groups), and vLLM 0.24, v1/core/kv_cache_utils.py
(_get_kv_cache_groups_uniform_groups, _get_kv_cache_config_packed, _max_memory_usage_bytes_from_groups).
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from kvplan.engines.vllm.errors import RefusedError
from kvplan.engines.vllm.grouping import Cache, Group, Groups, Slots, is_uniform
from kvplan.engines.vllm.versions import VllmRules
from kvplan.records import record
from kvplan.units import ceil_div


@record
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


def pack(caches: Sequence[Cache], rules: VllmRules) -> Groups:
    """Return the groups of a model of unlike pages whose blocks hold the pages of all layers."""
    if rules.compressed == "by page size":
        return _in_slots(caches, rules)
    return Groups(groups=_dealt(caches))


def _in_slots(caches: Sequence[Cache], rules: VllmRules) -> Groups:
    """Return the groups, and the places for pages of each size that they share."""
    if len({cache.rank for cache in caches}) > 1:
        raise RefusedError(f"how {rules.name} packs pages over pipeline stages is not known: use pp=1")
    sizes = sorted({cache.spec.page_bytes for cache in caches if cache.spec.whole_context})
    padded: dict[int, Cache] = {id(cache): _at_next_size(cache, sizes) for cache in caches}
    groups = _dealt([padded[id(cache)] for cache in caches])
    counts = [Counter(cache.spec.page_bytes for cache in each.caches) for each in groups]
    full, *others = [each for each in groups if each.spec.whole_context]
    if others:
        raise RefusedError(f"how {rules.name} packs full attention of two kinds is not known to kvplan")
    return Groups(
        groups=groups,
        slots=Slots(
            block_bytes=sum(size * max(count[size] for count in counts) for size in sizes),
            checked_bytes=sum(sizes) * max(max(count.values()) for count in counts),
            first_bytes=full.bytes_on(0),
        ),
    )


def _at_next_size(cache: Cache, sizes: Sequence[int]) -> Cache:
    """Return a window's cache with its page padded to the next of *sizes*."""
    page = cache.spec.page_bytes
    if page in sizes:
        return cache
    larger = next((size for size in sizes if size > page), None)
    if larger is None:
        raise RefusedError(f"vLLM has no place for a window's page of {page:,} B beside full attention")
    return replace(cache, spec=replace(cache.spec, padded_bytes=larger))


def _dealt(caches: Sequence[Cache]) -> tuple[Group, ...]:
    """Return the groups, those of full attention's pattern whole and windows split to be as long."""
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
    return tuple(groups)


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
