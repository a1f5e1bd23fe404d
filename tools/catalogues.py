"""Brings the message catalogues in line with the texts of the code: new ones are added, gone ones dropped.

Run as: python -m tools.catalogues

What has no translation yet stands in a catalogue with an empty one; the tests find it. A new language begins
with a file of its own, `core/catalogues/xx.po`, which holds nothing but a header (docs/languages.md).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from html import unescape
from pathlib import Path

from babel.messages.catalog import Catalog
from babel.messages.extract import extract
from babel.messages.pofile import read_po, write_po

from core.translation import CATALOGUES, LANGUAGES

ROOT = Path(__file__).parent.parent
PAGES = [
    *(ROOT / "bot/static" / name for name in ("index.html", "panel.html", "reviews.html")),
    ROOT / "bot/teams/tab/static/tab.html",
]
_PAGE_TEXT = re.compile(r"\[\[([^\[\]]+)\]\]")
ROOMS = ("bot", "core", "feedback", "jobs", "model", "pages")
SAYS = {"say": None, "mark": None, "say_count": (1, 2), "mark_count": (1, 2), "sayCount": (1, 2)}
"""What is given a text: the positions of its arguments, None for the first one alone."""
TRANSLATION = "translation.py"
"""It says something, too, and imports itself nowhere."""
_KINDS = {".py": "python", ".js": "javascript"}
_SPEAKS = {".py": (b"core.translation import", b"core.phrases import"), ".js": (b"./language.js",)}
"""What a file imports that says something; the others are not read any further."""
_WIDTH = 110
_HEADER = """# {name}: the bot's own words (docs/languages.md)
msgid ""
msgstr ""
"Language: {language}\\n"
"Content-Type: text/plain; charset=utf-8\\n"
"Content-Transfer-Encoding: 8bit\\n"
"Plural-Forms: {plurals}\\n"

"""

Key = str | tuple[str, str]


def extract_texts() -> dict[Key, set[str]]:
    """Return every text that the code says, with the files where it stands; (one, several) of a number."""
    found: dict[Key, set[str]] = {}
    for page in PAGES:
        written: list[str] = _PAGE_TEXT.findall(page.read_text("utf-8"))
        for text in written:
            found.setdefault(unescape(text), set()).add(page.relative_to(ROOT).as_posix())
    for path in _list_files():
        if path.name != TRANSLATION and not _speaks(path):
            continue
        with path.open("rb") as opened:
            for _, key, _, _ in extract(_KINDS[path.suffix], opened, SAYS):
                text: Key = (str(key[0]), str(key[1])) if isinstance(key, tuple) else str(key)
                found.setdefault(text, set()).add(path.relative_to(ROOT).as_posix())
    return found


def _speaks(path: Path) -> bool:
    written = path.read_bytes()
    return any(one in written for one in _SPEAKS[path.suffix])


def _list_files() -> Iterator[Path]:
    for room in ROOMS:
        yield from (path for path in sorted((ROOT / room).rglob("*")) if path.suffix in _KINDS)


def read_catalogue(path: Path) -> Catalog:
    """Return a catalogue."""
    with path.open("rb") as opened:
        return read_po(opened, locale=path.stem)


def update_catalogue(path: Path, texts: dict[Key, set[str]]) -> None:
    """Write a catalogue with these texts, sorted by where they stand, and the translations that it had."""
    before = read_catalogue(path)
    after = Catalog(locale=path.stem)
    for key, places in sorted(texts.items(), key=lambda one: (min(one[1]), str(one[0]))):
        known = before.get(key)
        after.add(key, known.string if known else None, [(place, 0) for place in sorted(places)])
    name = LANGUAGES.get(path.stem, path.stem)
    with path.open("wb") as opened:
        opened.write(_HEADER.format(name=name, language=path.stem, plurals=after.plural_forms).encode())
        write_po(opened, after, width=_WIDTH, omit_header=True, include_lineno=False)


def main() -> None:
    """Update every catalogue."""
    texts = extract_texts()
    for path in sorted(CATALOGUES.glob("*.po")):
        update_catalogue(path, texts)


if __name__ == "__main__":
    main()
