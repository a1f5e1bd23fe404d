"""A reverse proxy beside the bot lets nobody in: nginx, Caddy, HAProxy, by default and as documented."""

from __future__ import annotations

import asyncio
import json
import os
import re
import secrets
import shutil
import socket
import sqlite3
import time
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import asynccontextmanager, closing, suppress
from dataclasses import dataclass
from hashlib import sha256
from hmac import new
from pathlib import Path

import aiohttp
import pytest

from tests.doubles.tokens import APP_ID, certificate
from tests.needs import ROOT, need
from tests.processes.serving import Served, serving

SECRET = "of the signing kind"  # noqa: S105
SITE_TEXT = "Parents get 16 weeks of paid leave."
DOCS = (ROOT / "docs" / "reverse-proxy.md").read_text("utf-8")
COMMANDS = {
    "nginx": ("-e", "stderr", "-p", "{folder}", "-c", "{folder}/config", "-g", "daemon off;"),
    "caddy": ("run", "--config", "{folder}/config", "--adapter", "caddyfile"),
    "haproxy": ("-db", "-f", "{folder}/config"),
}
LANGUAGES = {"nginx": "nginx", "caddy": "caddyfile", "haproxy": "haproxy"}
SHORTEST = {
    "nginx": "server { listen {port} ssl; ssl_certificate {cert}; ssl_certificate_key {key};"
    " location / { proxy_pass http://127.0.0.1:{bot}; } }",
    "caddy": "https://:{port} {\n tls {cert} {key}\n reverse_proxy 127.0.0.1:{bot}\n}",
    "haproxy": "defaults\n mode http\n timeout connect 5s\n timeout client 30s\n timeout server 30s\n"
    "frontend f\n bind 127.0.0.1:{port} ssl crt {both}\n default_backend b\n"
    "backend b\n server s 127.0.0.1:{bot}\n",
}
"""What somebody writes who reads the first example of each program."""


def documented(program: str) -> str:
    """Return the docs' configuration, with the ports, the names and the files of a test in it."""
    [found] = re.findall(rf"```{LANGUAGES[program]}\n(.*?)```", DOCS, re.DOTALL)
    return (
        found.replace("127.0.0.1:3978", "127.0.0.1:{bot}")
        .replace("listen 443 ssl", "listen {port} ssl")
        .replace("bind :443", "bind 127.0.0.1:{port}")
        .replace("server_name bot.example.com", "server_name 127.0.0.1")
        .replace("bot.example.com {", "https://:{port} {\n    tls {cert} {key}")
        .replace("/etc/ssl/bot.example.com/fullchain.pem", "{cert}")
        .replace("/etc/ssl/bot.example.com/privkey.pem", "{key}")
        .replace("/etc/ssl/bot.example.com/both.pem", "{both}")
    )


def around(program: str, config: str) -> str:
    """Put around a configuration what the program's own main file has."""
    if program == "nginx":
        logs = "access_log off; client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path f;"
        return f"pid nginx.pid; events {{}} http {{ {logs} uwsgi_temp_path u; scgi_temp_path s;\n{config} }}"
    if program == "caddy":
        return (
            "{\n admin off\n auto_https disable_redirects\n storage file_system {folder}/caddy\n}\n" + config
        )
    return config


def proxy_folder(folder: Path, program: str, config: str, bot: int) -> Path:
    """Write a folder for a proxy in front of the bot's port: its configuration, its certificate, its port."""
    folder.mkdir()
    certificate(folder)
    (folder / "both.pem").write_bytes((folder / "cert.pem").read_bytes() + (folder / "key.pem").read_bytes())
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
    names = {"cert": folder / "cert.pem", "key": folder / "key.pem", "both": folder / "both.pem"}
    filled = around(program, config)
    for name, value in {**names, "folder": folder, "port": port, "bot": bot}.items():
        filled = filled.replace(f"{{{name}}}", str(value))
    (folder / "config").write_text(f"{filled}\n")
    (folder / "port").write_text(port)
    return folder


@asynccontextmanager
async def in_front(program: str, folder: Path) -> AsyncGenerator[str]:
    """Run a proxy as its folder says; yield its address."""
    places = os.pathsep.join((os.defpath, "/usr/sbin", "/sbin", "/usr/local/sbin"))
    found = shutil.which(program, path=places) or f"/usr/sbin/{program}"
    need(
        Path(found), f"{program} is missing: install the Debian package of that name (nginx-light for nginx)"
    )
    port = (folder / "port").read_text()
    command = [found, *(part.replace("{folder}", str(folder)) for part in COMMANDS[program])]
    with (folder / "log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(*command, stdout=log, stderr=log, cwd=folder)
    try:
        assert await listens(int(port), process), (folder / "log").read_text()
        yield f"https://127.0.0.1:{port}"
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()


async def listens(port: int, process: asyncio.subprocess.Process) -> bool:
    until = time.monotonic() + 30
    while time.monotonic() < until and process.returncode is None:
        with suppress(OSError):
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.close()
            return True
        await asyncio.sleep(0.05)
    return False


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pages")
    (folder / "leave.md").write_text(f"# Leave\n\n{SITE_TEXT}\n")
    return folder


@asynccontextmanager
async def a_bot(folder: Path, pages: Path, *options: str, slack: bool = True) -> AsyncIterator[Served]:
    """Serve Teams and Slack with their doors locked as in production, and canned words."""
    passwords = ("--app-password", "very secret", "--dashboard-token", "t" * 32)
    given = [
        "--base-model",
        "canned",
        "--pages",
        str(pages),
        "--app-id",
        APP_ID,
        "--app-type",
        "MultiTenant",
        *passwords,
    ]
    if slack:
        given += ["--slack-teams", "T1", "--slack-signing-secret", SECRET, "--slack-bot-token", "xoxb-one"]
        given += ["--public-url", "https://bot.example.com"]
    async with serving(folder / "data", *given, *options) as served:
        yield served


# Who knocks


@dataclass(frozen=True, slots=True)
class Knock:
    """A request from outside."""

    method: str
    path: str
    body: Mapping[str, object] | None = None


def knocks(marker: str) -> list[Knock]:
    activity = {
        "type": "message",
        "id": marker,
        "text": f"{marker} how much leave?",
        "channelId": "msteams",
        "serviceUrl": "http://127.0.0.1:9/",
        "from": {"id": "29:x", "name": "Robin", "aadObjectId": "local:robin"},
        "conversation": {"id": marker, "conversationType": "personal"},
        "recipient": {"id": "28:bot"},
    }
    local = {"conversation": marker, "type": "message", "text": f"{marker} correct", "person": "robin"}
    return [
        *(
            Knock("GET", path)
            for path in ("/", "/local/conversations?person=robin", "/local/events?conversation=x")
        ),
        *(
            Knock("GET", path)
            for path in ("/static/page.js", "/local/export/x.y", "/site", "/site/", "/site/leave")
        ),
        *(
            Knock("GET", path)
            for path in ("/dashboard/data", "/dashboard/data?range=day", "/readyz/../local/events")
        ),
        *(Knock("GET", path) for path in ("//local/conversations", "/%2e/site/leave", "/privacy/export/x.y")),
        Knock("POST", "/local/conversations", {"person": "robin"}),
        Knock("POST", "/local/activities", local),
        Knock("POST", "/local/activities", {**local, "type": "invoke", "name": "adaptiveCard/action"}),
        Knock("POST", "/api/messages", activity),
        Knock("POST", "/api/messages", {**activity, "type": "invoke", "name": "message/submitAction"}),
        Knock(
            "POST", "/slack/events", {"type": "event_callback", "team_id": "T1", "event": {"text": marker}}
        ),
    ]


NOBODY: dict[str, str] = {}
TEAMS_USER = {
    "Authorization": "Bearer eyJhbGciOiJub25lIn0.eyJpc3MiOiJ4In0.",
    "User-Agent": "Microsoft-SkypeBotApi",
}


def forged(host: str) -> dict[str, str]:
    """Return what a browser on this machine would send."""
    return {"Host": host, "Origin": f"http://{host}", "Sec-Fetch-Site": "same-origin", "X-Askpage-Token": "x"}


def kept(folder: Path) -> dict[str, int]:
    """Return how many rows each table of the data folder's stores has."""
    counts: dict[str, int] = {}
    for path in sorted((folder / "data").glob("*.sqlite3")):
        with closing(sqlite3.connect(path)) as store:
            tables = store.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
            for (table,) in tables:
                [[count]] = store.execute(f'SELECT count(*) FROM "{table}"').fetchall()  # noqa: S608 - of its own list
                counts[f"{path.name} {table}"] = count
    return counts


async def refused(session: aiohttp.ClientSession, url: str, headers: Mapping[str, str]) -> list[str]:
    """Knock twenty times; return what was answered though it should not have been."""
    open_doors: list[str] = []
    for knock in knocks("outsider"):
        timeout = aiohttp.ClientTimeout(10)
        async with session.request(
            knock.method,
            url + knock.path,
            json=knock.body,
            headers=headers,
            timeout=timeout,
            allow_redirects=False,
        ) as response:
            text = (await response.content.read(4_000)).decode("utf-8", "replace")
            if (response.status < 400 and text) or SITE_TEXT in text:
                open_doors.append(f"{knock.method} {knock.path}: {response.status} {text[:80]}")
    return open_doors


async def is_let_in(session: aiohttp.ClientSession, url: str) -> bool:
    """Ask as Slack does, signed; tell whether its challenge comes back. A repetition is a redelivery."""
    challenge = secrets.token_hex(8)
    body = json.dumps({"type": "url_verification", "challenge": challenge}).encode()
    at = str(int(time.time()))
    mac = new(SECRET.encode(), f"v0:{at}:".encode() + body, sha256).hexdigest()
    headers = {
        "X-Slack-Request-Timestamp": at,
        "X-Slack-Signature": f"v0={mac}",
        "Content-Type": "application/json",
    }
    async with session.post(f"{url}/slack/events", data=body, headers=headers) as response:
        return response.status == 200 and challenge in await response.text()


async def test_whoever_comes_through_a_proxy_is_nobody(tmp_path: Path, pages: Path) -> None:
    configs = [(program, text) for program in COMMANDS for text in (SHORTEST[program], documented(program))]
    insecure = aiohttp.TCPConnector(ssl=False)
    async with a_bot(tmp_path, pages) as bot, aiohttp.ClientSession(connector=insecure) as session:
        before = kept(tmp_path)
        for number, (program, text) in enumerate(configs):
            folder = proxy_folder(tmp_path / f"proxy{number}", program, text, bot.port)
            async with in_front(program, folder) as url:
                for headers in (NOBODY, TEAMS_USER, forged(f"localhost:{bot.port}")):
                    assert await refused(session, url, headers) == [], program
                assert await is_let_in(session, url), program
                async with session.get(f"{url}/about/privacy") as response:
                    assert response.status == 200, program
        assert kept(tmp_path) == before, "nothing was kept of what they sent"


async def test_without_a_public_address_an_app_id_alone_locks_the_doors(tmp_path: Path, pages: Path) -> None:
    async with a_bot(tmp_path, pages, slack=False) as bot, aiohttp.ClientSession() as session:
        assert await refused(session, bot.url, forged(f"localhost:{bot.port}")) == []


async def test_slack_alone_locks_the_door_of_teams(tmp_path: Path, pages: Path) -> None:
    async with a_bot(tmp_path, pages, "--app-id", "") as bot, aiohttp.ClientSession() as session:
        assert await refused(session, bot.url, forged(f"localhost:{bot.port}")) == []
        assert await is_let_in(session, bot.url)


async def test_the_chat_page_is_served_beside_teams_on_a_port_of_its_own_only(
    tmp_path: Path, pages: Path
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    switches = ("--dangerously-serve-local-page", "--local-page-port", str(port))
    async with a_bot(tmp_path, pages, *switches) as bot, aiohttp.ClientSession() as session:
        assert await refused(session, bot.url, forged(f"localhost:{bot.port}")) == []
        own = f"http://localhost:{port}"
        async with session.get(own) as response:
            page = await response.text()
            assert response.status == 200
            assert "Alex" in page
            assert "Robin" not in page, "nobody reviews there"
        async with session.get(f"{own}/dashboard/data") as response:
            assert response.status == 200
        async with session.get(f"{own}/site/{pages.name}/leave") as response:
            assert SITE_TEXT in await response.text()
        async with session.post(f"{own}/api/messages", json={}) as response:
            assert response.status == 404
    assert await asyncio.to_thread(_is_free, port), "it is closed with the bot"


def _is_free(port: int) -> bool:
    with socket.create_server(("127.0.0.1", port)):
        return True
