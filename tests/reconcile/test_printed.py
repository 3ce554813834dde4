"""A printed number stands for everything that rounds to it."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kvplan.errors import KvplanError
from kvplan.reconcile import Printed
from kvplan.units import GIB, MIB


@pytest.mark.parametrize(
    ("printed", "low", "high"),
    [
        # 58.105 to 58.115 GiB: half of the last decimal on either side.
        (Printed("58.11", "GiB", decimals=2), Fraction(58105, 1000) * GIB, Fraction(58115, 1000) * GIB),
        # vLLM drops the zero of 42.80, but has rounded to two decimals all the same.
        (Printed("42.8", "GiB", decimals=2), Fraction(42795, 1000) * GIB, Fraction(42805, 1000) * GIB),
        (
            Printed("14.9888", "GB", decimals=2),
            Fraction(1498875, 10**5) * GIB,
            Fraction(1498885, 10**5) * GIB,
        ),
        (Printed("82.00", "MiB"), Fraction(81995, 1000) * MIB, Fraction(82005, 1000) * MIB),
        (Printed("58.11", "x"), Fraction(58105, 1000), Fraction(58115, 1000)),
        (Printed("476,016", "tokens"), Fraction(476016), Fraction(476016)),
        (Printed("50", "GB"), Fraction(495, 10) * GIB, Fraction(505, 10) * GIB),
    ],
)
def test_the_interval_is_what_rounds_to_the_text(printed: Printed, low: Fraction, high: Fraction) -> None:
    assert printed.interval() == (low, high)


def test_engines_mean_powers_of_two_by_gb_unless_told() -> None:
    assert Printed("25.32", "GB").value == Fraction(2532, 100) * 2**30
    assert Printed("25.32", "GB", decimal_units=True).value == 25_320_000_000
    assert Printed("244.61", "MB", decimal_units=True).value == 244_610_000


def test_whole_bytes_lie_within_the_interval_and_not_below_0() -> None:
    low, high = Printed("0.01", "GiB").whole()
    # 0.005 and 0.015 of 1,073,741,824 bytes are 5,368,709.12 and 16,106,127.36.
    assert (low, high) == (5_368_710, 16_106_127)
    assert Printed("-1.05", "GiB").whole() == (0, 0)


@pytest.mark.parametrize("text", ["", "many", "1.2.3", "1e9", "nan", "9" * 400, "٣", "-"])
def test_what_is_no_number_is_refused(text: str) -> None:
    with pytest.raises(KvplanError, match="is not a number of GiB"):
        Printed(text, "GiB")


def test_it_is_shown_as_it_was_printed() -> None:
    assert str(Printed("42.8", "GiB")) == "42.8 GiB"
    assert str(Printed("1.22", "x")) == "1.22x"
    assert str(Printed("240816", "tokens")) == "240,816 tokens"


@given(st.integers(0, 10**13), st.integers(0, 4))
def test_what_an_engine_prints_is_read_back_around_its_bytes(size_bytes: int, decimals: int) -> None:
    rounded = float(round(Fraction(size_bytes, GIB), decimals))
    low, high = Printed(f"{rounded:.{decimals}f}", "GiB").interval()
    assert low <= size_bytes <= high
    assert high - low == Fraction(GIB, 10**decimals)
