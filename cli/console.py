"""What the commands share: settings as options, where a command prints, how it shows progress.

The options and the table of settings have one source, `core/settings`. This module is imported before the
libraries are told to be quiet, so it imports none of those that report their use.
"""

from __future__ import annotations

import difflib
import functools
import inspect
import json
import logging
import time
from collections.abc import Callable, Collection, Generator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Annotated, Any

import typer
from pydantic import ValidationError
from rich.console import Console
from rich.padding import Padding
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.text import Text

from cli.help import is_help_only
from core.files import is_ours, keep_private, mend
from core.settings import FIELDS, Settings
from core.text import absolute
from exporters import Export, Exporting, exporting
from exporters.buffer import Pace

out = Console()
progress_out = Console(stderr=True)
MATTER = ("pages", "data_dir", "base_model", "port", "log_level")
"""The settings that the help of every command shows; `askpage settings` has all of them."""
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]


def progress_bar(*more: ProgressColumn) -> Progress:
    """Return a progress bar on standard error, with more columns at its end."""
    return Progress(
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        *more,
        console=progress_out,
    )


Tell = Callable[[int], None]
"""Hears how many more are done."""


@contextmanager
def show_step(called: str, total: int | None) -> Generator[Tell]:
    """Show how far a step is, and how long it takes yet."""
    with progress_bar(TimeRemainingColumn()) as bar:
        task = bar.add_task(called, total=total)
        yield lambda more: bar.advance(task, more)


@contextmanager
def time_step(took: dict[str, float], what: str) -> Generator[None]:
    """Note the minutes that a step took."""
    began = time.monotonic()
    yield
    took[what] = round((time.monotonic() - began) / 60, 2)


def telling(settings: Settings) -> AbstractContextManager[Exporting]:
    """Send telemetry where the settings say, until the end of the block. Raises CannotExport."""
    to = settings.telemetry
    secret = to.connection_string.get_secret_value()
    export = Export(to.to, secret, to.otlp_endpoint, Pace(room=to.buffer))
    return exporting(export)


def with_settings(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command every setting as an option, and hand it the Settings as its first argument."""

    @functools.wraps(command)
    def run_with_settings(**options: Any) -> Any:
        given = {name: options.pop(name) for name in FIELDS}
        settings = Settings(**{name: value for name, value in given.items() if value is not None})
        _configure_logging(settings.log_level)
        keep_private()
        if is_ours(settings.data_dir):
            mend(settings.data_dir)
        return command(settings, **options)

    own = list(inspect.signature(command, eval_str=True).parameters.values())[1:]
    taken = {parameter.name for parameter in own}
    parameters = [parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY) for parameter in own]
    shown = [name for name in FIELDS if name in MATTER]
    for name in shown if is_help_only() else FIELDS:
        assert name not in taken, f"{name} is a setting already"  # noqa: S101 - a mistake in this file
        parameters.append(_option(name))
    run_with_settings.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    run_with_settings.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    return run_with_settings


def find_given(context: typer.Context, settings: Settings, *, without: Collection[str]) -> dict[str, str]:
    """Return the settings that stand on the command line, as text; secrets are hidden."""
    values = settings.flat()
    given = (name for name in FIELDS if context.params.get(name) is not None)
    return {name: str(values[name]) for name in given if name not in without}


def allows_telemetry(arguments: Sequence[str]) -> bool:
    """Whether the setting `library_telemetry` is on, on a command line that is not parsed yet.

    Its parser is built of commands that import the libraries in question, and those have to be told first.
    """
    if "--no-library-telemetry" in arguments:
        return False
    if "--library-telemetry" in arguments:
        return True
    try:
        return Settings().library_telemetry
    except ValidationError:
        return False  # the command says what is wrong


def _configure_logging(level: str) -> None:
    logging.basicConfig(format="%(asctime)s %(levelname)s %(name)s: %(message)s", force=True)
    logging.getLogger().setLevel(max(logging.INFO, getattr(logging, level.upper())))
    logging.getLogger("azure").setLevel(logging.WARNING)  # it tells every request with its headers
    for package in ("bot", "feedback", "model", "pages"):  # others' debug lines drown ours
        logging.getLogger(package).setLevel(level.upper())


@functools.cache
def _option(name: str) -> inspect.Parameter:
    field = FIELDS[name]
    flag = "--" + name.replace("_", "-")
    is_switch = field.annotation is bool
    option = typer.Option(
        f"{flag}/--no-{flag[2:]}" if is_switch else flag,
        help=f"{field.description} [ASKPAGE_{name.upper()}; default: {_format_default(field.default)}]",
        rich_help_panel=f"Settings ({len(FIELDS)} in all: askpage settings)",
        hidden=name not in MATTER,
        show_default=False,
        metavar=None if is_switch else "VALUE",
    )
    kind = bool if is_switch else str
    return inspect.Parameter(
        name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=Annotated[kind | None, option]
    )


def _format_default(default: object) -> str:
    if isinstance(default, list):
        return ",".join(str(word) for word in default)  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
    return str(default) or "empty"


def print_json(data: object, *, indent: int | None = None) -> None:
    """Print the output of a command for programs, as one line of JSON."""
    print(json.dumps(data, indent=indent))  # noqa: T201 - the command's output


def build_address(settings: Settings, url: str) -> str:
    """Return where a page opens: by itself, or in the viewer of the bot that these settings describe."""
    return absolute(url, settings.public_url or f"http://localhost:{settings.port}") or url


def settings_table(settings: Settings | None = None, names: Collection[str] = FIELDS.keys()) -> str:
    """Return settings as a table in Markdown: with their defaults, or with the values of `settings`."""
    lines = [f"| setting | {'value' if settings else 'default'} | what it does |", "|---|---|---|"]
    values = settings.flat() if settings else {}
    for name in names:
        value = values.get(name, FIELDS[name].default)
        lines.append(f"| `{name}` | {_cell(value)} | {FIELDS[name].description} |")
    return "\n".join(lines)


def _cell(value: object) -> str:
    shown = _format_default(value)
    return "" if shown in {"", "empty"} else f"`{shown}`"


@with_settings
def settings_command(
    settings: Settings,
    words: Annotated[
        list[str] | None, typer.Argument(help="Only settings with these words in name or description.")
    ] = None,
) -> None:
    """Print the settings with the values in use; secrets stay hidden.

    On a terminal as a list that fits it, else as a table in Markdown.
    """
    found = find_settings(words or [])
    if not found:
        raise typer.BadParameter(describe_unknown_setting(" ".join(words or [])))
    if not out.is_terminal:
        print(settings_table(settings, found))  # noqa: T201 - the command's output
        return
    values = settings.flat()
    for name in found:
        out.print(f"{name} = {_format_default(values[name])}", markup=False, highlight=False, style="bold")
        out.print(Padding(Text(FIELDS[name].description or ""), (0, 0, 0, 4)))


def find_settings(words: Sequence[str]) -> list[str]:
    """Return the settings that have all of these words in their names or descriptions."""
    wanted = [word.casefold().removeprefix("askpage_").lstrip("-").replace("-", "_") for word in words]
    texts = {name: f"{name} {field.description}".casefold() for name, field in FIELDS.items()}
    return [name for name, text in texts.items() if all(word in text for word in wanted)]


def describe_unknown_setting(words: str) -> str:
    """Return what is said where no setting has these words, with those that they resemble."""
    near = difflib.get_close_matches(words.casefold().replace("-", "_"), FIELDS)
    meant = f" Did you mean {' or '.join(near)}?" if near else ""
    return f"No setting has “{words}” in its name or description.{meant}"
