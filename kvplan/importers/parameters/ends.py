"""
The two ends of a text model: its embedding, and an output head that may be the embedding.

Which of the two it is stands in `tie_word_embeddings`. A file may leave that out where it is known
what it then says, for one of three reasons, and for families alone of which every release agrees:

- transformers before version 5 writes the field unless it is true both in PretrainedConfig and in the
  family's own class (`to_diff_dict`), so that its absence says true: `_TIED`;
- it writes a text model inside another without what that has by its class: `_UNTIED_INSIDE`;
- a format of its own has no such field: `_UNTIED`.

Of all other families a file without the field was not written by their class, or some releases are
tied and others not; then the count is an error.
"""

from kvplan.importers.fields import Fields
from kvplan.importers.parameters.base import Parameters
from kvplan.importers.parameters.blocks import embedding
from kvplan.records import record

TIE_FIELDS = ("tie_word_embeddings", "tie_embeddings")

_TIED_NAMES = """
    bart biogpt bloom cohere cohere2 ctrl falcon gemma gemma2 gemma3 gemma3_text gemma3n_text gemma4
    gemma4_text gemma4_unified_text gpt2 gpt_bigcode gpt_neo gpt_neox_japanese lfm2 lfm2_moe mamba mbart
    minicpm3 mpt mvp opt ov_mamba plbart recurrent_gemma t5 vaultgemma whisper xglm zamba2
"""

_TIED = frozenset(_TIED_NAMES.split())
"""
Families that are tied where their files leave it open: the class says so in transformers 4.57.

MiniCPM3, of which there is one release, has a class of its own beside its weights.
"""

_LATER_UNTIED = {"falcon": "ffn_hidden_size", "t5": "feed_forward_proj"}
"""
Families whose later releases are untied, and a field that came with those.

Falcon 2 11B: vLLM 0.33, model_executor/models/falcon.py. T5 1.1 and Flan-T5 have gated MLPs and a head
of their own: released_checkpoints.md of google-research/text-to-text-transfer-transformer.
"""

_UNTIED_INSIDE = frozenset({"deepseek_vl_v2", "llama4", "multi_modality"})
"""Models around an untied text model that leave it out: DeepSeek-VL2, Llama 4, Janus."""

_UNTIED = frozenset({"cpmant", "deepseek_ref", "rwkv5", "step3p5", "step3p7"})
"""
Families without the field, or whose code does not heed it, and whose head is a matrix of its own.

modeling_cpmant.py of transformers 5.24, inference/model.py of DeepSeek-V4, modeling_rwkv5.py of
RWKV/rwkv-5-world-3b; Step 3.5 and 3.7.
"""

_ENCODERS = """
    bert bert-generation big_bird camembert data2vec-text electra ernie megatron-bert rembert roberta
    roberta-prelayernorm roc_bert roformer xlm xlm-roberta xlm-roberta-xl xmod
"""

_WITHOUT_HEAD = frozenset(_ENCODERS.split())
"""Encoders, which are counted without the head of a task."""

_BARE = {
    "llama": "LlamaModel",
    "mistral": "MistralModel",
    "phi3": "Phi3Model",
    "qwen2": "Qwen2Model",
    "qwen3": "Qwen3Model",
}
"""Untied families that are released without an output head, too, and the class that says so."""

_CLASSES_WITH_HEAD = ("ForCausalLM", "ForConditionalGeneration", "LMHeadModel", "ChatGLMModel")

_VOCABULARY = {"chatglm": "padded_vocab_size"}
"""The field of the embedding's rows, where it is not `vocab_size`."""


@record
class Ends:
    """
    The embedding and the output head of a text model.

    `vocab` is the rows of the embedding; `tied` says whether it is the output head, None where there is
    no head. The origins name the field, or the reason, of each.
    """

    vocab: int
    tied: bool | None
    vocab_origin: str
    tied_origin: str

    def weights(self, width: int) -> Parameters:
        """Return the embedding of a *width*, and the output head unless the embedding is it."""
        return embedding(self.vocab, width, tied=self.tied is not False)


def read_ends(model_type: str, fields: Fields, outer: Fields | None = None) -> Ends:
    """
    Return the ends of the text model of type *model_type*.

    *fields* is the object that describes it, *outer* the one around it, if any. Raises ImportedError for
    a file that leaves open whether there is a head, or whether it is the embedding.
    """
    name = _VOCABULARY.get(model_type, "vocab_size")
    vocab = fields.take_count(name)
    if model_type in _WITHOUT_HEAD:
        tied, origin = None, "an encoder, counted without a head"
    else:
        tied, origin = _tied(model_type, fields, outer)
        if not tied and outer is None and not _has_head(model_type, fields):
            tied, origin = None, "architectures: a class without an output head"
    return Ends(vocab=vocab, tied=tied, vocab_origin=f"{fields.path}{name}", tied_origin=origin)


def _tied(model_type: str, fields: Fields, outer: Fields | None) -> tuple[bool, str]:
    """
    Return whether the output head is the embedding, and what says so.

    Where a file holds the text model inside, its outer value is the model's: transformers 5.23 ties
    the weights of the model that it loads.
    """
    if model_type in _UNTIED:
        return False, f"{model_type} is never tied"
    for view in (outer, fields):
        if view is not None and view.has(*TIE_FIELDS):
            tied = view.take_bool(*TIE_FIELDS)
            return tied, next(f"{view.path}{name}" for name in TIE_FIELDS if view.has(name))
    around = outer.values.get("model_type") if outer is not None else None
    if around in _UNTIED_INSIDE:
        return False, f"{around} leaves it out and is never tied"
    if model_type in _TIED and not _is_later(model_type, fields):
        return True, f"{model_type} leaves it out where it is true"
    raise fields.error(
        TIE_FIELDS[0], "found nothing; expected true if the output head is the embedding, or false"
    )


def _is_later(model_type: str, fields: Fields) -> bool:
    """Tell whether a file has what came with the untied releases of its family."""
    field = _LATER_UNTIED.get(model_type)
    return field is not None and fields.has(field) and fields.values[field] != "relu"


def _has_head(model_type: str, fields: Fields) -> bool:
    """Return whether an untied model has an output head, which embedding models are saved without."""
    bare = _BARE.get(model_type)
    names = fields.take_texts("architectures") if fields.has("architectures") else []
    if bare is not None and not names:
        raise fields.error(
            "architectures", f"found nothing; expected {bare} if there is no output head, or another"
        )
    if bare is not None and set(names) == {bare}:
        return False
    if unknown := [name for name in names if not name.endswith(_CLASSES_WITH_HEAD)]:
        raise fields.error(
            "architectures", f"found {unknown[0][:40]!r}; expected a class with an output head"
        )
    return True
