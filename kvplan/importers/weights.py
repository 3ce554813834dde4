"""
The bytes of a model's weights, and which source of them wins.

The headers of its files come first, then the total of their index: both are exact. Without them the
parameters are multiplied by their dtype, which is exact too; only a quantised checkpoint of which
nothing but the config is at hand has a range.
"""

from pathlib import Path

from kvplan.dtypes import dtype_by_name
from kvplan.files import is_folder
from kvplan.importers.files import find_inside
from kvplan.importers.gguf import read_gguf
from kvplan.importers.parameters.base import Parameters
from kvplan.importers.quantization import Quantization, read_quantization
from kvplan.importers.safetensors import read_file, read_folder
from kvplan.importers.stored import StoredWeights
from kvplan.importers.strict_json import Json, read_json
from kvplan.importers.weight_range import weight_range
from kvplan.records import record
from kvplan.units import ceil_div

HF_QUANT_NAME = "hf_quant_config.json"


@record
class Counted:
    """The parameters of a model, and how many of the sharded ones are the embedding and an untied head."""

    parameters: Parameters
    embedding: int
    head: int
    dtype: str


@record
class Weights:
    """
    The bytes of the weights of one replica: exact if `low_bytes` and `high_bytes` are equal.

    `by_dtype` has the bytes of each stored dtype, the largest first, where headers tell; `origin` is
    the source that won, in words.
    """

    low_bytes: int
    high_bytes: int
    by_dtype: tuple[tuple[str, int], ...]
    origin: str

    @property
    def exact(self) -> bool:
        """Whether the size is known to the byte."""
        return self.low_bytes == self.high_bytes

    def on_rank(self, counted: Counted, tp: int) -> tuple[int, int]:
        """
        Return the fewest and the most bytes on each of *tp* ranks.

        What tensor parallelism replicates is counted whole on every rank, in the model's dtype; the
        rest is divided, the routed experts with it.
        """
        dtype = dtype_by_name(counted.dtype)
        whole = ceil_div(counted.parameters.replicated * dtype.block_bytes, dtype.block)
        low, high = (
            min(size, whole) + ceil_div(max(size - whole, 0), tp)
            for size in (self.low_bytes, self.high_bytes)
        )
        return low, high


def weight_bytes(
    stored: StoredWeights | None, counted: Counted | None, quantization: Quantization | None
) -> Weights | None:
    """Return the weights by the best of the sources that are there, None if there is none."""
    if stored is not None:
        by_dtype = tuple(stored.bytes_by_dtype().items())
        return _exact(stored.total_bytes, by_dtype, stored.origin)
    if counted is None or (quantization is not None and not quantization.bits):
        return None
    dtype = dtype_by_name(counted.dtype)
    count = f"{counted.parameters.total:,} parameters"
    if quantization is None:
        size = ceil_div(counted.parameters.total * dtype.block_bytes, dtype.block)
        return _exact(size, (), f"{count} in {dtype.name}")
    low, high = weight_range(
        counted.parameters,
        embedding=counted.embedding,
        head=counted.head,
        dtype=dtype,
        quantization=quantization,
    )
    told = (
        f"in {quantization.bits[0]} bits" if low == high else "a range, as the config does not tell all sizes"
    )
    origin = f"{count}, {quantization.method}: {told}"
    return Weights(low_bytes=low, high_bytes=high, by_dtype=(), origin=origin)


def stored_weights(source: Path) -> StoredWeights | None:
    """
    Return the weights that a file or the files of a folder hold, None for a folder without any.

    Reads a safetensors or GGUF file, or the safetensors of a folder. Raises ImportedError for files
    that are broken or incomplete.
    """
    if is_folder(source):
        return read_folder(source)
    return read_gguf(source).weights if source.suffix.lower() == ".gguf" else read_file(source)


def quantization_of(config: dict[str, Json], folder: Path | None, *, file: str) -> Quantization | None:
    """Return the quantisation that a config and a `hf_quant_config.json` beside it declare."""
    path = find_inside(folder, HF_QUANT_NAME) if folder else None
    return read_quantization(config, read_json(path) if path else None, file=file)


def _exact(size: int, by_dtype: tuple[tuple[str, int], ...], origin: str) -> Weights:
    return Weights(low_bytes=size, high_bytes=size, by_dtype=by_dtype, origin=origin)
