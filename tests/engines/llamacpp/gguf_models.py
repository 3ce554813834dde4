"""
GGUF files of published models' dimensions: keys, and tensors' names and shapes, without the data.

Names and shapes are those that llama.cpp v0.5.0 asks for (load_arch_tensors in src/models/), which loaded
such files for the sizes in compute_buffers.yaml.
"""

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from math import prod
from pathlib import Path
from typing import Any

from tests.importers.model_files import gguf_header

_F16, _SIGMOID = 1, 2
_Value = int | float | str | list[Any]


@dataclass
class Model:
    """A model of `hidden` states: what its file says, and its tensors so far."""

    name: str
    hidden: int
    vocab: int
    tied: bool = False
    keys: dict[str, _Value] = field(default_factory=dict)
    shapes: dict[str, Sequence[int]] = field(default_factory=dict)
    layers: int = 0

    def layer(self, *tensors: tuple[str, Sequence[int]]) -> None:
        """Add a layer of these tensors."""
        self.shapes |= {f"blk.{self.layers}.{name}": shape for name, shape in tensors}
        self.layers += 1

    def write(self, folder: Path) -> Path:
        """Write the file, whose data are a hole."""
        ends = {"token_embd.weight": [self.hidden, self.vocab], "output_norm.weight": [self.hidden]}
        ends |= {} if self.tied else {"output.weight": [self.hidden, self.vocab]}
        tensors = {name: (_F16, shape, 2 * prod(shape)) for name, shape in {**ends, **self.shapes}.items()}
        own = {"block_count": self.layers, "embedding_length": self.hidden, "context_length": 131_072}
        values = {f"{self.name}.{key}": _typed(value) for key, value in {**own, **self.keys}.items()}
        header = gguf_header({"general.architecture": ("str", self.name), **values}, tensors)
        path = folder / "model.gguf"
        path.write_bytes(header)
        os.truncate(path, len(header) + sum(-(-size // 32) * 32 for *_, size in tensors.values()))
        return path


def _typed(value: _Value) -> tuple[str, object]:
    if isinstance(value, list):
        return f"[{_typed(value[0])[0]}]", value
    return {bool: "bool", int: "u32", float: "f32", str: "str"}[type(value)], value


def _heads(heads: int, groups: int, width: int) -> dict[str, _Value]:
    sizes = {"head_count": heads, "head_count_kv": groups, "key_length": width, "value_length": width}
    return {f"attention.{key}": value for key, value in sizes.items()}


def _attention(hidden: int, heads: int, groups: int, width: int) -> Iterator[tuple[str, Sequence[int]]]:
    yield "attn_q.weight", [hidden, heads * width]
    yield "attn_k.weight", [hidden, groups * width]
    yield "attn_v.weight", [hidden, groups * width]
    yield "attn_output.weight", [heads * width, hidden]


def _mlp(hidden: int, width: int, end: str = "") -> Iterator[tuple[str, Sequence[int]]]:
    yield f"ffn_gate{end}.weight", [hidden, width]
    yield f"ffn_up{end}.weight", [hidden, width]
    yield f"ffn_down{end}.weight", [width, hidden]


def _experts(hidden: int, width: int, count: int, *, shared: int = 0) -> Iterator[tuple[str, Sequence[int]]]:
    yield "ffn_gate_inp.weight", [hidden, count]
    yield "ffn_gate_exps.weight", [hidden, width, count]
    yield "ffn_up_exps.weight", [hidden, width, count]
    yield "ffn_down_exps.weight", [width, hidden, count]
    if shared:
        yield from _mlp(hidden, shared, "_shexp")


def _dense(
    name: str,
    sizes: tuple[int, int, int, int],
    heads: tuple[int, int, int],
    *,
    tied: bool = False,
    **own: int,
) -> Model:
    """Return a dense model of so many layers, states, rows of vocabulary, and wide MLPs."""
    layers, hidden, vocab, width = sizes
    keys: dict[str, _Value] = {f"attention.{key}": value for key, value in own.items()}
    model = Model(name, hidden, vocab, tied=tied, keys={**_heads(*heads), **keys})
    for _ in range(layers):
        model.layer(*_attention(hidden, *heads), *_mlp(hidden, width))
    return model


def _mixture(
    name: str,
    sizes: tuple[int, int, int],
    heads: tuple[int, int, int],
    experts: tuple[int, int, int],
    **own: int,
) -> Model:
    """Return a mixture of so many layers, states and rows of vocabulary, and experts, chosen ones, width."""
    layers, hidden, vocab = sizes
    count, used, width = experts
    keys: dict[str, _Value] = {f"attention.{key}": value for key, value in own.items()}
    chosen: dict[str, _Value] = {"expert_count": count, "expert_used_count": used}
    model = Model(name, hidden, vocab, keys={**_heads(*heads), **keys, **chosen})
    for _ in range(layers):
        model.layer(*_attention(hidden, *heads), *_experts(hidden, width, count))
    return model


def _latent(
    sizes: tuple[int, int, int, int],
    heads: tuple[int, int, int],
    experts: tuple[int, int, int, int],
    **own: _Value,
) -> Model:
    """Return latent attention of so many heads, plain and value dimensions: a dense layer, then mixtures."""
    layers, hidden, vocab, width = sizes
    count, used, each, shared = experts
    count_of_heads, nope, value = heads
    keys: dict[str, _Value] = {
        "attention.head_count": count_of_heads,
        "attention.head_count_kv": 1,
        "attention.key_length": 576,
        "attention.value_length": 512,
        "attention.key_length_mla": nope + 64,
        "attention.value_length_mla": value,
        "attention.kv_lora_rank": 512,
        "rope.dimension_count": 64,
        "expert_count": count,
        "expert_used_count": used,
    }
    biased = own["expert_gating_func"] == _SIGMOID
    model = Model("deepseek2", hidden, vocab, keys={**keys, **own})
    for layer in range(layers):
        mixture = [*_experts(hidden, each, count, shared=shared * each)]
        mixture += [("exp_probs_b.bias", [count])] if biased else []
        model.layer(
            ("attn_kv_a_mqa.weight", [hidden, 576]),
            ("attn_output.weight", [count_of_heads * value, hidden]),
            *([("attn_q_a.weight", [hidden, 768])] if biased else []),
            *(mixture if layer else _mlp(hidden, width)),
        )
    return model


_SSM = {"conv_kernel": 4, "state_size": 128}


def _granite_4_small() -> Model:
    """Return Granite 4.0 H Small: layers 5, 15, 25 and 35 of 40 attend, all have a shared MLP of 1536."""
    hidden, attends = 4096, {5, 15, 25, 35}
    keys: dict[str, _Value] = {
        **_heads(32, 8, 128),
        "attention.head_count_kv": [8 if layer in attends else 0 for layer in range(40)],
        **{f"ssm.{key}": value for key, value in _SSM.items()},
        "ssm.inner_size": 8192,
        "ssm.time_step_rank": 128,
        "ssm.group_count": 1,
        "rope.scaling.finetuned": False,
        "expert_count": 72,
        "expert_used_count": 10,
    }
    model = Model("granitehybrid", hidden, 100_352, tied=True, keys=keys)
    for layer in range(40):
        scan = [("ssm_in.weight", [hidden, 16_768]), ("ssm_out.weight", [8192, hidden])]
        mixer = [*_attention(hidden, 32, 8, 128)] if layer in attends else scan
        model.layer(*mixer, *_experts(hidden, 768, 72, shared=1536))
    return model


MODELS: dict[str, Callable[[], Model]] = {
    "llama-3.1-8b": lambda: _dense("llama", (32, 4096, 128_256, 14_336), (32, 8, 128)),
    "qwen2.5-7b": lambda: _dense("qwen2", (28, 3584, 152_064, 18_944), (28, 4, 128)),
    "qwen3-8b": lambda: _dense("qwen3", (36, 4096, 151_936, 12_288), (32, 8, 128)),
    "gemma-3-27b": lambda: _dense(
        "gemma3", (62, 5376, 262_208, 21_504), (32, 16, 128), tied=True, sliding_window=1024
    ),
    "gemma-2-9b": lambda: _dense(
        "gemma2", (42, 3584, 256_000, 14_336), (16, 8, 256), tied=True, sliding_window=4096
    ),
    "exaone-4.0-32b": lambda: _dense(
        "exaone4", (64, 5120, 102_400, 27_392), (40, 8, 128), sliding_window=4096
    ),
    "qwen3-30b-a3b": lambda: _mixture("qwen3moe", (48, 2048, 151_936), (32, 4, 128), (128, 8, 768)),
    "mixtral-8x7b": lambda: _mixture("llama", (32, 4096, 32_000), (32, 8, 128), (8, 2, 14_336)),
    "gpt-oss-20b": lambda: _mixture(
        "gpt-oss", (24, 2880, 201_088), (64, 8, 64), (32, 4, 2880), sliding_window=128
    ),
    "deepseek-v2-lite": lambda: _latent(
        (27, 2048, 102_400, 10_944),
        (16, 128, 128),
        (64, 6, 1408, 2),
        expert_gating_func=1,
        expert_weights_scale=1.0,
    ),
    "glm-4.7-flash": lambda: _latent(
        (47, 2048, 154_880, 10_240),
        (20, 192, 256),
        (64, 4, 1536, 1),
        **{"attention.q_lora_rank": 768},
        expert_gating_func=_SIGMOID,
        expert_weights_norm=True,
        expert_weights_scale=1.8,
    ),
    "granite-4.0-h-small": _granite_4_small,
}
"""Of each model the dimensions that its config.json has."""
