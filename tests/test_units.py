"""Sizes and counts: exact ints from what a person types, short text for a person to read."""

from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kvplan.errors import UnitError
from kvplan.units import (
    GIB,
    KIB,
    MIB,
    ceil_div,
    format_bytes,
    format_decimal,
    format_gib,
    format_rate,
    format_seconds,
    format_tokens,
    maximum,
    minimum,
    octaves,
    parse_bytes,
    parse_count,
    parse_flops,
    parse_rate,
    parse_ratio,
    parse_seconds,
)

UNITS = {
    "B": 1,
    "KB": 1000,
    "MB": 1000**2,
    "GB": 1000**3,
    "TB": 1000**4,
    "KiB": 1024,
    "MiB": 1024**2,
    "GiB": 1024**3,
    "TiB": 1024**4,
}


@pytest.mark.parametrize(
    ("text", "size_bytes"),
    [
        ("80GB", 80 * 10**9),
        ("80GiB", 80 * 2**30),
        ("39741071450B", 39_741_071_450),
        ("  16.06 gb ", 16_060_000_000),
        ("007MiB", 7 * 2**20),
        ("0GB", 0),
        # 57 x 1,073,741,824 = 61,203,283,968 and 0.3 of a GiB is 322,122,547.2: together ...515.2.
        ("57.30GiB", 61_525_406_515),
        ("1.9B", 1),
        ("1000000TB", 10**18),
    ],
)
def test_a_size_is_its_number_times_its_unit(text: str, size_bytes: int) -> None:
    """GB is 10^9 and GiB is 2^30, in any case of letters; a fraction of a byte is dropped."""
    assert parse_bytes(text) == size_bytes


@given(st.integers(0, 10**5), st.text("0123456789", min_size=1, max_size=18), st.sampled_from(sorted(UNITS)))
def test_decimals_of_a_size_are_exact(whole: int, decimals: str, unit: str) -> None:
    """Computed with fractions: a float would be off by bytes from 2^53 on."""
    exact = Fraction(f"{whole}.{decimals}") * UNITS[unit]
    assert parse_bytes(f"{whole}.{decimals}{unit}") == exact.numerator // exact.denominator


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("80", "'80' has no unit: write 80GB (10^9) or 80GiB (2^30)"),
        ("80Gi", "'80Gi' has the unknown unit 'Gi': use B, KB, MB, GB, TB, KiB, MiB, GiB or TiB"),
        ("GB", "'GB' is not a size: write a number and its unit, as in 80GB or 57.3GiB"),
        ("1000000.1TB", "'1000000.1TB' is more than 10^18 bytes"),
    ],
)
def test_a_refused_size_says_what_to_write(text: str, problem: str) -> None:
    with pytest.raises(UnitError) as caught:
        parse_bytes(text)
    assert str(caught.value) == problem


@pytest.mark.parametrize(
    "text",
    [
        *("", "-1GB", "1e3GB", "+1GB", ".5GB", "5.GB", "1,000GB", "1_000GB", "nanGB", "infGB", "8 0GB"),
        # Digits of other scripts, and more digits than any size has.
        *("٨GB", "8\n0GB", "80GB GB", "9" * 19 + "B", "9" * 5000 + "B", "1." + "0" * 19 + "GB"),
    ],
)
def test_what_is_not_a_size_is_refused(text: str) -> None:
    with pytest.raises(UnitError, match="is not a size"):
        parse_bytes(text)


@pytest.mark.parametrize("text", ["x" * 5000, "1" + "x" * 5000, "9" * 19 + "x" * 5000])
def test_a_refusal_does_not_repeat_what_fills_the_screen(text: str) -> None:
    """What was typed is quoted up to 40 characters, and the rest is a line of text."""
    with pytest.raises(UnitError) as caught:
        parse_bytes(text)
    assert str(caught.value).startswith(repr(text[:36])[:-1] + "...'")
    assert len(str(caught.value)) < 200


def test_forty_characters_are_quoted_whole() -> None:
    with pytest.raises(UnitError, match=f"^'{'x' * 40}' is not a size"):
        parse_bytes("x" * 40)
    with pytest.raises(UnitError, match=f"^'{'x' * 36}...' is not a size"):
        parse_bytes("x" * 41)


@pytest.mark.parametrize(
    ("text", "count"),
    [("8192", 8192), ("8k", 8 * 1024), ("8K", 8192), (" 128 k ", 131_072), ("1m", 1_048_576), ("1", 1)],
)
def test_k_and_m_are_powers_of_1024(text: str, count: int) -> None:
    """A 128k context is 131,072 tokens in every config.json."""
    assert parse_count(text) == count


def test_counts_reach_from_1_to_10_to_the_12() -> None:
    assert parse_count("1000000000000") == 10**12
    for text in ("0", "1000000000001", "1000000m"):
        with pytest.raises(UnitError, match=r"^'\w+' is not between 1 and 10\^12 sequences$"):
            parse_count(text, "sequences")


@pytest.mark.parametrize("text", ["", "k", "-1", "1.5k", "8kk", "8kb", "1e6", "٨", "9" * 19, "9" * 5000])
def test_what_is_not_a_count_is_refused(text: str) -> None:
    with pytest.raises(UnitError, match=r"is not a number of layers: write 8192, 8k \(8192\) or 1m"):
        parse_count(text, "layers")


@given(st.text("0123456789", min_size=1, max_size=18))
def test_a_ratio_is_exact(decimals: str) -> None:
    """0.9 has no exact float, so a utilisation is two ints."""
    text = f"0.{decimals}"
    if not Fraction(text):
        with pytest.raises(UnitError, match="is not above 0 and at most 1"):
            parse_ratio(text)
        return
    numerator, denominator = parse_ratio(text)
    assert Fraction(numerator, denominator) == Fraction(text)


@pytest.mark.parametrize(("text", "ratio"), [("1", (1, 1)), ("1.0", (10, 10)), (" 0.92 ", (92, 100))])
def test_a_ratio_keeps_its_digits(text: str, ratio: tuple[int, int]) -> None:
    assert parse_ratio(text) == ratio


@pytest.mark.parametrize("text", ["0", "0.00", "1.01", "2", "90"])
def test_a_ratio_lies_above_0_and_at_most_at_1(text: str) -> None:
    with pytest.raises(UnitError, match=f"^'{text}' is not above 0 and at most 1$"):
        parse_ratio(text)


@pytest.mark.parametrize("text", ["", "90%", "-0.5", ".9", "9e-1", "0,9", "nan"])
def test_what_is_not_a_ratio_is_refused(text: str) -> None:
    with pytest.raises(UnitError, match=r"is not a ratio: write a number above 0 and at most 1, as in 0.9"):
        parse_ratio(text)


@pytest.mark.parametrize(
    ("size_bytes", "text"),
    [
        (0, "0 B"),
        (584, "584 B"),
        (1023, "1,023 B"),
        (1024, "1 KiB"),
        (128 * KIB, "128 KiB"),
        (300 * KIB, "300 KiB"),
        (1536, "1.5 KiB"),
        (10.5, "10.5 B"),
        # 1.13 MiB is 1,184,890.9 bytes.
        (1_184_891, "1.13 MiB"),
        (MIB, "1 MiB"),
        (GIB, "1 GiB"),
        (100 * GIB, "100 GiB"),
        (-2 * GIB, "-2 GiB"),
        (1234 * GIB, "1,234 GiB"),
    ],
)
def test_a_size_is_printed_in_the_unit_that_suits_it(size_bytes: float, text: str) -> None:
    """Zeros behind the point are dropped, those before it are kept."""
    assert format_bytes(size_bytes) == text


def test_gib_have_two_decimals() -> None:
    """As torch and the engines print memory; 5.39 GiB is 5,787,468,431 bytes and a bit."""
    assert format_gib(5_787_468_432) == "5.39 GiB"
    assert format_gib(16 * GIB) == "16.00 GiB"


@given(st.integers(1, 999), st.sampled_from([1, KIB, MIB, GIB]))
def test_a_printed_size_reads_back(number: int, unit: int) -> None:
    assert parse_bytes(format_bytes(number * unit)) == number * unit


@given(st.integers(0, 10**14))
def test_printed_gib_read_back_to_half_a_hundredth(size_bytes: int) -> None:
    """Two decimals of a GiB: half a hundredth off at most, and the byte that parsing drops."""
    assert abs(parse_bytes(format_gib(size_bytes)) - size_bytes) <= GIB // 200 + 1


@given(st.integers(0, 10**18), st.integers(1, 10**12))
def test_ceil_div_is_the_least_that_covers(dividend: int, divisor: int) -> None:
    quotient = ceil_div(dividend, divisor)
    assert (quotient - 1) * divisor < dividend <= quotient * divisor


@given(st.integers(-(10**30), 10**30), st.integers(-(10**30), 10**30))
def test_bounds_of_ints_are_exact(one: int, other: int) -> None:
    assert minimum(one, other) == min(one, other)
    assert maximum(one, other) == max(one, other)


def test_octaves_are_evenly_apart_on_a_logarithmic_axis() -> None:
    """2 to the halves: 1024, 1448.2, 2048, 2896.3, 4096; what lies between the ends alone."""
    assert octaves(1024, 4096, 2) == [1024, 1448, 2048, 2896, 4096]
    assert octaves(1025, 4095, 1) == [2048]


def test_bounds_and_divisions_of_arrays_go_element_by_element() -> None:
    np = pytest.importorskip("numpy", reason="numpy is not installed")
    array = np.array([-7, 0, 5, 8])
    least: Any = minimum
    most: Any = maximum
    up: Any = ceil_div
    assert least(array, 5).tolist() == least(5, array).tolist() == [-7, 0, 5, 5]
    assert most(array, 5).tolist() == most(5, array).tolist() == [5, 5, 5, 8]
    assert least(array, np.array([0, 1, 2, 3])).tolist() == [-7, 0, 2, 3]
    assert up(array, 4).tolist() == [-1, 0, 2, 2]


@pytest.mark.parametrize(
    ("text", "bytes_per_second"),
    [
        ("400Gbps", 50 * 10**9),
        ("400 Gb/s", 50 * 10**9),
        ("400gbps", 50 * 10**9),
        ("50GB/s", 50 * 10**9),
        ("50GBps", 50 * 10**9),
        ("3.35TB/s", 3_350 * 10**9),
        ("50GiB/s", 50 * 2**30),
        ("8b/s", 1),
        # A fraction of a byte per second is dropped.
        ("9b/s", 1),
    ],
)
def test_a_rate_is_in_bytes_per_second(text: str, bytes_per_second: int) -> None:
    """A small b is a bit, and a large one a byte."""
    assert parse_rate(text) == bytes_per_second


@pytest.mark.parametrize(
    "text", ["400", "400GB", "400Gb", "GB/s", "400GBPS", "7b/s", "1e9B/s", "2000000TB/s"]
)
def test_a_rate_without_its_unit_is_refused(text: str) -> None:
    with pytest.raises(UnitError, match=r"Gbps|between"):
        parse_rate(text)


@pytest.mark.parametrize(
    ("text", "flops"),
    [
        ("989T", 989 * 10**12),
        ("989.5TFLOPS", 9895 * 10**11),
        ("2.25P", 225 * 10**13),
        ("130 TOPS", 130 * 10**12),
    ],
)
def test_operations_per_second_are_ints(text: str, flops: int) -> None:
    assert parse_flops(text) == flops


@pytest.mark.parametrize("text", ["989", "989B", "0T", "T", "9999999E"])
def test_operations_without_their_unit_are_refused(text: str) -> None:
    with pytest.raises(UnitError, match="operations per second"):
        parse_flops(text)


@pytest.mark.parametrize(
    ("text", "seconds"), [("30ms", 0.03), ("1.5s", 1.5), ("200us", 0.0002), ("7 NS", 7e-9)]
)
def test_a_time_is_in_seconds(text: str, seconds: float) -> None:
    assert parse_seconds(text) == seconds


@pytest.mark.parametrize("text", ["30", "0s", "30min", "-1s", "1000001s"])
def test_a_time_without_its_unit_is_refused(text: str) -> None:
    with pytest.raises(UnitError):
        parse_seconds(text)


def test_times_rates_and_sent_bytes_have_three_digits() -> None:
    assert [format_seconds(each) for each in (1.1108, 0.0304, 9.4e-5, 2e-9)] == [
        "1.11 s",
        "30.4 ms",
        "94.0 us",
        "2.00 ns",
    ]
    assert [format_rate(each) for each in (7.49e9, 50e9, 400e9, 125)] == [
        "59.9 Gbps",
        "400 Gbps",
        "3.20 Tbps",
        "1.00 kbps",
    ]
    assert [format_decimal(each) for each in (2_302_672_896, 999, 167_340_000)] == [
        "2.30 GB",
        "999 B",
        "167 MB",
    ]


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (8192, "8k"),
        (131072, "128k"),
        (2**20, "1m"),
        (1000, "1,000"),
        (1536, "1,536"),
        (0, "0"),
        (10 * 2**20, "10m"),
    ],
)
def test_a_count_is_shown_as_it_is_typed(number: int, text: str) -> None:
    assert format_tokens(number) == text
    assert number == 0 or "," in text or parse_count(text) == number
