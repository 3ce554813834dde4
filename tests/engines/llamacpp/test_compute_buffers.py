"""
The buffer of llama.cpp's graph against llama.cpp itself.

compute_buffers.yaml has what llama.cpp v0.5.0, built for CUDA, printed as `CUDA0 compute buffer size` when a
context was made whose tokens all may have logits (n_outputs_max, which llama-server sets to fewer): it places
every tensor of the graph before it allocates anything, so that neither weights nor a card were needed. A GGUF
file of metadata alone had the model's dimensions (llama_model_init_from_user), or one of the names and shapes
of its tensors, all zeros; a stand-in for the CUDA runtime said of one card that it has compute capability
8.9, and all layers were on it.
"""

from pathlib import Path
from typing import Any

import pytest
import yaml

from kvplan import plan
from kvplan.engines.llamacpp.heap import Node, peak_bytes
from kvplan.planner.plan import Plan
from kvplan.specs.model import ModelSpec
from kvplan.units import MIB

PRINTED: dict[str, Any] = yaml.safe_load((Path(__file__).parent / "compute_buffers.yaml").read_text())


def known(printed: list[float | None]) -> list[tuple[list[Any], float]]:
    """Return what was asked, and the size, where llama.cpp takes what was asked for a model."""
    pairs = zip(PRINTED["asked"], printed, strict=True)
    return [(asked, size) for asked, size in pairs if size is not None]


def planned(model: str | ModelSpec, asked: list[Any], engine: str = "llamacpp", pp: int = 1) -> Plan:
    context, slots, key, value, n_ubatch, settings = asked
    return plan(
        model,
        gpu="8TB",
        pp=pp,
        engine=engine,
        context=context,
        kv_dtype=key if key == value else f"{key},value={value}",
        max_num_seqs=slots,
        max_num_batched_tokens=n_ubatch,
        settings={"n_outputs_max": "1048576"} | settings,
        weights="1GB",
    )


@pytest.mark.parametrize("model", PRINTED["printed"])
def test_the_buffer_is_what_llamacpp_prints(model: str) -> None:
    """To the last digit: 0.0001 MiB are less than the 128 bytes to which tensors are rounded."""
    printed = known(PRINTED["printed"][model])
    found = [f"{planned(model, asked).budget.needs.activation_bytes / MIB:.4f}" for asked, _ in printed]
    assert found == [f"{size:.4f}" for _, size in printed]


@pytest.mark.parametrize("model", PRINTED["printed_of_files"])
def test_biases_values_and_gated_experts_are_there(model: str) -> None:
    """Tensors that metadata alone leaves out: a GGUF file of their names and shapes, loaded without data."""
    found = [f"{planned(model, asked).budget.needs.activation_bytes / MIB:.2f}" for asked in PRINTED["asked"]]
    assert found == [f"{size:.2f}" for size in PRINTED["printed_of_files"][model]]


@pytest.mark.parametrize("row", PRINTED["others"])
def test_other_types_and_numbers_of_slots(row: dict[str, Any]) -> None:
    found = {
        model: f"{planned(model, row['asked']).budget.needs.activation_bytes / MIB:.4f}"
        for model in row["printed"]
    }
    assert found == {model: f"{size:.4f}" for model, size in row["printed"].items()}


@pytest.mark.parametrize("dtype", ["fp32", "iq4_nl"])
def test_types_without_a_kernel_are_estimated(dtype: str) -> None:
    """4 x 512 x (128256 + 6 x 4096) bytes; llama.cpp casts float32 itself, and takes iq4_nl to the CPU."""
    needs = planned("llama-3.1-8b", [65_536, 1, dtype, dtype, 512, {}]).budget.needs
    assert needs.activation_bytes == 312_999_936


@pytest.mark.parametrize("gpus", [2, 3])
@pytest.mark.parametrize("model", PRINTED["printed_of_2"])
def test_several_gpus_have_inputs_in_four_copies(model: str, gpus: int) -> None:
    """The largest of all: as many cards of 16 TiB, which the stand-in for the runtime said it had."""
    printed = known(PRINTED[f"printed_of_{gpus}"][model])
    found = [
        f"{planned(model, asked, pp=gpus).budget.needs.activation_bytes / MIB:.4f}" for asked, _ in printed
    ]
    assert found == [f"{size:.4f}" for _, size in printed]


@pytest.mark.parametrize("model", PRINTED["printed_before"])
def test_older_builds_keep_less_of_mixtures(model: str) -> None:
    """As above, of b10068, but where K and V have two types: its kernels do not take them."""
    printed = known(PRINTED["printed_before"][model])
    found = [planned(model, asked, "llamacpp@b10107").budget.needs.activation_bytes for asked, _ in printed]
    assert [f"{size / MIB:.4f}" for size in found] == [f"{size:.4f}" for _, size in printed]


@pytest.mark.parametrize(
    ("options", "printed"),
    [
        # Stored public file 71218222695: three drafted tokens, four that have logits.
        ({"draft": "mtp"}, 154.02),
        # Stored public file 68540442885: b10809 without a draft; the host's 13.00 MiB are of 128 tokens.
        ({"max_num_batched_tokens": 128}, 38.50),
    ],
)
def test_a_server_has_logits_of_few_tokens(options: dict[str, Any], printed: float) -> None:
    """Qwen3.6-27B of 32,768 tokens in one slot: real start-ups, which were no part of the rule."""
    asked: dict[str, Any] = {
        "engine": "llamacpp",
        "gpu": "8TB",
        "context": 32_768,
        "max_num_seqs": 1,
        "weights": "16GiB",
    }
    needs = plan("qwen3.6-27b", **asked, **options).budget.needs
    assert f"{needs.activation_bytes / MIB:.2f}" == f"{printed:.2f}"


def test_gemma_4_12b_has_the_graph_of_its_kin() -> None:
    """
    Of 8192 tokens in four slots, 2048 of them at once.

    Stored public file 67205286527, of b9849 for Vulkan, which has one MiB more: 541.07.
    """
    needs = plan(
        "gemma-4-12b",
        engine="llamacpp",
        gpu="8TB",
        context=2048,
        max_num_seqs=4,
        max_num_batched_tokens=2048,
        weights="7GiB",
        settings={"kv_unified": "on"},
    ).budget.needs
    assert f"{needs.activation_bytes / MIB:.2f}" == "540.07"


@pytest.mark.parametrize(
    ("slots", "options", "outputs"),
    [
        (1, {}, 1),
        (4, {}, 4),
        (2, {"draft": "mtp"}, 8),
        (2, {"draft": "mtp", "settings": {"spec_draft_n_max": "5"}}, 12),
        (2, {"draft": "mtp", "settings": {"n_outputs_max": "512"}}, 512),
    ],
)
def test_each_slot_has_logits_of_its_next_and_its_drafted_tokens(
    slots: int, options: dict[str, Any], outputs: int
) -> None:
    """server_output_limits: slots times one and the tokens that are drafted at once, 3 unless told."""
    asked: dict[str, Any] = {
        "engine": "llamacpp",
        "gpu": "8TB",
        "context": 8192,
        "max_num_seqs": slots,
        "weights": "16GiB",
    }
    told = {"settings": options.get("settings", {}) | {"n_outputs_max": str(outputs)}}
    found = [plan("qwen3.6-27b", **(asked | given)).budget.needs for given in (options, options | told)]
    assert found[0].activation_bytes == found[1].activation_bytes


def test_logits_stand_beside_the_last_norm() -> None:
    """Llama-3.2-3B: 4 x 512 x (128256 + 3072) bytes, as nothing before them takes more."""
    needs = planned("llama-3.2-3b", [8192, 1, "fp16", "fp16", 512, {}]).budget.needs
    assert needs.activation_bytes == 268_959_744


def test_what_is_written_over_takes_nothing() -> None:
    """Two tensors of 1000 bytes are rounded to 1024; the third is written over the second, not the fourth."""
    chain = [Node(1000, first=True), Node(1000, (0,)), Node(1000, (1,), over=(1,))]
    assert peak_bytes(chain) == 2048
    assert peak_bytes([*chain[:2], Node(1000, (1,))]) == 2048
    assert peak_bytes([*chain[:2], Node(1000, (1,), over=(1,)), Node(0, (0, 1), placed=False)]) == 3072


def test_a_kept_tensor_is_neither_freed_nor_written_over() -> None:
    first = Node(1024, first=True)
    assert peak_bytes([first, Node(1024, (0,), kept=True), Node(1024, (1,), over=(1,))]) == 2048
    assert peak_bytes([first, Node(1024, (0,), kept=True), Node(2048, (1,), over=(1,))]) == 4096


def test_a_tensor_of_no_bytes_leaves_a_hole_that_hides_another() -> None:
    """
    It is given back at 128, behind the end, when 128 bytes before it are there no more.

    Bytes 0 to 128 and 128 to 512 are taken anew; the first of them, given back, are joined with its hole,
    which stands last, so that 128 bytes more are taken behind all.
    """

    def nodes(*, empty: bool) -> list[Node]:
        rest = [Node(0), Node(0, (1,), placed=False)] if empty else []
        chain = [Node(128), *rest[:1], Node(0, (0,), placed=False), *rest[1:], Node(128), Node(384)]
        return [*chain, Node(0, (len(chain) - 2,), placed=False), Node(128)]

    assert peak_bytes(nodes(empty=True)) == 640
    assert peak_bytes(nodes(empty=False)) == 512


@pytest.mark.parametrize("model", ["granite-4.0-h-1b", "nemotron-h-8b"])
def test_convolutions_that_read_amid_another_gpu_are_estimated(model: str) -> None:
    """llama.cpp reads their past before the layer before them is done, if that is no mixture."""
    asked = [8192, 1, "fp16", "fp16", 512, {}]
    assert "derived" in planned(model, asked).budget.needs.evidence
    assert "published breakdowns" in planned(model, asked, pp=2).budget.needs.evidence


def test_the_smallest_hole_is_taken() -> None:
    """Holes of 2048 and of 1024 bytes are left behind; 1024 bytes go into the second, 2048 into the first."""
    nodes = [
        Node(2048, first=True),
        Node(128, first=True),
        Node(1024, first=True),
        Node(128, first=True),
        Node(0, (0, 2), placed=False),
        Node(1024, (1,)),
        Node(2048, (3,)),
        Node(0, (5, 6), placed=False),
    ]
    assert peak_bytes(nodes) == 3328


@pytest.mark.parametrize(
    ("model", "asked", "printed"),
    [
        ("llama-3.2-3b", [2048, 1, "fp16", "fp16", 512, {}], 284.90),
        ("gemma-4-26b-a4b", [262_144, 1, "q8_0", "q8_0", 512, {}], 1887.86),
    ],
)
def test_what_older_builds_printed_lies_in_the_range(model: str, asked: list[Any], printed: float) -> None:
    """Stored public logs of spring 2026, whose masks were float32, and copied to float16 on the GPU."""
    needs = planned(model, asked).budget.needs
    assert needs.activation_bytes / MIB < printed < needs.high_bytes / MIB - 456


def test_an_unknown_architecture_is_estimated() -> None:
    """StableLM's MLPs may stand beside attention, which no spec says: 4 x 512 x (100352 + 6 x 2048) bytes."""
    needs = planned("stablelm-2-1.6b", [8192, 1, "fp16", "fp16", 512, {}]).budget.needs
    assert needs.activation_bytes == 230_686_720
    assert "published breakdowns" in needs.evidence


def test_sparse_attention_over_several_gpus_is_estimated() -> None:
    """Which of them has the zeros that are written into masks is not known."""
    needs = planned("glm-5", [8192, 1, "fp16", "fp16", 512, {}], pp=2).budget.needs
    assert "published breakdowns" in needs.evidence
