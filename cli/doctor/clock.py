"""The clock: services refuse what is signed five minutes early or late, so a wrong one stops the bot."""

from __future__ import annotations

import asyncio
import time
from email.utils import parsedate_to_datetime
from pathlib import Path

import aiohttp

from cli.doctor.findings import Finding, fault, ok, warn
from core.settings import Settings

MATTER = "clock"
_DEADLINE_S = 5.0
_NOTABLE_S, _REFUSED_S = 30.0, 240.0
_SLACK = "https://slack.com/api/"
_TEAMS = "https://login.botframework.com/v1/.well-known/openidconfiguration"
_TODO = "Let the system keep its time (chrony, systemd-timesyncd)."


async def check_clock(settings: Settings) -> list[Finding]:
    """Compare the clock with a service that the bot speaks to anyway; without one, with the newest file."""
    address = find_address(settings)
    if not address:
        return [judge_files(await asyncio.to_thread(find_newest, settings.data_dir), time.time())]
    try:
        timeout = aiohttp.ClientTimeout(total=_DEADLINE_S)
        async with aiohttp.ClientSession(timeout=timeout) as session, session.get(address) as response:
            said = response.headers.get("Date", "")
        return [judge_offset(time.time() - parsedate_to_datetime(said).timestamp())]
    except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
        return [warn(MATTER, f"nobody tells the time: {type(error).__name__}", "Ask again when online.")]


def find_address(settings: Settings) -> str:
    """Return whom to ask for the time: the channel that is on; "" where none is."""
    if settings.app_id:
        return settings.openid_metadata_url or _TEAMS
    return settings.slack.api_url or _SLACK if settings.slack.signing_secret.get_secret_value() else ""


def judge_offset(seconds: float) -> Finding:
    """Judge how far this clock is ahead of a service's; a second or two is its answer's way."""
    says = f"{abs(seconds):.0f} s {'ahead' if seconds > 0 else 'behind'}"
    if abs(seconds) >= _REFUSED_S:
        return fault(MATTER, f"{says}: services refuse what is signed five minutes early or late", _TODO)
    if abs(seconds) >= _NOTABLE_S:
        return warn(MATTER, says, _TODO)
    return ok(MATTER, "as its services have it")


def judge_files(newest: float, now: float) -> Finding:
    """Judge by the newest file of the data folder: it cannot be of the future."""
    if newest > now + _NOTABLE_S:
        ahead = f"the newest file was written {newest - now:.0f} s in the future"
        return warn(MATTER, f"{ahead}: the clock was set back, or is wrong", _TODO)
    return ok(MATTER, "behind no file of the data folder; no channel is on that could tell more")


def find_newest(folder: Path) -> float:
    """Return when the newest file at the top of a folder was written, seconds since 1970; 0 for none."""
    times = [file.stat().st_mtime for file in folder.glob("*") if file.is_file()]
    return max(times, default=0.0)
