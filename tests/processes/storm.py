"""Fifty raters and ten reviewers at once, and the bot that they talk to, which may be killed."""

from __future__ import annotations

import asyncio
import random
import signal
import sys
from collections import defaultdict
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp

from tests.builders.reviewing import actions_of
from tests.builders.world import BOT
from tests.conftest import ROOT
from tests.doubles.teams_connector import ConnectorService
from tests.processes.forked import ForkedAskpage, start_module

Json = dict[str, Any]

CHANNEL = {"id": "19:reviewers@thread.tacv2", "conversationType": "channel", "tenantId": "t1"}
BEGAN = datetime.now(UTC) - timedelta(hours=1)


@dataclass
class Storm:
    """The channel's side: what was sent, and what was acknowledged."""

    url: str
    service_url: str
    http: aiohttp.ClientSession
    dice: random.Random
    words: dict[str, Json] = field(default_factory=dict[str, Json])
    ruled: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))

    async def deliver(self, activity: Json) -> Any:
        """Send an activity until it is acknowledged, as a channel does; return the body."""
        for _ in range(400):
            try:
                async with self.http.post(self.url, json=activity) as response:
                    if response.status == 200:
                        return (
                            await response.json(content_type=None) if activity["type"] == "invoke" else None
                        )
            except (aiohttp.ClientError, TimeoutError):
                pass
            await asyncio.sleep(0.05)
        raise AssertionError(f"never acknowledged: {activity['id']}")

    def activity(self, kind: str, id_: str, person: str, conversation: Json, **fields: Any) -> Json:
        return {
            "type": kind,
            "id": id_,
            "channelId": "msteams",
            "serviceUrl": self.service_url,
            "from": {"id": f"29:{person}", "name": person, "aadObjectId": f"aad-{person}"},
            "recipient": BOT,
            "conversation": conversation,
            **fields,
        }

    async def rate(self, rater: int, chat: Json, message_id: str) -> None:
        """Change one's mind three times about an answer; deliveries come in any order, some of them twice."""
        said: list[Json] = []
        for change in range(3):
            name = f"f:{rater}:{chat['id']}:{message_id}:{change}"
            at = (BEGAN + timedelta(seconds=change)).isoformat()
            value = self.dice.choice(["like", "dislike"])
            action = {"actionName": "feedback", "actionValue": {"reaction": value, "feedback": name}}
            said.append(
                self.activity(
                    "invoke",
                    name,
                    f"p{rater}",
                    chat,
                    name="message/submitAction",
                    value=action,
                    replyToId=message_id,
                    timestamp=at,
                )
            )
        said += self.dice.sample(said, 1)
        self.dice.shuffle(said)
        for activity in said:
            await self.deliver(activity)
            self.words[activity["id"]] = activity

    async def review(self, reviewer: str, connector: ConnectorService, done: asyncio.Event) -> None:
        """Rule on whatever card is there, like everybody else, some of the rulings twice."""
        number = 0
        while not done.is_set():
            cards = [
                card for card in map(actions_of_shown, connector.shown.values()) if "review.approve" in card
            ]
            for actions in self.dice.sample(cards, min(2, len(cards))):
                number += 1
                verb = self.dice.choice(["review.approve", "review.correct", "review.reject", "review.claim"])
                data = actions.get(verb, actions["review.approve"]) | {"text": f"by {reviewer}"}
                verb = data["verb"]
                activity = self.activity(
                    "invoke",
                    f"f:{reviewer}:{number}",
                    reviewer,
                    CHANNEL,
                    name="adaptiveCard/action",
                    value={"action": {"type": "Action.Execute", "verb": verb, "data": data}},
                )
                for _ in range(self.dice.choice([1, 1, 2])):
                    body = await self.deliver(activity)
                    taken = body["type"].endswith("card.adaptive") and verb != "review.claim"
                    if taken and reviewer not in self.ruled[data["answer_id"]]:
                        self.ruled[data["answer_id"]].append(reviewer)
            await asyncio.sleep(0.02)


def actions_of_shown(activity: Json) -> dict[str, Json]:
    cards = [one["content"] for one in activity.get("attachments", [])]
    return actions_of(cards[0]) if cards else {}


class Bot:
    """The process under test; `warm`: with its libraries already."""

    def __init__(self, store: Path | str, port: int, *more: str, warm: bool = False) -> None:
        self.arguments = "tests.processes.storm_bot", str(store), str(port), *more
        self.warm = warm
        self.process: asyncio.subprocess.Process | ForkedAskpage

    async def start(self) -> None:
        if self.warm:
            self.process = await start_module(*self.arguments)
        else:
            command = sys.executable, "-m", *self.arguments
            self.process = await asyncio.create_subprocess_exec(
                *command, cwd=ROOT, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL
            )
        assert self.process.stdout is not None
        assert await asyncio.wait_for(self.process.stdout.readline(), 60) == b"ready\n"

    async def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        await self.process.wait()
        if isinstance(self.process, ForkedAskpage):
            self.process.close()
