"""What a count of parameters is: how many of them each way of spreading a model over GPUs divides."""

from collections import Counter
from dataclasses import field
from typing import Literal, NamedTuple

from kvplan.frozen import FrozenDict
from kvplan.records import record

Held = Literal["sharded", "replicated", "experts"]
"""How ranks hold parameters: as the fields of Parameters of these names."""


class Matrix(NamedTuple):
    """The shape of a matrix that methods of quantisation store in fewer bits, and how ranks hold it."""

    held: Held
    outputs: int
    inputs: int


@record
class Parameters:
    """
    The weights of a model, of a layer or of one matrix, counted in elements.

    `sharded` is what tensor parallelism divides: query, key, value and output projections, MLPs,
    embeddings and the output head. `replicated` is whole on every rank: norms, routers, the biases
    of row-parallel matrices, MLA's down-projections, indexers. `experts` are the routed experts,
    which expert parallelism spreads whole and tensor parallelism divides.

    The split is vLLM 0.33's (model_executor/layers/linear.py, vocab_parallel_embedding.py). Above as
    many ranks as KV heads it also repeats the key and value matrices, which are counted as
    `sharded` unless there is one KV head. Padding, of the vocabulary for instance, is not counted.

    `vectors` of all these are norms and biases, which no method quantises; None where a count does not
    tell them apart. `inputs` are the widths of the inputs that tensor parallelism divides, of the matrices
    in `sharded`, and `expert_inputs` those of the experts'. `matrices` are those which methods of
    quantisation store otherwise, each with its number: neither routers nor embeddings are among them.
    `steering` are biases of routers, kept in float32 whatever the model's dtype. `number` is the most routed
    experts of a layer.
    """

    sharded: int = 0
    replicated: int = 0
    experts: int = 0
    vectors: int | None = field(default=None, compare=False)
    inputs: frozenset[int] = field(default=frozenset(), compare=False)
    expert_inputs: frozenset[int] = field(default=frozenset(), compare=False)
    matrices: FrozenDict[Matrix, int] = field(default_factory=FrozenDict, compare=False)
    steering: int = field(default=0, compare=False)
    number: int = field(default=0, compare=False)

    @property
    def total(self) -> int:
        """The parameters of one replica of the model."""
        return self.sharded + self.replicated + self.experts

    def held(self, how: Held) -> "Parameters":
        """Return those that ranks hold in one way: with their matrices, but without widths of inputs."""
        matrices = {matrix: count for matrix, count in self.matrices.items() if matrix.held == how}
        steering = self.steering if how == "replicated" else 0
        return Parameters(
            sharded=self.sharded if how == "sharded" else 0,
            replicated=self.replicated if how == "replicated" else 0,
            experts=self.experts if how == "experts" else 0,
            matrices=FrozenDict(matrices),
            steering=steering,
        )

    def share(self, number: int) -> "Parameters":
        """Return one of *number* equal shares of routed experts."""
        matrices = {matrix: count // number for matrix, count in self.matrices.items()}
        return Parameters(experts=self.experts // number, matrices=FrozenDict(matrices))

    def __add__(self, other: "Parameters") -> "Parameters":
        return Parameters(
            sharded=self.sharded + other.sharded,
            replicated=self.replicated + other.replicated,
            experts=self.experts + other.experts,
            vectors=None if self.vectors is None or other.vectors is None else self.vectors + other.vectors,
            inputs=self.inputs | other.inputs,
            expert_inputs=self.expert_inputs | other.expert_inputs,
            matrices=_together(self.matrices, other.matrices),
            steering=self.steering + other.steering,
            number=max(self.number, other.number),
        )

    def __mul__(self, times: int) -> "Parameters":
        return Parameters(
            sharded=self.sharded * times,
            replicated=self.replicated * times,
            experts=self.experts * times,
            vectors=None if self.vectors is None else self.vectors * times,
            inputs=self.inputs,
            expert_inputs=self.expert_inputs,
            matrices=FrozenDict({matrix: count * times for matrix, count in self.matrices.items()}),
            steering=self.steering * times,
            number=self.number,
        )


def _together(some: FrozenDict[Matrix, int], others: FrozenDict[Matrix, int]) -> FrozenDict[Matrix, int]:
    """Return how many there are of each matrix."""
    if not some or not others:
        return some or others
    return FrozenDict(Counter(some) + Counter(others))


NONE = Parameters(vectors=0)
"""Nothing to store."""
