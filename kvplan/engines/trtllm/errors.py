"""What TensorRT-LLM would refuse, in kvplan's words."""

from kvplan.errors import KvplanError, NoRoomError

__all__ = ["NoRoomError", "RefusedError"]


class RefusedError(KvplanError):
    """A model or an option that TensorRT-LLM refuses, or whose memory is not known."""
