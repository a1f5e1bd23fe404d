"""The reviewers' page over HTTP: who is let in, what they see and do, and two of them at once."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from typing import Any

import pytest

from bot.card_tokens import CardSigner
from bot.cards.places import FIND_IT, NO_PLACE
from bot.dialogs.review import GONE
from bot.page_passes import LINK_S, PASS_S, PagePasses, Visitor
from bot.readers.access import PageAccess
from bot.readers.audiences import Audiences
from core.readers import Audience, Readers
from core.records import Answer, ReviewReason, Ruling
from feedback.privacy.audit import Audit, AuditAction
from tests.browser.reviews_page import (
    BOB,
    CARRY,
    KIM,
    ROBIN,
    Reader,
    asked,
    come_in,
    flag,
    serve_reviews_page,
    some_answers,
    thumb_down,
)
from tests.builders.reviewing import REVIEWERS_CHANNEL, text_of, world
from tests.builders.reviewing import ROBIN as ROBIN_IN_TEAMS
from tests.builders.world import KEY, MemoryDocuments, World, an_answer, live

__all__ = ["world"]

CARRIED = "Yes, five days until 31 March."
LOCAL = replace(ROBIN, channel="msteams")


@pytest.fixture
async def url(world: World) -> AsyncIterator[str]:
    await flag(world, *some_answers())
    async with serve_reviews_page(world) as url:
        yield url


async def audited_actions(world: World, person: Visitor) -> list[AuditAction]:
    entries = Audit(world.parts.repository.documents).entries()
    return [entry.what async for entry in entries if entry.who == person.person]


async def reviews(world: World) -> list[Any]:
    return [await world.parts.repository.review(one.id) for one in some_answers()]


# Who is let in


async def test_a_link_from_chat_opens_the_page_once_and_in_ones_own_name(world: World, url: str) -> None:
    chat = {"id": "a:robins", "conversationType": "personal", "tenantId": "t1"}
    await world.ask("reviews page", conversation=chat, **{"from": ROBIN_IN_TEAMS})
    [told] = [text_of(call.activity) for call in world.connector.calls if "#link=" in text_of(call.activity)]
    [link] = re.findall(r"https://bot\.example/reviews#link=([\w.-]+)", told)
    reader = Reader(url, world.http)
    status, body = await reader.post("pass", {"link": link})
    assert status == 200
    status, queue = await replace(reader, token=body["pass"]).get("queue")
    assert (status, queue["me"], queue["waiting"]) == (200, "Robin", 5)
    status, body = await reader.post("pass", {"link": link})
    assert (status, body["error"]["code"]) == (401, "pass_needed")
    assert "already been used" in body["error"]["message"]


async def test_a_link_is_given_to_reviewers_alone_and_only_where_nobody_else_reads_it(world: World) -> None:
    bob = {"id": "29:bob", "name": "Bob", "aadObjectId": "aad-bob"}
    await world.ask("reviews page", **{"from": bob})
    await world.ask("reviews page", conversation=REVIEWERS_CHANNEL, id="8", **{"from": ROBIN_IN_TEAMS})
    await world.ask("admin page", id="9", **{"from": ROBIN_IN_TEAMS})
    said = " ".join(text_of(call.activity) for call in world.connector.calls)
    assert "#link=" not in said
    for sentence in ("you are not one of them", "in your personal chat", "Only operators"):
        assert sentence in said


def forge(world: World) -> dict[str, str]:
    """Return passes that open nothing, by what is wrong with them."""
    ours, theirs = world.parts.passes, PagePasses(CardSigner(b"another key"), MemoryDocuments())
    good = ours._sign("page pass", "reviews", ROBIN, PASS_S)
    text, _, signature = good.partition(".")
    other = ours._sign("page pass", "reviews", KIM, PASS_S)
    return {
        "none at all": "",
        "empty": " ",
        "garbage": "garbage",
        "not of this alphabet": "ä.ö",
        "without a signature": text,
        "with an empty signature": f"{text}.",
        "with another's signature": f"{text}.{other.partition('.')[2]}",
        "with its signature cut": f"{text}.{signature[:-1]}",
        "with its signature doubled": f"{text}.{signature}{signature}",
        "with its text changed": f"{text[:-2]}AA.{signature}",
        "too long": f"{text}{'A' * 5_000}.{signature}",
        "signed with another key": theirs._sign("page pass", "reviews", ROBIN, PASS_S),
        "that has ended": ours._sign("page pass", "reviews", ROBIN, -1),
        "for the other page": ours._sign("page pass", "admin", ROBIN, PASS_S),
        "that is a link": ours._sign("page link", "reviews", ROBIN, LINK_S),
        "that is a card's signature": CardSigner(KEY).sign("review", "x", {}),
        "of who is no reviewer": ours._sign("page pass", "reviews", BOB, PASS_S),
        "of nobody": ours._sign("page pass", "reviews", replace(ROBIN, directory_id=""), PASS_S),
        "of another channel": ours._sign("page pass", "reviews", replace(ROBIN, channel="slack"), PASS_S),
    }


async def test_whoever_shows_no_good_pass_reads_and_changes_nothing(world: World, url: str) -> None:
    before = await reviews(world)
    for wrong, token in forge(world).items():
        header = token.encode("ascii", "ignore").decode()
        stranger = Reader(url, world.http, header)
        answers = [await stranger.get(path) for path in ("queue", "verified", f"queue/{before[0].answer_id}")]
        answers.append(await stranger.press("approve", some_answers()[0]))
        answers.append(await stranger.post("press-all", {"others": []}))
        for status, body in answers:
            assert status in (401, 403), wrong
            assert set(body) == {"error"}, wrong
    assert await reviews(world) == before
    assert await audited_actions(world, BOB) == await audited_actions(world, ROBIN) == []


async def test_who_reviews_no_longer_is_refused_with_the_pass_they_had(world: World, url: str) -> None:
    robin = await come_in(world, url, ROBIN)
    assert (await robin.get("queue"))[0] == 200
    world.parts.reviewer_gates["msteams"]._ids = frozenset()  # type: ignore[attr-defined]
    assert (await robin.get("queue"))[0] == (await robin.press("approve", some_answers()[0]))[0] == 403


async def test_a_browser_here_is_the_local_reviewer_and_no_other_sites_page_is(world: World) -> None:
    await flag(world, *some_answers())
    async with serve_reviews_page(world, LOCAL) as url:
        async with world.http.get(f"{url}/reviews") as response:
            [token] = re.findall(r"&quot;token&quot;: &quot;([\w-]+)&quot;", await response.text())
            assert "script-src 'self'" in response.headers["Content-Security-Policy"]
        reader = Reader(url, world.http)
        assert (await reader.get("queue"))[1]["me"] == "Robin"
        answer = some_answers()[0]
        body = {"verb": "review.approve", "answer": answer.id, "round": 1, "press": "0" * 16}
        refused = [
            {},
            {"X-Askpage-Token": "another start's"},
            {"X-Askpage-Token": token, "Origin": "https://evil.example"},
            {"X-Askpage-Token": token, "Sec-Fetch-Site": "cross-site"},
            {"X-Askpage-Token": token, "X-Forwarded-For": "203.0.113.9"},
            {"X-Askpage-Token": token, "Host": "evil.example"},
        ]
        for headers in refused:
            async with world.http.post(f"{url}/reviews/press", json=body, headers=headers) as response:
                assert response.status in (401, 403), headers
        assert await live(world.parts.repository) == []
        async with world.http.post(
            f"{url}/reviews/press", json=body, headers={"X-Askpage-Token": token}
        ) as response:
            assert response.status == 200
    assert [one.answer_id for one in await live(world.parts.repository)] == [answer.id]


# What a reviewer may read

OURS = {"id": "a:robins", "conversationType": "personal", "channelId": "msteams", "tenantId": "t1"}


class Named:
    """A directory that knows people and no groups (`bot.readers.audiences.Directory`)."""

    kinds = ("entra:group:",)

    def name_person(self, person: str, conversation: Mapping[str, Any]) -> Audience:
        return frozenset({f"entra:user:{person}"})

    async def find_groups(self, person: str, conversation: Mapping[str, Any]) -> Audience:
        return frozenset()


async def test_a_page_that_a_reviewer_may_not_read_is_not_there_for_them(world: World) -> None:
    closed: dict[str, Readers] = {}
    world.parts.view.audiences = Audiences(PageAccess(lambda: closed), {"msteams"})
    world.parts.view.audiences.add("msteams", Named())
    elsewhere = replace(CARRY, url="/site/canteen#a")
    open_one = replace(an_answer(asked(6, "Where is the canteen?")), passages=(elsewhere,), citations=())
    await flag(world, *some_answers(), open_one)
    async with serve_reviews_page(world) as url:
        await look(world, url, closed, open_one)


async def look(world: World, url: str, closed: dict[str, Readers], open_one: Answer) -> None:
    """Approve an answer from a page, close it to all but Robin, and look at it with others' eyes."""
    closed_one = some_answers()[4]
    robin = await come_in(world, url, replace(ROBIN, chat=OURS))
    kim = await come_in(world, url, replace(KIM, chat=OURS | {"id": "a:kims"}))
    without_chat = await come_in(world, url, ROBIN)  # a link of an earlier version
    await robin.press("approve", closed_one)
    closed["/site/leave"] = Readers(frozenset({"entra:user:aad-robin"}))
    seen = await robin.get("queue")
    assert (seen[1]["waiting"], (await robin.get("count"))[1]["waiting"]) == (5, 5)
    assert (await robin.get("verified"))[1]["count"] == 1
    for reader in (kim, without_chat):
        _, queue = await reader.get("queue")
        assert queue["waiting"] == (await reader.get("count"))[1]["waiting"] == len(queue["shown"]) == 1
        assert "carry over" not in repr(queue)
        _, served = await reader.get("verified?about=annual")
        assert (served["count"], served["shown"]) == (0, [])
        for path in (f"queue/{closed_one.id}", f"verified/{closed_one.id}"):
            gone = await reader.get(path)
            unknown = await reader.get(path.replace(closed_one.id, "unknown"))
            assert gone == unknown
            assert gone[0] == 404
        waits = some_answers()[2]
        assert (await reader.press("skip", waits, note="n"))[1]["error"]["message"] == GONE
        assert (await reader.press("undo", closed_one))[1]["error"]["message"] == GONE
        told = await reader.post(
            "press-all",
            {"verb": "review.reject", "answer": open_one.id, "round": 9, "press": "0" * 32}
            | {"others": [{"answer": waits.id, "round": 1}]},
        )
        assert told[1]["told"][1] == {"id": waits.id, "hindered": GONE}
    entries = Audit(world.parts.repository.documents).entries()
    assert closed_one.id not in [one.answer_id async for one in entries if one.what is AuditAction.OPENED]
    review = await world.parts.repository.review(closed_one.id)
    assert review is not None
    assert review.ruling is not None


# The queue


async def test_the_first_button_takes_nothing_from_people_and_a_quote_is_ready(
    world: World, url: str
) -> None:
    robin = await come_in(world, url, ROBIN)
    answered, quoted, declined, *_ = some_answers()
    firsts = {}
    for one in (answered, quoted, declined):
        status, body = await robin.get(f"queue/{one.id}")
        assert status == 200
        firsts[one.kind] = body["actions"][0]
    assert firsts["answered"]["title"] == "Approve"
    assert firsts["quoted"]["title"] == "Use this quote"
    assert (firsts["declined"]["verb"], firsts["declined"]["title"]) == ("review.correct", "Use this quote…")
    text, span, _ = firsts["declined"]["fields"]
    assert text["value"] == "You may carry over five days of annual leave until 31 March."
    assert span["value"] == "auto"
    assert [span["choices"][at]["title"] for at in (0, -1)] == [FIND_IT, NO_PLACE]
    assert CARRY.heading in span["choices"][1]["title"]
    opened = [what for what in await audited_actions(world, ROBIN) if what is AuditAction.OPENED]
    assert len(opened) == 3


async def test_not_on_the_page_asks_once_more_where_a_near_sentence_stands(world: World, url: str) -> None:
    robin = await come_in(world, url, ROBIN)
    declined = some_answers()[2]
    status, body = await robin.press("approve", declined)
    assert (status, body["done"]) == (200, False)
    assert "carry over five days" in body["review"]["doubt"]["quote"]
    sure = next(one for one in body["review"]["actions"] if one["verb"] == "review.not_on_page")
    assert sure["sure"] is True
    assert (await world.parts.repository.review(declined.id)).ruling is None  # type: ignore[union-attr]
    status, body = await robin.press("not_on_page", declined, sure=True)
    assert (status, body["done"], body["review"]["settled"]) == (200, True, True)
    [verified] = await live(world.parts.repository)
    assert verified.abstained


async def test_of_two_who_rule_at_once_one_wins_and_the_other_hears_who_it_was(
    world: World, url: str
) -> None:
    robin, kim = await come_in(world, url, ROBIN), await come_in(world, url, KIM)
    answer = some_answers()[0]
    told = await asyncio.gather(
        robin.press("correct", answer, text="18 weeks.", span="c1"), kim.press("approve", answer)
    )
    [lost] = [body for status, body in told if status == 409]
    assert "has already" in lost["error"]["message"]
    review = await world.parts.repository.review(answer.id)
    assert review is not None
    assert len(review.verdicts) == 1
    assert review.ruling is not None
    assert review.ruling.reviewer_name in lost["error"]["message"]
    assert [one.verified_by for one in await live(world.parts.repository)] == [review.ruling.reviewer]
    winner, loser = (ROBIN, KIM) if review.ruling.reviewer == ROBIN.person else (KIM, ROBIN)
    assert AuditAction.RULED in await audited_actions(world, winner)
    assert AuditAction.RULED not in await audited_actions(world, loser)


async def test_the_same_press_twice_is_one_ruling(world: World, url: str) -> None:
    robin = await come_in(world, url, ROBIN)
    answer, press = some_answers()[0], "0f" * 16
    for _ in range(2):
        status, body = await robin.press("approve", answer, press=press)
        assert (status, body["review"]["settled"]) == (200, True)
    status, body = await robin.press("approve", answer)
    assert (status, body["error"]["code"]) == (409, "refused")
    review = await world.parts.repository.review(answer.id)
    assert review is not None
    assert len(review.verdicts) == 1


async def test_one_ruling_does_for_all_that_ask_the_same_where_the_place_is_known_of_each(
    world: World, url: str
) -> None:
    robin = await come_in(world, url, ROBIN)
    lead, same, other = some_answers()[2:]
    drawn = replace(an_answer(asked(6, lead.question.text)), passages=lead.passages)
    elsewhere = an_answer(asked(7, lead.question.text))
    await flag(world, drawn, reason=ReviewReason.SAMPLE)
    await flag(world, elsewhere)
    await world.parts.reviewing.change(drawn.id, lambda review: replace(review, weight=20.0))
    _, body = await robin.get(f"queue/{lead.id}")
    assert {one["id"] for one in body["alike"]} == {same.id, other.id, elsewhere.id}
    near = next(
        value["value"]
        for value in body["actions"][0]["fields"][1]["choices"]
        if value["value"] == body["actions"][0]["fields"][1]["value"]
    )
    sent = {
        "verb": "review.correct",
        "answer": lead.id,
        "round": 1,
        "press": "ab" * 16,
        "text": CARRIED,
        "span": near,
        "others": [{"answer": one.id, "round": 1} for one in (same, other, drawn, elsewhere)],
    }
    status, body = await robin.post("press-all", sent)
    told = {one["id"]: one["hindered"] for one in body["told"]}
    assert status == 200
    assert told[lead.id] == told[same.id] == told[other.id] == ""
    assert "random sample" in told[drawn.id]
    assert "place" in told[elsewhere.id]
    served = {one.answer_id: one for one in await live(world.parts.repository)}
    assert set(served) == {lead.id, same.id, other.id}
    assert {one.citations[0].url for one in served.values()} == {CARRY.url}


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"verb": "review.approve"},
        {"verb": "privacy.delete", "answer": "x", "round": 1, "press": "0" * 16},
        {"verb": "review.approve", "answer": ["x"], "round": 1, "press": "0" * 16},
        {"verb": "review.approve", "answer": "x", "round": "1", "press": "0" * 16},
        {"verb": "review.approve", "answer": "x", "round": 1, "press": "0"},
        {"verb": "review.correct", "answer": "x", "round": 1, "press": "0" * 16, "text": " "},
        {"verb": "review.skip", "answer": "x", "round": 1, "press": "0" * 16},
        {"verb": "review.undo", "answer": "x", "round": 1, "press": "0" * 16, "others": []},
    ],
)
async def test_what_the_page_does_not_send_is_refused(world: World, url: str, body: dict[str, Any]) -> None:
    robin = await come_in(world, url, ROBIN)
    path = "press-all" if "others" in body else "press"
    status, told = await robin.post(path, body)
    assert (status, told["error"]["code"]) == (400, "bad_request")


# Verified answers


async def test_a_verified_answer_is_found_edited_and_withdrawn_with_its_history(
    world: World, url: str
) -> None:
    robin, kim = await come_in(world, url, ROBIN), await come_in(world, url, KIM)
    answer, quoted, *_ = some_answers()
    await robin.press("correct", answer, text="Parents get 81 weeks.", span="c1")
    await kim.press("approve", quoted)
    for query, found in {
        "": [quoted.id, answer.id],
        "about=81": [answer.id],
        "reviewer=kim": [quoted.id],
        "page=nowhere": [],
        "use=some": [],
        "use=none": [quoted.id, answer.id],
        "older_than=1": [],
        "newer_than=1&number=99": [quoted.id, answer.id],
        "newer_than=never": [quoted.id, answer.id],
    }.items():
        status, body = await robin.get(f"verified?{query}")
        assert (status, [one["id"] for one in body["shown"]]) == (200, found), query
    status, body = await kim.press("edit", answer, text="Parents get 18 weeks.", span="c1", note="a typo")
    assert status == 200
    status, body = await kim.get(f"verified/{answer.id}")
    assert (body["text"], body["round"], body["reviewer"]) == ("Parents get 18 weeks.", 2, "Kim")
    first, second = body["history"]
    assert (first["text"], first["ended"]["what"], first["ended"]["reason"]) == (
        "Parents get 81 weeks.",
        "Kim edited the decision",
        "a typo",
    )
    assert second["holds"]
    status, told = await robin.press("withdraw", answer, 1)
    assert status == 409, "Kim has edited it since"
    assert "Kim has already edited the decision" in told["error"]["message"]
    status, _ = await robin.press("withdraw", answer, 2, note="the rule has ended")
    assert status == 200
    assert (await robin.get(f"verified/{answer.id}"))[0] == 404
    assert [one.answer_id for one in await live(world.parts.repository)] == [quoted.id]
    assert AuditAction.TOOK_BACK in await audited_actions(world, ROBIN)


async def test_two_verified_answers_that_contradict_each_other_are_shown_side_by_side(
    world: World, url: str
) -> None:
    robin = await come_in(world, url, ROBIN)
    _, _, one, other, _ = some_answers()
    await robin.press("correct", one, text="You may carry over 5 days.")
    await robin.press("correct", other, text="You may carry over 7 days.")
    _, body = await robin.get("verified")
    assert [(entry["id"], entry["conflicts"]) for entry in body["shown"]] == [(other.id, 1), (one.id, 1)]
    _, body = await robin.get(f"verified/{one.id}")
    assert [rival["text"] for rival in body["rivals"]] == ["You may carry over 7 days."]
    _, body = await robin.get(f"queue/{some_answers()[4].id}")
    assert {entry["id"] for entry in body["served"]} == {one.id, other.id}


async def test_of_a_sample_that_two_judge_nobody_sees_the_first_ruling(world: World, url: str) -> None:
    answer = some_answers()[0]
    await world.parts.reviewing.change(answer.id, lambda one: replace(one, weight=20.0, needed=2))
    robin, kim = await come_in(world, url, ROBIN), await come_in(world, url, KIM)
    await robin.press("correct", answer, text="81 weeks", span="c1")
    assert (await robin.get("queue"))[1]["waiting"] == 4
    _, body = await kim.get(f"queue/{answer.id}")
    assert "81 weeks" not in str(body)
    [state] = body["state"]
    assert state == "1 of 2 reviewers have decided. Please judge on your own: you see no other decision."
    await robin.press("undo", answer)
    assert (await robin.get("queue"))[1]["waiting"] == 5


async def test_what_people_wrote_comes_as_text_and_whoever_is_gone_is_gone(world: World, url: str) -> None:
    robin = await come_in(world, url, ROBIN)
    answer: Answer = some_answers()[0]
    await world.store.put_feedback(thumb_down(answer, "<img src=x onerror=alert(1)>"))
    _, body = await robin.get(f"queue/{answer.id}")
    assert body["feedback"] == ["1 × thumb down", "“<img src=x onerror=alert(1)>”"]
    await world.store.forget_question(answer.question.id)
    assert (await robin.get(f"queue/{answer.id}"))[0] == 404
    status, told = await robin.press("approve", answer)
    assert (status, told["error"]["message"]) == (409, "This no longer exists: its question was deleted.")
    assert Ruling.APPROVED not in {one.ruling.ruling for one in await reviews(world) if one and one.ruling}
