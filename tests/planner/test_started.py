"""What a start-up tells that is worth a warning."""

import kvplan
from kvplan.planner.facts import Crowded


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
