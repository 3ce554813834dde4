"""The budget of each pipeline stage: GPUs may be of several kinds."""

from dataclasses import replace

from kvplan.gpus import Card
from kvplan.planner.budget import Asked, Budget, make_budget, origin_of, utilization_of
from kvplan.planner.deployment import Deployment


def stage_budgets(
    deployment: Deployment, asked: Asked, *, longest: int, sequences: int | None = None
) -> tuple[Budget, ...]:
    """
    Return the budget of a GPU of each pipeline stage, as make_budget does.

    Where GPUs are of several kinds it is that of the smallest card of a stage: its ranks hold alike shares.
    What is neither weights nor cache is then estimated for the first card, by which the engine chooses.
    """
    budget = make_budget(deployment, asked, longest=longest, sequences=sequences)
    cards, stages = deployment.choice.cards, len(deployment.stages)
    if not cards or budget.sources.card is None:
        return (budget,) * stages
    of_stages = (cards[stage * deployment.tp : (stage + 1) * deployment.tp] for stage in range(stages))
    smallest = (min(of_stage, key=lambda card: card.total_bytes) for of_stage in of_stages)
    return tuple(_on_card(budget, card, deployment, asked) for card in smallest)


def _on_card(budget: Budget, card: Card, deployment: Deployment, asked: Asked) -> Budget:
    """Return the same budget on another card."""
    return replace(
        budget,
        gpu=card.name,
        gpu_bytes=card.total_bytes,
        utilization=utilization_of(deployment, asked, card),
        sources=budget.sources._replace(card=card, gpu_bytes=origin_of(card)),
    )
