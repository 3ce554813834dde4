"""What configs in JSON say of a plan, by config/*.py of vLLM 0.33.0: drafts, experts, adapters."""

import json
from collections.abc import Mapping
from typing import Any

from kvplan.serving.rows import more
from kvplan.serving.served import Answer, Found
from kvplan.serving.values import json_value, shown, whole
from kvplan.serving.vllm_graphs import COMPILATION, as_keys, of_graphs

SPECULATIVE = "speculative_config"
SPECULATIVE_TOKENS = f"{SPECULATIVE}.num_speculative_tokens"
# config/speculative.py: these guess from the text, without a model.
_WITHOUT_DRAFT = ("ngram", "ngram_gpu", "suffix", "[ngram]")
# MTPModelTypes there: each is read as `mtp`.
_OWN = "mtp"
_BY_A_MODEL = ("eagle", "eagle3", "dflash", "draft_model")
EPLB = "eplb_config"
REDUNDANT = f"{EPLB}.num_redundant_experts"
LIMITS, PROCESSOR = "limit_mm_per_prompt", "mm_processor_kwargs"
_BUFFER = more("--enable-eplb: a rank's buffer for one layer's experts is not counted")
_WHOLE, _SPARE = "settings.enable_expert_parallel", "settings.num_redundant_experts"
_ADAPTERS = "settings.enable_lora"
_OF_ADAPTERS = tuple(
    f"settings.{name}"
    for name in ("fully_sharded_loras", "max_loras", "max_lora_rank", "max_cpu_loras", "lora_dtype")
)
"""What vLLM takes no heed of without adapters: create_engine_config in engine/arg_utils.py."""
_DRAFT = more(
    "what drafts has weights and layers with a cache of its own, which are counted only with --draft MODEL"
)
_DRAFT_RANKS = more("a draft on fewer ranks than the model is counted as cut over all of them")


def gather(found: Found, _program: str) -> Found:
    """Turn configs in JSON into what a plan takes of them, and drop what vLLM does not look at."""
    said, uncounted = of_graphs(found.answers)
    configs = (SPECULATIVE, EPLB, LIMITS, PROCESSOR)
    answers = {name: text for name, text in said.items() if not name.startswith(configs)}
    for config in (LIMITS, PROCESSOR):
        keys = {name: str(text) for name, text in found.answers.items() if name.startswith(config)}
        if keys:
            answers[f"settings.{config}"] = _one_object(keys)
    speculative = {name: str(text) for name, text in found.answers.items() if name.startswith(SPECULATIVE)}
    tokens = speculative.get(SPECULATIVE_TOKENS)
    if tokens is not None:
        answers["settings.num_speculative_tokens"] = str(whole("num_speculative_tokens", tokens))
    draft, unmodelled = _drafting(speculative)
    unmodelled += uncounted
    answers |= {} if draft is None else {"draft": draft}
    if answers.get("settings.enable_eplb") == "true":
        unmodelled += (_BUFFER,)
    redundant = str(found.answers.get(REDUNDANT, "0"))
    if redundant != "0":
        answers[_SPARE] = str(whole("num_redundant_experts", redundant))
    if answers.get(_ADAPTERS) != "true":
        answers = {name: text for name, text in answers.items() if name not in _OF_ADAPTERS}
    notes: tuple[str, ...] = ()
    if "kv_memory" in answers and answers.pop("utilization", None) is not None:
        # config/cache.py, kv_cache_memory_bytes.
        notes = ("with --kv-cache-memory-bytes vLLM ignores --gpu-memory-utilization",)
    return Found(answers=answers, unmodelled=unmodelled, notes=notes)


def _one_object(keys: Mapping[str, str]) -> str:
    """Return values by key, or by a key's key (`limit_mm_per_prompt.image.count`), as one JSON object."""
    found: dict[str, Any] = {}
    for name, text in keys.items():
        config, key, *more_keys = name.split(".")
        value = json_value(f"--{config.replace('_', '-')}.{key}", text)
        if more_keys:
            found.setdefault(key, {})[".".join(more_keys)] = value
        else:
            found[key] = value
    return json.dumps(found)


def _drafting(speculative: Mapping[str, str]) -> tuple[str | None, tuple[str, ...]]:
    """
    Return what drafts by a config of speculative decoding, and what a plan leaves out of it.

    A method for multi-token prediction without a model takes the module of the model that is served. A model
    alone is told by its own config.
    """
    model = speculative.get(f"{SPECULATIVE}.model")
    method = speculative.get(f"{SPECULATIVE}.method", model)
    if not speculative or method in _WITHOUT_DRAFT:
        return None, ()
    ranks = (_DRAFT_RANKS,) if f"{SPECULATIVE}.draft_tensor_parallel_size" in speculative else ()
    own = method is not None and (method == _OWN or method.endswith("_mtp"))
    if own or (model is not None and method in {*_BY_A_MODEL, model}):
        return model or _OWN, ranks
    return None, (f"speculative decoding ({shown(method or 'a draft model')}): {_DRAFT}",)


def spread(answers: dict[str, Answer]) -> dict[str, Answer]:
    """Undo `gather`; whole experts are dealt out over all ranks, by a flag."""
    draft = f"{SPECULATIVE}.method" if answers.get("draft") == _OWN else f"{SPECULATIVE}.model"
    of_config = {
        "settings.num_speculative_tokens": SPECULATIVE_TOKENS,
        _SPARE: REDUNDANT,
        "draft": draft,
    }
    whole = {_WHOLE: "true"} if "ep" in answers else {}
    named = {of_config.get(name, name): answer for name, answer in answers.items() if name != "ep"}
    return {**as_keys(named), **whole}


def stands_for(keyword: str) -> str:
    """Return what of a plan a config says: all of speculative decoding goes together."""
    for config in (SPECULATIVE, COMPILATION):
        if keyword.startswith(config):
            return config
    return REDUNDANT if keyword.startswith(EPLB) else ""
