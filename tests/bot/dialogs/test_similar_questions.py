"""Verified answers of similar questions: which are offered, and what taking and refusing them teaches."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from bot.dialogs.answerer import PageAnswerer, Verified
from bot.dialogs.similar_questions import rank_similar, say_the_same
from bot.dialogs.verified_answers import VerifiedAnswers
from core.records import (
    Answer,
    AnswerKind,
    Channel,
    Citation,
    Feedback,
    FeedbackKind,
    Passage,
    Question,
    VerifiedAnswer,
)
from feedback.reviews.paraphrases import Paraphrase, count_opinions, write_opinion
from pages.index.embeddings import Embedder
from tests.builders.asking import question as a_question
from tests.builders.verified import AllNear, verified
from tests.builders.world import NOW, an_answer

PAGE = "https://example.com/leave"


def passage(text: str, url: str = PAGE) -> Passage:
    return Passage(url, "Leave", "Annual leave", text, "h1", NOW)


def on(text: str, url: str = PAGE) -> Citation:
    return Citation(url, "Leave", "Annual leave", text)


RIGHT = verified(
    "How much leave may I carry over?",
    "right",
    text="At most 240 hours.",
    citations=(on("You can carry over at most 240 hours."),),
)
BESIDE = verified(
    "Who approves leave?", "beside", text="Your supervisor.", citations=(on("Your supervisor approves it."),)
)
ELSEWHERE = verified(
    "What is the per diem?", "far", text="It varies.", citations=(on("It varies.", "https://example.com/t"),)
)
FOUND = (passage("You can carry over at most 240 hours."), passage("Your supervisor approves it."))


def answer(**changes: Any) -> Any:
    question = replace(a_question(), text="what rolls into next year?", asker="ada")
    return replace(an_answer(question), kind=AnswerKind.QUOTED, passages=FOUND, citations=(), **changes)


def test_what_stands_where_the_search_came_first_is_offered_first() -> None:
    beside, right = replace(BESIDE, passages=FOUND[1:]), replace(RIGHT, passages=FOUND)
    offered = rank_similar(answer(), [(beside, 0.4), (ELSEWHERE, 0.45), (right, 0.4)])
    assert [one.answer_id for one in offered] == ["right", "beside"]
    assert rank_similar(answer(), [(ELSEWHERE, 0.45)]) == []


def test_a_question_that_led_to_the_same_passages_is_offered_before_one_that_did_not() -> None:
    alike = replace(ELSEWHERE, answer_id="alike", passages=FOUND)
    assert [one.answer_id for one in rank_similar(answer(), [(ELSEWHERE, 0.5), (alike, 0.5)])] == ["alike"]


def test_where_the_bot_is_sure_of_another_place_more_has_to_speak_for_an_offer() -> None:
    quoted = answer()
    stated = replace(quoted, kind=AnswerKind.ANSWERED, text="Your supervisor.", passages=FOUND[::-1])
    assert rank_similar(replace(quoted, passages=FOUND[::-1]), [(RIGHT, 0.3)]) == [RIGHT]
    assert rank_similar(stated, [(RIGHT, 0.3)]) == []
    assert rank_similar(stated, [(RIGHT, 0.8)]) == [RIGHT]
    assert rank_similar(replace(stated, passages=FOUND), [(RIGHT, 0.3)]) == [RIGHT], "the same place"


@pytest.mark.parametrize(
    ("text", "page", "same"),
    [
        ("You can carry over at most 240 hours. [1]", PAGE, True),
        ("Yes. You can carry over at most 240 hours, and no more.", PAGE, True),
        ("You can carry over at most 30 hours.", PAGE, False),
        ("You can carry over at most 240 hours.", "https://example.com/t", False),
        ("At most 240 hours.", PAGE, False),
    ],
    ids=["same words", "within others", "another number", "another page", "a few words"],
)
def test_of_two_answers_that_say_the_same_one_is_offered(text: str, page: str, same: bool) -> None:
    one = replace(RIGHT, text="You can carry over at most 240 hours.")
    other = replace(RIGHT, answer_id="other", text=text, citations=(on("It rolls over.", page),))
    assert say_the_same(one, other) is same
    offered = rank_similar(answer(), [(one, 0.9), (other, 0.895 if page == PAGE else 0.99)])
    assert [each.answer_id for each in offered] == (["right"] if same else ["right", "other"])


def test_what_an_answer_says_already_is_not_offered() -> None:
    stated = replace(answer(), kind=AnswerKind.ANSWERED, citations=RIGHT.citations)
    assert [one.answer_id for one in rank_similar(stated, [(RIGHT, 0.9), (BESIDE, 0.5)])] == ["beside"]
    assert rank_similar(answer(text="At most 240 hours."), [(RIGHT, 0.9)]) == []


def said(opinion: Any, giver: str, late_s: float = 0.0, **changes: Any) -> Feedback:
    at = NOW + timedelta(seconds=late_s)
    word = Feedback("", giver, FeedbackKind.SIMILAR, write_opinion(opinion, "right"), True, at)
    return replace(word, **changes)


def test_a_persons_last_opinion_counts_and_those_who_opted_out_teach_nothing() -> None:
    words = [said("same", "ada"), said("other", "ada", 5), said("same", "bob"), said("same", "eve")]
    (counted,) = count_opinions(answer(), words, {"eve"})
    assert (counted.same, counted.other, counted.asker) == (1, 1, "ada")
    assert count_opinions(answer(), words, {"ada"}) == []
    assert count_opinions(answer(), [said("same", "ada", withdrawn_at=NOW)]) == []


def paraphrase(same: int = 0, other: int = 0, text: str = "what rolls into next year?") -> Paraphrase:
    return Paraphrase("asked", "right", text, "ada", None, same, other)


def knowing(*answers: VerifiedAnswer) -> VerifiedAnswers:
    known = VerifiedAnswers(AllNear())
    for one in answers:
        known.put(one)
    return known


def find(known: VerifiedAnswers, text: str, asker: str) -> str | None:
    found = known.find(replace(a_question(), text=text, asker=asker))
    return found.answer_id if found else None


def test_a_taken_answer_is_served_to_who_took_it_and_to_all_once_two_people_did() -> None:
    known = knowing(RIGHT)
    assert find(known, "what rolls into next year?", "ada") is None
    known.put_paraphrases([paraphrase(same=1)])
    assert find(known, "What rolls into next year", "ada") == "right"
    assert find(known, "what rolls into next year?", "bob") is None
    known.put_paraphrases([paraphrase(same=2)])
    assert find(known, "what rolls into next year?", "bob") == "right"
    known.put_paraphrases([paraphrase(same=2, other=1)])
    assert find(known, "what rolls into next year?", "bob") is None


def test_a_refused_answer_is_neither_served_nor_offered() -> None:
    known = knowing(RIGHT)
    asked = replace(answer(), question=replace(answer().question, text=RIGHT.question_text))
    assert known.find_similar(asked) == [RIGHT]
    known.put_paraphrases([paraphrase(other=2, text=RIGHT.question_text)])
    assert find(known, RIGHT.question_text, "bob") is None
    assert known.find_similar(asked) == []


@pytest.mark.parametrize("forget", ["drop", "forget_asker", "replace_paraphrases"])
def test_what_is_gone_is_forgotten(forget: str) -> None:
    known = knowing(RIGHT)
    known.put_paraphrases([paraphrase(same=2)])
    match forget:
        case "drop":
            known.drop("asked")
        case "forget_asker":
            known.forget_asker("ada")
        case _:
            known.replace_paraphrases([])
    assert find(known, "what rolls into next year?", "bob") is None
    served = known.get_public("right")
    assert served is not None
    assert served.text == RIGHT.text


def test_of_the_chat_pages_reviewer_nothing_is_offered_elsewhere() -> None:
    assert knowing(RIGHT).find_similar(answer(), {RIGHT.verified_by}) == []


class OneAnswer:
    """A model that says the same to every question."""

    async def stream(self, question: Question, _: Sequence[Answer]) -> AsyncIterator[Answer]:
        yield replace(answer(), question=question)


@pytest.mark.parametrize(
    ("channel", "offered"), [(Channel.TEAMS, ("right",)), (Channel.LOCAL, ("right",)), (Channel.WIDGET, ())]
)
async def test_strangers_are_offered_nothing_for_what_they_say_of_it_counts_for_everybody(
    channel: Channel, offered: tuple[str, ...]
) -> None:
    async def kept(_: str) -> VerifiedAnswer:
        return RIGHT

    rules = Verified(knowing(RIGHT), lambda _: True, kept)
    answerer = PageAnswerer(None, OneAnswer(), rules)  # type: ignore[arg-type] - nothing is searched
    asked = replace(a_question(), text="what rolls into next year?", page_url=None, channel=channel)
    [given] = [one async for one in answerer.stream(asked, ())]
    assert isinstance(given, Answer)
    assert given.similar == offered


@pytest.mark.parametrize(
    ("question", "shown"),
    [
        ("How many hours can I carry over?", True),
        ("How many hours can Miller carry over?", False),
        ("How many hours can I, p.miller@corp.example?", False),
    ],
)
def test_a_question_is_shown_to_others_where_its_words_are_the_pages_own(question: str, shown: bool) -> None:
    known = knowing(replace(RIGHT, question_text=question), replace(BESIDE, passages=FOUND))
    told = known.get_public("right")
    assert told is not None
    assert told.question_text == (question if shown else "")


@pytest.mark.model
def test_with_the_real_embeddings_other_words_find_the_place(embedder: Embedder) -> None:
    known = VerifiedAnswers(embedder)
    for one in (RIGHT, BESIDE, ELSEWHERE):
        known.put(one)
    question = replace(a_question(), text="how much unused vacation rolls into the following year")
    offered = known.find_similar(replace(answer(), question=question))
    assert offered[0] == RIGHT
    assert ELSEWHERE not in offered
