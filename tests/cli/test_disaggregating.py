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
