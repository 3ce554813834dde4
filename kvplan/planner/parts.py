"""What each rank holds of a model's weights where its spec counts them by part."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from kvplan.engines import Shares
from kvplan.specs.parts import Amount, LayerParts, Measure, ModelParts
from kvplan.units import ceil_div


@dataclass(frozen=True, slots=True, kw_only=True)
class Cut:
    """
    A model's parts, and how an engine cuts them.

    `repeats` are the parameters of each layer that ranks hold of its attention beyond one copy, all of them
    together. The `embedding` may be in the host's memory; a `tied` one serves as head.
    """

    parts: ModelParts
    measure: Measure
    shares: Shares
    repeats: Sequence[int]
    tied: bool
    embedding: bool = True

    def on_stages(self, stages: Sequence[int]) -> tuple[int, ...]:
        """Return what the fullest rank of each stage holds, *stages* being layers per stage."""
        starts = [sum(stages[:number]) for number in range(len(stages))]
        sizes = [self._layers(start, count) for start, count in zip(starts, stages, strict=True)]
        sizes[0] += self._ends(self.parts.embedding) * self.embedding + self._ends(self.parts.tower)
        copied = self.tied and (len(stages) > 1 or not self.embedding)
        sizes[-1] += self._ends(self.parts.head) + self.measure.of(self.parts.beside)
        sizes[-1] += self._ends(self.parts.embedding) * copied
        return tuple(sizes)

    def _ends(self, amount: Amount) -> int:
        return ceil_div(self.measure.of(amount), self.shares.ends)

    def _layers(self, start: int, count: int) -> int:
        stage = range(start, start + count)
        alike = Counter((self.parts.of_layers[layer], self.repeats[layer]) for layer in stage)
        return sum(times * self._layer(layer, repeats) for (layer, repeats), times in alike.items())

    def _layer(self, layer: LayerParts, repeats: int) -> int:
        """Return what the fullest rank holds of one layer."""
        of, shares = self.measure.of, self.shares
        whole = of(layer.whole) + of(layer.router)
        divided = ceil_div(of(layer.dense), shares.dense) + ceil_div(of(layer.shared), shares.shared)
        experts = shares.on_rank(layer.experts) * ceil_div(of(layer.expert), shares.expert)
        return whole + divided + experts + self._attention(layer, repeats)

    def _attention(self, layer: LayerParts, repeats: int) -> int:
        """Return what a rank holds of a layer's attention; what is repeated is stored as the rest."""
        size, ranks = self.measure.of(layer.attention), self.shares.attention
        if not repeats:
            return ceil_div(size, ranks)
        parameters = Measure(None).of(layer.attention)
        return ceil_div(size * (parameters + repeats), parameters * ranks)
