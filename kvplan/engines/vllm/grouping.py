"""
How vLLM sorts the pages of all layers into groups that share one pool of blocks.

A group owns whole blocks; every block is as large as the largest group needs. Source: vLLM 0.33,
v1/core/kv_cache_planning.py; before 0.33 v1/core/kv_cache_utils.py.
"""

from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import field, replace

from kvplan.engines.vllm.errors import RefusedError
from kvplan.engines.vllm.pages import PageSpec
from kvplan.engines.vllm.versions import VllmRules
from kvplan.records import record
from kvplan.terms import Layer
from kvplan.units import ceil_div


@record
class Cache:
    """
    One allocation of one layer, on the pipeline rank that runs the layer: its terms and its page.

    `draft` says that the layer is none of the model's, but drafts tokens for it.
    """

    rank: int
    terms: Layer
    spec: PageSpec
    draft: bool = False


@record
class Group:
    """Caches that share their blocks: one block holds a page of each."""

    caches: tuple[Cache, ...]
    alike: tuple[tuple[Cache, int], ...] = field(init=False, repr=False, compare=False)
    """The caches, each object once, with how often it stands here."""

    def __post_init__(self) -> None:
        once = {id(cache): cache for cache in self.caches}
        counts = Counter(map(id, self.caches))
        object.__setattr__(self, "alike", tuple((once[key], count) for key, count in counts.items()))

    @property
    def spec(self) -> PageSpec:
        """The first page, which stands for all in the number of blocks that a request needs."""
        return self.caches[0].spec

    def bytes_on(self, rank: int) -> int:
        """Return the bytes of the group's pages in one block on a pipeline rank."""
        return sum(count * cache.spec.page_bytes for cache, count in self.alike if cache.rank == rank)


@record
class Slots:
    """
    The bytes of a block that has places for pages of each size, which groups share (packing.py).

    `block_bytes` of the pool, `checked_bytes` those with which the start-up check counts a block, and
    `first_bytes` those of a page of all layers in full attention, by which the printed figures do.
    """

    block_bytes: int
    checked_bytes: int
    first_bytes: int


@record
class Groups:
    """All groups; `padding_layers` are places of smaller groups that no layer fills."""

    groups: tuple[Group, ...]
    padding_layers: int = 0
    slots: Slots | None = None
    warnings: tuple[str, ...] = ()


def is_uniform(specs: Sequence[PageSpec]) -> bool:
    """
    Return whether one group holds all *specs*, because each needs blocks for the same tokens.

    Full attention and MLA are one family, whatever their sizes; windows only of one length.
    """
    first = specs[0]
    if any(spec.block_size != first.block_size for spec in specs):
        return False
    match first.paging:
        case "full" | "mla":
            return all(spec.whole_context for spec in specs)
        case "sliding":
            return all(spec.windowed and spec.window == first.window for spec in specs)
        case "sliding mla" | "chunked":
            return all(spec.paging == first.paging and spec.window == first.window for spec in specs)
        case "cross":
            return all(spec.paging == "cross" for spec in specs)
        case "state":
            alike = (first.page_bytes, first.checkpoints)
            return all(
                spec.paging == "state" and (spec.page_bytes, spec.checkpoints) == alike for spec in specs
            )


def group(caches: Sequence[Cache], rules: VllmRules) -> Groups:
    """
    Return groups of pages of one size, or one group of all; raise RefusedError where vLLM does.

    This is for the usual layouts, in which each layer has a region of the pool for itself.
    """
    if not caches:
        return Groups(groups=())
    if is_uniform([cache.spec for cache in caches]):
        return Groups(groups=(Group(caches=tuple(caches)),))
    unified = unified_pages(caches, rules)
    if unified is None:
        return _beside_mla(caches, rules)
    return _dealt(unified, rules)


def promoted(caches: Sequence[Cache], rules: VllmRules) -> Sequence[Cache]:
    """
    Return *caches* with windows turned into full attention, as without the hybrid manager.

    Only beside full attention; vLLM refuses what is then still not uniform, and windows of two
    lengths unless MLA is among the layers.
    """
    specs = [cache.spec for cache in caches]
    if not specs or is_uniform(specs):
        return caches
    if any(spec.paging == "sliding mla" for spec in specs):
        raise RefusedError(f"{rules.name} cannot serve compressed attention without its hybrid manager")
    full_blocks = {spec.block_size for spec in specs if spec.whole_context}
    block = full_blocks.pop() if len(full_blocks) == 1 else None
    changed = [replace(cache, spec=_promoted(cache.spec, block)) for cache in caches]
    pagings = {cache.spec.paging for cache in changed}
    if not any(spec.whole_context for spec in specs) or not is_uniform([each.spec for each in changed]):
        raise RefusedError(
            f"without its hybrid manager {rules.name} needs full attention in all layers, or in some and "
            "windows in the others"
        )
    lengths = [{spec.window for spec in specs if spec.paging == paging} for paging in ("sliding", "chunked")]
    if "mla" not in pagings and any(len(each) > 1 for each in lengths):
        raise RefusedError(f"without its hybrid manager {rules.name} takes windows of one length only")
    return changed


def _promoted(spec: PageSpec, block: int | None) -> PageSpec:
    if spec.paging not in ("sliding", "chunked"):
        return spec
    return replace(spec, paging="full", block_size=block or spec.block_size, window=None)


def unified_pages(caches: Sequence[Cache], rules: VllmRules) -> list[Cache] | None:
    """Return *caches* with pages of one size, the largest; None where an MLA page does not divide it."""
    largest = max(cache.spec.page_bytes for cache in caches)
    unified: dict[int, Cache] = {}
    for cache in caches:
        if id(cache) not in unified:
            spec = _at_page_size(cache.spec, largest, rules)
            if spec is None:
                return None
            unified[id(cache)] = replace(cache, spec=spec)
    return [unified[id(cache)] for cache in caches]


def _at_page_size(spec: PageSpec, largest: int, rules: VllmRules) -> PageSpec | None:
    if spec.page_bytes == largest:
        return spec
    if rules.unify == "never":
        raise RefusedError(
            f"{rules.name} refuses layers whose pages differ ({spec.page_bytes} and {largest} B)"
        )
    if spec.paging == "state" and rules.pads_states:
        return replace(spec, padded_bytes=largest)
    ratio, rest = divmod(largest, spec.page_bytes)
    if rest == 0 and spec.paging != "state":
        larger = replace(spec, block_size=spec.block_size * ratio)
        return larger if larger.page_bytes == largest else None
    if rules.unify == "pad" and spec.paging not in ("mla", "state"):
        return replace(spec, padded_bytes=largest)
    return None


def _beside_mla(caches: Sequence[Cache], rules: VllmRules) -> Groups:
    """Plain windows beside an MLA whose page does not divide become full attention, if that helps."""
    pagings = {cache.spec.paging for cache in caches}
    if rules.promotes_beside_mla and pagings <= {"full", "mla", "sliding"} and {"mla", "sliding"} <= pagings:
        with suppress(RefusedError):
            return Groups(
                groups=(Group(caches=tuple(promoted(caches, rules))),),
                warnings=("sliding windows beside MLA are reserved like full attention",),
            )
    sizes = ", ".join(f"{size:,} B" for size in sorted({cache.spec.page_bytes for cache in caches}))
    raise RefusedError(f"{rules.name} cannot bring pages of {sizes} to one size")


def _dealt(caches: Sequence[Cache], rules: VllmRules) -> Groups:
    """
    Return groups of one size: layers alike are dealt out in turn, the last places stay empty.

    In turn, so that the stages of a pipeline hold equal parts of every group.
    """
    buckets: dict[PageSpec, list[Cache]] = {}
    for cache in caches:
        buckets.setdefault(cache.spec, []).append(cache)
    size = group_size([len(bucket) for bucket in buckets.values()], rules)
    groups, padding = [], 0
    for bucket in buckets.values():
        count = ceil_div(len(bucket), size)
        padding += count * size - len(bucket)
        groups += [Group(caches=tuple(bucket[start::count])) for start in range(count)]
    return Groups(groups=tuple(groups), padding_layers=padding)


def group_size(counts: Sequence[int], rules: VllmRules) -> int:
    """Return the layers per group: the smallest bucket's, or the largest's if they are close."""
    low, high = min(counts), max(counts)
    if rules.merge_below is None:
        return low
    numerator, denominator = rules.merge_below
    return high if high * denominator < low * numerator else low
