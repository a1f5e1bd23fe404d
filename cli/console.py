"""What the commands share: where they print, how they show progress, how a question is asked without a channel."""

from __future__ import annotations

import uuid
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
)

from core.records import Channel, Question
from core.settings import Settings
from exporters import Export, Exporting, exporting
from exporters.buffer import Pace

out = Console()
progress_out = Console(stderr=True)
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


def telling(settings: Settings) -> AbstractContextManager[Exporting]:
    """Send telemetry where the settings say, until the end of the block. Raises CannotExport."""
    to = settings.telemetry
    secret = to.connection_string.get_secret_value()
    export = Export(to.to, secret, to.otlp_endpoint, Pace(room=to.buffer))
    return exporting(export)


def question_of(text: str, page_url: str | None) -> Question:
    """Return a question from the command line."""
    return Question(
        id=uuid.uuid4().hex,
        text=text,
        asker="cli",
        conversation="cli",
        channel=Channel.COMMAND_LINE,
        asked_at=datetime.now(UTC),
        page_url=page_url,
    )
