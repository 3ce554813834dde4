"""Random specs of every kind and mixture, for laws that no list of examples would cover."""

from typing import Any

from hypothesis import strategies as st

from kvplan.specs import ModelSpec

STATE = st.sampled_from(("fp32", "bf16", "fp16"))
DIMS = st.sampled_from((32, 64, 96, 128, 192))
POWERS = st.sampled_from((1, 2, 4, 8))


@st.composite
def grouped(draw: st.DrawFn, /, kind: str = "gqa", **more: Any) -> dict[str, Any]:
    heads, groups = 8 * draw(POWERS), draw(POWERS)
    return {"kind": kind, "heads": heads, "groups": groups, "head_dim": draw(DIMS), **more}


@st.composite
def windowed(draw: st.DrawFn) -> dict[str, Any]:
    kind = draw(st.sampled_from(("sliding", "chunked")))
    name = "window" if kind == "sliding" else "chunk"
    return draw(grouped(kind, **{name: draw(st.integers(1, 5000))}))


@st.composite
def mla(draw: st.DrawFn) -> dict[str, Any]:
    facts = {"kind": "mla", "heads": 8 * draw(POWERS), "d_c": draw(DIMS), "d_rope": draw(DIMS)}
    if draw(st.booleans()):
        facts |= {"d_nope": 64, "v_head_dim": 64}
    if draw(st.booleans()):
        facts["indexer"] = {"heads": 8, "head_dim": 128}
    return facts


@st.composite
def recurrent(draw: st.DrawFn) -> dict[str, Any]:
    heads, dtypes = draw(POWERS) * 8, {"conv_dtype": draw(STATE), "state_dtype": draw(STATE)}
    kernel = draw(st.integers(1, 5))
    return draw(
        st.sampled_from(
            (
                {
                    "kind": "mamba",
                    "d_inner": heads * 64,
                    "d_state": 16,
                    "dt_rank": 8,
                    "conv_kernel": kernel,
                    **dtypes,
                },
                {
                    "kind": "mamba2",
                    "heads": heads,
                    "head_dim": 64,
                    "groups": draw(POWERS),
                    "d_state": 128,
                    "conv_kernel": kernel,
                    **dtypes,
                },
                {
                    "kind": "gated_delta_net",
                    "qk_heads": 8,
                    "v_heads": heads,
                    "qk_head_dim": 64,
                    "v_head_dim": 128,
                    "conv_kernel": kernel,
                    **dtypes,
                },
                {"kind": "lightning", "heads": heads, "head_dim": 64, "state_dtype": dtypes["state_dtype"]},
            )
        )
    )


KINDS = st.one_of(grouped(), windowed(), mla(), recurrent())


@st.composite
def specs(draw: st.DrawFn, kinds: st.SearchStrategy[dict[str, Any]] = KINDS) -> ModelSpec:
    """A model of up to three layer types in a random order, some with two kinds side by side."""
    names = draw(st.lists(st.sampled_from("abc"), min_size=1, max_size=3, unique=True))
    attention = {name: tuple(draw(st.lists(kinds, min_size=1, max_size=2))) for name in names}
    order = tuple(names + draw(st.lists(st.sampled_from(names), max_size=6)))
    return ModelSpec.model_validate(
        {
            "name": "random",
            "source": "hypothesis",
            "dtype": "bfloat16",
            "max_context": 8192,
            "parameters": draw(st.integers(1, 10**11)),
            "layers": ({"repeat": draw(st.integers(1, 4)), "pattern": order},),
            "attention": attention,
        }
    )


TOKENS = st.integers(1, 300_000)
BATCHES = st.integers(1, 500)
TPS = st.sampled_from((1, 2, 4, 8))
