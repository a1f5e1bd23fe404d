"""The command that answers: `askpage ask`, through the bot that runs on the data folder, or without one."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer
from rich.text import Text

from bot.answers.reply import DirectReply
from bot.cards.answer_text import SEE_ALSO, further, lead_in, quotation, render_words, say_nothing_found
from bot.cards.elements import name_place, read_quote
from bot.channel import TalkReply
from cli.asking.running_bot import NoRunningBot, ask_running_bot
from cli.console import Json, find_given, out, progress_out, with_settings
from core.records import Answer, AnswerKind, Citation
from core.settings import Settings
from core.text import absolute

_OF_THE_COMMAND = frozenset({"data_dir", "port", "log_level", "library_telemetry"})
"""Settings that say nothing of an answer."""


@with_settings
def ask_command(
    settings: Settings,
    context: typer.Context,
    question: Annotated[str, typer.Argument(help="What you want to know.")],
    page: Annotated[str, typer.Option("--page", help="Answer from this page: a URL, or a file's path.")] = "",
    as_json: Json = False,
) -> None:
    """Answer one question and print the answer with its source.

    A bot that runs on the data folder answers it. Without one, this command loads the pages and the model.
    """
    if not question.strip():
        raise typer.BadParameter("the question is empty; write what you want to know, in quotes")
    if page and Path(page).is_file():
        page = str(Path(page).resolve())
    given = find_given(context, settings, without=_OF_THE_COMMAND)
    try:
        reply = ask_running_bot(settings.data_dir, question, page, given, settings.answer_timeout_s)
    except NoRunningBot as reason:
        _say(f"{reason} Loading the pages and the model; that takes some seconds.".lstrip())
        from cli.asking.alone import answer_alone  # noqa: PLC0415 - two seconds that a running bot has spent

        reply = asyncio.run(answer_alone(settings, question, page))
    if reply.note:
        _say(reply.note)
    print_reply(reply, as_json=as_json)


def _say(sentence: str) -> None:
    progress_out.print(sentence, markup=False, highlight=False, soft_wrap=True)


def print_reply(reply: DirectReply, *, as_json: bool) -> None:
    """Print an answer, or what small talk is answered with."""
    if reply.talk is not None:
        _print_talk(reply.talk, reply.site, as_json=as_json)
    elif reply.answer is not None:
        if as_json:
            print(json.dumps(as_dict(reply.answer), ensure_ascii=False))  # noqa: T201 - the command's output
        else:
            _print(reply.answer, reply.site)


def _print(answer: Answer, site: str) -> None:
    """Print an answer with its places; of a quotation what answers best is bold."""
    if answer.kind is AnswerKind.QUOTED:
        out.print(f"{lead_in(answer, verified=answer.verified_by is not None)}\n", markup=False)
        for one in quotation(answer):
            sign = "  " * (one.depth + 1) + (f"{one.sign} " if one.sign else "")
            out.print(Text.assemble(sign, *((run.text, "bold" if run.marked else "") for run in one.runs)))
    else:
        out.print(render_words(answer), markup=False)
    for label, citation in _places(answer):
        quote = f"\n“{read_quote(citation)}”" if citation.quote else ""
        address = _build_address(site, citation.url)
        out.print(f"\n{label}{name_place(citation)}\n{address}{quote}", markup=False, soft_wrap=True)
    if answer.verified_by is not None:
        out.print("\n✓ Verified by a reviewer", markup=False)


def _build_address(site: str, url: str) -> str:
    return absolute(url, site) or url


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


def _print_talk(said: TalkReply, site: str, *, as_json: bool) -> None:
    pages = [(group.name, *page) for group in said.groups for page in group.pages]
    if as_json:
        listed = [{"folder": folder, "title": title, "url": url} for folder, title, url in pages]
        print(json.dumps({"answer": said.text, "small_talk": True, "pages": listed}, ensure_ascii=False))  # noqa: T201 - the command's output
        return
    out.print(said.text, markup=False)
    for group in said.groups:
        lines = [f"{title}  {_build_address(site, url)}" for title, url in group.pages]
        head = [f"\n{group.name}"] if group.name else [""]
        out.print(
            "\n".join([*head, *lines, *([group.more] if group.more else [])]), markup=False, soft_wrap=True
        )
    if said.more:
        out.print(said.more, markup=False)


def as_dict(answer: Answer) -> dict[str, object]:
    """Return what `ask --json` prints."""
    return {
        "answer": say_nothing_found(answer) if answer.abstained else answer.text,
        "kind": answer.kind,
        "confidence": answer.confidence,
        "abstained": answer.abstained,
        "verified": answer.verified_by is not None,
        "citations": [{"url": c.url, "heading": c.heading, "quote": c.quote} for c in answer.citations],
        "model_version": answer.model_version,
        "seconds": round(answer.timings.total_s, 4),
        "time_to_first_token_s": answer.timings.time_to_first_token_s
        and round(answer.timings.time_to_first_token_s, 4),
    }
