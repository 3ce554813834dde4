"""What a user chooses when llama.cpp starts, as far as it concerns the cache."""

from kvplan.engines.llamacpp.errors import RefusedError
from kvplan.records import record


@record
class LlamaOptions:
    """
    llama.cpp's own options, by its own names, with the defaults of its tools (common/common.h).

    `n_ubatch` is --ubatch-size: the logical --batch-size, 2048 by default, must not be smaller.
    `kv_unified` is off as for every tool that is told its number of slots; llama-server turns it on
    where --parallel is left to it (tools/server/server.cpp). `swa_full` keeps windows whole; the C
    interface has it on by default, the tools off. `flash_attn` is `auto` in llama.cpp, which is on
    wherever the device has a kernel.
    """

    n_ubatch: int = 512
    kv_unified: bool = False
    swa_full: bool = False
    flash_attn: bool = True

    def __post_init__(self) -> None:
        """Refuse a batch below 1."""
        if self.n_ubatch < 1:
            raise RefusedError(f"n_ubatch={self.n_ubatch} is not at least 1")
