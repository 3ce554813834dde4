"""
What llama.cpp's graph of an architecture is beside its dimensions.

Read in src/models/ of llama.cpp v0.5.0. Of architectures that stand nowhere here the graph is not known.
"""

from dataclasses import replace
from typing import Literal

from kvplan.records import record

Picked = Literal["in layer", "in sum", "behind layers", "behind norm"]
"""Where tokens without logits are left out."""


@record
class Traits:
    """
    What the graph of an architecture is beside its dimensions, in the words of whole.py and blocks.py.

    Layers without a window may neither norm nor rotate queries and keys (`whole_stand`), but scale queries by
    their position (`whole_scaled`), or make keys and values by one matrix (`whole_share`). `mixes` says that
    mixtures are known; CUDA keeps tensors for `fused` kernels of theirs. Layers may `remember` by Gated
    DeltaNet beside gated attention, which `repeats` keys, or attend to `latents` alone. One matrix may make
    queries, keys and values (`joined`), or gate and MLP (`joined_gate`). Of so many layers one neither norms
    nor rotates (`stands_every`). Images have states for the first layers (`stacked`), for which there is room
    beside the embedding. Layers may convolve or scan (`scans`), of Mamba with normed time steps
    (`scan_normed`), and have one of attention, scan and MLP alone (`alternates`).
    """

    mixes: bool = True
    fused: bool = True
    chooses: Literal["softmax", "sigmoid", "softmax of chosen"] = "softmax"
    biased: bool = False
    normed_weights: bool = True
    picked: Picked = "in layer"
    states_first: bool = False
    centred: bool = False
    parallel: bool = False
    normed_before: bool = True
    norms_value: bool = False
    whole_stand: bool = False
    whole_scaled: bool = False
    weighs_first: bool = False
    whole_share: bool = False
    own_norms: bool = False
    gates_shared: bool = False
    remembers: bool = False
    repeats: bool = False
    latents: bool = False
    sparse: bool = False
    scans: bool = False
    scan_normed: bool = False
    alternates: bool = False
    joined: bool = False
    joined_gate: bool = False
    stands_every: int = 0
    stacked: int = 0
    onto_states: bool = False
    mixed_onto_states: bool = False
    positions: int = 1


_PLAIN = Traits()
_SIGMOID = Traits(chooses="sigmoid", biased=True)
_LATENTS = Traits(chooses="sigmoid", biased=True, latents=True)
_GEMMA_4 = Traits(picked="behind norm", norms_value=True, whole_share=True, own_norms=True)
_DELTA = Traits(picked="behind norm", remembers=True, gates_shared=True, positions=4)
_PLACED_BY_FOUR = Traits(positions=4)
_STACKED = Traits(positions=4, stacked=3)

_TRAITS = {
    "cohere2": Traits(centred=True, parallel=True, whole_stand=True),
    "exaone4": Traits(normed_before=False),
    "gemma2": _PLAIN,
    "gemma3_text": _PLAIN,
    "gemma4_text": _GEMMA_4,
    "gemma4_unified_text": _GEMMA_4,
    "glm4_moe": _SIGMOID,
    "gpt_oss": Traits(chooses="softmax of chosen", normed_weights=False, picked="behind layers"),
    "llama": _PLAIN,
    "minimax_m2": _SIGMOID,
    "mistral": _PLAIN,
    "mixtral": _PLAIN,
    "olmo2": Traits(normed_before=False),
    "qwen2": _PLAIN,
    "qwen3": _PLAIN,
    "qwen3_5": _DELTA,
    "qwen3_5_moe": _DELTA,
    "qwen3_5_moe_text": _DELTA,
    "qwen3_5_text": _DELTA,
    "qwen3_moe": _PLAIN,
    "starcoder2": Traits(centred=True),
}

_SINCE_FUSED = {
    "bamba": Traits(scans=True, states_first=True),
    "chatglm": Traits(joined=True, joined_gate=True),
    "cohere": Traits(centred=True, parallel=True),
    "deepseek": Traits(normed_weights=False),
    "deepseek_v2": Traits(normed_weights=False, latents=True),
    "deepseek_v3": _LATENTS,
    "deepseek_v32": replace(_LATENTS, sparse=True),
    "ernie4_5": _PLAIN,
    "ernie4_5_moe": Traits(biased=True),
    "exaone": _PLAIN,
    "falcon_mamba": Traits(scans=True, scan_normed=True, alternates=True, states_first=True),
    "falcon_h1": Traits(scans=True, picked="in sum"),
    "gemma": _PLAIN,
    "gemma4_unified_text": _TRAITS["gemma4_text"],
    "glm4": Traits(joined_gate=True),
    "glm4_moe_lite": _LATENTS,
    "glm_moe_dsa": replace(_LATENTS, sparse=True),
    "granite": _PLAIN,
    "granitemoehybrid": Traits(scans=True, whole_stand=True),
    "hunyuan_v1_dense": _PLAIN,
    "internlm2": _PLAIN,
    "jamba": Traits(
        scans=True,
        scan_normed=True,
        whole_stand=True,
        normed_weights=False,
        states_first=True,
        onto_states=True,
        mixed_onto_states=True,
    ),
    "kimi_k2": _LATENTS,
    "lfm2": Traits(scans=True, states_first=True, onto_states=True, mixed_onto_states=True),
    "llama4_text": Traits(
        chooses="sigmoid", weighs_first=True, normed_weights=False, whole_stand=True, whole_scaled=True
    ),
    "mamba": Traits(scans=True, alternates=True, states_first=True),
    "mamba2": Traits(scans=True, alternates=True, states_first=True),
    "mimo": _PLAIN,
    "minicpm": Traits(mixes=False),
    "nemotron_h": replace(
        _SIGMOID,
        scans=True,
        alternates=True,
        whole_stand=True,
        states_first=True,
        picked="behind norm",
    ),
    "olmo3": Traits(normed_before=False),
    "orion": Traits(centred=True),
    "phi3": Traits(joined=True, joined_gate=True, onto_states=True, mixes=False),
    "phimoe": Traits(onto_states=True),
    "qwen": Traits(joined=True),
    "qwen2_5_vl": _PLACED_BY_FOUR,
    "qwen2_moe": Traits(normed_weights=False, gates_shared=True),
    "qwen2_vl": _PLACED_BY_FOUR,
    "qwen3_next": Traits(remembers=True, repeats=True, gates_shared=True, picked="behind norm"),
    "qwen3_vl_moe_text": _STACKED,
    "qwen3_vl_text": _STACKED,
    "seed_oss": _PLAIN,
    "smollm3": Traits(stands_every=4),
    "xverse": _PLAIN,
}
"""Those whose graph in older builds is not known."""

_BEFORE_FUSED = {
    **{name: traits for name, traits in _TRAITS.items() if not traits.remembers},
    "gemma4_text": replace(_GEMMA_4, mixes=False),
    "gemma4_unified_text": replace(_GEMMA_4, mixes=False),
    "gpt_oss": replace(_TRAITS["gpt_oss"], picked="in layer"),
}


def traits_of(architecture: str | None, *, fused: bool) -> Traits | None:
    """Return what is known of the graph of an architecture, by LlamaRules.fused; None where it is not."""
    known = {**_TRAITS, **_SINCE_FUSED} if fused else _BEFORE_FUSED
    traits = known.get(architecture or "")
    return None if traits is None else replace(traits, fused=fused)
