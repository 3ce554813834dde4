"""The KV cache dtype that a checkpoint declares: what it is to an engine, where nobody asks for another."""

from collections.abc import Set as AbstractSet

from kvplan.dtypes import Role
from kvplan.engines import Engine
from kvplan.errors import OptionsError
from kvplan.specs import ModelSpec


def as_declared(
    spec: ModelSpec, asked: str | None, engine: Engine, roles: AbstractSet[Role]
) -> tuple[str | None, str | None]:
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
    if taken is None:
        return asked, f"the checkpoint declares a KV cache in {dtype}, of which {engine.name} takes no heed"
    note = f"{engine.name} keeps the KV cache in {dtype}, as the checkpoint declares"
    return taken, f"{note}, unless --kv-dtype says otherwise"
