"""Applications on this machine, served for a test."""

from __future__ import annotations

import ssl
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from aiohttp import web


@asynccontextmanager
async def served(
    app: web.Application,
    tls: ssl.SSLContext | None = None,
    host: str = "127.0.0.1",
    *,
    auto_decompress: bool = False,
) -> AsyncGenerator[str]:
    """Serve an application, by default as the bot does; yields its address."""
    runner = web.AppRunner(app, auto_decompress=auto_decompress)
    await runner.setup()
    site = web.TCPSite(runner, host, 0, ssl_context=tls)
    await site.start()
    try:
        where, port = runner.addresses[0][:2]
        yield f"{'https' if tls else 'http'}://{where}:{port}"
    finally:
        await runner.cleanup()
