"""GPUs: the driver's bytes count; a label is a name."""

from collections import Counter
from fractions import Fraction

import pytest

from kvplan.errors import UnitError, UnknownNameError
from kvplan.gpus import Card, Gpu, all_gpus, find_card, gpu_rows, memory_bytes, search_gpus, several
from kvplan.units import parse_bytes


def test_names_and_aliases_are_unique_and_lower_case() -> None:
    """A look-up lowers what is typed, and an alias of two cards would hide one of them."""
    names = Counter(name for gpu in all_gpus() for name in (gpu.name, *gpu.aliases))
    assert [name for name, count in names.items() if count > 1] == []
    assert [name for name in names if name != name.strip().lower()] == []


@pytest.mark.parametrize("gpu", all_gpus(), ids=lambda gpu: gpu.name)
def test_a_card_is_what_its_label_says_within_reason(gpu: Gpu) -> None:
    """
    Between 9/10 of the label in GB (ECC, firmware) and the label in GiB.

    Apple reports what Metal may use of the unified memory, two thirds of it at least, and AMD's firmware
    sets 96 GiB of 128 apart for a Strix Halo.
    """
    label = gpu.marketed.removesuffix("GB")
    assert gpu.name.endswith(f"-{label}gb")
    assert gpu.source
    shares = {"apple": Fraction(2, 3), "amd": Fraction(4, 5)}
    least = shares.get(gpu.vendor, Fraction(9, 10)) if "unified" in gpu.label else Fraction(9, 10)
    assert least * int(label) * 10**9 <= memory_bytes(gpu) <= int(label) * 2**30


@pytest.mark.parametrize("text", ["h100-80gb", "h100", " H100-80GB "])
def test_a_card_is_found_by_name_and_alias_in_any_case(text: str) -> None:
    """79.18 GiB is what vLLM's memory report prints for it: floor(79.18 x 2^30) bytes."""
    card = find_card(text)
    assert (card.name, card.estimated) == ("h100-80gb", False)
    assert card.total_bytes == 85_018_877_624 == 7918 * 2**30 // 100


def test_without_a_drivers_figure_the_label_is_read_as_decimal() -> None:
    """The least that a 16 GB card has is 16 x 10^9 bytes; the card says that this is an estimate."""
    gpu = Gpu(
        name="toy-16gb", label="Toy 16GB", vendor="nvidia", marketed="16GB", reported=None, source="none"
    )
    assert memory_bytes(gpu) == 16 * 10**9
    unmeasured = next(gpu for gpu in all_gpus() if gpu.reported is None and gpu.vendor != "apple")
    card = find_card(unmeasured.name)
    assert card.estimated
    assert card.total_bytes == parse_bytes(unmeasured.marketed)


@pytest.mark.parametrize(("text", "size"), [("80GB", 80 * 10**9), (" 79.5GiB ", 159 * 2**29)])
def test_a_size_is_a_card(text: str, size: int) -> None:
    name = text.strip()
    assert find_card(text) == Card(
        name=name, label=f"GPU with {name}", total_bytes=size, source=None, estimated=False
    )


def test_a_card_whose_alias_starts_with_a_digit_is_no_size() -> None:
    assert find_card("3090").name == "rtx-3090-24gb"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("80", "'80' has no unit: write 80GB (10^9) or 80GiB (2^30)"),
        ("0GB", "a GPU of 0GB has no memory to plan"),
    ],
)
def test_a_size_that_is_none_is_refused(text: str, problem: str) -> None:
    with pytest.raises(UnitError) as caught:
        find_card(text)
    assert str(caught.value) == problem


@pytest.mark.parametrize("text", ["", "potato", "h100-80gbb", "-80GB"])
def test_an_unknown_card_is_refused(text: str) -> None:
    with pytest.raises(UnknownNameError) as caught:
        find_card(text)
    assert str(caught.value).startswith(f"unknown GPU {text!r}")
    assert str(caught.value).endswith("or give a size with its unit: 80GB")
    assert ("did you mean 'h100-80gb'" in str(caught.value)) == (text == "h100-80gbb")


def test_search_reads_names_labels_and_aliases() -> None:
    """gh200 is a name, 'Grace' stands in its label, 3060 is an alias."""
    for search in ("GH200", "grace"):
        found = search_gpus(search)
        assert found
        assert all(search.lower() in f"{gpu.name} {gpu.label}".lower() for gpu in found)
    assert [gpu.name for gpu in search_gpus("3060")] == ["rtx-3060-12gb"]
    assert search_gpus("") == list(all_gpus())
    assert search_gpus("potato") == []


def test_rows_carry_the_bytes_that_are_planned_with() -> None:
    (row,) = gpu_rows(search_gpus("3060"))
    # 11,911 MiB is what llama.cpp prints for it.
    assert row["memory_bytes"] == 11_911 * 2**20
    assert row["name"] == "rtx-3060-12gb"
    assert row["reported"] == "11911MiB"


@pytest.mark.parametrize("gpu", all_gpus(), ids=lambda gpu: gpu.name)
def test_what_a_card_can_is_said_where_engines_ask_for_it(gpu: Gpu) -> None:
    """VLLM and SGLang choose kernels and dtypes by an NVIDIA card's compute capability."""
    assert (gpu.capability is not None) == (gpu.vendor == "nvidia")
    assert gpu.label.lower().startswith(gpu.vendor)
    card = find_card(gpu.name)
    assert card.is_hopper == (
        "H100" in gpu.label or "H200" in gpu.label or "H20 " in gpu.label or "H800" in gpu.label
    )


def test_a_size_says_nothing_of_a_card() -> None:
    card = find_card("80GB")
    assert (card.vendor, card.capability, card.device, card.is_hopper) == (None, None, None, False)


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("RTX 3090", "rtx-3090-24gb"),
        ("rtx3090", "rtx-3090-24gb"),
        ("3090Ti", "rtx-3090-ti-24gb"),
        ("NVIDIA GeForce RTX 4090", "rtx-4090-24gb"),
        ("RTX 4090 24GB", "rtx-4090-24gb"),
        ("H100-80G", "h100-80gb"),
        ("h100 80g", "h100-80gb"),
        ("NVIDIA H100 80GB HBM3", "h100-80gb"),
        ("NVIDIA A100-SXM4-80GB", "a100-80gb"),
        ("AMD Instinct MI300X", "mi300x-192gb"),
        ("MI350", "mi350x-288gb"),
        ("mi355", "mi355x-288gb"),
        ("B300", "b300-288gb"),
        ("GB10", "gb10-128gb"),
        ("RTX PRO 6000", "rtx-pro-6000-96gb"),
        ("NVIDIA RTX PRO 6000 Blackwell Server Edition", "rtx-pro-6000-96gb"),
        ("Strix Halo", "strix-halo-128gb"),
        ("AMD Ryzen AI Max+ 395", "strix-halo-128gb"),
        ("Apple M4 Max 128GB", "m4-max-128gb"),
    ],
)
def test_a_card_is_found_by_what_people_and_drivers_call_it(text: str, name: str) -> None:
    assert find_card(text).name == name


def test_no_spelling_is_that_of_two_cards() -> None:
    for gpu in all_gpus():
        assert {find_card(name.replace("-", " ")).name for name in (gpu.name, *gpu.aliases)} == {gpu.name}


@pytest.mark.parametrize(
    ("text", "candidates"),
    [
        ("M4 Max", "m4-max-64gb or m4-max-128gb"),
        ("m3-ultra", "m3-ultra-96gb or m3-ultra-256gb or m3-ultra-512gb"),
    ],
)
def test_a_chip_of_several_memories_is_asked_for_one(text: str, candidates: str) -> None:
    with pytest.raises(UnknownNameError) as caught:
        find_card(text)
    assert str(caught.value) == f"{text!r} may be {candidates}: name one, or give a size: 80GB"


def test_apples_memory_is_what_metal_recommends_of_it() -> None:
    """
    96 GiB of 128 by Metal, and three quarters where no figure was found; 107.52 GiB by macOS 26.

    What is read from a label says so.
    """
    assert find_card("m4-max-128gb").total_bytes == 96 * 2**30
    assert not find_card("m4-max-128gb").estimated
    assert find_card("m1-ultra-128gb").total_bytes == 96 * 2**30
    assert find_card("m1-ultra-128gb").estimated
    assert find_card("m5-max-128gb").total_bytes == 10752 * 2**30 // 100
    small = Gpu(name="m9-32gb", label="Apple M9 32GB", vendor="apple", marketed="32GB", source="none")
    assert memory_bytes(small) == 32 * 2**30 * 2 // 3


@pytest.mark.parametrize(
    ("text", "count", "gpu"),
    [
        ("8xH100", 8, "H100"),
        ("2x4090", 2, "4090"),
        ("2 x RTX 4090", 2, "RTX 4090"),
        ("4*a100-80gb", 4, "a100-80gb"),
        ("8\N{MULTIPLICATION SIGN}H100", 8, "H100"),
        ("h100 x8", 8, "h100"),
        ("H100x4", 4, "H100"),
        ("4x24GB", 4, "24GB"),
        ("1xL4", 1, "L4"),
        # Either number may be the card's name.
        ("3090x2", 2, "3090"),
        ("3090 x 2", 2, "3090"),
        ("2x3090", 2, "3090"),
        # Names with an x of their own.
        ("mi300x", 1, "mi300x"),
        ("4x mi300x", 4, "mi300x"),
        ("max-1550", 1, "max-1550"),
        ("gfx1151", 1, "gfx1151"),
        ("80GB", 1, "80GB"),
    ],
)
def test_several_gpus_are_named_with_their_number(text: str, count: int, gpu: str) -> None:
    assert several(text) == (count, gpu)


def test_one_card_is_not_several() -> None:
    with pytest.raises(UnknownNameError) as caught:
        find_card("8xH100")
    assert str(caught.value) == "'8xH100' are 8 GPUs, and here one is asked for: give 'H100'"


def test_speeds_are_dense_and_have_a_source() -> None:
    """NVIDIA prints 1,979 TFLOPS of an H100 in BF16 with sparsity, which is twice what dense matrices get."""
    h100 = find_card("h100")
    assert h100.bandwidth == 3_350_000_000_000
    assert h100.flops == {"bf16": 1_979 * 10**12 // 2, "fp8": 1_979 * 10**12, "int8": 1_979 * 10**12}
    assert find_card("a100-80gb").flops["bf16"] == 312 * 10**12
    for gpu in all_gpus():
        assert (gpu.bandwidth is None) == (gpu.speed_source is None)
        assert gpu.bandwidth is not None or not gpu.flops
        assert set(gpu.flops) <= {"bf16", "fp16", "fp8", "int8", "fp4"}


def test_what_no_source_says_of_a_card_is_not_known() -> None:
    assert find_card("a10g-24gb").bandwidth is None
    assert find_card("80GB").flops == {}


@pytest.mark.parametrize("gpu", [gpu for gpu in all_gpus() if gpu.smi], ids=lambda gpu: gpu.name)
def test_nvidia_smi_prints_a_little_more_than_the_driver_gives(gpu: Gpu) -> None:
    """3.0 % on a T4, less on all others, with a source for each."""
    card = find_card(gpu.name)
    assert gpu.smi_source
    assert card.smi_bytes is not None
    assert card.total_bytes < card.smi_bytes <= card.total_bytes * 1031 // 1000


def test_a_card_that_nvidia_smi_was_not_read_of_has_no_such_figure() -> None:
    assert find_card("h800-80gb").smi_bytes is None
    assert find_card("80GB").smi_bytes is None
