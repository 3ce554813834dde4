"""A spec: its three ways to write attention, the order of its layers, and its weights."""

from typing import Any

import pytest
from pydantic import ValidationError

from kvplan.attention.grouped import GQA
from kvplan.attention.latent import MLA
from kvplan.attention.ssm import Mamba2
from kvplan.attention.uncached import NoCache
from kvplan.attention.windowed import Sliding
from kvplan.dtypes import kv_format
from kvplan.specs import ModelSpec
from kvplan.specs.runs import MAX_LAYERS
from kvplan.terms import Layer, Target

BF16 = Target(kv=kv_format("bf16"))
GLOBAL = {"kind": "gqa", "heads": 32, "groups": 16, "head_dim": 128}
LOCAL = {**GLOBAL, "kind": "sliding", "window": 1024}
MAMBA = {
    "kind": "mamba2",
    "heads": 32,
    "head_dim": 128,
    "groups": 1,
    "d_state": 256,
    "conv_kernel": 4,
    "conv_dtype": "bf16",
    "state_dtype": "fp32",
}


def spec(**facts: Any) -> ModelSpec:
    """Return a spec of Llama-3.1-8B's shape, but for *facts*."""
    llama = {
        "name": "toy",
        "source": "https://example.org/config.json",
        "dtype": "bfloat16",
        "max_context": 131_072,
        "layers": 32,
        "attention": {"kind": "gqa", "heads": 32, "groups": 8, "head_dim": 128},
    }
    return ModelSpec.model_validate(llama | facts)


# Gemma-3-27B: 10 times five local layers and a global one, and two local ones.
HYBRID = spec(
    attention={"local": LOCAL, "global": GLOBAL},
    layers=(
        {"repeat": 10, "pattern": ("local",) * 5 + ("global",)},
        {"repeat": 1, "pattern": ("local", "local")},
    ),
)


def held(layer: Layer, tokens: int) -> int:
    return sum(term.bytes_on_rank(tokens, 1) for term in layer)


def test_one_kind_for_all_layers() -> None:
    """128 KiB a token: 32 layers of 2 x 8 x 128 x 2 bytes."""
    model = spec()
    assert model.layer_count == len(model.layer_types) == 32
    assert len(set(model.layer_types)) == 1
    assert model.kinds() == (GQA(kind="gqa", heads=32, groups=8, head_dim=128),)
    assert sum(held(layer, 1) for layer in model.lower(BF16)) == 128 * 1024


def test_a_kind_for_each_named_layer_type_in_their_order() -> None:
    """Order matters for pipeline stages: a global layer follows each five local ones."""
    assert HYBRID.layer_count == 62
    assert HYBRID.layer_types[:7] == ("local",) * 5 + ("global", "local")
    assert HYBRID.layer_types[-3:] == ("global", "local", "local")
    assert [type(kind) for kind in HYBRID.kinds()] == [Sliding, GQA]
    assert HYBRID.lower_types(BF16).keys() == {"local", "global"}


def test_a_hybrid_is_the_sum_of_its_layers() -> None:
    """10 GiB in 10 global layers at 128K tokens, 416 MiB in 52 windows (golden gemma3-27b-128k-swa)."""
    layers = HYBRID.lower(BF16)
    assert [held(layer, 131_072) for layer in layers] == [
        {"global": 2**30, "local": 8 * 2**20}[name] for name in HYBRID.layer_types
    ]
    assert sum(held(layer, 131_072) for layer in layers) == 11_173_625_856


def test_kinds_side_by_side_keep_their_allocations_apart() -> None:
    """Falcon-H1 runs attention and Mamba-2 in one layer; an engine pages each of them on its own."""
    model = spec(attention={"both": (MAMBA, GLOBAL)}, layers=({"repeat": 44, "pattern": ("both",)},))
    (layer,) = set(model.lower(BF16))
    assert [type(kind) for kind in model.kinds()] == [Mamba2, GQA]
    assert [(term.allocation.pool, term.label) for term in layer] == [
        ("recurrent", "conv history of x"),
        ("recurrent", "conv history of B and C"),
        ("recurrent", "state"),
        ("attention", "K"),
        ("attention", "V"),
    ]


def test_the_same_kind_side_by_side_is_numbered() -> None:
    """LongCat-Flash has two MLA blocks in a layer: two latents, not one that is paged twice."""
    mla = {"kind": "mla", "heads": 64, "d_c": 512, "d_rope": 64, "d_nope": 128, "v_head_dim": 128}
    model = spec(attention={"twin": (mla, mla, mla)}, layers=({"repeat": 28, "pattern": ("twin",)},))
    layer = model.lower(BF16)[0]
    assert [(term.allocation.pool, term.allocation.number) for term in layer] == [
        ("mla", number) for number in (1, 1, 2, 2, 3, 3)
    ]
    assert held(layer, 1) == 3 * 1152
    assert [type(kind) for kind in model.kinds()] == [MLA]


def test_a_layer_type_may_keep_nothing() -> None:
    model = spec(
        attention={"attention": GLOBAL, "mlp": {"kind": "none"}},
        layers=({"repeat": 2, "pattern": ("mlp", "attention", "mlp")},),
    )
    assert [held(layer, 1) for layer in model.lower(BF16)] == [0, 8192, 0, 0, 8192, 0]
    assert model.kinds()[1] == NoCache(kind="none")


@pytest.mark.parametrize(
    ("facts", "asked", "weight_bytes"),
    [
        # Llama-3.1-8B: 8,030,261,248 parameters of 2 bytes, and at 1, 4 and 34/32 bytes.
        ({"parameters": 8_030_261_248}, None, 16_060_522_496),
        ({"parameters": 8_030_261_248}, "fp8", 8_030_261_248),
        ({"parameters": 8_030_261_248, "dtype": "float32"}, None, 32_121_044_992),
        ({"parameters": 8_030_261_248}, "q8_0", 8_030_261_248 * 34 // 32),
        # Blocks that are not full count whole bytes: 33 x 18 / 32 = 18.6, 3 x 1 / 2 = 1.5.
        ({"parameters": 33}, "q4_0", 19),
        ({"parameters": 3}, "int4", 2),
        # The published dtype before the computed one, and a published size before both.
        ({"parameters": 1000, "weight_dtype": "fp8"}, None, 1000),
        ({"parameters": 1000, "weight_dtype": "float8_e4m3fn"}, None, 1000),
        ({"parameters": 1000, "weight_dtype": "fp8"}, "bf16", 2000),
        ({"parameters": 1000, "weight_bytes": 1234}, None, 1234),
        ({"parameters": 1000, "weight_bytes": 1234}, "bf16", 2000),
        ({"weight_bytes": 1234}, None, 1234),
        ({"weight_bytes": 1234}, "fp8", None),
        ({}, None, None),
        ({}, "fp8", None),
    ],
)
def test_weights(facts: dict[str, Any], asked: str | None, weight_bytes: int | None) -> None:
    assert spec(**facts).weights(asked) == weight_bytes


@pytest.mark.parametrize("fact", ["parameters", "weight_bytes"])
def test_totals_reach_from_1_to_10_to_the_18(fact: str) -> None:
    for total in (1, 10**18):
        assert spec(**{fact: total}).model_dump()[fact] == total
    for total in (0, 10**18 + 1):
        with pytest.raises(ValidationError, match=fact):
            spec(**{fact: total})


def test_a_library_user_may_give_lists_and_kinds() -> None:
    """As JSON has them, and as importers make them."""
    gqa = GQA(kind="gqa", heads=32, groups=8, head_dim=128)
    model = spec(attention={"a": gqa}, layers=[{"repeat": 32, "pattern": ["a"]}], aliases=["toy-hf"])
    assert model.kinds() == spec().kinds() == (gqa,)
    assert model.lower(BF16) == spec().lower(BF16)
    assert model.aliases == ("toy-hf",)


def test_a_model_has_up_to_ten_thousand_layers() -> None:
    """More is a typing error, and would be expanded to a list of that length."""
    assert spec(layers=MAX_LAYERS).layer_count == MAX_LAYERS == 10_000
    with pytest.raises(ValidationError, match="10001 layers are more than 10000"):
        spec(layers=10_001)
    runs = ({"repeat": 5000, "pattern": ("a",)}, {"repeat": 2500, "pattern": ("a", "a")})
    assert spec(attention={"a": GLOBAL}, layers=runs).layer_count == 10_000


def test_what_is_dumped_is_the_spec_again() -> None:
    """With the facts of each kind, not only those that all kinds share."""
    dumped = HYBRID.model_dump()
    assert LOCAL.items() <= dumped["attention"]["local"][0].items()
    assert ModelSpec.model_validate(dumped) == HYBRID


def test_a_spec_is_frozen() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        setattr(spec(), "name", "other")  # noqa: B010 - mypy refuses the plain assignment, rightly


@pytest.mark.parametrize("name", ["llama-3.1-8b", "gpt2", "rwkv_4", "a.b-c", "7b", "a" * 80])
def test_names_are_lower_case_words(name: str) -> None:
    assert spec(name=name).name == name


@pytest.mark.parametrize("name", ["", "Llama", "a b", "-a", "a-", "a--b", "a/b", "é", "a\n", "a" * 81])
def test_other_names_are_refused(name: str) -> None:
    """A name is also that of a file, and what is typed in a shell."""
    with pytest.raises(ValidationError, match="name"):
        spec(name=name)


LLAMA_PARTS = {"parameters": 8030261248, "hidden": 4096, "vocab": 128256}


def test_the_ends_and_the_replicated_parameters_are_facts() -> None:
    model = spec(**LLAMA_PARTS, tied=False, replicated=266240)
    assert (model.vocab, model.tied, model.replicated) == (128256, False, 266240)
    assert (spec().vocab, spec().tied, spec().replicated) == (None, None, None)


@pytest.mark.parametrize(
    ("facts", "key"),
    [
        ({**LLAMA_PARTS, "parameters": 128256 * 4096 - 1}, "vocab"),
        ({**LLAMA_PARTS, "parameters": 2 * 128256 * 4096 - 1, "tied": False}, "tied"),
        ({**LLAMA_PARTS, "parameters": 2 * 128256 * 4096, "tied": False, "replicated": 1}, "replicated"),
        ({"parameters": 100, "replicated": 101}, "replicated"),
        ({"vocab": 0}, "vocab"),
        ({"tied": 1}, "tied"),
        ({"tied": "false"}, "tied"),
        ({"replicated": -1}, "replicated"),
    ],
)
def test_parts_that_cannot_be_are_refused_by_name(facts: dict[str, Any], key: str) -> None:
    with pytest.raises(ValidationError) as caught:
        spec(**facts)
    assert [error["loc"] for error in caught.value.errors()] == [(key,)]


def test_parts_that_fill_the_whole_are_within_it() -> None:
    assert spec(**{**LLAMA_PARTS, "parameters": 128256 * 4096 + 5}, tied=True, replicated=5).tied
