"""The commands that start a serving engine: read as the options of a plan, and written from them."""

from kvplan.serving.read import read_command
from kvplan.serving.served import Kept, Served
from kvplan.serving.write import has_option, takes_gguf, with_own_words, write_command

__all__ = ["Kept", "Served", "has_option", "read_command", "takes_gguf", "with_own_words", "write_command"]
