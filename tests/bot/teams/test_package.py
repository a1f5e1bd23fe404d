"""The package for Teams: Microsoft's schema takes its manifest, Teams its icons, and its bytes repeat."""

from __future__ import annotations

import io
import json
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import aiohttp
import numpy as np
import pytest
from aiohttp import web
from jsonschema import Draft4Validator
from numpy.typing import NDArray
from PIL import Image

from bot.channels.handler import HELP_WORDS
from bot.channels.privacy_handler import SHOW, WORDS, normalise_words
from bot.channels.review_handler import WHAT_CHANGED, clean_command
from bot.teams.package import SCHEMA, CannotPackage, Package, build_localization, build_manifest, package
from bot.web.pages import about_routes
from core.settings import FIELDS
from core.translation import ENGLISH, LANGUAGES
from tests.builders.serving import served
from tests.needs import ROOT, need
from tests.processes.commands import Commands

WANTED = Package("11111111-2222-3333-4444-55555555ABCD", "https://bot.example:8443/", "0.1.0")
SCHEMAS = ROOT / "node_modules" / "@microsoft" / "app-manifest" / "build" / "json-schemas" / "teams"


@pytest.fixture
def schema() -> Draft4Validator:
    path = SCHEMAS / f"v{SCHEMA}" / "MicrosoftTeams.schema.json"
    need(path, "Microsoft's schemas are missing: run `make test`, which installs them")
    return Draft4Validator(json.loads(path.read_text("utf-8-sig")))


def files_of(packed: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(packed)) as opened:
        return {name: opened.read(name) for name in opened.namelist()}


def pixels(png: bytes) -> NDArray[Any]:
    return np.asarray(Image.open(io.BytesIO(png)).convert("RGBA"))


def test_microsofts_schema_takes_the_manifest(schema: Draft4Validator) -> None:
    longest = FIELDS["teams_name"].metadata[-1].max_length
    names = {
        "name": "n" * longest,
        "developer": "d" * 32,
        "privacy_url": "https://x/p",
        "terms_url": "https://x/t",
    }
    with_tab = replace(WANTED, has_tab=True)
    heard = [replace(one, hears_channels=True) for one in (WANTED, with_tab)]
    for wanted in (WANTED, replace(WANTED, **names), with_tab, *heard):
        manifest = json.loads(files_of(package(wanted))["manifest.json"])
        assert not [f"{list(error.path)}: {error.message}" for error in schema.iter_errors(manifest)]
        titles = [
            command["title"] for one in manifest["bots"][0]["commandLists"] for command in one["commands"]
        ]
        assert all(len(title) <= 32 for title in titles)  # what the clients show
    wrong = build_manifest(WANTED) | {"icons": {}}
    assert list(schema.iter_errors(wrong))


def test_the_manifest_has_the_bot_its_scopes_and_its_domain() -> None:
    manifest = build_manifest(WANTED)
    (bot,) = manifest["bots"]
    assert bot["botId"] == manifest["id"] == "11111111-2222-3333-4444-55555555abcd"
    assert bot["scopes"] == ["personal", "team", "groupChat"]
    assert [one["scopes"] for one in bot["commandLists"]] == [["personal"], ["team"], ["groupChat"]]
    assert bot["supportsFiles"] is True
    assert manifest["validDomains"] == ["bot.example:8443"]
    assert manifest["developer"]["privacyUrl"] == "https://bot.example:8443/about/privacy"


def test_the_tab_stands_beside_the_chat_and_signs_in_with_the_apps_own_api() -> None:
    assert not {"staticTabs", "webApplicationInfo"} & set(build_manifest(WANTED))
    manifest = build_manifest(replace(WANTED, has_tab=True, hears_channels=True))
    chat, tab = manifest["staticTabs"]
    assert chat["entityId"] == "conversations"
    assert (tab["contentUrl"], tab["scopes"]) == ("https://bot.example:8443/teams/tab", ["personal"])
    assert manifest["webApplicationInfo"] == {
        "id": manifest["id"],
        "resource": f"api://bot.example:8443/{manifest['id']}",
    }
    assert manifest["authorization"]["permissions"]["resourceSpecific"]


def test_the_same_settings_make_the_same_bytes() -> None:
    assert package(WANTED) == package(WANTED)
    assert package(WANTED) != package(replace(WANTED, version="0.1.1"))
    with zipfile.ZipFile(io.BytesIO(package(WANTED))) as packed:
        assert {entry.date_time[0] for entry in packed.infolist()} == {1980}


def test_the_icons_are_of_the_kind_that_teams_wants() -> None:
    files = files_of(package(WANTED))
    assert {"manifest.json", "color.png", "outline.png"} < set(files)
    colour, outline = pixels(files["color.png"]), pixels(files["outline.png"])
    assert colour.shape == (192, 192, 4)
    assert (colour[..., 3] == 255).all()
    assert tuple(colour[0, 0]) == (0x0E, 0x6B, 0x57, 255)
    assert tuple(colour[60, 80]) == (255, 255, 255, 255)
    assert len(np.unique(colour.reshape(-1, 4), axis=0)) > 20
    assert outline.shape == (32, 32, 4)
    assert (outline[..., :3] == 255).all()
    assert 0.15 < (outline[..., 3] > 127).mean() < 0.6


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"app_id": ""}, "ASKPAGE_APP_ID"),
        ({"app_id": "askpage"}, "no app id"),
        ({"public_url": ""}, "ASKPAGE_PUBLIC_URL"),
        ({"public_url": "http://bot.example"}, "https addresses only: ASKPAGE_PUBLIC_URL"),
        ({"public_url": "https://"}, "https"),
        ({"privacy_url": "ftp://x"}, "ASKPAGE_PRIVACY_URL"),
        ({"version": "one"}, "no version"),
    ],
)
def test_what_is_missing_is_named(changes: dict[str, str], said: str) -> None:
    with pytest.raises(CannotPackage, match=said):
        package(replace(WANTED, **changes))


async def test_the_command_writes_it_or_says_what_is_missing(tmp_path: Path) -> None:
    commands = Commands(tmp_path)
    done = await commands.run("teams-package", "--app-id", WANTED.app_id, "--public-url", WANTED.public_url)
    assert done.code == 0, done.said
    manifest = json.loads(files_of((tmp_path / "askpage-teams.zip").read_bytes())["manifest.json"])
    assert manifest["name"]["short"] == "askpage"
    done = await commands.run("teams-package")
    assert (done.code, done.said) == (
        2,
        "askpage: The package names the bot by its app id: set ASKPAGE_APP_ID.",
    )


async def test_what_the_package_leads_to_can_be_read_by_everybody() -> None:
    app = web.Application()
    app.add_routes(about_routes(ROOT / "docs"))
    async with served(app) as url, aiohttp.ClientSession() as http:
        for name in ("privacy", "asking"):
            async with http.get(f"{url}/about/{name}") as response:
                assert response.status == 200
                assert "<h1>" in await response.text()
        async with http.get(f"{url}/about/settings") as response:
            assert response.status == 404


def test_microsofts_schema_takes_every_languages_file_and_its_commands_are_understood() -> None:
    path = SCHEMAS / f"v{SCHEMA}" / "MicrosoftTeams.Localization.schema.json"
    need(path, "Microsoft's schemas are missing: run `make test`, which installs them")
    takes = Draft4Validator(json.loads(path.read_text("utf-8-sig")))
    wanted = replace(WANTED, has_tab=True, domains=("pages.example",))
    files = files_of(package(wanted))
    manifest = json.loads(files["manifest.json"])
    others = manifest["localizationInfo"]["additionalLanguages"]
    assert {one["languageTag"] for one in others} == set(LANGUAGES) - {ENGLISH}
    english = build_localization(wanted, ENGLISH)
    assert english["bots[0].commandLists[0].commands[0].title"] == "help"
    assert english["name.full"] == manifest["name"]["full"]
    assert len(english) > 25
    for one in others:
        texts = json.loads(files[one["file"]])
        assert not [f"{list(error.path)}: {error.message}" for error in takes.iter_errors(texts)]
        assert set(texts) == set(english)
        titles = {english[place]: said for place, said in texts.items() if "commandLists" in place}
        assert titles["help"].lower() in HELP_WORDS
        assert WORDS[normalise_words(titles["privacy"])] == SHOW
        assert WHAT_CHANGED.match(clean_command(titles["What changed because of me?"]))
        assert (titles["queue"], titles["reviewers here"]) == ("queue", "reviewers here")
        kept = {
            english[place] for place, said in texts.items() if said == english[place] and "$" not in place
        }
        assert kept <= {"askpage", "queue", "reviewers here", "Question"}
