"""What a log can get wrong."""

from kvplan.errors import KvplanError


class LogError(KvplanError):
    """A text that is no start-up log of an engine, or one that does not say enough."""
