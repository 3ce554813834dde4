"""The options of the library as those of the commands, and what only these have."""

from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from inspect import Parameter, Signature, signature
from pathlib import Path
from typing import Annotated, Any, Literal, cast, get_args

import typer

from kvplan.arguments import Option
from kvplan.attention import kind_names
from kvplan.dtypes import kv_format_names
from kvplan.engines import engine_names, find_engine
from kvplan.errors import KvplanError, OptionsError, UnitError
from kvplan.gpus import all_gpus
from kvplan.planner.several_gpus import DEGREES
from kvplan.specs.catalogue import read_index

Command = Callable[..., None]


def _starting(names: Callable[[], list[str]]) -> Callable[[str], list[str]]:
    """Return a shell completion over *names*, in any case."""
    # What was typed stays as it is: shells drop an offer that does not begin with it.
    return lambda incomplete: [
        incomplete + name[len(incomplete) :] for name in names() if name.startswith(incomplete.lower())
    ]


def _model_names() -> list[str]:
    return sorted(read_index())


def _gpu_names() -> list[str]:
    return [gpu.name for gpu in all_gpus()]


def _settings(ctx: typer.Context, incomplete: str) -> list[str]:
    """Return the settings of the engine that stands before, up to their `=`; of all if it has none."""
    # What stands before may not be an engine, of which a completion says nothing.
    with suppress(KvplanError):
        named = find_engine(ctx.params.get("engine") or "exact").settings
        every = (setting for name in engine_names() for setting in find_engine(name).settings)
        names = {f"{setting.name}=" for setting in named or every}
        return _starting(lambda: sorted(names))(incomplete)
    return []


model_completion = _starting(_model_names)

Model = Annotated[
    str,
    typer.Argument(
        help="A catalogue name, a hub id, a spec file, a config.json, a model folder, or a .gguf file.",
        autocompletion=model_completion,
        show_default=False,
    ),
]
Models = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="MODEL...",
        help="Models as in the other commands.",
        autocompletion=model_completion,
        show_default=False,
    ),
]
ModelOrCommand = Annotated[
    list[str],
    typer.Argument(
        metavar="MODEL",
        help="A model as in the other commands, or after -- the command that serves it: vllm serve, "
        "python -m sglang.launch_server, llama-server, trtllm-serve.",
        autocompletion=model_completion,
        show_default=False,
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object, sizes in bytes.")]
AsCsv = Annotated[bool, typer.Option("--csv", help="Print CSV.")]
AsMarkdown = Annotated[bool, typer.Option("--markdown", help="Print the table as Markdown.")]
ReportFile = Annotated[
    Path | None,
    typer.Option(
        "--output",
        "-o",
        metavar="FILE",
        help="Write a report to send: .html (one page, no network), .md or .json.",
        show_default=False,
    ),
]
Search = Annotated[str, typer.Argument(help="Show only names that contain this.", show_default=False)]
KindName = Annotated[
    str | None,
    typer.Option(
        "--kind", help="Only models with this attention kind.", autocompletion=_starting(kind_names)
    ),
]


Form = Literal["csv", "json", "markdown"]


def one_form(*, output: object, **printed: bool) -> Form | None:
    """Return the form in which other programs get an answer; raise OptionsError for several."""
    asked = [name.removeprefix("as_") for name, is_asked in printed.items() if is_asked]
    if len(asked) + (output is not None) > 1:
        names = [f"--{name.removeprefix('as_')}" for name in printed]
        raise OptionsError(f"give one of {', '.join(names)} and -o FILE")
    return cast("Form", asked[0]) if asked else None


def form_or_report(*, output: Path | None, **printed: bool) -> Form | None:
    """Return the same; raise OptionsError for a report that cannot be written, too."""
    form = one_form(output=output, **printed)
    if output is not None:
        from kvplan.report.reports import require_report

        require_report(output)
    return form


def is_given(ctx: typer.Context, name: str) -> bool:
    """Return whether an option stands in the command, be it with its default's value."""
    source = ctx.get_parameter_source(name)
    return source is not None and source.name == "COMMANDLINE"


def given_names(ctx: typer.Context, options: Mapping[str, Any]) -> set[str]:
    """Return the names of the options that stand in the command."""
    return {name for name in options if is_given(ctx, name)}


def without_degrees(options: Mapping[str, Any], given: Collection[str]) -> dict[str, Any]:
    """Return options without the degrees that nobody wrote, so that `--gpu 8xH100` may choose them."""
    return {name: value for name, value in options.items() if name in given or name not in DEGREES}


def in_order(ctx: typer.Context, options: Mapping[str, Any]) -> dict[str, Any]:
    """Return options in the order in which they stand in the command; typer hands them on as declared."""
    return {name: options[name] for name in ctx.params if name in options}


def with_axes(function: Command, *, single: Collection[str]) -> Command:
    """Return *function* as with_options does, each option taking several values as text but the *single*."""

    def parameter(name: str, hint: Any) -> Parameter:  # noqa: ANN401 - any annotation
        return _parameter(name, hint, None) if name in single else _axis(name, hint)

    collect = {name: _COLLECT[name] for name in single if name in _COLLECT}
    return _with(function, parameter, collect, of_list=",".join)


def with_options(function: Command, *, unsaid: str | None = None) -> Command:
    """
    Return *function* as typer reads it: with a parameter for each option of its `**options: Unpack[...]`.

    It gets those that were given or have a default. *unsaid* says in words who chooses what is not given,
    in place of the options' own defaults.
    """
    return _with(function, lambda name, hint: _parameter(name, hint, unsaid), _COLLECT)


def _with(
    function: Command,
    parameter: Callable[[str, Any], Parameter],
    collect: Mapping[str, Callable[[Any], object]],
    of_list: Callable[[list[str]], object] = list,
) -> Command:
    own = signature(function).parameters.values()
    (options,) = (get_args(each.annotation)[0] for each in own if each.kind is Parameter.VAR_KEYWORD)
    named = [parameter(name, hint) for name, hint in options.__annotations__.items()]
    before = [each for each in own if each.kind is Parameter.POSITIONAL_OR_KEYWORD]
    after = [each for each in own if each.kind is Parameter.KEYWORD_ONLY]
    names = {each.name for each in named}

    def same(value: object) -> object:
        return of_list(value) if isinstance(value, list) else value

    def command(**given: Any) -> None:  # noqa: ANN401 - what typer has read
        read = {
            name: collect.get(name, same)(value) if name in names else value for name, value in given.items()
        }
        function(**{name: value for name, value in read.items() if value is not None or name not in names})

    parameters = [*before, *named, *after]
    command.__doc__ = function.__doc__
    command.__signature__ = Signature(parameters)  # type: ignore[attr-defined]
    command.__annotations__ = {each.name: each.annotation for each in parameters}
    return command


def _parameter(name: str, hint: Any, unsaid: str | None) -> Parameter:  # noqa: ANN401 - any annotation
    kind, option = get_args(hint)
    default = None if unsaid or name in _COLLECT else option.default
    long = option.name or "--" + name.replace("_", "-")
    flags = [f"{long}/{long.replace('--', '--no-')}" if bool in get_args(kind) else long]
    flags += [flag for flag in (option.other, option.short) if flag]
    chosen = option.unsaid if unsaid is None or name in _NOT_LOGGED else unsaid
    given = typer.Option(
        *flags,
        help=option.help + (f"  [default: {chosen}]" if chosen else ""),
        metavar=option.metavar,
        min=None if option.read else option.least,
        parser=None if option.read is None else _parser(option.read),
        autocompletion=_COMPLETIONS.get(name),
        show_default=default is not None,
    )
    typed = _type_of(name, kind, option)
    return Parameter(name, Parameter.KEYWORD_ONLY, default=default, annotation=Annotated[typed, given])


def _axis(name: str, hint: Any) -> Parameter:  # noqa: ANN401 - any annotation
    """Return an option as the axis of a grid: text that names several values, in one option or in more."""
    _, option = get_args(hint)
    flags = [option.name or "--" + name.replace("_", "-"), *filter(None, (option.other, option.short))]
    chosen = option.unsaid or (option.default if option.default is not None else None)
    given = typer.Option(
        *flags,
        help=option.help + (f"  [default: {chosen}]" if chosen else ""),
        metavar=f"{(option.metavar or name.upper().replace('_', '-'))},...",
        autocompletion=_COMPLETIONS.get(name),
        show_default=False,
    )
    return Parameter(
        name, Parameter.KEYWORD_ONLY, default=None, annotation=Annotated[list[str] | None, given]
    )


def _type_of(name: str, kind: Any, option: Option) -> Any:  # noqa: ANN401 - types
    """Return the type by which typer reads an option's text."""
    if name in _COLLECT:
        return list[str] | None
    if option.read is not None:
        return Any
    return next(each for each in (bool, int, str) if each is kind or each in get_args(kind)) | None


def _parser(read: Callable[[str], object]) -> Callable[[object], object]:
    """Turn a unit that cannot be read into a misused option."""

    def parse(value: object) -> object:
        # typer also parses a default, which is a value already.
        try:
            return read(str(value))
        except UnitError as error:
            raise typer.BadParameter(str(error)) from None

    parse.__name__ = read.__name__
    return parse


def one_gpu(given: Sequence[str] | None) -> str | None:
    """Return the GPU that was given, if any; raise OptionsError for more: kinds of them are one text."""
    if given and len(given) > 1:
        raise OptionsError(
            f"--gpu is given {len(given)} times: --tp, --pp, --dp count GPUs of one kind, and + joins several"
        )
    return given[0] if given else None


def as_settings(given: Sequence[str] | None) -> dict[str, str]:
    """Return settings by name, hyphens read as underscores; raise OptionsError for what is not one."""
    settings: dict[str, str] = {}
    for text in given or ():
        name, equals, value = text.partition("=")
        name = name.strip().lstrip("-").replace("-", "_")
        if not name or not equals or not value.strip():
            raise OptionsError(
                f"{text[:40]!r} is not a setting: write its name and value, as in kv_unified=true"
            )
        if settings.get(name, value) != value:
            raise OptionsError(f"{name} is set twice: {settings[name]!r} and {value[:40]!r}")
        settings[name] = value
    return settings


_COLLECT: Mapping[str, Callable[[Any], object]] = {
    "gpu": one_gpu,
    "settings": as_settings,
    "ignore": lambda given: tuple(given or ()),
}
"""What is made of the texts of options that may stand more than once."""

_NOT_LOGGED = ("gpu", "weight_dtype", "prompt")
"""What no log is asked for."""

_COMPLETIONS: Mapping[str, Callable[..., list[str]]] = {
    "gpu": _starting(_gpu_names),
    "kv_dtype": _starting(kv_format_names),
    "engine": _starting(engine_names),
    "settings": _settings,
}
