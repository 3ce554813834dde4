"""The most downloaded models of a public list: answered offline from the catalogue and the rules of names."""

from collections import Counter
from pathlib import Path, PurePosixPath

from kvplan.specs.catalogue import read_index
from kvplan.specs.readings import read_name

LINES = (Path(__file__).parent / "popular.txt").read_text(encoding="utf-8").splitlines()
POPULAR = dict(line.split() for line in LINES if not line.startswith("#"))


def answer(hub_id: str) -> str | None:
    """The catalogue's name of the model that answers a hub id without the hub; None if none does."""
    if (file := read_index().get(hub_id.lower())) is not None:
        return PurePosixPath(file).stem
    found = read_name(hub_id)
    return None if found is None else found.model


def test_each_is_answered_as_the_model_that_it_is() -> None:
    """An id that is answered from now on moves from its reason to its model."""
    found = {hub_id: answer(hub_id) for hub_id in POPULAR}
    wrong = {
        hub_id: (model, POPULAR[hub_id])
        for hub_id, model in found.items()
        if model != (None if POPULAR[hub_id].startswith("-") else POPULAR[hub_id])
    }
    assert wrong == {}


def test_the_share_and_what_is_left() -> None:
    classes = Counter(each if each.startswith("-") else "answered" for each in POPULAR.values())
    assert classes == {
        "answered": 322,
        "-media": 78,
        "-absent": 47,
        "-tuned": 37,
        "-toy": 15,
        "-draft": 1,
    }
    assert classes.total() == 500
