"""A group of commands, each of whose modules is imported when its command is asked for."""

from collections.abc import Mapping
from importlib import import_module
from typing import Any

import typer.core
import typer.main

MODULES: Mapping[str, str] = {
    "fit": "fitting",
    "hold": "holding",
    "tiers": "tiering",
    "sweep": "sweeping",
    "size": "sizing",
    "check": "sizing",
    "show": "sizing",
    "compare": "comparing",
    "plot": "plotting",
    "whatif": "changing",
    "advise": "changing",
    "new": "changing",
    "bounds": "disaggregating",
    "disaggregate": "disaggregating",
    "models": "listing",
    "gpus": "listing",
    "schema": "listing",
    "import": "importing",
    "reconcile": "reconciling",
    "rehearse": "rehearsing",
    "validate": "validating",
    "help": "helping",
}
"""The modules beside this one whose `app` has a command, in the order of the help."""


class Commands(typer.core.TyperGroup):
    """The commands of kvplan: reading the signatures of all would take longer than most answers."""

    # typer's own types of what it hands over and takes here are private to it.

    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ANN401, ARG002
        """Return the names of all commands, none of which is imported for it."""
        return list(MODULES)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:  # noqa: ANN401, ARG002
        """Return a command, or None if there is none of that name."""
        if cmd_name not in MODULES:
            return None
        module = import_module(f"{__package__}.{MODULES[cmd_name]}")
        (registered,) = (each for each in module.app.registered_commands if each.name == cmd_name)
        return typer.main.get_command_from_info(
            registered, pretty_exceptions_short=True, rich_markup_mode=None
        )
