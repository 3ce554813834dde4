"""What may be otherwise than planned: each assumption is one change of a setup."""

from collections.abc import Iterator, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import replace

from kvplan.dtypes import Role
from kvplan.engines import find_engine
from kvplan.planner.deployment import lowered
from kvplan.planner.splits import legal_tps, splits
from kvplan.reconcile.changes import Assumption, choice, setting, with_layers
from kvplan.reconcile.dialect import Disclaimed
from kvplan.reconcile.dialects import DIALECTS
from kvplan.reconcile.drafts import caching_draft
from kvplan.reconcile.log import NO_DRAFT, StartUpLog
from kvplan.reconcile.setup import Setup, is_known
from kvplan.terms import Term
from kvplan.units import counted

_UNCOUNTED = 2
"""Layers of a draft that are tried where no setting counts them."""


def assumptions(log: StartUpLog, setup: Setup) -> Iterator[Assumption]:
    """Yield what is worth trying, the likeliest first; what the log itself says is not put in doubt."""
    terms, dialect = _terms(setup), DIALECTS[log.engine]
    roles = {term.role for term in terms}
    yield from _as_logged(log, setup)
    yield from _kv_dtypes(log, setup, roles)
    if log.options.tp is None and not isinstance(dialect.degrees, Disclaimed):
        yield from _tp(setup)
    if not isinstance(dialect.assumptions, Disclaimed):
        yield from dialect.assumptions(log, setup, terms)
    if log.options.block_size is None and not isinstance(dialect.block_sizes, Disclaimed):
        yield from _block_sizes(setup, dialect.block_sizes)
    if log.options.draft != NO_DRAFT:
        yield from _draft_layers(setup)
    if any(figure.printed.unit in ("GB", "MB") for figure in log.figures):
        yield Assumption(
            topic="units",
            text="the sizes are printed in units of 10^9 bytes",
            option="",
            apply=lambda each: replace(each, decimal_units=True),
        )


def _terms(setup: Setup) -> list[Term]:
    layers, _ = lowered(setup.spec, replace(setup.choice, kv_dtype=None))
    return [term for layer in layers.values() for term in layer]


def _as_logged(log: StartUpLog, setup: Setup) -> Iterator[Assumption]:
    """Yield each option of which the log says something else than the user asked for."""
    named = {
        "kv_dtype": "--kv-dtype",
        "tp": "--tp",
        "pp": "--pp",
        "dcp": "--dcp",
        "block_size": "--block-size",
        "max_num_batched_tokens": "--max-num-batched-tokens",
    }
    for name, option in named.items():
        logged = getattr(log.options, name)
        if logged is not None and logged != getattr(setup.choice, name):
            yield choice(name, f"the log says {option} {logged}", f"{option} {logged}", **{name: logged})
    yield from _without_settings(log, setup)
    engine = f"{log.engine}@{log.version}"
    if log.version is not None and engine != setup.choice.engine and is_known(engine):
        yield choice("release", f"the log says --engine {engine}", f"--engine {engine}", engine=engine)
    # Only llama.cpp's context is that of several sequences.
    context = (log.options.context or setup.context) // setup.batch
    if context != setup.context:
        yield Assumption(
            topic="context",
            text=f"the log says a context of {counted(context, 'token')}",
            option=f"--context {context}",
            apply=lambda each: replace(each, context=context),
        )


def _without_settings(log: StartUpLog, setup: Setup) -> Iterator[Assumption]:
    """Yield the log's value of each setting that a user gave, or the engine's own where it has none."""
    logged = log.options.settings
    for name, value in setup.choice.settings.items():
        if name in logged and logged[name] != value:
            yield setting(name, f"the log says {name}={logged[name]}", name, logged[name])
        elif name not in logged and not (name == "draft_layers" and caching_draft(log)):
            rest = {each: text for each, text in setup.choice.settings.items() if each != name}
            yield choice(name, f"{name} is what the engine takes unasked", "", settings=rest)


def _kv_dtypes(log: StartUpLog, setup: Setup, roles: AbstractSet[Role]) -> Iterator[Assumption]:
    """Yield other storage of the cache; `auto` in a log may be fp8 by the checkpoint's own config."""
    logged = log.options.kv_dtype
    if logged not in (None, "auto") and logged == setup.choice.kv_dtype:
        return
    formats = DIALECTS[log.engine].formats
    for name in () if isinstance(formats, Disclaimed) else dict.fromkeys(formats(setup, roles)):
        if name != setup.choice.kv_dtype:
            yield choice("kv_dtype", f"the KV cache is stored in {name}", f"--kv-dtype {name}", kv_dtype=name)


def _tp(setup: Setup) -> Iterator[Assumption]:
    layers, _ = lowered(setup.spec, replace(setup.choice, kv_dtype=None))
    for tp in (tp for tp in legal_tps(splits(setup.spec, layers)) if tp & (tp - 1) == 0):
        if tp != setup.choice.tp:
            text = (
                f"tensor parallelism spreads the model over {tp} GPUs" if tp > 1 else "one GPU holds it all"
            )
            yield choice("tp", text, f"--tp {tp}", tp=tp)


def _block_sizes(setup: Setup, sizes: Sequence[int]) -> Iterator[Assumption]:
    """Yield other blocks, and the kernel that takes them where the engine's setting names it."""
    kernel = any(each.name == "kernel_block" for each in find_engine(setup.choice.engine).settings)
    for size in sizes:
        if size == setup.choice.block_size:
            continue
        text, option = f"blocks hold {counted(size, 'token')}", f"--block-size {size}"
        if not kernel:
            yield choice("block_size", text, option, block_size=size)
            continue
        settings = {**setup.choice.settings, "kernel_block": str(size)}
        option = f"{option} --set kernel_block={size}"
        yield choice("block_size", text, option, block_size=size, settings=settings)


def _draft_layers(setup: Setup) -> Iterator[Assumption]:
    """Yield layers that a draft head for speculative decoding caches beside the model's own."""
    counted = any(each.name == "draft_layers" for each in find_engine(setup.choice.engine).settings)
    planned = setup.choice.settings.get("draft_layers")
    for more in (1, 2, 3, 4, 5):
        layers = "layer" if more == 1 else "layers"
        if counted and str(more) != planned:
            text = f"speculative decoding caches {more} {layers} more"
            yield setting("draft", text, "draft_layers", str(more))
        elif not counted and more <= _UNCOUNTED:
            yield Assumption(
                topic="draft",
                text=f"speculative decoding caches {more} {layers} more",
                option="",
                apply=lambda each, more=more: with_layers(each, more),  # type: ignore[misc]
            )
