"""The logs beside these tests, each with the source of its figures in its first line."""

from pathlib import Path

FOLDER = Path(__file__).parent / "logs"


def log_text(name: str) -> str:
    """Return a log by the name of its file, without the line that names the source."""
    source, _, text = (FOLDER / f"{name}.txt").read_text(encoding="utf-8").partition("\n")
    assert source.startswith("# figures of https://"), name
    return text
