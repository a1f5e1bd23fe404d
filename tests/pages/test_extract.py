"""Bytes of pages → titles, sections, anchors: what a reader sees, and nothing else."""

from __future__ import annotations

import contextlib
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest

from core.records import Page, Section
from pages.fetch.client import PageRefused, PageUnreadable
from pages.parse.extract import extract, page_hash
from pages.parse.markdown import front_matter
from tests.builders.pdf_files import make_pdf

NOW = datetime(2026, 11, 23, tzinfo=UTC)


def read(
    body: str | bytes,
    kind: str = "text/html",
    *,
    url: str = "https://h.test/leave-policy",
    charset: str | None = None,
) -> Page:
    return extract(
        body.encode() if isinstance(body, str) else body,
        url=url,
        content_type=kind,
        charset=charset,
        fetched_at=NOW,
    )


def words(page: Page) -> str:
    return "\n".join(f"{section.heading}\n{section.text}" for section in page.sections)


HANDBOOK = """<!doctype html><html><head><title>Leave &amp; holidays</title><style>p {{ color: red }}</style>
<script>var tracker = 1;</script></head><body>
<header><a href="/">Acme</a></header><nav><ul><li><a href="/a">Benefits menu</a></li><li><a href="/b">Travel menu</a></li></ul></nav>
<div class="cookie" hidden>We use cookies</div>
<{main} class="content"><h1 id="leave">Leave</h1>
<p>Every employee has <b>25</b> days of leave each year. They may be taken at any time, with the agreement of the team.</p>
<section id="carry"><h2>Carrying over<a class="headerlink" href="#carry">¶</a></h2>
<p>Up to five days can be carried over until March of the following year, and no longer than that.<!-- SECRET --></p></section>
<h2><a name="part-time"></a>Part-timers</h2>
<ul><li>Half time: 12.5 days<ul><li>rounded up</li></ul></li><li>Other: <em>pro rata</em></li></ul><ol start="3"><li>three</li><li>four</li></ol>
<table><tr><th>Years</th><th>Days</th></tr><tr><td>1</td><td>25</td></tr><tr><td>5</td><td>27</td></tr></table>
<div id="sick"><div><h3>Sick leave</h3><p>Tell your lead on the first day of the illness, by phone or by chat, before ten o'clock.</p>
<pre><code>one
  two</code></pre></div><h3>Second in the same box</h3><p>Its id belongs to the first heading of the box only.</p></div>
<h2>Without anchor</h2><p>Text<br>in two lines, <span style="display: none">SECRET</span><span aria-hidden="true">SECRET</span>and an
<img src="x.png" alt="org chart">.</p><template>SECRET</template><details><summary>More</summary><p>Inside the details.</p></details>
</{main}><footer>Imprint and privacy</footer></body></html>"""  # noqa: E501


@pytest.mark.parametrize("main", ["main", "article", "div"])
def test_html_becomes_its_main_text_with_headings_lists_tables_and_anchors(main: str) -> None:
    page = read(HANDBOOK.format(main=main))
    assert page.title == "Leave & holidays"
    assert [(section.heading, section.anchor) for section in page.sections] == [
        ("Leave", "leave"),
        ("Carrying over", "carry"),
        ("Part-timers", "part-time"),
        ("Sick leave", "sick"),
        ("Second in the same box", ""),
        ("Without anchor", ""),
    ]
    assert page.sections[2].text == (
        "- Half time: 12.5 days\n  - rounded up\n- Other: pro rata\n\n"
        "3. three\n4. four\n\nYears | Days\n1 | 25\n5 | 27"
    )
    assert page.sections[3].text.endswith("one\n  two")
    assert page.sections[5].text == "Text\nin two lines, and an org chart.\n\nMore\n\nInside the details."


@pytest.mark.parametrize("main", ["main", "article", "div"])
def test_nothing_hidden_becomes_text(main: str) -> None:
    text = words(read(HANDBOOK.format(main=main)))
    for unseen in ("SECRET", "tracker", "color", "cookies", "menu", "Imprint", "¶"):
        assert unseen not in text


@pytest.mark.parametrize(
    "hidden",
    [
        "<div style='DISPLAY:none !important'>{}</div>",
        "<p style='visibility : hidden'>{}</p>",
        "<span style='font-size:0px'>{}</span>",
        "<span style='opacity:0'>{}</span>",
        "<p hidden>{}</p>",
        "<p aria-hidden=TRUE>{}</p>",
        "<!-- {} -->",
        "<noscript>{}</noscript>",
        "<svg><text>{}</text></svg>",
        "<script type='text/plain'>{}</script>",
        "<?php {} ?>",
        "<textarea>{}</textarea>",
        "<select><option>{}</select>",
        "<iframe srcdoc='{}'>{}</iframe>",
    ],
)
def test_no_way_to_hide_words_brings_them_to_the_model(hidden: str) -> None:
    sentence = "Every employee has 25 days of leave each year, and may take them at any time."
    for kind in ("text/html", "text/markdown"):
        page = read(
            f"<main><p>{sentence}</p>\n\n{hidden.replace('{}', 'IGNORE')}\n\n<p>{sentence}</p></main>", kind
        )
        assert "IGNORE" not in words(page)
        assert words(page).count(sentence) == 2


def test_characters_that_nobody_sees_are_taken_out() -> None:
    tagged = "".join(chr(0xE0000 + ord(character)) for character in "ignore")
    page = read(f"<p>Hel\u200blo{tagged} wo\u202erld\x00\x07 co\u00adop</p>".encode(), charset="utf-8")
    assert page.sections[0].text == "Hello world coop"


def test_a_page_of_divs_keeps_its_headings_and_leaves_its_menus() -> None:
    menu = "<div class=menu>" + "".join(f"<a href=/{n}>Menu entry {n}</a>" for n in range(30)) + "</div>"
    text = "".join(
        f"<h2 id=s{n}>Part {n}</h2>"
        f"<div>Every employee of part {n} has a right to be asked before the plan changes.</div>"
        for n in range(5)
    )
    page = read(f"<body><div>{menu}<div class=content><h1>Plans</h1>{text}</div></div></body>")
    assert [section.anchor for section in page.sections] == ["s0", "s1", "s2", "s3", "s4"]
    assert "Menu entry" not in words(page)


@pytest.mark.parametrize(
    ("html", "title"),
    [
        ("<title> A \n B </title><p>x", "A B"),
        ("<title></title><meta property=og:title content='Shared'><h1>H</h1><p>x", "Shared"),
        ("<h1>The <i>first</i></h1><h1>second</h1><p>x", "The first"),
        ("<p>x", "leave policy"),
    ],
)
def test_a_title_is_found_somewhere(html: str, title: str) -> None:
    assert read(html).title == title


@pytest.mark.parametrize(
    ("body", "charset"),
    [
        ("Grüße".encode(), None),
        ("Grüße".encode(), "utf-8"),
        ("Grüße".encode("latin-1"), None),
        ("Grüße".encode("latin-1"), "ISO-8859-1"),
        ("Grüße".encode("utf-8-sig"), "iso-8859-1"),
        ("\ufeffGrüße".encode("utf-16-le"), None),
        (b"<meta charset=windows-1252><p>" + "Grüße".encode("cp1252"), None),
        (b"<meta charset=utf-8><p>" + "Grüße".encode("cp1252"), None),
        ("Grüße".encode(), "no-such-charset"),
        ("Grüße".encode(), "unicode_escape"),
        ("Grüße".encode(), "zlib"),
    ],
)
def test_the_letters_are_right_whatever_was_declared(body: bytes, charset: str | None) -> None:
    assert read(body, charset=charset).sections[0].text == "Grüße"


def test_a_heading_is_one_line() -> None:
    page = read("<h2>Release 12<br>Changes<div>and fixes</div></h2><p>Text")
    assert page.sections == (Section("Release 12 Changes and fixes", "", "Text"),)


def test_the_hash_is_of_the_title_and_the_text() -> None:
    page = read("<title>T</title><p>one")
    assert page.page_hash == read("<title>T</title> <p>one</p> <!-- later -->").page_hash
    assert page.page_hash == page_hash("T", [Section("", "", "one")])
    assert (
        len(
            {
                page.page_hash,
                read("<title>T</title><p>two").page_hash,
                read("<title>U</title><p>one").page_hash,
            }
        )
        == 3
    )


MARKDOWN = """---
title: "Asking: how"
permalink: /asking/
---
{% comment %} SECRET
{{ page.title }} {% endcomment %}
Intro with [a link](https://example.com/x), ![a picture](y.png) and `code`.
Ask in {% slack_channel "people-ops" %} or see {% page "/leave/" %}. {{ site.url }}{{ "shown" | upcase }}

# First *heading*

* one
* two
  * inner

## Twice, really?
text {.usa-button}
## Twice, really?
<your name> and <b>raw</b> <span style="display:none">SECRET</span> HTML
## Own {#custom}
| Years | Days |
|-------|------|
| 1     | 25   |

<h2 id="raw">Raw heading</h2>
<div markdown="1">in a div</div>

```
kept
  as it is
```
{% alert "Heads up!" %}
Inside the alert.
{% endalert %}
"""


def test_markdown_becomes_text_with_the_anchors_of_github() -> None:
    page = read(MARKDOWN, "text/markdown")
    assert page.title == "Asking: how"
    assert page.sections == (
        Section("", "", "Intro with a link, a picture and code. Ask in #people-ops or see /leave/. shown"),
        Section("First heading", "first-heading", "- one\n- two\n  - inner", level=1),
        Section("Twice, really?", "twice-really", "text"),
        Section("Twice, really?", "twice-really-1", "<your name> and raw HTML"),
        Section("Own", "custom", "Years | Days\n1 | 25"),
        Section("Raw heading", "raw", "in a div\n\nkept\n  as it is\n\nHeads up! Inside the alert."),
    )


@pytest.mark.parametrize(
    ("text", "title"),
    [
        ("---\ntitle: [unclosed\n---\nText", "[unclosed"),
        ("---\ntitle: 'Odd: one'\nbad: : :\n---\nText", "Odd: one"),
        ("---\ntitle: 2026\n---\nText", "2026"),
        ("---\ntitle:\n  - a\n---\nText", "leave policy"),
        ("---\n- a list\n---\nText", "leave policy"),
        ("---\n? [a]\n: 1\nwhen: 2026-99-99\n---\nText", "leave policy"),
        ("---\n---\n# Head\nText", "Head"),
        ("\ufeff---\r\ntitle: Windows\r\n---\r\nText", "Windows"),
        ("# Head\nText", "Head"),
    ],
)
def test_front_matter_is_tolerated(text: str, title: str) -> None:
    page = read(text, "text/markdown")
    assert (page.title, page.sections[-1].text) == (title, "Text")


def test_front_matter_without_an_end_is_text() -> None:
    assert front_matter("---\nnot front matter") == ({}, "---\nnot front matter")


def test_a_page_that_only_leads_elsewhere_says_where() -> None:
    with pytest.raises(PageUnreadable, match="only leads to /tock/"):
        read("---\ntitle: Billing\nredirect_to: /tock/\n---\n", "text/markdown")


def test_every_handbook_page_with_text_becomes_a_titled_page(shared_data: Path) -> None:
    started, pages = time.process_time(), 0
    for file in sorted((shared_data / "handbook/pages").rglob("*.md")):
        body = file.read_bytes()
        if not front_matter(body.decode())[1].strip():
            with pytest.raises(PageUnreadable):
                read(body, "text/markdown")
            continue
        page = read(body, "text/markdown", url=f"https://h.test/{file.stem}")
        pages += 1
        assert page.title
        assert sum(len(section.text) for section in page.sections) > 20
        assert "endcomment" not in words(page)
    assert pages >= 230
    assert time.process_time() - started < 20


def test_a_pdf_has_one_section_for_each_page_with_text() -> None:
    page = read(
        make_pdf("First page.\nTwo lines.", "", "Third page."),
        "application/pdf",
        url="https://h.test/a/The_Plan.pdf",
    )
    assert page.title == "The Plan"
    assert page.sections == (
        Section("Page 1", "page=1", "First page. Two lines."),
        Section("Page 3", "page=3", "Third page."),
    )
    assert read(make_pdf("x", title="A plan"), "application/pdf").title == "A plan"


PDF = make_pdf("Some text.")


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (make_pdf("secret", password="key"), "password"),  # noqa: S106 - a test's
        (make_pdf("", ""), "no text in it"),
        (b"%PDF-1.7\nnothing", "damaged"),
        (b"", "damaged"),
        (b"<html>no pdf", "damaged"),
        (PDF[: len(PDF) // 2], "."),
        (PDF.replace(b"/Pages", b"/Wrong"), "."),
        (bytes(100_000), "damaged"),
    ],
)
def test_a_pdf_that_cannot_be_read_is_refused(body: bytes, words: str) -> None:
    with pytest.raises(PageUnreadable) as raised:
        read(body, "application/pdf")
    assert words in str(raised.value)


def test_damaged_pdfs_never_crash() -> None:
    original = make_pdf("Some text on a page.", "And on another.")
    for position in range(0, len(original), 23):
        damaged = original[:position] + b"\xff<<>>[" + original[position + 6 :]
        with contextlib.suppress(PageRefused):
            assert read(damaged, "application/pdf").sections


@pytest.mark.parametrize(
    "kind", ["text/html", "text/markdown", "text/plain", "application/xhtml+xml", "application/pdf"]
)
@pytest.mark.parametrize("body", [b"", b" \n ", b"\0" * 100, b"<!-- -->", b"\xff\xfe", b"\xef\xbb\xbf"])
def test_a_page_without_text_is_refused(kind: str, body: bytes) -> None:
    if body == b"<!-- -->" and kind == "text/plain":
        pytest.skip("in plain text that is text")
    with pytest.raises(PageUnreadable):
        read(body, kind)


def test_plain_text_is_one_section() -> None:
    page = read("one  \r\ntwo\x00\r\n", "text/plain", url="https://h.test/notes.txt")
    assert (page.title, page.sections) == ("notes", (Section("", "", "one\ntwo"),))


def test_xml_is_no_page() -> None:
    with pytest.raises(PageUnreadable, match="application/xml"):
        read("<urlset/>", "application/xml")


ENTITIES = "".join(f'<!ENTITY {chr(98 + n)} "{f"&{chr(97 + n)};" * 10}">' for n in range(10))
ALIASES = "".join(
    f"{chr(98 + n)}: &{chr(98 + n)} [{', '.join([f'*{chr(97 + n)}'] * 9)}]\n" for n in range(12)
)


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        ("<div>" * 100_000 + "deep", "text/html"),
        ("<table><tr><td>" * 50_000 + "deep", "text/html"),
        ("<ul><li>x" * 50_000, "text/html"),
        ("<table>" + "<tr><td>a<td>b" * 30_000, "text/html"),
        ("<p hidden>x</p>y" * 30_000, "text/html"),
        ("<h2 id=a>x</h2><p>y" * 20_000, "text/html"),
        ("<" * 500_000, "text/html"),
        ("<p " + "a=b " * 200_000 + ">x", "text/html"),
        (f'<!DOCTYPE l [<!ENTITY a "lol">{ENTITIES}]><html><p>&k; x</p></html>', "application/xhtml+xml"),
        ('<!DOCTYPE l [<!ENTITY a SYSTEM "file:///etc/passwd">]><p>&a; x</p>', "application/xhtml+xml"),
        (f"---\na: &a [x]\n{ALIASES}title: *m\n---\nText", "text/markdown"),
        ("---\n" + "[" * 50_000 + "\n---\nText", "text/markdown"),
        ("[" * 100_000, "text/markdown"),
        ("> " * 50_000 + "x", "text/markdown"),
        ("*a **b " * 30_000, "text/markdown"),
        ("{% comment %}" * 20_000, "text/markdown"),
        ("{{" * 100_000, "text/markdown"),
        ("- " * 50_000 + "x", "text/markdown"),
        ("# a\n\nx\n\n" * 10_000, "text/markdown"),
    ],
)
def test_hostile_pages_end_in_seconds(body: str, kind: str) -> None:
    started = time.process_time()
    with contextlib.suppress(PageRefused):
        assert "root:" not in words(read(body, kind))
    assert time.process_time() - started < 20


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (b"# T\n\nIntro\n\n- First\n\n- Second\n\n  more\n", "text/markdown"),
        (
            b"<main><h1>T</h1><p>Intro</p><ul><li><p>First</p></li><li><p>Second</p><p>more</p></li></ul></main>",
            "text/html",
        ),
    ],
)
def test_the_items_of_a_loose_list_stand_beside_their_bullets(body: bytes, content_type: str) -> None:
    page = extract(body, url="https://a.test/t", content_type=content_type, fetched_at=NOW)
    assert page.sections[0].text == "Intro\n\n- First\n- Second\nmore"


@pytest.mark.parametrize(
    ("html", "text"),
    [
        ("You get 28<sup>2</sup> days.", "You get 28 ² days."),
        ("You get 28<sup><a href='#n'>[2]</a></sup> days.", "You get 28 [²] days."),
        ("Up to 10<sup>6</sup> rows.", "Up to 10 ⁶ rows."),
        ("On the 1<sup>st</sup> of May.", "On the 1st of May."),
    ],
)
def test_raised_marks_stand_apart_from_numbers_and_letters_do_not(html: str, text: str) -> None:
    assert text in words(read(f"<main><h1>Rules</h1><p>{html} {'More of it. ' * 20}</p></main>"))


@pytest.mark.parametrize("cell", ["<p>{}</p>", "<div><p>{}</p></div>", "<span>{}</span><br>", "{}"])
def test_a_row_is_one_line_whatever_stands_in_its_cells(cell: str) -> None:
    rows = [("Town", "Rate"), ("Oslo", "72 EUR"), ("Bern", "81 EUR")]
    table = "".join("<tr>" + "".join(f"<td>{cell.format(one)}</td>" for one in row) + "</tr>" for row in rows)
    text = words(read(f"<main><h1>Rates</h1><p>{'What is paid. ' * 20}</p><table>{table}</table></main>"))
    assert "Town | Rate\nOslo | 72 EUR\nBern | 81 EUR" in text


def test_a_drawing_in_a_cell_is_read_by_its_name() -> None:
    table = (
        "<tr><th>Part</th><th>Here</th></tr>"
        "<tr><td>Desk</td><td><svg role='img' aria-label='yes'><title>yes</title></svg></td></tr>"
        "<tr><td>Car</td><td><svg aria-hidden='true' aria-label='secret'></svg></td></tr>"
    )
    text = words(read(f"<main><h1>Parts</h1><p>{'What is there. ' * 20}</p><table>{table}</table></main>"))
    assert "Desk | yes" in text
    assert "secret" not in text


@pytest.mark.parametrize(
    ("label", "raw"),
    [
        ("iso-8859-1", b"30 \x80 \x96 \x93each\x94"),
        ("us-ascii", b"30 \x80 \x96 \x93each\x94"),
        ("latin1", b"30 \x80 \x96 \x93each\x94"),
    ],
)
def test_encodings_go_by_the_names_that_browsers_know(label: str, raw: bytes) -> None:
    filler = b"<p>" + b"What the rules of the house are. " * 20 + b"</p>"
    body = b"<main><h1>Rates</h1>" + filler + b"<p>It costs " + raw + b".</p></main>"
    page = extract(body, url="https://a.example/", content_type="text/html", charset=label, fetched_at=NOW)
    assert "It costs 30 € – “each”." in page.sections[0].text


@pytest.mark.parametrize(
    ("written", "title"),
    [("R&amp;D <em>only</em>", "R&D only"), ("Pay & leave", "Pay & leave"), ("a < b", "a < b")],
)
def test_a_title_of_front_matter_reads_as_on_the_page_that_is_made_of_it(written: str, title: str) -> None:
    assert read(f"---\ntitle: '{written}'\n---\nWhat the rules are.\n", "text/markdown").title == title
