"""A web site that holds up its readers, in a process of its own: it costs the test's event loop nothing.

Run as: python -m tests.processes.hostile_site     it says on which port of 127.0.0.1 it listens
"""

from __future__ import annotations

import asyncio
import gzip
import io
import sys
import zlib
from collections.abc import Callable

import pypdf
from aiohttp import web

HTML, MARKDOWN, PLAIN, PDF = "text/html", "text/markdown", "text/plain", "application/pdf"
MOST = 4_900_000
"""Bytes of most pages; 5 MB are taken."""


def _bomb() -> bytes:
    packer = zlib.compressobj(9, zlib.DEFLATED, zlib.MAX_WBITS | 16)
    zeros = b"\0" * 1_000_000
    return b"".join([*(packer.compress(zeros) for _ in range(1_000)), packer.flush()])


def _forms(depth: int, width: int) -> bytes:
    """Return a PDF of forms that draw forms: width to the power of depth."""
    writer = pypdf.PdfWriter()
    page = writer.add_blank_page(100, 100)
    name, dictionary = pypdf.generic.NameObject, pypdf.generic.DictionaryObject
    inner: pypdf.generic.PdfObject | None = None
    for _ in range(depth + 1):
        form = pypdf.generic.DecodedStreamObject()
        form.set_data(b"/X Do\n" * width if inner is not None else b"BT (x) Tj ET")
        form.update({name("/Type"): name("/XObject"), name("/Subtype"): name("/Form")})
        if inner is not None:
            form[name("/Resources")] = dictionary({name("/XObject"): dictionary({name("/X"): inner})})
        inner = writer._add_object(form)
    content = pypdf.generic.DecodedStreamObject()
    content.set_data(b"/X Do\n")
    page[name("/Contents")] = writer._add_object(content)
    page[name("/Resources")] = dictionary({name("/XObject"): dictionary({name("/X"): inner})})
    target = io.BytesIO()
    writer.write(target)
    return target.getvalue()


def _pages_that_are_their_own_pages() -> bytes:
    return (
        b"%PDF-1.4\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj\n"
        b"2 0 obj<</Type/Pages/Kids[2 0 R 2 0 R 2 0 R]/Count 1000000>>endobj\n"
        b"trailer<</Root 1 0 R/Prev 0>>\nstartxref\n0\n%%EOF"
    )


def _filled(unit: bytes, most: int = MOST) -> bytes:
    return unit * (most // len(unit))


PAGES: dict[str, tuple[str, Callable[[], bytes], str]] = {
    "gzip-members": (HTML, lambda: _filled(gzip.compress(b"")), "gzip"),
    "gzip-bomb": (HTML, _bomb, "gzip"),
    "gzip-broken": (HTML, lambda: gzip.compress(b"x" * 1000)[:-9] + b"\xff" * 1_000_000, "gzip"),
    "nested-elements": (HTML, lambda: _filled(b"<div>"), ""),
    "elements": (HTML, lambda: _filled(b"<p>a</p>", 1_500_000), ""),
    "headings": (HTML, lambda: _filled(b"<h2 id=a>b</h2>c", 1_500_000), ""),
    "unclosed": (HTML, lambda: _filled(b"<a href='"), ""),
    "entities": (HTML, lambda: b"<p>" + _filled(b"&amp"), ""),
    "charset": (HTML, lambda: b"<meta charset=" + b" " * 4_000 + b"<p>x", ""),
    "markdown-spaces": (MARKDOWN, lambda: b"# a" + b" " * 49_000 + b"b\n\nText.", ""),
    "markdown-liquid": (MARKDOWN, lambda: b"x {%" + b"a" * 390_000, ""),
    "markdown-lists": (MARKDOWN, lambda: _filled(b"  - a\n", 390_000), ""),
    "markdown-headings": (MARKDOWN, lambda: _filled(b"# a\n", 390_000), ""),
    "markdown-brackets": (MARKDOWN, lambda: _filled(b"[a](", 49_000), ""),
    "markdown-stars": (MARKDOWN, lambda: _filled(b"*a **b ", 49_000), ""),
    "front-matter": (MARKDOWN, lambda: b"---\n" + _filled(b"a: &a [", 60_000) + b"\n---\nx", ""),
    "pdf-forms": (PDF, lambda: _forms(12, 20), ""),
    "pdf-loop": (PDF, _pages_that_are_their_own_pages, ""),
    "one-line-of-50-mb": (PLAIN, lambda: b"a" * 50_000_000, ""),
    "one-word": (PLAIN, lambda: b"a" * 2_900_000, ""),
    "one-line-of-words": (PLAIN, lambda: _filled(b"a ", 2_900_000), ""),
    "one-line-of-sentences": (PLAIN, lambda: _filled(b"A b. ", 2_900_000), ""),
    "one-line-of-quotes": (PLAIN, lambda: _filled(b'"(a', 2_900_000), ""),
    "lines": (PLAIN, lambda: _filled(b"a:\n", 2_900_000), ""),
    "empty-lines": (PLAIN, lambda: b"a" + b"\n \n" * 900_000 + b"b", ""),
}


async def _send(request: web.Request) -> web.StreamResponse:
    kind, body, packing = PAGES[request.match_info["name"]]
    response = web.StreamResponse(headers={"Content-Type": kind})
    if packing:
        response.headers["Content-Encoding"] = packing
    response.enable_chunked_encoding()
    await response.prepare(request)
    sent = body()
    for start in range(0, len(sent), 1 << 16):
        await response.write(sent[start : start + (1 << 16)])
    return response


async def main() -> None:
    """Serve until the input ends."""
    app = web.Application()
    app.router.add_get("/{name}", _send)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    sys.stdout.write(f"{runner.addresses[0][1]}\n")
    sys.stdout.flush()
    await asyncio.to_thread(sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(main())
