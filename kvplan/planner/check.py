"""Which parallelism a model allows, what it costs, and the reason for every refusal."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, field
from typing import Any, Unpack

from kvplan.arguments import checked
from kvplan.engines.vocabulary import uncut_rows
from kvplan.engines.weight_blocks import Cutting, cut_blocks
from kvplan.errors import SplitError
from kvplan.planner.check_experts import Rule, expert_degrees, expert_rules
from kvplan.planner.choice import Choice
from kvplan.planner.deployment import lowered
from kvplan.planner.model_dtype import stored_in
from kvplan.planner.nodes import crossing, node_gpus
from kvplan.planner.options import CheckOptions
from kvplan.planner.size import Model, as_spec
from kvplan.planner.splits import (
    LISTED_TP,
    legal_tps,
    shared,
    sharing_refusal,
    split_stages,
    splits,
    unspread,
)
from kvplan.records import record
from kvplan.specs import ModelSpec
from kvplan.specs.model_names import take_apart
from kvplan.terms import Growing, Layer, Split, Term, growth
from kvplan.units import counted, format_bytes


@record
class Check:
    """
    Whether a model spreads over tp x pp GPUs, and dp replicas of them, whole experts dealt out over ep.

    `legal_ep` are the numbers of these GPUs over which whole experts can be dealt out, `refused_ep` says why
    not over others; both are empty of a model whose spec counts no experts. `legal_tp` lists the degrees up
    to 64 that work, `refused_tp` for each that does not what does not spread. `advice` is the literature's,
    and what some engines refuse; it is never a failure. `ignored_fields` are as in Size.
    """

    model: str
    tp: int
    pp: int
    dp: int
    ep: int
    nodes: int | None
    ok: bool
    checks: tuple[Rule, ...]
    legal_tp: tuple[int, ...]
    refused_tp: dict[int, Split] = field(hash=False)
    legal_ep: tuple[int, ...]
    refused_ep: dict[int, str] = field(hash=False)
    advice: tuple[str, ...]
    ignored_fields: tuple[str, ...]

    def __repr__(self) -> str:
        broken = ", ".join(rule.rule for rule in self.checks if not rule.ok)
        verdict = f"breaks {broken}" if broken else "ok"
        return f"<Check {self.model} tp={self.tp} pp={self.pp}: {verdict}>"

    def to_dict(self) -> dict[str, Any]:
        """Return the plain values that `--json` prints."""
        refused = {degree: part.refusal(degree) for degree, part in self.refused_tp.items()}
        return asdict(self) | {"refused_tp": refused}


@checked
def check(model: Model, **options: Unpack[CheckOptions]) -> Check:
    """
    Return whether the model spreads over *tp* x *pp* GPUs, rule by rule.

    A broken rule is an answer, not an exception; a KvplanError is raised for a model, dtype or
    degree that cannot be understood. *ignore* is as in size.
    """
    tp, pp = options.get("tp", 1), options.get("pp", 1)
    dp, ep, nodes = options.get("dp", 1), options.get("ep", 1), options.get("nodes")
    kv_dtype = options.get("kv_dtype")
    spec = stored_in(as_spec(model, options.get("ignore", ())), kv_dtype)
    layers, _ = lowered(spec, Choice(kv_dtype=kv_dtype))
    parts = splits(spec, layers)
    rules = (
        *_sharing(spec),
        *_spreading(spec, layers, parts, tp),
        _stages(spec, pp, options.get("pp_layers")),
        *expert_rules(spec, tp=tp, dp=dp, ep=ep),
        *_nodes(tp * pp * dp, nodes),
    )
    by_ep = expert_degrees(spec, tp=tp, dp=dp)
    return Check(
        model=spec.name,
        tp=tp,
        pp=pp,
        dp=dp,
        ep=ep,
        nodes=nodes,
        ok=all(rule.ok for rule in rules),
        checks=rules,
        legal_tp=legal_tps(parts),
        refused_tp={
            degree: part
            for degree in range(1, LISTED_TP + 1)
            if (part := unspread(parts, degree)) is not None
        },
        legal_ep=tuple(each for each, reason in by_ep.items() if reason is None),
        refused_ep={each: reason for each, reason in by_ep.items() if reason is not None},
        advice=(
            *_advice(spec),
            *_uncut_vocabulary(spec, tp),
            *_cut_weights(spec, tp, ep),
            *_across(tp, tp * pp * dp, nodes),
        ),
        ignored_fields=(*spec.ignored, *spec.unread),
    )


def _sharing(spec: ModelSpec) -> Iterator[Rule]:
    """Heads must be a multiple of the groups that they share, within one GPU already."""
    for many, few in shared(spec):
        reason = sharing_refusal(many, few)
        even = f"{many.counted} over {few.counted}: {many.count // few.count} per group"
        yield Rule(rule=f"{many.unit} % {few.unit}", ok=reason is None, detail=reason or even)


def _spreading(spec: ModelSpec, layers: dict[str, Layer], parts: Sequence[Split], tp: int) -> Iterator[Rule]:
    for part in parts:
        rule = f"{part.unit} % tp"
        if unspread([part], tp):
            yield Rule(rule=rule, ok=False, detail=part.refusal(tp))
        elif part.copies(tp) > 1:
            yield Rule(rule=f"tp % {part.unit}", ok=True, detail=_replication(spec, layers, part, tp))
        else:
            yield Rule(
                rule=rule,
                ok=True,
                detail=f"{part.counted} on TP {tp}: {part.on_rank(tp)} per GPU",
            )


def _replication(spec: ModelSpec, layers: dict[str, Layer], part: Split, tp: int) -> str:
    """Return what it costs to store *part* on several ranks."""
    times = {2: "twice"}.get(part.copies(tp), f"{part.copies(tp)} times")
    terms = [term for name in spec.layer_types for term in layers[name] if term.split == part]
    once, stored = growth(terms, 1), growth(terms, tp) * tp
    unit = "token"
    if not stored:
        tokens = spec.max_context or _widest_window(terms)
        once, stored = (sum(term.bytes_on_rank(tokens, n) for term in terms) * n for n in (1, tp))
        unit = "sequence"
    name = "KV head" if part.unit == "groups" else part.unit
    return (
        f"{part.counted} on TP {tp}: every {name} is stored {times}, "
        f"{format_bytes(stored)} per {unit} over all GPUs instead of {format_bytes(once)}"
    )


def _widest_window(terms: list[Term]) -> int:
    """Return the tokens that fill all windows: longer sequences hold no more."""
    rows = [term.rows for term in terms if isinstance(term.rows, Growing)]
    return max((each.window or 0 for each in rows), default=0)


def _stages(spec: ModelSpec, pp: int, pp_layers: tuple[int, ...] | None) -> Rule:
    try:
        stages = split_stages(spec.layer_types, pp, pp_layers)
    except SplitError as error:
        return Rule(rule="layers / pp", ok=False, detail=str(error))
    sizes = ", ".join(str(len(stage)) for stage in stages)
    return Rule(
        rule="layers / pp", ok=True, detail=f"{counted(spec.layer_count, 'layer')} on PP {pp}: {sizes}"
    )


def _nodes(gpus: int, nodes: int | None) -> Iterator[Rule]:
    """Say how many GPUs each of several nodes has."""
    if nodes is None:
        return
    try:
        each = node_gpus(gpus, nodes)
    except SplitError as error:
        yield Rule(rule="GPUs / nodes", ok=False, detail=error.line)
        return
    detail = f"{counted(gpus, 'GPU')} on {counted(nodes, 'node')}: {each} on each"
    yield Rule(rule="GPUs / nodes", ok=True, detail=detail)


def _across(tp: int, gpus: int, nodes: int | None) -> Iterator[str]:
    """Say where a tensor-parallel group reaches beyond a node."""
    if nodes is not None and gpus % nodes == 0 and (across := crossing(tp, gpus // nodes)):
        yield across


def _advice(spec: ModelSpec) -> Iterator[str]:
    """
    Compare G with the range that the GQA paper found to keep quality at MQA's speed.

    Ainslie et al., arXiv 2305.13245, section 3.3, chose 8 of 64 heads; h/8 to h/4 is usual since.
    """
    for heads, groups in shared(spec):
        if (heads.unit, groups.unit) != ("heads", "groups") or heads.count == groups.count:
            continue
        low, high = heads.count / 8, heads.count / 4
        where = "within" if low <= groups.count <= high else "below" if groups.count < low else "above"
        verb = "is" if groups.count == 1 else "are"
        yield (
            f"{groups.counted} for {heads.counted} {verb} {where} the usual h/8 to h/4 "
            f"({low:g} to {high:g}; GQA, arXiv 2305.13245)"
        )


def _uncut_vocabulary(spec: ModelSpec, tp: int) -> Iterator[str]:
    rows = uncut_rows(spec.vocab, tp)
    if rows is not None:
        yield f"vLLM does not cut the {rows:,} rows of the vocabulary over tp={tp}; SGLang pads them"


def _cut_weights(spec: ModelSpec, tp: int, ep: int) -> Iterator[str]:
    """Say which engines refuse a degree, because it cuts blocks of quantised weights, or that it may."""
    release = spec.read_as or spec.hf_id or spec.name
    if spec.weights_open and not take_apart(release).gguf:
        read = isinstance(spec.weights_open, str)
        told = f" is not known: {spec.weights_open}" if read else ", its config.json tells"
        yield (
            f"the weights of {release} are in a format of their own: whether a degree cuts "
            f"blocks of them that share a scale{told}"
        )
    if spec.weight_blocks is not None:
        expert_tp = 1 if tp % ep else tp // ep
        cutting = Cutting(engine="SGLang, as vLLM before 0.30,", tp=tp, expert_tp=expert_tp, refines=False)
        reason = cut_blocks(spec.weight_blocks, cutting)
        if reason is not None:
            yield reason
