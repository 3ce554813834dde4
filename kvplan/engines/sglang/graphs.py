"""What SGLang captures in CUDA graphs and prefills at once, as options, model and card decide it."""

from typing import NamedTuple

from kvplan.engines.base import EngineOptions
from kvplan.engines.profile_run import ProfileRun
from kvplan.engines.settings import Settings, read_settings
from kvplan.engines.sglang.fraction import MAX_PREFILL_TOKENS, KeptBack, PrefillGraphs
from kvplan.engines.sglang.images import decodes_in_flashinfer, has_images
from kvplan.engines.sglang.options import CAPTURED_A2A, SETTINGS
from kvplan.engines.sglang.shares import has_dp_attention
from kvplan.engines.sglang.traits import traits_of
from kvplan.gpus import Card


class _Asked(NamedTuple):
    """What decides it, whoever asks: `groups` of `tp` ranks attend for `requests` each."""

    architecture: str | None
    card: Card | None
    given: Settings
    tp: int
    pp: int
    groups: int
    chunk: int | None
    requests: int | None
    latent: bool
    sees: bool


def kept_back(options: EngineOptions) -> KeptBack:
    """Return what decides the memory that SGLang keeps back."""
    return _kept_back(
        _Asked(
            architecture=options.architecture,
            card=options.card,
            given=read_settings(SETTINGS, options.settings),
            tp=options.tp,
            pp=options.pp,
            groups=options.dp if has_dp_attention(options) else 1,
            chunk=options.max_num_batched_tokens,
            requests=options.max_num_seqs,
            latent="latent" in options.roles,
            sees=options.sees,
        )
    )


def kept_back_of(workload: ProfileRun) -> KeptBack:
    """Return the same of what the engine was asked to run at once."""
    given = read_settings(SETTINGS, workload.settings)
    together = workload.ranks // (workload.tp * workload.pp)
    return _kept_back(
        _Asked(
            architecture=workload.architecture,
            card=workload.card,
            given=given,
            tp=workload.tp,
            pp=workload.pp,
            groups=together if given.flag("enable_dp_attention") is True else 1,
            chunk=workload.batched_tokens,
            requests=workload.sequences,
            latent=is_latent(workload),
            sees=workload.sees,
        )
    )


def is_latent(workload: ProfileRun) -> bool:
    """Return whether attention keeps latents."""
    from kvplan.attention.latent import MLA  # noqa: PLC0415 - a cold command has no kind but its own

    return any(isinstance(kind, MLA) for kind in workload.kinds)


def _kept_back(asked: _Asked) -> KeptBack:
    given = asked.given
    return KeptBack(
        tp=asked.tp * asked.groups,
        pp=asked.pp,
        graphs=_prefill_graphs(asked),
        decodes=given.flag("disable_decode_cuda_graph") is not True,
        chunked=given.flag("chunked_prefill") is not False,
        chunked_prefill_size=asked.chunk,
        max_prefill_tokens=given.count("max_prefill_tokens") or MAX_PREFILL_TOKENS,
        max_total_tokens=given.count("max_total_tokens"),
        max_running_requests=None if asked.requests is None else asked.requests * asked.groups,
        grows=decodes_in_flashinfer(asked.architecture, asked.card),
        most_decoding=given.count("cuda_graph_max_bs_decode"),
        longest_prefill=given.count("cuda_graph_max_bs_prefill"),
        prefills=given.counts("cuda_graph_bs_prefill") or None,
        groups=asked.groups,
        deepep=given.name("moe_a2a_backend") == "deepep",
    )


def _prefill_graphs(asked: _Asked) -> PrefillGraphs:
    """Return which graphs of prefill SGLang reckons with."""
    traits, sent = traits_of(asked.architecture), asked.given.name("moe_a2a_backend") or "none"
    sees = has_images(asked.architecture, sees=asked.sees)
    captured = traits.prefill_graphs and sent in CAPTURED_A2A and (traits.seen_graphs or not sees)
    if not captured or asked.given.flag("disable_prefill_cuda_graph") is True:
        return "none"
    return "latent" if asked.latent else "attention"
