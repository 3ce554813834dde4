"""SGLang's options: srt/arg_groups/fields/*.py and srt/server_args.py of SGLang 0.5.23."""

from collections.abc import Mapping
from dataclasses import replace

from kvplan.errors import OptionsError
from kvplan.serving.harmless import SGLANG_FLAGS, SGLANG_LISTS, SGLANG_VALUES
from kvplan.serving.rows import asks, harmless, model, more, setting
from kvplan.serving.served import SETTING, Answer, Found
from kvplan.serving.sglang_left_out import LEFT_OUT, REFUSED
from kvplan.serving.table import Dialect, Row, Switch
from kvplan.serving.values import (
    COUNT,
    COUNT_TEXT,
    LAYERS,
    MODEL_DTYPE,
    NAME,
    POSITIVE,
    RATIO,
    Value,
    auto,
    brief,
    cache_format,
    counted,
    name_of,
    positive,
    scaled,
    shown,
    whole,
)
from kvplan.units import parse_count

# srt/utils/common.py, human_readable_int.
_SUFFIXES = {"k": 10**3, "M": 10**6, "G": 10**9, "T": 10**12} | {
    "Ki": 2**10,
    "Mi": 2**20,
    "Gi": 2**30,
    "Ti": 2**40,
}
_scaled = scaled(_SUFFIXES, fractions="kMGT", exact=True)
# fields/model.py; fp4_mx_block16 has no layout in kvplan.
_KV = cache_format("fp8_e4m3 fp8_e5m2 mxfp8 bf16 bfloat16 nvfp4", {"fp8": "fp8_e4m3"}, {})

_ATTENTION_DP = "attention_dp"
_ALGORITHM, _DRAFT_MODEL = "speculative.algorithm", "speculative.model"
_STEPS, _BRANCHES, _VERIFIED = "speculative.steps", "speculative.branches", "speculative.verified"
_BREADTH = f"{SETTING}speculative_ngram_max_bfs_breadth"
_GUESSES, _DRAFTED = f"{SETTING}speculative_algorithm", f"{SETTING}speculative_num_draft_tokens"
_DRAFTED_STEPS, _DRAFTED_BRANCHES = f"{SETTING}speculative_num_steps", f"{SETTING}speculative_eagle_topk"
# speculative/spec_info.py; the first need no model beside the one that is served.
_OWN, _BY_A_MODEL, _WITHOUT = ("EAGLE", "NEXTN"), ("EAGLE3", "STANDALONE", "DFLASH"), ("NGRAM", "NONE")
_BLOCKS, _GUESSING = "DFLASH", "NGRAM"
_REDUNDANT = "settings.ep_num_redundant_experts"
_ATTENTION, _EP = "settings.enable_dp_attention", "settings.ep_size"
_A2A, _EP_MOE = "settings.moe_a2a_backend", "enable_ep_moe"
_NO_GRAPHS = "disable_cuda_graph"
_NO_GRAPHS_OF = tuple(f"{SETTING}disable_{phase}_cuda_graph" for phase in ("decode", "prefill"))
_DECODED = f"{SETTING}cuda_graph_max_bs_decode"
_CHUNK, _CHUNKED, _UNCUT = "max_num_batched_tokens", f"{SETTING}chunked_prefill", "-1"
_PATHS = "lora_paths"
_ADAPTERS = f"{SETTING}enable_lora"
_OF_ADAPTERS = tuple(
    f"{SETTING}{name}" for name in ("max_lora_rank", "lora_target_modules", "max_loras_per_batch")
)
_MODULES = Value(
    read=lambda _, text: ",".join(text.split()), write=lambda text: " ".join(str(text).split(","))
)


def _chunk(option: str, text: str) -> Answer:
    """Return the tokens of a chunk, or the word for prefills that are not cut."""
    return text if text == _UNCUT else whole(option, text)


def _sizes(option: str, text: str) -> tuple[int, ...]:
    """Return the sizes in `1 2 4`."""
    return tuple(whole(option, size) for size in text.split() or [text])


_SIZES = Value(
    read=lambda option, text: ",".join(map(str, _sizes(option, text))),
    write=lambda text: " ".join(str(parse_count(size)) for size in str(text).split(",")),
)
_LARGEST = Value(read=lambda option, text: str(max(_sizes(option, text))), write=COUNT_TEXT.write)


_ASKED: tuple[Row, ...] = (
    model("--model-path --model"),
    asks("--tp-size --tensor-parallel-size --tp", "tp"),
    asks("--pp-size --pipeline-parallel-size", "pp"),
    asks("--dp-size --data-parallel-size --dp", "dp"),
    asks("--nnodes", "nodes"),
    asks("--dcp-size --decode-context-parallel-size", "dcp"),
    asks("--context-length", "context", counted(_scaled)),
    asks(
        "--chunked-prefill-size",
        _CHUNK,
        Value(read=_chunk, write=lambda size: _UNCUT if size == _UNCUT else COUNT.write(size)),
    ),
    asks("--max-prefill-tokens", f"{SETTING}max_prefill_tokens", COUNT_TEXT),
    Switch(names=("--disable-cuda-graph",), keyword=_NO_GRAPHS, on=True, off=False),
    setting("--disable-decode-cuda-graph", "disable_decode_cuda_graph"),
    setting("--disable-prefill-cuda-graph", "disable_prefill_cuda_graph"),
    # Of a list the largest counts (handle_gpu_memory_settings in arg_groups/memory_hook.py).
    asks("--cuda-graph-max-bs-decode --cuda-graph-max-bs", _DECODED, COUNT_TEXT),
    asks("--cuda-graph-bs-decode --cuda-graph-bs", _DECODED, _LARGEST, takes="values"),
    asks("--cuda-graph-max-bs-prefill", f"{SETTING}cuda_graph_max_bs_prefill", COUNT_TEXT),
    asks("--cuda-graph-bs-prefill", f"{SETTING}cuda_graph_bs_prefill", _SIZES, takes="values"),
    asks("--max-running-requests", "max_num_seqs"),
    asks("--dtype", "dtype", MODEL_DTYPE),
    asks("--page-size", "block_size"),
    asks("--mem-fraction-static", "utilization", RATIO),
    asks("--kv-cache-dtype", "kv_dtype", _KV),
    asks(
        "--max-total-tokens",
        "settings.max_total_tokens",
        Value(read=lambda option, text: str(_scaled(option, text)), write=COUNT_TEXT.write),
    ),
    asks("--cpu-offload-gb", "settings.cpu_offload_gb", Value(read=auto(positive, "0"))),
    asks("--swa-full-tokens-ratio", "settings.swa_full_tokens_ratio", POSITIVE),
    asks("--ep-size --expert-parallel-size --ep", "settings.ep_size", COUNT_TEXT),
    setting("--enable-dp-attention", "enable_dp_attention"),
    asks("--attn-dp-size --attention-data-parallel-size", _ATTENTION_DP),
    asks("--moe-dense-tp-size", "settings.moe_dense_tp_size", COUNT_TEXT),
    setting("--enable-dp-lm-head", "enable_dp_lm_head"),
    setting("--enable-lora", "enable_lora"),
    asks("--lora-paths", _PATHS, NAME, takes="values"),
    asks("--max-lora-rank", "settings.max_lora_rank", COUNT_TEXT),
    asks("--lora-target-modules", "settings.lora_target_modules", _MODULES, takes="values"),
    asks("--max-loras-per-batch", "settings.max_loras_per_batch", COUNT_TEXT),
    asks("--ep-num-redundant-experts", _REDUNDANT, NAME),
    asks("--moe-a2a-backend", _A2A, NAME),
    # Names of before 0.5.4 or so: ep_size is then tp_size.
    Switch(names=("--enable-deepep-moe",), keyword=_A2A, on="deepep", off="none"),
    Switch(names=("--enable-ep-moe",), keyword=_EP_MOE, on=True, off=False),
    setting("--disable-overlap-schedule", "disable_overlap_schedule"),
    asks("--mamba-full-memory-ratio", "settings.mamba_full_memory_ratio", POSITIVE),
    asks("--max-mamba-cache-size", "settings.max_mamba_cache_size", COUNT_TEXT),
    asks(
        "--mamba-ssm-dtype SGLANG_MAMBA_SSM_DTYPE",
        "settings.mamba_ssm_dtype",
        name_of("float32 bfloat16 float16"),
    ),
    asks(
        "--mamba-radix-cache-strategy",
        "settings.mamba_radix_cache_strategy",
        name_of("auto no_buffer extra_buffer extra_buffer_lazy"),
    ),
    Switch(names=("--disable-radix-cache",), keyword="prefix_caching", on=False, off=True),
    setting("--disable-hybrid-swa-memory", "disable_hybrid_swa_memory"),
    asks("--speculative-algorithm", _ALGORITHM, NAME),
    asks("--speculative-draft-model-path --speculative-draft-model", _DRAFT_MODEL, NAME),
    asks("--speculative-num-steps", _STEPS, COUNT_TEXT),
    asks("--speculative-eagle-topk", _BRANCHES, COUNT_TEXT),
    asks("--speculative-num-draft-tokens --speculative-dflash-block-size", _VERIFIED, COUNT_TEXT),
    asks("--speculative-ngram-max-bfs-breadth", _BREADTH, COUNT_TEXT),
    # srt/distributed/utils.py, get_pp_indices.
    asks("SGLANG_PP_LAYER_PARTITION", "pp_layers", LAYERS),
)


_DRAFT = more("the weights and the cache layers of the draft are counted only with --draft MODEL")
_LORA = more("slots of adapters are counted only with --max-lora-rank and --lora-target-modules")
_BUFFERS = more("its communication buffers are not counted")
_WHOLE = more(
    "whole prompts are prefilled at once, and neither their activations nor all that layers with a window "
    "hold of them are counted"
)
_HARMLESS: tuple[Row, ...] = (
    harmless(SGLANG_FLAGS, "nothing"),
    harmless(SGLANG_VALUES, "value"),
    harmless(SGLANG_LISTS, "values"),
    harmless("--model-checksum", "optional"),
)


def _gather(found: Found, _program: str) -> Found:
    """
    Turn attention data parallelism into a plan's tp, the ranks of one sequence, and dp.

    SGLang's tp_size is the product of both then (derive_attn_tp_size in runtime_context.py), and
    max_running_requests are those of all groups (mem_cache/kv_cache_configurator.py).
    """
    answers = dict(found.answers)
    drafted = _drafted_tokens(answers)
    draft, told = _drafting(answers)
    guesses = _GUESSES in answers
    answers |= drafted if guesses or draft is not None else {}
    if not guesses:
        answers.pop(_BREADTH, None)
    told += _adapting(answers) + _sending(answers)
    told += _cutting(answers)
    if answers.pop(_NO_GRAPHS, False):
        answers |= dict.fromkeys(_NO_GRAPHS_OF, "true")
    if answers.pop(_EP_MOE, False):
        answers[_EP] = str(_degree(answers, "tp"))
    attention_dp = answers.pop(_ATTENTION_DP, 1)
    if attention_dp != 1:
        answers |= {"dp": attention_dp, _ATTENTION: "true"}
    if (copies := str(answers.pop(_REDUNDANT, "0"))) != "0":
        answers[_REDUNDANT] = str(whole("--ep-num-redundant-experts", copies))
    tp, dp = _degree(answers, "tp"), _degree(answers, "dp")
    if answers.get(_ATTENTION) == "true" and dp > 1:
        if tp % dp:
            raise OptionsError(f"--tp-size {tp} is no multiple of the {dp} groups of --enable-dp-attention")
        answers["tp"] = tp // dp
        if "max_num_seqs" in answers:
            answers["max_num_seqs"] = max(1, _degree(answers, "max_num_seqs") // dp)
    answers |= {} if draft is None else {"draft": draft}
    return replace(found, answers=answers, unmodelled=(*found.unmodelled, *told))


def _adapting(answers: dict[str, Answer]) -> tuple[str, ...]:
    """
    Settle whether there are slots for adapters, and return what a plan leaves out of them.

    Adapters at start turn them on, and their files tell what options do not (arg_groups/lora_hook.py).
    """
    paths = answers.pop(_PATHS, None)
    if answers.get(_ADAPTERS) != "true" and not paths:
        for name in _OF_ADAPTERS:
            answers.pop(name, None)
        return ()
    answers[_ADAPTERS] = "true"
    if all(name in answers for name in _OF_ADAPTERS[:2]):
        return ()
    for name in (_ADAPTERS, *_OF_ADAPTERS):
        answers.pop(name, None)
    return (f"--lora-paths {brief(str(paths))}: {_LORA}" if paths else f"--enable-lora: {_LORA}",)


def _cutting(answers: dict[str, Answer]) -> tuple[str, ...]:
    """Settle whether prefills are cut into chunks, and return what a plan leaves out where they are not."""
    if answers.get(_CHUNK) != _UNCUT:
        return ()
    del answers[_CHUNK]
    answers[_CHUNKED] = "false"
    return (f"--chunked-prefill-size {_UNCUT}: {_WHOLE}",)


def _sending(answers: Mapping[str, Answer]) -> tuple[str, ...]:
    """Return what a plan leaves out of the way by which tokens reach experts."""
    backend = answers.get(_A2A, "none")
    return () if backend == "none" else (f"--moe-a2a-backend {brief(str(backend))}: {_BUFFERS}",)


def _drafting(answers: dict[str, Answer]) -> tuple[str | None, tuple[str, ...]]:
    """Take what drafts by the options of speculation, and return it and what a plan leaves out."""
    algorithm = str(answers.pop(_ALGORITHM, "NONE")).upper()
    model = answers.pop(_DRAFT_MODEL, None)
    if algorithm in _WITHOUT:
        answers |= {_GUESSES: _GUESSING} if algorithm == _GUESSING else {}
        return None, ()
    if algorithm in _OWN and model is None:
        return "mtp", ()
    if algorithm in {*_OWN, *_BY_A_MODEL} and model is not None:
        return str(model), ()
    return None, (f"--speculative-algorithm {shown(algorithm)}: {_DRAFT}",)


def _drafted_tokens(answers: dict[str, Answer]) -> dict[str, Answer]:
    """Take how far a draft goes, and return it as settings: arg_groups/speculative_hook.py."""
    steps, branches = answers.pop(_STEPS, None), answers.pop(_BRANCHES, None)
    drafted = answers.pop(_VERIFIED, None)
    algorithm = str(answers.get(_ALGORITHM, "")).upper()
    verified: dict[str, Answer] = {} if drafted is None else {_DRAFTED: str(drafted)}
    # DFlash drafts a block in one step, whatever is asked (_handle_dflash), and NGRAM has its own branches.
    if algorithm == _BLOCKS or steps is None:
        return verified
    if algorithm == _GUESSING:
        return verified | {_DRAFTED_STEPS: str(steps)}
    if str(branches) == "1":
        return {_DRAFTED: str(int(str(steps)) + 1)}
    tree = drafted is not None and branches is not None
    return verified | ({_DRAFTED_STEPS: str(steps), _DRAFTED_BRANCHES: str(branches)} if tree else {})


def _spread(answers: dict[str, Answer]) -> dict[str, Answer]:
    """Undo `_gather`."""
    given = {name: answer for name, answer in answers.items() if name != "ep"}
    if given.get("draft") == "mtp":
        del given["draft"]
        given[_ALGORITHM] = "EAGLE"
    given |= _drafting_as_told(given)
    if given.pop(_CHUNKED, "true") == "false":
        given[_CHUNK] = _UNCUT
    if "ep" in answers:
        given[_EP] = str(answers["ep"])
    dp = _degree(given, "dp")
    if given.get(_ATTENTION) == "true" and dp > 1:
        given["tp"] = _degree(given, "tp") * dp
        if "max_num_seqs" in given:
            given["max_num_seqs"] = parse_count(str(given["max_num_seqs"])) * dp
    return given


def _drafting_as_told(given: dict[str, Answer]) -> dict[str, Answer]:
    """Take the settings of speculation, and return SGLang's own options for them."""
    verified, steps = given.pop(_DRAFTED, None), given.pop(_DRAFTED_STEPS, None)
    branches = given.pop(_DRAFTED_BRANCHES, None)
    told: dict[str, Answer] = {} if verified is None else {_VERIFIED: verified}
    if (guessing := given.pop(_GUESSES, None)) is not None:
        return told | {_ALGORITHM: guessing} | ({} if steps is None else {_STEPS: steps})
    if steps is None and verified is not None:
        steps = str(parse_count(str(verified)) - 1)
    return told if steps is None else told | {_STEPS: steps, _BRANCHES: branches or "1"}


def _degree(answers: Mapping[str, Answer], name: str) -> int:
    degree = answers.get(name, 1)
    return degree if isinstance(degree, int) else 1


_STANDS_FOR = {
    **dict.fromkeys((_ALGORITHM, _DRAFT_MODEL, _STEPS, _BRANCHES, _VERIFIED), "speculative"),
    _PATHS: _PATHS,
}

SGLANG = Dialect(
    engine="sglang",
    rows=(*_ASKED, *LEFT_OUT, *REFUSED, *_HARMLESS),
    head=lambda model: ["python", "-m", "sglang.launch_server", "--model-path", model],
    abbreviates=True,
    of_draft=tuple(name.removeprefix(SETTING) for name in (_DRAFTED, _DRAFTED_STEPS, _DRAFTED_BRANCHES)),
    gather=_gather,
    spread=_spread,
    stands_for=lambda keyword: _STANDS_FOR.get(keyword, ""),
    # argparse.BooleanOptionalAction, which some of its flags are.
    negate=lambda name: (f"--no-{name[2:]}",),
)
