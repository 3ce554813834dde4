"""What ranks hold of weights that are counted by part; expected values by hand."""

import pytest

import kvplan
from kvplan.engines import Shares
from kvplan.planner.parts import Cut
from kvplan.specs.parts import Measure
from tests.specs.test_parts import parts

ALONE = Shares(attention=1, dense=1, shared=1, embedding=1, head=1, expert=1)
IN_TWO = Shares(attention=2, dense=2, shared=2, embedding=2, head=2, expert=2)
BYTES = Measure(element_bytes=2)
# A dense layer is 80 + 8 + 110 bytes, a sparse one 80 + 8 + 20 + 20 + 4 x 30.
DENSE, SPARSE = 198, 248


def cut(
    shares: Shares = ALONE,
    repeats: tuple[int, ...] = (0, 0, 0),
    *,
    tied: bool = False,
    embedding: bool = True,
    ends_everywhere: bool = False,
) -> Cut:
    return Cut(
        parts=parts(),
        measure=BYTES,
        shares=shares,
        repeats=repeats,
        tied=tied,
        embedding=embedding,
        ends_everywhere=ends_everywhere,
    )


def test_stages_hold_their_own_layers() -> None:
    assert cut().on_stages((3,)) == (60 + DENSE + 2 * SPARSE + 60 + 2,)
    assert cut().on_stages((1, 2)) == (60 + DENSE, 2 * SPARSE + 60 + 2)
    assert cut(embedding=False).on_stages((2, 1)) == (DENSE + SPARSE, SPARSE + 60 + 2)


def test_an_embedding_that_serves_as_head_is_copied_to_the_last_stage() -> None:
    assert cut(tied=True).on_stages((3,)) == cut().on_stages((3,))
    assert cut(tied=True).on_stages((1, 2)) == (60 + DENSE, 2 * SPARSE + 60 + 2 + 60)


def test_classes_that_have_the_ends_everywhere_have_them_on_each_stage() -> None:
    assert cut(ends_everywhere=True).on_stages((1, 2)) == (62 + DENSE + 60, 62 + 2 * SPARSE + 60)


def test_ranks_cut_what_is_divided_and_hold_the_rest_whole() -> None:
    dense, sparse = 40 + 8 + 55, 40 + 8 + 10 + 20 + 4 * 15
    assert cut(IN_TWO).on_stages((3,)) == (30 + dense + 2 * sparse + 30 + 2,)


def test_whole_experts_are_dealt_out_and_the_fullest_rank_decides() -> None:
    # Three ranks hold 2, 1 and 1 of 4 experts; with 2 spare copies each holds 2.
    dealt = IN_TWO._replace(expert=1, experts=3)
    sparse = 40 + 8 + 10 + 20 + 2 * 30
    assert cut(dealt).on_stages((2, 1))[1] == sparse + 30 + 2
    assert cut(dealt._replace(spare=2)).on_stages((2, 1))[1] == sparse + 30 + 2
    assert cut(dealt._replace(spare=3)).on_stages((2, 1))[1] == sparse + 30 + 30 + 2


def test_what_is_repeated_is_stored_as_the_attention_is() -> None:
    # 10 parameters more than the 40 of 80 bytes, on two ranks together.
    assert cut(IN_TWO, (10, 0, 0)).on_stages((1, 2))[0] == 30 + 50 + 8 + 55


@pytest.mark.parametrize(
    ("tp", "said"),
    [(1, 617_656_151_936), (2, 308_927_063_488), (4, 154_562_519_264), (8, 77_392_043_632)],
)
def test_mimo_v2s_parts_are_those_of_vllms_class(tp: int, said: int) -> None:
    """
    Parameters of MiMoV2FlashForCausalLM of vLLM 0.33 on rank 0, two bytes each, and four of routers.

    By its config.json on a machine without a GPU, without the scales of fp8, which are as many as matrices
    are in it: the config leaves that open.
    """
    plan = kvplan.plan("mimo-v2-flash", gpu="h200-141gb", engine="vllm@0.33", tp=tp, weight_dtype="bf16")
    assert plan.weights == (said,)
