"""The command `help`."""

import typer

app = typer.Typer()


@app.command(name="help", hidden=True)
def _help(command: str = typer.Argument("", help="A command.")) -> None:
    """The help of kvplan, or of a command."""
    from kvplan.cli.commands import app as program

    program([*([command] if command else []), "--help"], standalone_mode=False, prog_name="kvplan")
