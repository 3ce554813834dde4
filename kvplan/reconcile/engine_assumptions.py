"""What one engine alone decides, and may have decided otherwise than planned."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from kvplan.attention import Kind
from kvplan.attention.grouped import MHA
from kvplan.attention.latent import MLA
from kvplan.dtypes import RECURRENT_ROLES, SPARSE_MLA_ROLES
from kvplan.engines.vllm.versions import RELEASES
from kvplan.reconcile.changes import Assumption, choice, setting
from kvplan.reconcile.log import NO_DRAFT, StartUpLog
from kvplan.reconcile.setup import Setup
from kvplan.reconcile.vllm_rows import least_memory
from kvplan.specs import ModelSpec
from kvplan.terms import Growing, Term
from kvplan.units import format_gib


def vllm_assumptions(log: StartUpLog, setup: Setup, terms: Sequence[Term]) -> Iterator[Assumption]:
    """Yield what vLLM decides beside the options that engines share."""
    windows = _windowed(terms)
    states = any(term.role in RECURRENT_ROLES for term in terms)
    if windows and "hybrid_manager" not in log.options.settings:
        text = "the hybrid cache manager is off, so that windows drop nothing"
        yield setting("hybrid_manager", text, "hybrid_manager", "false")
    if states:
        yield from _states(log, setup)
    if windows and log.options.max_num_batched_tokens is None:
        for tokens in (2048, 4096, 8192, 16384, 32768):
            option = f"--max-num-batched-tokens {tokens}"
            text = f"{tokens} tokens are batched, and windows keep those in flight"
            yield choice("batched", text, option, max_num_batched_tokens=tokens)
    yield from _releases(log, setup)
    if setup.choice.tp * setup.choice.pp > 1 and log.all("KV memory"):
        yield Assumption(
            topic="rank",
            text="another rank has less memory than those that printed theirs",
            option="",
            apply=lambda each: replace(each, rank_short=True),
            free=True,
            fitted=lambda log, short: f"{format_gib(least_memory(log, short))} on the least",
        )


def _states(log: StartUpLog, setup: Setup) -> Iterator[Assumption]:
    if log.options.prefix_caching is None:
        for on, copies in ((True, "two states"), (False, "one state")):
            option = "--prefix-caching" if on else "--no-prefix-caching"
            text = f"prefix caching is {'on' if on else 'off'}, with {copies} for each request"
            yield choice("prefix caching", text, option, prefix_caching=on)
    for mode in ("align", "none"):
        if "mamba_cache_mode" not in log.options.settings:
            yield setting("prefix caching", f"states are kept in mode {mode}", "mamba_cache_mode", mode)
    if "mamba_ssm_cache_dtype" not in log.options.settings:
        for dtype in ("float32", "bfloat16"):
            yield setting("states", f"states are stored in {dtype}", "mamba_ssm_cache_dtype", dtype)
    if "num_speculative_tokens" not in setup.choice.settings and log.options.draft != NO_DRAFT:
        yield from _predictions()


def _predictions() -> Iterator[Assumption]:
    """Yield multi-token prediction, whose layer caches tokens and for whose tokens states are kept."""
    for tokens in range(1, 6):
        each_one = "a token" if tokens == 1 else f"{tokens} tokens"
        yield Assumption(
            topic="draft",
            text=f"multi-token prediction of {each_one} caches a layer more and keeps a state for each",
            option=f"--set num_speculative_tokens={tokens} --set draft_layers=1",
            apply=lambda setup, tokens=tokens: setup.with_setting(  # type: ignore[misc]
                "num_speculative_tokens", str(tokens)
            ).with_setting("draft_layers", "1"),
        )


def _releases(log: StartUpLog, setup: Setup) -> Iterator[Assumption]:
    """Yield other releases' rules where the log names none, or a build between two releases."""
    version = log.version or ""
    if version and not any(mark in version for mark in ("dev", "rc", "+")):
        return
    for rules in reversed(RELEASES):
        release = rules.name.removeprefix("vLLM ")
        engine = f"vllm@{release}"
        if engine != setup.choice.engine:
            yield choice("release", f"{rules.name}'s rules hold", f"--engine {engine}", engine=engine)


def sglang_assumptions(log: StartUpLog, setup: Setup, terms: Sequence[Term]) -> Iterator[Assumption]:
    """Yield what SGLang decides beside the options that engines share."""
    settings, roles = setup.choice.settings, {term.role for term in terms}
    if roles >= SPARSE_MLA_ROLES:
        yield Assumption(
            topic="indexer",
            text="the printed size leaves the indexer's keys out, as before sgl-project/sglang#11309",
            option="",
            apply=lambda each: replace(each, bare_latents=True),
        )
    if "state" in roles and "mamba_ssm_dtype" not in log.options.settings:
        for dtype in ("float32", "bfloat16"):
            yield setting("states", f"states are stored in {dtype}", "mamba_ssm_dtype", dtype)
    if _windowed(terms) and "disable_hybrid_swa_memory" not in settings:
        text = "one pool holds windows too, which drop nothing"
        yield setting("windows", text, "disable_hybrid_swa_memory", "true")
        for ratio in ("1", "0.5", "0.1"):
            text = f"windows have {ratio} tokens for each of full attention"
            yield setting("windows", text, "swa_full_tokens_ratio", ratio)


def llamacpp_assumptions(
    log: StartUpLog,
    setup: Setup,  # noqa: ARG001 - the signature of all three
    terms: Sequence[Term],
) -> Iterator[Assumption]:
    """Yield what llama.cpp decides beside the options that engines share."""
    if any(term.role == "latent" for term in terms):
        yield Assumption(
            topic="latents",
            text="latents are expanded to K and V of every head, as llama.cpp did before it kept latents",
            option="",
            apply=lambda each: replace(each, spec=expanded(each.spec)),
        )
    if _windowed(terms):
        yield setting("windows", "windows keep the whole context", "swa_full", "on")
        if log.options.max_num_batched_tokens is None:
            yield from _micro_batches()
    for name, text in (
        ("kv_unified", "all slots share one context"),
        ("flash_attn", "without flash attention V is as wide as the widest layer's"),
    ):
        if name not in log.options.settings:
            yield setting(name, text, name, "off" if name == "flash_attn" else "on")
    if log.options.max_num_seqs is None:
        yield from _slots()


def _slots() -> Iterator[Assumption]:
    for slots in (1, 2, 3, 4, 8):
        yield Assumption(
            topic="slots",
            text=f"the cache has {slots} slots" if slots > 1 else "the cache has one slot",
            option="",
            apply=lambda each, slots=slots: replace(each, batch=slots),  # type: ignore[misc]
        )


def _micro_batches() -> Iterator[Assumption]:
    for tokens in (128, 256, 1024, 2048, 4096):
        text = f"batches of {tokens} tokens (n_ubatch) lie beside a window"
        yield choice("n_ubatch", text, f"--max-num-batched-tokens {tokens}", max_num_batched_tokens=tokens)


def expanded(spec: ModelSpec) -> ModelSpec:
    """Return a model whose latents are stored as K and V of every head."""
    attention = {name: tuple(map(_expanded, kinds)) for name, kinds in spec.attention.items()}
    return spec.model_copy(update={"attention": attention})


def _expanded(kind: Kind) -> Kind:
    if not isinstance(kind, MLA):
        return kind
    d_nope, v_head_dim = kind.needed("d_nope", "v_head_dim", by="a cache of K and V of every head")
    return MHA(kind="mha", heads=kind.heads, head_dim=d_nope + kind.d_rope, v_head_dim=v_head_dim)


def _windowed(terms: Sequence[Term]) -> bool:
    return any(isinstance(term.rows, Growing) and term.rows.window is not None for term in terms)
