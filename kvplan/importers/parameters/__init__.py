"""
How many parameters a model has, counted from its config file and the layers of its spec.

The text model is counted: no image or sound tower, no projector into the text model, and no layers
for multi-token prediction. Buffers that are saved with the weights and steer the computation count
(the bias of a router); tables that the code can compute do not.
"""

from kvplan.importers.fields import Fields
from kvplan.importers.parameters.base import Parameters
from kvplan.importers.parameters.blockwise import BLOCKWISE
from kvplan.importers.parameters.classic import CLASSIC
from kvplan.importers.parameters.decoder import Counter, Decoder, LayerCount, Shape
from kvplan.importers.parameters.dense import DENSE
from kvplan.importers.parameters.encoders import ENCODERS
from kvplan.importers.parameters.ends import read_ends
from kvplan.importers.parameters.gemma import GEMMA
from kvplan.importers.parameters.hybrid import HYBRID
from kvplan.importers.parameters.latent import LATENT
from kvplan.importers.parameters.moe import MOE
from kvplan.importers.parameters.pure import PURE
from kvplan.importers.parameters.rows import ROW_COUNTERS
from kvplan.importers.parameters.singles import SINGLES

COUNTERS: dict[str, Counter] = {
    **DENSE,
    **CLASSIC,
    **MOE,
    **LATENT,
    **HYBRID,
    **PURE,
    **ENCODERS,
    **GEMMA,
    **BLOCKWISE,
    **ROW_COUNTERS,
    **SINGLES,
}
"""What counts the models of each model_type."""

_CACHE_ALONE = """
    albert axk2 bailing_hybrid bigbird_pegasus blenderbot blenderbot-small blip_text_model chameleon
    cosmos3_edge_text deepseek_ocr2_text deepseek_v41_text diffusion_gemma_text distilbert doge
    dots3_note_text electra ernie4_5_vl_moe_text evolla fsmt git glm5_next_text glm_ocr_text
    granite4_vision_text granite_docling_text hrm_text hunyuan_vl_text hy_v4 hy_v4_vl_text idefics
    inkling2_loop_text inkling2_text inkling_text jetmoe kosmos_2_5_text_model kosmos_2_text_model laguna
    led lfm3 longt5 m2m_100 marian mistral_large4_text molmo2_text moshi muse_glimmer_text muse_spark_text
    musicgen musicgen_melody nllb-moe openai-gpt paddleocr_vl_text pegasus pegasus_x phi3small phi4flash
    prophetnet qwen2_5_omni_text rembert roberta-prelayernorm roc_bert roformer rwkv6 rwkv7
    switch_transformers t5gemma t5gemma2 trocr umt5 xlm xlm-roberta-xl xlstm xmod zamba zaya
"""

UNCOUNTED = {
    **dict.fromkeys(_CACHE_ALONE.split(), "of its class the cache alone is in kvplan's words"),
    **dict.fromkeys(("bunny-phi", "llava", "llava_llama"), "its file does not describe its image encoder"),
}
"""Families that kvplan reads but cannot count, and why."""

__all__ = ["COUNTERS", "UNCOUNTED", "LayerCount", "Parameters", "Shape", "count", "count_layers"]


def count(model_type: str, fields: Fields, shape: Shape, outer: Fields | None = None) -> Parameters | None:
    """
    Return the parameters of the text model of type *model_type*, or None if no counter knows it.

    *fields* is the object that describes the text model, *outer* the one around it, if any. Raises
    ImportedError for a field that the count needs and the file lacks, or that is not what it should be.
    """
    counter = COUNTERS.get(model_type)
    return None if counter is None else counter(fields, shape, read_ends(model_type, fields, outer))


def count_layers(model_type: str, fields: Fields, shape: Shape) -> tuple[LayerCount, ...] | None:
    """
    Return the parameters of each layer, its parts apart; None for families whose count is not by layers.

    Raises ImportedError as `count` does.
    """
    counter = COUNTERS.get(model_type)
    return counter.layers(fields, shape) if isinstance(counter, Decoder) else None
