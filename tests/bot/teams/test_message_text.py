"""What somebody wrote in Teams: characters, links with a title, mentions, reactions."""

from __future__ import annotations

import json
from typing import Any

import pytest

from bot.channels.incoming import ZONE, Incoming, parse_activity
from bot.channels.message import plain_message
from bot.teams.message_text import name_reaction, read_as_written
from bot.teams.render import render_activity
from core.settings import Settings


def arrive(**activity: Any) -> Incoming:
    base = {"type": "message", "id": "1", "channelId": "msteams", "serviceUrl": "https://smba.example/"}
    people = {"conversation": {"id": "a:1"}, "from": {"id": "29:ann"}, "recipient": {"id": "28:bot"}}
    return parse_activity(read_as_written(base | people | activity))


@pytest.mark.parametrize(
    ("told", "zone"),
    [
        ({"localTimezone": "Europe/Berlin"}, "Europe/Berlin"),
        ({"entities": [{"type": "clientInfo", "timezone": "Asia/Tokyo", "platform": "Web"}]}, "Asia/Tokyo"),
        ({"entities": [{"type": "mention", "timezone": "Asia/Tokyo"}]}, ""),
        ({"localTimezone": "../../etc", "entities": [{"type": "clientInfo", "timezone": 7}]}, ""),
        ({}, ""),
    ],
)
def test_the_zone_of_who_writes_is_known_and_does_not_leave_again(told: dict[str, Any], zone: str) -> None:
    said = arrive(text="How long?", **told)
    assert said.conversation.get(ZONE, "") == zone
    sent = render_activity(said.reference, plain_message("30 days"))
    assert ZONE not in sent["conversation"]


def mention(id_: str, name: str, text: str) -> dict[str, Any]:
    return {"type": "mention", "mentioned": {"id": id_, "name": name}, "text": text}


def test_characters_are_those_that_the_person_sees() -> None:
    said = arrive(text="Is R&amp;D&#39;s limit &lt;5 &quot;days&quot;? https://example.com/a?x=1&amp;y=2")
    assert said.question == ('Is R&D\'s limit <5 "days"?', "https://example.com/a?x=1&y=2")
    assert arrive(text="What does &amp;lt; mean?").text == "What does &lt; mean?"


@pytest.mark.parametrize(
    ("text", "entities", "heard"),
    [
        ("<at>R&D bot</at> how long?", [mention("28:bot", "R&D bot", "<at>R&amp;D bot</at>")], "how long?"),
        (
            "<at>R&amp;D bot</at> how long?",
            [mention("28:bot", "R&D bot", "<at>R&amp;D bot</at>")],
            "how long?",
        ),
        ("How a tall man?", [mention("28:bot", "a", "a")], "How tall man?"),
        ("<at>R&D bot</at> how long?", [mention("28:bot", "R&D bot", "")], "how long?"),
        ("\ufeff<at>Bot</at>\u200b how long?\u200b", [mention("28:bot", "Bot", "<at>Bot</at>")], "how long?"),
        (
            "Ask <at>Al</at> about Al's leave",
            [mention("29:al", "Al", "<at>Al</at>")],
            "Ask Al about Al's leave",
        ),
        ("Bot, when is bottling day?", [mention("28:bot", "Bot", "Bot")], ", when is bottling day?"),
        ("<at>A</at> and <at>A</at>?", [mention("29:a", "Ann", "<at>A</at>")] * 2, "Ann and Ann ?"),
    ],
)
def test_one_mention_goes_and_nothing_else(text: str, entities: list[Any], heard: str) -> None:
    assert arrive(text=text, entities=entities).text == heard


def html_part(content: str) -> list[dict[str, str]]:
    return [{"contentType": "text/html", "content": content}]


def test_a_link_that_shows_its_title_only_is_the_page() -> None:
    content = '<p>How long is leave in <a href="https://example.com/leave?a=1&amp;b=2">Leave policy</a>?</p>'
    said = arrive(text="How long is leave in Leave policy?", attachments=html_part(content))
    assert said.question == ("How long is leave in Leave policy?", "https://example.com/leave?a=1&b=2")


def test_an_address_in_the_text_wins_over_the_attachment() -> None:
    content = '<a href="https://other.example/">x</a>'
    assert arrive(text="How long? https://example.com/a", attachments=html_part(content)).question[1] == (
        "https://example.com/a"
    )


QUOTING = (
    '<blockquote itemscope itemtype="http://schema.skype.com/Reply" itemid="1"><strong itemprop="mri">Ann Lee'
    '</strong><span itemprop="time" itemid="1"></span><p itemprop="preview">See the <a href="https://old.example/'
    'plan">old (2019) plan</a> &amp; ask?</p></blockquote>'
)


@pytest.mark.parametrize(
    ("text", "own", "question"),
    [
        ("Ann Lee\r\nSee the old (2019) plan & ask?\r\nHow long?", "<p>How long?</p>", "How long?"),
        ("See the old (2019) plan &amp; ask? How long?", "<p>How long?</p>", "How long?"),
        ("Ann LeeSee the old (2019) plan &amp; ask?How long?", "<p>How long?</p>", "How long?"),
        ("How long?", "<p>How long?</p>", "How long?"),
        (
            "How long? Ann Lee See the old (2019) plan & ask?",
            "",
            "How long? Ann Lee See the old (2019) plan & ask?",
        ),
        ("Ann Lee See the old (2019) plan & ask?", "", "Ann Lee See the old (2019) plan & ask?"),
    ],
)
def test_what_a_message_quotes_is_no_part_of_the_question(text: str, own: str, question: str) -> None:
    said = arrive(text=text, attachments=html_part(QUOTING + own))
    assert said.question == (question, "https://old.example/plan")  # the page that it is about, all the same


FORWARDED = '<p>How long is leave in <a href="https://example.com/leave">the policy</a> &amp; why?</p>'


@pytest.mark.parametrize(
    ("text", "content", "question"),
    [
        ("", {"originalMessageContent": FORWARDED}, "How long is leave in the policy & why?"),
        ("Is this right?", {"originalMessageContent": FORWARDED}, "Is this right?"),
        ("", {"originalMessageContent": 7}, ""),
        ("", {"originalMessageContent": ""}, ""),
        ("", [], ""),
    ],
)
def test_a_message_that_is_forwarded_without_a_word_is_the_question(
    text: str, content: Any, question: str
) -> None:
    forwarded = {"contentType": "forwardedMessageReference", "content": json.dumps(content)}
    said = arrive(text=text, attachments=[forwarded])
    page = "https://example.com/leave" if question.endswith("why?") else None
    assert said.question == (question, page)
    assert arrive(text="", attachments=[forwarded | {"content": "{" * 9}]).text == ""


def test_a_link_of_ones_own_comes_before_one_that_is_quoted() -> None:
    content = QUOTING + '<p>How long in <a href="https://example.com/new">the new one</a>?</p>'
    said = arrive(text="How long in the new one?", attachments=html_part(content))
    assert said.question[1] == "https://example.com/new"


@pytest.mark.parametrize(
    "attachments",
    [
        None,
        "x",
        [None, 3],
        [{"contentType": "text/html", "content": 7}],
        html_part('<a href="javascript:alert(1)">x</a><a>y</a><a href="mailto:a@example.com">z</a>'),
        html_part(
            '<span itemtype="http://schema.skype.com/Mention">Bot</span><img src="https://example.com/a">'
        ),
        [{"contentType": "application/vnd.microsoft.card.adaptive", "content": {}}],
    ],
)
def test_what_is_no_link_of_a_page_adds_nothing(attachments: Any) -> None:
    assert arrive(text="How long?", attachments=attachments).question == ("How long?", None)


@pytest.mark.parametrize(
    ("name", "direction"),
    [
        ("like", "up"),
        ("1f44d_thumbsup", "up"),
        ("1f44d_thumbsup-tone4", "up"),
        ("1f44d-1f3fd_yes", "up"),
        ("2705_whiteheavycheckmark", "up"),
        ("1f389_partypopper", "up"),
        ("2764_heart", "up"),
        ("2764-fe0f_redheart", "up"),
        ("1f606_laugh", "up"),
        ("1f622_cry", "down"),
        ("1f620_angry", "down"),
        ("1f62e_surprised", ""),
        ("angry", "down"),
        ("1f44e_thumbsdown", "down"),
        ("274c_crossmark", "down"),
        ("1f440_eyes", ""),
        ("launch", ""),
        ("surprised", ""),
    ],
)
def test_reactions_count_as_what_they_show(name: str, direction: str) -> None:
    arrived = arrive(type="messageReaction", reactionsAdded=[{"type": name}])
    [(shown, taken_back)] = arrived.reactions
    known = Settings().reactions
    assert ("up" if shown in known.up else "down" if shown in known.down else "") == direction
    assert not taken_back


@pytest.mark.parametrize("name", ["", "_", "zz_x", "1f44d", "face_book", "1f44d1f44d1f44d_x"])
def test_a_name_without_an_emoji_stays(name: str) -> None:
    assert name_reaction(name) == name
