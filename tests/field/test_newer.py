"""How near plans of newer releases come to start-ups to which the profile run was not fitted."""

from statistics import median

from tests.field.newer import newer


def test_the_median_plan_is_off_by_some_two_percent() -> None:
    assert median(abs(each.error) for each in newer()) < 0.021


def test_four_of_five_are_within_five_percent() -> None:
    near = [each.id for each in newer() if abs(each.error) <= 0.05]
    assert len(near) >= 0.8 * len(newer())


def test_the_others_are_known() -> None:
    """
    DeepSeek-V4 prints 1.58 GiB of graphs, 1.4 planned.

    v58a fits a start with a compiled model at hand, of which its log does not tell: 2.6 % then.
    """
    far = {each.id.partition("-")[0] for each in newer() if abs(each.error) > 0.05}
    assert far == {"v58a", "v66"}


def test_most_printed_figures_lie_in_the_range() -> None:
    """
    All but one of fifteen.

    GB10 shares its memory with the host, whose losses all count there: MemorySnapshot in utils/mem_utils.py,
    alike in 0.20.1 and 0.28.
    """
    outside = {each.id.partition("-")[0] for each in newer() if not each.inside}
    assert outside == {"v35"}
