"""A patch for a Markdown page: one more paragraph at the end of a section, as a unified diff.

    patch = make_patch(file, page.sections, anchor, "Five days may be carried over.")

`git apply` takes it at the root of the file's repository (or of its folder), and so does `patch -p1`. The
paragraph says the given words and nothing else: what Markdown, HTML or Liquid would take for theirs is
escaped. Line ends stay as they are in the file.

    PatchRefused    no patch can be made for this page; the message is a sentence that says why
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from markdown_it import MarkdownIt

from core.phrases import Phrase, mark
from core.records import Section
from core.text import normalise_text, printable
from pages.fetched import PageRefused
from pages.parse.markdown import LONGEST, front_matter
from pages.repair.files import PageFile

_parser = MarkdownIt("commonmark").enable("table")
_ATTRIBUTES = re.compile(r"\{:?[#.][^{}\n]{0,200}\}\s*$")
_MARKUP = re.compile(r"([\\`*\[\]<~^|]|(?<![^\W_])_|_(?![^\W_]))")
_BLOCK = ("#", ">", "+", "-", "=", ":", "!", "%")
"""What a list, a heading or a dialect's block begins with."""
_LIQUID = re.compile(r"\{(?=[{%#])")
_ITEM = re.compile(r"(\d{1,9})([.)])")
_BAD_IN_NAMES = re.compile(r'[\x00-\x1f"\\]')


class PatchRefused(Exception):
    """No patch can be made for this page; `sentence` says why, and what to do."""

    def __init__(self, sentence: str, /, **values: object) -> None:
        """`sentence` is a text for the catalogues, with {names} for the values."""
        self.sentence = Phrase(sentence, **values)
        super().__init__(str(self.sentence))


@dataclass(frozen=True, slots=True)
class _Heading:
    """A heading of a file: its first line, the line behind it, and its words."""

    begin: int
    end: int
    words: str


def write_paragraph(text: str) -> str:
    """Return words as Markdown of one line that says just that."""
    line = _LIQUID.sub(r"{\\", _MARKUP.sub(r"\\\1", printable(" ".join(text.split()))))
    item = _ITEM.match(line)
    if item is not None:
        return f"{item[1]}\\{line[item.end(1) :]}"
    return f"\\{line}" if line.startswith(_BLOCK) else line


def make_patch(file: PageFile, sections: Sequence[Section], anchor: str, text: str) -> str:
    """Return the patch that puts words at the end of the section with this anchor. Raises PatchRefused."""
    if not file.is_markdown:
        raise PatchRefused(
            mark("{file} is not a Markdown file: please add the sentence there by hand."), file=file.name
        )
    if _BAD_IN_NAMES.search(file.name):
        raise PatchRefused(
            mark("{file} has a name that no patch can have; please rename it."), file=ascii(file.name)
        )
    before = _read(file)
    lines = _split_lines(before)
    at = _find_end(before, sections, anchor)
    while at > 0 and not lines[at - 1].strip():
        at -= 1
    ending = "\r\n" if "\r\n" in before else "\n"
    head = list(lines[:at])
    if head and not head[-1].endswith("\n"):
        head[-1] += ending
    added = [*([ending] if head else []), write_paragraph(text) + ending]
    tail = lines[at:] or []
    if tail and tail[0].strip():
        added.append(ending)
    return "".join(_write_diff(file.name, lines, [*head, *added, *tail]))


def _read(file: PageFile) -> str:
    try:
        text = file.read()
    except (PageRefused, UnicodeDecodeError) as error:
        raise PatchRefused(
            mark("{file} cannot be read as UTF-8 text: please edit it by hand."), file=file.name
        ) from error
    if len(text) > LONGEST:
        raise PatchRefused(
            mark("{file} has more than {most} characters: please edit it by hand."),
            file=file.name,
            most=LONGEST,
        )
    return text


def _split_lines(text: str) -> list[str]:
    """Return lines as git and CommonMark count them: a form feed ends none."""
    *whole, rest = text.split("\n")
    return [*(f"{line}\n" for line in whole), *([rest] if rest else [])]


def _find_end(text: str, sections: Sequence[Section], anchor: str) -> int:
    """Return the line before which a paragraph belongs to a section. Raises PatchRefused."""
    index = next((at for at, one in enumerate(sections) if one.anchor == anchor), None)
    if index is None:
        raise PatchRefused(mark("The page no longer has that section; please edit it by hand."))
    headings = list(_list_headings(text))
    wanted = normalise_text(sections[index].heading)
    starts = [at for at, one in enumerate(headings) if one.words == wanted]
    nth = sum(normalise_text(one.heading) == wanted for one in sections[:index])
    if len(starts) > 1 and len(starts) != sum(normalise_text(one.heading) == wanted for one in sections):
        raise PatchRefused(
            mark("“{heading}” is in the file several times; please edit the file by hand."),
            heading=sections[index].heading,
        )
    if wanted and nth < len(starts):
        following = starts[nth] + 1
    elif not wanted or index == 0:  # what stands before the first heading, or below the page's title
        following = 1 if headings and _begins_with(text, headings[0]) else 0
    else:
        raise PatchRefused(
            mark("Its heading “{heading}” is not in the file; please edit the file by hand."),
            heading=sections[index].heading,
        )
    return headings[following].begin if following < len(headings) else len(_split_lines(text))


def _begins_with(text: str, heading: _Heading) -> bool:
    """Tell whether a heading is the first thing below the front matter."""
    lines = _split_lines(text)
    skipped = _count_front_lines(text)
    return not any(line.strip() for line in lines[skipped : heading.begin])


def _count_front_lines(text: str) -> int:
    return text[: len(text) - len(front_matter(text)[1])].count("\n")


def _list_headings(text: str) -> Iterator[_Heading]:
    skipped = _count_front_lines(text)
    tokens = _parser.parse(front_matter(text)[1])
    for opened, inline in pairwise(tokens):
        if opened.type == "heading_open" and opened.level == 0 and opened.map:
            words = "".join(
                one.content for one in inline.children or () if one.type in {"text", "code_inline"}
            )
            plain = normalise_text(_ATTRIBUTES.sub("", words))
            yield _Heading(skipped + opened.map[0], skipped + opened.map[1], plain)


def _write_diff(name: str, before: Sequence[str], after: Sequence[str]) -> Iterator[str]:
    tab = "\t" if " " in name else ""
    yield f"diff --git a/{name} b/{name}\n"
    yield f"--- a/{name}{tab}\n"
    yield f"+++ b/{name}{tab}\n"
    for line in list(difflib.unified_diff(before, after))[2:]:
        yield line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n"
