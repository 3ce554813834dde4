"""Configs of draft models that are given a target's hidden states: EAGLE, EAGLE-3, DFlash."""

from typing import Any, Literal

from kvplan.dtypes import dtype_by_name
from kvplan.importers.fields import Fields
from kvplan.records import record
from kvplan.specs.model import ModelSpec
from kvplan.specs.parts import Amount, LayerParts, ModelParts
from kvplan.specs.runs import LayerRun

Kind = Literal["eagle", "eagle3", "dflash"]

_CLASSES: dict[str, Kind] = {
    "EagleLlamaForCausalLM": "eagle",
    "LlamaForCausalLMEagle": "eagle",
    "LlamaForCausalLMEagle3": "eagle3",
    "Eagle3LlamaForCausalLM": "eagle3",
    "DFlashDraftModel": "dflash",
}
"""Classes of drafts, and what a spec calls their architecture: registry.py of vLLM 0.33 and SGLang 0.5.23."""

_USUAL_STATES = 3
"""Hidden states of the target beside each other, unless told: llama_eagle3.py of vLLM 0.33."""

_TABLE_BYTES = 8
"""Of a draft's token in the target's vocabulary: draft_id_to_target_id there, in int64."""

_FIELDS = (
    "draft_vocab_size",
    "target_hidden_size",
    "num_aux_hidden_states",
    "norm_before_fc",
    "norm_before_residual",
    "num_target_layers",
    "block_size",
    "mask_token_id",
)
_NORMED = ("qwen3",)
"""Model types with a norm over the queries' and the keys' heads each."""


@record
class Drafter:
    """
    What a draft has that a model of its type has not.

    `states` hidden states of the target, each `width` wide, are projected to one. A head of its own has
    `own_vocab` of the `vocab` tokens; None where it is the target's. `norms` stand before the projection.
    DFlash drafts a `block` of tokens at once.
    """

    architecture: Kind
    states: int
    width: int
    own_vocab: int | None
    vocab: int | None
    norms: int
    normed_heads: bool
    block: int | None

    def parts(self, spec: ModelSpec) -> ModelParts | None:
        """Return the weights of a draft; None for layers that its class does not have."""
        layer = None if spec.hidden is None else self._layer(spec, spec.hidden)
        if layer is None or spec.hidden is None:
            return None
        first, rest = layer
        count = spec.layer_count
        kinds = {"first": first} | ({"rest": rest} if count > 1 else {})
        runs = [LayerRun(repeat=1, pattern=("first",))]
        runs += [LayerRun(repeat=count - 1, pattern=("rest",))] if count > 1 else []
        head = (self.own_vocab or 0) * spec.hidden
        beside = self._beside(spec)
        return ModelParts(embedding=0, head=head, beside=beside, kinds=kinds, layers=tuple(runs))

    def _layer(self, spec: ModelSpec, hidden: int) -> tuple[LayerParts, LayerParts] | None:
        shapes = {
            (getattr(kind, "heads", None), getattr(kind, "groups", None), getattr(kind, "head_dim", None))
            for kind in spec.kinds()
        }
        heads, groups, width = shapes.pop() if len(shapes) == 1 else (None, None, None)
        wide = None if spec.mlp is None else spec.mlp.intermediate
        if heads is None or groups is None or width is None or wide is None:
            return None
        inputs, outputs = (heads + 2 * groups) * width, heads * width
        norms = hidden * (3 if self.architecture == "eagle3" else 2) + 2 * width * self.normed_heads
        rest = LayerParts(attention=hidden * (inputs + outputs), whole=norms, dense=3 * hidden * wide)
        # EAGLE-3's first layer sees a token's embedding beside the state, EAGLE's has no norm before it.
        more = hidden * inputs if self.architecture == "eagle3" else 0
        less = hidden if self.architecture == "eagle" else 0
        first = rest.model_copy(
            update={"attention": hidden * (inputs + outputs) + more, "whole": norms - less}
        )
        return first, rest

    def _beside(self, spec: ModelSpec) -> Amount:
        """Return what is whole on each rank: the projection, norms, and the table of the draft's tokens."""
        hidden = spec.hidden or 0
        # The last norm, and DFlash's of the states and its embedding of what is masked.
        own = hidden * {"eagle": 0, "eagle3": 1, "dflash": 3}[self.architecture]
        projected = self.states * self.width * hidden + self.norms * self.width + own
        if self.own_vocab is None or self.own_vocab == self.vocab:
            return projected
        element_bytes = dtype_by_name(spec.dtype).row_bytes(1)
        table = self.own_vocab
        return projected + table, projected * element_bytes + table * _TABLE_BYTES


def has_window_of_target(fields: Fields) -> bool:
    """Tell whether a file is a draft's whose window is off: its layers have the cache of its target."""
    return bool(_known(fields)) and fields.values.get("use_sliding_window") is False


def _known(top: Fields) -> list[Kind]:
    names = top.values.get("architectures")
    return [_CLASSES[name] for name in names if name in _CLASSES] if isinstance(names, list) else []


def read_drafter(top: Fields) -> Drafter | None:
    """Take the fields of a draft that a config describes, None where it is that of another model."""
    known = _known(top)
    if not known:
        return None
    top.skip(*_FIELDS)
    if has_window_of_target(top):
        top.skip("sliding_window")
    dflash, eagle = _part(top, "dflash_config"), _part(top, "eagle_config")
    if dflash:
        top.skip("dflash_config")
    hidden = _whole(top.values.get("hidden_size")) or 0
    listed = dflash.get("target_layer_ids") or eagle.get("eagle_aux_hidden_state_layer_ids")
    states = len(listed) if isinstance(listed, list) else _whole(top.values.get("num_aux_hidden_states"))
    if known[0] == "eagle":
        states = 2
    elif states is None:
        states = _whole(top.values.get("num_hidden_layers")) if known[0] == "dflash" else _USUAL_STATES
    if known[0] == "eagle3" and eagle.get("use_aux_hidden_state") is False:
        states = 0
    return Drafter(
        architecture=known[0],
        states=states or 0,
        width=hidden if known[0] == "eagle" else _whole(top.values.get("target_hidden_size")) or hidden,
        own_vocab=_whole(top.values.get("draft_vocab_size")) if known[0] == "eagle3" else None,
        vocab=_whole(top.values.get("vocab_size")),
        norms=(states or 0) if top.values.get("norm_before_fc") is True else 0,
        normed_heads=top.values.get("model_type") in _NORMED,
        block=_whole(dflash.get("block_size", top.values.get("block_size")))
        if known[0] == "dflash"
        else None,
    )


def _part(top: Fields, name: str) -> dict[str, Any]:
    part = top.values.get(name)
    return dict(part) if isinstance(part, dict) else {}


def _whole(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else None
