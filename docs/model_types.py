"""
Write the table of model types in docs/importing.md; `--check` says whether it is current.

The lists are those of the installed transformers, the proofs those of tests/importers/test_model_types.py.
"""

import json
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import transformers
from transformers import CONFIG_MAPPING
from transformers.models.auto import modeling_auto

from kvplan.errors import KvplanError
from kvplan.importers.config import import_values
from kvplan.importers.families import REFUSED, WRAPPERS, model_types
from tests.importers.test_model_types import TYPES
from tests.importers.test_parts import PARTS

_PAGE = Path(__file__).parent / "importing.md"
_START, _END = "<!-- model types: written by docs/model_types.py -->", "<!-- end of model types -->"


def tables() -> str:
    """Return the tables of causal, sequence-to-sequence and image-text types."""
    causal = list(modeling_auto.MODEL_FOR_CAUSAL_LM_MAPPING_NAMES)
    pairs = list(modeling_auto.MODEL_FOR_SEQ_TO_SEQ_CAUSAL_LM_MAPPING_NAMES)
    images = list(modeling_auto.MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING_NAMES)
    parts = [f"The model types of transformers {transformers.__version__}:"]
    for title, names in (
        ("Language models", causal),
        ("Encoder and decoder", [name for name in pairs if name not in causal]),
        ("With images", [name for name in images if name not in causal]),
    ):
        rows = [(name, *_row(name)) for name in names]
        read = sum(row[1] == "yes" for row in rows)
        parts += ["", f"### {title}: {read} of {len(rows)} are read", "", *_table(rows)]
    return "\n".join(parts)


def _row(name: str) -> tuple[str, str]:
    """Return whether a type is read, and how that was proven, or why it is not."""
    written = getattr(CONFIG_MAPPING[name], "model_type", name) if name in CONFIG_MAPPING else "gpt2"
    if name not in {*model_types(), *WRAPPERS} and name == "gpt-sw3" and written == "gpt2":
        return "yes", "its files say gpt2"
    if name not in {*model_types(), *WRAPPERS}:
        return "no", REFUSED.get(name, "no reader yet")
    if name in {*TYPES, *PARTS}:
        return "yes", "its class keeps as much, at two lengths"
    if name in WRAPPERS:
        inner = _inner(name)
        if inner is not None and inner not in model_types():
            return "no", f"no reader for its text model, {inner}"
    return "yes", "the file that its class writes" if _is_read(name) else "published files"


def _values(name: str) -> dict[str, Any] | None:
    try:
        values: dict[str, Any] = json.loads(CONFIG_MAPPING[name]().to_json_string(use_diff=False))
    except Exception:  # noqa: BLE001 - a class without defaults
        return None
    return {**values, "dtype": values.get("dtype") or "bfloat16"}


def _inner(name: str) -> str | None:
    text = (_values(name) or {}).get("text_config")
    return text.get("model_type") if isinstance(text, dict) else None


def _is_read(name: str) -> bool:
    values = _values(name)
    try:
        return values is not None and bool(import_values(values, file="config.json", name="model"))
    except KvplanError:
        return False


def _table(rows: Iterable[tuple[str, str, str]]) -> list[str]:
    lines = [f"| `{name}` | {read} | {how} |" for name, read, how in rows]
    return ["| model type | read | how it was proven, or why not |", "| --- | --- | --- |", *lines]


def main() -> None:
    """Write the page, or fail with a reason if the tables that are there are out of date."""
    text = _PAGE.read_text(encoding="utf-8")
    before, _, rest = text.partition(_START)
    _, _, after = rest.partition(_END)
    written = f"{before}{_START}\n\n{tables()}\n\n{_END}{after}"
    if "--check" not in sys.argv[1:]:
        _PAGE.write_text(written, encoding="utf-8")
    elif written != text:
        sys.exit("docs/importing.md: the model types are out of date; run docs/model_types.py")


if __name__ == "__main__":
    main()
