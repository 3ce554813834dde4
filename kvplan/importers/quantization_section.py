"""The object in a config that describes the quantisation, read strictly, and what it says of the KV cache."""

from collections.abc import Mapping

from kvplan.errors import ImportedError, did_you_mean
from kvplan.importers.strict_json import Json, shown

Config = Mapping[str, Json]

_MOST_BITS = 16
_KV_FIELDS = ("kv_cache_scheme", "kv_cache_quant_algo")
# What compressed-tensors and ModelOpt write for the cache: type and bits, or the name of an algorithm.
_KV_NAMES = {"FP8": "fp8", "NVFP4": "nvfp4", "INT8": "int8"}
_KV_SCHEMES = {("float", 8, None): "fp8", ("int", 8, None): "int8", ("float", 4, 16): "nvfp4"}


class CacheDeclarationError(ImportedError):
    """What is declared for the KV cache is not understood; the weights are another matter."""


class Section:
    """The object that describes the quantisation, read strictly."""

    def __init__(self, values: Config, where: str) -> None:
        self.values = values
        self.where = where

    def error(self, name: str, problem: str) -> ImportedError:
        return ImportedError(f"{self.where}.{name}: {problem}")

    def first(self, *names: str) -> str:
        """Return the first of these fields that is there, else the last of them."""
        return next((name for name in names if name in self.values), names[-1])

    def bits(self, name: str) -> int:
        value = self.values.get(name)
        if type(value) is not int or not 1 <= value <= _MOST_BITS:
            raise self.error(name, f"found {shown(value)}; expected the bits of a weight, 1 to 16")
        return value

    def group(self, name: str) -> int | None:
        """Return the weights that share a scale; null and -1 say that a whole row does."""
        value = self.values.get(name)
        if value is None or value == -1:
            return None
        if type(value) is not int or not 1 <= value <= 2**20:
            raise self.error(name, f"found {shown(value)}; expected the size of a group")
        return value

    def flag(self, name: str) -> bool:
        value = self.values.get(name, False)
        if not isinstance(value, bool):
            raise self.error(name, f"found {shown(value)}; expected true or false")
        return value

    def optional_texts(self, *names: str) -> tuple[str, ...] | None:
        """Return the first list of texts that is given, or None."""
        for name in names:
            value = self.values.get(name)
            if value is None:
                continue
            if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
                raise self.error(name, f"found {shown(value)}; expected a list of modules")
            return tuple(str(each) for each in value)
        return None

    def inner(self, name: str) -> "Section":
        value = self.values.get(name)
        if not isinstance(value, dict):
            raise self.error(name, f"found {shown(value)}; expected an object")
        return Section(value, f"{self.where}.{name}")

    def declares_kv(self) -> bool:
        """Tell whether the section says anything of the KV cache."""
        return any(self.values.get(name) is not None for name in _KV_FIELDS)

    def kv_dtype(self) -> str | None:
        """Return what the section declares for the KV cache, or None; raise CacheDeclarationError."""
        unknown = [name for name, value in self.values.items() if _is_unknown(name, value)]
        if unknown:
            problem = f"kvplan does not know this field of the KV cache{_hint(unknown[0])}"
            raise CacheDeclarationError(f"{self.where}.{unknown[0]}: {problem}")
        declared = [(name, self.values[name]) for name in _KV_FIELDS if self.values.get(name) is not None]
        dtypes = {_kv_name(value) for _, value in declared}
        if None in dtypes or len(dtypes) > 1:
            name, value = declared[0]
            problem = f"found {shown(value)}, which is no KV cache dtype that kvplan knows"
            raise CacheDeclarationError(f"{self.where}.{name}: {problem}")
        return dtypes.pop() if dtypes else None


def _kv_name(value: Json) -> str | None:
    """Return the cache dtype of one declaration, None if it is not known."""
    if isinstance(value, str):
        return _KV_NAMES.get(value.upper())
    if not isinstance(value, dict) or not _is_heeded(value):
        return None
    for (kind, bits, group), name in _KV_SCHEMES.items():
        if (value.get("type"), value.get("num_bits"), value.get("group_size")) == (kind, bits, group):
            return name
    return None


def _is_heeded(scheme: Config) -> bool:
    """
    Tell whether engines heed a scheme with such scales, as far as it says how they are made.

    compressed-tensors' must be of a tensor or of a head, and symmetric; ModelOpt's must be fixed. Sources:
    validate_kv_cache_scheme in quantization/compressed_tensors/compressed_tensors.py, and
    get_kv_cache_quant_algo_string in utils/torch_utils.py of vLLM 0.33.
    """
    if (strategy := scheme.get("strategy")) is not None:
        return strategy in ("tensor", "attn_head") and scheme.get("symmetric", True) is True
    return scheme.get("dynamic", False) is False


def _is_unknown(name: str, value: Json) -> bool:
    """Tell whether a field declares something of the cache that nobody reads; modules have dots in them."""
    is_module = "." in name or "*" in name
    about_cache = not is_module and ("kv" in name or "cache" in name)
    return about_cache and name not in _KV_FIELDS and value not in (None, [], {})


def _hint(name: str) -> str:
    return did_you_mean(name, list(_KV_FIELDS))
