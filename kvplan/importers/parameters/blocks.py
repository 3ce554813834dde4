"""The parts that every model is built of, counted from their dimensions."""

from kvplan.frozen import FrozenDict
from kvplan.importers.parameters.base import NONE, Held, Matrix, Parameters


def column(inputs: int, outputs: int, *, bias: bool = False) -> Parameters:
    """Return a matrix whose outputs tensor parallelism divides, and its bias with them."""
    return Parameters(
        sharded=(inputs + bias) * outputs, vectors=bias * outputs, matrices=_one("sharded", outputs, inputs)
    )


def row(inputs: int, outputs: int, *, bias: bool = False) -> Parameters:
    """
    Return a matrix whose inputs tensor parallelism divides.

    Its bias is whole on every rank, and added on one: vLLM 0.33, RowParallelLinear.
    """
    return Parameters(
        sharded=inputs * outputs,
        replicated=bias * outputs,
        vectors=bias * outputs,
        inputs=frozenset({inputs}),
        matrices=_one("sharded", outputs, inputs),
    )


def whole(inputs: int, outputs: int, *, bias: bool = False) -> Parameters:
    """Return a matrix that every rank holds: a projection down to a latent."""
    matrices = _one("replicated", outputs, inputs)
    return Parameters(replicated=(inputs + bias) * outputs, vectors=bias * outputs, matrices=matrices)


def kept(inputs: int, outputs: int) -> Parameters:
    """Return a matrix that every rank holds, and that no method of quantisation stores otherwise."""
    return Parameters(replicated=inputs * outputs, vectors=0)


def router(hidden: int, number: int, *, bias: bool = False) -> Parameters:
    """
    Return what chooses among *number* experts, and a *bias* that steers the choice.

    The bias is in float32 in the checkpoints and in vLLM 0.33 (model_executor/models/deepseek_v2.py).
    """
    steering = bias * number
    return kept(hidden, number) + Parameters(replicated=steering, vectors=steering, steering=steering)


def rms_norm(width: int) -> Parameters:
    """Return the weights of a norm that has no bias."""
    return Parameters(replicated=width, vectors=width)


def vector(width: int) -> Parameters:
    """Return numbers that every rank holds and no method quantises: a bias, as a rule."""
    return Parameters(replicated=width, vectors=width)


def layer_norm(width: int) -> Parameters:
    """Return the weights of a norm that has a bias."""
    return Parameters(replicated=2 * width, vectors=2 * width)


def fixed_norm(width: int) -> Parameters:  # noqa: ARG001 - the signature of the other norms
    """Return nothing: a norm without weights, as the first OLMo has it."""
    return NONE


def embedding(vocabulary: int, hidden: int, *, tied: bool) -> Parameters:
    """Return the input embedding, and the output head unless the two are *tied*."""
    return Parameters(sharded=vocabulary * hidden * (1 if tied else 2), vectors=0)


def gated_mlp(hidden: int, width: int, *, bias: bool = False) -> Parameters:
    """Return an MLP of a gate, an up and a down matrix, as in SwiGLU: arXiv 2002.05202."""
    return column(hidden, width, bias=bias) * 2 + row(width, hidden, bias=bias)


def plain_mlp(hidden: int, width: int, *, bias: bool = False) -> Parameters:
    """Return an MLP of an up and a down matrix."""
    return column(hidden, width, bias=bias) + row(width, hidden, bias=bias)


def experts(number: int, each: Parameters) -> Parameters:
    """Return *number* routed experts of *each* so many parameters."""
    vectors = None if each.vectors is None else number * each.vectors
    matrices = {Matrix("experts", *shape): number * count for (_, *shape), count in each.matrices.items()}
    return Parameters(
        experts=number * each.total,
        vectors=vectors,
        expert_inputs=each.inputs,
        matrices=FrozenDict(matrices),
        number=number,
    )


def _one(held: Held, outputs: int, inputs: int) -> FrozenDict[Matrix, int]:
    return FrozenDict({Matrix(held, outputs, inputs): 1})
