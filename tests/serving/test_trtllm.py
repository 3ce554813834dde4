"""Each of trtllm-serve's options of memory, by hand: tensorrt_llm/commands/serve.py at 00209af149e7."""

from typing import Any

import pytest

from kvplan.errors import OptionsError
from kvplan.serving import Served, read_command, write_command
from kvplan.serving.table import Asks, Refused, Switch
from kvplan.serving.trtllm import TRTLLM

ASKED: list[tuple[str, dict[str, Any]]] = [
    ("--tp_size 2", {"tp": 2}),
    ("--ep_size 2", {"ep": 2}),
    ("--moe_expert_parallel_size 2", {"ep": 2}),
    ("--tensor_parallel_size 2", {"tp": 2}),
    ("--pp_size 2", {"pp": 2}),
    ("--pipeline_parallel_size 2", {"pp": 2}),
    ("--max_seq_len 8192", {"context": 8192}),
    ("--max_num_tokens 4096", {"max_num_batched_tokens": 4096}),
    ("--max_batch_size 64", {"max_num_seqs": 64}),
    ("--kv_cache_free_gpu_memory_fraction 0.8", {"utilization": "0.8"}),
    ("--free_gpu_memory_fraction 0.8", {"utilization": "0.8"}),
    # github.com/NVIDIA/TensorRT-LLM/pull/11487.
    ("--kv_cache_dtype nvfp4", {"kv_dtype": "nvfp4"}),
    ("--enable_attention_dp", {"settings": {"enable_attention_dp": "true"}}),
]
REFUSED = (
    "--max_beam_width 4",
    "--context_parallel_size 2",
    "--cp_size 2",
)


def read(options: str) -> Served:
    """Read `trtllm-serve m` with *options*."""
    return read_command(["trtllm-serve", "m", *options.split()])


@pytest.mark.parametrize(("options", "asked"), ASKED)
def test_an_option_asks_for_one_thing(options: str, asked: dict[str, Any]) -> None:
    served = read(options)
    assert served.asked == asked
    assert (served.unmodelled, served.ignored, served.unknown) == ((), (), ())


@pytest.mark.parametrize("options", REFUSED)
def test_an_option_that_would_make_the_plan_wrong_is_refused(options: str) -> None:
    with pytest.raises(OptionsError, match=options.split(maxsplit=1)[0]):
        read(options)


def test_every_row_that_asks_or_refuses_is_in_these_tests() -> None:
    tested = {options.split()[0].replace("_", "-") for options in (*(line for line, _ in ASKED), *REFUSED)}
    tabled = {name for row in TRTLLM.rows if isinstance(row, (Asks, Switch, Refused)) for name in row.names}
    assert tabled == tested


def test_chunks_of_a_prefill_are_no_part_of_a_plan() -> None:
    served = read("--enable_chunked_prefill")
    (told,) = served.unmodelled
    assert told.startswith("--enable_chunked_prefill: room beside the cache for what latent attention in fp8")
    assert (served.asked, served.ignored) == ({}, ())


def test_both_ways_to_start_it_are_one() -> None:
    assert read_command(["trtllm-serve", "serve", "m", "--tp_size", "2"]) == read("--tp_size 2")


def test_other_servers_of_it_are_refused() -> None:
    with pytest.raises(OptionsError, match="not trtllm-serve disaggregated"):
        read_command(["trtllm-serve", "disaggregated", "-c", "f.yaml"])


def test_it_is_written_with_underscores() -> None:
    line = write_command("trtllm", "m", {"tp": 2, "utilization": "0.8", "kv_dtype": "fp8"})
    assert line == "trtllm-serve m --tp_size 2 --kv_cache_free_gpu_memory_fraction 0.8 --kv_cache_dtype fp8"


def test_another_backend_is_left_out() -> None:
    assert read("--backend trt").unmodelled[0].startswith("--backend trt: the cache is counted as PyTorch")
