"""
How a family's layers are counted: a mixer, an MLP and norms, put together per family in a table.

A mixer counts one attention or recurrent kind, an MLP what follows it; both read from the config
file what the spec does not hold: biases, widths, experts.
"""

from collections.abc import Callable
from typing import NamedTuple

from kvplan.attention import Kind
from kvplan.errors import SpecError
from kvplan.importers.fields import Fields
from kvplan.importers.parameters.base import NONE, Parameters
from kvplan.importers.parameters.blocks import rms_norm
from kvplan.importers.parameters.ends import Ends
from kvplan.records import record
from kvplan.specs import ModelSpec

MAX_FACTOR = 1000
"""The largest factor between two widths that a file may give."""

Flag = Callable[[Fields], bool]
"""Whether a family has a part: always, never, or as a field of the file says."""

Norm = Callable[[int], Parameters]
"""A norm of a width."""

Mixer = Callable[[Fields, Kind, int], Parameters]
"""What one kind of a layer has for a model of a width: projections, biases, inner norms."""


class Block(NamedTuple):
    """One layer: its number, from 0, and the kinds that it runs side by side."""

    number: int
    kinds: tuple[Kind, ...]


Mlp = Callable[[Fields, int, Block], Parameters]
"""What follows the mixer, for a model of a width, in one layer."""

Beside = Callable[[Fields, int], Parameters]
"""What stands beside the layers of a model of a width: learned positions, a bias of the head."""


@record
class Shape:
    """The part of a spec that a count needs: the model's width, and the kinds of each layer."""

    hidden: int
    layers: tuple[tuple[Kind, ...], ...]

    @classmethod
    def of(cls, spec: ModelSpec) -> "Shape":
        """Return the shape of a spec; raise SpecError if it does not tell the model's width."""
        if spec.hidden is None:
            raise SpecError(
                f"{spec.name}: found no 'hidden'; expected the model's width, to count parameters"
            )
        layers = tuple(spec.attention[name] for name in spec.layer_types)
        return cls(hidden=spec.hidden, layers=layers)


def always(fields: Fields) -> bool:  # noqa: ARG001 - a Flag
    """Say yes: the family's code has this part whatever the file says."""
    return True


def never(fields: Fields) -> bool:  # noqa: ARG001 - a Flag
    """Say no: the family's code lacks this part whatever the file says."""
    return False


def flag(*names: str, absent: bool = False) -> Flag:
    """Return the flag that a field gives; *absent* is the config class's own value of it."""
    return lambda fields: fields.take_bool(*names, absent=absent)


def stated(name: str) -> Flag:
    """Return the flag that a field gives which every file of the family has."""
    return lambda fields: fields.take_bool(name)


def nothing(fields: Fields, hidden: int) -> Parameters:  # noqa: ARG001 - a Beside
    """Return nothing beside the layers."""
    return NONE


def no_mlp(fields: Fields, hidden: int, block: Block) -> Parameters:  # noqa: ARG001 - an Mlp
    """Return nothing: the mixer is the whole layer, as in Mamba."""
    return NONE


class LayerCount(NamedTuple):
    """The parts of one layer: all its mixers, what follows them, and its norms of the model's width."""

    mixer: Parameters
    mlp: Parameters
    norms: Parameters


Counter = Callable[[Fields, Shape, Ends], Parameters]
"""What counts a model: the text model's fields, its shape, and its embedding and output head."""


@record
class Decoder:
    """
    A family of decoders.

    `norms` is how many norms of the model's width a layer has, and `final_norm` says whether one
    follows the layers.
    """

    mixer: Mixer
    mlp: Mlp
    norm: Norm = rms_norm
    norms: int = 2
    final_norm: bool = True
    beside: Beside = nothing

    def __call__(self, fields: Fields, shape: Shape, ends: Ends) -> Parameters:
        """Return the parameters of the model that the file describes."""
        hidden = shape.hidden
        total = self.outside_layers(fields, hidden, ends)
        for number, kinds in enumerate(shape.layers):
            total += self.layer(fields, hidden, Block(number, kinds))
        return total

    def layers(self, fields: Fields, shape: Shape) -> tuple[LayerCount, ...]:
        """Return what each layer has, from the first to the last, its parts apart."""
        blocks = (Block(number, kinds) for number, kinds in enumerate(shape.layers))
        return tuple(self.apart(fields, shape.hidden, block) for block in blocks)

    def outside_layers(self, fields: Fields, hidden: int, ends: Ends) -> Parameters:
        """Return the embeddings, the output head, the final norm and what else is not in a layer."""
        return (
            ends.weights(hidden)
            + (self.norm(hidden) if self.final_norm else NONE)
            + self.beside(fields, hidden)
        )

    def layer(self, fields: Fields, hidden: int, block: Block) -> Parameters:
        """Return the parameters of one layer, whose kinds run side by side."""
        return sum(self.apart(fields, hidden, block), NONE)

    def apart(self, fields: Fields, hidden: int, block: Block) -> LayerCount:
        """Return the parts of one layer."""
        return LayerCount(
            mixer=sum((self.mixer(fields, kind, hidden) for kind in block.kinds), NONE),
            mlp=self.mlp(fields, hidden, block),
            norms=self.norm(hidden) * self.norms,
        )


def inner(fields: Fields, name: str) -> Fields:
    """Return a view of an object inside another; what it leaves unread counts nowhere."""
    value = fields.take(name)
    if not isinstance(value, dict):
        raise fields.error(name, "found no object; expected one")
    return Fields(value, file=fields.file, path=f"{fields.path}{name}.")


def inner_list(fields: Fields, name: str) -> list[Fields]:
    """Return a view of each object of a list of objects; what they leave unread counts nowhere."""
    values = fields.take_list(name)
    if not all(isinstance(value, dict) for value in values):
        raise fields.error(name, "found something else in the list; expected objects alone")
    return [
        Fields(value, file=fields.file, path=f"{fields.path}{name}[{number}].")
        for number, value in enumerate(values)
        if isinstance(value, dict)
    ]
