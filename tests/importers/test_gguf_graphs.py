"""GGUF: as which model type llama.cpp computes a file, and what its tensors tell of MLPs and experts."""

from collections.abc import Mapping, Sequence
from math import prod
from pathlib import Path
from typing import Any

import pytest

from kvplan import plan
from kvplan.engines.llamacpp.architectures import traits_of
from kvplan.importers.gguf_architectures import ARCHITECTURES
from kvplan.importers.gguf_graphs import ALONE
from kvplan.importers.gguf_specs import import_gguf
from kvplan.specs.drafts import own_draft
from kvplan.specs.mlp import Mlp
from kvplan.specs.model import ModelSpec
from kvplan.specs.parts import LayerParts, ModelParts
from tests.importers.model_files import gguf
from tests.importers.test_gguf import values_of

Shapes = Mapping[str, Sequence[int]]

HIDDEN = 64
ATTENTION: Shapes = {
    "attn_norm.weight": [64],
    "attn_q.weight": [64, 64],
    "attn_k.weight": [64, 64],
    "attn_v.weight": [64, 64],
    "attn_output.weight": [64, 64],
}
JOINED: Shapes = {"attn_qkv.weight": [64, 192], "attn_output.weight": [64, 64]}
GATED: Shapes = {"ffn_gate.weight": [64, 256], "ffn_up.weight": [64, 256], "ffn_down.weight": [256, 64]}
TWO_IN_ONE: Shapes = {"ffn_up.weight": [64, 512], "ffn_down.weight": [256, 64]}
EXPERTS: Shapes = {
    "ffn_gate_inp.weight": [64, 4],
    "ffn_gate_exps.weight": [64, 32, 4],
    "ffn_up_exps.weight": [64, 32, 4],
    "ffn_down_exps.weight": [32, 64, 4],
}
BIASED: Shapes = {**EXPERTS, "exp_probs_b.bias": [4]}
LATENT: dict[str, Any] = {
    "attention__head_count": 2,
    "attention__head_count_kv": 1,
    "attention__key_length": 40,
    "attention__value_length": 32,
    "attention__key_length_mla": 24,
    "attention__value_length_mla": 16,
    "attention__kv_lora_rank": 32,
    "rope__dimension_count": 8,
}
MIXES: dict[str, Any] = {"expert_count": 4, "expert_used_count": 2}


def read(folder: Path, name: str, layers: Sequence[Shapes], **own: Any) -> ModelSpec:
    """Return the spec of a file in f16 whose layers have these tensors, 64 wide unless told."""
    shapes: dict[str, Sequence[int]] = {"token_embd.weight": [64, 8], "output_norm.weight": [64]}
    for number, layer in enumerate(layers):
        shapes |= {f"blk.{number}.{tensor}": shape for tensor, shape in layer.items()}
    values = values_of(name, blocks=len(layers), hidden=HIDDEN, **{"attention__head_count": 4, **own})
    path = folder / "model.gguf"
    path.write_bytes(gguf(values, {name: (1, shape, 2 * prod(shape)) for name, shape in shapes.items()}))
    spec = import_gguf(path).spec
    assert spec.computed_as is None or traits_of(spec.computed_as, fused=True) is not None
    return spec


@pytest.mark.parametrize(
    ("name", "layer", "computed_as", "mlp"),
    [
        ("llama", {**ATTENTION, **GATED}, "llama", Mlp(intermediate=256)),
        ("phi3", {**JOINED, **TWO_IN_ONE}, "phi3", Mlp(intermediate=256)),
        ("glm4", {**ATTENTION, **TWO_IN_ONE}, "glm4", Mlp(intermediate=256)),
        (
            "starcoder2",
            {**ATTENTION, "ffn_up.weight": [64, 256], "ffn_down.weight": [256, 64]},
            "starcoder2",
            Mlp(intermediate=256, gated=False),
        ),
        ("falcon", {**JOINED, **GATED}, None, Mlp(intermediate=256)),
    ],
)
def test_widths_are_those_of_the_tensors(
    tmp_path: Path, name: str, layer: Shapes, computed_as: str | None, mlp: Mlp
) -> None:
    """Without a type that other engines would take for that of their class."""
    spec = read(tmp_path, name, [layer, layer])
    assert (spec.architecture, spec.computed_as, spec.mlp, spec.parts) == (None, computed_as, mlp, None)


def test_a_mixture_has_its_weights_by_part(tmp_path: Path) -> None:
    """A dense layer, and one of four experts, 64 x 32 x 3 parameters each, beside a shared MLP of 16."""
    shared = {f"ffn_{name}_shexp.weight": [64, 16] for name in ("gate", "up", "down")}
    layers = [{**ATTENTION, **GATED}, {**ATTENTION, **EXPERTS, **shared}]
    spec = read(tmp_path, "deepseek", layers, **MIXES, expert_feed_forward_length=32)
    assert spec.computed_as == "deepseek"
    assert spec.mlp == Mlp(intermediate=256, experts_per_token=2, expert_intermediate=32)
    assert spec.parts is not None
    assert spec.parts.parameters() == spec.parameters
    assert spec.parts.of_layers == (
        LayerParts(attention=(16384, 32768), whole=(64, 128), dense=(49152, 98304)),
        LayerParts(
            attention=(16384, 32768),
            whole=(64, 128),
            shared=(3072, 6144),
            router=(256, 512),
            expert=(6144, 12288),
            experts=4,
            width=32,
        ),
    )
    assert (spec.parts.embedding, spec.parts.head, spec.parts.beside) == ((512, 1024), 0, (64, 128))


def test_a_dense_mlp_beside_experts_is_shared(tmp_path: Path) -> None:
    """Gemma 4's; nothing is said of the widths of its layers alone."""
    spec = read(tmp_path, "qwen3moe", [{**ATTENTION, **EXPERTS, **GATED}], **MIXES)
    assert isinstance(spec.parts, ModelParts)
    assert [(kind.dense, kind.shared) for kind in spec.parts.of_layers] == [(0, (49152, 98304))]
    assert spec.mlp == Mlp(experts_per_token=2, expert_intermediate=32)


def test_groups_and_scales_are_the_files(tmp_path: Path) -> None:
    own = {**LATENT, **MIXES, "expert_weights_scale": 3, "expert_gating_func": 2, "expert_weights_norm": True}
    more = {"expert_group_count": 4, "expert_group_used_count": 2}
    spec = read(tmp_path, "deepseek2", [BIASED], **own, **more)
    assert spec.mlp == Mlp(
        experts_per_token=2, expert_intermediate=32, scaled=True, expert_groups=4, groups_per_token=2
    )
    own |= {"expert_weights_scale": 1, "expert_group_count": 1, "expert_group_used_count": 1}
    spec = read(tmp_path, "deepseek2", [BIASED], **own)
    assert spec.mlp == Mlp(experts_per_token=2, expert_intermediate=32)


@pytest.mark.parametrize(
    ("name", "layer", "own", "computed_as"),
    [
        ("deepseek2", EXPERTS, {"expert_gating_func": 1}, "deepseek_v2"),
        ("deepseek2", BIASED, {"expert_gating_func": 2, "expert_weights_norm": True}, "deepseek_v3"),
        # Mistral Small 4 norms what a softmax ranks; of files that do not say, llama.cpp takes a guess.
        ("deepseek2", EXPERTS, {"expert_gating_func": 1, "expert_weights_norm": True}, None),
        ("deepseek2", BIASED, {"expert_gating_func": 2}, None),
        ("deepseek2", EXPERTS, {}, None),
        ("deepseek2", EXPERTS, {"expert_gating_func": 1, "attention__q_lora_rank": 32}, None),
        ("glm4moe", BIASED, {"expert_gating_func": 2, "expert_weights_norm": True}, "glm4_moe"),
        ("glm4moe", BIASED, {"expert_gating_func": 2, "expert_weights_norm": False}, None),
        ("glm4moe", EXPERTS, {"expert_gating_func": 2, "expert_weights_norm": True}, None),
        ("minimax-m2", BIASED, {"expert_gating_func": 2}, "minimax_m2"),
        ("minimax-m2", BIASED, {"expert_gating_func": 1}, None),
    ],
)
def test_experts_are_ranked_as_the_file_says(
    tmp_path: Path, name: str, layer: Shapes, own: dict[str, Any], computed_as: str | None
) -> None:
    more = LATENT if name == "deepseek2" else {}
    assert read(tmp_path, name, [layer], **own, **more, **MIXES).computed_as == computed_as


MAMBA: dict[str, Any] = {
    "ssm__inner_size": 128,
    "ssm__state_size": 16,
    "ssm__time_step_rank": 4,
    "ssm__conv_kernel": 4,
}
SSM: dict[str, Any] = {**MAMBA, "ssm__group_count": 1}


@pytest.mark.parametrize(
    ("name", "own", "computed_as"),
    [
        ("granite", {}, "granite"),
        ("granite", {"rope__scaling__finetuned": False}, None),
        ("mamba", MAMBA, "mamba"),
        ("mamba", {**MAMBA, "ssm__dt_b_c_rms": True}, "falcon_mamba"),
        ("qwen3vl", {"n_deepstack_layers": 3}, "qwen3_vl_text"),
        ("qwen3vl", {"n_deepstack_layers": 2}, None),
        ("qwen3vl", {}, None),
        ("glm4moe", {"rope__dimension_sections": [8, 12, 12, 0]}, None),
        ("glm4moe", {}, "glm4_moe"),
        ("qwen2vl", {"rope__dimension_sections": [16, 24, 24, 0]}, "qwen2_vl"),
        ("lfm2", {"shortconv__l_cache": 3}, "lfm2"),
        ("lfm2", {"shortconv__l_cache": 3, "attention__sliding_window": 512}, None),
        ("llama4", {}, "llama4_text"),
        ("llama4", {"attention__sliding_window": 0}, None),
    ],
)
def test_keys_that_change_the_graph(
    tmp_path: Path, name: str, own: dict[str, Any], computed_as: str | None
) -> None:
    assert read(tmp_path, name, [{**ATTENTION, **GATED}] * 4, **own).computed_as == computed_as


@pytest.mark.parametrize(
    ("scans", "rotates", "computed_as"),
    [
        (True, True, "bamba"),
        (True, False, "granitemoehybrid"),
        (False, True, "granitemoehybrid"),
        (False, False, None),
    ],
)
def test_granites_hybrids(tmp_path: Path, *, scans: bool, rotates: bool, computed_as: str | None) -> None:
    layer = {"ssm_in.weight": [64, 64]} if scans else ATTENTION
    own = {**SSM, "attention__head_count_kv": [0 if scans else 4, 4], "rope__scaling__finetuned": rotates}
    spec = read(tmp_path, "granitehybrid", [{**layer, **GATED}, {**ATTENTION, **GATED}], **own)
    assert spec.computed_as == computed_as


@pytest.mark.parametrize(
    ("name", "layer"),
    [
        ("llama", {**JOINED, **GATED}),
        ("phi3", {**ATTENTION, **TWO_IN_ONE}),
        ("phi3", {**JOINED, **GATED}),
        ("llama", {**ATTENTION, **GATED, "ffn_up.scale": [1]}),
        ("qwen3next", {**ATTENTION, **EXPERTS, "ssm_in.weight": [64, 64]}),
        ("qwen3moe", {**ATTENTION, **EXPERTS, "ffn_gate_up_exps.weight": [64, 64, 4]}),
    ],
)
def test_tensors_that_the_known_graph_has_otherwise(tmp_path: Path, name: str, layer: Shapes) -> None:
    more = SSM if name == "qwen3next" else {}
    assert read(tmp_path, name, [layer], **MIXES, **more).computed_as is None


@pytest.mark.parametrize(
    ("own", "apart", "computed_as"),
    [({}, False, "gemma4_text"), ({}, True, None), ({"embedding_length_per_layer_input": 32}, False, None)],
)
def test_gemma_4_has_keys_for_values(
    tmp_path: Path, own: dict[str, Any], *, apart: bool, computed_as: str | None
) -> None:
    """In its layers without a window; those of E2B and E4B have an input of their own."""
    whole = {name: shape for name, shape in ATTENTION.items() if apart or name != "attn_v.weight"}
    windows = {"attention__sliding_window": 512, "attention__sliding_window_pattern": [True, False]}
    layers = [{**ATTENTION, **GATED}, {**whole, **GATED}]
    assert read(tmp_path, "gemma4", layers, **windows, **own).computed_as == computed_as


def test_layers_of_two_widths_have_none_in_common(tmp_path: Path) -> None:
    narrow = {"ffn_gate.weight": [64, 32], "ffn_up.weight": [64, 32], "ffn_down.weight": [32, 64]}
    assert read(tmp_path, "llama", [{**ATTENTION, **GATED}, {**ATTENTION, **narrow}]).mlp is None


def test_a_module_that_drafts_has_the_bytes_of_its_tensors(tmp_path: Path) -> None:
    """A layer of experts in f16 with a projection, two bytes each; the model itself is without it."""
    layer = {**ATTENTION, **EXPERTS}
    layers = [layer, {**layer, "nextn.eh_proj.weight": [128, 64]}]
    spec = read(tmp_path, "qwen3moe", layers, **MIXES, nextn_predict_layers=1)
    module = own_draft(spec, cut=False, embeds=False)
    assert module.weight_bytes == 2 * (64 + 16384 + 256 + 24576 + 8192)
    assert spec.weight_bytes == 2 * (512 + 64) + 2 * (64 + 16384 + 256 + 24576)


def test_what_files_are_computed_as_has_a_graph() -> None:
    assert {*ALONE} <= {*ARCHITECTURES}
    assert [name for name in ALONE.values() if traits_of(name, fused=True) is None] == []


def test_a_graph_that_is_not_known_is_estimated(tmp_path: Path) -> None:
    known, unknown = (
        plan(
            read(tmp_path, name, [{**joined, **GATED}] * 2, attention__head_count=1),
            gpu="8TB",
            engine="llamacpp",
            context=512,
            max_num_seqs=1,
        )
        for name, joined in (("llama", ATTENTION), ("falcon", JOINED))
    )
    assert "derived" in known.budget.needs.evidence
    assert "derived" not in unknown.budget.needs.evidence
