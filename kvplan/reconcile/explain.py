"""A log against the plan: every figure, and the fewest assumptions that explain what differs."""

from collections.abc import Iterator, Sequence
from itertools import combinations
from math import inf

from kvplan.errors import KvplanError, SpecError
from kvplan.reconcile.assumptions import assumptions
from kvplan.reconcile.changes import Assumption
from kvplan.reconcile.described import make_setup
from kvplan.reconcile.dialect import Compare
from kvplan.reconcile.dialects import DIALECTS
from kvplan.reconcile.drafts import unseen_draft
from kvplan.reconcile.errors import LogError
from kvplan.reconcile.estimates import estimate_rows
from kvplan.reconcile.log import StartUpLog
from kvplan.reconcile.memory import memory_causes
from kvplan.reconcile.read import read_log
from kvplan.reconcile.results import Explanation, Reconciliation
from kvplan.reconcile.rows import Row
from kvplan.reconcile.setup import Overrides, Setup
from kvplan.records import record

MAX_TRIALS = 400
"""Plans that are tried for one log; each takes about a millisecond."""

_PAIRED = 16
_TOLD = 3


_RESTARTED = ("the engine started more than once: its last start is compared",)


def reconcile(text: str, asked: Overrides | None = None) -> Reconciliation:
    """
    Return what the start-up log in *text* has beside the plan; *asked* stands against the log.

    Raises LogError for a text without a figure or a model, and a KvplanError for a plan that the
    engine refuses.
    """
    asked = asked or Overrides()
    log = read_log(text, asked.engine)
    setup, notes = make_setup(log, asked)
    dialect = DIALECTS[log.engine]
    compare = dialect.compare
    before, refusal = _plan(log, setup, compare)
    estimates, more = estimate_rows(log, setup, asked) if refusal is None else ((), ())
    if not before.rows and not estimates and refusal is None:
        raise LogError(
            "nothing in this log can be checked: its figures would be the same for every model", _missing(log)
        )
    explanations, trials = _explain(log, before, compare)
    if refusal is not None and not explanations:
        raise refusal
    causes, tried = ((), 0) if refusal is not None else memory_causes(log, setup, asked, explanations)
    counted = dialect.drafts == "setting" and "draft_layers" in setup.choice.settings
    unseen = unseen_draft(log, [row.figure for row in before.rows], planned=counted)
    return Reconciliation(
        log=log,
        setup=setup,
        rows=before.rows,
        refused=None if refusal is None else str(refusal),
        estimates=estimates,
        explanations=explanations,
        memory_causes=causes,
        notes=(*_notes(log), *notes, *more, *unseen, *_untold(log, before)),
        trials=trials + tried,
    )


def _missing(log: StartUpLog) -> str:
    """Return in words what would let the figures of a log be checked."""
    if log.foreign is not None and log.foreign.plugin:
        return f"it is of {log.foreign.name}: {log.foreign.lacks}"
    return "paste the lines on the memory for the KV cache and on the weights, too"


def _notes(log: StartUpLog) -> tuple[str, ...]:
    """Return what the whole log is to be taken for."""
    foreign = log.foreign
    plugin = (
        (f"the log is of {foreign.name}, whose pool alone is compared: {foreign.lacks}",)
        if foreign is not None and foreign.plugin
        else ()
    )
    return (*_RESTARTED[: log.restarted], *plugin)


@record
class _Trial:
    assumed: tuple[Assumption, ...]
    setup: Setup
    rows: tuple[Row, ...]
    refused: bool = False

    @property
    def off(self) -> tuple[float, float]:
        """How many exact figures are outside their rounding, and by how much the worst."""
        if self.refused:
            return inf, inf
        exact = [row for row in self.rows if row.exact]
        outside = sum(not row.inside for row in exact)
        return outside, max((abs(row.difference_percent) for row in exact), default=0.0)


def _plan(log: StartUpLog, setup: Setup, compare: Compare) -> tuple[_Trial, KvplanError | None]:
    """Return the plan as it stands, or why there is none."""
    try:
        return _Trial(assumed=(), setup=setup, rows=compare(log, setup)), None
    except LogError:
        raise
    except KvplanError as error:
        return _Trial(assumed=(), setup=setup, rows=(), refused=True), error


def _explain(log: StartUpLog, before: _Trial, compare: Compare) -> tuple[tuple[Explanation, ...], int]:
    """Return the explanations with the fewest assumptions, and how many plans were made."""
    if before.off[0] == 0:
        return (), 1
    known = tuple(each for each in assumptions(log, before.setup) if not _lacking(each, before.setup))
    singles = list(_trials(log, before.setup, [(each,) for each in known], compare))
    made = 1 + len(known)
    if complete := _complete(singles):
        return _told(log, complete), made
    sets = _pairs(singles)[: MAX_TRIALS - made]
    pairs = list(_trials(log, before.setup, sets, compare))
    made += len(sets)
    if complete := _complete(pairs):
        return _told(log, complete), made
    best = before
    for trials in (singles, pairs):
        nearest = min(trials, key=lambda trial: trial.off, default=best)
        best = nearest if _is_nearer(nearest, best) else best
    return (() if best is before else _told(log, [best])), made


def _lacking(assumed: Assumption, setup: Setup) -> str | None:
    """Return what an assumption needs of the spec and the spec does not tell, or None."""
    try:
        assumed.apply(setup)
    except SpecError as error:
        return str(error)
    return None


def _untold(log: StartUpLog, before: _Trial) -> tuple[str, ...]:
    """Return a note for each assumption that cannot be tried on a plan that differs from its log."""
    if before.off[0] == 0:
        return ()
    lacking = ((each, _lacking(each, before.setup)) for each in assumptions(log, before.setup))
    return tuple(f"not tried, that {each.text}: {reason}" for each, reason in lacking if reason)


def _trials(
    log: StartUpLog, setup: Setup, sets: Sequence[tuple[Assumption, ...]], compare: Compare
) -> Iterator[_Trial]:
    """Yield the plan under each set of assumptions that the engine does not refuse."""
    for assumed in sets:
        changed = setup
        for each in assumed:
            changed = each.apply(changed)
        try:
            yield _Trial(assumed=assumed, setup=changed, rows=compare(log, changed))
        except KvplanError:
            continue


def _complete(trials: Sequence[_Trial]) -> list[_Trial]:
    """Return the trials in which every figure fits, those without a number to fit first."""
    found = [trial for trial in trials if trial.off[0] == 0]
    return sorted(found, key=lambda trial: any(each.free for each in trial.assumed))


def _is_nearer(trial: _Trial, before: _Trial) -> bool:
    """Return whether an incomplete trial is worth telling: it leaves less than half of the difference."""
    return trial.off[0] <= before.off[0] and trial.off[1] < before.off[1] / 2


def _pairs(singles: Sequence[_Trial]) -> list[tuple[Assumption, ...]]:
    """Return pairs of different topics, those first that come nearest alone."""
    nearest = [trial.assumed[0] for trial in sorted(singles, key=lambda trial: trial.off)]
    first = nearest[:_PAIRED]
    pairs = [*combinations(first, 2), *((one, other) for one in first for other in nearest[_PAIRED:])]
    return [pair for pair in pairs if pair[0].topic != pair[1].topic]


def _told(log: StartUpLog, trials: Sequence[_Trial]) -> tuple[Explanation, ...]:
    """Return the first few trials as explanations; of those on one topic that plan the same the first."""
    first: dict[object, _Trial] = {}
    for trial in trials:
        first.setdefault((trial.rows, *(each.topic for each in trial.assumed)), trial)
    chosen = list(first.values())[:_TOLD]
    return tuple(
        Explanation(
            assumptions=tuple(each.said(log, trial.setup) for each in trial.assumed),
            options=tuple(each.option for each in trial.assumed if each.option),
            rows=trial.rows,
            setup=trial.setup,
        )
        for trial in chosen
    )
