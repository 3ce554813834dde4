"""Which parts of a model a module's name, or a pattern of names, is about."""

import re

# Modules of which excluding all changes little beside what the range leaves open anyway: norms, routers,
# and parts that a text model's parameters do not count.
_SMALL = (
    "embed", "wte", "norm", "router", "e_score_correction_bias", "mlp.gate", ".gate",
    "visual", "vision", "audio", "projector", "multi_modal", "mtp", "conv1d", "eh_proj",
)  # fmt: skip


def touched(pattern: str) -> set[str]:
    """Return which of head, rest and experts a pattern of modules may cover."""
    if "head" in pattern or pattern == "output":
        return {"head"}
    if any(part in pattern for part in _SMALL) or pattern == "gate":
        return set()
    if "expert" in pattern:
        return {"rest"} if "shared" in pattern else {"experts"}
    words = re.findall(r"[a-z]\w*", pattern.removeprefix("re:").lower())
    # A whole layer, or all that follows its attention, has experts in it; a projection has none.
    whole = not words or words[-1] in ("mlp", "ffn", "block_sparse_moe", "layers", "model")
    return {"rest", "experts"} if whole else {"rest"}
