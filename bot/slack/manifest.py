"""The Slack app's manifest: what is pasted into Slack to make the app, from the settings and the scopes.

`check_manifest` is for manifests that people have changed, too: it says what would not work. Limits are those
of Slack's reference of app manifests.

`SCOPES` says what the app may do, and why: the one list behind the manifest, the installation and the docs.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, cast

from bot.http import is_https

SCOPES: Mapping[str, str] = {
    "app_mentions:read": "hear a question where somebody mentions the bot",
    "assistant:write": "suggest questions and show that it is at work in the assistant pane",
    "chat:write": "answer, and correct its answers",
    "commands": "offer “Ask about this page” on a message",
    "files:read": "read the files that people send with a question",
    "im:history": "read what people write to it in their own chat, follow-ups included",
    "im:write": "speak in that chat when somebody presses a button on the bot's home page",
    "reactions:read": "take a reaction to an answer as an opinion, and see it taken back",
    "reactions:write": "react to a question while it works, and once it has answered",
    "users:read": "know the language that somebody reads Slack in, and speak it to them",
}
GROUPS_SCOPE = ("usergroups:read", "know who is in the user groups that review")
CHANNEL_SCOPES: Mapping[str, str] = {
    "channels:read": "know who is in a channel that pages name as a reader",
    "groups:read": "know the same of private channels that the bot has been invited to",
}
"""Only for pages that name Slack channels: whoever has none leaves them out."""

EVENTS: Mapping[str, str] = {
    "app_home_opened": "",
    "app_mention": "app_mentions:read",
    "app_uninstalled": "",
    "assistant_thread_started": "assistant:write",
    "message.im": "im:history",
    "reaction_added": "reactions:read",
    "reaction_removed": "reactions:read",
    "tokens_revoked": "",
}
"""What the app hears of, and the scope that each needs ("" for none)."""

HEARD_SCOPES: Mapping[str, str] = {
    "channels:history": "hear what is said in public channels that it is in, to answer without a mention",
    "groups:history": "the same in private channels that it was invited to",
}
"""What `answer_unasked` needs beside the others."""
HEARD_EVENTS: Mapping[str, str] = {
    "message.channels": "channels:history",
    "message.groups": "groups:history",
}

LINK_SCOPES: Mapping[str, str] = {
    "links:read": "see links to the pages that it knows, where somebody posts one",
    "links:write": "show below such a link what the page is about",
}
"""What links that unfurl need; asked for only where there are pages with an address of their own."""
LINK_EVENTS: Mapping[str, str] = {"link_shared": "links:read"}
MOST_DOMAINS = 5

METHODS: Mapping[str, str] = {
    "assistant.threads.setStatus": "chat:write",
    "assistant.threads.setSuggestedPrompts": "assistant:write",
    "auth.revoke": "",
    "auth.test": "",
    "chat.appendStream": "chat:write",
    "chat.delete": "chat:write",
    "chat.postEphemeral": "chat:write",
    "chat.postMessage": "chat:write",
    "chat.startStream": "chat:write",
    "chat.stopStream": "chat:write",
    "chat.unfurl": "links:write",
    "chat.update": "chat:write",
    "conversations.open": "im:write",
    "files.info": "files:read",
    "oauth.v2.access": "",
    "reactions.add": "reactions:write",
    "reactions.remove": "reactions:write",
    "usergroups.users.list": "usergroups:read",
    "users.conversations": "channels:read",
    "users.info": "users:read",
    "views.open": "",
    "views.publish": "",
}
"""What the bot calls, and the scope that each needs."""


def list_scopes(*, groups: bool, hears: bool = False, unfurls: bool = False) -> list[str]:
    """Return the scopes to ask for.

    `groups`: reviewers are user groups; `hears`: channels are heard; `unfurls`: links to pages unfurl.
    """
    scopes = [*SCOPES, *([GROUPS_SCOPE[0]] if groups else [])]
    for is_wanted, more in ((hears, HEARD_SCOPES), (unfurls, LINK_SCOPES)):
        scopes += more if is_wanted else ()
    return sorted(scopes)


EVENTS_PATH, REDIRECT_PATH = "/slack/events", "/slack/oauth_redirect"
NAME_CHARACTERS, DESCRIPTION_CHARACTERS = 35, 140
LONG_LEAST, LONG_MOST = 174, 4_000

Json = dict[str, Any]

DESCRIPTION = "Answers questions about your pages, shows the source, and learns from corrections."
LONG_DESCRIPTION = (
    "Ask about your pages in a chat, in the assistant pane or by mentioning the bot in a channel. It answers"
    " from the pages and shows the source, or says that they do not have the answer. Thumbs, reactions,"
    " stars and comments go to reviewers. When they correct an answer, the next person gets the correction."
    " Say “privacy” to see what is kept about you."
)


class BadManifest(ValueError):
    """A manifest that would not work; the message has a line for each reason."""


def manifest(
    public_url: str, *, installed: bool, groups: bool, hears: bool = False, domains: Sequence[str] = ()
) -> Json:
    """Return the manifest. `installed`: by several workspaces at /slack/install; `groups` of users review.

    `hears`: it hears what is said in channels; links to `domains` unfurl, of which Slack takes five.

    Raises BadManifest.
    """
    base = public_url.rstrip("/")
    scopes = list_scopes(groups=groups, hears=hears, unfurls=bool(domains))
    made: Json = {
        "_metadata": {"major_version": 1, "minor_version": 1},
        "display_information": {
            "name": "askpage",
            "description": DESCRIPTION,
            "long_description": LONG_DESCRIPTION,
            "background_color": "#1f3a5f",
        },
        "features": {
            "app_home": {
                "home_tab_enabled": True,
                "messages_tab_enabled": True,
                "messages_tab_read_only_enabled": False,
            },
            "bot_user": {"display_name": "askpage", "always_online": True},
            "shortcuts": [
                {
                    "name": "Ask about this page",
                    "type": "message",
                    "callback_id": "ask_page",
                    "description": "Ask the bot about the page that this message links to",
                }
            ],
            "assistant_view": {
                "assistant_description": DESCRIPTION
            },  # questions are suggested as it is opened
        },
        "oauth_config": {"scopes": {"bot": scopes}},
        "settings": {
            "event_subscriptions": {
                "request_url": base + EVENTS_PATH,
                "bot_events": sorted(
                    [*EVENTS, *(HEARD_EVENTS if hears else []), *(LINK_EVENTS if domains else [])]
                ),
            },
            "interactivity": {"is_enabled": True, "request_url": base + EVENTS_PATH},
            "org_deploy_enabled": False,
            "socket_mode_enabled": False,
            "token_rotation_enabled": False,
        },
    }
    if domains:
        made["features"]["unfurl_domains"] = list(domains)[:MOST_DOMAINS]
    if installed:
        made["oauth_config"]["redirect_urls"] = [base + REDIRECT_PATH]
    check_manifest(made)
    return made


def check_manifest(made: Mapping[str, Any]) -> None:
    """Raise BadManifest with all that would not work."""
    wrong = [*_wrong_names(made), *_wrong_addresses(made), *_wrong_events(made)]
    if wrong:
        raise BadManifest("\n".join(dict.fromkeys(wrong)))


def _wrong_names(made: Mapping[str, Any]) -> Iterator[str]:
    shown = _part(made, "display_information")
    if not 1 <= len(str(shown.get("name", ""))) <= NAME_CHARACTERS:
        yield f"The name has 1 to {NAME_CHARACTERS} characters."
    if len(str(shown.get("description", ""))) > DESCRIPTION_CHARACTERS:
        yield f"The description has at most {DESCRIPTION_CHARACTERS} characters."
    long = str(shown.get("long_description", ""))
    if long and not LONG_LEAST <= len(long) <= LONG_MOST:
        yield f"The long description has {LONG_LEAST} to {LONG_MOST:,} characters."
    home = _part(made, "features", "app_home")
    if not (home.get("home_tab_enabled") and home.get("messages_tab_enabled")):
        yield "The home tab and the messages tab have to be on: people ask, and see their data, there."
    if home.get("messages_tab_read_only_enabled"):
        yield "The messages tab is read-only, so nobody could ask there."


def _wrong_addresses(made: Mapping[str, Any]) -> Iterator[str]:
    events = _part(made, "settings", "event_subscriptions").get("request_url")
    presses = _part(made, "settings", "interactivity").get("request_url")
    redirects = _part(made, "oauth_config").get("redirect_urls", [])
    for address in (events, presses, *redirects):
        if not is_https(str(address or "")):
            yield "Slack reaches the bot over HTTPS only: set public_url to its https address."
    if (events and not str(events).endswith(EVENTS_PATH)) or presses != events:
        yield f"Events and interactivity both go to {EVENTS_PATH}."
    if not _part(made, "settings", "interactivity").get("is_enabled"):
        yield "Interactivity has to be on: buttons and thumbs come that way."
    for switch in ("socket_mode_enabled", "token_rotation_enabled"):
        if _part(made, "settings").get(switch):
            yield f"{switch} has to be off: the bot does not speak that way."


def _wrong_events(made: Mapping[str, Any]) -> Iterator[str]:
    heard = _to_strings(_part(made, "settings", "event_subscriptions").get("bot_events"))
    granted = set(_to_strings(_part(made, "oauth_config", "scopes").get("bot")))
    if _part(made, "oauth_config", "scopes").get("user"):
        yield "The bot acts for itself only: leave the user scopes out."
    for event in sorted(set(EVENTS) - set(heard)):
        yield f"The event {event} is missing."
    for event in heard:
        needed = {**EVENTS, **HEARD_EVENTS, **LINK_EVENTS}.get(event)
        if needed is None:
            yield f"The event {event} is of no use to the bot: leave it out."
        elif needed and needed not in granted:
            yield f"The event {event} needs the scope {needed}."
    for scope in sorted((set(METHODS.values()) & set(SCOPES)) - granted):
        yield f"The scope {scope} is missing: {SCOPES[scope]}."
    useful = {*list_scopes(groups=True, hears=True, unfurls=True), *CHANNEL_SCOPES}
    for scope in sorted(granted - useful):
        yield f"The scope {scope} is of no use to the bot: leave it out."


def _part(made: Mapping[str, Any], *names: str) -> Mapping[str, Any]:
    part: Any = made
    for name in names:
        part = part.get(name) if isinstance(part, Mapping) else None  # pyright: ignore[reportUnknownVariableType, reportUnknownMemberType]
    return cast("Mapping[str, Any]", part) if isinstance(part, Mapping) else {}


def _to_strings(value: object) -> list[str]:
    return [str(one) for one in cast("list[object]", value)] if isinstance(value, list) else []
