"""`askpage ask` through a bot that runs on the data folder, and without one: the same answer both ways."""

from __future__ import annotations

import asyncio
import http.client
import json
import os
import socket
import stat
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from threading import Thread
from typing import Any

import aiohttp
import pytest

from bot.answers.socket import NAME, connect_to_any, is_ours, listen_in
from cli.asking.running_bot import NoRunningBot, RunningBotRefused, ask_running_bot
from feedback.store.rows import TABLES
from feedback.store.sqlite import SqliteStore
from tests.browser.chat import Browser
from tests.processes.forked import run_askpage
from tests.processes.serving import CANNED, Served, serving

LEAVE = (
    "# Leave\n\n## Parents\n\nNew parents get 12 weeks of paid leave.\n\n"
    "## Travel\n\nHotels cost up to 180 dollars.\n"
)
ASKED = "How many weeks of leave do new parents get?"
THUMB_DOWN = {
    "name": "message/submitAction",
    "value": {"actionName": "feedback", "actionValue": {"reaction": "dislike", "feedback": "{}"}},
}
BY_ITSELF = "Loading the pages and the model; that takes some seconds."


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "handbook").mkdir()
    (tmp_path / "handbook" / "leave.md").write_text(LEAVE)
    (tmp_path / "pets.md").write_text("# Pets\n\nDogs may come to the office on Fridays.\n")
    return tmp_path


def settings_of(folder: Path) -> tuple[str, ...]:
    return (*CANNED, "--pages", str(folder / "handbook"))


async def ask(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    options = ("--data-dir", "data", *settings_of(folder))
    return await asyncio.to_thread(run_askpage, "ask", *words, *options, folder=folder)


def without_times(printed: str) -> dict[str, Any]:
    answer = json.loads(printed)
    return {key: value for key, value in answer.items() if key not in {"seconds", "time_to_first_token_s"}}


async def count_records(folder: Path) -> dict[str, int]:
    store = SqliteStore.open(folder / "data" / "askpage.sqlite3")
    try:
        return {table: await store.count(table) for table in TABLES}
    finally:
        await store.close()


async def correct(served: Served, text: str) -> None:
    """Ask in the chat, rate the answer down, and correct it as the page's reviewer does."""
    async with aiohttp.ClientSession() as http:
        browser = Browser(http, served)  # type: ignore[arg-type] - what it needs is the address
        await browser.load()
        await browser.begin()
        assert (await browser.do("message", text=ASKED))[0] == 200
        answer = await browser.shows(lambda one: bool(one.get("loop")) and one["state"] == "final")
        assert (await browser.do("invoke", replyToId=answer["id"], **THUMB_DOWN))[0] == 200
        async with http.get(f"{served.url}/reviews") as page:
            token = (await page.text()).partition("&quot;token&quot;: &quot;")[2].partition("&quot;")[0]
        browser.token = token
        async with http.get(f"{served.url}/reviews/queue") as queue:
            [waiting] = (await queue.json())["shown"]
        press = {"verb": "review.correct", "answer": waiting["id"], "round": waiting["round"]}
        press |= {"press": "0" * 32, "text": text, "span": "c1"}
        status, body = await browser.post("/reviews/press", press)
        assert (status, body["done"]) == (200, True), body


async def test_the_running_bot_answers_what_the_command_would_answer_without_it(folder: Path) -> None:
    questions = (
        (ASKED,),
        (ASKED, "--json"),
        ("Who won the world cup?", "--json"),
        ("When may dogs come to the office?", "--page", "pets.md", "--json"),
        ("Which pages do you know?",),
        ("How much for a hotel?", "--page", "no-such-file.md"),
    )
    async with serving(folder / "data", *settings_of(folder)) as served:
        before = await count_records(folder)
        port = str(served.port)
        by_bot = [await ask(folder, *words) for words in questions]
        assert await count_records(folder) == before
    alone = [await ask(folder, *words, "--port", port) for words in questions]
    for words, one, other in zip(questions, by_bot, alone, strict=True):
        assert BY_ITSELF not in one.stderr
        assert other.stderr.startswith(BY_ITSELF)
        assert one.returncode == other.returncode
        assert one.stderr == other.stderr.partition("\n")[2]
        if "--json" in words:
            assert without_times(one.stdout) == without_times(other.stdout)
        else:
            assert one.stdout == other.stdout
    assert f"http://localhost:{port}/site/handbook/leave#parents" in by_bot[0].stdout
    assert json.loads(by_bot[3].stdout)["answer"] == "Dogs may come to the office on Fridays. [1]"
    assert by_bot[5].returncode == 2


async def test_a_correction_is_live_on_the_command_line_with_the_bot_and_without_it(folder: Path) -> None:
    async with serving(folder / "data", *settings_of(folder)) as served:
        await correct(served, "18 weeks.")
        told = without_times((await ask(folder, ASKED, "--json")).stdout)
    assert (told["answer"], told["verified"]) == ("18 weeks. [1]", True)
    alone = await ask(folder, ASKED, "--json")
    assert alone.stderr.startswith(BY_ITSELF)
    assert without_times(alone.stdout) == told
    assert "✓ Verified by a reviewer" in (await ask(folder, ASKED)).stdout


async def test_a_bot_with_other_settings_is_not_asked_and_a_killed_one_leaves_nothing_in_the_way(
    folder: Path,
) -> None:
    async with serving(folder / "data", *settings_of(folder)) as served:
        other = await ask(folder, ASKED, "--passages", "1", "--json")
        assert other.stderr.startswith(f"The running bot has another --passages. {BY_ITSELF}")
        assert json.loads(other.stdout)["kind"] == "answered"
        await served.kill()
        assert (folder / "data" / "instances" / "0" / NAME).is_socket()
        assert (await ask(folder, ASKED)).stderr.startswith(BY_ITSELF)
    async with serving(folder / "data", *settings_of(folder)):
        assert (await ask(folder, ASKED)).stderr == ""


def send(data_dir: Path, body: object = None, **headers: str) -> tuple[int, Any]:
    """Send a request over a bot's socket as somebody does who has found it."""
    connection = http.client.HTTPConnection("askpage", timeout=20)
    connection.sock = next(connect_to_any(data_dir))
    given = {"question": ASKED} if body is None else body
    data = given if isinstance(given, bytes) else json.dumps(given).encode()
    headers = {name.replace("_", "-"): value for name, value in headers.items()}
    try:
        connection.request("POST", "/answers", data, headers)
        response = connection.getresponse()
        return response.status, json.loads(response.read() or b"{}")
    finally:
        connection.close()


async def test_strangers_and_what_makes_no_sense_are_refused(folder: Path) -> None:
    strange: tuple[tuple[int, object, Mapping[str, str]], ...] = (
        (403, None, {"Host": "localhost:3978"}),
        (403, None, {"Host": "evil.example"}),
        (403, None, {"Origin": "http://localhost:3978"}),
        (403, None, {"Origin": "null"}),
        (403, None, {"Cookie": "askpage=somebody-else"}),
        (403, None, {"Sec_Fetch_Site": "same-origin"}),
        (403, None, {"X_Forwarded_For": "127.0.0.1"}),
        (403, None, {"Via": "1.1 proxy"}),
        (413, b'{"question": "' + b"a" * 70_000 + b'"}', {}),
        (415, b"\x1f\x8b", {"Content_Encoding": "gzip"}),
        (400, b"not json", {}),
        (400, b"[]", {}),
        (400, {"question": 3}, {}),
        (400, {"question": " "}, {}),
        (400, {"question": "Hi", "page": ["a"]}, {}),
        (409, {"question": "Hi", "settings": {"base_model": "another"}}, {}),
        (409, {"question": "Hi", "settings": {"no_such_setting": "1"}}, {}),
    )
    async with serving(folder / "data", *settings_of(folder)) as served:
        data_dir = folder / "data"
        path = data_dir / "instances" / "0" / NAME
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert all(stat.S_IMODE(one.stat().st_mode) == 0o700 for one in (path.parent, path.parent.parent))
        for status, body, headers in strange:
            got, said = await asyncio.to_thread(send, data_dir, body, **headers)
            assert got == status, (headers, said)
            assert "answer" not in said
        first, again = [await asyncio.to_thread(send, data_dir) for _ in range(2)]
        assert first[0] == again[0] == 200, "the same request again is answered again, and changes nothing"
        assert (await count_records(folder))["question"] == 0
        async with aiohttp.ClientSession() as browser:
            for path_there in ("/answers", "/local/answers"):  # no port has it
                async with browser.post(f"{served.url}{path_there}", json={"question": ASKED}) as reply:
                    assert reply.status == 404


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be another user")
def test_another_user_can_neither_open_the_socket_nor_speak_over_it(tmp_path: Path) -> None:
    folder = tmp_path / "instances" / "0"
    folder.mkdir(parents=True, mode=0o700)
    connect = f"socket.socket(socket.AF_UNIX).connect({str(folder / NAME)!r})"
    script = f"import os, socket; os.setuid(65534); {connect}"
    with listen_in(folder) as listening:
        assert listening is not None
        tried = subprocess.run(["python", "-c", script], capture_output=True, text=True, check=False)
        assert "PermissionError" in tried.stderr
        here, there = socket.socketpair()
        with here, there:
            assert is_ours(here)


@pytest.fixture
def mute(tmp_path: Path) -> Iterator[Path]:
    """A data folder whose bot hangs up on whoever asks."""
    folder = tmp_path / "data" / "instances" / "0"
    folder.mkdir(parents=True)
    with listen_in(folder) as listening:
        assert listening is not None

        def hang_up() -> None:
            connected, _ = listening.accept()
            connected.recv(100)
            connected.close()

        thread = Thread(target=hang_up)
        thread.start()
        yield tmp_path / "data"
        thread.join()


def test_a_bot_that_dies_meanwhile_leaves_the_question_to_the_command(mute: Path) -> None:
    with pytest.raises(NoRunningBot, match="ended before it had answered"):
        ask_running_bot(mute, ASKED, "", {}, 5.0)


def test_a_bot_that_does_not_answer_is_not_waited_for_for_ever(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cli.asking.running_bot.PATIENCE_S", 0.1)
    folder = tmp_path / "instances" / "0"
    folder.mkdir(parents=True)
    with listen_in(folder), pytest.raises(RunningBotRefused, match="does not answer"):
        ask_running_bot(tmp_path, ASKED, "", {}, 0.1)


def test_a_socket_in_a_folder_with_a_long_path_is_found(tmp_path: Path) -> None:
    folder = tmp_path / ("long" * 40) / "instances" / "0"
    folder.mkdir(parents=True)
    with listen_in(folder) as listening:
        assert listening is not None
        next(connect_to_any(folder.parents[1])).close()
    assert list(connect_to_any(folder.parents[1])) == []
