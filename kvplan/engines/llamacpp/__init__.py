"""llama.cpp: caches whose cells are all allocated when it starts."""

from kvplan.engines.llamacpp.buffers import Buffer, buffers
from kvplan.engines.llamacpp.caches import Arranged, arrange
from kvplan.engines.llamacpp.cells import MAX_SEQUENCES
from kvplan.engines.llamacpp.errors import RefusedError
from kvplan.engines.llamacpp.options import LlamaOptions
from kvplan.engines.llamacpp.waterfall import waterfall

__all__ = [
    "MAX_SEQUENCES",
    "Arranged",
    "Buffer",
    "LlamaOptions",
    "RefusedError",
    "arrange",
    "buffers",
    "waterfall",
]
