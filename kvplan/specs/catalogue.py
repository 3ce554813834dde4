"""
The models that kvplan ships: one YAML file each, found through an index of their names.

The index exists so that a name is found without reading the other specs. It is generated:
`python -m kvplan.specs` writes it again, and a test holds it against the files.
"""

import json
from functools import cache
from math import inf
from pathlib import Path, PurePosixPath

from kvplan.errors import SpecError, UnknownNameError, asking, closest

PACKAGE = Path(__file__).resolve().parent.parent
"""The installed or checked-out `kvplan` package."""
INDEX_NAME = "index.json"
MOST_ALIKE = 3


@cache
def catalogue_folder() -> Path:
    """Return the folder of the shipped specs: inside an installed package, beside it in a checkout."""
    for folder in (PACKAGE / "model_specs", PACKAGE.parent / "model_specs"):
        if (folder / INDEX_NAME).is_file():
            return folder
    raise SpecError(f"the model catalogue is missing beside {PACKAGE}: install kvplan again")


@cache
def read_index() -> dict[str, str]:
    """Return the file, relative to the catalogue's folder, of every name, alias and hub id."""
    index: dict[str, str] = json.loads((catalogue_folder() / INDEX_NAME).read_text(encoding="utf-8"))
    return index


def find_spec(name: str) -> Path:
    """Return the file of a model by its name, alias or hub id, in any case; raise if unknown."""
    index = read_index()
    relative = index.get(name.strip().lower())
    if relative is None:
        hint = asking(alike(name))
        raise UnknownNameError(
            f"unknown model {name!r}{hint}; `kvplan models` lists the known ones, "
            "or give a spec file: model.yaml"
        )
    return catalogue_folder() / relative


def alike(name: str) -> list[str]:
    """
    Return up to three names of the catalogue that *name* may have meant.

    Those of its family come first, the nearest size before others; then those that are spelt alike.
    """
    from kvplan.specs.model_names import family, size_of, take_apart  # noqa: PLC0415 - for unknown names

    index, said = read_index(), take_apart(name).plain_words
    own, wanted = family(said), size_of(said)
    kin = {stem: words for stem in _stems() if family(words := take_apart(stem).plain_words) == own}
    found = sorted(kin, key=lambda stem: _distance(wanted, size_of(kin[stem])))[:MOST_ALIKE]
    spelt = [PurePosixPath(index[key]).stem for key in closest(name, list(index))]
    return list(dict.fromkeys([*found, *spelt]))[:MOST_ALIKE]


def _stems() -> list[str]:
    """Return the name of each model, once."""
    return list(dict.fromkeys(PurePosixPath(file).stem for file in read_index().values()))


def _distance(wanted: float | None, size: float | None) -> float:
    """Return how many times one size is the other; a size that is not known is far from any other."""
    if wanted is None or size is None:
        return 1.0 if wanted == size else inf
    return max(wanted, size) / min(wanted, size)


def spec_files(folder: Path | None = None) -> list[Path]:
    """Return the files of all shipped specs, sorted."""
    return sorted((folder or catalogue_folder()).rglob("*.yaml"))
