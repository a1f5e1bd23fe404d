"""Our cards in Block Kit: within Slack's limits whatever stands in them, and nothing in them is markup."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from bot.cards.answer import Standing, feedback_form, rating_actions
from bot.cards.elements import Card, Form
from bot.cards.help import help_card
from bot.cards.model import ModelView, model_card
from bot.cards.notice import changes_card, notice_card
from bot.cards.privacy import Buttons, brief, confirm_card, privacy_card
from bot.cards.review import review_card
from bot.cards.review_actions import ReviewView, RulingPreview
from bot.channels.answer_message import compose_messages
from bot.channels.message import Message, ThumbsRequest, card_message
from bot.slack.blocks import (
    MOST_BLOCKS,
    decode_stars,
    encode_stars,
    escape_markup,
    fit_blocks,
    plain_text,
    render_card,
    render_draft,
    render_form,
    render_message,
    render_notification,
    rich_text,
    section,
    text_run,
)
from core.records import (
    Answer,
    Channel,
    Citation,
    ComparedAnswer,
    ComparedFigure,
    Comparison,
    Decision,
    Feedback,
    FeedbackKind,
    Passage,
    Question,
    Review,
    ReviewReason,
    Ruling,
    Skip,
    Verdict,
)
from feedback.privacy.retention import Retention
from model.registry.versions import RolloutState as VersionStanding
from tests.builders.world import an_answer
from tests.doubles.slack_api import check_message, check_view

NOW = datetime(2026, 11, 25, tzinfo=UTC)
SITE = "https://bot.example"
SIGNATURE = "0" * 32
THUMBS = ThumbsRequest("a" * 32, SIGNATURE, asks_why=True)
HOSTILE = (
    "<!channel> <!here|here> <@U12345|ada> <#C1|general> <https://evil.example|your bank>",
    "[click](https://evil.example/?q=secret) ![x](https://evil.example/x.png)",
    "https://evil.example/steal?q=secret and www.evil.example and mailto:a@evil.example",
    "&lt;!channel&gt; &amp;lt;!everyone&amp;gt;",
    "```\n<!subteam^S1>\n``` *bold* _it_ ~no~ > quote :rotating_light:",
    "\x00\x07\u202eevil\u2066 \ud83d half",
    "x" * 20_000,
    "word " * 5_000,
    "\n" * 5_000,
    "",
    "   ",
)


def hostile(text: str) -> Answer:
    """Return an answer in which everything that somebody else writes is this text."""
    question = Question("q1", text, "p", "T1:C1", Channel.SLACK, NOW)
    passage = Passage("https://evil.example/" + "a" * 100, text, text, text.strip() or "-", "h", NOW)
    cited = tuple(Citation(passage.url, text, text, text) for _ in range(6))
    return an_answer(question, f"{text} [1] [2]", id="a" * 32, passages=(passage,) * 12, citations=cited)


def every_card(text: str) -> dict[str, Message]:
    """Return every card of ours with this text wherever a text of others can stand."""
    answer = hostile(text)
    citation = answer.citations[0]
    verdict = Verdict("r", text, Ruling.CORRECTED, NOW, text=text, citation=citation, note=text)
    words = [
        Feedback(answer.id, f"p{n}", FeedbackKind.COMMENT, "", trainable=False, given_at=NOW, comment=text)
        for n in range(9)
    ]
    waiting = Review(
        answer.id,
        tuple(ReviewReason),
        NOW,
        claimed_by="r",
        claimed_name=text,
        claimed_until=NOW,
        verdicts=(verdict,),
        skips=tuple(Skip("s", text, NOW) for _ in range(5)),
    )
    settled = replace(waiting, settled_at=NOW)
    buttons = Buttons(1, dict.fromkeys((f"privacy.{v}" for v in VERBS), SIGNATURE))
    standing = Standing(
        "corrected",
        NOW,
        text,
        citation,
        rating_actions(answer.id, SIGNATURE, stars=True, comment=True),
        text,
        "",
        brief(),
    )
    return {
        "answer": replace(compose_messages(answer, SITE, standing)[0], thumbs=THUMBS),
        "review": card_message(
            review_card(ReviewView(waiting, answer, words, SIGNATURE, NOW, RulingPreview(3, 2, 9, 90)), SITE)
        ),
        "reviewed": card_message(review_card(ReviewView(settled, answer, words, SIGNATURE, NOW), SITE)),
        "notice": card_message(notice_card(answer, verdict, SITE)),
        "changes": card_message(changes_card([(answer, verdict)] * 30)),
        "model": card_message(a_model_card(text)),
        "help": card_message(help_card([text or "?"] * 9, welcome=True, brief=brief())),
        "privacy": card_message(privacy_card(Retention(), buttons, out=False)),
        "confirm": card_message(confirm_card(buttons, 10, ours=False)),
    }


def a_model_card(text: str) -> Card:
    """Return a comparison of two versions, as reviewers see it."""
    figures = tuple(ComparedFigure(f"accuracy {n}", 0.5, 0.6, -0.1, 0.3) for n in range(20))
    worst = tuple(ComparedAnswer(text, text, text, text) for _ in range(5))
    compared = Comparison(
        "v2", "v1", "d" * 64, Decision.PROMOTE, (text,) * 12, figures, 60, compared_at=NOW, worst=worst
    )
    return model_card(
        ModelView(compared, VersionStanding("v1"), present=True, decisions=(), signature=SIGNATURE)
    )


VERBS = ("show", "export", "stop", "learn", "delete", "delete_now")


@pytest.mark.parametrize("number", range(len(HOSTILE)))
def test_whatever_stands_in_a_card_slack_takes_it_and_reads_no_markup(number: int) -> None:
    text = HOSTILE[number].encode("utf-8", "replace").decode()
    for name, message in every_card(text).items():
        drawn = render_message(message)
        check_message(drawn)  # and no mention in what a notification shows
        assert json.dumps(drawn).encode()
        for block in drawn["blocks"]:
            assert "mrkdwn" not in json.dumps(block), name
            links = [piece for part in parts_of(block) for piece in part["elements"] if "url" in piece]
            assert {piece["url"] for piece in links} <= {hostile(text).citations[0].url}


def parts_of(block: dict[str, Any]) -> list[dict[str, Any]]:
    return block["elements"] if block["type"] == "rich_text" else []


@pytest.mark.parametrize("number", range(len(HOSTILE)))
def test_forms_are_within_slacks_limits(number: int) -> None:
    answer = hostile(HOSTILE[number].encode("utf-8", "replace").decode())
    review = Review(answer.id, (ReviewReason.EXPERT,), NOW)
    card = review_card(ReviewView(review, answer, (), SIGNATURE, NOW), SITE)
    rating = [rating_actions(answer.id, SIGNATURE, stars=stars, comment=True) for stars in (True, False)]
    forms = [one for one in (*card.actions, *rating[0], *rating[1]) if isinstance(one, Form)]
    assert [one.button.verb for one in forms] == [
        "review.correct",
        "review.skip",
        "rate.stars",
        "rate.comment",
    ]
    about = {"data": {"answer_id": answer.id, "seal": SIGNATURE}, "channel": "C1", "ts": "1.1"}
    for form in (*forms, feedback_form("like"), feedback_form("dislike")):
        check_view(render_form(form, about))


@pytest.mark.parametrize("number", range(len(HOSTILE)))
def test_a_streamed_text_has_no_link_no_mention_and_is_not_too_long(number: int) -> None:
    text = render_draft(HOSTILE[number].encode("utf-8", "replace").decode())
    assert "<" not in text
    assert "](" not in text
    assert "evil.example/" not in text
    assert len(text) <= 12_000


def test_markup_is_escaped_where_slack_reads_it() -> None:
    assert escape_markup("<!channel> & co") == "&lt;!channel&gt; &amp; co"
    assert len(render_notification("<" * 9_000)) <= 3_000
    assert render_notification("") == "…"
    assert plain_text("  ")["text"] == "…"


def test_a_comparison_of_models_is_drawn_with_its_figures_and_what_can_be_decided() -> None:
    drawn = json.dumps(render_message(card_message(a_model_card("Leave?"))), ensure_ascii=False)
    assert "Live version: 0.50; This one: 0.60; Difference (95 % interval): +0.10 (−0.10 to +0.30)" in drawn
    assert "act:model.promote" in drawn
    assert "This one:" in drawn


def test_a_citation_mark_leads_to_its_source() -> None:
    answer = hostile("Leave")
    blocks = render_message(compose_messages(answer, SITE)[0])["blocks"]
    pieces = blocks[0]["elements"][0]["elements"]
    assert [piece["text"] for piece in pieces if piece["type"] == "link"] == ["[1]", "[2]"]


def test_more_blocks_than_slack_takes_lose_text_before_they_lose_buttons() -> None:
    small = {"type": "context", "elements": [plain_text("small print")]}
    button = {"type": "actions", "elements": [{"type": "button"}]}
    blocks = [rich_text(section(text_run("x" * 2_900)))] * 60 + [small] * 60 + [button] * 3
    kept = fit_blocks(blocks)
    assert len(kept) == MOST_BLOCKS
    assert kept[-3:] == [button] * 3
    few = fit_blocks([small] * 80)
    assert len(few) <= MOST_BLOCKS
    assert json.dumps(few).count("small print") == 80


def test_a_star_list_says_which_answer_and_how_many() -> None:
    data = {"answer_id": "a|b", "seal": SIGNATURE, "verb": "rate.stars"}
    assert decode_stars(encode_stars(data, 4)) == data | {"stars": "4"}
    assert decode_stars("nonsense") == {
        "verb": "rate.stars",
        "answer_id": "",
        "seal": "nonsense",
        "stars": "",
    }


def test_stars_of_an_answer_with_a_long_name_are_given_in_a_form() -> None:
    card = Card((), tuple(rating_actions("a" * 140, SIGNATURE, stars=True, comment=True)), "")
    (actions,) = render_card(card)
    assert [one["action_id"] for one in actions["elements"]] == [
        "open:rate.stars",
        "open:rate.comment",
        "act:rate.expert",
    ]
