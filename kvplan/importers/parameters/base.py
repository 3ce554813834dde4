"""What a count of parameters is: how many of them each way of spreading a model over GPUs divides."""

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
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
    in `sharded`, and `expert_inputs` those of the experts'.
    """

    sharded: int = 0
    replicated: int = 0
    experts: int = 0
    vectors: int | None = field(default=None, compare=False)
    inputs: frozenset[int] = field(default=frozenset(), compare=False)
    expert_inputs: frozenset[int] = field(default=frozenset(), compare=False)

    @property
    def total(self) -> int:
        """The parameters of one replica of the model."""
        return self.sharded + self.replicated + self.experts

    def __add__(self, other: "Parameters") -> "Parameters":
        return Parameters(
            sharded=self.sharded + other.sharded,
            replicated=self.replicated + other.replicated,
            experts=self.experts + other.experts,
            vectors=None if self.vectors is None or other.vectors is None else self.vectors + other.vectors,
            inputs=self.inputs | other.inputs,
            expert_inputs=self.expert_inputs | other.expert_inputs,
        )

    def __mul__(self, times: int) -> "Parameters":
        return Parameters(
            sharded=self.sharded * times,
            replicated=self.replicated * times,
            experts=self.experts * times,
            vectors=None if self.vectors is None else self.vectors * times,
            inputs=self.inputs,
            expert_inputs=self.expert_inputs,
        )


NONE = Parameters(vectors=0)
"""Nothing to store."""
