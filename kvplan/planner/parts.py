"""What each rank holds of a model's weights where its spec counts them by part."""

from collections import Counter
from collections.abc import Iterator, Sequence

from kvplan.engines import Shares
from kvplan.records import record
from kvplan.specs.parts import LayerParts, Measure, ModelParts
from kvplan.units import ceil_div


@record
class Cut:
    """
    A model's parts, and how an engine cuts them.

    `repeats` are the parameters of each layer that ranks hold of its attention beyond one copy, all of them
    together, and `added` what a rank holds of it beside its share. The `embedding` may be in the host's
    memory; a `tied` one serves as head. Of the ranks among which whole experts are dealt out it is the
    `rank`, the first being the fullest. With `ends_everywhere` each stage has all that is not in a layer;
    without `tower` none has that of images.
    """

    parts: ModelParts
    measure: Measure
    shares: Shares
    repeats: Sequence[int]
    tied: bool
    embedding: bool = True
    added: Sequence[int] = ()
    ends_everywhere: bool = False
    tower: bool = True
    rank: int = 0

    def on_stages(self, stages: Sequence[int]) -> tuple[int, ...]:
        """Return what the rank of each stage holds, *stages* being layers per stage."""
        starts = [sum(stages[:number]) for number in range(len(stages))]
        each = list(zip(self.parts.names, self.repeats, strict=True))
        sizes = [
            self._layers(each[start : start + count]) + sum(self.added[start : start + count])
            for start, count in zip(starts, stages, strict=True)
        ]
        over = self.shares.tower or self.shares.embedding
        sizes[0] += self.tower * ceil_div(self.measure.of(self.parts.tower), over)
        for number, size in self._ends(len(stages)):
            sizes[number] += size
        return tuple(sizes)

    def _ends(self, stages: int) -> Iterator[tuple[int, int]]:
        """Yield what a rank of a stage holds of the embedding, the head and what stands beside the layers."""
        of, shares, last = self.measure.of, self.shares, stages - 1
        embedding = ceil_div(of(self.parts.embedding), shares.embedding)
        head = ceil_div(of(self.parts.head), shares.head) + of(self.parts.beside)
        if self.ends_everywhere:
            yield from ((number, embedding * self.embedding + head) for number in range(stages))
            return
        yield 0, embedding * self.embedding
        yield last, head + embedding * (self.tied and (stages > 1 or not self.embedding))

    def _layers(self, stage: Sequence[tuple[str, int]]) -> int:
        """Return what a rank holds of the layers of a stage, by the names of their kinds, with repeats."""
        kinds = self.parts.kinds
        return sum(
            times * self._layer(kinds[name], repeats) for (name, repeats), times in Counter(stage).items()
        )

    def _layer(self, layer: LayerParts, repeats: int) -> int:
        """Return what the rank holds of one layer."""
        of, shares = self.measure.of, self.shares
        whole = of(layer.whole) + of(layer.router)
        divided = ceil_div(of(layer.dense), shares.dense) + ceil_div(of(layer.shared), shares.shared)
        experts = shares.on_rank(layer.experts, self.rank) * ceil_div(of(layer.expert), shares.expert)
        return whole + divided + experts + self._attention(layer, repeats)

    def _attention(self, layer: LayerParts, repeats: int) -> int:
        """Return what a rank holds of a layer's attention; what is repeated is stored as the rest."""
        size, ranks = self.measure.of(layer.attention), self.shares.attention
        if not repeats:
            return ceil_div(size, ranks)
        parameters = Measure(None).of(layer.attention)
        return ceil_div(size * (parameters + repeats), parameters * ranks)
