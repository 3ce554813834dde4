"""Arrange a model of the catalogue, or a few layers, with kvplan's llama.cpp engine."""

from typing import Any

from kvplan.dtypes import kv_format
from kvplan.engines.llamacpp import Arranged, Buffer, LlamaOptions, arrange, buffers, waterfall
from kvplan.loads import uniform
from kvplan.planner.choice import Choice
from kvplan.planner.deployment import deploy
from kvplan.specs import ModelSpec
from kvplan.specs.load import load
from kvplan.terms import Stage, Target


def reserved(model: str, context: int, batch: int = 1, **choices: Any) -> int:
    """Return the bytes of a catalogue model on the fullest device, as the planner asks for them."""
    deployment = deploy(load(model), Choice(engine="llamacpp", **choices))
    return deployment.reserved_bytes(uniform(context, batch))


def arranged(
    model: ModelSpec | str, *, kv_dtype: str = "fp16", windows: bool = True, **options: Any
) -> Arranged:
    """Return the caches of a model on one device."""
    spec = load(model) if isinstance(model, str) else model
    layers, names = spec.lower_types(Target(kv=kv_format(kv_dtype))), spec.layer_types
    counts = tuple((layers[name], names.count(name)) for name in dict.fromkeys(names))
    return arrange([Stage(types=names, counts=counts)], LlamaOptions(**options), windows=windows)


def printed(model: ModelSpec | str, context: int, batch: int = 1, **choices: Any) -> dict[str, Buffer]:
    """Return the buffers of a model by their caches' names."""
    found = buffers(arranged(model, **choices), context=context, batch=batch)
    return {buffer.name: buffer for buffer in found}


def lines(model: ModelSpec | str, context: int, batch: int = 1, **choices: Any) -> dict[str, int]:
    """Return the waterfall of a model on one device."""
    shown = waterfall(arranged(model, **choices), rank=0, load=uniform(context, batch))
    return {line.name: line.size_bytes for line in shown}


def toy(layers: Any, /, **attention: Any) -> ModelSpec:
    """Return a model of made-up layers: of one kind, or of those that each name stands for."""
    return ModelSpec.model_validate(
        {
            "name": "toy",
            "source": "made up",
            "dtype": "bfloat16",
            "max_context": 2**20,
            "parameters": 1,
            "layers": layers,
            "attention": attention,
        }
    )
