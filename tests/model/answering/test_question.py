"""What somebody asked: follow-ups, what to search for, kinds of questions, keywords, chatter, languages."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from core.records import Answer, Channel, Citation, Question, Timings
from model.text.languages import build_language_hint, detect_language
from model.text.question import (
    AskedKind,
    build_queries,
    build_query,
    classify_question,
    find_alone_bound,
    is_follow_up,
    is_keywords,
    may_stand_alone,
)
from model.text.small_talk import Chatter, split_leading, strip_chatter
from tests.builders.timing import least_seconds

NOW = datetime(2026, 11, 2, 9, 0, tzinfo=UTC)
LEAVE = Question("q1", "How much annual leave can I carry over?", "ann", "c1", Channel.LOCAL, NOW)


def answer_to(question: Question) -> Answer:
    cited = Citation("/site/leave#over", "Leave", "Carrying leave over", "You can carry over 240 hours.")
    return Answer("a1", question, "240 hours. [1]", (), (cited,), "m", Timings(), NOW)


@pytest.mark.parametrize(
    "text",
    [
        "And sick leave?",
        "and with a 4?",
        "and for a second bag?",
        "what about part-timers",
        "how long does that take",
        "why?",
        "Why?",
        "And for part-timers?",
        "How long?",
        "who approves it?",
        "and in Chicago?",
        "For managers?",
        "in Chicago?",
        "sick leave?",
        "When does it have to be taken?",
        "Is that paid?",
        "ok so what about sick leave?",
        "thanks, and for part-timers?",
        "who do I ask?",
        "can I do that online?",
        "is there a form?",
        "do they cost us anything?",
        "what if I am sick?",
        "does it expire?",
        "is it mandatory?",
        "what happens to it when I leave?",
        "more details please",
        "at which office?",
        "any exceptions?",
        "who decides?",
        "so how much is that?",
        "also for managers?",
        "combien de temps ?",
        "c'est obligatoire ?",
        "Und bei Teilzeit?",
        "Was ist mit Krankheit?",
        "Et pour les temps partiels ?",
        "¿Y para los empleados a tiempo parcial?",
        "¿por qué?",
        "それはいつですか",
        "病気休暇は？",
    ],
)
def test_what_needs_the_question_before_it_is_a_follow_up(text: str) -> None:
    assert is_follow_up(text)


@pytest.mark.parametrize(
    "text",
    [
        "How many weeks of parental leave do new parents get?",
        "Who approves overtime?",
        "Is there a gym?",
        "Which forms do I need so that my hotel in Berlin is paid?",
        "parental leave",
        "vpn",
        "IT help desk phone number?",
        "who is the IT contact?",
        "thanks, and how do I carry leave over?",
        "hi, how much leave do I get?",
        "how long does it take to get a new badge?",
        "is it ok to work from Mexico?",
        "so how do I set up the VPN on my phone?",
        "so where is the cafeteria",
        "also, how do I order business cards",
        "how do I contact IT",
        "per diem for Boston",
        "for how many weeks is parental leave paid",
        "who is allowed to change a contract after it was awarded?",
        "when is payday?",
        "what happens to my sick leave when I leave",
        "wo finde ich das Organigramm",
        "¿Quién aprueba los viajes?",
        "for how long can I edit a slack message?",
        "do we get microsoft teams",
        "what kinds of insurance are there",
        "is the fourth of July off this year?",
        "Wie viele Urlaubstage habe ich?",
        "Combien de jours de congé ai-je ?",
        "¿Cuántos días de vacaciones tengo?",
        "有給休暇は何日ありますか？",
    ],
)
def test_what_names_its_subject_stands_alone(text: str) -> None:
    assert not is_follow_up(text)


def test_follow_ups_of_a_question_set_are_told_from_its_other_questions(shared_data: Path) -> None:
    lines = (shared_data / "questions" / "dev.jsonl").read_text("utf-8").splitlines()
    asked = [json.loads(line) for line in lines]
    wrong = [one["question"] for one in asked if is_follow_up(one["question"]) != (one["kind"] == "followup")]
    assert len(wrong) <= 4, wrong


def test_a_question_is_searched_for_without_chatter() -> None:
    assert build_query("Hi there! Quick question: who approves overtime?") == "who approves overtime?"
    assert build_query("Who approves overtime? Thanks!", LEAVE) == "Who approves overtime?"


def test_a_follow_up_is_searched_for_with_the_question_before() -> None:
    assert build_query("thanks, and sick leave?", LEAVE, answer_to(LEAVE)) == f"and sick leave? {LEAVE.text}"
    assert build_query("and sick leave?") == "and sick leave?"


def test_a_follow_up_on_a_follow_up_is_searched_for_with_the_section_that_answered() -> None:
    before = replace(LEAVE, text="and for part-timers?")
    found = build_query("and for managers?", before, answer_to(before))
    assert found == "and for managers? and for part-timers? Leave Carrying leave over"


def test_what_may_be_a_follow_up_or_not_is_searched_for_both_ways() -> None:
    alone, joined = build_queries("and how do I reset my laptop password?", LEAVE)
    assert alone == "and how do I reset my laptop password?"
    assert joined == f"{alone} {LEAVE.text}"
    assert len(build_queries("and for part-timers?", LEAVE)) == 1
    assert build_queries("who approves overtime?", LEAVE) == ("who approves overtime?",)
    assert not may_stand_alone("and how long after that?")


@pytest.mark.parametrize(
    "text",
    [
        "can it translate the answers for me",
        "which LLM is this using out of the box",
        "does it work in WhatsApp?",
        "how do they decide what is a good answer",
        "can I call them at night too?",
    ],
)
def test_what_points_back_and_has_words_of_its_own_is_searched_for_both_ways(text: str) -> None:
    assert build_queries(text, LEAVE) == (text, f"{text} {LEAVE.text}")


def test_the_more_words_of_its_own_a_question_has_the_less_near_its_place_must_be() -> None:
    one, two = find_alone_bound("which port does it use"), find_alone_bound("can it translate the answers")
    assert one is not None
    assert two is not None
    assert one > two


@pytest.mark.parametrize(
    "text",
    [
        "how long does that take",
        "where do I get one",
        "can I make one myself",
        "can I do it now",
        "and in Teams?",
        "Wer bekommt das Formular?",
        "qui approuve ça ?",
        "¿eso incluye a los becarios?",
        "それはいつですか",
    ],
)
def test_without_words_of_its_own_or_in_other_languages_the_question_before_is_always_joined(
    text: str,
) -> None:
    assert find_alone_bound(text) is None
    assert len(build_queries(text, LEAVE)) == 1


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("do we get microsoft teams", AskedKind.YESNO),
        ("can i work from Mexico", AskedKind.YESNO),
        ("OK to use my own phone for work?", AskedKind.YESNO),
        ("could you please tell me if I can work from Mexico?", AskedKind.YESNO),
        ("Broke my wrist. Is the full process needed for that?", AskedKind.YESNO),
        ("Darf ich im Ausland arbeiten?", AskedKind.YESNO),
        ("max number of hours i can have banked", AskedKind.QUANTITY),
        ("whats the deadline", AskedKind.QUANTITY),
        ("how much unused vacation can i roll over", AskedKind.QUANTITY),
        ("my flight is late, by when do I have to call?", AskedKind.QUANTITY),
        ("Wie viele Urlaubstage habe ich?", AskedKind.QUANTITY),
        ("有給休暇は何日ありますか？", AskedKind.QUANTITY),
        ("who do i email?", AskedKind.WHO),
        ("Wer genehmigt Überstunden?", AskedKind.WHO),
        ("where do I get fingerprinted?", AskedKind.WHERE),
        ("smartsheet access - which channel", AskedKind.WHERE),
        ("¿Dónde encuentro el formulario?", AskedKind.WHERE),
        ("need steps for a new laptop", AskedKind.STEPS),
        ("how do I get business cards?", AskedKind.STEPS),
        ("logging in to slack how", AskedKind.STEPS),
        ("work laptop got stolen. what now", AskedKind.STEPS),
        ("Wie kann ich Urlaub übertragen?", AskedKind.STEPS),
        ("which receipts do I have to keep", AskedKind.LIST),
        ("what kinds of leave are there", AskedKind.LIST),
        ("names of the flexible schedules", AskedKind.LIST),
        ("why was my claim refused?", AskedKind.WHY),
        ("how come I was not paid", AskedKind.WHY),
        ("parental leave", AskedKind.OTHER),
    ],
)
def test_a_question_wants_a_kind_of_answer(text: str, kind: AskedKind) -> None:
    assert classify_question(text) is kind


def test_a_follow_up_wants_what_the_question_before_wanted() -> None:
    assert classify_question("and with a 4?", LEAVE.text) is AskedKind.QUANTITY


@pytest.mark.parametrize("text", ["parental leave", "vpn", "Annual leave for veterans", "hi, reset password"])
def test_a_subject_without_a_question_is_keywords(text: str) -> None:
    assert is_keywords(text)


@pytest.mark.parametrize(
    "text",
    [
        "how much leave",
        "who approves overtime?",
        "do we get microsoft teams",
        "and sick leave",
        "for managers",
        "",
        "?",
    ],
)
def test_a_question_or_a_follow_up_is_not_keywords(text: str) -> None:
    assert not is_keywords(text)


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("thanks, and how do I carry leave over?", "how do I carry leave over?"),
        ("hi, how much leave do I get?", "how much leave do I get?"),
        ("hey bot how do I get a badge", "how do I get a badge"),
        ("I have a question about parental leave", "parental leave"),
        ("how do I get a badge? Thanks in advance!", "how do I get a badge?"),
        ("Hallo! Wie viele Urlaubstage habe ich?", "Wie viele Urlaubstage habe ich?"),
        ("Bonjour, combien de jours de congé ai-je ?", "combien de jours de congé ai-je ?"),
        ("Hola, ¿cuántos días tengo?", "¿cuántos días tengo?"),
        ("こんにちは。有給休暇は何日ですか？", "有給休暇は何日ですか？"),
        ("👋 hi! where is the office?", "where is the office?"),
    ],
)
def test_chatter_around_a_question_is_left_out(text: str, left: str) -> None:
    assert strip_chatter(text) == left


@pytest.mark.parametrize(
    "text",
    [
        "help me with my VPN",
        "OK to use my own docker hub account for work?",
        "great places to eat in DC",
        "thank you letter template",
        "Good Friday off?",
        "morning meetings policy",
        "right to work documents",
        "later start times",
        "hi-res displays for work",
        "cheers fund rules",
        "fine amount for late timecards",
        "is it ok if my last day is July 4",
    ],
)
def test_words_that_are_part_of_a_question_are_not_chatter(text: str) -> None:
    assert strip_chatter(text) == text


def test_a_message_of_chatter_alone_stays_as_it_is() -> None:
    assert strip_chatter("thanks!") == "thanks!"
    assert (
        split_leading("OK, thanks 👍") == ((Chatter.THANKS,), "") or split_leading("OK, thanks 👍")[1] == ""
    )


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("how much leave do I get?", "en"),
        ("who approves it?", "en"),
        ("Und bei Teilzeit?", "de"),
        ("Wo reiche ich meine Reisekosten ein?", "de"),
        ("Qui approuve mes heures supplémentaires ?", "fr"),
        ("Qu'est-ce que le VPN ?", "fr"),
        ("¿Cuántos días de vacaciones tengo?", "es"),
        ("cuanto dura la licencia", "es"),
        ("VPNの設定方法は？", "ja"),
        ("Quantos dias de férias eu tenho?", "other"),
        ("Сколько дней отпуска?", "other"),
        ("年假有多少天？", "other"),
        ("VPN", ""),
        ("👍", ""),
    ],
)
def test_a_short_text_shows_its_language(text: str, language: str) -> None:
    assert detect_language(text) == language


def test_every_question_of_the_english_set_is_english(shared_data: Path) -> None:
    lines = (shared_data / "questions" / "dev.jsonl").read_text("utf-8").splitlines()
    assert {detect_language(json.loads(line)["question"]) for line in lines} <= {"en", ""}


def test_an_asker_of_another_language_is_told_which_one_the_page_is_in() -> None:
    page = "You can carry over a maximum of 240 hours from one leave year to the next."
    assert build_language_hint("Wie viele Urlaubstage habe ich?", page) == "Diese Seite ist auf Englisch."
    assert build_language_hint("有給休暇は何日ですか？", page) == "このページは英語です。"
    assert build_language_hint("Сколько дней отпуска?", page) == "This page is in English."
    assert build_language_hint("VPN", page, "de") == "Diese Seite ist auf Englisch."
    assert build_language_hint("how much leave?", page) == ""
    assert build_language_hint("VPN", page) == ""
    assert build_language_hint("Wie viel?", "404") == ""


@pytest.mark.parametrize(
    "piece", ["x .", "how ", "thanks ", "which a ", "what has ", ". ", "very ", "hi,", " "]
)
def test_a_long_text_of_anything_is_read_in_little_time(piece: str) -> None:
    text = "x" + piece * (8_000 // len(piece))
    assert classify_question(text) in AskedKind
    assert len(strip_chatter(text)) <= len(text)
    assert least_seconds(lambda: (is_follow_up(text), classify_question(text), strip_chatter(text))) < 2
