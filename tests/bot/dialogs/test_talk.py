"""Small talk gets a friendly sentence, never a search; a question with greetings around it stays one."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from bot.cards.adaptive import render_card
from bot.channels.message import talk_message
from bot.channels.privacy_handler import WORDS
from bot.dialogs.ask import Asking
from bot.dialogs.talk import MOST_PAGES, Talking, detect_talk, language_of_talk, listing
from bot.dialogs.talk_words import OFFERS, SENTENCES, Talk
from bot.slack.blocks import render_message
from core.records import Question
from core.translation import LANGUAGES, say, speak
from feedback.metrics.report import version_stats_since
from feedback.store.sqlite import SqliteStore
from tests.builders.asking import NOW, ReplyRecorder, Scripted
from tests.builders.asking import question as a_question

PAGES = (("/site/leave", "Leave"), ("https://pages.example/travel", "Travel"))


def said(text: str) -> Question:
    return replace(a_question(), text=text)


def talking() -> Talking:
    return Talking(lambda: PAGES, ("Who can see my questions?",))


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqliteStore]:
    opened = SqliteStore.open(tmp_path / "store.sqlite3")
    yield opened
    await opened.close()


@pytest.mark.parametrize(
    ("talk", "messages"),
    [
        (
            Talk.GREETING,
            "hi|Hello|good morning|hey bot|hi there 👋|hallo|Guten Morgen!|bonjour|hola|こんにちは|hiii",
        ),
        (
            Talk.THANKS,
            "thanks!|thank you so much|thx|great, thank you!|that helped|danke|merci|gracias|ありがとう",
        ),
        (Talk.AGREED, "ok|great|cool|👍|got it|ok cool|nice :)|yes|alles klar|d'accord|vale|わかりました"),
        (Talk.BYE, "bye|thanks, bye|see you tomorrow|have a nice day!|tschüss|au revoir|adiós|さようなら"),
        (Talk.PERSON, "can I talk to a human?|kann ich mit jemandem sprechen?"),
        (Talk.LAUGHTER, "lol|haha|lol 😂"),
        (Talk.HOW_ARE_YOU, "how are you?|hi, how are you|wie geht's?|ça va ?|¿qué tal?"),
        (
            Talk.WHO,
            "who are you?|are you a robot?|hi, who are you?|wer bist du?|qui es-tu ?|¿quién eres?|誰ですか",
        ),
        (
            Talk.HELP,
            "what can you do?|help|Help!|how does this work?|hilfe|aide|ayuda|使い方は？|can you help me?",
        ),
        (Talk.TEST, "test|testing|are you there?|テスト"),
        (Talk.ASK_AWAY, "I have a question|quick question|can I ask you something?|...|❓"),
        (Talk.COMPLAINT, "that's wrong|wrong answer|not helpful|das ist falsch|c'est faux"),
        (
            Talk.PAGES,
            "What do you know about?|which pages do you have?"
            "|what topics do you cover|list your pages|what can I ask?"
            "|what are your sources?|Was weißt du?|Que savez-vous ?|¿Qué sabes?",
        ),
    ],
)
def test_a_message_that_asks_nothing_of_the_pages_is_small_talk(talk: Talk, messages: str) -> None:
    heard = {message: detect_talk(message) for message in messages.split("|")}
    assert heard == dict.fromkeys(heard, talk)


@pytest.mark.parametrize(
    "text",
    [
        "thanks, and how do I carry leave over?",
        "hi, how much leave do I get?",
        "ok so what about sick leave?",
        "help me with my VPN",
        "who are you supposed to call when sick?",
        "can you help me reset my password?",
        "what do you know about parental leave?",
        "what can I ask HR?",
        "what topics does the training cover?",
        "how does this work for part-timers?",
        "what is this form for?",
        "are you allowed to smoke",
        "help desk",
        "test coverage",
        "options for health insurance",
        "who is the CEO?",
        "thank you letter template",
        "OK to use my phone?",
        "parental leave",
        "vpn",
        "why?",
        "how long?",
        "and for part-timers?",
        "Danke, und wie viel Urlaub habe ich?",
        "",
    ],
)
def test_a_question_is_no_small_talk(text: str) -> None:
    assert detect_talk(text) is None


def test_no_question_of_a_question_set_is_small_talk(shared_data: Path) -> None:
    lines = (shared_data / "questions" / "dev.jsonl").read_text("utf-8").splitlines()
    asked = [json.loads(line) for line in lines]
    assert [one["question"] for one in asked if detect_talk(one["question"])] == []


def test_what_people_say_about_their_own_data_is_no_small_talk() -> None:
    assert [words for words in WORDS if detect_talk(words)] == []


def test_small_talk_is_answered_in_its_language() -> None:
    spoken = {
        "danke": "de",
        "merci": "fr",
        "hola": "es",
        "こんにちは": "ja",
        "thanks": "",
        "👍": "",
        "ok": "",
    }
    assert {text: language_of_talk(text) for text in spoken} == spoken


@pytest.mark.parametrize("language", LANGUAGES)
def test_what_is_offered_is_understood(language: str) -> None:
    with speak(language):
        pages, can_do = map(say, OFFERS)
    assert (detect_talk(pages), detect_talk(can_do)) == (Talk.PAGES, Talk.HELP)


async def test_who_says_a_word_of_no_language_is_answered_in_their_own() -> None:
    replies = [await talking().reply_to(replace(said("ok"), language=one)) for one in ("de", "ja", "pt", "")]
    with speak("de"):
        german = say(SENTENCES[Talk.AGREED])
    with speak("ja"):
        japanese = say(SENTENCES[Talk.AGREED])
    english = SENTENCES[Talk.AGREED]
    assert [reply.text for reply in replies if reply] == [german, japanese, english, english]
    assert len({german, japanese, english}) == 3


async def test_a_greeting_offers_questions_and_the_pages() -> None:
    reply = await talking().reply_to(said("hi"))
    assert reply is not None
    assert reply.offers == ("Who can see my questions?", *OFFERS)
    assert await talking().reply_to(said("how much leave do I get?")) is None
    assert await talking().reply_to(replace(said("hi"), page_url="https://pages.example/x")) is None


def test_a_few_pages_are_listed_by_title() -> None:
    reply = listing([("/site/b", "beta"), ("/site/c", ""), ("/site/a", "Alpha")])
    assert [group.pages for group in reply.groups] == [
        (("/site/c", "/site/c"), ("Alpha", "/site/a"), ("beta", "/site/b"))
    ]
    assert not reply.more


def test_many_pages_are_listed_by_folder() -> None:
    leave = [(f"/site/pages/travel-and-leave/{n}", f"Leave {n:02}") for n in range(30)]
    tools = [(f"/site/pages/tools/{n}", f"Tool {n:02}") for n in range(5)]
    reply = listing([*leave, *tools, ("/site/pages/about", "About")])
    assert [group.name for group in reply.groups] == ["", "Tools", "Travel and leave"]
    assert sum(len(group.pages) for group in reply.groups) == MOST_PAGES
    assert [group.more for group in reply.groups] == ["", "", "and 16 more"]
    assert not reply.more


def test_of_too_many_folders_the_largest_are_listed() -> None:
    pages = [(f"/site/folder{n}/{m}", f"Page {n} {m}") for n in range(40) for m in range(1 + n % 3)]
    reply = listing(pages)
    assert sum(len(group.pages) for group in reply.groups) == MOST_PAGES
    assert reply.more.startswith("and ")
    flat = listing([(f"/site/{n}", f"Page {n:02}") for n in range(33)])
    assert (len(flat.groups[0].pages), flat.more) == (MOST_PAGES, "and 13 more")
    assert flat.groups[0].more == "", "how many are left out is said once"


def test_without_pages_it_is_said_that_there_are_none() -> None:
    assert "do not know any pages yet" in listing([]).text


async def test_pages_are_links_on_every_channel(valid: Callable[[dict[str, Any]], None]) -> None:
    reply = await talking().reply_to(said("which pages do you have?"))
    assert reply is not None
    message = talk_message(reply, "https://bot.example")
    assert message.card is not None
    card = render_card(message.card)
    valid(card)
    opened = [run["selectAction"]["url"] for item in card["body"] for run in item["inlines"]]
    assert opened == ["https://bot.example/site/leave", "https://pages.example/travel"]
    (_, listed, *_) = render_message(message)["blocks"]
    links = [one for part in listed["elements"] for one in part["elements"] if one["type"] == "link"]
    assert [(one["text"], one["url"]) for one in links] == [("Leave", opened[0]), ("Travel", opened[1])]


async def test_the_card_of_help_explains_and_offers(valid: Callable[[dict[str, Any]], None]) -> None:
    reply = await talking().reply_to(said("what can you do?"))
    assert reply is not None
    card = talk_message(reply, "https://bot.example").card
    assert card is not None
    valid(render_card(card))
    assert "privacy" in json.dumps(render_card(card), ensure_ascii=False)


async def test_small_talk_is_answered_once_and_leaves_no_answer(store: SqliteStore) -> None:
    answerer, reply = Scripted(), ReplyRecorder()
    asking = Asking(store, answerer, talking=talking())
    assert [await asking.receive(said("thanks!"), reply) for _ in range(2)] == [True, False]
    await asking.drain(5)
    assert not await asking.receive(said("thanks!"), reply)
    assert reply.said == [SENTENCES[Talk.THANKS]]
    assert answerer.answered == 0
    assert await store.recent_answers("c", 3) == []
    assert await store.take_undelivered() == []


async def test_small_talk_is_no_question_that_failed(store: SqliteStore) -> None:
    asking = Asking(store, Scripted(), talking=talking())
    await asking.receive(said("thanks!"), ReplyRecorder())
    await asking.drain(5)
    heard = await version_stats_since(store, NOW - timedelta(days=1), lambda _: "v")
    assert sum(one.failed for one in heard.values()) == 0


async def test_small_talk_that_a_crash_left_open_is_answered_at_the_next_start(store: SqliteStore) -> None:
    before = Asking(store, Scripted(), talking=talking())
    await before.receive(said("hello"), ReplyRecorder(OSError("the channel is away")))
    await before.drain(5)
    reply, after = ReplyRecorder(), Asking(store, Scripted(), talking=talking())
    assert await after.resume(lambda _: reply) == 1
    await after.drain(5)
    assert reply.said == [SENTENCES[Talk.GREETING]]
    assert await after.resume(lambda _: reply) == 0


async def test_a_question_goes_to_the_answerer_as_before(store: SqliteStore) -> None:
    reply = ReplyRecorder()
    asking = Asking(store, Scripted(), talking=talking())
    await asking.receive(said("hi, how long is the leave?"), reply)
    await asking.drain(5)
    assert reply.said == ["Ten."]
