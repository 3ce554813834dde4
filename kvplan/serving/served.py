"""What a serving command says, in the words of a plan."""

from collections.abc import Mapping

from kvplan.records import record

Answer = int | str | bool | tuple[int, ...]
"""The value of one option: a count, a ratio or a name as text, a flag, or the layers of each stage."""

PlanAnswers = Mapping[str, Answer | Mapping[str, str]]
"""Options by the names of `kvplan.fit`; `settings` holds an engine's own, as text."""


@record
class Kept:
    """
    An option in its own words, which a command written again still has.

    `keyword` is what a plan says by it, if anything: where `replaces`, these words stand for what a plan
    would write of it, and else only where the plan says nothing of it.
    """

    words: tuple[str, ...]
    keyword: str = ""
    replaces: bool = False
    variable: bool = False


@record
class Served:
    """
    A serving command, sorted by what it means to a plan.

    `asked` are keyword arguments of `kvplan.fit`, and `dtype` if the command changes the model's.
    `unmodelled` are options that change the memory in a way that no plan counts, each with what is
    left out. `ignored` have no effect on memory; `unknown` are options that kvplan has never heard of:
    both as they were written. `notes` say what the command leaves to the engine. `kept` are the words of
    all options that `asked` does not say whole. Where no context is asked for, `sharing` sequences share
    the model's longest. `of_draft` are settings that mean nothing without a draft, and `of_tower` what is
    left out of a model that is known to have a tower of images or audio.
    """

    engine: str
    model: str
    asked: PlanAnswers
    unmodelled: tuple[str, ...] = ()
    ignored: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    kept: tuple[Kept, ...] = ()
    sharing: int = 1
    of_draft: tuple[str, ...] = ()
    of_tower: tuple[str, ...] = ()

    @property
    def told(self) -> tuple[Kept, ...]:
        """What a file says of a plan, which has no words in the command but those that name it."""
        return tuple(each for each in self.kept if not each.words)


@record
class Found:
    """
    The answers that options gave, flat (`settings.NAME`), with what is left out and noted on the way.

    `sharing` and `of_tower` are as in Served.
    """

    answers: Mapping[str, Answer]
    unmodelled: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    sharing: int = 1
    of_tower: tuple[str, ...] = ()


SETTING = "settings."


def nested(answers: Mapping[str, Answer]) -> PlanAnswers:
    """Return flat answers with those of `settings.NAME` as one mapping."""
    plain = {name: value for name, value in answers.items() if not name.startswith(SETTING)}
    settings = {
        name.removeprefix(SETTING): str(value) for name, value in answers.items() if name.startswith(SETTING)
    }
    return {**plain, "settings": settings} if settings else plain


def flat(asked: PlanAnswers) -> dict[str, Answer]:
    """Return *asked* with each setting as `settings.NAME`: the inverse of `nested`."""
    answers: dict[str, Answer] = {}
    for name, value in asked.items():
        if isinstance(value, Mapping):
            answers |= {f"{name}.{setting}": text for setting, text in value.items()}
        else:
            answers[name] = value
    return answers
