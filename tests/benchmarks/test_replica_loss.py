"""Real Ray Serve with two replicas of the model server, one of which is killed while it answers.

Slow: Ray takes ten seconds and more to begin, half a minute of processor time in all. One test, for what only
Ray itself can show.
"""

from __future__ import annotations

import importlib
import importlib.util
import json
import os
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from benchmarks.replica_loss import Server, list_descendants, measure, serving
from core.usage_reporting import SWITCHES

ASKERS = 8
LISTENS = "0A"
LOOPBACK = ("0100007F", "0000000000000000FFFF00000100007F", "00000000000000000000000001000000")
ASK_A_REPLICA = "/ray.serve.ASGIService/HandleRequest"


@pytest.fixture(autouse=True)
def with_ray() -> None:
    if importlib.util.find_spec("ray") is None:
        missing = "Ray is not installed: pip install -e '.[ray]' has this test run"
        pytest.fail(missing) if os.environ.get("CI") == "true" else pytest.skip(missing)  # noqa: TID251


def find_open_ports(server: Server) -> list[int]:
    """Return the ports on which a process of the server listens to other machines."""
    inodes: set[str] = set()
    for pid, _ in list_descendants(server.process.pid):
        for link in Path(f"/proc/{pid}/fd").glob("*"):
            try:
                inodes.add(os.readlink(link).removeprefix("socket:[").removesuffix("]"))
            except OSError:
                continue  # it has ended meanwhile
    found: list[int] = []
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/net/{table}").read_text("utf-8").splitlines()[1:]:
            fields = line.split()
            address, _, port = fields[1].partition(":")
            if fields[3] == LISTENS and fields[9] in inodes and address not in LOOPBACK:
                found.append(int(port, 16))
    return found


def test_a_killed_replica_costs_no_answer_and_nothing_of_ray_lets_strangers_in() -> None:
    grpc: Any = importlib.import_module("grpc")
    with serving(["--askers", str(ASKERS)]) as server:
        with urllib.request.urlopen(f"{server.url}/models", timeout=30) as listed:
            assert [one["id"] for one in json.load(listed)["data"]] == ["double"]
        for port in find_open_ports(server):  # replicas hear each other on all addresses
            with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
                with pytest.raises(grpc.RpcError) as refused:
                    channel.unary_unary(ASK_A_REPLICA)(b"", timeout=10)
                assert refused.value.code() == grpc.StatusCode.UNAUTHENTICATED
        titles = [title for _, title in list_descendants(server.process.pid)]
        assert len(server.find_replicas()) == 2
        quiet, harmed = measure(server, ASKERS, 1)
    assert any("ray::ProxyActor" in title for title in titles)
    assert (quiet.lost, quiet.doubled, len(quiet.took_s), quiet.again) == ([], [], ASKERS, 0)
    assert (harmed.lost, harmed.doubled, len(harmed.took_s)) == ([], [], ASKERS)
    assert harmed.again > 0, "the replica that was killed was answering nobody"
    assert server.process.returncode == 0
    assert any(switch.library == "Ray" for switch in SWITCHES)
