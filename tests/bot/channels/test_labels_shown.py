"""The sensitivity label of a page below an answer: in Teams' own way, and as a word everywhere."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

from bot.card_tokens import CardSigner
from bot.channels.answer_message import AnswerView
from bot.channels.incoming import Reference
from bot.slack.blocks import render_message
from bot.teams.render import render_activity
from bot.web.chats import render_shown
from core.records import (
    Answer,
    AnswerKind,
    Channel,
    Citation,
    Question,
    Review,
    ReviewReason,
    Ruling,
    Verdict,
)
from tests.builders.world import an_answer
from tests.doubles.slack_api import check_message
from tests.doubles.teams_limits import broken_by

NOW = datetime(2026, 11, 30, tzinfo=UTC)
CHAT = {"id": "a:1", "conversationType": "personal", "channelId": "msteams"}
OURS = "Confidential \\ Contoso FTE"
PAGES = {"/site/a": "Public", "/site/b": OURS, "/site/c": "", "/site/d": "Projekt Adler"}


def view() -> AnswerView:
    return AnswerView("https://bot.example", CardSigner(b"k" * 32), find_label=lambda url: PAGES.get(url, ""))


def cited(*urls: str, kind: AnswerKind = AnswerKind.ANSWERED) -> Answer:
    question = Question("q", "How long is leave?", "ada", "a:1", Channel.TEAMS, NOW)
    citations = tuple(Citation(f"{url}#part", f"Page {url[-1]}", "Part", "16 weeks") for url in urls)
    text = "16 weeks " + "".join(f"[{number}]" for number in range(1, len(urls) + 1))
    return an_answer(question, text=text, citations=citations, kind=kind)


@pytest.mark.parametrize(
    ("urls", "whole"),
    [
        (("/site/a",), "Public"),
        (("/site/a", "/site/b", "/site/a"), OURS),
        (("/site/c", "/site/a"), "Public"),
        (("/site/b", "/site/d"), "Projekt Adler"),
        (("/site/c",), ""),
    ],
)
def test_teams_gets_each_citations_label_and_the_strictest_for_the_message(
    urls: tuple[str, ...], whole: str
) -> None:
    [message] = view().make_messages(CHAT, cited(*urls))
    activity = render_activity(Reference(CHAT, {}, {}, ""), message)
    assert not list(broken_by(activity))
    [root] = activity["entities"]
    assert root.get("usageInfo", {}).get("name", "") == whole
    shown = [claim["appearance"].get("usageInfo", {}).get("name", "") for claim in root["citation"]]
    assert shown == [PAGES[url] for url in urls]


@pytest.mark.parametrize("kind", [AnswerKind.ANSWERED, AnswerKind.QUOTED, AnswerKind.DECLINED])
def test_every_surface_shows_it_as_a_word(kind: AnswerKind) -> None:
    [message] = view().make_messages(CHAT, cited("/site/b", "/site/c", kind=kind))
    drawn = render_message(message)
    check_message(drawn)
    in_teams = render_activity(Reference(CHAT, {}, {}, ""), message)["attachments"]
    for shown in (drawn, in_teams, render_shown(message)):
        assert json.dumps(OURS)[1:-1] in json.dumps(shown)


def test_a_correction_has_that_of_the_page_it_stands_on() -> None:
    place = Citation("/site/d#x", "Page d", "", "18 weeks")
    ruled = Verdict("robin", "Robin", Ruling.CORRECTED, NOW, "18 weeks.", place)
    review = Review("answer to q", (ReviewReason.THUMB_DOWN,), NOW, 1, verdicts=(ruled,), settled_at=NOW)
    [message] = view().make_messages(CHAT, cited("/site/b"), review)
    said = json.dumps(render_message(message))
    assert "Projekt Adler" in said
    assert "Contoso" not in said
