"""What Teams lets a bot do, as its double enforces it: each break is noted, and fails its test.

The numbers are Microsoft's, written down here once more and not taken from the bot. Rates hold in a time that
runs a hundred times as fast (SCALE), or no test would ever end; `quick_pace` and `TEST_STREAM` are the bot's
own pace in it.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, cast

from bot.channel import StreamPace
from bot.teams.rate_limit import TEAMS_LIMITS, TENANT_LIMIT, Pace

Json = dict[str, Any]

SCALE = 0.01
THREAD_RATES = ((7, 1.0), (8, 2.0), (60, 30.0), (1_800, 3_600.0))
TENANT_RATE = (50, 1.0)
STREAM_INTERVAL_S = 1.0
STREAM_LASTS_S = 120.0
"""Not scaled: a test that holds an answer back is not to be late on a slow machine."""
ONE_STREAM = "ContentStreamNotAllowed: one stream of a chat at a time"
MAX_UTF16_BYTES = 100_000
MAX_INFORMATIVE_CHARACTERS = 1_000
MAX_CITATIONS = 20
NAME_CHARACTERS = 80
ABSTRACT_CHARACTERS = 160
MAX_REFRESHED = 60
MAX_OFFERS = 6
LABEL = "https://schema.org/Message"
CARD = "application/vnd.microsoft.card.adaptive"
MESSAGE, ERROR = "application/vnd.microsoft.activity.message", "application/vnd.microsoft.error"

TEST_STREAM = StreamPace(interval_s=STREAM_INTERVAL_S * SCALE)


def quick_pace() -> Pace:
    """Return the bot's own limits in the time of the tests."""
    most, within_s = TENANT_LIMIT
    return Pace([(count, limit_s * SCALE) for count, limit_s in TEAMS_LIMITS], (most, within_s * SCALE))


def stream_info(activity: Json) -> Json:
    return next((entity for entity in activity.get("entities", []) if entity["type"] == "streaminfo"), {})


@dataclass
class OpenStream:
    """A stream under way."""

    conversation: str
    sequence: int
    began_at: float
    latest_at: float
    text: str = ""
    finished: bool = False

    def is_open(self, at: float) -> bool:
        """Teams ends a stream by itself when its time is over."""
        return not self.finished and at - self.began_at <= STREAM_LASTS_S


class Rates:
    """Counts requests of every thread and tenant."""

    def __init__(self) -> None:
        self._arrivals: dict[str, list[float]] = defaultdict(list)
        self._tenants: dict[str, str] = {}

    def broken(self, conversation: str, tenant: str, at: float) -> Iterator[str]:
        """Note a request; yield what it breaks."""
        tenant = self._tenants.setdefault(conversation, tenant)
        for name, rates in ((f"thread {conversation}", THREAD_RATES), (f"tenant {tenant}", [TENANT_RATE])):
            arrivals = self._arrivals[name]
            arrivals.append(at)
            for count, within_s in rates:
                if len(arrivals) > count and at - arrivals[-count - 1] < within_s * SCALE:
                    yield f"{name} got {count + 1} requests within {within_s:g} s"


def broken_by(activity: Json) -> Iterator[str]:
    """Yield what an activity breaks by itself, whenever it comes."""
    size = len(json.dumps(activity, ensure_ascii=False).encode("utf-16-le", "surrogatepass"))
    if size > MAX_UTF16_BYTES:
        yield f"a message of {size} bytes"
    kind = activity.get("type")
    if kind == "typing":
        yield from _broken_by_typing(activity)
    elif kind != "message":
        yield f"an activity of type {kind}"
    elif not (activity.get("text") or activity.get("attachments")):
        yield "a message without anything in it"
    yield from _broken_by_feedback(activity.get("channelData", {}))
    yield from _broken_by_labels([one for one in activity.get("entities", []) if one.get("type") == LABEL])
    yield from _broken_by_offers(activity)
    for attachment in activity.get("attachments", []):
        if attachment.get("contentType") == CARD:
            yield from broken_by_card(attachment["content"])


def _broken_by_feedback(channel_data: Json) -> Iterator[str]:
    if "feedbackLoop" in channel_data and "feedbackLoopEnabled" in channel_data:
        yield "feedbackLoop and feedbackLoopEnabled exclude each other"
    if channel_data.get("feedbackLoop", {}).get("type", "default") not in {"default", "custom"}:
        yield "a feedbackLoop of an unknown type"


def _broken_by_typing(activity: Json) -> Iterator[str]:
    others = [one["type"] for one in activity.get("entities", []) if one["type"] != "streaminfo"]
    if others or activity.get("attachments") or activity.get("suggestedActions"):
        yield "a label, a card or an offer before the final message"
    if "feedbackLoop" in activity.get("channelData", {}):
        yield "feedback before the final message"
    informative = stream_info(activity).get("streamType") == "informative"
    if informative and len(activity.get("text", "")) > MAX_INFORMATIVE_CHARACTERS:
        yield "an informative update of more than 1,000 characters"


def _broken_by_labels(labels: Sequence[Json]) -> Iterator[str]:
    if len(labels) > 1:
        yield f"{len(labels)} root Message entities"
    for label in labels:
        claims = label.get("citation", [])
        if len(claims) > MAX_CITATIONS:
            yield f"{len(claims)} citations"
        if len({claim["position"] for claim in claims}) < len(claims):
            yield "two citations with one position"
        yield from _broken_by_usage(label, claims)
        for claim in claims:
            name, abstract = claim["appearance"].get("name", ""), claim["appearance"].get("abstract", "")
            if not 1 <= len(name) <= NAME_CHARACTERS:
                yield f"a citation's name of {len(name)} characters"
            if not 1 <= len(abstract) <= ABSTRACT_CHARACTERS:
                yield f"a citation's abstract of {len(abstract)} characters"


def _broken_by_usage(label: Json, claims: Sequence[Json]) -> Iterator[str]:
    """Yield what sensitivity labels break: one of a message is one of its citations' by its id.

    Source: https://learn.microsoft.com/microsoftteams/platform/bots/how-to/bot-messages-ai-generated-content
    """
    told = [claim["appearance"]["usageInfo"] for claim in claims if "usageInfo" in claim["appearance"]]
    differ = {json.dumps(one, sort_keys=True) for one in told}
    if any(not one.get("@id") for one in told) or len({one.get("@id") for one in told}) < len(differ):
        yield "sensitivity labels of one id that differ"
    whole = label.get("usageInfo")
    if told and (whole is None or whole.get("@id") not in {one.get("@id") for one in told}):
        yield "a citation's sensitivity label that the message does not have"
    shown = told if whole is None else [*told, whole]
    if any(one.get("@type") != "CreativeWork" or not one.get("name") for one in shown):
        yield "a sensitivity label without a name"


def _broken_by_offers(activity: Json) -> Iterator[str]:
    offered = activity.get("suggestedActions")
    if offered is None:
        return
    if activity["conversation"].get("conversationType") != "personal":
        yield "suggested actions outside a personal chat"
    actions = offered.get("actions", [])
    if not 1 <= len(actions) <= MAX_OFFERS or offered.get("to") != [activity["recipient"].get("id")]:
        yield "suggested actions for nobody, or too many"
    if any(one.get("type") != "imBack" or not one.get("title") or not one.get("value") for one in actions):
        yield "a suggested action that says nothing"


def broken_by_card(card: Json) -> Iterator[str]:
    """Yield what an Adaptive Card breaks."""
    if card.get("version") not in {"1.2", "1.3", "1.4", "1.5"} or not card.get("fallbackText"):
        yield "a card of another version than 1.5, or without words for a client that cannot draw it"
    yield from _broken_by_refresh(card)
    for node in nodes_of({name: part for name, part in card.items() if name != "refresh"}):
        fallback = node.get("fallback")
        if node.get("type") == "Action.Execute" and (fallback or {}).get("type") != "Action.Submit":
            yield "an Action.Execute without an Action.Submit for older clients"
        if node.get("type") == "Input.Rating" and not fallback:
            yield "stars without a list for older clients"


def _broken_by_refresh(card: Json) -> Iterator[str]:
    """Yield what the refresh of a card breaks; its action is drawn nowhere, so older clients need none.

    Source: https://learn.microsoft.com/microsoftteams/platform/task-modules-and-cards/cards/universal-actions-for-adaptive-cards/work-with-universal-actions-for-adaptive-cards
    """
    refresh = card.get("refresh")
    if refresh is None:
        return
    if card.get("version") not in {"1.4", "1.5"}:
        yield "a refresh before version 1.4"
    action, people = refresh.get("action", {}), refresh.get("userIds", [])
    if action.get("type") != "Action.Execute" or not action.get("verb"):
        yield "a refresh that is no Action.Execute"
    if len(people) > MAX_REFRESHED:
        yield "a card that refreshes for more than 60 people"
    if any(not one.startswith("29:") for one in people) or len(set(people)) < len(people):
        yield "a refresh for somebody who has no id of Teams, or twice for one"


def broken_by_reply(reply: Json) -> Iterator[str]:
    """Yield what the answer to an `adaptiveCard/action` breaks: its three fields, and what the value is.

    Source: https://learn.microsoft.com/adaptive-cards/authoring-cards/universal-action-model#response-format
    """
    kind, value = reply.get("type"), reply.get("value")
    if set(reply) != {"statusCode", "type", "value"} or type(reply["statusCode"]) is not int:
        yield f"an answer of the fields {sorted(reply)}"
    if kind == CARD and isinstance(value, dict) and reply["statusCode"] == 200:
        yield from broken_by_card(cast("Json", value))
    elif kind == MESSAGE and (reply.get("statusCode") != 200 or not value or not isinstance(value, str)):
        yield "a sentence that says nothing"
    elif kind == ERROR and (reply.get("statusCode") == 200 or not isinstance(value, dict)):
        yield "an error that is none"
    elif kind not in {CARD, MESSAGE, ERROR}:
        yield f"an answer of type {kind}"


def nodes_of(node: Any) -> Iterator[Json]:
    """Yield every object in a card, outermost first."""
    if isinstance(node, dict):
        yield cast("Json", node)
        node = list(cast("Json", node).values())
    if isinstance(node, list):
        for part in cast("list[Any]", node):
            yield from nodes_of(part)


class Streams:
    """The streams that were begun, and the rules of their parts."""

    def __init__(self) -> None:
        self._known: dict[str, OpenStream] = {}

    def refused(self, conversation: str, activity: Json, at: float) -> tuple[int, str] | None:
        """Take a part, or the end, of a stream that is under way; return why it is refused."""
        stream = stream_info(activity)
        if activity["conversation"].get("conversationType") != "personal":
            return 403, "ContentStreamNotAllowed: personal chats only"
        if not activity.get("text") or (activity["type"] == "message") != (stream["streamType"] == "final"):
            return 400, "a part is typing with text, the end is a message with text"
        if "streamId" in stream:
            return self._refused_part(conversation, activity, at)
        if stream.get("streamSequence") != 1:
            return 400, "a stream begins with 1"
        if any(one.conversation == conversation and one.is_open(at) for one in self._known.values()):
            return 403, ONE_STREAM
        return None

    def begun(self, message_id: str, conversation: str, activity: Json, at: float) -> None:
        """A stream has begun as this message."""
        streamed = stream_info(activity)["streamType"] == "streaming"
        text = activity["text"] if streamed else ""
        self._known[message_id] = OpenStream(conversation, 1, at, at, text)

    def end(self, message_id: str) -> None:
        """Take no more of a stream."""
        if message_id in self._known:
            self._known[message_id].finished = True

    def _refused_part(self, conversation: str, activity: Json, at: float) -> tuple[int, str] | None:
        stream = stream_info(activity)
        final = stream["streamType"] == "final"
        known = self._known.get(stream["streamId"])
        if known is None or known.conversation != conversation or known.finished:
            return 403, "ContentStreamNotAllowed: no such stream is open"
        if at - known.began_at > STREAM_LASTS_S:
            return 403, "ContentStreamNotAllowed: Content stream finished due to exceeded streaming time."
        if stream.get("streamSequence") != (None if final else known.sequence + 1):
            return 400, "ContentStreamSequenceOrderPreConditionFailed"
        if not final and at - known.latest_at < STREAM_INTERVAL_S * SCALE:
            return 429, "API calls quota exceeded: one part of a stream a second"
        if stream["streamType"] == "streaming":
            if not activity["text"].startswith(known.text):
                return 400, "Request streamed content should contain the previously streamed content"
            known.text = activity["text"]
        known.sequence += 1
        known.latest_at = at
        known.finished = final
        return None
