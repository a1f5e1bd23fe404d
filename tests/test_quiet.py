"""No library phones home: every connection of the whole bot is watched."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from cli.console import allows_telemetry
from core.usage_reporting import SWITCHES, TOLD, is_allowed, keep_quiet, switches_table
from tests.browser.chat import a_browser
from tests.conftest import ROOT, need
from tests.doubles.connection_watch import Watch, leaving, whole_calls
from tests.processes.serving import serving
from tests.processes.watched import QUESTION, an_environment, run_watched, watch

__all__ = ["watch"]


EAGER = {
    "HF_HUB_DISABLE_TELEMETRY": "0",
    "LANGCHAIN_TRACING_V2": "true",
    "LANGSMITH_API_KEY": "lsv2_pt_nobody",
    "LANGSMITH_TRACING": "true",
    "LANGSMITH_TRACING_V2": "true",
    "MLFLOW_DISABLE_TELEMETRY": "false",
    "ORT_DISABLE_TELEMETRY": "0",
}
"""An environment that asks for what nobody may do."""
LINGER_S = 12
"""How long to go on watching: ONNX Runtime sends for the first time nine seconds after its import."""


# The switches


def test_every_switch_is_thrown_whatever_the_environment_says(monkeypatch: pytest.MonkeyPatch) -> None:
    for switch in SWITCHES:
        monkeypatch.setenv(switch.variable, "whatever")
    monkeypatch.setenv(TOLD, "true")
    keep_quiet(allowed=False)
    assert {s.variable: os.environ[s.variable] for s in SWITCHES} == {s.variable: s.value for s in SWITCHES}  # noqa: TID251
    assert not is_allowed()


def test_where_reporting_is_allowed_the_operator_decides_each_library(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for switch in SWITCHES:
        monkeypatch.delenv(switch.variable, raising=False)
    monkeypatch.setenv("DO_NOT_TRACK", "operator")
    monkeypatch.setenv(TOLD, "")
    keep_quiet(allowed=True)
    assert is_allowed()
    assert {s.variable for s in SWITCHES if s.variable in os.environ} == {"DO_NOT_TRACK"}  # noqa: TID251
    assert os.environ["DO_NOT_TRACK"] == "operator"  # noqa: TID251


def test_an_option_decides_before_the_environment_and_the_environment_before_the_default(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv(TOLD, raising=False)
    assert not allows_telemetry([])
    assert allows_telemetry(["serve", "--library-telemetry"])
    (tmp_path / ".env").write_text(f"{TOLD}=yes\n")
    assert allows_telemetry([])
    assert not allows_telemetry(["serve", "--no-library-telemetry"])
    monkeypatch.setenv(TOLD, "false")
    assert not allows_telemetry([])
    monkeypatch.setenv("ASKPAGE_PORT", "no port")
    monkeypatch.setenv(TOLD, "true")
    assert not allows_telemetry([]), "settings that cannot be read allow nothing"


def test_the_docs_list_every_switch() -> None:
    assert switches_table() in (ROOT / "docs" / "quiet.md").read_text("utf-8")


@pytest.mark.parametrize(
    "package",
    [
        "model.inference.worker",
        "model.registry.export_onnx",
        "model.qlora_update",
        "pages.index.embeddings",
        "cli.main",
    ],
)
def test_no_way_in_leads_past_the_switches(package: str, tmp_path: Path) -> None:
    """ONNX Runtime leaves a device id when it is imported without its switch."""
    shown = subprocess.run(
        [sys.executable, "-c", f"import {package}, os; print(os.environ['ORT_DISABLE_TELEMETRY'])"],
        cwd=ROOT,
        env=an_environment(tmp_path, **EAGER),
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    assert shown.stdout.strip() == "1"
    assert not (tmp_path / ".cache" / "Microsoft").exists()


# The connections


@pytest.mark.parametrize("base", ["canned", pytest.param("", marks=pytest.mark.model)])
async def test_a_bot_that_answers_speaks_to_this_machine_only(
    base: str, watch: Watch, tmp_path: Path, docs_index: Path
) -> None:
    home, data = tmp_path / "home", tmp_path / "data"
    data.mkdir()
    if not base:
        models = ROOT / "data" / "models"
        need(models / "live.json", "no model is imported: run `make setup`")
        (data / "models").symlink_to(models)
    shutil.copytree(docs_index, data / "pages")
    (tmp_path / "more.md").write_text("# Pets\n\nDogs may come on Fridays.\n")  # one to read under the watch
    options = (
        "--pages",
        "docs",
        "--pages",
        str(tmp_path / "more.md"),
        *(("--base-model", base) if base else ()),
    )
    async with (
        serving(data, *options, under=watch.under, environment=an_environment(home, **EAGER)) as served,
        a_browser(served) as browser,  # type: ignore[arg-type] - a served page is a chat
    ):
        await browser.begin()
        status, body = await browser.do("message", text=QUESTION)
        assert status == 200, body
        shown = await asyncio.wait_for(browser.answered(), 60)
        assert shown["text"]
        if not base:
            await asyncio.sleep(LINGER_S)
        assert await served.stop() == 0
        pid = served.process.pid
    calls = await asyncio.to_thread(watch.lines, pid)
    assert leaving(calls) == []
    assert [call for call in calls if " accept" in call and "127.0.0.1" in call], "nobody was seen to come in"
    assert any("model.inference.worker" in call for call in calls) == (not base), (
        "the children are not watched"
    )
    assert not (home / ".cache" / "Microsoft").exists()


LIBRARIES = """
import time
from importlib import import_module
from importlib.util import find_spec

from model.answering.chat_model import CannedChatModel

for name in (
    "huggingface_hub", "langchain", "langsmith", "langgraph", "msal", "onnxruntime", "onnxruntime_genai", "tokenizers",
    "transformers",
):
    import_module(name)
for name in ("azure.cosmos", "azure.identity", "azure.kusto.ingest", "bitsandbytes", "datasets", "mlflow", "peft", "trl"):
    if find_spec(name.partition(".")[0]) and find_spec(name):
        import_module(name)

from huggingface_hub.utils import send_telemetry
from huggingface_hub.utils._telemetry import _TELEMETRY_QUEUE
from langchain_core.tracers.langchain import wait_for_all_tracers

assert CannedChatModel(["Ten days."]).invoke("How long?").text == "Ten days."
send_telemetry("askpage/test", library_name="askpage")
_TELEMETRY_QUEUE.join()
wait_for_all_tracers()
"""  # noqa: E501


def test_the_libraries_are_quiet_even_where_the_environment_asks_them_to_report(
    watch: Watch, tmp_path: Path
) -> None:
    calls = run_watched(watch, f"{LIBRARIES}\ntime.sleep({LINGER_S})", an_environment(tmp_path, **EAGER))
    assert any("execve(" in call for call in calls)
    assert leaving(calls) == []
    assert not (tmp_path / ".cache" / "Microsoft").exists()


# The watch itself


SPEAKS = """
import socket, subprocess, sys

child = (
    "import socket, threading\\n"
    "def speak():\\n"
    "    socket.socket(socket.AF_INET, socket.SOCK_DGRAM).connect(('192.0.2.1', 53))\\n"
    "thread = threading.Thread(target=speak)\\n"
    "thread.start()\\n"
    "thread.join()\\n"
)
subprocess.run([sys.executable, "-c", child], check=True)
with socket.create_server(("127.0.0.1", 0)) as server, socket.create_connection(server.getsockname()):
    pass
"""


def test_the_watch_sees_a_childs_thread_that_speaks_to_another_machine(watch: Watch, tmp_path: Path) -> None:
    calls = run_watched(watch, SPEAKS, an_environment(tmp_path))
    seen = leaving(calls)
    assert len(seen) == 1, seen
    assert 'inet_addr("192.0.2.1")' in seen[0]
    assert any('inet_addr("127.0.0.1")' in call for call in calls if "connect(" in call)


@pytest.mark.parametrize(
    "call",
    [
        '7 connect(3, {sa_family=AF_INET, sin_port=htons(443), sin_addr=inet_addr("10.1.2.3")}, 16) = 0',
        '7 connect(3, {sa_family=AF_INET, sin_port=htons(53), sin_addr=inet_addr("127.0.0.53")}, 16) = 0',
        "7 connect(3, {sa_family=AF_INET6, sin6_port=htons(443), sin6_flowinfo=htonl(0), "
        'inet_pton(AF_INET6, "2001:db8::1", &sin6_addr), sin6_scope_id=0}, 28) = -1 ENETUNREACH',
        '7 connect(3, {sa_family=AF_UNIX, sun_path="/run/systemd/resolve/io.systemd.Resolve"}, 42) = 0',
        '7 connect(3, {sa_family=AF_UNIX, sun_path="/var/run/nscd/socket"}, 110) = 0',
        '7 sendto(3, "x", 1, 0, {sa_family=AF_INET, '
        'sin_port=htons(9), sin_addr=inet_addr("192.0.2.1")}, 16) = 1',
        "7 sendmsg(3, {msg_name={sa_family=AF_INET, "
        'sin_port=htons(9), sin_addr=inet_addr("192.0.2.1")}}, 0) = 1',
        "7 connect(3, {sa_family=AF_BLUETOOTH, ...}, 16) = 0",
        "7 io_uring_setup(8, {flags=0}) = 3",
    ],
)
def test_it_counts_as_leaving(call: str) -> None:
    assert leaving([call]) == [call]


@pytest.mark.parametrize(
    "call",
    [
        '7 connect(3, {sa_family=AF_INET, sin_port=htons(8080), sin_addr=inet_addr("127.0.0.1")}, 16) = 0',
        "7 connect(3, {sa_family=AF_INET6, sin6_port=htons(80), sin6_flowinfo=htonl(0), "
        'inet_pton(AF_INET6, "::1", &sin6_addr), sin6_scope_id=0}, 28) = 0',
        '7 connect(3, {sa_family=AF_UNIX, sun_path="/tmp/socket"}, 110) = 0',
        '7 connect(3, {sa_family=AF_UNIX, sun_path="/var/run/nscd/socket"}, 110) = -1 ENOENT (No such file)',
        "7 sendto(3, [{nlmsg_len=20}], 20, 0, {sa_family=AF_NETLINK, nl_pid=0}, 12) = 20",
        '7 sendto(3, "HTTP/1.1 200 OK", 15, 0, NULL, 0) = 15',
        '7 accept4(3, {sa_family=AF_INET, sin_port=htons(5), sin_addr=inet_addr("10.1.2.3")}, [16], 0) = 4',
    ],
)
def test_it_does_not_count_as_leaving(call: str) -> None:
    assert leaving([call]) == []


def test_two_halves_of_a_call_become_one() -> None:
    lines = [
        '7 connect(3, {sa_family=AF_UNIX, sun_path="/var/run/nscd/socket"}, 110 <unfinished ...>',
        "8 +++ exited with 0 +++",
        "7 <... connect resumed>) = -1 ENOENT (No such file or directory)",
        "9 connect(3, {sa_family=AF_INET <unfinished ...>",
    ]
    assert whole_calls(lines) == [
        lines[1],
        '7 connect(3, {sa_family=AF_UNIX, sun_path="/var/run/nscd/socket"}, 110 ) = -1 ENOENT '
        "(No such file or directory)",
        "9 connect(3, {sa_family=AF_INET",
    ]
