"""What grids, pictures and others need beyond the core, asked for where it is used."""

from importlib import import_module
from types import ModuleType

from kvplan.errors import KvplanError


class MissingError(KvplanError):
    """A package that is not installed, and the extra that installs it."""


def needed(module: str, what: str, extra: str = "sweep") -> ModuleType:
    """Return a module; raise MissingError, which says what needs it and which *extra* installs it."""
    try:
        return import_module(module)
    except ModuleNotFoundError as error:
        if error.name != module.partition(".")[0]:
            raise
        raise MissingError(
            f"{what} needs {error.name}, which is not installed: pip install '.[{extra}]' in the checkout"
        ) from None
