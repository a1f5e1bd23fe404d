"""The settings for Slack, and whether they fit together. Nothing of Slack's SDK is imported here."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from bot.channel import ChannelMisconfigured

KEY_HOW = (
    "slack_store_key has to be 32 random bytes as URL-safe base64. Make one with: python3 -c 'import base64,"
    " os; print(base64.urlsafe_b64encode(os.urandom(32)).decode())'"
)
_KEY_BYTES = 32

TIER_2, TIER_3, TIER_4 = 20, 50, 100
PER_MINUTE: Mapping[str, int] = {
    "assistant.threads.setStatus": 600,
    "assistant.threads.setSuggestedPrompts": TIER_3,
    "auth.revoke": TIER_3,
    "auth.test": 200,
    "chat.appendStream": TIER_4,
    "chat.delete": TIER_3,
    "chat.postEphemeral": TIER_4,
    "chat.postMessage": 300,
    "chat.startStream": TIER_2,
    "chat.stopStream": TIER_2,
    "chat.unfurl": TIER_3,
    "chat.update": TIER_3,
    "conversations.open": TIER_3,
    "files.info": TIER_4,
    "reactions.add": TIER_3,
    "reactions.remove": TIER_2,
    "usergroups.users.list": TIER_2,
    "views.open": TIER_4,
    "views.publish": TIER_4,
}
"""Calls a minute in one workspace. For posting Slack promises "several hundred"."""


class BadSlackConfig(ChannelMisconfigured):
    """The settings do not allow Slack; the message is a sentence for the operator."""


@dataclass(frozen=True, slots=True)
class PaceRules:
    """`second_s` is how long Slack's second lasts (tests have a shorter one).

    `per_minute` as in PER_MINUTE.
    """

    second_s: float = 1.0
    per_minute: Mapping[str, int] = field(default_factory=lambda: PER_MINUTE)
    other: int = TIER_2


@dataclass(frozen=True, slots=True)
class SlackConfig:
    """How the bot is registered at Slack; secrets as text.

    See the settings of these names with `slack_` before them.
    """

    signing_secret: str = field(repr=False)
    teams: Sequence[str]
    bot_token: str = field(default="", repr=False)
    client_id: str = ""
    client_secret: str = field(default="", repr=False)
    store_key: str = field(default="", repr=False)
    public_url: str = ""
    hears_channels: bool = False
    unfurls: bool = False
    review_channel: str = ""
    reviewers: Sequence[str] = ()
    reviewer_groups: Sequence[str] = ()
    api_url: str = ""
    pace: PaceRules = field(default_factory=PaceRules)


def check_config(config: SlackConfig) -> None:
    """Raise BadSlackConfig where Slack cannot be served like this."""
    if not config.teams:
        raise BadSlackConfig("Slack needs slack_teams: the ids of the workspaces that may use the bot (T…).")
    if bool(config.bot_token) == bool(config.client_id):
        raise BadSlackConfig(
            "Slack needs either slack_bot_token (one workspace) or slack_client_id and slack_client_secret"
            " (installed at /slack/install), not both."
        )
    if config.bot_token and len(config.teams) > 1:
        raise BadSlackConfig("With slack_bot_token there is one workspace: name it alone in slack_teams.")
    if config.client_id and not (config.client_secret and config.store_key and config.public_url):
        raise BadSlackConfig(
            "To be installed at /slack/install, Slack needs slack_client_secret, slack_store_key and"
            " public_url, too."
        )
    if not all(map(_is_key, _words(config.store_key))):
        raise BadSlackConfig(KEY_HOW)
    for setting in (config.review_channel, *config.reviewers, *config.reviewer_groups):
        if setting and len(config.teams) > 1 and ":" not in setting:
            raise BadSlackConfig(
                f"With several workspaces, say which one {setting} is of: {config.teams[0]}:{setting}."
            )


def resolve_name(config: SlackConfig, name: str) -> tuple[str, str]:
    """Return the workspace and the id that a setting names."""
    team, colon, id_ = name.partition(":")
    return (team, id_) if colon else (config.teams[0], name)


def _words(keys: str) -> list[str]:
    return [key.strip() for key in keys.split(",") if key.strip()]


def _is_key(key: str) -> bool:
    try:
        return len(base64.urlsafe_b64decode(key)) == _KEY_BYTES
    except ValueError:
        return False
