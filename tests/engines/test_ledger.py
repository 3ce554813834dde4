"""
One ledger: whatever is set of an engine, its lines add up to what is reserved, and few may be below 0.

The settings are drawn from what each engine declares, so that a new one is under these laws at once.
"""

from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kvplan.engines import engine_names, find_engine
from kvplan.engines.settings import Setting
from kvplan.engines.vllm.engine import PagedCache
from kvplan.errors import KvplanError
from kvplan.loads import uniform
from kvplan.planner.choice import Choice
from kvplan.planner.deployment import Deployment, deploy
from kvplan.specs import ModelSpec
from kvplan.specs.load import load
from tests.strategies import specs

ROW_LAYOUT = "row layout"
"""Rows in an engine's own layout, or states in another dtype than the spec's, may be smaller."""

EXPLAINED: Mapping[str, frozenset[str]] = {
    # A rank of several that share the tokens out holds fewer of them.
    "vllm": frozenset({ROW_LAYOUT, "context parallelism"}),
    "sglang": frozenset({ROW_LAYOUT}),
    # max_attention_window may be shorter than the model's own.
    "trtllm": frozenset({"attention windows"}),
    # The library keeps a window's tokens but one.
    "transformers": frozenset({"library"}),
}
"""Lines that may be below 0, by engine."""

NAMES = {
    "kv_cache_dtype_skip_layers": st.sampled_from(("0", "1,2", "sliding_window")),
    "limit_mm_per_prompt": st.sampled_from(('{"image": 0}', '{"image": 1, "video": 0}')),
    "mm_processor_kwargs": st.sampled_from(('{"max_pixels": 1003520}', '{"max_pixels": 200704}')),
    "lora_target_modules": st.sampled_from(("all", "q_proj", "q_proj,o_proj")),
}
"""What takes any name, and has no list of choices to draw from."""

MODELS = st.sampled_from(
    (
        "llama-3.1-8b",
        "gemma-3-27b",
        "gpt-oss-20b",
        "qwen3-next-80b-a3b",
        "falcon-h1-1.5b",
        "deepseek-v3.2",
        "whisper-large-v3",
    )
)


def values(setting: Setting) -> st.SearchStrategy[str]:
    """Return texts that a setting takes."""
    counts = st.one_of(st.integers(1, 8), st.integers(1, 2**16)).map(str)
    match setting.kind:
        case "count":
            return counts
        case "counts" | "ratios":
            return st.lists(counts, min_size=1, max_size=3).map(",".join)
        case "flag":
            return st.sampled_from(("true", "false"))
        case "ratio":
            return st.integers(1, 150).map(lambda percent: f"{percent / 100:.2f}")
        case "ratios":
            return st.lists(st.integers(1, 9).map(str), min_size=1, max_size=4).map(",".join)
        case "name":
            return st.sampled_from(setting.choices) if setting.choices else NAMES[setting.name]


@st.composite
def choices(draw: st.DrawFn, /, engine: str) -> Choice:
    """Draw a spread and up to three of an engine's own settings."""
    declared = find_engine(engine).settings
    most = min(3, len(declared))
    chosen = draw(st.lists(st.sampled_from(declared), max_size=most, unique=True)) if declared else []
    return Choice(
        engine=engine,
        tp=draw(st.sampled_from((1, 1, 2, 4))),
        pp=draw(st.sampled_from((1, 1, 2))),
        dcp=draw(st.sampled_from((1, 1, 1, 2))),
        kv_dtype=draw(st.sampled_from((None, None, "fp8"))),
        prefix_caching=draw(st.sampled_from((None, None, True, False))),
        settings={setting.name: draw(values(setting)) for setting in chosen},
    )


def deployed(model: str | ModelSpec, choice: Choice) -> Deployment | None:
    """Return a deployment; None where it is refused in words."""
    try:
        return deploy(load(model) if isinstance(model, str) else model, choice)
    except KvplanError:
        return None


@pytest.mark.parametrize("engine", engine_names())
@given(st.data(), st.one_of(MODELS, specs()), st.integers(1, 100_000), st.integers(0, 300))
def test_the_lines_add_up_whatever_is_set(
    engine: str, data: st.DataObject, model: Any, context: int, batch: int
) -> None:
    found = deployed(model, data.draw(choices(engine)))
    if found is None:
        return
    for rank in range(len(found.stages)):
        lines = found.arrangement.lines(rank=rank, load=uniform(context, batch))
        reserved = found.arrangement.reserved_bytes(rank=rank, load=uniform(context, batch))
        assert sum(line.size_bytes for line in lines) == reserved
        below = {line.name for line in lines if line.size_bytes < 0}
        # What no memory holds has fewer slots than it asks for.
        bounded = any(line.name == "out of reach" for line in lines)
        assert below <= EXPLAINED.get(engine, frozenset()) | ({"state slots"} if bounded else set())
        assert all(line.reason for line in lines)


@pytest.mark.parametrize("engine", engine_names())
@given(
    st.data(),
    st.one_of(MODELS, specs()),
    st.lists(st.integers(1, 100_000), min_size=2, max_size=2).map(sorted),
    st.lists(st.integers(0, 300), min_size=2, max_size=2).map(sorted),
)
def test_what_is_reserved_never_falls_whatever_is_set(
    engine: str, data: st.DataObject, model: Any, contexts: list[int], batches: list[int]
) -> None:
    found = deployed(model, data.draw(choices(engine)))
    if found is None:
        return
    arrangement = found.arrangement
    if isinstance(arrangement, PagedCache):  # vLLM hands a state on in the first tokens of a block.
        charge = arrangement.layout.charge
        contexts = sorted(each - charge.hands_on(each) * charge.decode_tokens for each in contexts)
    for rank in range(len(found.stages)):
        sizes = [
            found.arrangement.reserved_bytes(rank=rank, load=uniform(context, batch))
            for context, batch in zip(contexts, batches, strict=True)
        ]
        assert sizes == sorted(sizes)
