"""An endpoint that takes telemetry, or does not: it refuses, hangs, throttles, fails, as a test wants.

It runs in threads of its own, so that it answers also while a test waits for an exporter to end.
"""

from __future__ import annotations

import gzip
import json
import threading
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

HANG = 0
"""In the place of a status: no answer until the collector is released."""
Json = dict[str, Any]


class Collector:
    """Answers requests with these statuses, then all with the last. `bodies` are what arrived, by path."""

    def __init__(self, *statuses: int) -> None:
        self.statuses = list(statuses or (200,))
        self.headers: dict[str, str] = {}
        self.body = b"{}"
        self.bodies: list[tuple[str, bytes]] = []
        self.taken: list[tuple[str, bytes]] = []
        self.url = ""
        self._released = threading.Event()
        self._changed = threading.Condition()

    def release(self, status: int = 200) -> None:
        """Let everybody go on, and take everything from now on."""
        with self._changed:
            self.statuses = [status]
        self._released.set()

    def until(self, count: int, timeout_s: float = 20.0) -> None:
        """Wait until so many requests have arrived."""
        with self._changed:
            assert self._changed.wait_for(lambda: len(self.bodies) >= count, timeout_s), len(self.bodies)

    def envelopes(self) -> list[Json]:
        """Return the envelopes of Application Insights that were taken."""
        found: list[Json] = []
        for path, body in self.taken:
            assert path.endswith("/track"), path
            found += json.loads(body)
        return found

    def answer(self, path: str, body: bytes) -> int:
        with self._changed:
            self.bodies.append((path, body))
            status = self.statuses.pop(0) if len(self.statuses) > 1 else self.statuses[0]
            self._changed.notify_all()
        if status == HANG:
            self._released.wait(60)
            status = self.statuses[0]
        if status < 300:
            with self._changed:
                self.taken.append((path, body))
        return status


@contextmanager
def collecting(*statuses: int) -> Generator[Collector]:
    """Start a collector on a port of the system's choice."""
    collector = Collector(*statuses)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            if self.headers.get("Content-Encoding") == "gzip":
                body = gzip.decompress(body)
            status = collector.answer(self.path, body)
            self.send_response(status)
            reply = taken(body) if status == 200 and self.path.endswith("/track") else collector.body
            for name, value in {**collector.headers, "Content-Length": str(len(reply))}.items():
                self.send_header(name, value)
            self.send_header("Content-Type", "application/json")
            self.end_headers()
            self.wfile.write(reply)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    collector.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield collector
    finally:
        collector.release()
        server.shutdown()
        server.server_close()
        thread.join()


def taken(body: bytes) -> bytes:
    """Return what Application Insights says when it took everything."""
    count = len(json.loads(body))
    return json.dumps({"itemsReceived": count, "itemsAccepted": count, "errors": []}).encode()


def partly(statuses: Sequence[int]) -> bytes:
    """Return what Application Insights says when it took only those items whose status is 200."""
    errors = [
        {"index": index, "statusCode": status, "message": "no"}
        for index, status in enumerate(statuses)
        if status != 200
    ]
    body = {"itemsReceived": len(statuses), "itemsAccepted": len(statuses) - len(errors), "errors": errors}
    return json.dumps(body).encode()
