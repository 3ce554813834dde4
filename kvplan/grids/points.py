"""The answers to a grid's points, a piece at a time: what `fit` or `hold` answers to each, or its error."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from kvplan.engines.profile_run import Estimate
from kvplan.errors import KvplanError
from kvplan.grids.arrays import AnyArray, Ints
from kvplan.grids.chunks import Chunk, below
from kvplan.grids.contexts import Contexts, read_contexts, refused_at, with_refusals
from kvplan.grids.crowds import held_by
from kvplan.grids.grid import Grid, Piece, Structure
from kvplan.grids.labels import labels_of, ratios
from kvplan.grids.lines import (
    held,
    limits,
    lines_of,
    longest,
    require_used,
    sequences,
    shares,
    tightest,
)
from kvplan.grids.searched import searched
from kvplan.planner.fit import plan_of
from kvplan.planner.plan import Plan
from kvplan.planner.prices import hourly


class Answering:
    """Answers the pieces of a grid; what it learnt of the last structure is kept for the next piece of it."""

    def __init__(self, grid: Grid) -> None:
        self.grid = grid
        self._structure: Structure | None = None
        self._plan: Plan | KvplanError | None = None
        self._longest: tuple[slice, Ints] | None = None

    def answer(self, piece: Piece) -> Chunk:
        """Return the answers to a rectangle of points."""
        structure = self.grid.structures[piece.structure]
        if structure is not self._structure:
            self._structure = structure
            self._forget()
        contexts = read_contexts(structure, piece.contexts)
        if self.grid.of_traffic:
            return held_by(structure, contexts, self.grid.prices)
        if self._share_plan(structure, contexts):
            return self._answered(structure, contexts, piece.batches)
        # The context stands in for that of a model that is made for none, or more is needed for a longer one:
        # each has a plan of its own.
        return below(
            [self._anew(structure, contexts.at(at), piece.batches) for at in range(len(contexts.why))]
        )

    def _share_plan(self, structure: Structure, contexts: Contexts) -> bool:
        """Return whether one plan serves all contexts: what an engine needs grows with them, if anything."""
        tokens = contexts.tokens[contexts.answered]
        if not structure.spec.max_context or not tokens.size:
            return bool(structure.spec.max_context)
        ends = int(tokens.min()), int(tokens.max())
        plan = self._planned(structure, ends[0])
        if isinstance(plan, KvplanError):
            return True
        if plan.deployment.engine.needs_by_context:
            self._forget()
            return False
        plans = [plan_of(structure.spec, structure.options, longest=each) for each in ends]
        if _needs(plans[0]) != _needs(plan):
            self._forget()
        return _needs(plans[0]) == _needs(plans[1])

    def _anew(self, structure: Structure, contexts: Contexts, batches: slice) -> Chunk:
        self._forget()
        return self._answered(structure, contexts, batches)

    def _forget(self) -> None:
        self._plan = self._longest = None

    def _answered(self, structure: Structure, contexts: Contexts, batches: slice) -> Chunk:
        """Return the answers to contexts that share one plan, if there is one."""
        batch = structure.batches[batches]
        if not contexts.answered.any():
            return _chunk(labels_of(structure, None), contexts, batch, {})
        plan = self._planned(structure, int(contexts.tokens[contexts.answered][0]))
        if isinstance(plan, KvplanError):
            refused = contexts.all_refused(plan.line)
            return _chunk(labels_of(structure, None), refused, batch, {})
        labels = labels_of(structure, plan)
        contexts = with_refusals(plan, contexts)
        if not contexts.answered.any():
            return _chunk(labels, contexts, batch, {})
        if self._longest is None or self._longest[0] != batches:
            self._longest = batches, longest(plan, batch)
        # Any context that has an answer stands in for those that have none.
        some = contexts.tokens[contexts.answered][0]
        tokens = np.where(contexts.answered, contexts.tokens, some)
        figures = figures_of(plan, tokens, batch) | {"max_context": self._longest[1][None, :]}
        hour = hourly(structure.options.get("gpu"), labels["gpus"], self.grid.prices)
        figures |= ratios("max_batch", figures["max_batch"], labels["gpus"], hour)
        return _chunk(labels, contexts, batch, figures)

    def _planned(self, structure: Structure, context: int) -> Plan | KvplanError:
        """Return the plan of a structure, made once, or why there is none."""
        if self._plan is None:
            try:
                self._plan = plan_of(structure.spec, structure.options, longest=context)
            except KvplanError as error:
                self._plan = error
        return self._plan


def _needs(plan: Plan) -> list[Estimate]:
    return [budget.needs for budget in plan.budgets]


def figures_of(plan: Plan, contexts: Ints, batches: Ints) -> dict[str, AnyArray]:
    """Return `fit`'s figures of each context with each batch: arrays that broadcast to contexts x batches."""
    lines = lines_of(plan, contexts)
    if lines is None:
        return searched(plan, contexts, batches)
    share = shares(plan, batches)
    require_used(lines, share)
    # Where there is no room even to start none fits, be it refused or not.
    most = np.where(refused_at(plan, contexts), 0, held(plan, lines))
    card, max_batch = tightest(plan, lines, share), sequences(plan, most)
    return {
        "bytes_per_sequence": lines.more.max(axis=0)[:, None],
        "weights_bytes": card.weights,
        "kv_bytes": np.maximum(card.left, 0),
        "kv_used_bytes": card.used,
        "free_bytes": card.left - card.used,
        "fits": share[None, :] <= most[:, None],
        "max_batch": max_batch[:, None],
        "limit": limits(plan, lines, max_batch)[:, None],
    }


def _chunk(
    labels: Mapping[str, Any], contexts: Contexts, batch: Ints, figures: Mapping[str, AnyArray]
) -> Chunk:
    return Chunk(
        labels=labels,
        context=contexts.tokens,
        batch=batch,
        why=contexts.why,
        reasons=contexts.reasons,
        figures=figures,
    )
