"""The tables of validation.md, from the recorded runs under tests/validate; cog calls these functions."""

import re
from collections import Counter
from collections.abc import Iterable, Sequence

import cog

from kvplan.planner.splits import heads_of
from kvplan.specs.load import load
from kvplan.validate.results import Level, Measurement, Number, Run
from kvplan.validate.run import LEVELS
from tests.fakecuda.errors import APART, CONCERNED
from tests.mutations import MUTATIONS
from tests.validate.recorded_runs import of_level, runs

_FITTED = "; fitted: "


def run_rows() -> None:
    """Write one row for each level of each recorded run, the newest transformers first."""
    rows = [
        (
            level,
            run.date,
            run.device,
            run.torch,
            run.transformers or "none",
            str(len(_by_subject(of_level(run, level)))),
            _holding(of_level(run, level)),
            str(sum(each.rule == "finding" for each in of_level(run, level))),
            _error(of_level(run, level)),
        )
        for level in LEVELS
        for run in _newest_first(level)
    ]
    heads = ("level", "date", "device", "torch", "transformers", "subjects", "claims that hold")
    _table((*heads, "recorded only", "largest error"), rows, right=range(5, 9))


def subjects(level: Level) -> None:
    """Write the names of all that the newest run of a level is about."""
    names = _by_subject(of_level(_newest_first(level)[0], level))
    cog.outl(", ".join(f"`{name}`" for name in names) + ".")


def model_rows(level: Level) -> None:
    """Write what each model's cache contains after the last token fed, two models in a row."""
    found = _by_subject(of_level(_newest_first(level)[0], level))
    last = {name: _last_data(claims) for name, claims in found.items()}
    usual, _ = Counter(map(_tokens, last.values())).most_common(1)[0]
    cells = []
    for name, claim in last.items():
        notes = [] if _tokens(claim) == usual else [f"{_tokens(claim)} tokens"]
        if _FITTED in claim.detail:
            notes.append("fitted")
        marked = f"{name} ({', '.join(notes)})" if notes else name
        cells.append((marked, _number(claim.predicted), _number(claim.measured)))
    cog.outl(f"Bytes after {usual:,} tokens, unless the name says another number:\n")
    cells += [("", "", "")] * (len(cells) % 2)
    half = len(cells) // 2
    rows = [(*left, *right) for left, right in zip(cells[:half], cells[half:], strict=True)]
    _table(("model", "predicted", "measured") * 2, rows, right=(1, 2, 4, 5))


def fitted_notes() -> None:
    """Write, for each model of L1 with an expectation made after a measurement, which one it is."""
    for name, found in _by_subject(of_level(_newest_first("L1")[0], "L1")).items():
        _, mark, note = found[0].detail.partition(_FITTED)
        if mark:
            cog.outl(f"- `{name}`: {note}")


def rank_rows() -> None:
    """Write what was compared at each number of ranks."""
    found = of_level(_newest_first("L3")[0], "L3")
    rows = []
    for ranks in sorted({_ranks(each) for each in found}):
        here = [each for each in found if _ranks(each) == ranks]
        differences = [each for each in here if each.rule == "at most"]
        refused = [each for each in here if "cannot share" in each.claim]
        failing = [each for each in here if "forward fails" in each.claim]
        caches = [each for each in here if each.claim.startswith("cache on rank")]
        if len(here) != sum(map(len, (differences, refused, failing, caches))):
            raise ValueError(f"a claim of L3 at {ranks} ranks has no column")
        checkpoints = {each.subject for each in caches} - {each.subject for each in differences}
        rows.append(
            (
                str(ranks),
                str(len(differences)),
                f"{max(each.measured for each in differences):.1e}",
                str(len(checkpoints)),
                _holding(caches),
                _holding(refused),
                _holding(failing),
            )
        )
    heads = ("ranks", "reference layers", "largest difference", "checkpoints of transformers")
    _table((*heads, "caches of a rank", "refused layers", "failing checkpoints"), rows, right=range(7))


def claim_rows(level: Level) -> None:
    """Write how many measurements of each kind of claim hold, the numbers in them left out."""
    kinds: dict[str, list[Measurement]] = {}
    for each in of_level(_newest_first(level)[0], level):
        kinds.setdefault(re.sub(r"\d+", "n", each.claim), []).append(each)
    rows = [(claim, str(len(_by_subject(found))), _holding(found)) for claim, found in kinds.items()]
    _table(("claim", "subjects", "claims that hold"), rows, right=(1, 2))


def cuda_state() -> None:
    """Write that no GPU was measured; fail once one was, as the page then has to be rewritten."""
    if any(run.on_cuda for level in LEVELS for run in runs(level)):
        raise ValueError("a recorded run measured a GPU: write in validation.md what it found")
    count = len(_skips("L4"))
    cog.outl(
        f"**L4 has not run on CUDA: of the recorded runs, none measured a GPU, and {count} entries wait.**"
    )


def cuda_calls() -> None:
    """Write what the recorded run of L4 skipped for want of a GPU, and which checks wait for it."""
    rows = []
    for name, reason in _skips("L4"):
        why, _, checks = reason.partition("; awaited by ")
        rows.append((f"`{name}`" if checks else name, checks or f"itself: {why}"))
    _table(("what needs a GPU", "the check that awaits it"), rows)


def version_differences() -> None:
    """Write which checks the runs with an older transformers skipped, and the reasons that they gave."""
    reasons: dict[str, list[str]] = {}
    for level in LEVELS:
        for name, reason in _skips(level):
            if "transformers" in reason:
                reasons.setdefault(reason, []).append(f"`{name}` ({level})")
    _table(("skipped", "reason"), [(", ".join(names), reason) for reason, names in reasons.items()])


def shapes(level: Level, name: str) -> None:
    """Write the tensors that a model's cache held at the end of the newest run."""
    found = _by_subject(of_level(_newest_first(level)[0], level))[name]
    (detail,) = (each.detail for each in found if each.detail.count(" x ["))
    cog.outl(f"- `{name}` ({level}): `{detail.rpartition('; ')[2]}`")


def copies(*names: str) -> None:
    """Write how often the class of a model caches K and V of each KV head."""
    for name in names:
        cog.outl(f"- `{name}`: {heads_of(load(name)).sharing} copies of K and V of each KV head.")


def view_rows() -> None:
    """Write the models of L2 whose prefill keeps more memory alive than its cache contains."""
    rows = []
    for name, found in _by_subject(of_level(_newest_first("L2")[0], "L2")).items():
        sizes = {each.claim: each for each in found}
        data, memory = (
            [each.measured for claim, each in sizes.items() if claim.startswith(f"{what} after prefill")][-1]
            for what in ("data", "memory")
        )
        (after,) = (each for claim, each in sizes.items() if claim.startswith("memory after decoding"))
        if memory > data:
            known = "" if after.predicted is not None else "no"
            factor = f"{memory / data:.2f}"
            rows.append((name, _number(data), _number(memory), factor, _number(after.measured), known))
    heads = ("model", "data after prefill", "memory after prefill", "factor", "memory one token later")
    _table((*heads, "predicted"), rows, right=(1, 2, 3, 4))


def mutation_summary() -> None:
    """Write how many deliberate errors are tried, and in which files."""
    parts = [each.file for each in MUTATIONS]
    kinds = sum(part.startswith("attention/") for part in parts)
    cog.outl(
        f"There are {len(MUTATIONS)} of them in {len(set(parts))} files: {kinds} in the attention kinds, "
        f"{len(parts) - kinds} in terms, dtypes, units, engines and the planner."
    )


def l4_mutations() -> None:
    """Write how many deliberate errors concern what L4 runs."""
    near = [each.name for each in MUTATIONS if each.file.startswith(CONCERNED)]
    apart = [name for name in near if name in APART]
    cog.outl(
        f"Of the {len(near)} errors in files whose figures L4 measures, {len(near) - len(apart)} concern "
        f"something that it runs; the other {len(apart)} are named there with the reason."
    )


def _newest_first(level: Level) -> list[Run]:
    return sorted(runs(level), key=lambda run: run.transformers or "", reverse=True)


def _by_subject(found: Iterable[Measurement]) -> dict[str, list[Measurement]]:
    grouped: dict[str, list[Measurement]] = {}
    for each in found:
        grouped.setdefault(each.subject, []).append(each)
    return grouped


def _holding(found: Iterable[Measurement]) -> str:
    held = [each.passed for each in found if each.rule != "finding"]
    return f"{sum(held)} / {len(held)}" if held else "-"


def _error(found: Iterable[Measurement]) -> str:
    errors = [each.measured for each in found if each.rule == "at most"]
    return f"{max(errors):.1e}" if errors else "-"


def _last_data(found: Iterable[Measurement]) -> Measurement:
    return [each for each in found if each.claim.startswith("data after decoding")][-1]


def _tokens(measurement: Measurement) -> int:
    return int(measurement.claim.split()[-2])


def _ranks(measurement: Measurement) -> int:
    (ranks,) = re.findall(r"(?:of |, )(\d+)\b", measurement.claim)
    return int(ranks)


def _skips(level: Level) -> list[tuple[str, str]]:
    found = [(each.name, each.reason) for run in runs(level) for each in run.skipped if each.level == level]
    return list(dict.fromkeys(found))


def _number(value: Number | None) -> str:
    return "-" if value is None else f"{value:,.0f}"


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]], right: Iterable[int] = ()) -> None:
    aligned = set(right)
    cog.outl(f"| {' | '.join(heads)} |")
    cog.outl(f"| {' | '.join('---:' if column in aligned else '---' for column in range(len(heads)))} |")
    for row in rows:
        cog.outl(f"| {' | '.join(row)} |")
