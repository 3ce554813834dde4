"""The KV cache dtype that a checkpoint declares: what it is to an engine, where nobody asks for another."""

from collections.abc import Set as AbstractSet

from kvplan.dtypes import Role
from kvplan.engines import Engine
from kvplan.errors import OptionsError
from kvplan.planner.facts import DeclaredKv
from kvplan.specs import ModelSpec


def as_declared(
    spec: ModelSpec, asked: str | None, engine: Engine, roles: AbstractSet[Role]
) -> tuple[str | None, DeclaredKv | None]:
    """
    Return the KV dtype that counts as asked for, and a note on what the checkpoint declares.

    *asked* wins over a declaration. Raises a KvplanError for one that the engine refuses, or that is not
    understood.
    """
    if spec.kv_cache_open is not None and asked in (None, "auto"):
        raise OptionsError(f"{spec.kv_cache_open}: give --kv-dtype")
    dtype = spec.kv_cache_dtype
    if dtype is None or asked not in (None, "auto"):
        return asked, None
    taken = engine.declared_kv(dtype, spec.kv_cache_by, roles)
    note = DeclaredKv(dtype=dtype, engine=engine.name, taken=taken is not None)
    return asked if taken is None else taken, note
