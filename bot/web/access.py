"""Who may use the local page: a browser on this machine, looking at a page of ours, and nobody else.

Three doors, each against a different stranger:

    peer and Host      another machine; a web site that rebinds its name to 127.0.0.1; a tunnel or proxy that
                       carries strangers to this port (it says so in its Forwarded headers)
    Origin, Sec-Fetch  another web site, open in the same browser, that posts here behind the person's back
    token              the same, in a browser that sends neither header

A refusal is a `RefusedError`: a status and a sentence, sent as JSON.
"""

from __future__ import annotations

import hmac
import json
from collections.abc import Awaitable, Callable
from typing import Any, cast

from aiohttp import web

from bot.http import LOOPBACK_NAMES, PROXIED, is_loopback, read_body
from bot.page_language import list_tags
from core.translation import mark, say, set_language

TOKEN_HEADER = "X-Askpage-Token"  # noqa: S105 - the name of a header
ANOTHER_SITE = mark("A page of another website sent this.")
BODY_LIMIT = 64 * 1024
"""Longest request body, bytes: a question is at most some pages long."""

CONTENT_SECURITY_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self'",
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
        "require-trusted-types-for 'script'",
        "trusted-types adaptivecards#markdownPassthroughPolicy adaptivecards#restoreContentsPolicy"
        " adaptivecards#deprecatedExportedFunctionPolicy",
    )
)
"""Nothing from elsewhere, nothing inline; only the card renderer's own code makes HTML of a string."""

HEADERS = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class RefusedError(Exception):
    """A request that is not served: `status` is its HTTP status, the text a sentence for people."""

    def __init__(self, status: int, sentence: str, code: str = "refused") -> None:
        super().__init__(sentence)
        self.status = status
        self.code = code


def refuse(refused: RefusedError) -> web.Response:
    """Return what a page's script gets that was refused."""
    body = {"error": {"code": refused.code, "message": str(refused)}}
    return web.json_response(body, status=refused.status)


def only_from_here(handler: Handler, *, token: str) -> Handler:
    """Wrap a handler so that it serves only this machine's own page; a POST needs `token` in its header."""

    async def handle_guarded(request: web.Request) -> web.StreamResponse:
        set_language(*list_tags(request))  # not that of the request before on this connection
        try:
            check_peer(request)
            if request.method not in ("GET", "HEAD"):
                check_same_origin(request)
                check_token(request, token)
            response = await handler(request)
        except RefusedError as refusal:
            response = refuse(refusal)
        if not response.prepared:
            response.headers.update(HEADERS)
        return response

    return handle_guarded


def check_peer(request: web.Request) -> None:
    """Refuse whoever is not on this machine, or came under another name or through a proxy."""
    transport = request.transport
    peer = transport.get_extra_info("peername") if transport else None
    own = transport.get_extra_info("sockname") if transport else None
    if not peer or not own or not is_loopback(str(peer[0])):
        raise RefusedError(403, say("This page is only for browsers on the machine where askpage runs."))
    if any(name in request.headers for name in PROXIED):
        raise RefusedError(403, say("This page is not served through a proxy or a tunnel."))
    if not is_own_host(request.headers.get("Host", ""), int(own[1])):
        raise RefusedError(
            403,
            say(
                "Open this page at {address}; it works at no other address.",
                address=f"http://localhost:{own[1]}/",
            ),
        )


def check_same_origin(request: web.Request) -> None:
    """Refuse what another web site's page sent."""
    origin = request.headers.get("Origin")
    site = request.headers.get("Sec-Fetch-Site")
    if origin is not None and origin != f"http://{request.headers.get('Host', '')}":
        raise RefusedError(403, say(ANOTHER_SITE))
    if site is not None and site != "same-origin":
        raise RefusedError(403, say(ANOTHER_SITE))


def check_token(request: web.Request, token: str) -> None:
    """Refuse a page that an earlier start of askpage has served."""
    given = request.headers.get(TOKEN_HEADER, "")
    if not hmac.compare_digest(given.encode("utf-8", "surrogateescape"), token.encode()):
        raise RefusedError(
            403, say("askpage has been restarted since this page was opened: reload it."), "stale_token"
        )


def is_own_host(host: str, port: int) -> bool:
    """Whether a Host header names this machine's loopback and our port."""
    name, colon, digits = host.lower().rpartition(":")
    if not colon or host.endswith("]"):
        name, digits = host.lower(), "80"
    return name in LOOPBACK_NAMES and digits == str(port)


async def read_object(request: web.Request) -> dict[str, Any]:
    """Read the body as a JSON object. Raises RefusedError for more than BODY_LIMIT, and for anything else."""
    try:
        raw = await read_body(request, BODY_LIMIT)
    except web.HTTPUnsupportedMediaType as error:
        raise RefusedError(415, error.text or "", "packed") from None
    if raw is None:
        raise RefusedError(
            413, say("That is too long: at most {most} KB are allowed.", most=BODY_LIMIT // 1024), "too_long"
        )
    try:
        body = json.loads(raw)
    except (ValueError, RecursionError):
        raise RefusedError(400, say("The request is not valid JSON."), "bad_request") from None
    if not isinstance(body, dict):
        raise RefusedError(400, say("The request must be a JSON object."), "bad_request")
    return cast("dict[str, Any]", body)
