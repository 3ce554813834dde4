"""
The file of TensorRT-LLM's `--config` and `--extra_llm_api_options`, and what it means to a plan.

Its keys are fields of TorchLlmArgs and of the configs in it: llmapi/llm_args.py of 1.3's candidates, with
those that came and went since 1.0. A key that TensorRT-LLM does not know stops it (extra="forbid").
"""

from collections.abc import Mapping
from dataclasses import replace

from kvplan.errors import OptionsError
from kvplan.serving.harmless import TRTLLM_KEYS, TRTLLM_SECTIONS
from kvplan.serving.rows import asks, either, file, harmless, left_out, less, more, refused
from kvplan.serving.served import SETTING, Answer, Found
from kvplan.serving.table import Row
from kvplan.serving.values import (
    COUNT_TEXT,
    LAYERS,
    MODEL_DTYPE,
    NAME,
    RATIO,
    Value,
    cache_format,
    flag,
    shown,
    whole,
)

_SPECULATIVE, _BALANCER = "speculative_config", "moe_config.load_balancer"
_ATTENTION = f"{SETTING}enable_attention_dp"
_TP_OF_EXPERTS = "moe_tensor_parallel_size"
# The manager takes a torch dtype, too, which must be the model's: see engines/trtllm/formats.py.
_KV = cache_format("fp8 nvfp4 float16 bfloat16 float32", {}, {})
_WINDOWS = Value(read=lambda option, text: ",".join(str(whole(option, part)) for part in text.split(",")))

_ASKED: tuple[Row, ...] = (
    asks("tensor_parallel_size", "tp"),
    asks("pipeline_parallel_size", "pp"),
    asks("moe_expert_parallel_size", "ep"),
    asks("moe_tensor_parallel_size", _TP_OF_EXPERTS),
    asks("pp_partition", "pp_layers", LAYERS),
    asks("max_seq_len", "context"),
    asks("max_num_tokens", "max_num_batched_tokens"),
    asks("max_batch_size", "max_num_seqs"),
    asks("dtype", "dtype", MODEL_DTYPE),
    asks("enable_attention_dp", _ATTENTION, flag()),
    # The second name is that of the command's option, as NVIDIA's curated files have it.
    asks(
        "kv_cache_config.free_gpu_memory_fraction kv_cache_free_gpu_memory_fraction free_gpu_memory_fraction",
        "utilization",
        RATIO,
    ),
    asks("kv_cache_config.dtype kv_cache_dtype", "kv_dtype", _KV),
    asks("kv_cache_config.tokens_per_block", "block_size"),
    asks("kv_cache_config.enable_block_reuse", "prefix_caching", flag(on=True, off=False)),
    asks("kv_cache_config.max_tokens", "settings.max_tokens", COUNT_TEXT),
    asks("kv_cache_config.max_attention_window", "settings.max_attention_window", _WINDOWS),
    asks("moe_config.load_balancer.num_slots", "settings.num_slots", COUNT_TEXT),
    file("moe_config.load_balancer", under="moe_config.load_balancer"),
    *(
        asks(f"{_SPECULATIVE}.{name}", f"{_SPECULATIVE}.{name}", NAME)
        for name in ("decoding_type", "max_draft_len", "num_nextn_predict_layers", "eagle3_one_model")
    ),
    *(
        asks(f"{_SPECULATIVE}.{name}", f"{_SPECULATIVE}.model", NAME)
        for name in ("speculative_model", "speculative_model_dir")
    ),
)

_GRAPHS = either("CUDA graphs are estimated as those of published start-ups")
_ADAPTERS = more("adapters and their cache are not counted")
_BUFFERS = more("its buffers are not counted")
_WEIGHTS = either("weights are counted as the checkpoint stores them, or as --weight-dtype says")
_EXPERTS = either("workspaces of experts are estimated as vLLM's")
_TREES = more("a tree of drafted tokens is not counted, nor are its buffers")
_DRAFTING = either("it is counted as one model with its draft, in one pool")
_MANAGER = either("the first block manager is planned")
_STATES = either("states are counted at their usual size and number")
_SELECTOR = either("a selector is counted by the model's own config")
_IMAGES = either("what a tower of images keeps, and runs at start, is not counted")
_LAYOUT = either("weights are counted as the checkpoint stores them, and not as a kernel lays them out")
_COMMUNICATION = either("what communication takes is known from start-ups with its own choice")
CHUNKED = either("room beside the cache for what latent attention in fp8 reads of it is not counted")
"""What `enable_chunked_prefill` decides: get_mla_context_workspace_kv_len_cap in pyexecutor/_util.py."""

_LEFT_OUT: tuple[Row, ...] = (
    left_out("cuda_graph_config prefill_cuda_graph_config torch_compile_config", _GRAPHS, takes="json"),
    left_out("use_cuda_graph prefill_cuda_graph_backend enable_in_graph_sampling", _GRAPHS),
    left_out("prefill_capture_num_tokens cuda_graph_batch_sizes cuda_graph_max_batch_size", _GRAPHS),
    left_out("enable_encoder_decoder_mixed_cuda_graph", _GRAPHS, "true"),
    left_out("enable_chunked_prefill", CHUNKED, "false"),
    # VANILLA has blocks of max_num_tokens and no run to size the pool, FLASHINFER no block reuse:
    # create_py_executor and try_prepare_estimation in _torch/pyexecutor.
    left_out("attn_backend", either("blocks and pool are counted as with TRTLLM's kernels"), "TRTLLM"),
    # A cp_type, which the config has by itself, leaves that run out, too.
    left_out("cp_config", either("the pool is counted as sized by a run"), takes="json"),
    left_out("sampler_type", more("what a sampler in C++ keeps is not counted"), "auto", "TorchSampler"),
    left_out("gather_generation_logits", more("the logits of generated tokens are not counted"), "false"),
    left_out("allreduce_strategy", _COMMUNICATION, "AUTO"),
    left_out("env_overrides", either("what its variables change is not known"), takes="json"),
    left_out("multimodal_config", _IMAGES, takes="json"),
    left_out("encoder_max_batch_size encoder_max_num_tokens", _IMAGES),
    left_out("enable_sleep", _BUFFERS, "false"),
    left_out("backend", either("the cache is counted as PyTorch's flow of TensorRT-LLM keeps it"), "pytorch"),
    left_out("enable_lora", _ADAPTERS, "false"),
    left_out("lora_config peft_cache_config", _ADAPTERS, takes="json"),
    left_out("cache_transceiver_config kv_connector_config", _BUFFERS, takes="json"),
    left_out("quant_config calib_config", _WEIGHTS, takes="json"),
    left_out("force_dynamic_quantization", _WEIGHTS, "false"),
    left_out("load_format", _WEIGHTS, "auto", "dummy"),
    left_out("model_kwargs", either("the model's config is taken as it is published"), takes="json"),
    left_out("enable_lm_head_tp_in_adp", less("the head is counted whole on each rank"), "false"),
    left_out("moe_cluster_parallel_size", either("weights are counted as divided over tp"), "-1", "1"),
    left_out("moe_config.max_num_tokens", _EXPERTS),
    # Layouts by kernel, and MEGAMOE's buffers of all ranks: _torch/modules/fused_moe.
    left_out("moe_config.backend", _LAYOUT, "AUTO"),
    left_out("enable_min_latency", _EXPERTS, "false"),
    left_out(
        "mm_encoder_only disable_mm_encoder encode_only", either("all of the model is counted"), "false"
    ),
    left_out("dwdp_config sleep_config gms_config encoder_cuda_graph_config", _BUFFERS, takes="json"),
    left_out(
        "scheduler_config.capacity_scheduler_policy",
        either("each sequence has the blocks up to its end, as under GUARANTEED_NO_EVICT"),
        "GUARANTEED_NO_EVICT",
    ),
    left_out("scheduler_config", either("requests are counted as its default schedules them"), takes="json"),
    left_out("kv_cache_config.use_uvm", less("all of the pool is counted on the GPU"), "false"),
    left_out(
        "kv_cache_config.use_kv_cache_manager_v2",
        _MANAGER,
        "false",
        "auto",
    ),
    left_out(
        "kv_cache_config.enable_kv_pool_rebalance kv_cache_config.enable_swa_scratch_reuse "
        "kv_cache_config.max_util_for_resume kv_cache_config.pool_ratio kv_cache_config.avg_seq_len "
        "kv_cache_config.fp8_context_mla_kv_len_cap kv_cache_config.kv_cache_event_hash_algo",
        _MANAGER,
        "false",
    ),
    left_out("kv_cache_config.cross_kv_cache_fraction", either("the cache of a decoder alone is planned")),
    left_out(
        "kv_cache_config.mamba_ssm_cache_dtype kv_cache_config.mamba_state_cache_interval "
        "kv_cache_config.mamba_ssm_stochastic_rounding kv_cache_config.mamba_ssm_philox_rounds",
        _STATES,
        "auto",
        "false",
    ),
    left_out("kv_cache_config.mamba_state_config", _STATES, takes="json"),
    # skip_softmax is a matter of kernels alone.
    left_out(
        "sparse_attention_config.algorithm",
        either("a selector's keys are counted in fp8"),
        "dsa",
        "skip_softmax",
    ),
    left_out(
        "sparse_attention_config.index_n_heads sparse_attention_config.index_head_dim "
        "sparse_attention_config.compress_ratios sparse_attention_config.sparse_index_dim "
        "sparse_attention_config.sparse_disable_index_value sparse_attention_config.indexer_kv_dtype "
        "sparse_attention_config.kt_cache_dtype",
        _SELECTOR,
    ),
    # Graphs of short and of long sequences, unless it is false.
    left_out("sparse_attention_config.skip_indexer_for_short_seqs", _GRAPHS, "true"),
    left_out("sparse_attention_config.indexer_k_dtype", less("a selector's keys are counted in fp8"), "fp8"),
    left_out("sparse_attention_config.indexer_max_chunk_size", either("its buffers are estimated as vLLM's")),
    left_out("speculative_config.use_mtp_vanilla", _DRAFTING, "false"),
    left_out("speculative_config.mtp_eagle_one_model", _DRAFTING, "true"),
    left_out("speculative_config.use_dynamic_tree", _TREES, "false"),
    left_out("speculative_config.eagle_choices speculative_config.dynamic_tree_max_topK", _TREES),
    left_out("speculative_config.max_total_draft_tokens speculative_config.num_eagle_layers", _TREES),
    left_out("speculative_config.sa_config", _BUFFERS, takes="json"),
    left_out(
        "speculative_config.use_rejection_sampling speculative_config.enable_penalty",
        more("a number for each request and row of the vocabulary is not counted"),
        "false",
    ),
    left_out(
        "speculative_config.eagle3_layers_to_capture",
        more("the hidden states that a draft reads are not counted"),
    ),
    left_out("speculative_config.max_concurrency", _GRAPHS),
    left_out("speculative_config.draft_len_schedule", _GRAPHS, takes="json"),
    left_out(
        "speculative_config.max_matching_ngram_size speculative_config.max_verification_ngram_size "
        "speculative_config.max_ngram_size speculative_config.max_window_size "
        "speculative_config.is_keep_all speculative_config.is_use_oldest speculative_config.is_public_pool "
        "speculative_config.max_verification_set_size",
        either("what guesses from the text is not counted"),
    ),
)

_REFUSED: tuple[Row, ...] = (
    refused("max_beam_width", "kvplan plans one beam for each sequence", "1"),
    refused(
        "context_parallel_size",
        "kvplan does not know what of the cache each rank keeps then: leave it out",
        "1",
    ),
    refused(
        "kv_cache_config.max_gpu_total_bytes",
        "the pool then has the least of it and the fraction: leave it out, and give --kv-memory",
        "0",
    ),
    refused("kv_cache_compression_config", "kvplan does not know which tokens it keeps", takes="json"),
)

IN_FILE: tuple[Row, ...] = (
    *_ASKED,
    *_LEFT_OUT,
    *_REFUSED,
    harmless(TRTLLM_KEYS, "value"),
    harmless(TRTLLM_SECTIONS, "json"),
)

WHOLE = ("kv_cache_config", "speculative_config", "sparse_attention_config", "moe_config")
"""Sections whose keys may each decide the memory."""

_MTP, _EAGLE = ("MTP",), ("EAGLE", "EAGLE3")
_WHOLE_MODEL = "DRAFT_TARGET"
_WITHOUT = ("NGRAM", "LOOKAHEAD", "AUTO")
"""What guesses from the text: the decoding_type of each config in llm_args.py."""
_KEEPING = ("SA", "SAVE_HIDDEN_STATES", "SAVESTATE")
"""What has no model, but keeps something on the GPU: SADecodingConfig's automaton is there."""

_DRAFT = more(
    "what drafts has weights and layers with a cache of its own, which are counted only with --draft MODEL"
)
OF_DRAFT = ("num_nextn_predict_layers", "max_draft_len", "eagle3_one_model")
_OF_MODULE, _OF_EAGLE, _ONE_MODEL = (f"{SETTING}{name}" for name in OF_DRAFT)


def gather(found: Found, _program: str) -> Found:
    """Turn what TensorRT-LLM is told into a plan: drafts, and ranks of experts and of attention."""
    answers = {
        name: answer for name, answer in found.answers.items() if not name.startswith(f"{_SPECULATIVE}.")
    }
    drafting, told = _drafting(found.answers)
    answers |= drafting
    _settle_experts(answers)
    if answers.get(_ATTENTION) == "true" and "tp" in answers:
        answers["dp"] = answers.pop("tp")
    return replace(found, answers=answers, unmodelled=(*found.unmodelled, *told))


def spread(answers: dict[str, Answer]) -> dict[str, Answer]:
    """Undo `gather` of ranks; what drafts has no option but the file's."""
    given = dict(answers)
    if given.get(_ATTENTION) == "true" and "dp" in given:
        given["tp"] = given.pop("dp")
    return given


def _settle_experts(answers: dict[str, Answer]) -> None:
    """Take the ranks over which each expert is cut: times those among which they are dealt out, tp."""
    cut, tp = answers.pop(_TP_OF_EXPERTS, None), answers.get("tp", 1)
    if not isinstance(cut, int) or not isinstance(tp, int):
        return
    ep = answers.setdefault("ep", tp // cut)
    if not isinstance(ep, int) or cut * ep != tp:
        raise OptionsError(
            f"{_TP_OF_EXPERTS} {cut} and moe_expert_parallel_size {ep} are not the {tp} ranks of "
            "tensor_parallel_size"
        )


def _drafting(found: Mapping[str, Answer]) -> tuple[dict[str, Answer], tuple[str, ...]]:
    """Return what drafts by `speculative_config`, as a plan has it, and what a plan leaves out of it."""
    said = {
        name.removeprefix(f"{_SPECULATIVE}."): str(answer)
        for name, answer in found.items()
        if name.startswith(f"{_SPECULATIVE}.")
    }
    kind = said.get("decoding_type")
    if not said:
        return {}, ()
    if kind is None:
        raise OptionsError(f"{_SPECULATIVE} has no decoding_type, by which TensorRT-LLM tells what drafts")
    tokens = said.get("num_nextn_predict_layers", said.get("max_draft_len"))
    drafted = "" if tokens is None else str(whole(f"{_SPECULATIVE}.max_draft_len", tokens))
    if kind.upper() in _MTP and "model" not in said:
        tokens_of = {_OF_MODULE: drafted} if drafted else {}
        return {"draft": "mtp", **tokens_of}, ()
    if kind.upper() in _EAGLE:
        return _eagle(said, drafted or None), ()
    if kind.upper() == _WHOLE_MODEL and "model" in said:
        return {"draft": said["model"]}, ()
    if kind.upper() in _WITHOUT:
        return {}, ()
    return {}, (f"{_SPECULATIVE} ({shown(kind)}): {_BUFFERS if kind.upper() in _KEEPING else _DRAFT}",)


def _eagle(said: Mapping[str, str], drafted: str | None) -> dict[str, Answer]:
    """Return an EAGLE draft, which needs its model and how far it goes (EagleDecodingConfig)."""
    if "model" not in said or drafted is None:
        missing = "speculative_model_dir" if "model" not in said else "max_draft_len"
        raise OptionsError(f"{_SPECULATIVE} has no {missing}, without which TensorRT-LLM runs no EAGLE draft")
    found: dict[str, Answer] = {"draft": said["model"], _OF_EAGLE: drafted}
    if said.get("eagle3_one_model") == "false":
        found[_ONE_MODEL] = "false"
    return found
