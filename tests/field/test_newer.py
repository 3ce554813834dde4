"""How near plans of newer releases come to start-ups to which the profile run was not fitted."""

from statistics import median

from tests.field.newer import newer


def test_the_median_plan_is_off_by_less_than_two_percent() -> None:
    assert median(abs(each.error) for each in newer()) < 0.02


def test_four_of_five_are_within_five_percent() -> None:
    near = [each.id for each in newer() if abs(each.error) <= 0.05]
    assert len(near) >= 0.8 * len(newer())


def test_the_others_are_known() -> None:
    """
    StarCoder2 has 0.09 GiB less than planned of 1.64: its graphs take 0.59, 0.92 planned, and the rest more.

    GB10 shares its memory with the host, which the range alone knows. v58a fits a start with a compiled model
    at hand, of which its log does not tell: within 1 % then.
    """
    far = {each.id.partition("-")[0] for each in newer() if abs(each.error) > 0.05}
    assert far == {"v03", "v35", "v58a"}


def test_most_printed_figures_lie_in_the_range() -> None:
    """All but one of fifteen: v43 is 0.02 GiB below its own, the narrow one of a dense model on one card."""
    outside = {each.id.partition("-")[0] for each in newer() if not each.inside}
    assert outside == {"v43"}
