"""Prefill and decode on one instance: the least time of each, and the most requests that it serves."""

from typing import Unpack

from kvplan.arguments import checked
from kvplan.phases.options import BoundOptions
from kvplan.phases.timed import Timed, read_known
from kvplan.planner.fit import plan_of
from kvplan.planner.results import figure
from kvplan.planner.size import Model, as_spec
from kvplan.planner.work import as_context, as_tokens
from kvplan.records import record


@record(slots=False, eq=False)
class Bounds(Timed):
    """What an instance cannot exceed that computes prompts and decodes: bounds, and no predictions."""

    def __repr__(self) -> str:
        return f"<Bounds {self.model} on {self.gpu}: {self.tpot_seconds} s per token>"

    @figure
    def tokens_per_second(self) -> float | None:
        """The most output tokens in a second, while nothing is prefilled; None where a step is unknown."""
        return self.held / self.tpot_seconds if self.held and self.tpot_seconds else None

    @property
    def _before_decode(self) -> float | None:
        """The time of the prefill, for which the cache is there, too."""
        return self.prefill_seconds


@checked
def bounds(model: Model, **options: Unpack[BoundOptions]) -> Bounds:
    """
    Return what no engine exceeds: the least time of a prefill and of a step, and requests per second.

    The prompt has *context* tokens. *prefill_time* and *tpot* are times that are known; *bandwidth* and
    *flops* replace the catalogue's figures of the card. *batch* sequences decode at once, as many as fit if
    it is left out, and each request generates *output* tokens. Raises a KvplanError for what it does not
    understand.
    """
    spec = as_spec(model, options.get("ignore", ()))
    prompt, output = as_context(options.get("context"), spec), options.get("output")
    plan = plan_of(spec, options, longest=prompt)
    return Bounds(
        prefilling=plan.deployment,
        decoding=plan.deployment,
        plans=(plan, plan),
        prompt=prompt,
        known=read_known(options),
        asked_output=None if output is None else as_tokens(output),
        asked_batch=options.get("batch"),
    )
