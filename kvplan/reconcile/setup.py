"""What a log and a user say of a deployment, as kvplan plans it."""

from collections.abc import Mapping
from dataclasses import field, replace

from kvplan.engines import find_engine
from kvplan.errors import KvplanError, UnknownNameError
from kvplan.planner.choice import Choice
from kvplan.planner.deployment import Deployment, deploy
from kvplan.planner.size import Model
from kvplan.reconcile.printed import Printed
from kvplan.records import record
from kvplan.specs import ModelSpec


@record
class Overrides:
    """What a user says beside the log, or against it; None leaves it to the log."""

    model: Model | None = None
    engine: str | None = None
    gpu: str | int | None = None
    utilization: str | float | None = None
    weight_dtype: str | None = None
    context: int | None = None
    tp: int | None = None
    pp: int | None = None
    dcp: int | None = None
    cp: int | None = None
    ep: int | None = None
    kv_dtype: str | None = None
    block_size: int | None = None
    max_num_batched_tokens: int | None = None
    max_num_seqs: int | None = None
    prefix_caching: bool | None = None
    prompt: int | None = None
    settings: Mapping[str, str] = field(default_factory=dict)


@record
class Setup:
    """
    One deployment to compare with a log.

    `decimal_units` reads printed GB as 10^9 bytes; `rank_short` lets a rank that printed nothing
    have less memory than those that did; `bare_latents` leaves an indexer's keys out of a printed
    size. `batch` is the number of sequences for which a cache is allocated, where that decides it.
    """

    spec: ModelSpec
    choice: Choice
    context: int
    batch: int = 1
    decimal_units: bool = False
    bare_latents: bool = False
    rank_short: bool = False

    def deployed(self) -> Deployment:
        """Return the deployment; raise a KvplanError if the engine refuses it."""
        return deploy(self.spec, self.choice)

    def kv_name(self) -> str:
        """Return how the cache is stored: what is asked for, or what the engine takes unasked."""
        asked = self.choice.kv_dtype or "auto"
        if asked != "auto":
            return asked
        try:
            return self.deployed().kv.name
        except KvplanError:
            return asked

    def chosen(self, **changes: object) -> "Setup":
        """Return this setup with another Choice."""
        return replace(self, choice=replace(self.choice, **changes))  # type: ignore[arg-type]

    def reading(self, printed: Printed) -> Printed:
        """Return a printed size in the units that are assumed."""
        return replace(printed, decimal_units=self.decimal_units)

    def with_setting(self, name: str, value: str) -> "Setup":
        """Return this setup with one more setting of the engine."""
        return self.chosen(settings={**self.choice.settings, name: value})


def is_known(engine: str) -> bool:
    """Tell whether kvplan has the rules of a release: `vllm@0.19.0`."""
    try:
        find_engine(engine)
    except UnknownNameError:
        return False
    return True
