"""The command line: `askpage serve | ask | pages | evaluate | feedback | privacy | jobs | models | …`.

Every command takes every setting of `core/settings` as an option. What a person can mend is one sentence on
standard error and exit status 2; `--json` prints one JSON object on standard output and nothing else.

A command's module is imported when it is the one that runs: all of them together take seconds. The list of
commands is drawn from what their modules say in their text, without importing them.
"""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable
from difflib import get_close_matches
from importlib import import_module
from typing import Annotated, Any

gc.disable()  # nothing of what is imported is garbage, and to look for it takes a seventh of a start

from cli.help import asks_for_help, disarm, leave_rooms_out, read_help
from core.usage_reporting import is_allowed, keep_quiet

COMMANDS = {
    "serve": "cli.serve:serve_command",
    "setup": "cli.serve:setup_command",
    "ask": "cli.asking.command:ask_command",
    "doctor": "cli.doctor.command:doctor_command",
    "pages": "cli.pages.sources:pages_app",
    "models": "cli.models.versions:models_app",
    "model": "cli.models.server:model_app",
    "examples": "cli.examples:examples_app",
    "jobs": "cli.jobs:jobs_app",
    "evaluate": "cli.measure:evaluate_command",
    "learn-demo": "cli.replay.xquad:learn_demo_command",
    "feedback": "cli.measure:feedback_command",
    "learning": "cli.learning:learning_command",
    "tokens": "cli.tokens:tokens_command",
    "verified": "cli.reviews.verified:verified_app",
    "gaps": "cli.reviews.gaps:gaps_app",
    "store": "cli.store:store_app",
    "export": "cli.store:export_command",
    "privacy": "cli.privacy:privacy_app",
    "slack-manifest": "cli.app_packages:manifest_command",
    "teams-package": "cli.app_packages:teams_package_command",
    "settings": "cli.console:settings_command",
    "completion": "cli.completion:completion_command",
}
"""Each command, or group of commands, and where it stands."""
SHOWS_HELP = asks_for_help(sys.argv[1:], COMMANDS.get(sys.argv[1]) if sys.argv[1:] else None)
"""Whether this process shows the help of a command, and does nothing else."""

if SHOWS_HELP or sys.argv[1:2] in ([], ["--help"], ["--version"]):
    keep_quiet(allowed=is_allowed())  # the settings take longer than the answer
else:
    from cli.console import allows_telemetry

    keep_quiet(allowed=allows_telemetry(sys.argv[1:]))  # first: what is imported below reports its own import

if SHOWS_HELP:
    leave_rooms_out()

import typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_command

gc.enable()

MISTAKES = {
    "exporters": "CannotExport",
    "bot.app": "CannotServe",
    "bot.dialogs.ask": "StillReading",
    "cli.asking.running_bot": "RunningBotRefused",
    "bot.slack.manifest": "BadManifest",
    "bot.teams.package": "CannotPackage",
    "demo.rounds": "Unanswered",
    "demo.checkpoint": "OtherReplay",
    "feedback.examples.dataset": "DatasetError",
    "feedback.store.base": "StoreError",
    "jobs.report_gaps": "GapsUnavailable",
    "jobs.scheduling.schedule": "ScheduleInvalid",
    "model.training.dataset": "ExamplesInvalid",
    "model.evaluation.metrics": "DatasetInvalid",
    "model.registry.importing": "ImportFailed",
    "model.onnx_infer": "EngineError",
    "model.training.launch": "TrainingFailed",
    "model.registry.ray_cluster": "RayMissing",
    "model.registry.versions": "VersionError",
    "pages.index.embeddings": "EmbeddingModelMissing",
    "pages.fetch.client": "PageRefused",
    "pages.index.base": "IndexUnavailable",
    "pages.repair.patch": "PatchRefused",
}
"""What a person can mend, by the module that raises it: one sentence each, exit status 2."""
INTERRUPTED = 130


class Commands(TyperGroup):
    """The commands of the table.

    Any stands for the types of the click that typer carries, and does not show.
    """

    def list_commands(self, ctx: Any) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """Return a command to list."""
        return TyperCommand(cmd_name, help=read_help(COMMANDS[cmd_name])) if cmd_name in COMMANDS else None

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Return the command to run, with the arguments that are its own."""
        if args[0] not in COMMANDS and not args[0].startswith("-"):
            ctx.fail(describe_unknown(args[0]))
        name, found, rest = super().resolve_command(ctx, args)
        return name, import_command(name) if name and found else found, rest


def describe_unknown(name: str) -> str:
    """Return what is said of a command that there is not, with those that it resembles."""
    near = get_close_matches(name, COMMANDS)
    meant = f" Did you mean {' or '.join(repr(one) for one in near)}?" if near else ""
    return f"No such command {name!r}.{meant}"


def import_command(name: str) -> Any:
    """Import a command, or a group of them."""
    module, attribute = COMMANDS[name].split(":")
    gc.disable()
    try:
        found: typer.Typer | Callable[..., object] = getattr(import_module(module), attribute)
    finally:
        gc.enable()
    if isinstance(found, typer.Typer):
        command = get_command(found)
    else:
        alone = typer.Typer(add_completion=False)
        alone.command(name)(found)
        command = get_command(alone)
    command.name = name
    if SHOWS_HELP:
        disarm(command)
    return command


app = typer.Typer(
    name="askpage", cls=Commands, no_args_is_help=True, pretty_exceptions_enable=False, add_completion=False
)


def show_version(asked: bool) -> None:
    """Print the version and end, where it is asked for."""
    if asked:
        from importlib import metadata  # noqa: PLC0415 - it takes time that --help has not

        typer.echo(f"askpage {metadata.version('askpage')}")
        raise typer.Exit


Version = Annotated[
    bool, typer.Option("--version", help="Show the version.", is_eager=True, callback=show_version)
]


@app.callback()
def askpage(version: Version = False) -> None:
    """The workplace bot that answers questions about your pages and learns from its corrections."""


def is_mistake(error: BaseException | None) -> bool:
    """Whether a person can mend it. What was never imported was not raised either."""
    known = ((sys.modules.get(module), name) for module, name in MISTAKES.items())
    return isinstance(error, tuple(getattr(module, name) for module, name in known if module))


def main() -> None:
    """Run the command line; turn what a person can mend into a sentence and exit status 2."""
    try:
        app()
    except SystemExit as end:
        if end.code == INTERRUPTED:  # typer's word for Ctrl-C
            _complain("Interrupted. Run the same command again to go on where it stopped.")
        raise
    except Exception as mistake:
        if is_mistake(mistake):
            _complain(str(mistake))
        elif not _complain_of_settings(mistake):
            raise
        sys.exit(2)


def _complain_of_settings(mistake: Exception) -> bool:
    """Say what is wrong with settings, one sentence each; False where something else is wrong."""
    from pydantic import ValidationError  # noqa: PLC0415 - --help does without

    from core.settings import FIELDS  # noqa: PLC0415 - as above

    if not isinstance(mistake, ValidationError):
        return False
    for error in mistake.errors():
        place = error["loc"]  # a setting of a group has the group's name before its own
        name = str(next((part for part in reversed(place) if part in FIELDS), place[0]))
        _complain(f"--{name.replace('_', '-')} {error.get('input')!r}: {error['msg']}")
    return True


def _complain(sentence: str) -> None:
    from cli.console import progress_out  # noqa: PLC0415 - --help does without

    progress_out.print(f"askpage: {sentence}", markup=False, highlight=False, soft_wrap=True)


if __name__ == "__main__":
    main()
