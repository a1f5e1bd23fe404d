"""An answer that a reviewer corrected, on every surface: no old words, no old promise, no mark of AI."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from bot.card_tokens import CardSigner
from bot.cards.notice import notice_card
from bot.channels.answer_message import AnswerView, compose_thanks
from bot.channels.incoming import ZONE, Reference
from bot.channels.message import Message, card_message
from bot.slack.blocks import AI_LABEL, QUOTE_LABEL, render_message
from bot.teams.render import render_activity
from bot.web.chats import render_shown
from core.records import (
    Answer,
    AnswerKind,
    Channel,
    Feedback,
    FeedbackKind,
    Question,
    Review,
    ReviewReason,
    Ruling,
    Verdict,
)
from tests.builders.world import a_quote, an_answer
from tests.doubles.slack_api import check_message
from tests.doubles.teams_limits import broken_by

NOW = datetime(2026, 11, 30, 23, 30, tzinfo=UTC)
CHAT = {"id": "a:1", "conversationType": "personal", "channelId": "msteams", ZONE: "Asia/Tokyo"}
ASKED_FOR_AN_EXPERT = Feedback("answer to q", "ada", FeedbackKind.EXPERT, "", True, NOW)


def in_teams(message: Message) -> Any:
    activity = render_activity(Reference(CHAT, {}, {}, ""), message)
    assert not list(broken_by(activity))
    return activity


def in_slack(message: Message) -> Any:
    drawn = render_message(message)
    check_message(drawn)
    return drawn


SURFACES: dict[str, Callable[[Message], Any]] = {
    "teams": in_teams,
    "slack": in_slack,
    "chat page": render_shown,
}


def question() -> Question:
    return Question("q", "How long is leave?", "ada", "a:1", Channel.TEAMS, NOW)


def ruled(ruling: Ruling) -> Review:
    text = "Parents get 18 weeks." if ruling is Ruling.CORRECTED else ""
    verdict = Verdict("robin", "Robin", ruling, NOW, text)
    return Review("answer to q", (ReviewReason.EXPERT,), NOW, verdicts=(verdict,), settled_at=NOW)


@pytest.mark.parametrize("surface", SURFACES)
@pytest.mark.parametrize("ruling", [Ruling.CORRECTED, Ruling.NOT_ON_PAGE])
@pytest.mark.parametrize("answer", [an_answer(question()), a_quote(question())], ids=["answered", "quoted"])
def test_nothing_of_what_was_corrected_is_left(answer: Answer, ruling: Ruling, surface: str) -> None:
    view = AnswerView("https://bot.example", CardSigner(b"k" * 32))
    review, draw = ruled(ruling), SURFACES[surface]
    thanks = compose_thanks([ASKED_FOR_AN_EXPERT], promises=False)
    for message in (
        view.make_messages(CHAT, answer, review, thanks, words=[ASKED_FOR_AN_EXPERT])[-1],
        view.make_text_message(CHAT, answer, review),
        card_message(notice_card(answer, review.verdicts[0], "https://bot.example")),
    ):
        shown = json.dumps(draw(message), ensure_ascii=False)
        assert "16 weeks" not in shown
        assert "tell you the result" not in shown
        assert "AIGeneratedContent" not in shown
        assert '"ai": true' not in shown
        assert AI_LABEL not in shown
        assert QUOTE_LABEL not in shown
        assert ("18 weeks" in shown) is (ruling is Ruling.CORRECTED)
        assert "UTC" not in shown


def test_where_there_is_only_text_the_day_is_that_of_the_reader() -> None:
    view = AnswerView("https://bot.example", CardSigner(b"k" * 32))
    message = view.make_text_message(CHAT, an_answer(question()), ruled(Ruling.CORRECTED))
    assert "Corrected by a reviewer, 1 Dec 2026" in message.text  # half past eight in the morning in Tokyo


@pytest.mark.parametrize(("written_on", "is_ai"), [("", True), ("slack", False)])
@pytest.mark.parametrize("kind", [AnswerKind.ANSWERED, AnswerKind.QUOTED])
def test_what_a_reviewer_wrote_cites_its_page_and_is_nowhere_called_ai(
    kind: AnswerKind, written_on: str, is_ai: bool
) -> None:
    answer = an_answer(question(), kind=kind, written_on=written_on, verified_by="robin", verified_at=NOW)
    [message] = AnswerView("https://bot.example", CardSigner(b"k" * 32)).make_messages(CHAT, answer)
    activity, shown = in_teams(message), render_shown(message)
    [root] = activity["entities"]
    assert root["citation"]
    assert ("AIGeneratedContent" in json.dumps(activity)) is is_ai
    assert shown["ai"] is is_ai
    drawn = json.dumps(in_slack(message))
    assert (AI_LABEL in drawn or QUOTE_LABEL in drawn) is is_ai
