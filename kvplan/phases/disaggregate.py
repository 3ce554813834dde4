"""Prefill and decode on instances of their own: what moves between them, and how many decode."""

from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import Any, Unpack

from kvplan.arguments import checked
from kvplan.errors import OptionsError
from kvplan.phases.links import Link, find_link, slowest_that_moves
from kvplan.phases.options import DisaggregateOptions
from kvplan.phases.timed import Timed, read_known
from kvplan.phases.transfer import Transfer, transfer
from kvplan.planner.deployment import deploy
from kvplan.planner.facts import Assumed, Warned
from kvplan.planner.fit import plan_of
from kvplan.planner.results import figure
from kvplan.planner.several_gpus import as_spread
from kvplan.planner.size import Model, as_spec, choice_of
from kvplan.planner.work import as_context, as_tokens
from kvplan.records import record


@record(slots=False, eq=False)
class Disaggregation(Timed):
    """
    A prompt between an instance that computes it and one that decodes.

    Times are the least that is possible, unless they were given: see `prefill_given` and `tpot_given`.
    """

    over: Link | None
    side_by_side: int

    def __repr__(self) -> str:
        return f"<Disaggregation {self.model}: {self.prompt_bytes} bytes of {self.context} tokens>"

    @figure
    def decode_gpu(self) -> str | None:
        """The card that decodes; None where none was named."""
        return self.plans[1].gpu if self.plans else None

    @figure
    def decode_tp(self) -> int:
        """Tensor-parallel GPUs of an instance that decodes."""
        return self.decoding.tp

    @figure
    def decode_dp(self) -> int:
        """Replicas of an instance that decodes, each with a cache of its own."""
        return self.decoding.dp

    @figure
    def prompt_bytes(self) -> int:
        """The prompt's cache with each unit once, by the formula: of windows and states what is left."""
        return self._moved.prompt_bytes

    @figure
    def stored_bytes(self) -> int:
        """What the ranks that prefill hold of it together: what TP cannot split is on several."""
        return self._moved.stored_bytes

    @figure
    def connector(self) -> str | None:
        """What of the engine moves a cache; None where kvplan knows none."""
        return self._moved.connector

    @figure
    def moved_bytes(self) -> int:
        """What moves to all GPUs that decode it: whole blocks by the connector, else each unit once."""
        moved = self._moved.moved_bytes
        return self.prompt_bytes if moved is None else moved

    @figure
    def rank_bytes(self) -> int | None:
        """What the GPU reads that reads most; None without a connector."""
        return self._moved.rank_bytes

    @figure
    def descriptors(self) -> tuple[int, int] | None:
        """
        The fewest and the most ranges of bytes for which that GPU asks; None without a connector.

        The fewest where the prompt's blocks lie in a row on both sides, the most where each lies apart.
        """
        fewest, most = self._moved.fewest, self._moved.most
        return None if fewest is None or most is None else (fewest, most)

    @figure
    def link(self) -> str | None:
        """The link by its name or rate; None where none was given."""
        return self.over.name if self.over else None

    @figure
    def links(self) -> int:
        """Such links side by side."""
        return self.side_by_side

    @figure
    def link_bytes_per_second(self) -> int | None:
        """What all links carry in one direction."""
        return self.over.bytes_per_second * self.side_by_side if self.over else None

    @figure
    def transfer_seconds(self) -> float | None:
        """The least time of the transfer over the links."""
        rate = self.link_bytes_per_second
        return self.moved_bytes / rate if rate else None

    @figure
    def needed_bytes_per_second(self) -> float | None:
        """The rate at which a transfer takes as long as the next prefill, behind which it then hides."""
        return self.moved_bytes * self.prompts_per_second if self.prompts_per_second else None

    @figure
    def slowest_link(self) -> str | None:
        """The slowest link with a name that carries so much alone; None if none does, or it is unknown."""
        needed = self.needed_bytes_per_second
        found = slowest_that_moves(needed) if needed else None
        return found.name if found else None

    @figure
    def hides(self) -> bool | None:
        """Whether the links carry as much; None where either rate is not known."""
        needed, rate = self.needed_bytes_per_second, self.link_bytes_per_second
        return None if needed is None or rate is None else rate >= needed

    @figure
    def exposed_seconds(self) -> float | None:
        """
        What is left of the transfer after the prefill, at least, if layers are sent one by one.

        The last layer's share waits for all of the prefill.
        """
        if self.transfer_seconds is None or self.prefill_seconds is None:
            return None
        last = 1 / self.prefilling.spec.layer_count
        return max(self.transfer_seconds * last, self.transfer_seconds - self.prefill_seconds * (1 - last))

    @figure
    def decode_instances(self) -> float | None:
        """Instances that decode what one prefills, at these times; None where they are not known."""
        if self.prompts_per_second is None or not self.requests_per_second:
            return None
        return self.prompts_per_second / self.requests_per_second

    @cached_property
    def _moved(self) -> Transfer:
        return transfer(self.prefilling, self.decoding, self.prompt)

    @property
    def _before_decode(self) -> float:
        """The time of the transfer, for which the cache that decodes is there; 0 where no link is named."""
        return self.transfer_seconds or 0.0

    def _warnings(self) -> Iterator[Warned]:
        yield from super()._warnings()
        if self._moved.why:
            yield Assumed(text=self._moved.why)


@checked
def disaggregate(model: Model, **options: Unpack[DisaggregateOptions]) -> Disaggregation:
    """
    Return what a prompt of *context* tokens moves from an instance that prefills to one that decodes.

    The first has *tp* x *pp* x *dp* GPUs, the other *decode_tp* x *pp* x *decode_dp*. With a *gpu*, or a
    *kv_memory*, the answer has the least time of each phase as well, unless *prefill_time* or *tpot* says
    how long it takes; *bandwidth* and *flops* replace the catalogue's figures of the decoding and of the
    prefilling card. With *output* tokens per request it has the instances that decode what one prefills.
    Raises a KvplanError for what it does not understand.
    """
    spec = as_spec(model, options.get("ignore", ()))
    prompt = as_context(options.get("context"), spec)
    output = options.get("output")
    if options.get("cp", 1) > 1:
        raise OptionsError("what context-parallel instances pass on is not known to kvplan: leave --cp out")
    own, other = _instances(options)
    plans = None
    if options.get("gpu") is not None or options.get("kv_memory") is not None:
        plans = plan_of(spec, own, longest=prompt), plan_of(spec, other, longest=prompt)
    elif options.get("bandwidth") or options.get("flops"):
        raise OptionsError("--bandwidth and --flops are those of a card: give --gpu, too")
    link = options.get("link")
    return Disaggregation(
        prefilling=plans[0].deployment if plans else deploy(spec, choice_of(spec, own)),
        decoding=plans[1].deployment if plans else deploy(spec, choice_of(spec, other)),
        plans=plans,
        prompt=prompt,
        known=read_known(options),
        asked_output=None if output is None else as_tokens(output),
        asked_batch=options.get("batch"),
        over=find_link(link) if link else None,
        side_by_side=options.get("links", 1),
    )


def _instances(options: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the options of a plan for the instance that prefills, and for the one that decodes."""
    own = dict(as_spread(options)[0])
    tp = options.get("decode_tp") or own.get("tp", 1)
    gpu = options.get("decode_gpu") or own.get("gpu")
    other = {**own, "gpu": gpu, "tp": tp, "dp": options.get("decode_dp") or 1}
    return own, other
