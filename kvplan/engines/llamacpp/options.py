"""What a user chooses when llama.cpp starts, as far as it concerns the cache."""

from collections.abc import Mapping

from kvplan.engines.llamacpp.errors import RefusedError
from kvplan.engines.settings import Setting, read_settings
from kvplan.records import record

SETTINGS = (
    Setting(name="kv_unified", kind="flag", help="all slots share one context"),
    Setting(name="swa_full", kind="flag", help="windows keep the whole context"),
    Setting(name="flash_attn", kind="flag", help="off pads V to the widest layer"),
    Setting(
        name="spec_draft_n_max",
        kind="count",
        help="tokens that a draft leaves to verify, with a state to go back to for each: 3",
    ),
    Setting(name="tensor_split", kind="ratios", help="shares of the layers of each GPU: 3,1"),
    Setting(
        name="n_outputs_max",
        kind="count",
        help="tokens of a micro-batch that have logits; each slot's and its drafted ones unless told",
    ),
)
"""Options of llama.cpp that other engines do not have, by its names in common/arg.cpp."""


@record
class LlamaOptions:
    """
    llama.cpp's own options, by its own names, with the defaults of its tools (common/common.h).

    `n_ubatch` is --ubatch-size: the logical --batch-size, 2048 by default, must not be smaller.
    `kv_unified` is off as for every tool that is told its number of slots; llama-server turns it on
    where --parallel is left to it (tools/server/server.cpp). `swa_full` keeps windows whole; the C
    interface has it on by default, the tools off. `flash_attn` is `auto` in llama.cpp, which is on
    wherever the device has a kernel. `spec_draft_n_max` are the tokens that a draft drafts, and
    `n_outputs_max` of a micro-batch have logits: llama-server asks for those that slots can need, other
    programs for all (server_output_limits in tools/server/server-context.cpp).
    """

    n_ubatch: int = 512
    kv_unified: bool = False
    swa_full: bool = False
    flash_attn: bool = True
    spec_draft_n_max: int = 3
    n_outputs_max: int | None = None

    def __post_init__(self) -> None:
        """Refuse a batch below 1."""
        if self.n_ubatch < 1:
            raise RefusedError(f"n_ubatch={self.n_ubatch} is not at least 1")


def asked_of(settings: Mapping[str, str], n_ubatch: int | None) -> LlamaOptions:
    """Return what a user chose, by the names of SETTINGS; *n_ubatch* is None where it is left open."""
    given, default = read_settings(SETTINGS, settings), LlamaOptions()
    return LlamaOptions(
        n_ubatch=default.n_ubatch if n_ubatch is None else n_ubatch,
        kv_unified=given.flag("kv_unified") is True,
        swa_full=given.flag("swa_full") is True,
        flash_attn=given.flag("flash_attn") is not False,
        spec_draft_n_max=given.count("spec_draft_n_max") or default.spec_draft_n_max,
        n_outputs_max=given.count("n_outputs_max"),
    )
