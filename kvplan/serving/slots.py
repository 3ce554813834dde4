"""
llama.cpp's slots: from what its options say together to the options of a plan, and back.

Sources: tools/server/server.cpp, common/common.h and src/llama-context.cpp of
ggml-org/llama.cpp@0c1e57098.
"""

from collections.abc import Mapping

from kvplan.errors import OptionsError
from kvplan.serving.rows import less, more
from kvplan.serving.served import SETTING, Answer, Found
from kvplan.serving.values import kvplan_format, shown
from kvplan.units import parse_count

_SERVER_SLOTS = 4
_BATCH, _MICRO_BATCH = 2048, 512
_UNIFIED = f"{SETTING}kv_unified"
_SPLIT = f"{SETTING}tensor_split"
OF_DRAFT = "spec_draft_n_max"
"""The tokens that a draft drafts, a setting that says nothing without one."""
_DRAFTED = f"{SETTING}{OF_DRAFT}"
_DRAFT = more("the weights and the cache of the draft are counted only with --draft MODEL")
FETCHED, PROJECTOR = "fetched", "projector"
"""That a model comes from a repository, and that a command says what becomes of its projector."""
_SEEING = ("llama-server", "llama-cli")
_PROJECTED = (
    more(
        "-hf loads the repository's projector of images and audio, too, onto a GPU, unless --no-mmproj or "
        "--no-mmproj-offload says otherwise; it is not planned"
    ),
)
"""What loads it by itself: common_models_handler_init and mmproj_examples in common/arg.cpp of v0.5.0."""
_LOWERED = "without -c, llama.cpp may lower the context to what fits"


def gather(found: Found, program: str) -> Found:
    """Turn slots, a context for all of them, and the types of K and V into the options of a plan."""
    given = found.answers
    settings = {name: answer for name, answer in given.items() if name.startswith(SETTING)}
    slots = _count(given, "slots", 1)
    notes: list[str] = []
    if "slots" not in given and program == "llama-server":
        slots = _SERVER_SLOTS
        settings[_UNIFIED] = "true"
        notes.append(f"without -np, llama-server takes {slots} slots and --kv-unified")
    context = _context(given, slots)
    unified = settings.get(_UNIFIED) == "true"
    how = "share" if unified else "have"
    if "total" not in given:
        notes += [] if given.get("fitted") == "false" else [_LOWERED]
        if slots > 1 and not context:
            notes.append(
                f"without -c, {slots} slots {how} the model's longest context, as llama.cpp takes it"
            )
    elif slots > 1:
        full = " where all are full" if unified else ""
        notes.append(f"-c {given['total']}: {slots} slots {how} it, {context['context']} tokens each{full}")
    draft, unmodelled = _draft(given)
    # All slots' cache is allocated at start: they are the batch of the plan, and its bound.
    answers = {"batch": slots, "max_num_seqs": slots, **context, **_tokens(given), **_types_of(given)}
    answers |= _gpus(given) | draft
    if "gpu_layers" in given:
        unmodelled += (f"-ngl {given['gpu_layers']}: {less('all layers are counted on the GPUs')}",)
    return Found(
        answers={**answers, **settings},
        unmodelled=unmodelled,
        notes=tuple(notes),
        sharing=1 if context else slots,
        of_tower=_PROJECTED if FETCHED in given and PROJECTOR not in given and program in _SEEING else (),
    )


def _count(given: Mapping[str, Answer], name: str, default: int) -> int:
    answer = given.get(name, default)
    return answer if isinstance(answer, int) else default


def _context(given: Mapping[str, Answer], slots: int) -> dict[str, Answer]:
    """
    Share the context of all slots out to each of them; unsaid, --kv-unified-per-slot makes it up.

    Without either it is n_ctx_train for all slots together: llama_context's constructor.
    """
    if "total" not in given:
        return {"context": given["per_slot"]} if "per_slot" in given else {}
    total = _count(given, "total", 0)
    if total < slots:
        raise OptionsError(f"-c {total} is less than one token for each of {slots} slots")
    return {"context": total // slots}


def _tokens(given: Mapping[str, Answer]) -> dict[str, Answer]:
    """Return the tokens computed at once, n_ubatch: never more than n_batch."""
    batch = _count(given, "batch_tokens", _BATCH)
    micro = min(batch, _count(given, "micro_tokens", _MICRO_BATCH))
    said = "micro_tokens" in given or micro != _MICRO_BATCH
    return {"max_num_batched_tokens": micro} if said else {}


def _types_of(given: Mapping[str, Answer]) -> dict[str, Answer]:
    """Return the cache format of the types of K and V, each f16 unless said."""
    if "keys" not in given and "values" not in given:
        return {}
    keys, values = given.get("keys", "fp16"), given.get("values", "fp16")
    return {"kv_dtype": str(keys) if keys == values else f"{keys},value={values}"}


def _draft(given: Mapping[str, Answer]) -> tuple[dict[str, Answer], tuple[str, ...]]:
    """
    Return what drafts tokens and how its cache is stored, and what a plan leaves out of it.

    `draft-mtp` is a context over layers of the model's own file, `ngram-...` guesses from the text: the names
    of --spec-type in common/speculative.cpp.
    """
    types = [kind for kind in str(given.get("drafts.type", "")).split(",") if kind not in ("", "none")]
    model = given.get("drafts.model")
    if model is None and all(kind.startswith("ngram") for kind in types):
        return {}, ()
    if model is None and "draft-mtp" not in types:
        return {}, (f"--spec-type {shown(','.join(types))}: {_DRAFT}",)
    own = {
        name.removeprefix("drafts."): answer for name, answer in given.items() if name.startswith("drafts.")
    }
    stored = {f"draft_{name}": answer for name, answer in _types_of(own).items()}
    stored |= {_DRAFTED: own["n_max"]} if "n_max" in own else {}
    return {"draft": "mtp" if model is None else model, **stored}, ()


def _gpus(given: Mapping[str, Answer]) -> dict[str, Answer]:
    """Return the GPUs over which layers are split, a plan's pipeline stages, and their shares."""
    mode = given.get("mode")
    if mode in ("row", "tensor"):
        raise OptionsError(f"-sm {mode}: kvplan knows only how llama.cpp splits a model by layers")
    parts = str(given["split"]).split(",") if "split" in given else []
    gpus = _count(given, "devices", len(parts) or _count(given, "visible", 1))
    if mode == "none":
        return {"pp": 1}
    if len(set(parts)) < 2:  # noqa: PLR2004 - equal shares, or none
        return {"pp": gpus} if gpus > 1 else {}
    if len(parts) != gpus:
        raise OptionsError(f"-ts {given['split']} has {len(parts)} shares, and {gpus} GPUs are named")
    return {"pp": gpus, _SPLIT: str(given["split"])}


def spread(answers: dict[str, Answer]) -> dict[str, Answer]:
    """Undo `gather`; the slots are said in any case, as llama-server would choose them itself."""
    slots = _number(answers, "max_num_seqs", _number(answers, "batch", 1))
    given: dict[str, Answer] = {name: answer for name, answer in answers.items() if name not in _TURNED}
    given["slots"] = slots
    if "context" in answers:
        given["total"] = slots * _number(answers, "context", 0)
    if "max_num_batched_tokens" in answers:
        micro = _number(answers, "max_num_batched_tokens", 0)
        given |= {"micro_tokens": micro} | ({"batch_tokens": micro} if micro > _BATCH else {})
    if "kv_dtype" in answers:
        given["keys"], given["values"] = _types(str(answers["kv_dtype"]))
    if "draft_kv_dtype" in answers:
        given["drafts.keys"], given["drafts.values"] = _types(str(answers["draft_kv_dtype"]))
    if "draft" in answers:
        own = answers["draft"] == "mtp"
        given["drafts.type" if own else "drafts.model"] = "draft-mtp" if own else answers["draft"]
    if _DRAFTED in answers:
        given["drafts.n_max"] = answers[_DRAFTED]
    split = _split(answers)
    return {**given, "split": split} if split else given


def _split(answers: Mapping[str, Answer]) -> str | None:
    """Return the shares of the GPUs, None for one; the last GPU has the head as a layer more."""
    if _SPLIT in answers:
        return str(answers[_SPLIT])
    layers, gpus = answers.get("pp_layers"), _number(answers, "pp", 1)
    if isinstance(layers, tuple):
        return ",".join(map(str, (*layers[:-1], layers[-1] + 1)))
    return ",".join("1" * gpus) if gpus > 1 else None


def _number(answers: Mapping[str, Answer], name: str, default: int) -> int:
    """Return a count of a plan, which may be text there: 32k."""
    return parse_count(str(answers[name])) if name in answers else default


_TURNED = (
    "batch",
    "max_num_seqs",
    "context",
    "max_num_batched_tokens",
    "kv_dtype",
    "draft",
    "draft_kv_dtype",
    _DRAFTED,
    "pp",
    "pp_layers",
    _SPLIT,
)


def _types(text: str) -> tuple[str, str]:
    """Return the types of K and V that a cache format names."""
    base, *overrides = kvplan_format(text).split(",")
    types = {"key": base, "value": base}
    for override in overrides:
        role, _, name = override.partition("=")
        if role not in types:
            raise OptionsError(f"llama.cpp has no option for the dtype of {role} rows")
        types[role] = kvplan_format(name)
    return types["key"], types["value"]
