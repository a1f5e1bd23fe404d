"""The command about what people said: `askpage feedback`."""

from __future__ import annotations

import asyncio
import json
from dataclasses import asdict

from rich.table import Table

from bot.storing import open_store
from console import Json, out
from feedback.desk import Desk
from feedback.report import Report, report
from options import with_settings
from settings import Settings


@with_settings
def feedback_command(settings: Settings, as_json: Json = False) -> None:
    """Show response rates by form, what waits for review, accuracy from the sample, and how reviewers agree."""
    found = asyncio.run(_report(settings))
    if as_json:
        print(json.dumps(asdict(found)))  # noqa: T201
        return
    table = Table("Form", "Answers", "Somebody said something")
    for form, rate in found.forms.items():
        table.add_row(form, str(rate.asked), f"{rate.said} ({rate.share:.0%})")
    out.print(table)
    rulings = "".join(f", {count} {ruling}" for ruling, count in found.rulings.items())
    out.print(f"reviews: {found.waiting} waiting{rulings}")
    between = ""
    if found.accuracy_interval:
        between = " (95 %: {:.2f} to {:.2f})".format(*found.accuracy_interval)
    out.print(f"accuracy, from {found.sampled} sampled answers: {_figure(found.accuracy)}{between}")
    agree = f"agreement of reviewers (Cohen's kappa), from {found.double_reviewed} answers judged twice"
    out.print(f"{agree}: {_figure(found.kappa)}")
    for what, count in found.untied.items():
        out.print(f"belongs to no known answer: {count} × {what}")


def _figure(value: float | None) -> str:
    return "not known yet" if value is None else f"{value:.2f}"


async def _report(settings: Settings) -> Report:
    async with open_store(settings) as store:
        return await report(store, Desk(store.documents))
