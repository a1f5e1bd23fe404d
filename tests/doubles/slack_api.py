"""Slack's Web API in memory, under Slack's rules: who breaks one is answered as there, and fails the test.

A real server that the SDK's client calls. `calls` has everything that arrived, `shown` what is on screen,
`broken` each rule that was broken: a workspace's missing scope, an unknown channel, too many blocks, a text
too long, a value too large, calls too fast (per channel, and per method and workspace), a stream out of
order. Slack's second lasts `second_s` here. `fail` makes the next calls fail the way a test needs; that
breaks no rule.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import re
from collections import defaultdict, deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

Json = dict[str, Any]

MOST_BLOCKS, MOST_VIEW_BLOCKS = 50, 100
MOST_MARKDOWN = 12_000
TIERS = {2: 20, 3: 50, 4: 100}
SCOPES = {
    "assistant.threads.setStatus": ("chat:write", 600),
    "assistant.threads.setSuggestedPrompts": ("assistant:write", 50),
    "auth.revoke": ("", 50),
    "auth.test": ("", 200),
    "chat.appendStream": ("chat:write", TIERS[4]),
    "chat.delete": ("chat:write", TIERS[3]),
    "chat.postEphemeral": ("chat:write", TIERS[4]),
    "chat.postMessage": ("chat:write", 300),
    "chat.startStream": ("chat:write", TIERS[2]),
    "chat.stopStream": ("chat:write", TIERS[2]),
    "chat.unfurl": ("links:write", TIERS[3]),
    "chat.update": ("chat:write", TIERS[3]),
    "conversations.open": ("im:write", TIERS[3]),
    "files.info": ("files:read", TIERS[4]),
    "oauth.v2.access": ("", TIERS[4]),
    "reactions.add": ("reactions:write", TIERS[3]),
    "reactions.remove": ("reactions:write", TIERS[2]),
    "usergroups.users.list": ("usergroups:read", TIERS[2]),
    "users.conversations": ("channels:read", TIERS[3]),
    "users.info": ("users:read", TIERS[4]),
    "views.open": ("", TIERS[4]),
    "views.publish": ("", TIERS[4]),
}
ALL_SCOPES = {scope for scope, _ in SCOPES.values() if scope}
IN_MESSAGES = {"actions", "context", "context_actions", "header", "rich_text", "section", "divider"}
IN_VIEWS = {"actions", "context", "header", "rich_text", "section", "divider", "input"}


class Rule(Exception):
    """A rule that was broken; the first word is Slack's error."""


@dataclass(frozen=True)
class Call:
    """One call of the bot: `error` is "" where Slack did it."""

    method: str
    team: str
    params: Json
    error: str
    token: str
    at: float

    @property
    def text(self) -> str:
        """Everything that it says."""
        return json.dumps(self.params, ensure_ascii=False)


@dataclass
class Message:
    """A message on screen. `streaming` until its stream is stopped."""

    channel: str
    ts: str
    thread: str
    text: str = ""
    markdown: str = ""
    blocks: list[Json] = field(default_factory=list)
    streaming: bool = False

    @property
    def words(self) -> str:
        return self.markdown + self.text + json.dumps(self.blocks, ensure_ascii=False)


@dataclass
class Failure:
    """What the next calls of a method are answered."""

    method: str
    status: int
    error: str
    headers: dict[str, str]
    times: int


class SlackService:
    """Serve `app`; give the bot its address with /api as `slack_api_url`."""

    def __init__(self, second_s: float = 0.01) -> None:
        self.second_s = second_s
        self.calls: list[Call] = []
        self.broken: list[str] = []
        self.shown: dict[tuple[str, str], Message] = {}
        self.views: list[Json] = []
        self.homes: dict[str, Json] = {}
        self.whispers: list[Json] = []
        self.teams = {"xoxb-one": "T1"}
        self.scopes: dict[str, set[str]] = {"xoxb-one": set(ALL_SCOPES)}
        self.channels = {"T1": {"C1", "C9", "D1", "D2", "D9"}}
        self.chats = {"U1": "D1", "U2": "D2", "U9": "D9", "U91": "D91"}
        self.groups: dict[str, list[str]] = {}
        self.locales: dict[str, str] = {}
        self.members: dict[str, set[str]] = {}
        self.codes: dict[str, Json] = {}
        self.revoked: list[str] = []
        self.streams = True
        self.hold = asyncio.Event()
        self.hold.set()
        self.lag_s: Callable[[], float] = lambda: 0.0
        self._failures: list[Failure] = []
        self._ids = itertools.count(1)
        self._heard: dict[tuple[str, str], float] = {}
        self._counted: dict[tuple[str, str], deque[float]] = defaultdict(deque)
        self._changed = asyncio.Condition()
        self.app = web.Application(client_max_size=5_000_000)
        self.app.router.add_post("/api/{method}", self._take)
        self.app.router.add_get("/files-pri/{file}/download/{name}", self._send_file)
        self.files: dict[str, bytes] = {}
        self.unfurled: list[Json] = []
        self.reactions: dict[tuple[str, str], list[str]] = defaultdict(list)
        self.fetched: list[str] = []

    # For tests

    def fail(
        self,
        method: str,
        error: str = "internal_error",
        *,
        status: int = 200,
        headers: dict[str, str] | None = None,
        times: int = 1,
    ) -> None:
        """Let the next `times` calls of a method fail; with status 0 Slack hangs up instead."""
        self._failures = [failure for failure in self._failures if failure.times > 0]
        self._failures.append(Failure(method, status, error, headers or {}, times))

    def of(self, *methods: str) -> list[Call]:
        """Return the calls of these methods that Slack did."""
        return [call for call in self.calls if call.method in methods and not call.error]

    async def until(self, condition: Callable[[SlackService], Any], timeout_s: float = 10.0) -> Any:
        """Wait until the condition is true of this service, and return what it returned."""
        async with asyncio.timeout(timeout_s), self._changed:
            await self._changed.wait_for(lambda: condition(self))
        return condition(self)

    def messages(self, channel: str = "") -> list[Message]:
        """Return what is on screen, the oldest first."""
        return [one for one in self.shown.values() if channel in {"", one.channel}]

    # Answering

    async def _take(self, request: web.Request) -> web.Response:
        await self.hold.wait()
        method = request.match_info["method"]
        params = await self._params(request)
        token = request.headers.get("Authorization", "").removeprefix("Bearer ")
        team = self.teams.get(token, "")
        failure = next((one for one in self._failures if one.method == method and one.times > 0), None)
        headers: dict[str, str] = {}
        status = 200
        if failure is not None:
            failure.times -= 1
            status, headers = failure.status, failure.headers
            body: Json = {"ok": False, "error": failure.error}
        else:
            status, body = self._answer(method, token, team, params)
            headers = {"Retry-After": "1"} if status == 429 else {}
        call = Call(method, team, params, body.get("error", ""), token, asyncio.get_running_loop().time())
        async with self._changed:
            self.calls.append(call)
            self._changed.notify_all()
        if lag_s := self.lag_s():
            await asyncio.sleep(lag_s)
        if status == 0 and request.transport:
            request.transport.abort()
        return web.json_response(body, status=status or 500, headers=headers)

    async def _send_file(self, request: web.Request) -> web.StreamResponse:
        """Send a file to whoever may read it; to others the page to sign in, with status 200.

        Source: https://docs.slack.dev/messaging/working-with-files
        """
        token = request.headers.get("Authorization", "").removeprefix("Bearer ")
        if "files:read" not in self.scopes.get(token, set()):
            return web.Response(text="<title>Sign in | Slack</title>", content_type="text/html")
        self.fetched.append(request.match_info["file"])
        body = self.files.get(request.match_info["file"])
        if body is None:
            raise web.HTTPNotFound
        return web.Response(body=body, content_type="application/octet-stream")

    def _files_info(self, team: str, params: Json, token: str) -> Json:
        file_id = str(params.get("file"))
        if file_id not in self.files:
            raise LookupError("file_not_found")
        return {"file": {"id": file_id, "name": "shared.txt", "url_private_download": f"/{file_id}"}}

    async def _params(self, request: web.Request) -> Json:
        if request.content_type == "application/json":
            return await request.json()
        return dict(await request.post())

    def _answer(self, method: str, token: str, team: str, params: Json) -> tuple[int, Json]:
        if method == "oauth.v2.access":
            granted = self.codes.pop(str(params.get("code")), None)
            return 200, ({"ok": True} | granted) if granted else {"ok": False, "error": "invalid_code"}
        if not team:
            return 200, {"ok": False, "error": "invalid_auth"}
        try:
            self._check_rates(method, team, params)
            self._check_scope(method, token)
            return 200, {"ok": True} | getattr(self, "_" + method.replace(".", "_"))(team, params, token)
        except Rule as rule:
            self.broken.append(f"{method}: {rule}")
            error = str(rule).partition(" ")[0]
            return (429 if error == "ratelimited" else 200), {"ok": False, "error": error}
        except LookupError as gone:
            return 200, {"ok": False, "error": str(gone.args[0])}

    def _check_rates(self, method: str, team: str, params: Json) -> None:
        now = asyncio.get_running_loop().time()
        counted = self._counted[method, team]
        while counted and counted[0] <= now - 60 * self.second_s:
            counted.popleft()
        if method not in SCOPES:
            raise Rule(f"unknown_method {method}")
        if len(counted) >= SCOPES[method][1]:
            raise Rule("ratelimited for the method")
        counted.append(now)
        if method in {"chat.postMessage", "chat.startStream"}:
            place = (team, str(params.get("channel")))
            if now - self._heard.get(place, -1e9) < self.second_s:
                raise Rule("ratelimited for the channel")
            self._heard[place] = now

    def _check_scope(self, method: str, token: str) -> None:
        scope = SCOPES[method][0]
        if scope and scope not in self.scopes[token]:
            raise Rule(f"missing_scope {scope}")

    def _place(self, team: str, params: Json, name: str = "channel") -> str:
        channel = params.get(name)
        if channel not in self.channels.get(team, set()):
            raise Rule(f"channel_not_found {channel}")
        return str(channel)

    def _message(self, channel: str, params: Json) -> Message:
        found = self.shown.get((channel, str(params.get("ts"))))
        if found is None:
            raise LookupError("message_not_found")
        return found

    # Methods

    def _auth_test(self, team: str, _: Json, token: str) -> Json:
        return {"team_id": team, "user_id": "UBOT", "bot_id": "BBOT", "url": "https://one.slack.example/"}

    def _auth_revoke(self, team: str, _: Json, token: str) -> Json:
        self.revoked.append(token)
        return {"revoked": True}

    def _chat_postMessage(self, team: str, params: Json, _: str) -> Json:  # noqa: N802 - Slack's name
        channel = self._place(team, params)
        check_message(params)
        message = Message(channel, self._ts(), params.get("thread_ts", ""), params["text"])
        message.blocks = params.get("blocks", [])
        self.shown[channel, message.ts] = message
        return {"ts": message.ts, "channel": channel}

    def _chat_unfurl(self, team: str, params: Json, _: str) -> Json:
        """Unfurl by message, or by unfurl_id and source: docs.slack.dev/reference/methods/chat.unfurl."""
        if not (params.get("unfurl_id") and params.get("source") in {"composer", "conversations_history"}):
            self._place(team, params)
            if not params.get("ts"):
                raise Rule("cannot_find_message without a message")
        if not params.get("unfurls"):
            raise Rule("missing_unfurls")
        for url, shown in params["unfurls"].items():
            if not url.startswith("http"):
                raise Rule(f"cannot_unfurl_url {url}")
            check_blocks(shown["blocks"], MOST_BLOCKS, IN_MESSAGES)
        self.unfurled.append(params["unfurls"])
        return {}

    def _chat_update(self, team: str, params: Json, _: str) -> Json:
        message = self._message(self._place(team, params), params)
        if message.streaming:
            raise Rule("streaming_state_conflict an update of a stream")
        check_message(params)
        message.text, message.markdown, message.blocks = params["text"], "", params.get("blocks", [])
        return {"ts": message.ts}

    def _chat_delete(self, team: str, params: Json, _: str) -> Json:
        message = self._message(self._place(team, params), params)
        del self.shown[message.channel, message.ts]
        return {"ts": message.ts}

    def _chat_postEphemeral(self, team: str, params: Json, _: str) -> Json:  # noqa: N802 - Slack's name
        self._place(team, params)
        if params.get("user") not in self.chats:
            raise Rule(f"user_not_in_channel {params.get('user')}")
        check_message(params)
        self.whispers.append(params)
        return {"message_ts": self._ts()}

    def _chat_startStream(self, team: str, params: Json, _: str) -> Json:  # noqa: N802 - Slack's name
        if not self.streams:
            raise LookupError("feature_not_enabled")
        channel = self._place(team, params)
        if not params.get("thread_ts"):
            raise Rule("invalid_arguments a stream answers in a thread")
        if not channel.startswith("D") and not (
            params.get("recipient_user_id") in self.chats and params.get("recipient_team_id") == team
        ):
            raise Rule("missing_recipient_user_id for a channel")
        message = Message(channel, self._ts(), params["thread_ts"], streaming=True)
        self.shown[channel, message.ts] = message
        _grow(message, params)
        return {"ts": message.ts, "channel": channel}

    def _chat_appendStream(self, team: str, params: Json, _: str) -> Json:  # noqa: N802 - Slack's name
        message = self._message(self._place(team, params), params)
        if not params.get("markdown_text"):
            raise Rule("no_text in a part of a stream")
        _grow(message, params)
        return {"ts": message.ts}

    def _chat_stopStream(self, team: str, params: Json, _: str) -> Json:  # noqa: N802 - Slack's name
        message = self._message(self._place(team, params), params)
        _grow(message, params)
        check_blocks(params.get("blocks", []), MOST_BLOCKS, IN_MESSAGES)
        message.blocks = params.get("blocks", [])
        message.streaming = False
        return {"ts": message.ts}

    def _assistant_threads_setStatus(self, team: str, params: Json, _: str) -> Json:  # noqa: N802
        self._place(team, params, "channel_id")
        if not params.get("thread_ts") or not isinstance(params.get("status"), str):
            raise Rule("invalid_thread_ts a status is shown in a thread")
        return {}

    def _assistant_threads_setSuggestedPrompts(self, team: str, params: Json, _: str) -> Json:  # noqa: N802
        self._place(team, params, "channel_id")
        prompts = params.get("prompts", [])
        if not params.get("thread_ts") or not 1 <= len(prompts) <= 4:
            raise Rule("invalid_arguments one to four prompts in a thread")
        for prompt in prompts:
            if not (prompt["title"] and prompt["message"]):
                raise Rule("invalid_arguments an empty prompt")
        return {}

    def _conversations_open(self, team: str, params: Json, _: str) -> Json:
        if params.get("users") not in self.chats:
            raise LookupError("user_not_found")
        return {"channel": {"id": self.chats[params["users"]]}}

    def _reactions_add(self, team: str, params: Json, _: str) -> Json:
        """See https://docs.slack.dev/reference/methods/reactions.add for the errors."""
        place = (self._place(team, params), str(params.get("timestamp")))
        if not params.get("timestamp"):
            raise Rule("no_item_specified for a reaction")
        if params.get("name") not in {"eyes", "white_check_mark", "pencil2"}:
            raise Rule(f"invalid_name {params.get('name')}")
        if params["name"] in self.reactions[place]:
            raise LookupError("already_reacted")
        self.reactions[place].append(params["name"])
        return {}

    def _reactions_remove(self, team: str, params: Json, _: str) -> Json:
        place = (self._place(team, params), str(params.get("timestamp")))
        if params.get("name") not in self.reactions[place]:
            raise LookupError("no_reaction")
        self.reactions[place].remove(params["name"])
        return {}

    def _users_conversations(self, team: str, params: Json, _: str) -> Json:
        _within(str(params.get("limit", 100)), 3, "limit")
        here = self.members.get(params["user"], set()) & self.channels[team]
        return {"channels": [{"id": one} for one in sorted(here)], "response_metadata": {"next_cursor": ""}}

    def _users_info(self, team: str, params: Json, _: str) -> Json:
        user = {"id": params["user"]}
        if params.get("include_locale"):
            user["locale"] = self.locales.get(params["user"], "en-US")
        return {"user": user}

    def _usergroups_users_list(self, team: str, params: Json, _: str) -> Json:
        if params.get("usergroup") not in self.groups:
            raise LookupError("no_such_subteam")
        return {"users": self.groups[params["usergroup"]]}

    def _views_open(self, team: str, params: Json, _: str) -> Json:
        if not params.get("trigger_id"):
            raise Rule("invalid_trigger_id")
        view = params["view"]
        check_view(view)
        _within(view.get("private_metadata", ""), 3_000, "private_metadata")
        _plain(view["title"], 24)
        _plain(view["submit"], 24)
        self.views.append(view | {"id": f"V{next(self._ids)}"})
        return {"view": self.views[-1]}

    def _views_publish(self, team: str, params: Json, _: str) -> Json:
        if params.get("user_id") not in self.chats:
            raise LookupError("user_not_found")
        check_view(params["view"])
        self.homes[params["user_id"]] = params["view"]
        return {}

    def _ts(self) -> str:
        return f"1800000000.{next(self._ids):06d}"


def _grow(message: Message, params: Json) -> None:
    if not message.streaming:
        raise Rule("message_not_in_streaming_state the stream has ended")
    message.markdown += params.get("markdown_text", "")
    _within(message.markdown, MOST_MARKDOWN, "markdown_text")


# Slack's limits on blocks


def check_message(params: Json) -> None:
    text = params.get("text")
    if not isinstance(text, str) or not text:
        raise Rule("no_text a notification shows something")
    _within(text, 4_000, "text")
    if any(mark in text for mark in ("<!", "<@", "<#", "<http")):
        raise Rule("mentions_in_text of a message of ours")
    check_blocks(params.get("blocks", []), MOST_BLOCKS, IN_MESSAGES)


def check_view(view: Json) -> None:
    check_blocks(view["blocks"], MOST_VIEW_BLOCKS, IN_VIEWS)
    names = [block["block_id"] for block in view["blocks"] if "block_id" in block]
    if len(set(names)) != len(names):
        raise Rule("invalid_blocks two of one name")


def check_blocks(blocks: list[Json], most: int, kinds: set[str]) -> None:
    if len(blocks) > most:
        raise Rule(f"invalid_blocks {len(blocks)} of them")
    for block in blocks:
        if block["type"] not in kinds:
            raise Rule(f"invalid_blocks {block['type']}")
        _within(block.get("block_id", ""), 255, "block_id")
        _CHECKS[block["type"]](block)


def _check_rich(block: Json) -> None:
    if not block["elements"]:
        raise Rule("invalid_blocks an empty text")
    letters = 0
    for part in block["elements"]:
        if part["type"] not in {"rich_text_section", "rich_text_quote"} or not part["elements"]:
            raise Rule(f"invalid_blocks {part}")
        for piece in part["elements"]:
            _check_piece(piece)
            letters += len(piece.get("text", ""))
    if letters > 12_000:
        raise Rule("invalid_blocks too much text")


def _check_piece(piece: Json) -> None:
    """Hold a piece of a rich text to what Slack takes.

    Source of dates: https://docs.slack.dev/reference/block-kit/block-elements/date-element
    """
    if piece["type"] == "date":
        if type(piece["timestamp"]) is not int or not piece["fallback"]:
            raise Rule("invalid_blocks a date is a number of seconds, and has words for who cannot draw it")
        if not re.fullmatch(r"(?:[^{}]|\{(?:date_short|time)\})+", piece["format"]):
            raise Rule(f"invalid_blocks a date as {piece['format']}")
        return
    if piece["type"] not in {"text", "link"} or not piece["text"]:
        raise Rule(f"invalid_blocks {piece}")
    if piece["type"] == "link" and not piece["url"].startswith(("https://", "http://")):
        raise Rule(f"invalid_blocks a link to {piece['url'][:40]}")


def _check_actions(block: Json) -> None:
    elements = block["elements"]
    if not 1 <= len(elements) <= 25:
        raise Rule("invalid_blocks buttons")
    names = [element["action_id"] for element in elements]
    if len(set(names)) != len(names):
        raise Rule(f"invalid_blocks two buttons of one name: {names}")
    for element in elements:
        _within(element["action_id"], 255, "action_id")
        _ELEMENTS[element["type"]](element)


def _check_button(element: Json) -> None:
    _plain(element["text"], 75)
    _within(element.get("value", ""), 2_000, "value")
    _within(element.get("url", ""), 3_000, "url")
    if element.get("style", "primary") not in {"primary", "danger"}:
        raise Rule("invalid_blocks a style")


def _check_select(element: Json) -> None:
    if "placeholder" in element:
        _plain(element["placeholder"], 150)
    _check_options(element, 100)


def _check_options(element: Json, most: int) -> None:
    if not 1 <= len(element["options"]) <= most:
        raise Rule("invalid_blocks options")
    for option in element["options"]:
        _plain(option["text"], 75)
        _within(option["value"], 150, "value")
    if "initial_option" in element and element["initial_option"] not in element["options"]:
        raise Rule("invalid_blocks an option that is none")


def _check_text_input(element: Json) -> None:
    if not 1 <= element.get("max_length", 1) <= 3_000:
        raise Rule("invalid_blocks max_length")
    _within(element.get("initial_value", ""), element.get("max_length", 3_000), "initial_value")


def _check_context(block: Json) -> None:
    if not 1 <= len(block["elements"]) <= 10:
        raise Rule("invalid_blocks context")
    for element in block["elements"]:
        _plain(element, 3_000)


def _check_context_actions(block: Json) -> None:
    for element in block["elements"]:
        if element["type"] != "feedback_buttons":
            raise Rule(f"invalid_blocks {element['type']}")
        for side in ("positive_button", "negative_button"):
            _plain(element[side]["text"], 75)
            _within(element[side]["value"], 2_000, "value")
            _within(element[side].get("accessibility_label", ""), 75, "accessibility_label")


def _check_input(block: Json) -> None:
    _plain(block["label"], 2_000)
    element = block["element"]
    _within(element["action_id"], 255, "action_id")
    _ELEMENTS[element["type"]](element)


def _check_section(block: Json) -> None:
    _plain(block["text"], 3_000)  # ours have no markup


def _check_header(block: Json) -> None:
    _plain(block["text"], 150)


def _plain(text: Json, most: int) -> None:
    if text["type"] != "plain_text" or not text["text"]:
        raise Rule(f"invalid_blocks {text}")
    _within(text["text"], most, "a text")


def _within(text: str, most: int, what: str) -> None:
    if len(text) > most:
        raise Rule(f"msg_too_long {what} has {len(text)} letters, {most} are allowed")


def _nothing(_: Json) -> None: ...


def _boxes(element: Json) -> None:
    _check_options(element, 10)


_CHECKS: dict[str, Callable[[Json], None]] = {
    "actions": _check_actions,
    "context": _check_context,
    "context_actions": _check_context_actions,
    "divider": _nothing,
    "header": _check_header,
    "input": _check_input,
    "rich_text": _check_rich,
    "section": _check_section,
}
_ELEMENTS: dict[str, Callable[[Json], None]] = {
    "button": _check_button,
    "checkboxes": _boxes,
    "plain_text_input": _check_text_input,
    "radio_buttons": _boxes,
    "static_select": _check_select,
}


def elements_in(blocks: list[Json]) -> Iterator[Json]:
    """Yield everything that can be pressed."""
    for block in blocks:
        if block["type"] in {"actions", "context_actions"}:
            yield from block["elements"]
