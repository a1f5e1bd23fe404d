"""The command line: `askpage serve | ask | pages | evaluate | feedback | privacy | jobs | store | export | models | setup | …`.

Every command takes every setting of `settings.py` as an option. What a person can mend is one sentence on standard
error and exit status 2; `--json` prints one JSON object on standard output and nothing else.

A command's module is imported when it is the one that runs: all of them together take seconds.
"""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable
from importlib import import_module
from typing import Any

from options import allows_telemetry
from quiet import keep_quiet

keep_quiet(allowed=allows_telemetry(sys.argv[1:]))  # first: what is imported below reports its own import

import typer
from pydantic import ValidationError
from typer.core import TyperGroup
from typer.main import get_command

from console import progress_out

COMMANDS = {
    "serve": "cli_serve:serve_command",
    "setup": "cli_serve:setup_command",
    "ask": "cli_serve:ask_command",
    "pages": "cli_pages:pages_app",
    "models": "cli_models:models_app",
    "examples": "cli_learn:examples_app",
    "jobs": "cli_jobs:jobs_app",
    "evaluate": "cli_measure:evaluate_command",
    "learn-demo": "cli_demo:learn_demo_command",
    "feedback": "cli_feedback:feedback_command",
    "store": "cli_store:store_app",
    "export": "cli_store:export_command",
    "privacy": "cli_privacy:privacy_app",
    "slack-manifest": "cli_slack:manifest_command",
    "teams-package": "cli_teams:teams_package_command",
    "settings": "options:settings_command",
}
"""Each command, or group of commands, and where it stands."""
MISTAKES = {
    "exporters": "CannotExport",
    "bot.app": "CannotServe",
    "bot.slack_manifest": "BadManifest",
    "bot.teams_package": "CannotPackage",
    "demo.asking": "Unanswered",
    "demo.story": "OtherReplay",
    "feedback.datasets": "DatasetError",
    "feedback.store": "StoreError",
    "jobs.schedule": "ScheduleInvalid",
    "model.dataset": "ExamplesInvalid",
    "model.evaluate": "DatasetInvalid",
    "model.importing": "ImportFailed",
    "model.onnx_infer": "EngineError",
    "model.training": "TrainingFailed",
    "model.versions": "VersionError",
    "pages.embed": "EmbeddingModelMissing",
    "pages.fetch": "PageRefused",
    "pages.indexing": "IndexUnavailable",
}
"""What a person can mend, by the module that raises it: one sentence each, exit status 2."""
INTERRUPTED = 130


class Commands(TyperGroup):
    """The commands of the table. Any stands for the types of the click that typer carries, and does not show."""

    def list_commands(self, ctx: Any) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        return command_of(cmd_name) if cmd_name in COMMANDS else None


def command_of(name: str) -> Any:
    """Import a command, or a group of them."""
    module, attribute = COMMANDS[name].split(":")
    gc.disable()  # nothing of what is imported is garbage, and to look for it takes a seventh of a start
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
    return command


app = typer.Typer(
    name="askpage", cls=Commands, no_args_is_help=True, pretty_exceptions_enable=False, add_completion=False
)


@app.callback()
def askpage() -> None:
    """The workplace bot that answers questions about your pages and learns from its corrections."""


def is_mistake(error: BaseException | None) -> bool:
    """Whether a person can mend it. What was never imported was not raised either."""
    known = ((sys.modules.get(module), name) for module, name in MISTAKES.items())
    return isinstance(error, tuple(getattr(module, name) for module, name in known if module))


def main() -> None:
    """Run the command line; turn what a person can mend into a sentence and exit status 2."""
    try:
        app()
    except ValidationError as invalid:
        for error in invalid.errors():
            name = "-".join(str(part) for part in error["loc"][:1]).replace("_", "-")
            _complain(f"--{name} {error.get('input')!r}: {error['msg']}")
        sys.exit(2)
    except SystemExit as end:
        if end.code == INTERRUPTED:  # typer's word for Ctrl-C
            _complain("Interrupted. Run the same command again to go on where it stopped.")
        raise
    except Exception as mistake:
        if not is_mistake(mistake):
            raise
        _complain(str(mistake))
        sys.exit(2)


def _complain(sentence: str) -> None:
    progress_out.print(f"askpage: {sentence}", markup=False, highlight=False, soft_wrap=True)


if __name__ == "__main__":
    main()
