"""Which CUDA graphs SGLang captures, by what is asked for and by the model's class."""

from collections.abc import Mapping

from kvplan.engines.settings import Settings, read_settings
from kvplan.engines.sglang.fraction import MAX_PREFILL_TOKENS, KeptBack, PrefillGraphs
from kvplan.engines.sglang.options import CAPTURED_A2A, SETTINGS
from kvplan.engines.sglang.traits import traits_of


def kept_back(  # noqa: PLR0913 - what decides it
    architecture: str | None,
    settings: Mapping[str, str],
    *,
    tp: int,
    pp: int,
    tokens: int | None,
    sequences: int | None,
    sees: bool,
    latent: bool,
    groups: int = 1,
) -> KeptBack:
    """
    Return what decides the memory that SGLang keeps back, and the graphs that it captures.

    *tp* ranks in all share a stage, in *groups* that attend for sequences of their own; *tokens* and
    *sequences* are those that it was asked to run at once, and *latent* says whether attention is.
    """
    given = read_settings(SETTINGS, settings)
    sizes = given.counts("cuda_graph_bs_prefill")
    return KeptBack(
        tp=tp,
        pp=pp,
        graphs=_prefill_graphs(architecture, given, sees=sees, latent=latent),
        decodes=given.flag("disable_decode_cuda_graph") is not True,
        chunked=given.flag("chunked_prefill") is not False,
        chunked_prefill_size=tokens,
        max_prefill_tokens=given.count("max_prefill_tokens") or MAX_PREFILL_TOKENS,
        max_running_requests=sequences,
        most_decoding=given.count("cuda_graph_max_bs_decode"),
        longest_prefill=max(sizes) if sizes else given.count("cuda_graph_max_bs_prefill"),
        prefill_sizes=len(sizes) if sizes else None,
        groups=groups,
        deepep=given.name("moe_a2a_backend") == "deepep",
    )


def _prefill_graphs(architecture: str | None, given: Settings, *, sees: bool, latent: bool) -> PrefillGraphs:
    """Return which graphs of prefill SGLang captures."""
    traits, sent = traits_of(architecture), given.name("moe_a2a_backend") or "none"
    captured = traits.prefill_graphs and sent in CAPTURED_A2A and (traits.seen_graphs or not sees)
    if not captured or given.flag("disable_prefill_cuda_graph") is True:
        return "none"
    return "latent" if latent else "attention"
