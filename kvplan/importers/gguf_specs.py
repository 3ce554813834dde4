"""From a GGUF file to a spec, with the exact bytes of its weights."""

import re
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from kvplan.errors import ImportedError, did_you_mean
from kvplan.files import is_folder
from kvplan.importers.config import Imported, runs
from kvplan.importers.families.common import Reading
from kvplan.importers.fields import Fields
from kvplan.importers.gguf import Gguf, find_gguf, read_gguf
from kvplan.importers.gguf_architectures import ARCHITECTURES
from kvplan.importers.gguf_graphs import computed_as
from kvplan.importers.gguf_mlps import mlp_facts
from kvplan.importers.gguf_tensors import ends, parts, require_same_tensors
from kvplan.importers.stored import StoredTensor
from kvplan.specs.model import ModelSpec
from kvplan.specs.names import as_name

_ARCHITECTURE = "general.architecture"

# Keys of an architecture that change no cache: positions, experts, widths of MLPs, scales and norms.
_HARMLESS_PREFIXES = (
    "rope.", "expert_", "experts_", "vision.", "mm.", "audio.", "attention.layer_norm",
    "attention.group_norm", "attention.temperature", "attention.indexer.top_k", "swiglu_clamp", "xielu",
    "dense_", "pooling_type", "classifier.",
)  # fmt: skip
_HARMLESS = """
    vocab_size feed_forward_length embedding_length_out embedding_length_per_layer_input
    leading_dense_block_count moe_every_n_layers interleave_moe_layer_step moe_latent_size
    use_parallel_residual tensor_data_layout logit_scale residual_scale embedding_scale
    attn_logit_softcapping final_logit_softcapping router_logit_softcapping
    attention.scale attention.output_scale attention.value_scale attention.causal attention.clamp_kqv
    attention.max_alibi_bias attention.q_lora_rank attention.relative_buckets_count
    attention.decay_lora_rank attention.iclr_lora_rank attention.value_residual_mix_lora_rank
    attention.gate_lora_rank attention.rope_pattern time_mix_extra_dim time_decay_extra_dim
    rescale_every_n_layers ssm.dt_b_c_rms kda.safe_gate kda.gate_lower_bound hidden_act
    num_deepstack_layers deepstack_mapping n_deepstack_layers activation_sparsity_scale altup.active_idx
    altup.num_inputs base_model.count swin_norm decoder_start_token_id
"""

# llama.cpp writes its hyperparameters into every file that it saves (llama-model-saver.cpp), those that a
# model does not have as the zeros that they are then.
_ABSENT_AT_ZERO = """
    attention.kv_lora_rank attention.sliding_window attention.key_length_mla attention.value_length_mla
    attention.shared_kv_layers attention.indexer.head_count attention.indexer.key_length
    ssm.inner_size ssm.conv_kernel ssm.state_size ssm.time_step_rank ssm.group_count
    wkv.head_size kda.head_dim nextn_predict_layers
"""


def import_gguf(source: Path) -> Imported:
    """
    Return the spec of a GGUF file, of one part of a split one, or of a folder with one model in it.

    Its weights and parameters are those that the file stores. Raises ImportedError for a file that
    is not a whole GGUF model, and for an architecture or a key that kvplan does not know.
    """
    path = find_gguf(source) if is_folder(source) else source
    if path is None:
        raise ImportedError(f"{source} has no GGUF file")
    return import_metadata(read_gguf(path))


def import_metadata(model: Gguf) -> Imported:
    """Return the spec of a model whose metadata has been read."""
    name = _architecture(model)
    fields = _fields(model, name)
    reading = ARCHITECTURES[name](fields)
    mlps = mlp_facts(model, fields, reading)
    _refuse_unknown(fields, model, name)
    fields.state("dtype", "float16: llama.cpp's default type of K and V, whatever the weights are")
    fields.state("weight_bytes", model.weights.origin)
    fields.state("parameters", model.weights.origin)
    fields.state("parts", model.weights.origin)
    fields.state("computed_as", f"{_ARCHITECTURE} = {name}")
    fields.state("vocab", "token_embd.weight")
    fields.state("tied", "output.weight")
    require_same_tensors(model, reading)
    return Imported(
        spec=_spec(model, reading, name, computed_as=computed_as(model, name, fields, reading), **mlps),
        origins=dict(fields.origins),
        notes=reading.notes,
        not_counted=reading.not_counted,
        model_type=name,
        fields=fields,
        # No key of a GGUF file tells in which dtype a release keeps its states.
        estimates=("states_fixed",),
    )


def _architecture(model: Gguf) -> str:
    kind = model.values.get("general.type", "model")
    if kind != "model":
        raise ImportedError(
            f"{model.path}: general.type is {kind!r}, a companion of a model; give the model itself"
        )
    name = model.values.get(_ARCHITECTURE)
    if not isinstance(name, str) or name not in ARCHITECTURES:
        hint = did_you_mean(str(name), list(ARCHITECTURES))
        raise ImportedError(
            f"{model.path}: {_ARCHITECTURE}: no reader for {str(name)[:40]!r}{hint}: describe the model in a "
            "spec file instead (`kvplan schema` prints its form)"
        )
    return name


def _fields(model: Gguf, architecture: str) -> Fields:
    """Return the keys of the architecture, without its name before each."""
    prefix = f"{architecture}."
    own: dict[str, Any] = {
        key.removeprefix(prefix): value for key, value in model.values.items() if key.startswith(prefix)
    }
    return Fields(own, file=str(model.path), path=prefix)


def _refuse_unknown(fields: Fields, model: Gguf, architecture: str) -> None:
    prefix = f"{architecture}."
    keys = [key.removeprefix(prefix) for key in (*model.values, *model.lengths) if key.startswith(prefix)]
    unknown = [
        key
        for key in keys
        if key not in fields.used
        and key not in _HARMLESS.split()
        and not key.startswith(_HARMLESS_PREFIXES)
        and not (model.values.get(prefix + key) == 0 and key in _ABSENT_AT_ZERO.split())
    ]
    if unknown:
        raise fields.error(
            unknown[0], f"the reader of {architecture} does not know this key, and it could change the memory"
        )


def _spec(
    model: Gguf,
    reading: Reading,
    architecture: str,
    **more: Any,  # noqa: ANN401 - facts of other readers
) -> ModelSpec:
    kinds = {
        name: tuple(kind) if isinstance(kind, tuple) else kind for name, kind in reading.attention.items()
    }
    only = next(iter(kinds.values()))
    single = len(kinds) == 1 and not isinstance(only, tuple)
    values: dict[str, Any] = {
        "name": _slug(model.path.stem),
        "source": f"{model.path.name} (GGUF, {architecture})",
        "dtype": "float16",
        "max_context": reading.max_context,
        "parameters": _parameters(model, len(reading.layers)),
        "weight_bytes": _bytes(model, len(reading.layers)),
        "hidden": reading.hidden,
        "tensors": parts(model, len(reading.layers)),
        "draft": reading.draft,
        **ends(model, reading),
        **more,
        "layers": len(reading.layers) if single else tuple(runs(reading.layers)),
        "attention": only if single else kinds,
    }
    try:
        return ModelSpec.model_validate(values)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(map(str, first["loc"]))
        raise ImportedError(f"{model.path}: {place}: {first['msg']}") from None


def _bytes(model: Gguf, layers: int) -> int:
    """Return the bytes of the weights without draft layers, which llama.cpp skips unless they draft."""
    return sum(tensor.size_bytes for tensor in model.weights.tensors if not _drafts(tensor, layers))


def _parameters(model: Gguf, layers: int) -> int:
    """Return the elements of the weights, without tables of frequencies and without draft layers."""
    return sum(tensor.elements for tensor in model.weights.tensors if _is_weight(tensor, layers))


def _is_weight(tensor: StoredTensor, layers: int) -> bool:
    return not tensor.name.startswith("rope_") and not _drafts(tensor, layers)


def _drafts(tensor: StoredTensor, layers: int) -> bool:
    block = re.match(r"blk\.(\d{1,6})\.", tensor.name)
    return block is not None and int(block[1]) >= layers


def _slug(stem: str) -> str:
    """Return a spec's name from a file's, without the number of its part."""
    whole = re.sub(r"-\d{5}-of-\d{5}$", "", stem)
    return as_name(whole, otherwise="imported")
