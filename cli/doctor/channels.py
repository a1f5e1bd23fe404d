"""The channels' credentials, asked of their services once, by a call that changes nothing.

Teams: the token that the bot answers with. Slack: auth.test. A service that cannot be reached is a warning:
a machine may be offline for the moment; one that refuses is a fault.
"""

from __future__ import annotations

import asyncio

from bot.channel import ChannelError, ChannelMisconfigured, Undeliverable
from bot.teams.auth import BotCredentials
from bot.teams.channel import check_settings as check_teams_settings
from bot.teams.channel import to_config
from cli.doctor.findings import Finding, fault, ok, warn
from core.settings import Settings

DEADLINE_S = 5.0
_LATER = "Is this machine online? Ask again then."


async def check_teams(settings: Settings) -> list[Finding]:
    """Ask for the bot's own token, as before every answer."""
    if not settings.app_id:
        return [ok("teams", "off: app_id is empty")]
    try:
        check_teams_settings(settings)
        async with asyncio.timeout(DEADLINE_S):
            await BotCredentials(to_config(settings, is_public=True)).get()
    except ChannelMisconfigured as wrong:
        return [fault("teams", str(wrong))]
    except TimeoutError:
        return [warn("teams", f"no token came within {DEADLINE_S:g} s", _LATER)]
    except ChannelError as error:
        return [judge_refusal(error)]
    return [ok("teams", f"the app {settings.app_id} gets its token ({settings.app_type})")]


def judge_refusal(error: ChannelError) -> Finding:
    """Tell a registration that is refused from a service that is away.

    MSAL says ValueError of a tenant that there is not, and we PermissionError of a refused secret.
    """
    cause = error.__cause__
    if isinstance(cause, (PermissionError, ValueError)):
        todo = (
            "Compare ASKPAGE_APP_ID, _APP_PASSWORD, _APP_TYPE and _APP_TENANT_ID with the app's registration."
        )
        return fault("teams", str(error), todo)
    return warn("teams", str(error), _LATER)


async def check_slack(settings: Settings) -> list[Finding]:
    """Ask Slack whose token it is."""
    if not settings.slack.signing_secret.get_secret_value():
        return [ok("slack", "off: slack_signing_secret is empty")]
    from bot.slack.channel import check_settings  # noqa: PLC0415 - Slack's SDK is for those who use it
    from bot.slack.client import SlackApi, Workspace  # noqa: PLC0415

    try:
        check_settings(settings)
    except ChannelMisconfigured as wrong:
        return [fault("slack", str(wrong))]
    token = settings.slack.bot_token.get_secret_value()
    if not token:
        return [ok("slack", "workspaces install it at /slack/install; their tokens were not asked about")]

    async def get_token(_: Workspace) -> str:
        return token

    api = SlackApi(get_token, base_url=settings.slack.api_url)
    team = settings.slack.teams[0]
    try:
        async with asyncio.timeout(DEADLINE_S):
            found = await api.call("auth.test", Workspace(team), {}, hurried=True)
    except Undeliverable as refused:
        return [fault("slack", f"Slack refuses the token: {refused}", "Set ASKPAGE_SLACK_BOT_TOKEN anew.")]
    except (TimeoutError, OSError) as error:
        return [warn("slack", f"Slack did not answer: {error or 'too late'}", _LATER)]
    finally:
        await api.close()
    return [judge_workspace(str(found.get("team_id") or ""), team)]


def judge_workspace(found: str, wanted: str) -> Finding:
    """Say whether the token is of the workspace that the settings name."""
    if found and found != wanted:
        says = f"the token is of the workspace {found}, and slack_teams names {wanted}"
        return fault("slack", says, "Questions from there would be refused: name its id in slack_teams.")
    return ok("slack", f"Slack knows the token, in {wanted}")
