"""How numbers are stored in a cache: exact ratios of bytes to elements, never rounded bits."""

from dataclasses import replace
from functools import cache
from typing import Literal

from kvplan.errors import UnknownNameError, did_you_mean
from kvplan.records import record

Role = Literal["key", "value", "latent", "rope", "entry", "indexer", "state", "sums", "conv", "shift"]
"""What a cached tensor is: the cache format may store each role in its own dtype.

`entry` is the part without RoPE of one DeepSeek-V4 entry, which serves as key and as value. A recurrence
remembers its `state`, running `sums` beside it, the inputs of its convolution (`conv`) or its last
tokens (`shift`).
"""

RECURRENT_ROLES: frozenset[Role] = frozenset({"state", "sums", "conv", "shift"})
"""What a recurrence remembers: its dtype is a fact of the model's spec, and no cache format's."""

SPARSE_MLA_ROLES: frozenset[Role] = frozenset({"latent", "indexer"})
"""What sparse MLA keeps, and no other attention both of."""


@record
class Dtype:
    """
    A storage format of one row: `block_bytes` for each `block` elements, plus `row_extra` bytes.

    A row is what one unit (a KV head, a latent) keeps for one token. `row_extra` holds scales that
    are stored once a row; the newest `residual` rows stay in 16 bits. Beside its rows a token takes
    `token_extra` bytes on each rank, and one element of `sparse` is kept apart, as a value and an index. The
    source of a layout that is not a plain number stands beside it.
    """

    name: str
    block_bytes: int
    block: int = 1
    row_extra: int = 0
    residual: int = 0
    token_extra: int = 0
    sparse: int = 0

    def require_rows_alone(self, what: str) -> None:
        """Raise UnknownNameError if a token takes more than its rows, and of *what* that is not published."""
        if self.token_extra or self.sparse:
            raise UnknownNameError(
                f"how {what} would be kept in {self.name} is not published: choose another cache format"
            )

    def row_bytes(self, width: int) -> int:
        """Return the bytes of one row of *width* elements; raise if blocks do not divide it."""
        if width % self.block:
            raise UnknownNameError(
                f"{self.name} stores blocks of {self.block} elements, which do not divide a row of {width}"
            )
        return width // self.block * self.block_bytes + self.row_extra


FP32 = Dtype(name="fp32", block_bytes=4)
BF16 = Dtype(name="bf16", block_bytes=2)
FP16 = Dtype(name="fp16", block_bytes=2)
# One scale per tensor lies outside the cache (vLLM 0.33 keeps it as a module attribute).
FP8 = Dtype(name="fp8", block_bytes=1)
INT8 = Dtype(name="int8", block_bytes=1)
INT4 = Dtype(name="int4", block_bytes=1, block=2)
# A float32 scale beside each head's row: vLLM 0.33, v1/attention/backends/triton_attn.py.
FP8_PER_TOKEN_HEAD = Dtype(name="fp8_per_token_head", block_bytes=1, row_extra=4)
INT8_PER_TOKEN_HEAD = Dtype(name="int8_per_token_head", block_bytes=1, row_extra=4)
INT4_PER_TOKEN_HEAD = Dtype(name="int4_per_token_head", block_bytes=1, block=2, row_extra=4)
# 16 elements of 4 bits and one fp8 scale: NVFP4, as in vLLM 0.33's nvfp4_kv_cache_full_dim.
NVFP4 = Dtype(name="nvfp4", block_bytes=9, block=16)
# 32 elements and one shared 8-bit exponent: OCP Microscaling Formats (MX) v1.0.
MXFP4 = Dtype(name="mxfp4", block_bytes=17, block=32)
MXFP8 = Dtype(name="mxfp8", block_bytes=33, block=32)
# Blocks of 32 with a float16 scale (and minimum, for _1): ggml-common.h of llama.cpp 0c1e57098.
Q8_0 = Dtype(name="q8_0", block_bytes=34, block=32)
Q5_1 = Dtype(name="q5_1", block_bytes=24, block=32)
Q5_0 = Dtype(name="q5_0", block_bytes=22, block=32)
Q4_1 = Dtype(name="q4_1", block_bytes=20, block=32)
Q4_0 = Dtype(name="q4_0", block_bytes=18, block=32)
IQ4_NL = Dtype(name="iq4_nl", block_bytes=18, block=32)
# 32 elements, a float16 scale and a float16 zero point; up to 128 of the newest tokens in 16 bits:
# KIVI, arXiv 2402.02750, section 4.
KIVI2 = Dtype(name="kivi2", block_bytes=12, block=32, residual=128)
KIVI4 = Dtype(name="kivi4", block_bytes=20, block=32, residual=128)
# One float32 scale per 128 elements: FlashMLA's fp8 latent and DeepSeek-V3.2's indexer keys.
FP8_SCALED_128 = Dtype(name="fp8+fp32/128", block_bytes=132, block=128)
# One 8-bit exponent per 64 elements and one byte of padding a row: DeepSeek-V4, vLLM 0.33.
FP8_SCALED_64 = Dtype(name="fp8+e8m0/64", block_bytes=65, block=64, row_extra=1)

# TurboQuant, arXiv 2504.19874, as vLLM 0.33 stores it (turboquant/config.py): a key's codes and its norm in
# float16, a value's and a scale and a zero point.
TURBO_KEY4 = Dtype(name="turboquant key of 4 bits", block_bytes=1, block=2, row_extra=2)
TURBO_KEY3 = Dtype(name="turboquant key of 3 bits", block_bytes=3, block=8, row_extra=2)
TURBO_VALUE4 = Dtype(name="turboquant value of 4 bits", block_bytes=1, block=2, row_extra=4)
TURBO_VALUE3 = Dtype(name="turboquant value of 3 bits", block_bytes=3, block=8, row_extra=4)

# KVQuant, arXiv 2401.18079, appendix M: a token's values have a scale and an offset of 16 bits; those of keys
# are calibrated by channel, once for all. With 1 % of outliers, each of these is a value and an index of 16
# bits in a sparse matrix, which has an index of 32 bits for each token.
SPARSE = Dtype(name="values and indices of 16 bits", block_bytes=4)
_NUQ = {4: (1, 2), 3: (3, 8), 2: (1, 4)}
"""Bytes and the elements in them, by the bits of one."""

_PLAIN = (
    FP32,
    BF16,
    FP16,
    FP8,
    INT8,
    INT4,
    FP8_PER_TOKEN_HEAD,
    INT8_PER_TOKEN_HEAD,
    INT4_PER_TOKEN_HEAD,
    NVFP4,
    MXFP4,
    MXFP8,
    Q8_0,
    Q5_1,
    Q5_0,
    Q4_1,
    Q4_0,
    IQ4_NL,
    KIVI2,
    KIVI4,
)
_ALIASES = {
    "float32": "fp32",
    "float": "fp32",
    "f32": "fp32",
    "bfloat16": "bf16",
    "float16": "fp16",
    "half": "fp16",
    "f16": "fp16",
    "fp8_e4m3": "fp8",
    "fp8_e5m2": "fp8",
    "float8_e4m3fn": "fp8",
    "float8_e5m2": "fp8",
}
_DTYPES = {dtype.name: dtype for dtype in _PLAIN}

_SCALED = {"int2": "kivi2", "2bit": "kivi2", "int3": "kivi4"}
"""Formats that are useless without scales, and one that has them."""

_LONG = {"bf16": "bfloat16", "fp16": "float16", "fp32": "float32"}
"""What torch calls the dtypes in which models run, and a spec's `dtype` with it."""


@record
class CacheFormat:
    """
    What `--kv-dtype` chooses: the dtype of each role of the cache that grows with the context.

    Recurrent states are not part of it: their dtype is a fact of the model's spec. A role that is
    absent from `roles` cannot be stored in this format.
    """

    name: str
    roles: tuple[tuple[Role, Dtype], ...]

    def dtype(self, role: Role) -> Dtype:
        """Return the dtype of *role*; raise if this format has none for it."""
        for known, dtype in self.roles:
            if known == role:
                return dtype
        raise UnknownNameError(
            f"the cache format {self.name} has no layout for {role} rows: it is for "
            f"{' and '.join(known for known, _ in self.roles)} rows"
        )


_KV_ROLES: tuple[Role, ...] = ("key", "value", "latent", "rope", "entry", "indexer")


def _uniform(dtype: Dtype) -> CacheFormat:
    return CacheFormat(name=dtype.name, roles=tuple((role, dtype) for role in _KV_ROLES))


_MLA_FORMATS = (
    # 512 fp8 + 4 float32 scales + 64 bf16 = 656 bytes: vLLM 0.33, FlashMLA's fp8 layout; the
    # indexer keeps 128 fp8 + 1 float32 scale; DeepSeek-V4 entries take 448 + 8 + 64 x 2 = 584.
    CacheFormat(
        name="fp8_ds_mla",
        roles=(
            ("latent", FP8_SCALED_128),
            ("rope", BF16),
            ("entry", FP8_SCALED_64),
            ("indexer", FP8_SCALED_128),
        ),
    ),
    # 256 packed fp4 + 32 fp8 scales + 64 fp8 = 352 bytes: vLLM 0.33, for SM100.
    CacheFormat(
        name="nvfp4_ds_mla",
        roles=(("latent", NVFP4), ("rope", FP8), ("indexer", FP8_SCALED_128)),
    ),
)
_TURBOQUANT = tuple(
    CacheFormat(name=f"turboquant_{name}", roles=(("key", key), ("value", value)))
    for name, key, value in (
        ("k8v4", FP8, TURBO_VALUE4),
        ("4bit_nc", TURBO_KEY4, TURBO_VALUE4),
        ("k3v4_nc", TURBO_KEY3, TURBO_VALUE4),
        ("3bit_nc", TURBO_KEY3, TURBO_VALUE3),
    )
)


def _nuq(bits: int, *, outliers: bool) -> CacheFormat:
    block_bytes, block = _NUQ[bits]
    name, sparse, index = (f"nuq{bits}-1%", 100, 4) if outliers else (f"nuq{bits}", 0, 0)
    key = Dtype(name=name, block_bytes=block_bytes, block=block, sparse=sparse, token_extra=index)
    return CacheFormat(name=name, roles=(("key", key), ("value", replace(key, token_extra=index + 4))))


_KVQUANT = tuple(_nuq(bits, outliers=outliers) for bits in _NUQ for outliers in (False, True))
_FORMATS = {fmt.name: fmt for fmt in (*map(_uniform, _PLAIN), *_MLA_FORMATS, *_TURBOQUANT, *_KVQUANT)}


def kv_format_names() -> list[str]:
    """Return the names that `--kv-dtype` takes, without the aliases."""
    return list(_FORMATS)


def model_dtype_words() -> list[str]:
    """Return every name of a dtype in which models run, torch's own first."""
    others = [name for name, short in _ALIASES.items() if short in _LONG and name not in _LONG.values()]
    return [*_LONG.values(), *_LONG, *others]


def model_dtype(name: str) -> str | None:
    """Return torch's name of a dtype in which models run, by any of its names; None for any other."""
    return _LONG.get(short_dtype(name) or "")


def short_dtype(name: str) -> str | None:
    """Return the short name of a dtype in which models run: bf16, fp16 or fp32; None for any other."""
    key = name.strip().lower().removeprefix("torch.")
    short = _ALIASES.get(key, key)
    return short if short in _LONG else None


def dtype_by_name(name: str) -> Dtype:
    """Return a dtype by its name or by an engine's or torch's name for it."""
    key = name.strip().lower()
    try:
        return _DTYPES[_ALIASES.get(key, key)]
    except KeyError:
        raise _unknown(name, list(_DTYPES)) from None


@cache
def kv_format(text: str) -> CacheFormat:
    """
    Return the cache format of `fp8`, `fp8_ds_mla`, or `q8_0,value=q4_0` (one role apart).

    Raises UnknownNameError for a name or a role that is not known.
    """
    base, *overrides = (part.strip() for part in text.split(","))
    key = base.lower()
    fmt = _FORMATS.get(_ALIASES.get(key, key))
    if fmt is None:
        raise _unknown(base, list(_FORMATS))
    roles = dict(fmt.roles)
    for override in overrides:
        role, _, name = override.partition("=")
        if role not in _KV_ROLES:
            raise UnknownNameError(
                f"{override!r} in the KV dtype {text!r} is not ROLE=DTYPE "
                f"with a role of {', '.join(_KV_ROLES)}"
            )
        roles[role] = dtype_by_name(name)
    return replace(fmt, name=",".join((fmt.name, *overrides)), roles=tuple(roles.items()))


def _unknown(name: str, known: list[str]) -> UnknownNameError:
    if scaled := _SCALED.get(name.strip().lower()):
        return UnknownNameError(
            f"{name[:40]!r} does not say how its scales are stored, without which so few bits say nothing: "
            f"{scaled} has them"
        )
    hint = did_you_mean(name, [*known, *_ALIASES]) or f": use one of {', '.join(known)}"
    return UnknownNameError(f"unknown dtype {name[:40]!r}{hint}")
