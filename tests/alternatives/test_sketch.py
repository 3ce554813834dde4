"""A spec from a handful of options: valid, and all that is wrong at once."""

import pytest

import kvplan
from kvplan.errors import OptionsError


def test_the_shape_decides_the_kind() -> None:
    kinds = {
        groups: kvplan.new("mine", groups=groups, heads=32, head_dim=128, layers=32).kinds()[0].kind
        for groups in (None, 32, 8, 1)
    }
    assert kinds == {None: "mha", 32: "mha", 8: "gqa", 1: "mqa"}
    assert kvplan.new("mine", heads=128, layers=60, d_c=512, d_rope=64).kinds()[0].kind == "mla"


def test_the_users_own_six_words() -> None:
    """DeepSeek-V2's 576 elements of two bytes in 60 layers."""
    spec = kvplan.new("mine", heads=128, d_c=512, d_rope=64, layers=60, dtype="bf16")
    assert kvplan.size(spec, context=1).bytes_per_sequence == 60 * 576 * 2
    assert (spec.name, spec.source, spec.dtype) == ("mine", "given by you", "bfloat16")


def test_a_window_leaves_some_layers_full() -> None:
    spec = kvplan.new("Mine, too", heads=32, groups=8, head_dim=128, layers=12, window=1024, full_every=6)
    assert spec.name == "mine-too"
    assert spec.layer_types.count("gqa") == 2
    assert spec.source == "given by you"


def test_all_that_is_wrong_is_told_at_once() -> None:
    with pytest.raises(OptionsError) as refused:
        kvplan.new("mine", heads=32, groups=3, d_rope=64, full_every=2)
    for said in ("--layers is missing", "--groups 3 do not divide", "--d-c is missing", "--full-every says"):
        assert said in refused.value.line


def test_the_ends_are_within_the_whole() -> None:
    with pytest.raises(OptionsError, match=r"--vocab x --hidden is 120 parameters of embedding and head"):
        kvplan.new("mine", heads=8, head_dim=8, layers=2, parameters=100, vocab=60, hidden=1, tied=False)
