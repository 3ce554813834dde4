"""
The smallest changes with which some work fits: of its cache, its spread, its card, or of the design itself.

Each is asked by itself: what a table shows is what `fit` would answer.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Unpack

from kvplan.alternatives.options import AdviseOptions
from kvplan.alternatives.rows import Row, row_of, row_or_reason
from kvplan.alternatives.whatif import shared_out
from kvplan.arguments import checked
from kvplan.attention.grouped import SoftmaxKind
from kvplan.changes import CHANGES, Change
from kvplan.engines import find_engine
from kvplan.errors import KvplanError, OptionsError
from kvplan.gpus import Gpu, all_gpus, find_card, memory_bytes, several
from kvplan.planner.size import Model, as_spec
from kvplan.records import record
from kvplan.specs import ModelSpec

_NODE = 8
"""The GPUs of a node: a wider tensor parallelism is slow."""

_STAGES = (2, 4, 8)
_CONTEXT_RANKS = (2, 4, 8)
_WEIGHT_DTYPES = ("fp8", "int4")

GUIDE = (
    ("7B to 70B", "G = 8, or h/8 to h/4 KV heads", "GQA, arXiv 2305.13245, section 3.3"),
    ("the smallest cache", "MLA: d_c = 4 and d_rope = 1/2 of a head", "DeepSeek-V2, arXiv 2405.04434"),
    ("beyond 128k tokens", "hybrids, one full layer in 4 to 8", "Kimi Linear, arXiv 2510.26692; Jamba"),
    ("beyond 128k tokens, as it is", "context parallelism", "Ring Attention, arXiv 2310.01889"),
    ("a small device", "MQA or MLA", "MQA, arXiv 1911.02150; DeepSeek-V2"),
    ("endless streams", "linear attention or sinks and a window", "arXiv 2006.16236; arXiv 2309.17453"),
)
"""What surveys advise by scenario: where, what, and whose finding it is. Advice, never a rule."""


@record
class Candidate:
    """A change, as a command has it; `of` says what is changed, and `row` what then holds."""

    change: str
    of: str
    row: Row


@record
class Advised:
    """
    What was asked, and single changes of it, the smallest first: first of the cache, last of the design.

    `best` is the first with which the work fits, None if none does; it is the plan itself where that fits.
    """

    asked: Row
    candidates: tuple[Candidate, ...]

    def __repr__(self) -> str:
        best = self.best.change if self.best else "nothing searched holds it"
        return f"<Advised {self.asked.model}: {best}>"

    @property
    def best(self) -> Candidate | None:
        """The smallest change with which the work fits."""
        as_it_is = Candidate(change="as it is", of="nothing", row=self.asked)
        return next((each for each in (as_it_is, *self.candidates) if each.row.fits), None)

    def to_dict(self) -> dict[str, Any]:
        """Return the plain values that `--json` prints."""
        return {
            "model": self.asked.model,
            "asked": self.asked.to_dict(),
            "best": self.best.change if self.best else None,
            "candidates": [
                {"change": each.change, "of": each.of, **each.row.to_dict()} for each in self.candidates
            ],
            "guide": [dict(zip(("where", "what", "source"), each, strict=True)) for each in GUIDE],
        }


@checked
def advise(model: Model, *, design: bool = False, **options: Unpack[AdviseOptions]) -> Advised:
    """
    Return the smallest changes with which *batch* sequences of *context* tokens fit.

    The options are those of `fit`, of which each change replaces one. With *design* the attention itself is
    changed, too, as for a model that is not trained yet. Raises a KvplanError as `fit` does.
    """
    spec = as_spec(model, options.get("ignore", ()))
    if options.get("gpu") is None:
        raise OptionsError("advice is about a card: give a GPU, as in --gpu h100-80gb")
    # Each candidate is asked for itself alone: its own ways out are none of its figures here.
    named = {**options, "advice": False}
    asked = row_of(spec, named)
    found = [
        (of, words, row_or_reason(spec, named | change)) for of, words, change in _of_a_plan(asked, named)
    ]
    found += _of_the_card(spec, named)
    found += [*_of_the_design(spec, named)] if design else []
    possible = [each for each in found if not each[2].refusal]
    first, *shares = shared_out([asked, *(row for _, _, row in possible)])
    candidates = (
        Candidate(change=words, of=of, row=row) for (of, words, _), row in zip(possible, shares, strict=True)
    )
    return Advised(asked=first, candidates=tuple(candidates))


Changes = Iterator[tuple[str, str, dict[str, Any]]]
"""What is changed, the change in words, and the options that it replaces."""


def _of_a_plan(asked: Row, options: Mapping[str, Any]) -> Changes:
    """Yield changes of a plan, the smallest first."""
    engine = find_engine(options.get("engine", "exact"))
    narrow = {"kv_dtype": engine.narrow_kv}
    if asked.kv_dtype != engine.narrow_kv:
        yield "cache", f"--kv-dtype {engine.narrow_kv}", narrow
    wider = [tp for tp in asked.legal_tp if asked.tp < tp <= _NODE]
    yield from (("spread", f"--tp {tp}", {"tp": tp}) for tp in wider)
    both = "cache and spread"
    yield from ((both, f"--kv-dtype {engine.narrow_kv} --tp {tp}", narrow | {"tp": tp}) for tp in wider)
    if "dcp" in engine.takes:
        yield from (("spread", f"--dcp {dcp}", {"dcp": dcp}) for dcp in _CONTEXT_RANKS if asked.tp % dcp == 0)
    if "cp" in engine.takes:
        yield from (("spread", f"--cp {cp}", {"cp": cp}) for cp in _CONTEXT_RANKS if cp > asked.cp)
    yield from (("spread", f"--pp {pp}", {"pp": pp}) for pp in _STAGES if pp > asked.pp)
    if options.get("weights") is None:
        yield from (
            ("weights", f"--weight-dtype {dtype}", {"weight_dtype": dtype}) for dtype in _WEIGHT_DTYPES
        )


def _of_the_card(spec: ModelSpec, options: dict[str, Any]) -> list[tuple[str, str, Row]]:
    """Return the smallest larger card on which the work fits, or the largest there is; none without one."""
    found: list[tuple[str, str, Row]] = []
    asked = options["gpu"]
    count, named = (1, f"{asked}B") if isinstance(asked, int) else several(asked)
    for gpu in _larger(named):
        larger = gpu.name if count == 1 else f"{count}x{gpu.name}"
        row = row_or_reason(spec, options | {"gpu": larger})
        found = [("card", f"--gpu {larger}", row)]
        if row.fits:
            break
    return found


def _larger(gpu: str) -> Sequence[Gpu]:
    """Return the cards of the same vendor with more memory, one of each size, the smallest first."""
    card = find_card(gpu)
    sizes: dict[int, Gpu] = {}
    for each in all_gpus():
        size = memory_bytes(each)
        if size > card.total_bytes and find_card(each.name).vendor == (card.vendor or "nvidia"):
            sizes.setdefault(size, each)
    return [sizes[size] for size in sorted(sizes)]


def _of_the_design(spec: ModelSpec, options: Mapping[str, Any]) -> Iterator[tuple[str, str, Row]]:
    """Yield what another attention would hold; those that the model has nothing for are left out."""
    for change in _designs(spec):
        try:
            made = change.made_of(spec)
        except KvplanError:
            continue
        yield "design", f"--{change.words()}", row_or_reason(made, options)


def _designs(spec: ModelSpec) -> Iterator[Change]:
    softmax = next((kind for kind in spec.kinds() if isinstance(kind, SoftmaxKind)), None)
    if softmax is None:
        return
    texts = [("window", "4k,full_every=4"), ("cla", "2")]
    fewer = [n for n in range(softmax.kv_heads - 1, 0, -1) if softmax.kv_heads % n == 0]
    texts += [("gqa", str(groups)) for groups in fewer]
    texts += [("mla", f"d_c={4 * softmax.head_dim},d_rope={softmax.head_dim // 2}")]
    texts += [("hybrid", "gated_delta_net,full_every=4"), ("hybrid", "gated_delta_net,full_every=8")]
    yield from (CHANGES[name].read(text) for name, text in texts)
