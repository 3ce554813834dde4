"""Weights as files hold them: their tensors, or at least their exact size."""

from collections import Counter

from kvplan.records import record


@record
class StoredTensor:
    """One tensor of a file; `elements` counts what the file stores, so packed weights count packed."""

    name: str
    dtype: str
    elements: int
    size_bytes: int


@record
class StoredWeights:
    """
    All weights of one model, in bytes: exact, and by dtype where the tensors are known.

    `tensors` is empty where only an index gives the total. `origin` says where the figure is from.
    """

    total_bytes: int
    tensors: tuple[StoredTensor, ...]
    origin: str

    def bytes_by_dtype(self) -> dict[str, int]:
        """Return the bytes of each dtype, the largest first; empty if only the total is known."""
        sizes: Counter[str] = Counter()
        for tensor in self.tensors:
            sizes[tensor.dtype] += tensor.size_bytes
        return dict(sizes.most_common())
