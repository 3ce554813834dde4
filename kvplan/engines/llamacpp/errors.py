"""What llama.cpp would refuse, in kvplan's words."""

from kvplan.errors import KvplanError


class RefusedError(KvplanError):
    """A model or an option that llama.cpp refuses, or whose memory in it is not known."""
