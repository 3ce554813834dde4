"""The tables of rotary embeddings, by hand."""

import pytest

from kvplan.importers.fields import Fields
from kvplan.importers.rotations import read_rotations
from kvplan.importers.strict_json import Json


def _read(**values: Json) -> int | None:
    return read_rotations(Fields({"max_position_embeddings": 131_072, **values}, file="config.json"))


def test_gemma_3_has_a_table_of_eight_contexts_and_one_of_its_windows() -> None:
    scaling: Json = {"factor": 8.0, "rope_type": "linear"}
    assert _read(rope_scaling=scaling) == 8 * 131_072
    assert _read(rope_scaling=scaling, rope_local_base_freq=10_000.0) == 9 * 131_072
    assert _read(rope_scaling={"factor": 2.5, "type": "linear"}) == 327_680


def test_places_in_films_have_a_table_four_times_as_long() -> None:
    assert _read(rope_scaling={"type": "mrope", "mrope_section": [16, 24, 24]}) == 4 * 131_072
    interleaved: Json = {"mrope_section": [24, 20, 20], "mrope_interleaved": True}
    assert _read(rope_scaling=interleaved) is None


@pytest.mark.parametrize(
    "scaling",
    [
        None,
        "linear",
        {"rope_type": "yarn", "factor": 4.0},
        {"rope_type": "linear"},
        {"type": "linear", "factor": True},
    ],
)
def test_others_have_one_of_the_longest_context(scaling: Json) -> None:
    assert _read(rope_scaling=scaling) is None


def test_without_a_context_nothing_is_known() -> None:
    assert (
        read_rotations(Fields({"rope_scaling": {"type": "linear", "factor": 2}}, file="config.json")) is None
    )
