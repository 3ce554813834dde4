"""The commands that start a serving engine: read as the options of a plan, and written from them."""

from kvplan.serving.read import read_command
from kvplan.serving.served import Served
from kvplan.serving.write import write_command

__all__ = ["Served", "read_command", "write_command"]
