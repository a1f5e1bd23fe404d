"""Review, rating and notice cards in every state: valid, small, fit for old clients, never markup."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from bot.cards.adaptive import render_card, render_form
from bot.cards.answer import Standing, State, answer_card, feedback_form, rating_actions
from bot.cards.elements import ActionButton
from bot.cards.notice import changes_card, notice_card, taken_back_card
from bot.cards.places import spans
from bot.cards.review import review_card
from bot.cards.review_actions import ReviewView, RulingPreview
from bot.cards.verified import VerifiedPage, VerifiedView, verified_card, verified_list_card
from bot.dialogs.review import build_verified_answer
from core.records import (
    Answer,
    AnswerKind,
    ChangeKind,
    Channel,
    Citation,
    Feedback,
    FeedbackKind,
    Question,
    Review,
    ReviewReason,
    Ruling,
    RulingChange,
    Skip,
    Verdict,
)
from core.text import utf16_bytes
from feedback.reviews.ruling_changes import PastRuling
from tests.builders.cards import MAX_BYTES, SITE, Check, Json, checked, parts, shape_of
from tests.builders.pseudo import find_plain_words, speak_pseudo
from tests.builders.world import NOW, PAGE, QUOTE, a_quote, an_answer

STATES: tuple[State, ...] = ("", "under_review", "verified", "corrected", "not_on_page", "closed")


def scene(text: str, *, times: int = 1) -> tuple[Answer, Verdict, Review, list[Feedback]]:
    """Return an answer, a ruling, a review and what was said, with the text where people or pages speak."""
    question = Question("q", text, "p", "c", Channel.TEAMS, NOW, language="en")
    passage = replace(PAGE, text=text, title=text, heading=text)
    citation = Citation("https://example.com/leave#x", text, text, text)
    answer = replace(
        an_answer(question, text), passages=(passage,) * times, citations=(citation,) * times, form="stars@1"
    )
    verdict = Verdict("r", text, Ruling.CORRECTED, NOW, text, citation, text)
    review = Review(
        answer.id,
        tuple(ReviewReason),
        NOW,
        text,
        skips=(Skip("r", text, NOW),) * times,
        claimed_name=text,
    )
    words = [
        Feedback(answer.id, f"g{n}", kind, value, True, NOW, comment=text, reasons=(text, text))
        for n in range(times)
        for kind, value in (
            (FeedbackKind.THUMB, "dislike"),
            (FeedbackKind.REACTION, text or "sad"),
            (FeedbackKind.STARS, "2"),
            (FeedbackKind.COMMENT, ""),
            (FeedbackKind.EXPERT, ""),
        )
    ]
    return answer, verdict, review, words


def reviews(review: Review, verdict: Verdict) -> dict[str, Review]:
    until = NOW + timedelta(minutes=15)
    settled = {
        ruling: replace(review, verdicts=(replace(verdict, ruling=ruling),), settled_at=NOW)
        for ruling in Ruling
    }
    return {
        "waiting": review,
        "claimed": replace(review, claimed_by="r", claimed_until=until),
        "claim expired": replace(review, claimed_by="r", claimed_until=NOW - timedelta(seconds=1)),
        "blind": replace(review, weight=5.0, needed=2, verdicts=(verdict,)),
        "proposed": replace(review, needed=2, verdicts=(verdict,)),
        "stale": replace(review, round=2, earlier=verdict, passages=(PAGE,)),
        **settled,
    }


def every_card(text: str, *, times: int = 1, turn: int | None = None) -> Iterator[tuple[str, Json]]:
    """Yield every card that leaves, in every state, with the text in it.

    In each state for each of four answers; with `turn` for one of them, the next one in the next state.
    """
    answer, verdict, review, words = scene(text, times=times)
    declined = replace(answer, kind=AnswerKind.DECLINED)
    quoted = replace(answer, kind=AnswerKind.QUOTED, marked=text[:20], confidence=0.3)
    bare, verified = replace(answer, citations=()), replace(answer, verified_by="r", verified_at=NOW)

    def take(place: int, *answers: Answer) -> Iterator[tuple[int, Answer]]:
        chosen = (
            number for number in range(len(answers)) if turn is None or (turn + place - number) % 4 == 0
        )
        return ((number, answers[number]) for number in chosen)

    for place, (name, one) in enumerate(reviews(review, verdict).items()):
        for number, said in take(place, answer, declined, quoted, bare):
            preview = RulingPreview(2_000, 1_999, 2_000, 90)
            card = review_card(ReviewView(one, said, words, "s" * 32, NOW, preview), SITE)
            yield f"review {name} {number}", render_card(card)
    yield from changed_cards(answer, verdict, review)
    for place, state in enumerate(STATES):
        actions = rating_actions(answer.id, "s" * 32, stars=state != "closed", comment=True)
        standing = Standing(state, NOW, text, verdict.citation, actions, "δ")
        for number, said in take(place, answer, declined, quoted, verified):
            card = answer_card(said, SITE, standing)
            assert card is not None
            yield f"answer {state} {number}", render_card(card)
    for ruling in Ruling:
        yield f"notice {ruling}", render_card(notice_card(answer, replace(verdict, ruling=ruling), SITE))
    yield "changes", render_card(changes_card([(answer, verdict)] * times))
    yield "no changes", render_card(changes_card([]))
    for reaction in ("like", "dislike"):
        yield f"form {reaction}", render_form(feedback_form(reaction), "δ")


def changed_cards(answer: Answer, verdict: Verdict, review: Review) -> Iterator[tuple[str, Json]]:
    """Yield the cards around rulings that are changed, each once."""
    text = answer.question.text
    change = RulingChange(ChangeKind.WITHDRAWN, "r", text, NOW, text, verdict)
    waiting = ReviewView(review, answer, (), "s" * 32, NOW)
    first = replace(review, needed=2, verdicts=(verdict,))
    citation = answer.citations[0] if answer.citations else None
    for name, view in (
        ("taken back", replace(waiting, review=replace(review, round=2, change=change))),
        ("in doubt", replace(waiting, doubt=citation)),
        ("ruled by its reader", replace(waiting, review=first, reader="r")),
    ):
        yield f"review {name}", render_card(review_card(view, SITE))
    verified = build_verified_answer(answer, verdict, NOW)
    assert verified is not None
    views = [VerifiedView(verified, text, 1, "s" * 32, 3)] * 4
    yield "verified answers", render_card(verified_list_card(VerifiedPage(views, 2, 99, text[:200])))
    past = PastRuling(1, verdict, NOW, replace(change, kind=ChangeKind.EDITED))
    history = [past, replace(past, round=2, ended=None, holds=True)]
    yield "verified answer", render_card(verified_card(views[0], answer, history, SITE))
    yield "taken back", render_card(taken_back_card(answer))


def test_every_word_of_ours_on_every_card_comes_from_a_catalogue(monkeypatch: pytest.MonkeyPatch) -> None:
    ids = {"en", "msteams", "scripted", PAGE.page_hash[:8]}
    with speak_pseudo(monkeypatch):
        plain = {name: words for name, card in every_card("δ") if (words := find_plain_words(card, *ids))}
    assert plain == {}


def test_a_settled_card_can_be_undone_and_its_details_stand_in_one_line() -> None:
    answer, verdict, review, words = scene("How much leave?")
    settled = replace(review, verdicts=(verdict,), settled_at=NOW)
    for one in (settled, review):
        card = render_card(review_card(ReviewView(one, answer, words, "s", NOW), SITE))
        *others, last = [part["text"] for part in parts(card["body"]) if part.get("type") == "TextRun"]
        assert last.startswith(
            "Details: answered {{DATE(2026-11-23T00:00:00Z,SHORT)}}, {{TIME(2026-11-23T00:"
        )
        assert f"model {answer.model_version}" in last
        assert not [text for text in others if "TIME" in text or answer.model_version in text or "h1" in text]
    [undo] = render_card(review_card(ReviewView(settled, answer, words, "s", NOW), SITE))["actions"]
    assert (undo["title"], undo["verb"]) == ("Undo", "review.undo")


@pytest.mark.parametrize("kind", AnswerKind)
def test_the_first_button_never_takes_an_answer_from_people(kind: AnswerKind) -> None:
    answer, _, review, _ = scene("How many weeks of paid leave do parents get?")
    there = replace(PAGE, text="Parents get 16 weeks of paid leave. Ask early.")
    for passages, sentence in (((there,), "Parents get 16 weeks of paid leave."), ((), "")):
        said = replace(answer, kind=kind, passages=passages, citations=())
        card = render_card(review_card(ReviewView(review, said, (), "s", NOW), SITE))
        first = card["actions"][0]
        harmless = {"Approve", "Use this quote", "Use this quote…" if sentence else "Correct…"}
        assert first["title"] in harmless
        if kind is AnswerKind.DECLINED:
            offered = [part.get("value", "") for part in parts(first) if part.get("id") == "text"]
            assert offered == [sentence]


def test_every_card_in_every_state_is_valid(valid: Check) -> None:
    names = {name for name, card in every_card("How much leave?") if checked(name, card, valid) is None}
    assert len(names) > 20


def test_every_card_holds_the_longest_texts(valid: Check) -> None:
    for text in ("a\n" * 5_000, "😀" * 10_000, "\x01" * 10_000, '"\\' * 5_000):
        for name, card in every_card(text, times=20):
            checked(name, card, valid)


def test_a_long_correction_is_shown_and_offered_whole() -> None:
    answer, verdict, review, words = scene("x")
    long = " ".join(f"word{number}" for number in range(430))
    proposed = replace(review, needed=2, verdicts=(replace(verdict, text=long),))
    card = render_card(review_card(ReviewView(proposed, answer, words, "s", NOW), SITE))
    [offered] = [part["value"] for part in parts(card) if part.get("id") == "text"]
    assert offered == long
    assert long in [part.get("text") for part in parts(card) if part.get("type") == "TextRun"]


def test_a_span_stands_in_its_passage_word_for_word() -> None:
    answer, *_ = scene("x")
    passage = replace(PAGE, text="Parents  get\n16 weeks. " * 40)
    answer = replace(answer, passages=(passage, passage), citations=answer.citations * 12)
    chosen = dict(spans(answer))
    assert "p1" in chosen
    assert all(citation.quote in passage.text for value, citation in chosen.items() if value.startswith("p"))


def test_every_card_is_valid_with_nothing_in_it(valid: Check) -> None:
    for name, card in every_card(""):
        checked(name, card, valid)


def test_every_card_in_every_state_holds_every_naughty_string(shared_data: Path, valid: Check) -> None:
    """Each string meets each state and each of the answers; a state meets each answer with a quarter of them.

    The schema looks at shapes and not at words: each shape is checked once, each size always.
    """
    strings = json.loads((shared_data / "security" / "blns.json").read_text("utf-8"))
    assert len(strings) >= 500
    shapes: set[str] = set()
    names: set[str] = set()
    for turn, text in enumerate(strings):
        for name, card in every_card(text, turn=turn):
            names.add(name)
            shape = json.dumps(shape_of(card))
            if shape not in shapes:
                shapes.add(shape)
                checked(name, card, valid)
            assert utf16_bytes({"attachments": [{"content": card}]}) < MAX_BYTES
    assert names == {name for name, _ in every_card("x")}
    assert len(shapes) > 30


def test_a_quotation_is_reviewed_as_one() -> None:
    question = Question("q", "How much leave?", "p", "c", Channel.TEAMS, NOW)
    review = Review("a", (ReviewReason.LOW_CONFIDENCE,), NOW)
    card = render_card(review_card(ReviewView(review, a_quote(question), (), "s", NOW), SITE))
    shown = json.dumps(card, ensure_ascii=False)
    for words in (
        "The bot quoted",
        "the bot was not sure",
        "confidence 40 %",
        "It begins at the birth.",
    ):
        assert words in shown
    assert [action["title"] for action in card["actions"]][:3] == [
        "Use this quote",
        "Correct…",
        "Not on the page",
    ]
    [offered] = [part["value"] for part in parts(card) if part.get("id") == "text"]
    assert offered == QUOTE
    bold = [part["text"] for part in parts(card["body"]) if part.get("weight") == "Bolder"]
    assert "Parents get 16 weeks of paid leave." in bold


@pytest.mark.parametrize(
    ("preview", "said"),
    [
        (
            RulingPreview(3, 2, 1_412, 90),
            "A correction answers 3 other questions of the last 90 days in these or nearly these words."
            " 2 were rated right and would change.",
        ),
        (
            RulingPreview(1, 1, 9, 1),
            "A correction answers 1 other question of the last day in these or nearly these words."
            " 1 was rated right and would change.",
        ),
        (
            RulingPreview(1, 0, 9, 12),
            "A correction answers 1 other question of the last 12 days in these or nearly these words."
            " None was rated right.",
        ),
        (
            RulingPreview(0, 0, 1_412, 90),
            "None of the 1,412 other questions of the last 90 days is in these or nearly these words.",
        ),
        (RulingPreview(0, 0, 0, 90), ""),
        (None, ""),
    ],
)
def test_a_reviewer_sees_whom_a_correction_would_serve(preview: RulingPreview | None, said: str) -> None:
    answer, verdict, review, words = scene("How much leave?")
    view = ReviewView(review, answer, words, "s", NOW, preview)
    shown = json.dumps(render_card(review_card(view, SITE)), ensure_ascii=False)
    assert said in shown
    assert ("nearly these words" in shown) is bool(said)
    settled = replace(view, review=replace(review, verdicts=(verdict,), settled_at=NOW))
    assert "nearly these words" not in json.dumps(render_card(review_card(settled, SITE)))


def test_a_blind_second_reviewer_sees_nothing_of_the_first() -> None:
    answer, verdict, review, words = scene("How much leave?")
    first = replace(verdict, reviewer_name="Robin", text="a first opinion", note="so there")
    blind = replace(review, weight=5.0, needed=2, verdicts=(first,))
    card = json.dumps(render_card(review_card(ReviewView(blind, answer, words, "s", NOW), SITE)))
    for secret in ("Robin", "a first opinion", "so there", "corrected"):
        assert secret not in card


def test_a_correction_can_stand_on_every_citation_and_passage() -> None:
    answer, *_ = scene("How much leave?", times=2)
    passages = (replace(PAGE, text="one"), replace(PAGE, text="two"))
    answer = replace(answer, passages=passages)
    assert [value for value, _ in spans(answer)] == ["c1", "c2", "p1", "p2"]


@pytest.mark.parametrize("stars", [True, False])
def test_an_expert_can_always_be_asked(stars: bool) -> None:
    last = rating_actions("a", "s", stars=stars, comment=False)[-1]
    assert isinstance(last, ActionButton)
    assert last.verb == "rate.expert"
