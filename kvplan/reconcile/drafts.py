"""Speculative decoding that a log names: what drafts caches tokens beside the model, and is planned, too."""

import re
from collections.abc import Iterator, Sequence
from typing import Any

from kvplan.reconcile.log import NO_DRAFT, StartUpLog
from kvplan.reconcile.rows import DRAFT

WITHOUT_CACHE = ("ngram", "ngram_gpu", "[ngram]", "suffix", "medusa", "mlp_speculator", "none")
"""Methods that keep no tokens: config/speculative.py of vLLM 0.33, spec_info.py of SGLang 0.5.23."""

UNNAMED = "speculative decoding"

# --speculative-config '{"method": "mtp"}', -sc.method mtp, --spec-method mtp, --speculative-algorithm EAGLE
# In a shell, a list of a Compose or Kubernetes file, or Python's list of arguments.
_APART = r"[\"',:= ]{1,9}"
_JSON = re.compile(rf"(?:--speculative[-_]config|-sc){_APART}(\{{[^{{}}]{{0,2000}}\}})")
_KEYS = (
    (
        "draft",
        r"(?:--speculative[-_]config|-sc)\.method|--spec[-_]method|--speculative[-_]algorithm|--spec-type",
    ),
    ("model", r"(?:--speculative[-_]config|-sc)\.model|--spec[-_]model|--speculative[-_]model"),
    ("model", r"--speculative[-_]draft[-_]model(?:[-_]path)?|--spec-draft-model|--model-draft|-md|-hfd"),
    ("tokens", r"(?:--speculative[-_]config|-sc)\.num_speculative_tokens|--spec[-_]tokens"),
    ("tokens", r"--num[-_]speculative[-_]tokens"),
)
_OPTIONS = tuple(
    (name, re.compile(rf"(?:^|[\s'\"])(?:{names}){_APART}([^\s'\",]{{1,200}})")) for name, names in _KEYS
)
MARKS = ("--spec", "-sc", "-md ", "--model-draft", "-hfd ", "speculative")
_METHOD = re.compile(r"['\"]method['\"]\s*:\s*['\"]([^'\"]{1,60})['\"]")
_TOKENS = re.compile(r"['\"]num_speculative_tokens['\"]\s*:\s*(\d{1,6})")


def command_draft(text: str) -> Iterator[dict[str, Any]]:
    """Yield the method of a command's speculative decoding."""
    if found := _said(text):
        method = found.get("draft", UNNAMED).lower()
        # Up to vLLM 0.7 the model's name said that n-grams draft.
        yield {"draft": "ngram" if found.get("model") == "[ngram]" else method}


def command_tokens(text: str) -> Iterator[dict[str, Any]]:
    """Yield the number of tokens that a command speculates on, as vLLM's setting."""
    if tokens := _said(text).get("tokens"):
        yield {"settings": {"num_speculative_tokens": tokens}}


def _said(text: str) -> dict[str, str]:
    """Return the `draft` (its method), the `model` and the `tokens` that a command has, each as text."""
    found: dict[str, str] = {}
    plain = text.replace("\\", "")
    if config := _JSON.search(plain):
        for name, pattern in (("draft", _METHOD), ("tokens", _TOKENS)):
            if match := pattern.search(config[1]):
                found[name] = match[1]
        found.setdefault("draft", UNNAMED)
    for name, pattern in _OPTIONS:
        if match := pattern.search(plain):
            found.setdefault(name, match[1])
    return found


def caching_draft(log: StartUpLog) -> str | None:
    """Return the method of a draft that the log names, if it has a cache of its own."""
    method = log.options.draft
    return None if method is None or method == NO_DRAFT or method.lower() in WITHOUT_CACHE else method


def unseen_draft(log: StartUpLog, figures: Sequence[str], *, planned: bool) -> tuple[str, ...]:
    """Return a note on a draft that the log names, where none of the compared *figures* is of its layers."""
    method = caching_draft(log)
    if method is None or planned or any(name.endswith(DRAFT) for name in figures):
        return ()
    told = f"the log names speculative decoding ({method[:40]}), but shows no cache of it"
    return (f"{told}: what it caches is not compared",)


def planned_draft(log: StartUpLog) -> tuple[dict[str, str], list[str]]:
    """Return the setting that plans the draft which a log names, and a note on it."""
    method = caching_draft(log)
    if method is None:
        return {}, []
    note = (
        f"the log names speculative decoding ({method[:40]}): a draft layer like the model's own is planned, "
        "and --set draft_layers=N plans others"
    )
    return {"draft_layers": "1"}, [note]
