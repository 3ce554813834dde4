"""How ggml stores numbers: the bytes of each type's block, and what its names for whole files mean."""

from kvplan.dtypes import Dtype, dtype_by_name
from kvplan.errors import UnknownNameError

# The number in a file, the name, the elements of a block and the bytes of a block: ggml.h (enum
# ggml_type), ggml.c (type_traits) and ggml-common.h (the blocks) of llama.cpp 0c1e57098.
_ROWS = """
    0 f32 1 4
    1 f16 1 2
    2 q4_0 32 18
    3 q4_1 32 20
    6 q5_0 32 22
    7 q5_1 32 24
    8 q8_0 32 34
    9 q8_1 32 36
    10 q2_k 256 84
    11 q3_k 256 110
    12 q4_k 256 144
    13 q5_k 256 176
    14 q6_k 256 210
    15 q8_k 256 292
    16 iq2_xxs 256 66
    17 iq2_xs 256 74
    18 iq3_xxs 256 98
    19 iq1_s 256 50
    20 iq4_nl 32 18
    21 iq3_s 256 110
    22 iq2_s 256 82
    23 iq4_xs 256 136
    24 i8 1 1
    25 i16 1 2
    26 i32 1 4
    27 i64 1 8
    28 f64 1 8
    29 iq1_m 256 56
    30 bf16 1 2
    34 tq1_0 256 54
    35 tq2_0 256 66
    39 mxfp4 32 17
    40 nvfp4 64 36
    41 q1_0 128 18
    42 q2_0 64 18
"""

GGML_TYPES = {
    int(number): Dtype(name=name, block=int(block), block_bytes=int(block_bytes))
    for number, name, block, block_bytes in map(str.split, _ROWS.split("\n")[1:-1])
}
"""The types by their number in a file. Those that llama.cpp has removed are not among them."""

_BY_NAME = {dtype.name: dtype for dtype in GGML_TYPES.values()}

# What llama-quantize calls files of several types: src/llama-quant.cpp of llama.cpp 0c1e57098
# (llama_tensor_get_type). Which tensor gets which type depends on the model; the least and the most of
# its large matrices stand here.
_MIXTURES = {
    "q2_k_s": ("q2_k", "q6_k"),
    "q3_k_s": ("q3_k", "q6_k"),
    "q3_k_m": ("q3_k", "q6_k"),
    "q3_k_l": ("q3_k", "q6_k"),
    "q4_k_s": ("q4_k", "q6_k"),
    "q4_k_m": ("q4_k", "q6_k"),
    "q5_k_s": ("q5_k", "q6_k"),
    "q5_k_m": ("q5_k", "q6_k"),
}


def weight_dtype(name: str) -> Dtype:
    """
    Return the dtype of weights by its name: any of a cache, or a type of ggml's.

    Raises UnknownNameError for one that is not known, and for a file's name of several types.
    """
    key = name.strip().lower()
    if key in _MIXTURES:
        least, most = (_BY_NAME[each] for each in _MIXTURES[key])
        raise UnknownNameError(
            f"{name} mixes types tensor by tensor, from {_bits(least)} to {_bits(most)}: give the .gguf file "
            "as the model, the weights' size (--weights 5GB), or one type for all of them"
        )
    return _BY_NAME[key] if key in _BY_NAME else dtype_by_name(name)


def is_of_gguf(name: str) -> bool:
    """Return whether a name is a type that GGUF files alone have, for embedding and head, too."""
    return name.strip().lower() in _BY_NAME.keys() - _OTHERS_TOO


_OTHERS_TOO = {"mxfp4", "nvfp4"}
"""Types that releases of other files have, too."""


def _bits(dtype: Dtype) -> str:
    return f"{dtype.name} ({8 * dtype.block_bytes / dtype.block:g} bits)"
