"""Building the catalogue's index, which reads every spec, as look-ups must not."""

from pathlib import Path

from kvplan.errors import SpecError
from kvplan.specs.catalogue import spec_files
from kvplan.specs.load import load_file
from kvplan.specs.model import GIVEN, ModelSpec


def build_index(folder: Path) -> dict[str, str]:
    """Return the index of a folder of specs; raise SpecError where two of them claim one name."""
    index: dict[str, str] = {}
    for path in spec_files(folder):
        spec = load_file(path)
        _require_published(spec, path)
        relative = path.relative_to(folder).as_posix()
        if path.stem != spec.name:
            raise SpecError(f"{path}: the file of {spec.name!r} must be named {spec.name}.yaml")
        names = (spec.name, *([spec.hf_id] if spec.hf_id else []), *spec.aliases, *spec.quantized)
        for name in dict.fromkeys(each.lower() for each in names):
            if name in index:
                raise SpecError(f"{path}: the name {name!r} is already that of {index[name]}")
            index[name] = relative
    return dict(sorted(index.items()))


def _require_published(spec: ModelSpec, path: Path) -> None:
    """Raise SpecError for a spec without the facts that a published model has and a design has not."""
    if spec.source == GIVEN:
        raise SpecError(f"{path}: source: found nothing; the catalogue says where its facts can be checked")
    if spec.max_context is None:
        raise SpecError(
            f"{path}: max_context: found nothing; a model of the catalogue was made for some context"
        )
    for kind in spec.kinds():
        try:
            kind.projections(hidden=1)
        except SpecError as error:
            raise SpecError(f"{path}: attention: {error}") from None
