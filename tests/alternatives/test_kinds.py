"""The literature's table: cache and parameters of every kind relative to MHA, by hand."""

from fractions import Fraction

import pytest

import kvplan
from kvplan.alternatives.kinds import Dimensions, dimensions_of, kinds
from kvplan.errors import OptionsError

LLAMA_65B = Dimensions(heads=64, head_dim=128, hidden=8192, layers=80)
"""LLaMA, arXiv 2302.13971, table 2."""

TABLE = {row.name: row for row in kinds(LLAMA_65B)}


def test_the_surveys_columns() -> None:
    """
    1.0, 0.75, 0.56 and 0.42 of MHA's parameters: MHA, G = h / 2, G = h / 8, MLA with queries of rank 1536.

    A group costs K and V matrices of d columns: (2 h + 2 G) / 4 h of MHA's. MLA has 1536 (H + h (d + 64)) for
    queries, H 576 + 512 h 2 d for the latent, and h d H for the output, of 4 H h d.
    """
    assert TABLE["mha"].share == 1
    assert TABLE["gqa, G = 32"].share == Fraction(3, 4)
    assert TABLE["gqa, G = 8"].share == Fraction(2 * 64 + 2 * 8, 4 * 64) == Fraction(9, 16)
    mla = 1536 * (8192 + 64 * 192) + 8192 * 576 + 512 * 64 * 256 + 64 * 128 * 8192
    assert TABLE["mla"].share == Fraction(mla, 4 * 8192 * 64 * 128)
    assert [round(float(TABLE[name].share), 2) for name in ("gqa, G = 8", "mla")] == [0.56, 0.42]


def test_the_cache_relative_to_mha() -> None:
    """1 / heads for MQA, G / h for GQA, 9 / 2 d of 2 h d for MLA."""
    assert TABLE["mqa"].cache == Fraction(1, 64)
    assert TABLE["gqa, G = 8"].cache == Fraction(8, 64)
    assert TABLE["mla"].cache == Fraction(9, 4 * 64)
    assert TABLE["hybrid, 1 of 4 full"].cache == Fraction(1, 4)
    assert TABLE["linear"].cache == 0


def test_a_state_is_worth_some_tokens() -> None:
    """A matrix per head, h d^2 elements, d / 2 tokens of MHA's 2 h d."""
    assert TABLE["lightning"].fixed_elements == 64 * 128 * 128
    assert TABLE["lightning"].equal_tokens == 64


def test_where_a_cache_stops_growing() -> None:
    stops = {name: row.stops_at for name, row in TABLE.items()}
    assert stops["mha"] is stops["mla"] is stops["hybrid, 1 of 4 full"] is None
    assert stops["sliding, w = 4096"] == 4096
    assert stops["mamba2"] == 0


def test_every_group_that_divides_has_a_row() -> None:
    assert [name for name in TABLE if name.startswith("gqa")] == [
        f"gqa, G = {groups}" for groups in (32, 16, 8, 4, 2)
    ]


def test_legal_degrees() -> None:
    assert TABLE["mqa"].legal_tp == (1, 2, 4, 8, 16, 32, 64)


@pytest.mark.parametrize(
    ("model", "dimensions"),
    [
        ("llama-65b", LLAMA_65B),
        ("gpt-3-175b", Dimensions(heads=96, head_dim=128, hidden=12_288, layers=96)),
        ("deepseek-v2", Dimensions(heads=128, head_dim=128, hidden=5120, layers=60)),
    ],
)
def test_dimensions_of_a_model(model: str, dimensions: Dimensions) -> None:
    assert dimensions_of(kvplan.load(model)) == dimensions


def test_what_has_no_dimensions_is_refused() -> None:
    with pytest.raises(OptionsError, match="give --heads, --head-dim, --hidden and --layers"):
        dimensions_of(kvplan.load("mamba-130m"))
    with pytest.raises(OptionsError, match="heads is 0, layers is -1: expected at least 1"):
        Dimensions(heads=0, head_dim=128, hidden=8192, layers=-1)


def test_a_row_as_json() -> None:
    assert TABLE["mqa"].to_dict()["cache"] == 1 / 64
