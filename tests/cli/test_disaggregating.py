"""The command `disaggregate`, as it is typed."""

import pytest

from tests.program import Cli


def test_the_command_prints_bounds_as_bounds(kvplan: Cli) -> None:
    done = kvplan("disaggregate deepseek-v3 --context 32k --gpu 8xH200 --link nvlink4")
    assert done.status == 0
    assert done.out.startswith("A prompt of 32,768 tokens moves 2.30 GB, each unit once: 2,302,672,896 B.\n")
    assert "Stored   18.4 GB on the 8 GPUs that prefill: what TP cannot split is on several\n" in done.out
    assert "Link     nvlink4 (3.60 Tbps one way): at least 5.12 ms" in done.out
    assert "Times are bounds by the card's own figures, and no predictions.\n" in done.out


def test_the_command_says_no_where_nothing_fits(kvplan: Cli) -> None:
    done = kvplan("disaggregate llama-3.1-70b --gpu h100-80gb --context 8k")
    assert done.status == 1
    assert "an instance has no room for one request of 8,192 tokens" in done.err


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ("--link 400", "'400' is not a rate: write 400Gbps (bits) or 50GB/s (bytes)"),
        ("--link nvlnk4", "unknown link 'nvlnk4' (did you mean 'nvlink4'"),
        ("--tpot 30", "'30' is not a time: write 30ms"),
        ("--flops 989", "'989' is not a number of operations per second: write 989T"),
    ],
)
def test_a_unit_is_a_must(kvplan: Cli, options: str, problem: str) -> None:
    done = kvplan(f"disaggregate llama-3.1-8b --context 8k {options}")
    assert done.status == 2
    assert problem in done.err


def test_speeds_are_those_of_a_card(kvplan: Cli) -> None:
    done = kvplan("disaggregate llama-3.1-8b --context 8k --flops 989T")
    assert (done.status, done.out) == (2, "")
    assert "--bandwidth and --flops are those of a card: give --gpu, too" in done.err


def test_bounds_are_printed_as_such(kvplan: Cli) -> None:
    done = kvplan("bounds deepseek-v3 --gpu h200-141gb --tp 8 --ep 8 --engine vllm -c 4k -b 64 --output 256")
    assert done.status == 0
    assert done.out.startswith("64 sequences of 4,096 tokens on 8 x h200-141gb (tp 8): at least ")
    assert " where all tokens differ in experts\n" in done.out
    assert " requests per second of 256 tokens with room for all of them, by Little's law\n" in done.out


def test_what_is_not_known_of_a_card_is_asked_for(kvplan: Cli) -> None:
    done = kvplan("bounds llama-3.1-8b --gpu a10g-24gb -c 8k")
    assert done.status == 0
    assert "is not known for NVIDIA A10G 24GB; give --bandwidth 3.35TB/s\n" in done.out
    more = kvplan("bounds llama-3.1-8b --gpu a10g-24gb -c 8k -b 100")
    assert more.status == 1
    assert "an instance has no room for 100 requests of 8,192 tokens\n" in more.err
