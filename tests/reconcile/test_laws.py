"""What holds for every text: an answer or a KvplanError, in bounded time, and the figures that it prints."""

from contextlib import suppress

import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from kvplan.errors import KvplanError
from kvplan.reconcile import Overrides, read_log, reconcile
from kvplan.units import GIB
from tests.reconcile.logs_at_hand import FOLDER

LINES = [
    case["line"]
    for part in yaml.safe_load((FOLDER.parent / "lines.yaml").read_text()).values()
    for case in part
]
NUMBERS = (
    st.integers(-(10**20), 10**20).map(str)
    | st.floats().map(str)
    | st.sampled_from(["", "9" * 5000, "1,2,3"])
)


@st.composite
def broken_lines(draw: st.DrawFn) -> str:
    """Return lines of engines with parts cut out, doubled, or replaced by other numbers and text."""
    lines = draw(st.lists(st.sampled_from(LINES), min_size=1, max_size=4))
    text = "\n".join(lines)
    for _ in range(draw(st.integers(0, 4))):
        start = draw(st.integers(0, len(text)))
        end = draw(st.integers(start, min(len(text), start + 40)))
        text = text[:start] + draw(NUMBERS | st.text(max_size=10)) + text[end:]
    return text


@given(st.text() | st.binary().map(lambda data: data.decode("utf-8", errors="replace")))
def test_any_text_is_read_or_refused(text: str) -> None:
    with suppress(KvplanError):
        assert read_log(text).figures


@settings(deadline=None)
@given(broken_lines())
def test_broken_lines_are_reconciled_or_refused(text: str) -> None:
    with suppress(KvplanError):
        found = reconcile(text, Overrides(model="llama-3.1-8b", context=8192))
        assert found.trials <= 401
        assert found.to_dict()["verdict"] in ("agrees", "explained", "unexplained", "differs in memory")


@given(st.integers(2 * GIB, 140 * GIB), st.sampled_from([1, 2, 4, 8]))
def test_what_the_pool_arithmetic_prints_agrees(available: int, tp: int) -> None:
    """Llama 3.1 8B keeps 131,072 bytes a token over all ranks, in blocks of 16."""
    blocks = available // (131_072 * 16 // tp)
    text = (
        f"with config: model='llama-3.1-8b', max_seq_len=4096, tensor_parallel_size={tp}\n"
        f"Available KV cache memory: {round(available / GIB, 2)} GiB\n"
        f"GPU KV cache size: {blocks * 16:,} tokens\n"
        f"Maximum concurrency for 4,096 tokens per request: {blocks * 16 / 4096:.2f}x\n"
    )
    assert reconcile(text).verdict == "agrees"


@given(st.integers(6 * GIB, 140 * GIB))
def test_a_cache_of_half_the_bytes_is_explained_by_its_dtype(available: int) -> None:
    blocks = available // (65_536 * 16)
    text = (
        "Initializing a V1 LLM engine (v0.19.0) with config: model='llama-3.1-8b', max_seq_len=4096, "
        "tensor_parallel_size=1, kv_cache_dtype=auto\n"
        f"Available KV cache memory: {available / GIB:.2f} GiB\n"
        f"GPU KV cache size: {blocks * 16:,} tokens\n"
    )
    found = reconcile(text)
    assert found.verdict == "explained"
    assert ("the KV cache is stored in fp8",) in [each.assumptions for each in found.explanations]
