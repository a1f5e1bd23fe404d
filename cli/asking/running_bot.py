"""Asks a bot that runs on the same data folder, by the socket that it has there.

None of it imports the bot: this is what makes an answer from a running one quick.
"""

from __future__ import annotations

import http.client
import json
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bot.answers.reply import HOST, OTHER_SETTINGS, PATH, DirectReply, decode_reply
from bot.answers.socket import connect_to_any

PATIENCE_S = 30.0
"""How much longer than a bot's own limit for an answer it is waited for, seconds."""
_MOST_BYTES = 16_000_000


class RunningBotRefused(Exception):
    """The running bot answered that it has no answer; the message is a sentence for a person."""


class NoRunningBot(Exception):
    """No bot can answer this; the message says why one that runs could not, "" where none runs."""


class _Connection(http.client.HTTPConnection):
    def __init__(self, connected: socket.socket, timeout_s: float) -> None:
        super().__init__(HOST, timeout=timeout_s)
        connected.settimeout(timeout_s)
        self.sock = connected


def ask_running_bot(
    data_dir: Path, question: str, page: str, given: Mapping[str, str], limit_s: float
) -> DirectReply:
    """Return what a bot on this data folder says. `given` are the settings that a person gave for this.

    Raises NoRunningBot where the command has to answer by itself, and RunningBotRefused.
    """
    body = json.dumps({"question": question, "page": page, "settings": dict(given)})
    for connected in connect_to_any(data_dir):
        with connected:
            return _ask(_Connection(connected, limit_s + PATIENCE_S), body)
    raise NoRunningBot


def _ask(connection: http.client.HTTPConnection, body: str) -> DirectReply:
    try:
        connection.request("POST", PATH, body, {"Content-Type": "application/json"})
        response = connection.getresponse()
        said = response.read(_MOST_BYTES)
        if response.status == http.client.OK:
            return decode_reply(said)
        error: Any = json.loads(said)["error"]
    except TimeoutError:
        raise RunningBotRefused("The running bot does not answer. Look at its log, or stop it.") from None
    except (OSError, http.client.HTTPException):
        raise NoRunningBot("The running bot ended before it had answered.") from None
    except (ValueError, KeyError, TypeError):
        raise NoRunningBot("The running bot is of another version of askpage.") from None
    if error["code"] == OTHER_SETTINGS:
        raise NoRunningBot(f"The running bot has another {error['message']}.")
    raise RunningBotRefused(error["message"])
