"""The process that `pages.parse.sandbox` starts to read foreign bytes: limited, without a network.

Run as: python -m pages.parse.sandbox_worker MEMORY_BYTES     it says {} when it is ready

On its standard input come pairs of frames, a JSON object and a body, and on its standard output goes a frame
of JSON for each pair; a frame is its length in eight bytes, the highest first, and its bytes. It ends when
its input does. An alarm of the system ends it in the middle of whatever it is at, should the parent be gone
that would have killed it.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import resource
import signal
import sys
from collections.abc import Callable
from dataclasses import asdict, replace
from datetime import UTC, datetime
from typing import Any, BinaryIO
from urllib.parse import urldefrag, urljoin

from protego import Protego

from pages.fetched import TOO_MUCH_MEMORY, Fetched, PageRefused
from pages.parse.extract import extract
from pages.parse.landing import FEW_WORDS, read_signs
from pages.parse.markdown import front_matter
from pages.parse.sitemaps import read_sitemap
from pages.sections import dump_section

_GRACE_S = 2.0  # the parent's clock is the one that decides
_LITTLE = 4_000_000
"""Bytes that a process has left that did not fail for want of memory."""
_NICER = 5  # answers come first
_CLOSED = ("socket.", "subprocess.", "os.exec", "os.fork", "os.posix_spawn", "os.spawn", "os.system", "pty.")


def read_page(head: dict[str, Any], body: bytes) -> dict[str, Any]:
    """Return title, sections and hash of a page, and how many pieces of its text were left out."""
    page = extract(
        body,
        url=head["url"],
        content_type=head["content_type"],
        charset=head["charset"],
        fetched_at=datetime.now(UTC),
    )
    sections = [dump_section(one) for one in page.sections]
    return {
        "title": page.title,
        "sections": sections,
        "hash": page.page_hash,
        "doubtful": page.doubtful,
        "left_out": page.left_out,
        "unread": page.unread,
        "readers": page.readers.to_list(),
        "label": page.label,
    }


def read_landing(head: dict[str, Any], body: bytes) -> dict[str, Any]:
    """Return what a page says about itself, and the page where it is one."""
    signs = read_signs(body, head["charset"])
    if urldefrag(urljoin(head["url"], signs.refresh)).url == head["url"]:  # it looks for news of itself
        signs = replace(signs, refresh="")
    found: dict[str, Any] = {"signs": asdict(signs)}
    if signs.is_no_page:
        return found
    try:
        page = read_page(head, body)
    except PageRefused:
        if signs.by_script:
            return found
        raise
    words = sum(len(text.split()) for _, _, text, *_ in page["sections"])
    return found if signs.by_script and words < FEW_WORDS else found | page


def check_robots(head: dict[str, Any], body: bytes) -> dict[str, Any]:
    """Return which addresses a robots.txt keeps us from, and the seconds between two requests."""
    rules = Protego.parse(body.decode("utf-8", "replace").removeprefix("\ufeff"))
    closed = [url for url in head["urls"] if not rules.can_fetch(url, head["agent"])]
    return {"closed": closed, "delay_s": float(rules.crawl_delay(head["agent"]) or 0.0)}


def read_links(head: dict[str, Any], body: bytes) -> dict[str, Any]:
    """Return what a sitemap names."""
    sitemap = read_sitemap(Fetched(head["url"], body, head["content_type"]), head["max_bytes"])
    return asdict(sitemap)


def read_permalink(_: dict[str, Any], body: bytes) -> dict[str, Any]:
    """Return the permalink of a Markdown text."""
    written = front_matter(body.decode(errors="replace"))[0].get("permalink")
    return {"permalink": written if isinstance(written, str) else None}


TASKS: dict[str, Callable[[dict[str, Any], bytes], dict[str, Any]]] = {
    "page": read_page,
    "landing": read_landing,
    "robots": check_robots,
    "sitemap": read_links,
    "permalink": read_permalink,
}


def main() -> None:
    """Read what comes, until nothing comes any more."""
    requests, replies = _pipes()
    _confine_process(int(sys.argv[1]))
    _write(replies, {})
    too_much = _build_frame({"refused": TOO_MUCH_MEMORY, "ends": True})
    while (head := _read(requests)) is not None and (body := _read(requests)) is not None:
        try:
            reply = _reply(json.loads(head), body)
        except Exception as error:  # noqa: BLE001 - whatever it is, the parent tells of it; its text is the page's
            os.write(replies.fileno(), _describe_end(error, too_much))
            os._exit(0)  # what was read is not freed: without a byte to spare that may take minutes
        _write(replies, reply)


def _reply(head: dict[str, Any], body: bytes) -> dict[str, Any]:
    """Return what is told of a body. Raises any Exception, after which this process is of no use."""
    signal.setitimer(signal.ITIMER_REAL, head["timeout_s"] + _GRACE_S)
    try:
        if head["ocr"]:
            _set_ocr_rules(*head["ocr"])
        return TASKS[head["task"]](head, body)
    except PageRefused as refused:
        return {"refused": str(refused)}
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


def _set_ocr_rules(languages: list[str], most_pages: int, seconds: float) -> None:
    from pages.parse.ocr import RULES, OcrRules  # noqa: PLC0415 - memory that other pages need not pay

    RULES.set(OcrRules(tuple(languages), most_pages, seconds))


def _describe_end(error: Exception, too_much: bytes) -> bytes:
    """Return the last frame: libraries have errors of their own for memory that ends."""
    if isinstance(error, MemoryError):
        return too_much
    try:
        bytearray(_LITTLE)
        return _build_frame({"failed": type(error).__name__, "ends": True})
    except MemoryError:
        return too_much


def _pipes() -> tuple[BinaryIO, BinaryIO]:
    """Take the two pipes; what a library prints goes nowhere."""
    requests, replies = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    nowhere = os.open(os.devnull, os.O_RDWR)
    os.dup2(nowhere, 0)
    os.dup2(nowhere, 1)
    logging.disable(logging.CRITICAL)
    return requests, replies


def _confine_process(memory_bytes: int) -> None:
    """Give up what reading a page needs not: more memory, files to write, a network, other programs."""
    os.nice(_NICER)
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    limits = ((resource.RLIMIT_AS, memory_bytes), (resource.RLIMIT_FSIZE, 0), (resource.RLIMIT_CORE, 0))
    for kind, most in limits:
        with contextlib.suppress(ValueError, OSError):  # a lower one is in force already
            resource.setrlimit(kind, (most, most))
    sys.addaudithook(_refuse)


def _refuse(event: str, _: tuple[Any, ...]) -> None:
    if event.startswith(_CLOSED):
        raise PermissionError(f"{event} is nothing that reading a page needs")


def _read(pipe: BinaryIO) -> bytes | None:
    """Return the next frame, None at the end."""
    size = pipe.read(8)
    if len(size) < 8:  # noqa: PLR2004 - bytes of a length
        return None
    length = int.from_bytes(size, "big")
    frame = pipe.read(length)
    return frame if len(frame) == length else None


def _write(pipe: BinaryIO, reply: dict[str, Any]) -> None:
    pipe.write(_build_frame(reply))
    pipe.flush()


def _build_frame(reply: dict[str, Any]) -> bytes:
    frame = json.dumps(reply, ensure_ascii=False).encode(errors="replace")
    return len(frame).to_bytes(8, "big") + frame


if __name__ == "__main__":
    main()
