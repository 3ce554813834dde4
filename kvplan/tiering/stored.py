"""What a sequence takes on each rank, and in a tier that ranks share."""

from kvplan.errors import OptionsError
from kvplan.loads import uniform
from kvplan.planner.deployment import Deployment
from kvplan.records import record
from kvplan.tiering.options import STORES
from kvplan.units import ceil_div


@record
class Stored:
    """
    How a replica's sequences lie in a tier below its cards.

    Of what the ranks of a pipeline stage hold, the tier has each `once` times less: 1 where each rank's own
    part is stored, and their number where what all hold alike is stored once.
    """

    deployment: Deployment
    once: int

    def on_ranks(self, tokens: int) -> tuple[int, ...]:
        """Return the bytes of one sequence, beside others, on a rank of each stage."""
        rows = self.deployment.by_sequence(tokens)
        if rows is not None:
            return tuple(row.more for row in rows)
        several, fewer = (self.deployment.by_stage(uniform(tokens, number)) for number in (2, 1))
        return tuple(more - less for more, less in zip(several, fewer, strict=True))

    def of(self, tokens: int) -> int:
        """Return the bytes of one sequence in the tier, of all ranks together."""
        ranks = self.deployment.tp * self.deployment.choice.cp
        return ceil_div(sum(self.on_ranks(tokens)) * ranks, self.once)


def stored(deployment: Deployment, store: str) -> Stored:
    """
    Return how a *store* lays out what the ranks of a deployment hold; raise OptionsError for no store.

    LMCache saves MLA's latents, which every rank holds, of the first rank alone (save_only_first_rank, on
    where the model has MLA: lmcache/v1/cache_engine.py of LMCache). Of Mooncake Store's ranks those that hold
    the same heads take turns (group_put_steps in kv_connector/v1/mooncake/store/worker.py of vLLM 0.33). An
    engine's own tier holds latents once where it is known to, and what each rank has else: the larger.
    """
    if store not in STORES:
        raise OptionsError(f"{store[:40]!r} is no store of tiers: {', '.join(STORES)}")
    alike, latents = _alike(deployment)
    once = {
        "native": alike if latents and deployment.engine.once_on_host(deployment.options) else 1,
        "lmcache": alike if latents else 1,
        "mooncake": alike,
    }[store]
    # The ranks that context parallelism shares tokens out over hold unlike ones.
    return Stored(deployment=deployment, once=max(1, once // deployment.choice.dcp))


def _alike(deployment: Deployment) -> tuple[int, bool]:
    """Return how many ranks of a stage hold all of it alike, and whether that is all of them at any tp."""
    tp = deployment.tp
    splits = {term.split for layer in deployment.layers.values() for term in layer}
    copies = min((split.on_rank(tp) * tp // split.count for split in splits), default=1)
    return copies, bool(splits) and all(split.count == 1 for split in splits)
