"""
L0: each kind decodes from its cache alone, and misses whatever is taken away.

The expected element counts are written out here for every case, so that a reference which keeps too
much, and terms which agree with it, could not both pass.
"""

import pytest

from kvplan.attention import kind_names
from kvplan.specs.load import load
from kvplan.validate.reference import checks

pytest.importorskip("torch", reason="torch is not installed")

import torch
from torch import Tensor

from kvplan.errors import KvplanError
from kvplan.validate.reference.cases import Case, cases
from kvplan.validate.reference.claims import MISSED, elements, measure
from kvplan.validate.reference.core import BOUND, Proof, Reference, losses, prove

CASES = {case.name: case for case in cases()}

# Elements after all tokens of the case (29, or 32 for the compressing kinds), from the papers' forms.
HELD = {
    "mha": 29 * 5 * (8 + 10),
    "mqa": 29 * (8 + 10),
    "gqa": 29 * 3 * (8 + 8),
    "gqa, K and V of unlike sizes": 29 * 2 * (8 + 10),
    "sliding": 7 * 2 * (8 + 10),
    "chunked": 7 * 2 * (8 + 10),
    "sliding with sinks": (7 + 3) * 2 * (8 + 8),
    "cross": 11 * 3 * (8 + 8),
    "shared": 29 * 2 * (8 + 10),
    "gqa with a block indexer": 29 * (2 * (8 + 8) + 4),
    "none": 0,
    "mla": 29 * (12 + 4),
    "mla with an indexer": 29 * (12 + 4 + 8),
    "compressed, the window alone": 6 * 10,
    # 6 entries, 32 / 8 compressed ones, and key and gate vectors of 8 tokens.
    "compressed, 8 to 1": 6 * 10 + 4 * 10 + 8 * 2 * 10,
    # 6 entries, 32 / 4 compressed ones of 10 and indexer keys of 8, and of each compressor the two
    # overlapping key and gate vectors of 2 x 4 tokens.
    "compressed, 4 to 1, overlapping, indexed": 6 * 10 + 8 * (10 + 8) + 8 * 4 * (10 + 8),
    # Two windows of 3 entries, 32 / 4 compressed ones and keys, and key and gate vectors of 4 tokens.
    "compressed, 4 to 1, indexed by its entries, shared": 2 * 3 * 10 + 8 * (10 + 8) + 4 * 2 * 10,
    # 6 entries, and of every token a compressed one and an indexer key; nothing waits.
    "compressed, 1 to 1, indexed by its entries": 6 * 10 + 32 * (10 + 8),
    # Ten tokens of two groups.
    "budget, of the first and the newest tokens": 10 * 2 * 2 * 8,
    "dcmha": 29 * (5 * (8 + 10) + 2 * 5 * 5),
    "linear": 3 * 6 * 5,
    "linear with a normalizer": 3 * 6 * 5 + 3 * 6,
    "lightning": 3 * 6 * 6,
    "retnet": 3 * 4 * 8,
    "gla": 3 * 4 * 8,
    "mlstm": 3 * 4 * 8 + 3 * 4 + 3,
    "rwkv4": 5 * 15,
    "rwkv 5": 3 * 5 * 5 + 2 * 15,
    "rwkv 6": 3 * 5 * 5 + 2 * 15,
    "rwkv 7": 3 * 5 * 5 + 2 * 15,
    "gated_delta_net": 6 * 4 * 5 + 3 * (2 * 2 * 4 + 6 * 5),
    "kda": 3 * 5 * 5 + 3 * 3 * 15,
    "mamba": 15 * 7 + 3 * 15,
    "mamba2": 6 * 5 * 7 + 3 * (6 * 5 + 2 * 2 * 7),
    "rg_lru": 15 + 3 * 15,
    "short_conv": 2 * 15,
}
PARTS = [(name, part) for name, case in CASES.items() for part in losses(case.build())]


def test_every_kind_has_a_case() -> None:
    assert {kind.kind for case in CASES.values() for kind in case.kinds} == set(kind_names())
    assert set(HELD) == set(CASES)


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_decoding_from_the_cache_alone_is_the_full_forward(case: Case) -> None:
    proof = prove(case.build(), case.tokens)
    assert proof.error <= BOUND
    assert proof.held[-1] == HELD[case.name]


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_the_cache_holds_the_elements_of_the_kind_at_every_length(case: Case) -> None:
    """One token, a window and one more, an incomplete block: each length up to the last."""
    held = prove(case.build(), case.tokens).held
    assert list(held) == [elements(case.kinds, tokens) for tokens in range(1, case.tokens + 1)]


@pytest.mark.parametrize(("name", "part"), PARTS, ids=[f"{name}: {part}" for name, part in PARTS])
def test_each_part_of_the_cache_is_missed(name: str, part: str) -> None:
    case = CASES[name]
    assert prove(case.build(), case.tokens, mutate=part).error > MISSED


@pytest.mark.parametrize(
    ("name", "part"),
    [
        ("sliding", "one slot fewer"),
        ("mha", "keys: one group fewer"),
        ("gqa", "values: one group fewer"),
        ("mla", "no RoPE key"),
        ("mla with an indexer", "no indexer keys"),
        ("mamba2", "conv history of B and C: one column fewer"),
        ("kda", "conv history of v: one column fewer"),
        ("retnet", "state: one value channel fewer"),
        ("linear with a normalizer", "no normalizer"),
        ("rwkv4", "no exponent"),
        ("mlstm", "no stabilizer"),
        ("compressed, 4 to 1, overlapping, indexed", "compressor state: one channel fewer"),
    ],
)
def test_the_losses_include_those_that_a_wrong_formula_would_make(name: str, part: str) -> None:
    assert (name, part) in PARTS


def test_an_unknown_loss_is_refused() -> None:
    with pytest.raises(KvplanError, match="is not a loss of this cache: one slot fewer, no latent"):
        prove(CASES["mla"].build(), 29, mutate="one head fewer")


@pytest.mark.parametrize(("name", "row"), [("sliding", 2 * (8 + 10)), ("sliding with sinks", 2 * (8 + 8))])
def test_between_two_tokens_a_window_needs_one_row_less(name: str, row: int) -> None:
    """The newest token's row is written before attention reads, so that `window` rows exist at once."""
    proof = prove(CASES[name].build(), 29)
    assert proof.held[-1] - proof.between[-1] == row
    assert proof.suffices


def test_a_chunk_is_let_go_when_it_ends() -> None:
    assert prove(CASES["chunked"].build(), 28).between[-1] == 0


@pytest.mark.parametrize("name", ["mla with an indexer", "gqa with a block indexer"])
def test_an_indexer_picks_from_its_cached_keys_what_the_full_computation_picks(name: str) -> None:
    [picks] = [each for each in measure(CASES[name]) if "pick the same rows" in each.claim]
    assert (picks.measured, picks.predicted) == (29, 29)


def test_nan_never_suffices() -> None:
    assert not Proof(error=float("nan"), held=(0,), between=(0,)).suffices


class _Hoarder(Reference):
    """A decoder that cheats: it keeps all inputs, and computes the full forward on them."""

    def __init__(self, honest: Reference) -> None:
        self.honest = honest

    def full(self, inputs: Tensor) -> Tensor:
        return self.honest.full(inputs)

    def step(self, cache: dict[str, Tensor], token: Tensor, position: int) -> Tensor:  # noqa: ARG002
        cache["all"] = torch.cat([cache["all"], token[None]]) if "all" in cache else token[None]
        return self.honest.full(cache["all"])[-1]


def test_a_decoder_that_keeps_everything_is_exact_and_still_not_the_kind() -> None:
    case = CASES["retnet"]
    proof = prove(_Hoarder(case.build()), case.tokens)
    assert proof.suffices
    assert proof.held[-1] != elements(case.kinds, case.tokens)


def test_every_claim_of_every_case_holds() -> None:
    failed = [
        f"{each.subject}: {each.claim}"
        for check in checks(())
        for each in check.run("cpu")
        if not each.passed
    ]
    assert failed == []


def test_a_model_selects_the_cases_of_its_kinds() -> None:
    names = {check.name for check in checks(("deepseek-v3",))}
    assert {kind.kind for kind in load("deepseek-v3").kinds()} == {"mla"}
    assert names == {"mla", "mla with an indexer"}
