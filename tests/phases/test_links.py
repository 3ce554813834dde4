"""Links by name and by rate."""

import pytest

from kvplan.errors import UnitError, UnknownNameError
from kvplan.phases.links import LINKS, find_link, read_link, slowest_that_moves


def test_rates_are_of_one_direction() -> None:
    """NVIDIA prints 900 GB/s for an H100's NVLink, both ways together; NDR is 400 Gb/s each way."""
    assert find_link("nvlink4").bytes_per_second == 900 * 10**9 // 2
    assert find_link(" InfiniBand-NDR ").bytes_per_second == 400 * 10**9 // 8
    assert find_link("400Gbps").bytes_per_second == find_link("50GB/s").bytes_per_second == 50 * 10**9


def test_links_are_in_order_and_have_sources() -> None:
    rates = [link.bytes_per_second for link in LINKS]
    assert rates == sorted(rates)
    assert all(link.source for link in LINKS)
    assert len({link.name for link in LINKS}) == len(LINKS)


def test_the_slowest_link_that_moves_so_much() -> None:
    found = slowest_that_moves(33 * 10**9)
    assert found is not None
    assert found.name == "infiniband-ndr"
    assert slowest_that_moves(901 * 10**9) is None


def test_a_link_that_is_none_is_refused() -> None:
    with pytest.raises(UnknownNameError, match="did you mean 'nvlink5' or 'nvlink4'"):
        find_link("nvlink9")
    for text in ("nvlink9", "400", "400GB"):
        with pytest.raises(UnitError, match="400Gbps"):
            read_link(text)
