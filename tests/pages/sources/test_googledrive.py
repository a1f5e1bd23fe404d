"""Google Drive as a source: lists, changes, exports, refusals, readers; closed where nobody tells."""

from __future__ import annotations

import base64
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from core.readers import EVERYONE, NOBODY, Readers
from pages.fetch.client import FetchLimits
from pages.fetched import AddressRefused
from pages.sources import SourceAccess
from pages.sources.googledrive.source import parse_drive_address
from tests.builders.office_files import make_sheets, make_word, sheet_rows, word_paragraph, word_run
from tests.builders.source_reading import HERE, SourceReader
from tests.doubles.confluence import serve_on_loopback
from tests.doubles.google_drive import EMAIL, FOLDER, GOOGLE, TOKEN, GoogleDrive, permission

HOST = "api.example.com"
TOP = "folder-of-the-handbook"
SOURCE = f"googledrive+https://drive.google.com/drive/folders/{TOP}"
WORD = make_word(word_paragraph(word_run("Everyone gets 26 days.")))
RATES = make_sheets({"Rates": sheet_rows([["Country", "Rate"], ["Gabon", "55"]])})
KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
PEM = KEY.private_bytes(
    serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
)
SECRET = json.dumps({"type": "service_account", "client_email": EMAIL, "private_key": PEM.decode()})


@pytest.fixture(autouse=True)
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    waited: list[float] = []

    async def wait(delay_s: float) -> None:
        waited.append(delay_s)

    monkeypatch.setattr("pages.sources.rest.pause", wait)
    return waited


@pytest.fixture
async def drive() -> AsyncIterator[GoogleDrive]:
    drive = GoogleDrive(KEY.public_key())
    drive.add(TOP, "Handbook", FOLDER)
    drive.add("inner", "HR", FOLDER, parent=TOP)
    drive.add("leave", "Leave", f"{GOOGLE}document", WORD, parent="inner")
    drive.add("rates", "Rates", f"{GOOGLE}spreadsheet", RATES, parent=TOP)
    drive.add("notes", "notes.md", "text/markdown", b"# Notes\n\nBring a badge.", parent=TOP)
    drive.add("photo", "photo.png", "image/png", b"\x89PNG", parent=TOP)
    drive.add("other", "Other", f"{GOOGLE}document", WORD)
    drive.permissions = {
        "leave": [permission("anyone", found=True)],
        "rates": [permission("group", "hr@example.com"), permission("user", "Kim@example.com")],
        "notes": [permission("domain", "example.com"), permission("anyone")],
    }
    async with serve_on_loopback(drive.answer) as drive.port:
        yield drive


@pytest.fixture
def reader(tmp_path: Path, drive: GoogleDrive) -> SourceReader:
    at = f"http://{HOST}:{drive.port}"
    access = SourceAccess(
        tmp_path, google_drive_key=SECRET, google_drive_url=f"{at}/drive/v3", google_login_url=f"{at}/token"
    )
    return SourceReader(
        SOURCE, access, {HOST: [HERE]}, FetchLimits(allowed_sites=("*", f"{HOST}:{drive.port}"))
    )


def give_groups(reader: SourceReader, *pairs: str) -> None:
    reader.access = replace(reader.access, google_drive_groups=pairs)


def readers_of(reader: SourceReader) -> dict[str, Readers]:
    return {url.split("/d/")[1].split("/")[0]: page.readers for url, page in reader.collected.pages.items()}


async def test_a_folder_is_read_with_what_google_exports_and_only_what_changed_is_read_again(
    drive: GoogleDrive, reader: SourceReader
) -> None:
    collected = await reader.read()
    assert (collected.failure, collected.problems) == ("", [])
    text = " ".join(section.text for page in collected.pages.values() for section in page.sections)
    for said in ("Everyone gets 26 days.", "Gabon | 55", "Bring a badge."):
        assert said in text
    assert len(collected.pages) == 3
    assert "https://docs.google.com/document/d/leave/edit" in collected.pages

    drive.asked.clear()
    assert ((await reader.read()).unchanged, collected.fetched) == (3, 0)
    assert [one for one in drive.asked if one != "POST /token"] == [
        f"GET /drive/v3/files/{TOP}", "GET /drive/v3/changes"
    ]  # fmt: skip

    drive.add("notes", "notes.md", "text/markdown", b"# Notes\n\nBring two badges.", parent=TOP)
    drive.remove("rates")
    await reader.read()
    assert (collected.fetched, len(collected.pages)) == (1, 2)


@pytest.mark.parametrize("change", ["moved", "in the bin", "folder in the bin", "renamed to no page"])
async def test_what_is_no_longer_in_the_folder_is_forgotten(
    change: str, drive: GoogleDrive, reader: SourceReader
) -> None:
    await reader.read()
    if change == "moved":
        drive.files["leave"]["parents"] = ["elsewhere"]
    elif change == "in the bin":
        drive.files["leave"]["trashed"] = True
    elif change == "folder in the bin":  # Google tells of the folder alone
        drive.files["inner"]["trashed"] = True
    else:
        drive.files["leave"] |= {"mimeType": "image/png", "name": "leave.png"}
    drive.note("inner" if change == "folder in the bin" else "leave")
    collected = await reader.read()
    assert (collected.failure, len(collected.pages)) == ("", 2)


async def test_permissions_become_readers_and_what_google_does_not_tell_opens_nothing(
    drive: GoogleDrive, reader: SourceReader
) -> None:
    collected = await reader.read()
    assert readers_of(reader) == {
        "leave": EVERYONE,
        "rates": Readers(frozenset({"google:group:hr@example.com", "google:user:kim@example.com"})),
        "notes": NOBODY,
    }
    assert "“hr@example.com”, “link:anyone”, “link:example.com”" in collected.remarks[0]
    give_groups(
        reader, "hr@example.com=entra:group:7", "kim@example.com=entra:user:8", "link:anyone=everyone"
    )
    await reader.read()
    assert readers_of(reader)["rates"].allow({"entra:group:7"})
    assert readers_of(reader)["rates"].allow({"entra:user:8"})
    assert readers_of(reader)["notes"] == EVERYONE

    drive.permissions["leave"] = [
        permission("group", "hr@example.com", expirationTime="2026-01-01T00:00:00Z"),
        permission("group", "it@example.com", deleted=True),
        permission("anyone", found=True, view="published"),
    ]
    drive.note("leave")
    await reader.read()
    assert readers_of(reader)["leave"] == NOBODY
    assert collected.fetched == 0, "other readers need no bytes"


async def test_in_a_shared_drive_permissions_are_asked_for_and_asked_again(
    drive: GoogleDrive, reader: SourceReader
) -> None:
    drive.shared_drive = TOP
    drive.permissions["leave"] = [permission("user", f"{one}@example.com") for one in "abc"]
    await reader.read()
    assert len(readers_of(reader)["leave"].principals or ()) == 3
    drive.permissions["leave"] = [permission("user", "a@example.com")]
    await reader.read()
    assert readers_of(reader)["leave"] == Readers(frozenset({"google:user:a@example.com"}))


@pytest.mark.parametrize("shared_drive", ["", TOP])
async def test_where_permissions_are_hidden_pages_are_closed_and_readers_may_be_given(
    shared_drive: str, drive: GoogleDrive, reader: SourceReader
) -> None:
    drive.shared_drive, drive.hides_permissions = shared_drive, True
    collected = await reader.read()
    assert set(readers_of(reader).values()) == {NOBODY}
    assert "closed to everybody" in collected.remarks[0]
    assert "#readers=" in collected.remarks[0]
    reader.source = f"{SOURCE}#readers=entra:group:7"
    assert not (await reader.read()).remarks
    assert set(readers_of(reader).values()) == {Readers(frozenset({"entra:group:7"}))}


@pytest.mark.parametrize(
    ("refusal", "waited"),
    [((403, "userRateLimitExceeded"), True), ((429, "rateLimitExceeded"), True), ((403, "forbidden"), False)],
)
async def test_limits_of_use_are_waited_for_longer_each_time(
    refusal: tuple[int, str], waited: bool, drive: GoogleDrive, reader: SourceReader, pauses: list[float]
) -> None:
    drive.refusals = [refusal] * 3
    collected = await reader.read()
    assert pauses == ([5.0, 10.0, 20.0] if waited else [])
    assert (collected.failure == "") == waited


FAULTS = {
    "a token that Google takes no more lists all anew": ({"forgets_changes": True}, "", 3),
    "a list that is not whole": ({"incomplete": True, "forgets_changes": True}, "did not search all", 3),
    "a drive that is busy for long": ({"refusals": [(403, "rateLimitExceeded")] * 9}, "is busy right now", 3),
    "the API is switched off": ({"refusals": [(403, "accessNotConfigured")]}, "switched off", 3),
    "an account without rights": ({"refusals": [(404, "notFound")]}, EMAIL, 3),
    "a key that was deleted": ({"login_error": "invalid_grant"}, "the key was deleted", 3),
    "an account that may not act for others": ({"subject": "kim@example.com"}, "domain-wide delegation", 3),
}


@pytest.mark.parametrize(("fault", "sentence", "left"), FAULTS.values(), ids=FAULTS)
async def test_a_fault_is_one_sentence_and_nothing_is_forgotten(
    fault: dict[str, object], sentence: str, left: int, drive: GoogleDrive, reader: SourceReader
) -> None:
    await reader.read()
    for name, value in fault.items():
        setattr(drive, name, value)
    collected = await reader.read()
    assert sentence in collected.failure
    assert bool(sentence) == bool(collected.failure)
    assert len(collected.pages) == left
    for secret in (TOKEN, "PRIVATE KEY"):
        assert secret not in collected.failure + repr(reader.access)


async def test_it_acts_for_a_person_where_the_settings_say_so(
    drive: GoogleDrive, reader: SourceReader
) -> None:
    drive.subject = "kim@example.com"
    reader.access = replace(reader.access, google_drive_subject="kim@example.com")
    assert len((await reader.read()).pages) == 3


async def test_a_document_that_google_does_not_export_is_a_problem_of_its_own(
    drive: GoogleDrive, reader: SourceReader
) -> None:
    drive.add("large", "Large", f"{GOOGLE}document", b" " * 10_000_001, parent=TOP)
    collected = await reader.read()
    assert [one.sentence for one in collected.problems] == [
        "Google exports no document of more than 10 MB; please split it."
    ]
    assert len(collected.pages) == 3


@pytest.mark.parametrize(
    ("key", "sentence"),
    [
        ("", "There is no key for Google Drive"),
        ("/etc/key.json", "cannot be read"),
        ("{}", "names no account"),
        (json.dumps({"client_email": EMAIL, "private_key": "x"}), "private key for Google Drive cannot be"),
    ],
)
async def test_a_key_that_is_none_is_said_to_be(key: str, sentence: str, reader: SourceReader) -> None:
    reader.access = replace(reader.access, google_drive_key=key)
    assert sentence in (await reader.read()).failure


async def test_a_key_in_base64_and_all_that_is_shared_are_read(reader: SourceReader) -> None:
    reader.access = replace(reader.access, google_drive_key=base64.b64encode(SECRET.encode()).decode())
    reader.source = "googledrive+https://drive.google.com/"
    assert len((await reader.read()).pages) == 4


@pytest.mark.parametrize(
    "url", ["https://evil.example.com/x", "javascript:alert(1)", "http://docs.google.com/x"]
)
async def test_a_file_is_opened_at_google_whatever_its_address_says(
    url: str, drive: GoogleDrive, reader: SourceReader
) -> None:
    drive.files["notes"]["webViewLink"] = url
    assert "https://drive.google.com/file/d/notes/view" in (await reader.read()).pages


def test_the_addresses_that_browsers_show_name_a_folder_or_all() -> None:
    for path in ("", "/", "/drive/my-drive", "/drive/u/1/shared-with-me", "/drive/home?hl=de"):
        assert not parse_drive_address(f"https://drive.google.com{path}")
    for path in ("/drive/folders/0AbC-d_e", "/drive/u/0/folders/0AbC-d_e?usp=sharing"):
        assert parse_drive_address(f"https://drive.google.com{path}") == "0AbC-d_e"
    for wrong in ("https://docs.google.com/document/d/0AbC-d_e/edit", "https://drive.google.com.evil.test/"):
        with pytest.raises(AddressRefused, match="as the browser shows it"):
            parse_drive_address(wrong)
