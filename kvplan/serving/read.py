"""A serving command, read as the options of a plan."""

import json
from collections.abc import Iterator, Mapping, Sequence

from kvplan.errors import OptionsError
from kvplan.serving.config_file import read_options
from kvplan.serving.llamacpp import LLAMACPP
from kvplan.serving.served import Answer, Found, Kept, Served, nested
from kvplan.serving.sglang import SGLANG
from kvplan.serving.table import Asks, Dialect, File, Harmless, Keys, LeftOut, ModelName, Refused, Switch
from kvplan.serving.trtllm import TRTLLM
from kvplan.serving.values import brief, json_object, shown
from kvplan.serving.vllm import VLLM
from kvplan.serving.words import Given, find_launch, find_options

DIALECTS: Mapping[str, Dialect] = {dialect.engine: dialect for dialect in (VLLM, SGLANG, LLAMACPP, TRTLLM)}
_OF_PROGRAM = {
    "vllm": VLLM,
    "sglang": SGLANG,
    "llama-server": LLAMACPP,
    "llama-cli": LLAMACPP,
    "trtllm-serve": TRTLLM,
}


def read_command(words: Sequence[str]) -> Served:
    """
    Return what a serving command, as the shell splits it into *words*, means to a plan.

    The model is the word outside options, or the value of the model's option. Raises OptionsError for
    a command that kvplan does not read, a value that is none, options that contradict each other, and
    options with which a plan would be plainly wrong.
    """
    launch = find_launch(words)
    dialect = _OF_PROGRAM[launch.program]
    reading = _Reading(dialect)
    for name, text in launch.environment.items():
        reading.take_variable(name, text)
    for given in find_options(launch.rest, dialect):
        reading.take(given)
    return reading.served(launch.program)


class _Reading:
    """What has been read of one command so far."""

    def __init__(self, dialect: Dialect) -> None:
        self.dialect = dialect
        self.rows = dialect.by_name()
        self.models: dict[str, None] = {}
        self.said: dict[str, tuple[Answer | None, str]] = {}
        self.unmodelled: list[str] = []
        self.left_out: dict[str, list[str]] = {}
        self.ignored: list[str] = []
        self.unknown: list[str] = []
        self.kept: list[Kept] = []
        self.in_file: set[str] = set()

    def take_variable(self, name: str, text: str) -> None:
        """Take an environment variable: one that the engine reads, may read, or does not look at."""
        written = f"{name}={text}"
        prefix = self.dialect.environment_prefix
        if prefix is not None and name.startswith(prefix):
            raise OptionsError(f"{name} sets an option from the environment: write the option itself")
        row = self.rows.get(name)
        if row is None:
            mine = name.startswith(self.dialect.variables) if self.dialect.variables else False
            (self.unknown if mine else self.ignored).append(written)
            self.kept.append(Kept(words=(written,), variable=True))
        else:
            self.take(Given(row=row, name=name, spelt=name, text=text, words=(written,)))

    def take(self, given: Given) -> None:
        """Take one option, or the model."""
        if (mark := self.dialect.marks.get(given.name)) is not None:
            self._say(mark, True, given.written)  # noqa: FBT003 - an answer
        self._keep(given)
        self._sort(given)

    def _sort(self, given: Given) -> None:
        match given.row:
            case None if not given.name:
                self._take_word(given.text)
            case None:
                self.unknown.append(given.written)
            case Harmless():
                self.ignored.append(given.written)
            case ModelName():
                self.models[given.text] = None
            case Switch() as row:
                self._say(row.keyword, row.on if given.name in row.names else row.off, given.written)
            case LeftOut() | Refused() as row:
                self._leave_out(row, given)
            case Asks() as row:
                self._take_answer(row, given)
            case Keys() as row:
                self._take_keys(row, given)
            case File() as row:
                self._take_file(row, given)

    def _take_file(self, row: File, given: Given) -> None:
        """Take the options in a file that another one names, a section that no plan looks into as one."""
        before, sections = set(self.said), set[str]()
        for key, text in read_options(given.spelt, given.text).items():
            path = f"{row.under}.{key}" if row.under else key
            name, found = self.dialect.by_key(path)
            if found is None:
                self._take_unknown_key(path, text, given.text)
            elif name not in sections:
                words = (name,) if name != path else (f"{name}: {text}",)
                self._sort(Given(row=found, name=name, spelt=name, text=text, words=words))
                sections |= {name} if name != path else set()
        self.in_file |= set(self.said) - before

    def _take_unknown_key(self, path: str, text: str, file: str) -> None:
        if path.startswith(tuple(f"{section}." for section in self.dialect.whole)):
            raise OptionsError(
                f"{file}: kvplan does not know {path[:60]}, which may decide the memory: leave it out"
            )
        self.unknown.append(brief(f"{path}: {text}"))

    def _keep(self, given: Given) -> None:
        """Keep the words of an option that is not the plan's alone."""
        row, variable = given.row, not given.name.startswith("-")
        match row:
            case Asks() | Keys() | Switch():
                stands = self.dialect.stands_for(row.keyword)
                unsaid = (
                    isinstance(row, Asks)
                    and not row.unset
                    and row.value.read(given.spelt, given.text) is None
                )
                if stands or unsaid:
                    keyword = stands or row.keyword
                    self.kept.append(
                        Kept(words=given.words, keyword=keyword, replaces=bool(stands), variable=variable)
                    )
            case LeftOut() | Harmless() | File() | None if given.name:
                self.kept.append(Kept(words=given.words, variable=variable))
            case _:
                pass

    def _take_word(self, word: str) -> None:
        if not self.dialect.positional:
            raise OptionsError(f"{shown(word)} belongs to no option of {self.dialect.engine}'s command")
        self.models[word] = None

    def _take_answer(self, row: Asks, given: Given) -> None:
        answer = row.value.read(given.spelt, given.text)
        self._say(row.keyword, answer, given.written)
        if answer is None:
            where = self.unmodelled if row.unset else self.ignored
            where.append(f"{brief(given.written)}: {row.unset}" if row.unset else given.written)

    def _take_keys(self, row: Keys, given: Given) -> None:
        _, dotted, key = given.name.partition(".")
        found = {key: given.text} if dotted else json_object(given.spelt, given.text)
        for name, answer in found.items():
            if answer is None:
                continue
            said = json.dumps(answer) if isinstance(answer, dict) else str(answer)
            self._say(f"{row.keyword}.{name}", said, given.written)

    def _leave_out(self, row: LeftOut | Refused, given: Given) -> None:
        if row.takes == "json" and given.name.startswith("-") and "." not in given.name:
            json_object(given.spelt, given.text)
        if row.takes != "nothing" and given.text in row.unless:
            self.ignored.append(given.written)
        elif isinstance(row, Refused):
            raise OptionsError(f"{brief(given.written)}: {row.hint}")
        else:
            self.left_out.setdefault(row.what, []).append(brief(given.written))

    def _say(self, keyword: str, answer: Answer | None, written: str) -> None:
        """Record an answer; raise OptionsError if another option gave a different one."""
        before, first = self.said.get(keyword, (answer, written))
        if before != answer:
            raise OptionsError(f"{brief(first)} and {brief(written)} contradict each other: keep one of them")
        self.said[keyword] = (answer, first)

    def _left_out(self) -> Iterator[str]:
        """Yield what the plan leaves out, each once, behind the options that say so."""
        for what, options in self.left_out.items():
            yield f"{', '.join(options)}: {what}"

    def _told(self, found: Found) -> Iterator[Kept]:
        """Yield what of a plan a file says, without words of its own: the option that names it has them."""
        written = self.said.keys() - self.in_file
        for keyword in self.dialect.spread(dict(found.answers)).keys() - written:
            yield Kept(words=(), keyword=keyword, replaces=True)

    def served(self, program: str) -> Served:
        """Return the command as a whole; raise OptionsError if it names no model, or two."""
        models = [model for model in self.models if model]
        if len(models) != 1:
            named = " and ".join(shown(model) for model in models)
            which = f"two models: {named}" if named else "no model"
            raise OptionsError(f"the command names {which}")
        answers = {name: answer for name, (answer, _) in self.said.items() if answer is not None}
        found = self.dialect.gather(Found(answers=answers), program)
        return Served(
            engine=self.dialect.engine,
            model=models[0],
            asked=nested(found.answers),
            unmodelled=(*self._left_out(), *self.unmodelled, *found.unmodelled),
            ignored=tuple(self.ignored),
            unknown=tuple(self.unknown),
            notes=found.notes,
            of_tower=found.of_tower,
            kept=(*self.kept, *(self._told(found) if self.in_file else ())),
            sharing=found.sharing,
            of_draft=self.dialect.of_draft,
        )
