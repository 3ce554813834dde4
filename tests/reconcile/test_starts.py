"""Of many starts in one log the last counts, and few lines of those before it are parsed."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import pytest

from kvplan.reconcile import Overrides, StartUpLog, read_log, reconcile
from kvplan.reconcile.lines import Line, plain_lines
from kvplan.reconcile.llamacpp_log import READER as LLAMACPP
from kvplan.reconcile.log import MAX_DIFFERENT
from kvplan.reconcile.sglang_log import READER as SGLANG
from kvplan.reconcile.starts import MAX_FIGURE_LINES, Reader
from kvplan.reconcile.vllm_log import READER as VLLM
from tests.reconcile.logs_at_hand import log_text

STARTS = 5000
MEMORY = "Available KV cache memory: {0}.00 GiB\nGPU KV cache size: {1} tokens\n"
START = "vLLM API server version 0.19.0\nnon-default args: {{'model': 'a/{0}'}}\n"
POOL = "llama_kv_cache: size = {0}.00 MiB (  1024 cells,  32 layers,  1/1 seqs), K (f16): {1}.00 MiB, V (f16): {1}.00 MiB\n"  # noqa: E501


@dataclass
class Counting:
    """A reader that counts the lines which it is given to parse."""

    reader: Reader
    lines: int = field(default=0)

    def read(self, lines: Sequence[Line]) -> StartUpLog:
        self.lines += len(lines)
        return self.reader.read(lines)

    def last(self, text: str) -> StartUpLog:
        return replace(self.reader, read=self.read).read_last(plain_lines(text))


def test_of_many_starts_the_lines_of_one_are_parsed() -> None:
    text = "".join(START.format(each) + MEMORY.format(1 + each, 16 * each) for each in range(STARTS))
    counting = Counting(VLLM)
    log = counting.last(text)
    assert (log.options.model, log.restarted) == (f"a/{STARTS - 1}", True)
    assert [each.printed.text for each in log.figures] == [f"{STARTS}.00", str(16 * (STARTS - 1))]
    # Its figures to find it, the figure before it, and its own four lines.
    assert counting.lines <= 2 + 1 + 4


def test_starts_that_were_cut_off_are_not_parsed() -> None:
    text = START.format("whole") + MEMORY.format(9, 16) + START.format("cut off") * STARTS
    counting = Counting(VLLM)
    log = counting.last(text)
    assert (log.options.model, len(log.figures), log.restarted) == ("a/whole", 2, False)
    assert counting.lines <= 2 + 4


def test_no_more_lines_of_figures_are_parsed_than_a_start_prints() -> None:
    text = "".join(MEMORY.format(1 + each, 16 * each) for each in range(STARTS))
    counting = Counting(VLLM)
    log = counting.last(text)
    assert [each.printed.text for each in log.figures] == [f"{STARTS}.00", str(16 * (STARTS - 1))]
    assert log.restarted
    assert counting.lines == MAX_FIGURE_LINES < 2 * STARTS


def test_what_a_process_prints_again_after_its_pool_is_of_a_later_start() -> None:
    """No line begins a start: each stands on the lines that someone has searched for."""
    ranks = "".join(
        f"(Worker_TP{rank} pid=1) Available KV cache memory: {{0}}.{rank}0 GiB\n" for rank in "01"
    )
    start = ranks + "(EngineCore pid=2) GPU KV cache size: {1} tokens\n"
    log = read_log(start.format(1, 16) + start.format(2, 32) + start.format(3, 48))
    assert [each.printed.text for each in log.figures] == ["3.00", "3.10", "48"]
    assert log.restarted


def test_a_rank_that_prints_late_is_of_the_same_start() -> None:
    late = "(Worker_TP1 pid=1) Available KV cache memory: 1.00 GiB\n"
    log = read_log("(Worker_TP0 pid=1) " + MEMORY.format(2, 16) + late)
    assert ([each.printed.text for each in log.figures], log.restarted) == (["2.00", "16", "1.00"], False)


@pytest.mark.parametrize(
    ("reader", "name"), [(SGLANG, "sglang-mimo-v2-flash"), (LLAMACPP, "llamacpp-gpt-oss-20b")]
)
def test_repeats_without_a_start_are_one_start(reader: Reader, name: str) -> None:
    lines = [line for line in log_text(name).splitlines() if any(sign in line for sign in reader.signs)]
    once, often = (reader.read_last(plain_lines("\n".join(lines * times))) for times in (1, 500))
    names = [each.name for each in once.figures]
    assert [(each.name, each.printed, each.given) for each in often.different(*names)] == [
        (each.name, each.printed, each.given) for each in once.different(*names)
    ]


def test_a_repeated_line_is_one_row() -> None:
    asked = Overrides(model="llama-3.1-8b", context=1024)
    once, often = (reconcile(POOL.format(128, 64) * times, asked) for times in (1, 500))
    assert often.rows == once.rows
    assert len(once.rows) == 3


def test_rows_are_bounded_whatever_is_repeated() -> None:
    text = "".join(POOL.format(2 * each, each) for each in range(64, 600))
    found = reconcile(text, Overrides(model="llama-3.1-8b", context=1024))
    assert len(found.rows) == MAX_DIFFERENT
