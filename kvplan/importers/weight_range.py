"""The bytes that quantised weights can take, where only a config tells of them."""

from fractions import Fraction

from kvplan.dtypes import Dtype
from kvplan.importers.parameters.base import Parameters
from kvplan.importers.quantization import Quantization
from kvplan.importers.weight_parts import touched
from kvplan.units import ceil_div

# A row, which may have one scale and one bias, has at least so many weights in the models that are served.
_SHORTEST_ROW = 256


def weight_range(
    parameters: Parameters, *, embedding: int, head: int, dtype: Dtype, quantization: Quantization
) -> tuple[int, int]:
    """
    Return the fewest and the most bytes that the weights of one replica can take.

    *embedding* and *head* are the parameters of the token embedding and of an untied output head,
    which *parameters* counts as sharded; *dtype* stores what is not quantised. The range is open
    where the config is: modules that a pattern may exclude, scales, and mixed widths.
    """
    if quantization.ends and len(quantization.bits) == 1 and not quantization.excluded:
        exact = _exact(parameters, dtype, quantization)
        if exact is not None:
            return exact, exact
    rest = parameters.sharded - embedding - head
    keeps = _kept(quantization)
    never, ends = quantization.method == "mxfp4", quantization.ends
    low = high = Fraction(0)
    for elements, stays, may_stay, experts in (
        (embedding, not ends, not ends, False),
        (head, "head" in keeps, not ends, False),
        (rest, never, "rest" in keeps, False),
        (parameters.replicated, never, True, False),
        (parameters.experts, False, "experts" in keeps, True),
    ):
        least, most = _quantized(elements, quantization, dtype, experts=experts)
        full = _bytes(elements, dtype)
        low += full if stays else least
        high += full if stays or may_stay else most
    return int(low), ceil_div(high.numerator, high.denominator)


def _exact(parameters: Parameters, dtype: Dtype, quantization: Quantization) -> int | None:
    """Return the bytes where every matrix is quantised alike, None where the vectors are not counted."""
    if parameters.vectors is None or quantization.group_size is None:
        return None
    matrices = parameters.total - parameters.vectors
    scales = Fraction(matrices * quantization.scale_bytes[0], quantization.group_size)
    size = Fraction(matrices * quantization.bits[0], 8) + scales + _bytes(parameters.vectors, dtype)
    return ceil_div(size.numerator, size.denominator)


def _kept(quantization: Quantization) -> set[str]:
    """Return which of head, rest and experts the config may leave in the model's own dtype."""
    if quantization.method == "mxfp4":
        # transformers 5.23, quantizer_mxfp4.py: the routed experts alone are converted.
        return {"head", "rest"}
    keeps = (
        {"rest", "experts"} if quantization.excluded is None and quantization.method == "modelopt" else set()
    )
    if quantization.method in ("bitsandbytes", "hqq"):
        # They replace Linear modules: experts that are kept as one tensor stay as they are.
        keeps.add("experts")
    for pattern in quantization.excluded or ():
        keeps |= touched(pattern)
    return keeps


def _quantized(
    elements: int, quantization: Quantization, dtype: Dtype, *, experts: bool
) -> tuple[Fraction, Fraction]:
    """Return the fewest and most bytes of quantised weights, scales and, at most, a bias for each row."""
    biases = _bytes(elements, dtype) / _SHORTEST_ROW
    if experts and quantization.expert_bits < quantization.bits[0]:
        # 4-bit experts in an 8-bit checkpoint: MXFP4 (DeepSeek-V4) or NVFP4, one byte for 32 or 16.
        return Fraction(17 * elements, 32), Fraction(9 * elements, 16) + biases
    fewest, most = quantization.scale_bytes
    least = Fraction(elements * quantization.bits[0], 8)
    if quantization.group_size:
        least += Fraction(elements * fewest, quantization.group_size)
    scales = Fraction(elements * most, quantization.group_size or _SHORTEST_ROW)
    return least, Fraction(elements * quantization.bits[-1], 8) + scales + biases


def _bytes(elements: int, dtype: Dtype) -> Fraction:
    return Fraction(elements * dtype.block_bytes, dtype.block)
