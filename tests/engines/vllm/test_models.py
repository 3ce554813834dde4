"""What a release of vLLM no longer serves is refused, and what an older one served is planned."""

import pytest

import kvplan
from kvplan.engines.vllm import NEWEST
from kvplan.specs import ModelSpec

# vLLM 0.33, model_executor/models/registry.py, as its ValueError says it: supported until this release.
UNTIL = [
    ("qwen-7b", "0.23", "0.24"),
    ("internlm-7b", "0.23", "0.24"),
    ("baichuan2-7b", "0.23", "0.24"),
    ("minimax-m1-80k", "0.23", "0.24"),
    ("bamba-9b", "0.23", "0.24"),
    ("dots.llm1", "0.23", "0.26"),
    ("mpt-7b", "0.28", "0.30"),
]

# The same list has MiniMaxForCausalLM, transformers' class of MiniMax-01.
MINIMAX = ("minimax", "0.23", "0.24")


@pytest.mark.parametrize(("model", "last", "next_release"), UNTIL)
def test_a_removed_model_is_planned_up_to_its_last_release(model: str, last: str, next_release: str) -> None:
    assert kvplan.size(model, engine=f"vllm@{last}", context=4096, prefix_caching=False).total_bytes
    for release in (next_release, "0.33"):
        with pytest.raises(kvplan.KvplanError, match=f"no longer serves .*: {last} was the last"):
            kvplan.size(model, engine=f"vllm@{release}", context=4096)


def test_a_removed_class_of_transformers_is_planned_up_to_its_last_release() -> None:
    model_type, last, next_release = MINIMAX
    spec = kvplan.load("minimax-m1-80k").model_copy(update={"architecture": model_type})
    assert kvplan.size(spec, engine=f"vllm@{last}", context=4096, prefix_caching=False).total_bytes
    with pytest.raises(kvplan.KvplanError, match=f"no longer serves {model_type}: {last} was the last"):
        kvplan.size(spec, engine=f"vllm@{next_release}", context=4096)


@pytest.mark.parametrize(
    "model",
    [
        "recurrentgemma-2b",
        "t5-v1_1-xxl",
        "gla-1b",
        "retnet-6.7b",
        "spikingbrain-7b",
        "yuan2-2b",
        "longcat-2.0",
    ],
)
@pytest.mark.parametrize("release", ["0.12", "0.24", "0.33"])
def test_a_model_type_without_a_class_is_refused(model: str, release: str) -> None:
    with pytest.raises(kvplan.KvplanError, match=rf"^vLLM {release} has no class that serves \w+: choose"):
        kvplan.size(model, engine=f"vllm@{release}", context=512)


@pytest.mark.parametrize(
    "model_type", ["dots3_note_text", "glm5_next_text", "inkling_text", "qwen4_exp_text"]
)
def test_a_model_type_whose_class_was_not_read_is_refused(model_type: str) -> None:
    spec = kvplan.load("llama-3.1-8b").model_copy(update={"architecture": model_type})
    with pytest.raises(kvplan.KvplanError, match=f"^how {NEWEST.name} keeps the cache of {model_type}"):
        kvplan.size(spec, engine="vllm", context=512)


@pytest.mark.parametrize(
    "model_type",
    [
        # vLLM 0.33: "Model architectures ... are not supported for now".
        "codegen",
        "gpt_neo",
        "gpt_neox_japanese",
        "xglm",
        # vLLM 0.33: "Layer 0 does not dispatch through the Transformers attention interface".
        "diffllama",
        "zamba",
        # transformers' class of this: KeyError 'vllm'.
        "git",
    ],
)
def test_a_class_of_transformers_that_its_backend_does_not_take_is_refused(model_type: str) -> None:
    spec = kvplan.load("llama-3.1-8b").model_copy(update={"architecture": model_type})
    with pytest.raises(kvplan.KvplanError, match=f"has no class that serves {model_type}: choose"):
        kvplan.size(spec, engine="vllm", context=512)


@pytest.mark.parametrize("model_type", ["bunny-phi", "llava", "llava_llama"])
def test_a_model_type_of_its_own_code_is_refused(model_type: str) -> None:
    spec = kvplan.load("llama-3.1-8b").model_copy(update={"architecture": model_type})
    with pytest.raises(kvplan.KvplanError, match=f"has no class that serves {model_type}: choose"):
        kvplan.size(spec, engine="vllm", context=512)


def test_an_encoder_decoder_with_a_class_is_planned() -> None:
    assert kvplan.size("whisper-large-v3", engine="vllm", context=448).total_bytes


def test_a_model_type_that_is_not_told_is_served() -> None:
    """A spec of one's own has no class that could have been taken away."""
    spec = kvplan.load("bamba-9b").model_copy(update={"architecture": None})
    assert kvplan.size(spec, engine="vllm", context=4096).total_bytes


def test_vllm_expands_the_latent_of_minicpm3() -> None:
    """model_executor/models/minicpm3.py hands as many KV heads as query heads to its attention."""
    latent = {"kind": "mla", "heads": 40, "d_c": 256, "d_rope": 32}
    fields = {"name": "minicpm3", "architecture": "minicpm3", "dtype": "bfloat16", "layers": 62}
    spec = ModelSpec.model_validate({**fields, "attention": latent})
    with pytest.raises(kvplan.KvplanError, match="stores keys and values of every query head for minicpm3"):
        kvplan.size(spec, engine="vllm", context=4096)
    assert kvplan.size(spec, engine="exact", context=4096).total_bytes == 62 * 4096 * (256 + 32) * 2


@pytest.mark.parametrize(
    ("model", "version", "states"),
    [
        # MambaModelConfig in model_executor/models/config.py: 0.14 turns caching off, from 0.17 on a block of
        # its own is kept beside the running one, by classes without SupportsMambaPrefixCaching.
        ("qwen3-next-80b-a3b", "0.14", 1),
        ("qwen3-next-80b-a3b", "0.17", 2),
        ("qwen3-next-80b-a3b", "0.26", 2),
        ("lfm2-1.2b", "0.19", 2),
    ],
)
def test_states_under_prefix_caching_before_0_28(model: str, version: str, states: int) -> None:
    fixed = [
        kvplan.size(model, engine=f"vllm@{version}", context=8192, prefix_caching=caching).fixed_bytes
        for caching in (False, True)
    ]
    assert fixed[1] == states * fixed[0]


def test_classes_that_keep_a_state_per_block_are_not_guessed() -> None:
    for version in ("0.12", "0.19", "0.26"):
        with pytest.raises(kvplan.KvplanError, match="keeps a state for each block of this model"):
            kvplan.size("falcon-h1-1.5b", engine=f"vllm@{version}", context=4096, prefix_caching=True)
    assert kvplan.size("falcon-h1-1.5b", engine="vllm@0.28", context=4096, prefix_caching=True).total_bytes


@pytest.mark.parametrize("model_type", ["persimmon", "biogpt"])
def test_a_model_that_vllm_cannot_divide_is_refused_over_ranks(model_type: str) -> None:
    """No tensor parallel plan in transformers, and attention that no fuser of vLLM 0.33 cuts."""
    spec = kvplan.load("llama-2-7b").model_copy(update={"architecture": model_type})
    assert kvplan.size(spec, engine="vllm@0.33", context=2048).total_bytes
    with pytest.raises(kvplan.KvplanError, match=f"does not divide {model_type} over tp=2: .* use tp=1"):
        kvplan.size(spec, engine="vllm@0.33", context=2048, tp=2)


def test_persimmons_own_class_divided_it() -> None:
    """registry.py of vLLM 0.33: PersimmonForCausalLM went after 0.25."""
    spec = kvplan.load("llama-2-7b").model_copy(update={"architecture": "persimmon"})
    assert kvplan.size(spec, engine="vllm@0.24", context=2048, tp=2).total_bytes


@pytest.mark.parametrize("model_type", ["cpmant", "openai-gpt"])
def test_types_that_its_transformers_backend_does_not_take_are_refused(model_type: str) -> None:
    """Of their configs vLLM 0.33 says that the architectures are not supported for now."""
    spec = kvplan.load("llama-2-7b").model_copy(update={"architecture": model_type})
    with pytest.raises(kvplan.KvplanError, match=f"has no class that serves {model_type}"):
        kvplan.size(spec, engine="vllm@0.33", context=512)


def test_a_class_that_ignores_the_size_of_heads_is_refused_for_another_one() -> None:
    """GraniteMoeHybridAttention takes hidden / heads: 1536 / 12 is 128."""
    spec = kvplan.load("granite-4.0-h-1b")
    wide = {**spec.model_dump()["attention"]}
    (full,) = wide["attention"]
    other = spec.changed(attention={**wide, "attention": {**full, "head_dim": 64}})
    assert kvplan.size(spec, engine="vllm@0.33", context=4096).total_bytes
    with pytest.raises(
        kvplan.KvplanError, match="takes hidden / heads for the size of a head of granitemoehybrid"
    ):
        kvplan.size(other, engine="vllm@0.33", context=4096)
    assert kvplan.size(other, engine="transformers", context=4096).total_bytes


def test_a_hybrid_of_attention_alone_is_refused_where_vllm_aligns_it_to_states() -> None:
    """nemotron_h of attention and MLPs: 0.33 makes blocks of 2096 tokens of it, for the class's state."""
    spec = kvplan.load("nemotron-3-nano-30b-a3b")
    (name,) = [name for name, kinds in spec.attention.items() if kinds[0].kind == "gqa"]
    alone = spec.changed(
        attention={name: spec.attention[name]}, layers=({"repeat": 4, "pattern": (name,)},), parts=None
    )
    with pytest.raises(kvplan.KvplanError, match="aligns the blocks of nemotron_h without any is not known"):
        kvplan.size(alone, engine="vllm@0.33", context=4096)
