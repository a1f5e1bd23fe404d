"""The places where people meet the bot, as a scenario sees them all: who says, presses and sees what.

A `Surface` is the whole bot in this process on one channel, from the bytes in to the bytes out; only the
model is scripted. A channel that is new gets one class here and a line in SURFACES.
"""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, Protocol

from bot.dialogs.answerer import PageAnswerer, Verified
from bot.dialogs.rate import Forms
from bot.services import Services
from bot.teams.auth import BotFrameworkConfig
from bot.web.activities import REVIEWER as ROBIN_OF_THE_PAGE
from core.records import Answer, Channel, Question
from feedback.reviews.ruling_changes import read_standing
from tests.browser.chat import Browser, Chat, a_browser, a_chat
from tests.builders.reviewing import (
    BOB,
    BOBS_CHAT,
    REVIEWERS_CHANNEL,
    ROBIN,
    Library,
    Matcher,
    actions_of,
    press_data,
    shown_in,
    subscribe,
    text_of,
)
from tests.builders.slack_world import ADA, CONFIG, SlackWorld, a_slack_world, pressable
from tests.builders.slack_world import BOB as BOB_OF_SLACK
from tests.builders.slack_world import ROBIN as ROBIN_OF_SLACK
from tests.builders.widget import Visitor, Widget, a_visitor, a_widget
from tests.builders.world import PAGE, MemoryStore, ScriptedAnswerer, World, a_world
from tests.doubles.slack_api import Message, elements_in
from tests.doubles.teams_connector import Call
from tests.doubles.tokens import APP_ID

Json = dict[str, Any]

ASKER, COLLEAGUE, REVIEWER = "the asker", "a colleague", "a reviewer"


class Script:
    """The bot's answerer: verified answers, then the scripted `model`. `forms`: how to ask for feedback."""

    def __init__(self, place: Callable[[], Any]) -> None:
        """`place` returns what has the `known` verified answers, the pages' `hashes`, and the `parts`."""
        self.model = ScriptedAnswerer(support=0.9)
        self.forms = Forms()
        self._place = place

    async def stream(self, question: Question, history: Sequence[Answer]) -> AsyncIterator[str | Answer]:
        place = self._place()
        self.model.changes["answered_at"] = datetime.now(UTC)
        verified = Verified(Matcher(place), self._is_fresh, partial(read_standing, place.parts.repository))
        answerer = PageAnswerer(Library(), self.model, verified, self.forms)  # type: ignore[arg-type]
        async for item in answerer.stream(question, history):
            yield item

    def change_the_page(self) -> None:
        """Let the page that every answer stands on say something else."""
        self._place().hashes[PAGE.url.partition("#")[0]] = "h2"

    def _is_fresh(self, verified: Any) -> bool:
        hashes = self._place().hashes
        return all(hashes.get(url, then) == then for url, then in verified.pages)


class Surface(Protocol):
    """A channel with the whole bot behind it. ASKER, COLLEAGUE and REVIEWER each have their own place."""

    script: Script
    store: MemoryStore
    parts: Services

    def read_in(self, person: str, language: str) -> None:
        """Let a person have set their client to a language ("de")."""
        ...

    async def reviews(self) -> None:
        """Let the reviewer see what is to be reviewed."""
        ...

    async def ask(self, person: str, text: str) -> None:
        """Say something to the bot, and wait until it has answered."""
        ...

    async def thumb(self, person: str, value: str, comment: str) -> None:
        """Press a thumb, "like" or "dislike", on the latest answer that the person got."""
        ...

    async def react(self, person: str, name: str, *, remove: bool) -> None:
        """Add a reaction to the latest answer that the person got, or take it back."""
        ...

    async def press(self, person: str, action: str, inputs: Json) -> str:
        """Press a button, by what it does, on the newest message with it; return what the person sees."""
        ...

    async def sees(self, person: str, text: str) -> None:
        """Wait until a text is on the person's screen."""
        ...

    async def screen(self, person: str) -> str:
        """Return all that is on the person's screen now."""
        ...


def a_thumb(value: str, comment: str) -> Json:
    """Return what a Bot Framework channel says of a thumb with its form."""
    form = json.dumps({"reasons": ["wrong"], "feedbackText": comment})
    action = {"actionName": "feedback", "actionValue": {"reaction": value, "feedback": form}}
    return {"name": "message/submitAction", "value": action}


def a_reaction(name: str, *, remove: bool) -> Json:
    """Return what it says of a reaction."""
    return {"reactionsRemoved" if remove else "reactionsAdded": [{"type": name}]}


class TeamsSurface:
    """Microsoft Teams: chats of the asker and the colleague, a channel of the reviewers."""

    def __init__(self, world: World) -> None:
        self.script = Script(lambda: world)
        world.answerer = self.script  # type: ignore[assignment]
        self.store, self.parts = world.store, world.parts
        self._world = world
        self._ids = itertools.count(1)
        self._asked: dict[str, str] = {}
        self._replaced: list[tuple[Call, Json]] = []
        self._fields: dict[str, Json] = {
            ASKER: {},
            COLLEAGUE: {"from": BOB, "conversation": BOBS_CHAT},
            REVIEWER: {"from": ROBIN, "conversation": REVIEWERS_CHANNEL},
        }

    def read_in(self, person: str, language: str) -> None:
        self._fields[person]["locale"] = f"{language}-XX"

    async def reviews(self) -> None:
        await subscribe(self._world)

    async def ask(self, person: str, text: str) -> None:
        number = str(next(self._ids))
        self._asked[person] = f"msteams:{self._home(person)}:{number}"
        await self._world.ask(text, id=number, **self._fields[person])
        await self._world.settled()

    async def thumb(self, person: str, value: str, comment: str) -> None:
        await self._do("invoke", person, **a_thumb(value, comment))

    async def react(self, person: str, name: str, *, remove: bool) -> None:
        await self._do("messageReaction", person, **a_reaction(name, remove=remove))

    async def press(self, person: str, action: str, inputs: Json) -> str:
        who = self._world.activity(**self._fields[person])["from"]
        for call in reversed(self._world.connector.calls):
            card = next((one["content"] for one in call.activity.get("attachments", ())), {})
            if call.conversation == self._home(person) and action in actions_of(card):
                return await self._press(call, actions_of(card)[action] | inputs, who)
        for call, card in reversed(self._replaced):
            if call.conversation == self._home(person) and action in actions_of(card):
                return await self._press(call, actions_of(card)[action] | inputs, who)
        raise AssertionError(f"{person} has no button that does {action}")

    async def _press(self, call: Call, data: Json, who: Json) -> str:
        """Press a button; the card that comes back takes the place of the one that was pressed."""
        body = await press_data(self._world, call, data, who)
        if isinstance(body.get("value"), dict):
            self._replaced.append((call, body["value"]))
        return text_of(body)

    async def sees(self, person: str, text: str) -> None:
        await shown_in(self._world, self._home(person), text)

    async def screen(self, person: str) -> str:
        calls = self._world.connector.calls
        return text_of([c.activity for c in calls if c.conversation == self._home(person) and not _grows(c)])

    def _home(self, person: str) -> str:
        return str(self._world.activity(**self._fields[person])["conversation"]["id"])

    async def _do(self, kind: str, person: str, **fields: Any) -> None:
        message_id = self.store.delivered[self._asked[person]]
        activity = self._world.activity(kind, replyToId=message_id, **self._fields[person], **fields)
        status, _ = await self._world.post(activity)
        assert status == 200


def _grows(call: Any) -> bool:
    """Whether a call is a part of a stream that its end has replaced."""
    return call.activity["type"] == "typing"


class BrowserSurface:
    """A page of the bot's own, in three people's browsers; the reviewer's is on this machine.

    `close` waits for the cards that are on their way.
    """

    def __init__(
        self,
        chat: Chat,
        script: Script,
        browsers: Mapping[str, Browser | Visitor],
        channel: Channel = Channel.LOCAL,
        close: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        self.script = script
        self._channel = channel
        self._close = close or chat.heard.front.close
        self.store, self.parts = chat.store, chat.parts
        self._chat = chat
        self._browsers = browsers
        self._asked: dict[str, str] = {}

    def read_in(self, person: str, language: str) -> None:
        self._browsers[person].http.headers["Accept-Language"] = f"{language}-XX, en;q=0.5"

    async def reviews(self) -> None:
        reviewer = self._browsers[REVIEWER]
        assert isinstance(reviewer, Browser)
        await reviewer.begin(ROBIN_OF_THE_PAGE)

    async def ask(self, person: str, text: str) -> None:
        browser = self._browsers[person]
        status, said = await browser.do("message", text=text)
        assert status == 200, said
        self._asked[person] = f"{self._channel}:{browser.conversation}:{said['id']}"
        await self._chat.asking.drain(10)
        await self._close()

    async def thumb(self, person: str, value: str, comment: str) -> None:
        await self._do("invoke", person, **a_thumb(value, comment))

    async def react(self, person: str, name: str, *, remove: bool) -> None:
        await self._do("messageReaction", person, **a_reaction(name, remove=remove))

    async def press(self, person: str, action: str, inputs: Json) -> str:
        browser = self._browsers[person]
        for shown in reversed(await browser.messages()):
            known = actions_of(shown.get("cards", []))
            if action in known:
                pressed = {"type": "Action.Execute", "verb": action, "data": known[action] | inputs}
                name, value = "adaptiveCard/action", {"action": pressed}
                status, answer = await browser.do("invoke", name=name, value=value, replyToId=shown["id"])
                assert status == 200, answer
                return text_of(answer["body"])
        raise AssertionError(f"{person} has no button that does {action}")

    async def sees(self, person: str, text: str) -> None:
        for _ in range(20):
            await self.parts.card_sync.process_outbox()
            if any(text in text_of(shown) for shown in await self._browsers[person].messages()):
                return
            await asyncio.sleep(0.05)
        raise AssertionError(f"{person} did not see {text!r}")

    async def screen(self, person: str) -> str:
        return text_of(await self._browsers[person].messages())

    async def _do(self, kind: str, person: str, **fields: Any) -> None:
        message_id = self.store.delivered[self._asked[person]]
        status, answer = await self._browsers[person].do(kind, replyToId=message_id, **fields)
        assert status == 200, answer


class SlackSurface:
    """Slack: personal chats of the asker and the colleague, a channel of the reviewers."""

    def __init__(self, world: SlackWorld) -> None:
        self.script = Script(lambda: world)
        self.script.forms = Forms(form="reasons")  # a thumb of Slack has words only where it asks why
        world.answerer = self.script  # type: ignore[assignment]
        self.store, self.parts = world.store, world.parts
        self._world = world
        self._asked: dict[str, str] = {}
        self._users = {ASKER: ADA, COLLEAGUE: BOB_OF_SLACK, REVIEWER: ROBIN_OF_SLACK}
        self._channels = {ASKER: "D1", COLLEAGUE: "D2", REVIEWER: "C9"}

    def read_in(self, person: str, language: str) -> None:
        self._world.slack.locales[self._users[person]] = f"{language}-XX"

    async def reviews(self) -> None:
        mention = self._world.mention("reviewers here", channel="C9", user=ROBIN_OF_SLACK)
        assert await self._world.event(mention) == 200
        await self._world.settled()

    async def ask(self, person: str, text: str) -> None:
        message = self._world.dm(text, channel=self._channels[person], user=self._users[person])
        self._asked[person] = f"slack:T1:{self._channels[person]}:{message['ts']}"
        assert await self._world.event(message) == 200
        await self._world.settled()

    async def thumb(self, person: str, value: str, comment: str) -> None:
        answer = self._answer(person)
        side = "positive_button" if value == "like" else "negative_button"
        element = pressable(answer, "thumb:")
        await self._sent(self._world.press(answer, element, self._users[person], side=side))
        reason = "clear" if value == "like" else "wrong"
        await self._fill(person, {"reasons": [reason], "feedbackText": comment})

    async def react(self, person: str, name: str, *, remove: bool) -> None:
        answer = self._answer(person)
        event: Json = {
            "type": "reaction_removed" if remove else "reaction_added",
            "user": self._users[person],
            "reaction": name,
            "item": {"type": "message", "channel": answer.channel, "ts": answer.ts},
            "item_user": "UBOT",
            "event_ts": self._world.ts(),
        }
        assert await self._world.event(event) == 200

    async def press(self, person: str, action: str, inputs: Json) -> str:
        message, element = self._button(person, action)
        told = len(self._world.slack.whispers)
        chosen = {"option": int(inputs["stars"]) - 1} if element["type"] == "static_select" else {}
        await self._sent(self._world.press(message, element, self._users[person], **chosen))
        if element["action_id"].startswith("open:"):
            await self._fill(person, inputs)
        elif chosen and inputs.get("comment"):  # which has a form of its own
            await self.press(person, "rate.comment", {"comment": inputs["comment"]})
        await self._world.card_sync()
        return message.words + "".join(one["text"] for one in self._world.slack.whispers[told:])

    async def sees(self, person: str, text: str) -> None:
        for _ in range(20):
            await self._world.card_sync()
            if any(text in shown.words for shown in self._world.slack.messages(self._channels[person])):
                return
            await asyncio.sleep(0.05)
        raise AssertionError(f"{person} did not see {text!r}")

    async def screen(self, person: str) -> str:
        return "".join(shown.words for shown in self._world.slack.messages(self._channels[person]))

    def _answer(self, person: str) -> Message:
        return self._world.slack.shown[self._channels[person], self.store.delivered[self._asked[person]]]

    def _button(self, person: str, action: str) -> tuple[Message, Json]:
        for message in reversed(self._world.slack.messages(self._channels[person])):
            for element in elements_in(message.blocks):
                if element["action_id"].partition(":")[2] == action:
                    return message, element
        raise AssertionError(f"{person} has no button that does {action}")

    async def _sent(self, payload: Json) -> None:
        status, said = await self._world.interact(payload)
        assert (status, said) == (200, "")
        await self._world.settled()

    async def _fill(self, person: str, values: Json) -> None:
        """Fill in the form that has just been opened, and send it."""
        view = self._world.slack.views.pop()
        await self._sent(self._world.submission(view, values, self._users[person]))


@asynccontextmanager
async def on_teams(_: Path) -> AsyncGenerator[Surface]:
    async with a_world() as world:
        yield TeamsSurface(world)


@asynccontextmanager
async def on_teams_by_agents(_: Path) -> AsyncGenerator[Surface]:
    """Teams with the other library of the Bot Framework (`bot/teams/sdk`)."""
    async with a_world(BotFrameworkConfig(app_id=APP_ID, library="agents")) as world:
        yield TeamsSurface(world)


@asynccontextmanager
async def on_slack(_: Path) -> AsyncGenerator[Surface]:
    async with a_slack_world(replace(CONFIG, review_channel="")) as world:
        yield SlackSurface(world)


@asynccontextmanager
async def on_the_page(folder: Path) -> AsyncGenerator[Surface]:
    places: list[Chat] = []
    script = Script(lambda: places[0])
    async with AsyncExitStack() as stack:
        chat = await stack.enter_async_context(a_chat(Chat(folder, actor=script)))  # type: ignore[arg-type]
        places.append(chat)
        names = {ASKER: "alex", COLLEAGUE: "sam", REVIEWER: ROBIN_OF_THE_PAGE}
        browsers = {person: await stack.enter_async_context(a_browser(chat)) for person in names}
        for person, browser in browsers.items():
            if person != REVIEWER:  # whose chat begins with what is to be reviewed
                await browser.begin(names[person])
        yield BrowserSurface(chat, script, browsers)


@asynccontextmanager
async def on_a_site(folder: Path) -> AsyncGenerator[Surface]:
    """Open the widget on a site twice, and the chat page for the reviewer: nobody reviews in the widget."""
    places: list[Chat] = []
    script = Script(lambda: places[0])
    async with AsyncExitStack() as stack:
        chat = await stack.enter_async_context(a_chat(Chat(folder, actor=script)))  # type: ignore[arg-type]
        places.append(chat)
        widget = await stack.enter_async_context(a_widget(Widget(chat, folder)))
        people: dict[str, Browser | Visitor] = {
            ASKER: await stack.enter_async_context(a_visitor(widget)),
            COLLEAGUE: await stack.enter_async_context(a_visitor(widget)),
            REVIEWER: await stack.enter_async_context(a_browser(chat)),
        }
        yield BrowserSurface(chat, script, people, Channel.WIDGET, widget.handler.close)


SURFACES: dict[str, Callable[[Path], AbstractAsyncContextManager[Surface]]] = {
    "Microsoft Teams": on_teams,
    "Teams by the Agents SDK": on_teams_by_agents,
    "Slack": on_slack,
    "Chat page": on_the_page,
    "Widget": on_a_site,
}
