"""The package that a Teams administrator uploads: a zip made from the settings.

It has a manifest, two icons, and a file for each language beside English.

The same settings make the same bytes. Microsoft's limits of each field are those of its schema, which the
tests hold the manifest to.
"""

from __future__ import annotations

import io
import json
import re
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from bot.http import is_https
from bot.teams.extension import describe_extension
from core.translation import ENGLISH, LANGUAGES, mark, say, speak

ACCENT = "#0e6b57"
"""The accent of the chat page, and of the Teams package."""
_ICONS = Path(__file__).parent / "icons"
"""The bot's mark (bot/static/logo.svg) as Teams wants it: 192 pixels on a ground, 32 in white lines."""
Json = dict[str, Any]

SCHEMA = "1.30"
_SCHEMAS = f"https://developer.microsoft.com/json-schemas/teams/v{SCHEMA}"
SCHEMA_URL = f"{_SCHEMAS}/MicrosoftTeams.schema.json"
LOCALIZATION_URL = f"{_SCHEMAS}/MicrosoftTeams.Localization.schema.json"
TAB = "/teams/tab"
"""Where the bot serves its tab."""
_GUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_VERSION = re.compile(r"\d+\.\d+\.\d+")
_LONG_AGO = (1980, 1, 1, 0, 0, 0)
"""The earliest time that a zip can name."""

_EVERYWHERE = (
    (mark("help"), mark("What I can do")),
    (mark("What changed because of me?"), mark("What became of the answers that you complained about")),
)
"""Commands, as people send them, and what they do. Reviewers' commands are English in every language."""
_ALONE = (
    *_EVERYWHERE,
    (mark("privacy"), mark("Your data: see it, export it, delete it")),
    ("queue", mark("For reviewers: the next answers to review")),
)
_TOGETHER = (*_EVERYWHERE, ("reviewers here", mark("For reviewers: send review cards here")))
_NAMES = ("name", "description")
_LISTS = ("bots", "commandLists", "commands", "composeExtensions", "parameters", "staticTabs")
_TEXTS = {"staticTabs": ("name",)} | dict.fromkeys(("commands", "parameters"), ("title", "description"))
"""What people read in the lists of a manifest, by their names."""


class CannotPackage(Exception):
    """The settings do not make a package; the message is a sentence that says which one is missing."""


@dataclass(frozen=True, slots=True)
class Package:
    """What the manifest says that is not the same everywhere. `public_url` is the bot's https address.

    Empty `privacy_url` and `terms_url` are pages of the bot's own. Raise `version` with every upload.
    `hears_channels`: it asks a team's owners for what is said in its channels (resource-specific consent).
    Links to `domains` unfurl. `has_tab`: it shows the tab, which signs people in with the app's own API.
    """

    app_id: str
    public_url: str
    version: str
    name: str = "askpage"
    developer: str = "askpage"
    privacy_url: str = ""
    terms_url: str = ""
    hears_channels: bool = False
    domains: tuple[str, ...] = ()
    has_tab: bool = False


def package(wanted: Package) -> bytes:
    """Return the zip. Raises CannotPackage."""
    _check(wanted)
    icons = {name: (_ICONS / name).read_bytes() for name in ("color.png", "outline.png")}
    others = {f"{one}.json": _to_bytes(build_localization(wanted, one)) for one in _list_others()}
    files = {"manifest.json": _to_bytes(build_manifest(wanted)), **icons, **others}
    whole = io.BytesIO()
    with zipfile.ZipFile(whole, "w", zipfile.ZIP_DEFLATED) as packed:
        for name, content in files.items():
            entry = zipfile.ZipInfo(name, _LONG_AGO)
            entry.create_system = 3  # the same on every system
            entry.external_attr = 0o644 << 16
            packed.writestr(entry, content, zipfile.ZIP_DEFLATED, 9)
    return whole.getvalue()


def build_manifest(wanted: Package) -> Json:
    """Return the manifest, which is in English and names the files of the other languages."""
    others = [{"languageTag": one, "file": f"{one}.json"} for one in _list_others()]
    with speak(ENGLISH):
        written = _write_manifest(wanted)
    return written | {"localizationInfo": {"defaultLanguageTag": ENGLISH, "additionalLanguages": others}}


def build_localization(wanted: Package, language: str) -> Json:
    """Return the file of a language: its texts, by their places in the manifest."""
    with speak(language):
        texts = dict(_list_texts(_write_manifest(wanted)))
    return {"$schema": LOCALIZATION_URL, **texts}


def _list_others() -> list[str]:
    return [one for one in LANGUAGES if one != ENGLISH]


def _list_texts(manifest: Json) -> Iterator[tuple[str, str]]:
    for name in _NAMES:
        yield from ((f"{name}.{length}", text) for length, text in manifest[name].items())
    yield from _list_inner(manifest, "")


def _list_inner(node: Json, place: str) -> Iterator[tuple[str, str]]:
    for name in _LISTS:
        for number, part in enumerate(node.get(name, ())):
            here = f"{place}{name}[{number}]."
            yield from ((here + text, part[text]) for text in _TEXTS.get(name, ()) if text in part)
            yield from _list_inner(part, here)


def _to_bytes(written: Json) -> bytes:
    return (json.dumps(written, ensure_ascii=False, indent=2) + "\n").encode()


def _write_manifest(wanted: Package) -> Json:
    """Return what the manifest says, in the language that is spoken."""
    address = wanted.public_url.rstrip("/")
    wished = _describe_rights(wanted, address) | _describe_tab(wanted, address)
    return wished | {
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
        "name": {"short": wanted.name, "full": say("{name}: answers from your pages", name=wanted.name)},
        "description": {
            "short": say("Answers questions from your organisation’s pages and shows where they say it."),
            "full": say(
                "Ask in your own words. The answer comes from your organisation’s pages and links"
                " to its source; if the pages do not have the answer, the bot says so. Thumbs, "
                "reactions and comments go to reviewers. When they correct an answer, the next "
                "person gets the correction, marked as verified. Say “privacy” to see, export or "
                "delete your data."
            ),
        },
        "icons": {"color": "color.png", "outline": "outline.png"},
        "accentColor": ACCENT,
        "bots": [
            {
                "botId": wanted.app_id.lower(),
                "scopes": ["personal", "team", "groupChat"],
                "supportsFiles": True,
                "isNotificationOnly": False,
                "commandLists": [
                    _commands("personal", _ALONE),
                    _commands("team", _TOGETHER),
                    _commands("groupChat", _TOGETHER),
                ],
            }
        ],
        "composeExtensions": [describe_extension(wanted.app_id.lower(), wanted.domains)],
        "permissions": ["identity", "messageTeamMembers"],
        "validDomains": [urlsplit(address).netloc],
        "defaultInstallScope": "personal",
        "defaultGroupCapability": {"team": "bot", "groupchat": "bot"},
    }


def _describe_rights(wanted: Package, address: str) -> Json:
    """Return the app in Entra that the package speaks for, and what it asks a team's owners for."""
    if not (wanted.hears_channels or wanted.has_tab):
        return {}
    resource = name_resource(wanted.app_id, address) if wanted.has_tab else address
    app: Json = {"webApplicationInfo": {"id": wanted.app_id.lower(), "resource": resource}}
    hears = [{"name": "ChannelMessage.Read.Group", "type": "Application"}]
    rights = {"authorization": {"permissions": {"resourceSpecific": hears}}}
    return app | (rights if wanted.hears_channels else {})


def _describe_tab(wanted: Package, address: str) -> Json:
    """Return the tab beside the chat, which comes first."""
    if not wanted.has_tab:
        return {}
    tab = {
        "entityId": "mine",
        "name": say("My questions"),
        "contentUrl": address + TAB,
        "scopes": ["personal"],
    }
    return {"staticTabs": [{"entityId": "conversations", "scopes": ["personal"]}, tab]}


def name_resource(app_id: str, address: str) -> str:
    """Return the address of the app's API, as its registration has to name it for Teams' single sign-on."""
    return f"api://{urlsplit(address).netloc}/{app_id.lower()}"


def _commands(scope: str, commands: Sequence[tuple[str, str]]) -> Json:
    return {
        "scopes": [scope],
        "commands": [{"title": say(title), "description": say(what)} for title, what in commands],
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
