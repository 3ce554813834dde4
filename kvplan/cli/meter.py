"""How far a long run is, on stderr: one line that is written over in a terminal, else one now and then."""

import sys
import time
from dataclasses import dataclass, field

_FIRST_SECONDS = 2.0
"""A run that is shorter says nothing."""

_TERMINAL_SECONDS, _LOG_SECONDS = 0.2, 30.0
_MINUTE = 60


@dataclass(slots=True)
class Meter:
    """Told of what is done, and of all there is; it says so at times, with the time that is left."""

    noun: str
    begun: float = field(default_factory=time.monotonic)
    said: float = field(default_factory=time.monotonic)
    drawn: bool = False

    def __call__(self, done: int, total: int) -> None:
        """Say how far it is, if it is time to."""
        now = time.monotonic()
        seconds = now - self.begun
        drawing = sys.stderr.isatty()
        apart = _TERMINAL_SECONDS if drawing else _LOG_SECONDS
        if seconds < _FIRST_SECONDS or now - self.said < apart or not 0 < done < total:
            return
        self.said = now
        left = _spoken(seconds * (total - done) / done)
        text = f"{done:,} of {total:,} {self.noun} ({100 * done // total} %), {left} left"
        sys.stderr.write(f"\r\x1b[K{text}" if drawing else f"{text}\n")
        sys.stderr.flush()
        self.drawn = drawing

    def clear(self) -> None:
        """Take the line away again."""
        if self.drawn:
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()
            self.drawn = False


def _spoken(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), _MINUTE)
    hours, minutes = divmod(minutes, _MINUTE)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"
