"""DeepSeek-V4 and V4.1: attention over a window and compressed entries, with sparse indexers."""

from dataclasses import replace

from kvplan.attention import kind_class
from kvplan.importers.families.common import Facts, Frame, Reading, by_types, expect, frame, take_heads
from kvplan.importers.families.latent import take_indexer
from kvplan.importers.fields import Fields
from kvplan.specs.draft_module import DraftModule


def deepseek_v4(fields: Fields, dtype: str) -> Reading:
    """
    Read DeepSeek-V4's config: `compress_ratios` gives each layer's ratio, draft layers included.

    Ratio 0 is a window alone; 4 overlaps its blocks and has an indexer; 128 has neither. The
    compressors' states are float32. Source: inference/model.py of the DeepSeek-V4 release.
    """
    del dtype
    base = frame(fields)
    common = _take_entries(fields)
    compressed = {**common, "state_dtype": "fp32"}
    fields.state("overlap", "2 for a ratio of 4, else 1: inference/model.py of the DeepSeek-V4 release")
    fields.state("state_dtype", "float32: inference/model.py of the DeepSeek-V4 release")
    kinds = {
        "window": common,
        "csa": {**compressed, "ratio": 4, "overlap": 2, "indexer": take_indexer(fields)},
        "hca": {**compressed, "ratio": 128, "overlap": 1},
    }
    if "compress_ratios" not in fields and fields.has("layer_types"):
        rates = fields.nested("compress_rates")
        for word, ratio in (("compressed_sparse_attention", 4), ("heavily_compressed_attention", 128)):
            expect(rates, word, (ratio,), why="of another ratio kvplan knows no overlap")
        return base.mixed(by_types(fields, base.layers, _V4_TYPES), kinds)
    names = {0: "window", 4: "csa", 128: "hca"}
    ratios, drafts = _take_ratios(fields, base, (0, 4, 128))
    reading = base.mixed([names[ratio] for ratio in ratios], kinds)
    own = {*drafts} - {*ratios}
    if own != {0}:
        return reading
    # DeepSeek-V4-Pro: a window alone, which no layer of the model is.
    module = DraftModule(layers=len(drafts), attention=kind_class("compressed").model_validate(common))
    return replace(reading, draft=module)


def deepseek_v41(fields: Fields, dtype: str) -> Reading:
    """
    Read the text part of DeepSeek-V4.1's config: layers of `kv_source_layer_ids` alone compress.

    The ratio of any other layer is that of the entries which it reads: those of the last source
    below it. Sources: vLLM 0.33, models/deepseek_v41; ROCm/ATOM at 3094e70,
    tests/models/deepseek_v41/test_config.py.
    """
    del dtype
    base = frame(fields)
    common = _take_entries(fields)
    indexed = {**common, "indexer": take_indexer(fields), "keys_from_entry": True}
    fields.state("keys_from_entry", "projected from the entry: vLLM 0.33, models/deepseek_v41/attention.py")
    fields.state("overlap", "1: vLLM 0.33, models/deepseek_v41/compressor.py")
    fields.state("state_dtype", "float32: vLLM 0.33, models/deepseek_v41/compressor.py")
    kinds = {
        "window": common,
        "pairs": {**indexed, "ratio": 2, "overlap": 1, "state_dtype": "fp32"},
        "tokens": {**indexed, "ratio": 1},
    }
    fields.skip(*_V41_CHOICE, *_V41_DRAFTS, *_V41_TABLES)
    tables = ("the lookup tables of Engram",) if fields.has("engram_layer_ids") else ()
    return base.mixed(_sources(fields, base), kinds, not_counted=tables)


_V41_CHOICE = ("candidate_source_layer_id", "candidate_topk_blocks", "candidate_block_size")
_V41_DRAFTS = (
    "dspark_block_size",
    "dspark_markov_rank",
    "dspark_n_routed_experts",
    "dspark_noise_token_id",
    "dspark_num_experts_per_tok",
    "dspark_target_layer_ids",
)
_V41_TABLES = (
    "engram_compressed_vocab_size",
    "engram_head_dim",
    "engram_layer_ids",
    "engram_max_ngram_size",
    "engram_n_heads",
    "engram_num_embeddings",
    "engram_pad_token_id",
    "engram_vocab_size",
)


def _take_entries(fields: Fields) -> Facts:
    """Take what all layers of DeepSeek-V4 and V4.1 have: their entries, window and projections."""
    fields.skip("num_key_value_heads", "index_topk")
    return {
        "kind": "compressed",
        "heads": take_heads(fields),
        "head_dim": fields.take_count("head_dim", to="head_dim"),
        "d_rope": fields.take_count("qk_rope_head_dim", to="d_rope"),
        "window": fields.take_count("sliding_window", to="window"),
        "q_lora_rank": fields.take_count("q_lora_rank", to="q_lora_rank"),
        "o_groups": fields.take_count("o_groups", to="o_groups"),
        "o_lora_rank": fields.take_count("o_lora_rank", to="o_lora_rank"),
    }


def _take_ratios(fields: Fields, base: Frame, known: tuple[int, int, int]) -> tuple[list[int], list[int]]:
    """Take DeepSeek's list of ratios: those of the layers, and of draft layers behind them."""
    ratios = fields.take_wholes("compress_ratios", to="ratio")
    drafts = fields.take_optional_whole("num_nextn_predict_layers") or 0
    if len(ratios) != base.layers + drafts:
        problem = f"lists {len(ratios)} layers, but there are {base.layers} and {drafts} draft layers"
        raise fields.error("compress_ratios", problem)
    if unknown := set(ratios) - set(known):
        low, middle, high = known
        raise fields.error(
            "compress_ratios", f"the ratio {min(unknown)} is unknown; expected {low}, {middle} or {high}"
        )
    return ratios[: base.layers], ratios[base.layers :]


def _sources(fields: Fields, base: Frame) -> list[str]:
    """Return the layers' types; every layer with a ratio must find entries of it in or below itself."""
    ratios, _ = _take_ratios(fields, base, (0, 1, 2))
    owners = fields.take_wholes("kv_source_layer_ids", to="layers")
    if not set(owners) <= set(fields.take_wholes("index_source_layer_ids", to="indexer")):
        raise fields.error("kv_source_layer_ids", "expected each of them in index_source_layer_ids, too")
    if missing := [layer for layer in owners if layer >= base.layers or not ratios[layer]]:
        raise fields.error("kv_source_layer_ids", f"layer {missing[0]} has no ratio to compress at")
    made = 0
    for layer, ratio in enumerate(ratios):
        made = ratio if layer in owners else made
        if ratio not in (0, made):
            raise fields.error(
                "kv_source_layer_ids", f"no layer makes the entries of ratio {ratio} that layer {layer} reads"
            )
    names = {1: "tokens", 2: "pairs"}
    return [names[ratio] if layer in owners else "window" for layer, ratio in enumerate(ratios)]


_V4_TYPES = {
    "sliding_attention": "window",
    "compressed_sparse_attention": "csa",
    "heavily_compressed_attention": "hca",
}
"""What transformers 5.23 calls the layers of DeepSeek-V4."""
