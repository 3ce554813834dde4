"""A GGUF file's tensors beside its metadata: the embedding, and sizes that show a lost or changed key."""

import re
from typing import Any

from kvplan.errors import ImportedError
from kvplan.importers.families.common import Facts, Reading
from kvplan.importers.gguf import Gguf
from kvplan.importers.stored import StoredTensor


def require_same_tensors(model: Gguf, reading: Reading) -> None:
    """
    Raise ImportedError if a layer's key projection has another size than its attention says.

    The names are those of llama.cpp 0c1e57098, llama-arch.cpp. A layer without these tensors is not
    checked.
    """
    elements = {tensor.name: tensor.elements for tensor in model.weights.tensors}
    for number, name in enumerate(reading.layers):
        kinds = reading.attention[name]
        for facts in (kinds,) if isinstance(kinds, dict) else kinds:
            for tensor, outputs in _outputs(facts).items():
                found = elements.get(f"blk.{number}.{tensor}.weight")
                if found is not None and found != reading.hidden * outputs:
                    raise ImportedError(
                        f"{model.path}: blk.{number}.{tensor}.weight has {found} elements, but the metadata "
                        f"gives {reading.hidden} x {outputs}"
                    )


def ends(model: Gguf, reading: Reading) -> dict[str, Any]:
    """
    Return the rows of the embedding, and whether it is the output head, too; nothing if it is not there.

    Where a file has no output matrix, llama.cpp loads the embedding in its place (TENSOR_DUPLICATED in
    the loaders of its models). Of models that keep nothing, encoders among them, it is not said.
    """
    elements = {tensor.name: tensor.elements for tensor in model.weights.tensors}
    rows, rest = divmod(elements.get("token_embd.weight", 0), reading.hidden)
    if not rows or rest:
        return {}
    if "output.weight" in elements:
        return {"vocab": rows, "tied": False}
    kinds = [kinds for kinds in reading.attention.values() if isinstance(kinds, dict)]
    encodes = len(kinds) == len(reading.attention) and all(kind["kind"] == "none" for kind in kinds)
    return {"vocab": rows, "tied": None if encodes else True}


def by_layer(model: Gguf) -> dict[int, dict[str, StoredTensor]]:
    """Return the tensors of each layer, those that draft behind the others, by their names in it."""
    found: dict[int, dict[str, StoredTensor]] = {}
    for tensor in model.weights.tensors:
        match = re.fullmatch(r"blk\.(\d{1,6})\.(.+)", tensor.name)
        if match is not None:
            found.setdefault(int(match[1]), {})[match[2]] = tensor
    return found


def parts(model: Gguf, layers: int) -> dict[str, Any]:
    """
    Return the bytes of the tensors by where llama.cpp puts them, without draft layers, which it skips.

    Before the layers stand the tensors of LLM_TENSOR_LAYER_INPUT, behind them those of
    LLM_TENSOR_LAYER_OUTPUT; tables of rotations have a copy on every device (llama-arch.cpp,
    LLM_TENSOR_INFOS, and the loaders of its models, of 0c1e57098).
    """
    by_layer = [0] * layers
    sizes = {"embedding_bytes": 0, "inputs_bytes": 0, "head_bytes": 0, "everywhere_bytes": 0}
    for tensor in model.weights.tensors:
        block = re.match(r"blk\.(\d{1,6})\.", tensor.name)
        if block is None:
            sizes[_place(tensor.name)] += tensor.size_bytes
        elif int(block[1]) < layers:
            by_layer[int(block[1])] += tensor.size_bytes
    return {**sizes, "layers_bytes": tuple(by_layer)}


def _place(tensor: str) -> str:
    if tensor == "token_embd.weight":
        return "embedding_bytes"
    if tensor.startswith("rope_"):
        return "everywhere_bytes"
    inputs = ("token_embd", "position_embd", "token_types", "per_layer_token_embd")
    return "inputs_bytes" if tensor.startswith(inputs) else "head_bytes"


def _outputs(facts: Facts) -> dict[str, int]:
    """Return how wide the projections of one kind are: keys, fused queries, keys and values, latents."""
    match facts["kind"]:
        case "mha" | "mqa" | "gqa" | "sliding" | "chunked":
            heads, key_dim = facts["heads"], facts["head_dim"]
            groups = {"mha": heads, "mqa": 1}.get(facts["kind"]) or facts["groups"]
            value_dim = facts.get("v_head_dim", key_dim)
            fused = heads * key_dim + groups * (key_dim + value_dim)
            return {"attn_k": groups * key_dim, "attn_v": groups * value_dim, "attn_qkv": fused}
        case "mla":
            return {"attn_kv_a_mqa": facts["d_c"] + facts["d_rope"]}
        case _:
            return {}
