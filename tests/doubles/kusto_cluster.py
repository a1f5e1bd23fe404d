"""Data Explorer on this machine: what clients ask of a cluster, and where they leave what is to be queued.

The cluster is a surface of HTTP that keeps the lines it takes, and fails as a test wants. Blobs and queues
are Azurite's.
"""

from __future__ import annotations

import asyncio
import base64
import gzip
import json
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

from aiohttp import web
from azure.storage.blob import (
    AccountSasPermissions,
    BlobServiceClient,
    ResourceTypes,
    generate_account_sas,
)
from azure.storage.queue import QueueServiceClient

from tests.doubles.azurite import ACCOUNT, KEY, Azurite


@dataclass(frozen=True)
class Fault:
    """What goes wrong with the next request that streams: a status with an error's code, or what `hang` says.

    "before" never answers and takes nothing, "after" takes the lines and never answers.
    """

    status: int = 0
    code: str = ""
    hang: str = ""
    permanent: bool = True


@dataclass
class Cluster:
    """What one cluster has heard. `poisons` are records it will never take; `storage` is where to queue."""

    storage: Storage | None = None
    faults: list[Fault] = field(default_factory=list[Fault])
    always: Fault | None = None
    poisons: set[str] = field(default_factory=set[str])
    bodies: list[str] = field(default_factory=list[str])
    taken: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    heard: list[str] = field(default_factory=list[str])
    over: asyncio.Event = field(default_factory=asyncio.Event)
    met: asyncio.Event = field(default_factory=asyncio.Event)

    def app(self) -> web.Application:
        found = web.Application(client_max_size=20_000_000)
        found.router.add_post("/v1/rest/ingest/{database}/{table}", self._stream)
        found.router.add_post("/v1/rest/mgmt", self._manage)
        return found

    @property
    def last(self) -> dict[str, dict[str, Any]]:
        """What the queries see: of lines with the same record, the one revised last."""
        found: dict[str, dict[str, Any]] = {}
        for line in sorted(self.taken, key=lambda line: line["revised"]):
            found[line["record"]] = line
        return found

    async def _stream(self, request: web.Request) -> web.Response:
        body = await request.read()  # aiohttp has unpacked it
        text = (gzip.decompress(body) if body[:2] == b"\x1f\x8b" else body).decode()
        self.heard.append(f"{request.path_qs} {dict(request.headers)}")
        self.bodies.append(text)
        assert request.path == "/v1/rest/ingest/askpage/Told"
        assert request.query["streamFormat"].lower() in {"json", "multijson"}
        assert request.query["mappingName"] == "told"
        lines = [json.loads(line) for line in text.splitlines()]
        fault = self.faults.pop(0) if self.faults else self.always
        if fault and fault.status:
            return _error(fault)
        if fault is None or fault.hang == "after":
            if any(line["record"] in self.poisons for line in lines):
                return _error(Fault(400, "BadRequest_InvalidBlob"))
            self.taken += lines
        if fault:
            self.met.set()
            await self.over.wait()
        return _table({"ConsumedRecordsCount": "long"}, [[str(len(lines))]])

    async def _manage(self, request: web.Request) -> web.Response:
        said = await request.json()
        self.heard.append(f"{said} {dict(request.headers)}")
        if "identity token" in said["csl"]:
            return _table({"AuthorizationContext": "string"}, [["token"]])
        assert self.storage, "nothing is to be queued"
        rows = [
            ["SecuredReadyForAggregationQueue", self.storage.queue_url],
            ["FailedIngestionsQueue", self.storage.queue_url],
            ["SuccessfulIngestionsQueue", self.storage.queue_url],
            ["TempStorage", self.storage.container_url],
            ["IngestionsStatusTable", self.storage.container_url],
        ]
        return _table({"ResourceTypeName": "string", "StorageRoot": "string"}, rows)


def _error(fault: Fault) -> web.Response:
    said = {"code": fault.code, "message": fault.code, "@message": fault.code, "@permanent": fault.permanent}
    return web.json_response({"error": {**said, "@type": "Kusto"}}, status=fault.status)


def _table(columns: dict[str, str], rows: list[list[str]]) -> web.Response:
    named = [{"ColumnName": name, "DataType": "String", "ColumnType": kind} for name, kind in columns.items()]
    return web.json_response({"Tables": [{"TableName": "Table_0", "Columns": named, "Rows": rows}]})


class Storage:
    """A container and a queue of their own in Azurite."""

    def __init__(self, azurite: Azurite) -> None:
        blobs, queues = azurite.blobs, azurite.queues
        self._name = f"a{uuid4().hex}"
        until = datetime.now(UTC) + timedelta(hours=2)
        may = AccountSasPermissions(read=True, write=True, create=True, add=True, list=True)
        sas = generate_account_sas(ACCOUNT, KEY, ResourceTypes(True, True, True), may, until)
        self.blobs = BlobServiceClient(f"{blobs}/{ACCOUNT}", credential=KEY_OF)
        self.queues = QueueServiceClient(f"{queues}/{ACCOUNT}", credential=KEY_OF)
        self.blobs.create_container(self._name)
        self.queues.create_queue(self._name)
        self.container_url = f"{blobs}/{ACCOUNT}/{self._name}?{sas}"
        self.queue_url = f"{queues}/{ACCOUNT}/{self._name}?{_queue_sas(until)}"

    def messages(self) -> list[dict[str, Any]]:
        """Return what the service would read, oldest first."""
        with self.queues.get_queue_client(self._name) as queue:
            return [json.loads(base64.b64decode(one.content)) for one in queue.peek_messages(32)]

    def blob(self, message: dict[str, Any]) -> str:
        """Return the lines that a message is about."""
        name = message["BlobPath"].partition("?")[0].rpartition("/")[2]
        with self.blobs.get_blob_client(self._name, name) as blob:
            data = blob.download_blob().readall()
        return gzip.decompress(data).decode()

    def close(self) -> None:
        self.blobs.close()
        self.queues.close()


KEY_OF = {"account_name": ACCOUNT, "account_key": KEY}


def _queue_sas(until: datetime) -> str:
    from azure.storage.queue import AccountSasPermissions, ResourceTypes, generate_account_sas  # noqa: PLC0415

    may = AccountSasPermissions(read=True, write=True, create=True, add=True, list=True, process=True)
    return generate_account_sas(ACCOUNT, KEY, ResourceTypes(True, True, True), may, until)
