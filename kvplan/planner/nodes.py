"""Several nodes: how many GPUs each has, and whether a tensor-parallel group stays within one."""

from kvplan.errors import SplitError
from kvplan.units import counted


def node_gpus(gpus: int, nodes: int) -> int:
    """
    Return how many of *gpus* each node has; raise SplitError where they are not alike.

    vLLM and SGLang refuse it, too: create_engine_config in vllm/engine/arg_utils.py and check_server_args in
    srt/server_args.py.
    """
    if gpus % nodes:
        raise SplitError(f"{counted(gpus, 'GPU')} are not spread evenly over {counted(nodes, 'node')}")
    return gpus // nodes


def crossing(tp: int, each: int) -> str | None:
    """
    Return what it means that a group of *tp* ranks reaches beyond a node of *each* GPUs; None if none does.

    Ranks of a group follow each other, and nodes have as many ranks, one after the other.
    """
    if each % tp == 0:
        return None
    within = max(degree for degree in range(1, each + 1) if each % degree == 0 and tp % degree == 0)
    return (
        f"tp {tp} crosses nodes of {counted(each, 'GPU')}: each layer's sums go over the network between; "
        f"tp {within} with {tp // within} times the stages stays within a node"
    )
