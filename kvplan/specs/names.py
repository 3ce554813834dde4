"""A spec's name, made from that of a file or a folder."""

import re

MAX_LENGTH = 80


def as_name(text: str, *, otherwise: str) -> str:
    """Return the words of *text* in lower case, joined by hyphens; *otherwise* if it has none."""
    words = re.findall(r"[a-z0-9]+(?:[._-][a-z0-9]+)*", text.lower())
    return "-".join(words)[:MAX_LENGTH].rstrip("._-") or otherwise
