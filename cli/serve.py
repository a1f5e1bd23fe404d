"""The commands that answer: `askpage serve | setup | ask`."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer
from rich.text import Text

from bot.app import Listeners, listening, serve
from bot.bootstrap import (
    LocalPage,
    PageServices,
    Parts,
    find_local_page,
    is_public,
    open_pages,
    open_parts,
)
from bot.cards.answer_text import SEE_ALSO, further, lead_in, quotation, render_words, say_nothing_found
from bot.cards.elements import name_place
from bot.channel import TalkReply
from bot.dialogs.talk import Talking, detect_talk
from cli.console import Json, build_address, make_question, out, progress_out, telling, with_settings
from cli.models.first_import import bring_model, ensure_model
from cli.pages.sources import plan_reading, refresh, refresh_alone
from core.files import mend
from core.records import Answer, AnswerKind, Citation, Page, Question
from core.settings import Settings
from core.settings.origins import describe_unread_names, find_unread_names
from jobs.schedule import read_schedule
from jobs.scheduler import schedule_beside
from model.onnx_infer import EngineFailed
from pages.fetch.client import Fetcher, FetchLimits, PageRefused
from pages.sources import Problem, read_source

# Serving


@with_settings
def serve_command(settings: Settings) -> None:
    """Serve the bot, and its chat page on this machine; sets up what is missing first."""
    read_schedule(settings)  # what is wrong with it is said before the slow work
    if unread := find_unread_names():
        progress_out.print(describe_unread_names(unread), markup=False, highlight=False, soft_wrap=True)
    with listening(settings) as listeners, telling(settings):
        settings.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        mend(settings.data_dir)  # from here on it is the bot's, whatever it was
        late = asyncio.run(_serve(settings, listeners))
    if late:
        progress_out.print(f"{late} questions are kept and will be answered at the next start.")


async def _serve(settings: Settings, listeners: Listeners) -> int:
    def ready() -> None:
        progress_out.print(f"\n[bold green]askpage is ready.[/] {_where(settings, listeners)}")
        progress_out.print("Ctrl-C stops it; what is being answered is finished first.")

    async with bring_model(settings) as preparing, open_parts(settings, serving=True) as parts:
        reading = await plan_reading(settings, parts.shelf)
        async with schedule_beside(settings):
            return await serve(parts, listeners, ready, reading, preparing)


def _where(settings: Settings, listeners: Listeners) -> str:
    """Say where people reach the bot, and where its chat page is."""
    own = f"http://localhost:{listeners.everybody.getsockname()[1]}"
    if find_local_page(settings) is LocalPage.ON_THE_PORT:
        return f"Open [bold]{own}[/] and ask something."
    if not is_public(settings):
        return f"It listens at {own}."
    listens = f"It listens at {own}, for {settings.public_url or 'Teams and Slack'}."
    if listeners.local is None:
        return f"{listens} The chat page is off: people elsewhere are meant to reach this port."
    page = f"http://localhost:{listeners.local.getsockname()[1]}"
    return f"{listens} The chat page is at [bold]{page}[/]: let no proxy and no tunnel lead there."


@with_settings
def setup_command(settings: Settings) -> None:
    """Import the model and index the pages, without serving. Done steps are skipped."""
    ensure_model(settings)
    asyncio.run(refresh_alone(settings))


# Asking


@with_settings
def ask_command(
    settings: Settings,
    question: Annotated[str, typer.Argument(help="What you want to know.")],
    page: Annotated[str, typer.Option("--page", help="Answer from this page: a URL, or a file's path.")] = "",
    as_json: Json = False,
) -> None:
    """Answer one question and print the answer with its source."""
    if not question.strip():
        raise typer.BadParameter("the question is empty; write what you want to know, in quotes")
    if detect_talk(question) is not None and not page:
        _print_talk(asyncio.run(_talk(settings, question)), settings, as_json=as_json)
        return
    answer = asyncio.run(_ask(settings, question, page))
    if as_json:
        print(json.dumps(as_dict(answer), ensure_ascii=False))  # noqa: T201 - the command's output
        return
    _print(answer, settings)


def _print(answer: Answer, settings: Settings) -> None:
    """Print an answer with its places; of a quotation what answers best is bold."""
    if answer.kind is AnswerKind.QUOTED:
        out.print(f"{lead_in(answer)}\n", markup=False)
        for one in quotation(answer):
            sign = "  " * (one.depth + 1) + (f"{one.sign} " if one.sign else "")
            out.print(Text.assemble(sign, *((run.text, "bold" if run.marked else "") for run in one.runs)))
    else:
        out.print(render_words(answer), markup=False)
    for label, citation in _places(answer):
        quote = f"\n“{citation.quote}”" if citation.quote else ""
        address = build_address(settings, citation.url)
        out.print(f"\n{label}{name_place(citation)}\n{address}{quote}", markup=False, soft_wrap=True)


def _places(answer: Answer) -> list[tuple[str, Citation]]:
    """Return the places of an answer, each with what is said before it."""
    match answer.kind:
        case AnswerKind.ANSWERED:
            return [(f"[{number}] ", one) for number, one in enumerate(answer.citations, 1)]
        case AnswerKind.QUOTED:
            here = [("", replace(one, quote="")) for one in answer.citations[:1]]  # its words stand above
            return here + [(f"{SEE_ALSO}: ", one) for one in further(answer)]
        case AnswerKind.DECLINED:
            return [("Nearest: ", one) for one in answer.citations[:1]]


async def _talk(settings: Settings, text: str) -> TalkReply:
    """Answer small talk, which needs no model."""
    async with open_pages(settings) as shelf:
        if not shelf.index.entries():
            await refresh(settings, shelf)
        said = await Talking(shelf.public_pages).reply_to(make_question(text, None))
    if said is None:
        raise RuntimeError("what was small talk is a question")
    return said


def _print_talk(said: TalkReply, settings: Settings, *, as_json: bool) -> None:
    pages = [(group.name, *page) for group in said.groups for page in group.pages]
    if as_json:
        listed = [{"folder": folder, "title": title, "url": url} for folder, title, url in pages]
        print(json.dumps({"answer": said.text, "small_talk": True, "pages": listed}, ensure_ascii=False))  # noqa: T201 - the command's output
        return
    out.print(said.text, markup=False)
    for group in said.groups:
        lines = [f"{title}  {build_address(settings, url)}" for title, url in group.pages]
        head = [f"\n{group.name}"] if group.name else [""]
        out.print(
            "\n".join([*head, *lines, *([group.more] if group.more else [])]), markup=False, soft_wrap=True
        )
    if said.more:
        out.print(said.more, markup=False)


async def _ask(settings: Settings, text: str, page: str) -> Answer:
    progress_out.print("Loading the pages and the model; that takes some seconds.")
    async with open_parts(settings) as parts:
        if not page and not parts.shelf.index.entries():
            await refresh(settings, parts.shelf)
        url = await _read_page(parts.shelf, page) if page else None
        return await _answer(parts, make_question(text, url))


async def _answer(parts: Parts, question: Question) -> Answer:
    """Answer a question; where the model fails, what was quoted before is the answer, as in a chat."""
    best: Answer | None = None
    try:
        async for item in parts.answering.stream(question):
            best = item if isinstance(item, Answer) else best
    except EngineFailed as error:
        if best is None:
            raise
        progress_out.print(f"askpage: {error}", markup=False, highlight=False, soft_wrap=True)
    if best is None:
        raise RuntimeError("the chain ended without an answer")
    return best


async def _read_page(shelf: PageServices, page: str) -> str:
    """Read a page that the command line names; a file's path is allowed here, and nowhere in chat."""
    path = Path(page)
    if not await asyncio.to_thread(path.is_file):
        if "://" not in page:
            raise PageRefused(f"There is no file {page}. Name a file, or a web address with https://.")
        return (await shelf.library.ensure(page)).url
    async with Fetcher(FetchLimits()) as fetcher:
        async for item in read_source(str(path), fetcher=fetcher, known=lambda _: None):
            if isinstance(item, Page):
                known = shelf.index.entry(item.url)
                if known is None or known.page_hash != item.page_hash:
                    await shelf.index.add(item, source=known.source if known else None)
                return item.url
            if isinstance(item, Problem):
                raise PageRefused(item.sentence)
    raise PageRefused(f"{page} holds no page.")


def as_dict(answer: Answer) -> dict[str, object]:
    """Return what `ask --json` prints."""
    return {
        "answer": say_nothing_found(answer) if answer.abstained else answer.text,
        "kind": answer.kind,
        "confidence": answer.confidence,
        "abstained": answer.abstained,
        "citations": [{"url": c.url, "heading": c.heading, "quote": c.quote} for c in answer.citations],
        "model_version": answer.model_version,
        "seconds": round(answer.timings.total_s, 4),
        "time_to_first_token_s": answer.timings.time_to_first_token_s
        and round(answer.timings.time_to_first_token_s, 4),
    }
