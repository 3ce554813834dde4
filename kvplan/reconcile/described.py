"""What a log and a user say together, as a deployment to plan."""

import re
from dataclasses import replace
from pathlib import PurePosixPath

from kvplan.dtypes import model_dtype
from kvplan.engines import find_engine
from kvplan.engines.settings import read_settings, require_declared
from kvplan.importers import load, named
from kvplan.planner import budget
from kvplan.planner.choice import Choice
from kvplan.planner.model_dtype import in_dtype
from kvplan.planner.size import as_spec
from kvplan.planner.work import as_context
from kvplan.reconcile.dialect import Disclaimed
from kvplan.reconcile.dialects import DIALECTS
from kvplan.reconcile.drafts import planned_draft
from kvplan.reconcile.errors import LogError
from kvplan.reconcile.log import StartUpLog
from kvplan.reconcile.setup import Overrides, Setup, is_known
from kvplan.specs import ModelSpec
from kvplan.specs.catalogue import read_index


def make_setup(log: StartUpLog, asked: Overrides) -> tuple[Setup, tuple[str, ...]]:
    """
    Return what *log* and *asked* describe together, and notes on what neither says.

    What a user asked for stands against the log. Raises LogError if no model is named, and OptionsError
    for a setting that the engine has not.
    """
    printed, dialect = log.options, DIALECTS[log.engine]
    spec, notes = _model(log, asked)
    engine, note = _engine(log, asked)
    notes += [note] if note else []
    known = find_engine(engine).settings
    require_declared(engine, known, asked.settings)
    read_settings(known, asked.settings)
    draft, more = planned_draft(log) if dialect.drafts == "setting" else ({}, [])
    notes += more if "draft_layers" not in asked.settings else []
    context = asked.context or printed.context
    if context is None:
        context = as_context(None, spec)
        notes += _without_context(log, context)
    if asked.tp is None and printed.tp is None and not isinstance(dialect.degrees, Disclaimed):
        notes.append("the log names no tensor parallelism: tp 1 is planned")
    choice = Choice(
        engine=engine,
        dtype=model_dtype(printed.dtype or ""),
        kv_dtype=asked.kv_dtype or printed.kv_dtype,
        tp=asked.tp or printed.tp or 1,
        pp=asked.pp or printed.pp or 1,
        dcp=asked.dcp or printed.dcp or 1,
        cp=asked.cp or 1,
        ep=asked.ep or 1,
        block_size=asked.block_size or printed.block_size,
        max_num_batched_tokens=asked.max_num_batched_tokens or printed.max_num_batched_tokens,
        max_num_seqs=asked.max_num_seqs or printed.max_num_seqs,
        prefix_caching=printed.prefix_caching if asked.prefix_caching is None else asked.prefix_caching,
        prompt=asked.prompt,
        settings={**draft, **printed.settings, **asked.settings},
        card=None if asked.gpu is None else budget.Asked(gpu=asked.gpu).card(),
    )
    setup = Setup(spec=_in_dtype(spec, printed.dtype), choice=choice, context=context)
    return (_in_slots(setup, asked) if dialect.context == "slots" else setup), tuple(notes)


def _without_context(log: StartUpLog, context: int) -> list[str]:
    """Return a note where a log does not say its context and the figures depend on it."""
    cached_for = DIALECTS[log.engine].context
    if cached_for == "slots":
        raise LogError("the log does not say n_ctx, and the caches are for so many tokens: give --context")
    longest = f"the log names no context: {context:,} tokens, the model's longest, are planned"
    return [longest] if cached_for == "request" else []


def _in_slots(setup: Setup, asked: Overrides) -> Setup:
    """Return a setup whose context was for all slots together."""
    slots = setup.choice.max_num_seqs or 1
    context = setup.context if asked.context else max(1, setup.context // slots)
    return replace(setup, batch=slots, context=context)


def _in_dtype(spec: ModelSpec, dtype: str | None) -> ModelSpec:
    """Return the model as the engine ran it: in a dtype that the log names."""
    known = model_dtype(dtype or "")
    return spec if known is None or known == spec.dtype else in_dtype(spec, known)


def _model(log: StartUpLog, asked: Overrides) -> tuple[ModelSpec, list[str]]:
    """Return the model, and a note if it is a quantised release that the catalogue has by another name."""
    if asked.model is not None:
        return as_spec(asked.model), []
    printed = log.options.model
    if printed is None:
        raise LogError("the log does not name its model: give it, as in --model llama-3.1-8b")
    name = catalogue_name(printed)
    if name is not None:
        return load(name), []
    spec = named(_published(printed))
    if spec is None:
        raise LogError(
            f"the log's model {printed[:80]!r} is not in the catalogue: give --model NAME, or its config.json"
        )
    return spec, [f"{printed[:80]} is read as {spec.name}{spec.read_by}: give --model if it is not"]


def catalogue_name(printed: str) -> str | None:
    """Return the catalogue's name for a hub id, the last folder of a path, or a GGUF's general.name."""
    index = read_index()
    last = PurePosixPath(printed.rstrip("/")).name
    names = [printed, _published(printed), last.replace(" ", "-")]
    names += [each for each in index if "/" in each and each.rpartition("/")[2] == last.lower()][:1]
    return next((name for name in names if name.strip().lower() in index), None)


def _published(printed: str) -> str:
    """Return the hub id of a folder of the hub's cache, else the last part of a path."""
    # ~/.cache/huggingface/hub/models--meta-llama--Llama-3.1-8B/snapshots/0e9e39f
    cached = re.search(r"models--([\w.-]+?)--([\w.-]+)", printed)
    return f"{cached[1]}/{cached[2]}" if cached else PurePosixPath(printed.rstrip("/")).name


def _engine(log: StartUpLog, asked: Overrides) -> tuple[str, str | None]:
    """Return the engine and release to plan with, and a note if they are not those of the log."""
    if asked.engine is not None:
        return asked.engine, None
    if log.version is None:
        return _unnamed(log)
    if not is_known(f"{log.engine}@{log.version}"):
        oldest = DIALECTS[log.engine].oldest
        older = isinstance(oldest, str) and _is_older(log, oldest)
        engine = f"{log.engine}@{oldest}" if older else log.engine
        which = find_engine(engine).name
        return engine, f"{log.engine} {log.version} is not known to kvplan: {which}'s rules are planned"
    return f"{log.engine}@{log.version}", None


def _unnamed(log: StartUpLog) -> tuple[str, str]:
    """Return the release to plan a log with that names none."""
    dialect = DIALECTS[log.engine]
    known = () if isinstance(dialect.only_oldest, Disclaimed) else dialect.only_oldest
    engine = f"{log.engine}@{dialect.oldest}" if any(map(log.all, known)) else log.engine
    return engine, f"the log names no release: {find_engine(engine).name}'s rules are planned"


def _is_older(log: StartUpLog, oldest_release: str) -> bool:
    """Tell whether a release that is not known comes before the known ones; a build of main does not."""
    if log.version is None or ".dev" in log.version[:8]:
        return False
    numbers, oldest = (
        [int(part) for part in re.findall(r"\d{1,6}", version)[:2]]
        for version in (log.version, oldest_release)
    )
    return numbers < oldest
