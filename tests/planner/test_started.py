"""What a start-up tells that is worth a warning."""

import kvplan
from kvplan.planner.facts import Crowded
from kvplan.units import GIB


def _said(model: str, **asked: object) -> list[str]:
    answer = kvplan.fit(model, engine="sglang", advice=False, **asked)  # type: ignore[arg-type]
    return list(answer.to_dict()["warnings"])


def _crowded(model: str, **asked: object) -> list[Crowded]:
    answer = kvplan.fit(model, engine="sglang", advice=False, **asked)  # type: ignore[arg-type]
    return [each for each in answer.warnings if isinstance(each, Crowded)]


def test_a_table_of_requests_that_leaves_no_room_is_said() -> None:
    """
    Llama 4 Scout at its 10,485,760 tokens: 2,048 requests and a spare row, 4 places more, 4 bytes each.

    SGLang 0.5.23 ends in want of memory on that, in a rehearsal on 8 H100.
    """
    (crowded,) = _crowded("llama-4-scout-17b-16e", gpu="h100-80gb", tp=8, context=10_485_760)
    assert crowded.table_bytes == 2049 * (10_485_760 + 4) * 4
    assert crowded.table_bytes > crowded.kept_bytes
    assert "it does not start, unless --max-num-seqs says fewer" in str(
        kvplan.fit(
            "llama-4-scout-17b-16e",
            gpu="h100-80gb",
            tp=8,
            context=10_485_760,
            engine="sglang",
            advice=False,
        ).to_dict()["warnings"]
    )


def test_fewer_requests_have_room() -> None:
    asked = {"gpu": "h100-80gb", "tp": 8, "context": 10_485_760}
    assert not _crowded("llama-4-scout-17b-16e", **asked, max_num_seqs=16)


def test_half_of_what_is_kept_back_is_the_least_that_is_worth_a_word() -> None:
    """A million tokens: 2,049 x 1,000,004 x 4 bytes are 7.6 GiB of 14.5 on each of 8 H100."""
    asked = {"gpu": "h100-80gb", "tp": 8, "weight_dtype": "fp8"}
    longest = _crowded("llama-3.1-405b", **asked, context=1_000_000)
    assert [each.table_bytes for each in longest] == [2049 * 1_000_004 * 4]
    assert longest[0].table_bytes < longest[0].kept_bytes
    assert not _crowded("llama-3.1-405b", **asked, context=131_072)


def test_a_share_that_leaves_too_little_is_said() -> None:
    """1 % of an H100 is 0.78 GiB, and graphs of Llama-3.1-8B need more than 1; 17 % have room."""
    asked = {"gpu": "h100-80gb", "max_num_seqs": 64}
    (crowded,) = _crowded("llama-3.1-8b", **asked, utilization="0.99")
    assert crowded.kept_bytes < GIB < crowded.needed_bytes < crowded.most_bytes
    said = str(_said("llama-3.1-8b", **asked, utilization="0.99"))
    assert "it runs out of memory, unless --utilization is 0.9" in said
    assert not _crowded("llama-3.1-8b", **asked)


def test_the_share_that_is_advised_is_enough() -> None:
    (crowded,) = _crowded("llama-3.1-8b", gpu="h100-80gb", utilization="0.99", max_num_seqs=64)
    assert crowded.share is not None
    assert not _crowded("llama-3.1-8b", gpu="h100-80gb", utilization=crowded.share, max_num_seqs=64)


def test_what_is_kept_back_is_told_part_by_part() -> None:
    """Of all that SGLang runs at once; 12 bytes for each of 151,936 numbers of a token, 8 for up to 256."""
    answer = kvplan.fit("qwen3-8b", gpu="h100-80gb", engine="sglang", context=1024, advice=False)
    kept = answer.kept_back
    assert kept is not None
    assert kept.size_bytes == answer.memory.gpu_bytes - answer.memory.budget_bytes
    assert kept.sequences == answer.max_batch == 354
    assert kept.draws_bytes == 354 * 12 * 151_936
    parts = kept.graphs_bytes + kept.table_bytes + max(kept.activation_bytes, kept.draws_bytes)
    assert kept.free_bytes == kept.size_bytes - parts
    assert kvplan.fit("qwen3-8b", gpu="h100-80gb", engine="vllm", context=1024).kept_back is None
