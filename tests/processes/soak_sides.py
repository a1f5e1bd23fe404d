"""The two channels of a soak: what people say, the doubles' faults, and what the bot was heard to say."""

from __future__ import annotations

import json
import random
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol
from urllib.parse import urlencode

import aiohttp

from tests.builders.reviewing import actions_of
from tests.builders.slack_world import ROBIN, SlackWorld
from tests.builders.world import BOT, pseudonym
from tests.doubles.slack_api import Message, SlackService, elements_in
from tests.doubles.teams_connector import ConnectorService
from tests.processes.soak_bot import ANSWERED, SLACK_SECOND_S

Json = dict[str, Any]
REVIEWERS_CHANNEL = {"id": "19:reviewers@thread.tacv2", "conversationType": "channel", "tenantId": "t1"}
SLOW_SHARE, SLOW_S, TWICE_SHARE = 0.03, 1.0, 0.15
"""How many calls are answered slowly, by how much at most; how many deliveries come twice."""
SPOKEN = ("chat.postMessage", "chat.startStream", "chat.appendStream", "chat.stopStream", "chat.update")


@dataclass(frozen=True, slots=True)
class Word:
    """What somebody said about an answer, and was acknowledged."""

    token: str
    giver: str
    kind: str
    value: str
    comment: str


@dataclass
class Heard:
    """What the bot said: the messages that answer each question, and cards with something to decide."""

    answers: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    shown: dict[str, Any] = field(default_factory=dict[str, Any])
    cards: list[Any] = field(default_factory=list[Any])
    calls: int = 0

    def answered(self, token: str, message_id: str, message: Any) -> None:
        self.answers[token].add(message_id)
        self.shown.setdefault(token, message)


class Side(Protocol):
    """A channel."""

    name: str
    heard: Heard
    faults: int

    async def ask(self, person: int, token: str, text: str) -> bool:
        """Ask, sometimes twice; tell whether it was acknowledged."""
        ...

    async def rate(self, person: int, token: str, kind: str, comment: str) -> Word | None:
        """Say something about an answer; None where it was not acknowledged."""
        ...

    async def rule(self, card: Any, verb: str, text: str) -> bool:
        """Let the reviewer press a button of a card; tell whether it was acknowledged."""
        ...

    def listen(self) -> None:
        """Take note of what the bot has said since the last time."""
        ...

    def break_something(self) -> None:
        """Let a call that comes soon fail."""
        ...

    def broken(self) -> list[str]:
        """Return the limits that the bot broke."""
        ...


class TeamsSide:
    """Personal chats and a channel of reviewers."""

    name = "Teams"

    def __init__(self, dice: random.Random) -> None:
        self.service = ConnectorService()
        self.service.lag_s = lagging(dice)
        self.heard = Heard()
        self.faults = 0
        self.url = self.service_url = ""
        self.http: aiohttp.ClientSession
        self._dice = dice
        self._said = 0

    async def ask(self, person: int, token: str, text: str) -> bool:
        activity = self._activity("message", token, f"a{person}", _chat(person), text=text)
        return (await self._deliver(activity))[0] == 200

    async def subscribe(self) -> None:
        activity = self._activity("message", "r1", "robin", REVIEWERS_CHANNEL, text="reviewers here")
        assert (await self._deliver(activity))[0] == 200

    async def rate(self, person: int, token: str, kind: str, comment: str) -> Word | None:
        message_id, message = self.heard.shown[token]
        card = actions_of([one["content"] for one in message.get("attachments", ())])
        value, kept = {"like": ("like", "thumb"), "dislike": ("dislike", "thumb")}.get(kind, ("", kind))
        if kept == "stars" and "rate.stars" not in card:
            value, kept = "like", "thumb"
        if kept == "comment" and "rate.comment" not in card:
            value, kept = "like", "thumb"
        where: Json = {"replyToId": message_id}
        if kept == "thumb":
            form = json.dumps({"feedbackText": comment})
            said = {"actionName": "feedback", "actionValue": {"reaction": value, "feedback": form}}
            activity = self._own(person, "invoke", name="message/submitAction", value=said, **where)
        elif kept == "reaction":
            value, comment = "heart", ""
            activity = self._own(person, "messageReaction", reactionsAdded=[{"type": value}], **where)
        else:
            verb = f"rate.{kept}"
            value, comment = ("4", "") if kept == "stars" else ("", comment)
            data = card[verb] | ({"stars": value} if kept == "stars" else {"comment": comment})
            activity = self._own(person, "invoke", **_pressed(verb, data), **where)
        status, _ = await self._deliver(activity)
        giver = pseudonym(f"aad-a{person}")
        return Word(token, giver, kept, value, comment) if status == 200 else None

    async def rule(self, card: Any, verb: str, text: str) -> bool:
        data = actions_of(card).get(f"review.{verb}")
        if data is None:
            return False
        self._said += 1
        press = _pressed(f"review.{verb}", data | {"text": text, "span": "c1", "note": ""})
        activity = self._activity("invoke", f"f:r{self._said}", "robin", REVIEWERS_CHANNEL, **press)
        status, body = await self._deliver(activity)
        return status == 200 and '"application/vnd.microsoft.card.adaptive"' in body

    def listen(self) -> None:
        calls = self.service.calls
        for call in calls[self.heard.calls :]:
            if not call.is_message:
                continue
            found = ANSWERED.search(str(call.activity.get("text", "")))
            if call.conversation.startswith("a:") and found:
                shown = reversed(self.service.shown.items())
                message_id = call.message_id or next(
                    (name for name, one in shown if one is call.activity), "?"
                )
                self.heard.answered(found.group(1), message_id, (message_id, call.activity))
            elif "review.approve" in actions_of(call.activity):
                self.heard.cards.append(call.activity)
        self.heard.calls = len(calls)

    def break_something(self) -> None:
        self.faults += 1
        status = self._dice.choice([429, 502, 0])
        self.service.fail(status, headers={"Retry-After": "1"} if status == 429 else None)

    def broken(self) -> list[str]:
        return self.service.broken

    def _own(self, person: int, kind: str, **fields: Any) -> Json:
        self._said += 1
        return self._activity(kind, f"f:{self._said}", f"a{person}", _chat(person), **fields)

    def _activity(self, kind: str, id_: str, person: str, conversation: Json, **fields: Any) -> Json:
        who = {"id": f"29:{person}", "name": person, "aadObjectId": f"aad-{person}"}
        channel = {"channelId": "msteams", "serviceUrl": self.service_url, "recipient": BOT}
        return {"type": kind, "id": id_, "from": who, "conversation": conversation} | channel | fields

    async def _deliver(self, activity: Json) -> tuple[int, str]:
        status, body = await self._post(activity)
        if self._dice.random() < TWICE_SHARE:
            await self._post(activity)
        return status, body

    async def _post(self, activity: Json) -> tuple[int, str]:
        async with self.http.post(self.url, json=activity) as response:
            return response.status, await response.text()


class SlackSide:
    """Personal chats and a channel of reviewers."""

    name = "Slack"

    def __init__(self, dice: random.Random, people: int) -> None:
        self.world = SlackWorld()
        self.service = self.world.slack = SlackService(SLACK_SECOND_S)
        self.service.lag_s = lagging(dice)
        self.service.channels["T1"] |= {f"D10{person}" for person in range(people)}
        self.service.chats |= {f"U10{person}": f"D10{person}" for person in range(people)}
        self.heard = Heard()
        self.faults = 0
        self._dice = dice

    async def ask(self, person: int, token: str, text: str) -> bool:
        message = self.world.dm(text, channel=f"D10{person}", user=f"U10{person}")
        if self._dice.random() < 0.5:  # in a thread, where it streams
            message["thread_ts"] = "1700000000.000001"
        return await self._event(message)

    async def rate(self, person: int, token: str, kind: str, comment: str) -> Word | None:
        message: Message = self.heard.shown[token]
        user = f"U10{person}"
        buttons = {one["action_id"]: one for one in elements_in(message.blocks)}
        thumbs = "thumb:rate.thumb" in buttons and kind in {"like", "dislike"}
        if kind == "reaction":
            value, done = "heart", await self._react(message, user)
        elif thumbs:
            kind, value = "thumb", kind
            side = "positive_button" if value == "like" else "negative_button"
            done = await self._press(message, buttons["thumb:rate.thumb"], user, side=side)
        elif "stars:rate.stars" in buttons and kind != "comment":
            kind, value = "stars", "4"
            done = await self._press(message, buttons["stars:rate.stars"], user, option=3)
        elif "open:rate.comment" in buttons:
            kind, value = "comment", ""
            done = await self._fill(message, buttons["open:rate.comment"], user, {"comment": comment})
        else:
            return None
        said = comment if kind == "comment" else ""
        return Word(token, pseudonym(f"slack:T1:{user}"), kind, value, said) if done else None

    async def rule(self, card: Any, verb: str, text: str) -> bool:
        buttons = {one["action_id"]: one for one in elements_in(card.blocks)}
        if verb == "correct" and "open:review.correct" in buttons:
            values = {"text": text, "span": "c1", "note": ""}
            return await self._fill(card, buttons["open:review.correct"], ROBIN, values)
        press = buttons.get(f"act:review.{verb}")
        return press is not None and await self._press(card, press, ROBIN)

    def listen(self) -> None:
        calls = self.service.calls
        for call in calls[self.heard.calls :]:
            if call.error or call.method not in SPOKEN:
                continue
            for message in self._latest(call.params):
                found = ANSWERED.search(message.markdown + message.text)
                if message.channel != "C9" and found and not message.streaming:
                    self.heard.answered(found.group(1), message.ts, message)
                elif message.channel == "C9" and "review.approve" in message.words:
                    self.heard.cards.append(message)
        self.heard.calls = len(calls)

    def break_something(self) -> None:
        self.faults += 1
        status, error = self._dice.choice([(429, "ratelimited"), (502, "bad_gateway"), (0, "gone")])
        headers = {"Retry-After": "2"} if status == 429 else None
        method = self._dice.choice([*SPOKEN, "chat.postEphemeral", "views.open"])
        self.service.fail(method, error, status=status, headers=headers)

    def broken(self) -> list[str]:
        return self.service.broken

    def _latest(self, params: Json) -> list[Message]:
        """Return the message that a call was about; of one that is new the name is not in the call."""
        if "ts" in params:
            found = self.service.shown.get((params["channel"], params["ts"]))
            return [found] if found else []
        newest = (one for one in reversed(self.service.shown.values()) if one.channel == params["channel"])
        return [one for one, _ in zip(newest, range(3), strict=False)]

    async def _react(self, message: Message, user: str) -> bool:
        item = {"type": "message", "channel": message.channel, "ts": message.ts}
        about: Json = {"user": user, "reaction": "heart", "item": item, "item_user": "UBOT"}
        return await self._event({"type": "reaction_added", "event_ts": self.world.ts()} | about)

    async def _event(self, event: Json) -> bool:
        """Deliver an event until it is acknowledged; sometimes again, as Slack does when it heard nothing."""
        body = json.dumps(self.world.envelope(event)).encode()
        for attempt in range(5):
            retried = {"X-Slack-Retry-Num": str(attempt)} if attempt else {}
            status, _ = await self.world.post(body, headers=retried)
            if status == 200 and self._dice.random() > TWICE_SHARE:
                return True
        return status == 200

    async def _press(self, message: Message, element: Json, user: str, **fields: Any) -> bool:
        body = _form(self.world.press(message, element, user, **fields))
        status, _ = await self.world.post(body, "application/x-www-form-urlencoded")
        if self._dice.random() < TWICE_SHARE:
            await self.world.post(body, "application/x-www-form-urlencoded")
        return status == 200

    async def _fill(self, message: Message, element: Json, user: str, values: Json) -> bool:
        """Open a form and send it; False where Slack did not open it, or the form had something to say."""
        before = len(self.service.views)
        await self._press(message, element, user)
        mine = f'"ts":"{message.ts}"'
        try:
            await self.service.until(
                lambda s: any(mine in one["private_metadata"] for one in s.views[before:])
            )
        except TimeoutError:
            return False
        view = next(one for one in self.service.views[before:] if mine in one["private_metadata"])
        status, said = await self.world.interact(self.world.submission(view, values, user))
        return (status, said) == (200, "")


def lagging(dice: random.Random) -> Callable[[], float]:
    """Return how long each answer of a double takes."""
    return lambda: dice.uniform(0.1, SLOW_S) if dice.random() < SLOW_SHARE else 0.0


def _chat(person: int) -> Json:
    return {"id": f"a:{person}", "conversationType": "personal", "tenantId": "t1"}


def _pressed(verb: str, data: Json) -> Json:
    action = {"type": "Action.Execute", "verb": verb, "data": data}
    return {"name": "adaptiveCard/action", "value": {"action": action}}


def _form(payload: Json) -> bytes:
    return urlencode({"payload": json.dumps(payload)}).encode()
