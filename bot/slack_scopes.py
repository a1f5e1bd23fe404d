"""What the Slack app may do, and why: the one list behind the manifest, the installation and the docs."""

from __future__ import annotations

from collections.abc import Mapping

SCOPES: Mapping[str, str] = {
    "app_mentions:read": "hear a question where somebody mentions the bot",
    "assistant:write": "suggest questions and show that it is at work in the assistant pane",
    "chat:write": "answer, and correct its answers",
    "im:history": "read what people write to it in their own chat, follow-ups included",
    "im:write": "speak in that chat when somebody presses a button on the bot's home page",
    "reactions:read": "take a reaction to an answer as an opinion, and see it taken back",
}
GROUPS_SCOPE = ("usergroups:read", "know who is in the user groups that review")

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
    "chat.update": "chat:write",
    "conversations.open": "im:write",
    "oauth.v2.access": "",
    "usergroups.users.list": "usergroups:read",
    "views.open": "",
    "views.publish": "",
}
"""What the bot calls, and the scope that each needs."""


def scopes_of(*, groups: bool) -> list[str]:
    """Return the scopes to ask for; `groups`: reviewers are user groups."""
    return sorted([*SCOPES, *([GROUPS_SCOPE[0]] if groups else [])])
