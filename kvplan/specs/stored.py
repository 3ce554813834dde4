"""The parts of a file's tensors, for an engine that splits a model by layers."""

from typing import Annotated

from pydantic import Field

from kvplan.attention.base import Facts

_Size = Annotated[int, Field(ge=0, le=10**18)]


class StoredParts(Facts):
    """
    The bytes of a file's tensors, by where an engine that splits a model by layers keeps them.

    `embedding_bytes` are those of the token embedding, `inputs_bytes` of what stands beside it before the
    first layer, `layers_bytes` of each layer, `head_bytes` of all behind the last, with an output matrix of
    its own if there is one, and `everywhere_bytes` of tables that every device has whole.
    """

    embedding_bytes: _Size
    inputs_bytes: _Size = 0
    layers_bytes: Annotated[tuple[_Size, ...], Field(strict=False)]
    head_bytes: _Size
    everywhere_bytes: _Size = 0
