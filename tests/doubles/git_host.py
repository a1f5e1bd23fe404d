"""A Git host over HTTPS: git's own `http-backend` behind a sign-in by token, for repositories of a folder.

What git's documentation says of smart HTTP (gitprotocol-http): 401 without a token that may read, the
service by its content type. `redirect` sends everybody on to another address, as a host that moved does.
"""

from __future__ import annotations

import asyncio
import os
import ssl
import subprocess
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from aiohttp import web

from tests.builders.serving import served
from tests.builders.source_reading import HERE


@dataclass
class GitHost:
    """See the module; `authorization` is the header that it wants."""

    folder: Path
    authorization: str
    redirect: str = ""
    asked: list[str] = field(default_factory=list[str])
    shown: list[str] = field(default_factory=list[str])
    port: int = 0

    async def answer(self, request: web.Request) -> web.Response:
        self.asked.append(request.path)
        self.shown.append(request.headers.get("Authorization", ""))
        if self.redirect:
            raise web.HTTPFound(self.redirect)
        if self.shown[-1] != self.authorization:
            return web.Response(status=401, headers={"WWW-Authenticate": 'Basic realm="git"'})
        return await self._run_backend(request)

    async def _run_backend(self, request: web.Request) -> web.Response:
        environment = {
            "PATH": os.environ["PATH"],  # noqa: TID251 - not a setting
            "GIT_PROJECT_ROOT": str(self.folder),
            "GIT_HTTP_EXPORT_ALL": "1",
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_CONFIG_COUNT": "1",
            "GIT_CONFIG_KEY_0": "safe.directory",
            "GIT_CONFIG_VALUE_0": "*",
            "PATH_INFO": request.path,
            "QUERY_STRING": request.query_string,
            "REQUEST_METHOD": request.method,
            "CONTENT_TYPE": request.headers.get("Content-Type", ""),
            "HTTP_CONTENT_ENCODING": request.headers.get("Content-Encoding", ""),
            "GIT_PROTOCOL": request.headers.get("Git-Protocol", ""),
            "REMOTE_USER": "reader",
        }
        process = await asyncio.create_subprocess_exec(
            "git",
            "http-backend",
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        said, _ = await process.communicate(await request.read())
        head, _, body = said.partition(b"\r\n\r\n")
        headers = dict(line.split(": ", 1) for line in head.decode().splitlines() if ": " in line)
        status = int(headers.pop("Status", "200 OK").split()[0])
        return web.Response(status=status, body=body, headers=headers)


@asynccontextmanager
async def serve_git(host: GitHost, certificate: Path) -> AsyncGenerator[GitHost]:
    """Serve it on loopback with a certificate and key in one file."""
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate)
    app = web.Application(client_max_size=100_000_000)
    app.router.add_route("*", "/{path:.*}", host.answer)
    async with served(app, tls, HERE) as url:
        host.port = int(url.rpartition(":")[2])
        yield host
