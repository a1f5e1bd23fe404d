"""The package that a Teams administrator uploads: a manifest and two icons in a zip, made from the settings.

The same settings make the same bytes. Microsoft's limits of each field are those of its schema, which the
tests hold the manifest to.

The bot's mark as the two PNG icons that Teams wants: a page that is a speech bubble, with its answer marked.

Drawn from distances: each shape is the signed distance of every pixel from its edge, in the units of
bot/static/logo.svg (32 wide), and an edge is as soft as one pixel. numpy and zlib are all it takes.
"""

from __future__ import annotations

import io
import json
import re
import struct
import zipfile
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import numpy as np
from numpy.typing import NDArray

from bot.http import is_https

Field = NDArray[np.float64]
Colour = tuple[int, int, int]

GREEN: Colour = (0x0E, 0x6B, 0x57)
"""The accent of the chat page, and of the Teams package."""
PAPER: Colour = (0xFF, 0xFF, 0xFF)
FOLD: Colour = (0xB7, 0xDB, 0xCD)
WORDS: Colour = (0x9C, 0xCB, 0xBA)
MARK: Colour = (0xFF, 0xD7, 0x5E)
MARKED: Colour = (0x5B, 0x43, 0x00)
COLOUR_PX, OUTLINE_PX = 192, 32
_MARGIN = 36.0
"""Pixels around the mark in the large icon: Teams cuts the corners off, and wants the middle used."""


@dataclass(frozen=True, slots=True)
class _Plane:
    """Where each pixel's middle is, in units of the mark; `unit` is how many pixels one of them is."""

    x: Field
    y: Field
    unit: float

    def cover(self, distance: Field) -> Field:
        """Return how much of each pixel is inside a shape, 0 to 1."""
        return np.clip(0.5 - distance * self.unit, 0.0, 1.0)


def colour_icon() -> bytes:
    """Return the icon of 192 x 192 pixels, on its own ground."""
    unit = (COLOUR_PX - 2 * _MARGIN) / 29.4  # the mark is 24 wide and 29.4 high
    plane = _plane(COLOUR_PX, unit, 15.0, 16.7)
    picture = np.zeros((COLOUR_PX, COLOUR_PX, 4))
    picture[:] = (*GREEN, 255)
    _paint(picture, plane.cover(_bubble(plane)), PAPER)
    _paint(picture, plane.cover(_fold(plane)), FOLD)
    _paint(picture, plane.cover(_bar(plane, 8.0, 9.8, 9.0, 2.4)), WORDS)
    _paint(picture, plane.cover(_bar(plane, 7.0, 14.0, 16.0, 4.8)), MARK)
    _paint(picture, plane.cover(_bar(plane, 9.0, 15.3, 11.0, 2.2)), MARKED)
    _paint(picture, plane.cover(_bar(plane, 8.0, 20.6, 12.0, 2.4)), WORDS)
    return png(picture)


def outline_icon() -> bytes:
    """Return the icon of 32 x 32 pixels: white lines on nothing."""
    plane = _plane(OUTLINE_PX, 1.0, 15.0, 17.0)  # edges fall between pixels
    width = 2.0
    cover = plane.cover(np.abs(_bubble(plane) + width / 2) - width / 2)
    corner = np.minimum(_fold(plane), _tail(plane))  # too small for a line around them
    lines = [corner, _bar(plane, 8.0, 13.0, 14.0, 2.0), _bar(plane, 8.0, 18.0, 10.0, 2.0)]
    for line in lines:
        cover = np.maximum(cover, plane.cover(line))
    picture = np.full((OUTLINE_PX, OUTLINE_PX, 4), 255.0)
    picture[..., 3] = cover * 255
    return png(picture)


def png(picture: Field) -> bytes:
    """Return a picture (height x width x red, green, blue, alpha; 0 to 255) as a PNG file."""
    height, width, _ = picture.shape
    rows = np.rint(picture).astype(np.uint8)
    raw = b"".join(b"\0" + rows[row].tobytes() for row in range(height))
    header = struct.pack(">IIBBBBB", width, height, 8, 6, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(raw, 9)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(name, data) for name, data in chunks)


def _chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def _plane(pixels: int, unit: float, middle_x: float, middle_y: float) -> _Plane:
    at: Field = (np.arange(pixels, dtype=np.float64) + 0.5 - pixels / 2) / unit
    rows = np.ones((pixels, 1))
    return _Plane(rows * (at + middle_x), (rows * (at + middle_y)).T, unit)


def _paint(picture: Field, cover: Field, colour: Colour) -> None:
    picture[..., :3] += (np.array(colour, dtype=np.float64) - picture[..., :3]) * cover[..., None]


def _bubble(plane: _Plane) -> Field:
    """Return the page: rounded, its corner cut off for the fold, with the tail of a speech bubble."""
    page = np.maximum(_rounded(plane, 3.0, 2.0, 24.0, 25.0, 4.0), _beyond_fold(plane))
    return np.minimum(page, _tail(plane))


def _tail(plane: _Plane) -> Field:
    return _polygon(plane, [(8.0, 26.0), (16.0, 26.0), (8.0, 31.4)])


def _beyond_fold(plane: _Plane) -> Field:
    return (plane.x - plane.y - 18.0) / np.sqrt(2.0)


def _fold(plane: _Plane) -> Field:
    corner = _rounded(plane, 20.0, -8.0, 20.0, 17.0, 1.6)
    return np.maximum(corner, _beyond_fold(plane))


def _bar(plane: _Plane, left: float, top: float, width: float, height: float) -> Field:
    return _rounded(plane, left, top, width, height, min(height / 2, 1.4))


def _rounded(plane: _Plane, left: float, top: float, width: float, height: float, radius: float) -> Field:
    x = np.abs(plane.x - left - width / 2) - width / 2 + radius
    y = np.abs(plane.y - top - height / 2) - height / 2 + radius
    outside = np.hypot(np.maximum(x, 0.0), np.maximum(y, 0.0))
    return outside + np.minimum(np.maximum(x, y), 0.0) - radius


def _polygon(plane: _Plane, corners: list[tuple[float, float]]) -> Field:
    """Return the distance from a convex polygon, corners clockwise on screen; sharp outside its corners."""
    sides: list[Field] = []
    for (x, y), (next_x, next_y) in zip(corners, corners[1:] + corners[:1], strict=True):
        length = np.hypot(next_x - x, next_y - y)
        sides.append(((next_y - y) * (plane.x - x) - (next_x - x) * (plane.y - y)) / length)
    return np.max(np.stack(sides), axis=0)


Json = dict[str, Any]

SCHEMA = "1.30"
SCHEMA_URL = f"https://developer.microsoft.com/json-schemas/teams/v{SCHEMA}/MicrosoftTeams.schema.json"
_GUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_VERSION = re.compile(r"\d+\.\d+\.\d+")
_LONG_AGO = (1980, 1, 1, 0, 0, 0)
"""The earliest time that a zip can name."""

_EVERYWHERE = (
    ("help", "What I can do"),
    ("What changed because of me?", "What became of the answers that you complained about"),
)
_ALONE = (
    *_EVERYWHERE,
    ("privacy", "What I keep of you: see it, get it, delete it"),
    ("queue", "For reviewers: the next answers to review"),
)
_TOGETHER = (*_EVERYWHERE, ("reviewers here", "For reviewers: let the answers to review come here"))


class CannotPackage(Exception):
    """The settings do not make a package; the message is a sentence that says which one is missing."""


@dataclass(frozen=True, slots=True)
class Package:
    """What the manifest says that is not the same everywhere. `public_url` is the bot's https address.

    Empty `privacy_url` and `terms_url` are pages of the bot's own. Raise `version` with every upload.
    """

    app_id: str
    public_url: str
    version: str
    name: str = "askpage"
    developer: str = "askpage"
    privacy_url: str = ""
    terms_url: str = ""


def package(wanted: Package) -> bytes:
    """Return the zip. Raises CannotPackage."""
    _check(wanted)
    manifest = json.dumps(manifest_of(wanted), ensure_ascii=False, indent=2) + "\n"
    files = {"manifest.json": manifest.encode(), "color.png": colour_icon(), "outline.png": outline_icon()}
    whole = io.BytesIO()
    with zipfile.ZipFile(whole, "w", zipfile.ZIP_DEFLATED) as packed:
        for name, content in files.items():
            entry = zipfile.ZipInfo(name, _LONG_AGO)
            entry.create_system = 3  # the same on every system
            entry.external_attr = 0o644 << 16
            packed.writestr(entry, content, zipfile.ZIP_DEFLATED, 9)
    return whole.getvalue()


def manifest_of(wanted: Package) -> Json:
    """Return the manifest."""
    address = wanted.public_url.rstrip("/")
    return {
        "$schema": SCHEMA_URL,
        "manifestVersion": SCHEMA,
        "version": wanted.version,
        "id": wanted.app_id.lower(),
        "developer": {
            "name": wanted.developer,
            "websiteUrl": address,
            "privacyUrl": wanted.privacy_url or f"{address}/about/privacy",
            "termsOfUseUrl": wanted.terms_url or f"{address}/about/asking",
        },
        "name": {"short": wanted.name, "full": f"{wanted.name}: answers from your pages"},
        "description": {
            "short": "Answers your questions from your organisation’s pages, with the place to read.",
            "full": "Ask in your own words. The answer comes from your organisation’s pages, quotes the place"
            " where it stands and opens it there; where the pages do not tell, you are told so. Thumbs,"
            " reactions and comments go to reviewers, and what they correct is what the next person gets,"
            " marked as verified. Your data is yours: say “privacy” to see it, get it or have it deleted.",
        },
        "icons": {"color": "color.png", "outline": "outline.png"},
        "accentColor": "#" + bytes(GREEN).hex(),
        "bots": [
            {
                "botId": wanted.app_id.lower(),
                "scopes": ["personal", "team", "groupChat"],
                "supportsFiles": False,
                "isNotificationOnly": False,
                "commandLists": [
                    _commands("personal", _ALONE),
                    _commands("team", _TOGETHER),
                    _commands("groupChat", _TOGETHER),
                ],
            }
        ],
        "permissions": ["identity", "messageTeamMembers"],
        "validDomains": [urlsplit(address).netloc],
        "defaultInstallScope": "personal",
        "defaultGroupCapability": {"team": "bot", "groupchat": "bot"},
    }


def _commands(scope: str, commands: Sequence[tuple[str, str]]) -> Json:
    return {
        "scopes": [scope],
        "commands": [{"title": title, "description": what} for title, what in commands],
    }


def _check(wanted: Package) -> None:
    if not wanted.app_id:
        raise CannotPackage("The package names the bot by its app id: set ASKPAGE_APP_ID.")
    if not _GUID.fullmatch(wanted.app_id):
        raise CannotPackage(
            f"“{wanted.app_id}” is no app id: it has the form 12345678-1234-1234-1234-123456789abc."
        )
    if not wanted.public_url:
        raise CannotPackage("Teams needs an address that it can reach: set ASKPAGE_PUBLIC_URL to https://…")
    for name, url in (
        ("public_url", wanted.public_url),
        ("privacy_url", wanted.privacy_url),
        ("terms_url", wanted.terms_url),
    ):
        if url and not is_https(url):
            raise CannotPackage(f"Teams opens https addresses only: ASKPAGE_{name.upper()} is “{url}”.")
    if not _VERSION.fullmatch(wanted.version):
        raise CannotPackage(f"“{wanted.version}” is no version: it has the form 1.2.3.")
