"""What SGLang would refuse, in kvplan's words."""

from kvplan.errors import KvplanError, NoRoomError, OptionsError

__all__ = ["NoRoomError", "OptionsError", "RefusedError"]


class RefusedError(KvplanError):
    """A model that this version of SGLang refuses, or whose memory in it is not known."""
