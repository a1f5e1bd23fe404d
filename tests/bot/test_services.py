"""Who reviews, how feedback is asked for, what is opened, and what silence says: each part alone."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from bot.card_tokens import RATE, REVIEW, CardSigner
from bot.channel import ChannelError, Stopped
from bot.channels.review_handler import Reviewers
from bot.dialogs.answerer import is_fresh
from bot.dialogs.rate import Forms, Rating, RatingRules, Said, Word, parse_form_name, parse_spoken_at
from bot.dialogs.review import Reviewing
from bot.teams.graph import Directory, DirectoryConfig, DirectoryUnavailable
from bot.web.pages import open_route
from core.records import AnswerKind, Channel, FeedbackKind, Question
from feedback.reviews.repository import ReviewRepository
from feedback.reviews.unmatched import count_unmatched
from feedback.store.sqlite import SqliteStore
from tests.builders.records import answer, question
from tests.builders.reviewing import shown_in, subscribe, thumb_down
from tests.builders.serving import served
from tests.builders.verified import verified
from tests.builders.world import (
    KEY,
    NO_SAMPLE,
    NOW,
    NothingKnown,
    a_world,
    an_answer,
)

GOOD = "a secret"
QUESTION = Question("q", "How much leave?", "p", "c", Channel.TEAMS, NOW)


# Reviewers


class Graph:
    """Microsoft's token endpoint and checkMemberGroups: 200 with the groups, 404 for nobody of ours."""

    def __init__(self) -> None:
        self.asked: list[dict[str, Any]] = []
        self.tokens = 0
        self.status = 200
        self.app = web.Application()
        self.app.router.add_post("/oauth2/v2.0/token", self._token)
        self.app.router.add_post("/v1.0/users/{person}/checkMemberGroups", self._check)

    async def _token(self, request: web.Request) -> web.Response:
        form = await request.post()
        assert form["grant_type"] == "client_credentials"
        assert form["scope"] == "https://graph.microsoft.com/.default"
        if form["client_secret"] != GOOD:
            return web.json_response({"error": "invalid_client"}, status=401)
        self.tokens += 1
        return web.json_response({"access_token": "t", "expires_in": 3600})

    async def _check(self, request: web.Request) -> web.Response:
        assert request.headers["Authorization"] == "Bearer t"
        self.asked.append({"person": request.match_info["person"], **await request.json()})
        if self.status != 200:
            return web.json_response({"error": {"code": "x"}}, status=self.status)
        if request.match_info["person"] == "stranger":
            return web.json_response({"error": {"code": "Request_ResourceNotFound"}}, status=404)
        groups = (await request.json())["groupIds"]
        inside = [group for group in groups if (request.match_info["person"], group) == ("kim", "g25")]
        return web.json_response({"value": inside})


@pytest.fixture
async def graph() -> AsyncIterator[tuple[Graph, Directory]]:
    fake = Graph()
    async with served(fake.app) as url:
        directory = Directory(DirectoryConfig("app", GOOD, "tenant", login_url=url, graph_url=url))
        yield fake, directory
        await directory.close()


async def test_members_of_a_group_may_review_and_are_asked_for_once(graph: tuple[Graph, Directory]) -> None:
    fake, directory = graph
    groups = [f"g{number}" for number in range(30)]  # more than Graph takes at once
    reviewers = Reviewers(["AAD-Robin"], groups, directory.is_member)
    assert await reviewers.allows("aad-robin")
    assert not fake.asked
    assert await reviewers.allows("kim")
    assert await reviewers.allows("Kim")
    assert [len(one["groupIds"]) for one in fake.asked] == [20, 10]
    assert not await reviewers.allows("lee")
    assert not await reviewers.allows("stranger")
    assert not await reviewers.allows("")
    assert fake.tokens == 1


async def test_a_directory_that_does_not_answer_lets_nobody_in(graph: tuple[Graph, Directory]) -> None:
    fake, directory = graph
    fake.status = 403
    reviewers = Reviewers(["robin"], ["g25"], directory.is_member)
    with pytest.raises(DirectoryUnavailable, match=r"GroupMember\.Read\.All"):
        await reviewers.allows("kim")
    assert await reviewers.allows("robin")
    fake.status = 200
    assert await reviewers.allows("kim")


async def test_a_wrong_secret_is_named(graph: tuple[Graph, Directory]) -> None:
    _, directory = graph
    wrong = Directory(replace(directory._config, app_password=GOOD[1:]))
    with pytest.raises(DirectoryUnavailable, match="app_password"):
        await wrong.is_member("kim", ["g25"])
    await wrong.close()
    nowhere = Directory(DirectoryConfig("a", "b", "c", login_url="http://127.0.0.1:1"))
    with pytest.raises(DirectoryUnavailable, match="does not answer"):
        await nowhere.is_member("kim", ["g25"])
    await nowhere.close()


async def test_an_app_without_a_secret_asks_with_the_token_of_its_machine(
    graph: tuple[Graph, Directory],
) -> None:
    fake, directory = graph

    async def token() -> str:
        return "t"

    async def no_token() -> str:
        raise ChannelError("no identity here")

    machine = Directory(replace(directory._config, app_password="", own_token=token))
    assert await machine.is_member("kim", ["g25"])
    assert fake.tokens == 0
    await machine.close()
    nobody = Directory(replace(directory._config, own_token=no_token))
    with pytest.raises(DirectoryUnavailable, match="no identity here"):
        await nobody.is_member("kim", ["g25"])
    await nobody.close()


def test_a_signature_is_for_one_purpose_answer_conversation_and_tenant() -> None:
    signer = CardSigner(KEY)
    here = {"id": "19:x;messageid=1", "tenantId": "t"}
    signature = signer.sign(RATE, "a", here)
    assert signer.is_valid(signature, RATE, "a", {"id": "19:x", "tenantId": "t"})
    assert not signer.is_valid(signature, REVIEW, "a", here)
    assert not signer.is_valid(signature, RATE, "b", here)
    assert not signer.is_valid(signature, RATE, "a", here | {"id": "19:y"})
    assert not signer.is_valid(signature, RATE, "a", here | {"tenantId": "u"})
    assert not CardSigner(b"another key").is_valid(signature, RATE, "a", here)


# Forms


def test_a_person_always_gets_the_same_form_and_the_shares_are_kept() -> None:
    forms = Forms("thumbs", 3, share=0.5, trial="stars", trial_share=0.2)
    given = [forms.choose_form(an_answer(replace(QUESTION, asker=f"p{number}"))) for number in range(4_000)]
    assert given == [
        forms.choose_form(an_answer(replace(QUESTION, asker=f"p{number}"))) for number in range(4_000)
    ]
    shares = {form: given.count(form) / len(given) for form in set(given)}
    assert shares.keys() == {"thumbs@3", "stars@3", "none@3"}
    assert shares["stars@3"] == pytest.approx(0.2, abs=0.03)
    assert shares["thumbs@3"] == pytest.approx(0.4, abs=0.03)
    assert parse_form_name("stars@3") == "stars"
    assert parse_form_name("") == "thumbs"


def test_feedback_is_asked_for_after_the_answers_that_the_setting_names() -> None:
    declined = an_answer(QUESTION, kind=AnswerKind.DECLINED)
    assert Forms(after="declined").choose_form(declined) == "thumbs@1"
    assert Forms(after="declined").choose_form(an_answer(QUESTION)) == "none@1"
    assert Forms(after="answered").choose_form(declined) == "none@1"
    quoted = an_answer(QUESTION, kind=AnswerKind.QUOTED)
    asked = [Forms(after=kind).choose_form(quoted) for kind in ("all", "answered", "quoted", "declined")]
    assert asked == ["thumbs@1", "none@1", "thumbs@1", "none@1"]


# What is opened, and what silence says


async def test_a_source_is_opened_over_the_bot_and_counted_once() -> None:
    async with a_world() as world:
        await world.ask("How much leave?")
        await world.settled()
        [given] = world.store.answers.values()
        app = web.Application()
        app.add_routes([open_route(world.store, world.parts.looking.on_opened, "http://localhost:1")])
        async with served(app) as url, aiohttp.ClientSession() as http:
            for _ in range(2):
                async with http.get(f"{url}/open/{given.id}/1", allow_redirects=False) as response:
                    assert response.status == 302
                    assert response.headers["Location"].startswith(
                        "http://localhost:1/site/leave?quote=16%20weeks"
                    )
            for place in (f"{given.id}/0", f"{given.id}/2", f"{given.id}/x", "nothing/1", f"{given.id}/9999"):
                async with http.get(f"{url}/open/{place}", allow_redirects=False) as response:
                    assert response.status == 404
        [kept] = world.store.feedback.values()
        assert (kept.kind, kept.value, kept.giver) == (FeedbackKind.IMPLICIT, "opened", "")


async def test_a_follow_up_says_something_about_the_answer_before() -> None:
    async with a_world() as world:
        world.answerer.changes["answered_at"] = datetime.now(UTC)
        await world.ask("How much parental leave is there?")
        await world.settled()
        await world.ask("And for part-timers?", id="2")
        await world.settled()
        [kept] = world.store.feedback.values()
        assert (kept.value, kept.answer_id) == ("follow_up", "answer to msteams:a:chat:1700000000001")


async def test_an_answer_that_is_stopped_is_noted() -> None:
    async with a_world() as world:
        await world.parts.looking.on_stopped(replace(QUESTION, id="unknown"))
        assert await count_unmatched(world.parts.repository.documents) == {"implicit": 1}
        world.answerer.raises = Stopped("the asker stopped the answer")
        await world.ask("How much parental leave is there?")
        await world.settled()
        assert await count_unmatched(world.parts.repository.documents) == {"implicit": 2}


# Words


@pytest.mark.parametrize(
    ("told", "kept"),
    [
        (timedelta(minutes=-5), timedelta(minutes=-5)),
        (timedelta(hours=3), timedelta()),
        (timedelta(days=-30), timedelta()),
    ],
)
def test_when_something_was_said_is_believed_within_reason(told: timedelta, kept: timedelta) -> None:
    now = datetime.now(UTC)
    assert abs(parse_spoken_at((now + told).isoformat()) - (now + kept)) < timedelta(seconds=5)
    assert abs(parse_spoken_at("yesterday") - now) < timedelta(seconds=5)
    assert abs(parse_spoken_at("2026-11-24T10:00:00") - now) < timedelta(seconds=5)


async def test_words_in_any_order_end_with_the_one_said_last(tmp_path: Any) -> None:
    store = SqliteStore.open(tmp_path / "s")
    asked = question()
    given = answer(asked)
    await store.add_question(asked)
    await store.add_answer(given)
    reviewing = Reviewing(ReviewRepository(store.documents), store, NothingKnown(), NO_SAMPLE)
    rating = Rating(store, reviewing, RatingRules())
    said = [
        (Word(FeedbackKind.REACTION, "heart"), Said("p", "f:1", NOW)),
        (Word(FeedbackKind.REACTION, "heart", withdrawn=True), Said("p", "f:2", NOW + timedelta(seconds=1))),
    ]
    for word, by in [*reversed(said), *said]:
        await rating.give(given, word, by)
    [kept] = await store.feedback_on(given.id)
    assert kept.withdrawn_at == NOW + timedelta(seconds=1)
    await store.close()


def test_a_verified_answer_is_fresh_while_its_pages_are() -> None:
    one = verified("How much leave?")
    assert is_fresh(one, {"https://example.com/leave": "h1"}.get)
    assert not is_fresh(one, {"https://example.com/leave": "h2"}.get)
    assert not is_fresh(one, {}.get)
    pasted = replace(one, page_url="https://example.com/leave")
    assert is_fresh(pasted, {}.get)  # nobody read it again since
    assert not is_fresh(pasted, {"https://example.com/leave": "h2"}.get)


async def test_a_message_that_cannot_be_written_over_with_its_card_says_it_in_words() -> None:
    async with a_world() as world:
        await subscribe(world)
        await world.ask("How much leave?")
        await world.settled()
        body = json.dumps({"error": {"message": "Activity resulted into multiple skype activities"}})
        world.connector.fail(
            400, times=99, body=body, when=lambda one: bool(one.get("text") and one.get("attachments"))
        )
        await thumb_down(world)
        seen = await shown_in(world, "a:chat", "Under review by a colleague")
        assert seen.method == "PUT"
        assert "attachments" not in seen.activity
        assert not await world.parts.repository.claim_outbox_entries(5)
