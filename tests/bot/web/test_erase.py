"""Every file below a folder is searched: across pieces, in each spelling, in packed files and databases."""

from __future__ import annotations

import bz2
import gzip
import io
import json
import lzma
import os
import sqlite3
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from bot.answers.socket import listen_in
from bot.web import erase
from bot.web.erase import PIECE, FileSearch, Words, bytes_below

NAME = "Zoë Quillfeather"
LONG = "3f" * 32
"""As long as a pseudonym."""


def search(folder: Path, text: str = NAME) -> FileSearch:
    found = FileSearch(Words({"it": text}))
    found.look_through(folder)
    return found


def counts(found: FileSearch) -> dict[str, int]:
    return {Path(path).name: count["it"] for path, count in found.found.items()}


@pytest.mark.parametrize("before", [-20, -17, -16, -8, -1, 0, 1])
@pytest.mark.parametrize("code", ["utf-8", "utf-16-le", "utf-16-be"])
def test_a_match_is_found_and_counted_once_wherever_a_piece_ends(
    tmp_path: Path, before: int, code: str
) -> None:
    data = b"." * (PIECE + before) + NAME.encode(code) + b"." * PIECE + NAME.encode(code)
    (tmp_path / "weights.bin").write_bytes(data)
    assert counts(search(tmp_path)) == {"weights.bin": 2}


@pytest.mark.parametrize(
    "written",
    [
        NAME,
        NAME.upper(),
        NAME.lower(),
        "Zoe\u0308 Quillfeather",
        json.dumps({"name": NAME}),
        json.dumps({"body": json.dumps({"name": NAME})}),
    ],
)
def test_it_is_found_in_every_spelling(tmp_path: Path, written: str) -> None:
    (tmp_path / "a").write_text(written)
    assert counts(search(tmp_path)) == {"a": 1}


def zipped(data: bytes, how: int = zipfile.ZIP_DEFLATED) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", how) as archive:
        archive.writestr("inside.txt", data)
    return file.getvalue()


PACKED: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "bzip2": bz2.compress,
    "xz": lzma.compress,
    "zip": zipped,
    "zip without packing": lambda data: zipped(data, zipfile.ZIP_STORED),
    "gzip in gzip": lambda data: gzip.compress(gzip.compress(data)),
    "gzip in zip": lambda data: zipped(gzip.compress(data)),
    "gzip in zip without packing": lambda data: zipped(gzip.compress(data), zipfile.ZIP_STORED),
    "zip in zip": lambda data: zipped(zipped(data)),
}


@pytest.mark.parametrize("how", PACKED)
def test_packed_files_are_unpacked(tmp_path: Path, how: str) -> None:
    (tmp_path / "packed").write_bytes(PACKED[how](b"." * 1_000 + NAME.encode() + b"." * 1_000))
    found = search(tmp_path)
    assert (counts(found), found.unread) == ({"packed": 1}, {})


UNREADABLE = {
    "zstandard": (b"\x28\xb5\x2f\xfd rest", "Zstandard"),
    "parquet": (b"PAR1 rest PAR1", "Parquet"),
    "pdf": (b"%PDF-1.7 rest", "PDF"),
    "half a gzip": (gzip.compress(os.urandom(5_000))[:2_000], "damaged"),
    "no zip": (b"PK\x03\x04 rest", "damaged"),
    "packed too deep": (
        gzip.compress(gzip.compress(gzip.compress(gzip.compress(b"x")))),
        "more than 3 times",
    ),
    "no database": (b"SQLite format 3\x00 rest", "tables could not be"),
}


@pytest.mark.parametrize("case", UNREADABLE)
def test_what_cannot_be_read_is_listed_with_the_reason(tmp_path: Path, case: str) -> None:
    data, reason = UNREADABLE[case]
    (tmp_path / "file").write_bytes(data)
    found = search(tmp_path)
    assert list(found.unread) == [str(tmp_path / "file")]
    assert reason in found.unread[str(tmp_path / "file")]


def test_a_file_that_unpacks_without_end_is_read_in_part(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(erase, "MOST_UNPACKED", 2 * PIECE)
    (tmp_path / "bomb").write_bytes(gzip.compress(NAME.encode() + b"\x00" * (5 * PIECE)))
    found = search(tmp_path)
    assert counts(found) == {"bomb": 1}
    assert "the rest was not read" in found.unread[str(tmp_path / "bomb")]


def test_links_pipes_and_closed_files_are_told_and_nothing_waits_for_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = tmp_path / "data"
    data.mkdir()
    (tmp_path / "outside").write_text(NAME)
    (data / "closed").write_text(NAME)
    (data / "within").symlink_to(data / "closed")
    (data / "out").symlink_to(tmp_path / "outside")
    os.mkfifo(data / "pipe")
    whole = Path.open

    def refuse(path: Path, *arguments: object) -> object:
        if path.name == "closed":
            raise PermissionError(13, "Permission denied", str(path))
        return whole(path, *arguments)  # type: ignore[call-overload]

    monkeypatch.setattr(Path, "open", refuse)
    with listen_in(data) as listening:  # a socket holds nothing
        assert listening is not None
        found = search(data)
    assert {Path(path).name: reason[:20] for path, reason in found.unread.items()} == {
        "closed": "Permission denied",
        "out": "it is a link out of ",
        "pipe": "it is no file: a pip",
    }
    assert found.found == {}


def test_names_of_files_and_folders_are_searched(tmp_path: Path) -> None:
    (tmp_path / f"of {NAME}").mkdir()
    assert counts(search(tmp_path)) == {f"of {NAME}": 1}


def test_a_text_that_a_database_cuts_in_two_is_found_and_one_it_deleted_too(tmp_path: Path) -> None:
    path = tmp_path / "one.sqlite3"
    connection = sqlite3.connect(path)
    connection.executescript("PRAGMA secure_delete = OFF; CREATE TABLE t (words TEXT)")
    for after in range(4_000, 8_500, 9):  # in values that fill several pages of 4 KB, wherever those end
        connection.execute("INSERT INTO t VALUES (?)", ("." * 5_000 + LONG + "." * after,))
    connection.commit()
    assert path.read_bytes().count(LONG.encode()) < 500, "none was cut in two: the test shows nothing"
    assert counts(search(tmp_path, LONG)) == {"one.sqlite3": 500}
    connection.execute("DELETE FROM t")
    connection.commit()
    connection.close()
    assert counts(search(tmp_path, LONG))["one.sqlite3"] > 0
    assert [file.name for file in tmp_path.iterdir()] == ["one.sqlite3"], "reading leaves no files behind"


def test_a_database_that_is_open_elsewhere_is_read_with_its_log(tmp_path: Path) -> None:
    connection = sqlite3.connect(tmp_path / "one.sqlite3", isolation_level=None)
    connection.executescript("PRAGMA journal_mode = WAL; CREATE TABLE t (words TEXT)")
    connection.execute("INSERT INTO t VALUES (?)", (NAME,))
    found = search(tmp_path)
    assert counts(found) == {"one.sqlite3": 1, "one.sqlite3-wal": 1}
    assert found.unread == {}
    connection.close()


def test_progress_is_told_in_bytes(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"x" * 1_000)
    (tmp_path / "b").write_bytes(gzip.compress(b"x" * 1_000_000))
    told: list[int] = []
    FileSearch(Words({"it": NAME}), told.append).look_through(tmp_path)
    assert sum(told) == bytes_below(tmp_path)
