"""The text of a page without what stands around it, and pages that are shells."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

from core.records import Page
from pages.fetched import PageUnreadable
from pages.parse.extract import extract

NOW = datetime(2026, 11, 1, tzinfo=UTC)
STORY = "".join(
    f"<p>The {word} ferry has left the old pier for good, and from the autumn on it will "
    f"land beside the fish hall, "
    "where a new bridge leads to the tram.</p>"
    for word in ("first", "second", "third", "fourth", "last")
)
LINKS = "".join(f"<li><a href='/{n}'>Another story about boat number {n}</a></li>" for n in range(5))
AROUND = {
    "comments by their class": (
        "<div class='comments-area'><h2>3 Comments</h2><ol><li><p>PLANTED I liked the old "
        "pier so much more than this one, really.</p></li><li><p>Me too.</p></li></ol></div>"
    ),
    "comments by their heading": (
        "<section><h3>Leave a reply</h3><form><textarea></textarea><p>PLANTED your address is "
        "not shown.</p><button>Send</button></form></section>"
    ),
    "Kommentare": (
        "<div><h3>Kommentare (2)</h3><div class=k><p>PLANTED Schade um den alten Anleger.</p>"
        "</div><div class=k><p>Ja.</p></div></div>"
    ),
    "related stories by their class": f"<div class='related-posts'><h4>PLANTED</h4><ul>{LINKS}</ul></div>",
    "related stories by their heading": (
        f"<div><h3>You may also like</h3><ul>{LINKS}<li><a href=/p>PLANTED</a></li></ul></div>"
    ),
    "ähnliche Artikel": f"<h3>Ähnliche Artikel</h3><ul>{LINKS}<li><a href=/p>PLANTED</a></li></ul>",
    "à lire aussi": (
        f"<aside><p><strong>À lire aussi</strong></p><ul>{LINKS}<li><a href=/p>PLANTED</a></li></ul></aside>"
    ),
    "a line that leads away": "<p><strong>Read more:</strong> <a href=/p>PLANTED story of the pier</a></p>",
    "a cookie box": (
        "<div id='cookie-banner'><p>PLANTED We use cookies to know who reads this.</p>"
        "<button>Accept</button></div>"
    ),
    "a newsletter box": (
        "<div class='newsletter-signup'><p>PLANTED every morning in your inbox.</p><form>"
        "<input type=email></form></div>"
    ),
    "a newsletter box by its heading": (
        "<div><h3>Subscribe to our newsletter</h3><p>PLANTED each week.</p><input type=email>"
        "<button>Go</button></div>"
    ),
    "share buttons": "<div class='share-bar'><a href=/f>PLANTED Facebook</a> <a href=/t>Twitter</a></div>",
    "the author's box": (
        "<div class='author-bio'><p>PLANTED Ada has written about ships since 1998 and lives "
        "in Kiel.</p></div>"
    ),
    "about the author": (
        "<div><h4>About the author</h4><p>PLANTED Ada has written about ships since 1998.</p></div>"
    ),
    "a byline": "<p>By Ada PLANTED | 4 May 2026</p>",
    "tags": "<div class='post-tags'><a href=/a>PLANTED</a> <a href=/b>ferries</a></div>",
    "an advertisement": "<div class='ad-container'><p>PLANTED shoes, half price.</p></div>",
    "whose it is": "<p>Copyright © 2026, PLANTED Harbour News</p>",
    "a line of an advertisement": "<p>Advertisement - story continues below PLANTED</p>",
    "a file's name for an image": "<p><img alt='img-0412-old-pier' src=/a><img alt='PLANTED.jpg' src=/b></p>",
    "a list of links at the end": f"<ul>{LINKS}<li><a href=/p>PLANTED</a></li></ul>",
}


def read(body: str) -> Page:
    return extract(
        (
            f"<html><head><title>Ferry</title></head><body><nav><a href=/>Home</a></nav>{body}</body></html>"
        ).encode(),
        url="https://n.test/ferry",
        content_type="text/html",
        fetched_at=NOW,
    )


def words(page: Page) -> str:
    return "\n".join(f"{section.heading}\n{section.text}" for section in page.sections)


@pytest.mark.parametrize(
    "within", ["<article><h1>Ferry moves</h1>{}{}</article>", "<h1>Ferry moves</h1><div>{}</div>{}"]
)
@pytest.mark.parametrize("kind", AROUND)
def test_what_stands_around_a_text_is_left_out(kind: str, within: str) -> None:
    text = words(read(within.format(STORY, AROUND[kind])))
    assert "PLANTED" not in text
    assert [
        word for word in ("first", "second", "third", "fourth", "last") if f"The {word} ferry" not in text
    ] == []


ABOUT_IT = {
    "a rule about comments": (
        "<section id=comments><h2>Comments</h2><p>KEPT Whoever comments on a plan signs it.</p></section>"
    ),
    "a rule about cookies": (
        "<section id=cookies class=cookies><h2>Cookies</h2><p>KEPT We use two cookies, which "
        "end with the day.</p></section>"
    ),
    "links below a heading": f"<h2>Forms</h2><ul>{LINKS}<li><a href=/k>KEPT form</a></li></ul>",
    "links behind a colon": (
        f"<p>The forms are these, one for each kind of boat:</p><ul>{LINKS}<li><a href=/k>KEPT "
        f"form</a></li></ul>"
    ),
    "when it was changed": "<p>Last updated: 3 May 2026, KEPT by the harbour office</p>",
    "a price share": "<div class='share-capital'><p>KEPT Each share is worth ten euros.</p></div>",
    "a box about authors": "<div><h3>Rights of authors</h3><p>KEPT They are the house's.</p></div>",
    "a part named as comments are": (
        "<h2>Responses</h2><p>KEPT The server answers with one of two of them.</p><ul><li>200: done</li>"
        "<li>404: gone</li></ul><pre><code>GET /piers</code></pre><button>Copy</button>"
    ),
    "Kommentare in a rule of code": "<h3>Kommentare</h3><div><p>KEPT Sie sagen, warum.</p><p>Kurz.</p></div>",
    "a comment in code": "<pre><code><span class=comment># KEPT</span>\nrun</code></pre>",
}


@pytest.mark.parametrize("kind", ABOUT_IT)
def test_a_page_about_such_things_keeps_its_text(kind: str) -> None:
    assert "KEPT" in words(read(f"<main><h1>Harbour</h1>{STORY}{ABOUT_IT[kind]}</main>"))


def test_a_text_with_links_in_its_sentences_is_found_between_the_columns_of_a_wide_page() -> None:
    linked = STORY.replace("the fish hall", "<a href=/f>the fish hall</a> (<em>north</em>)")
    menu = "".join(f"<td><a href=/m{n}>Matter {n} of the port</a></td>" for n in range(60))
    side = "".join(f"<div>PLANTED offer {n}, <a href=/o{n}>on board</a></div>" for n in range(9))
    text = words(
        read(
            f"<div id=all><div id=head><table><tr>{menu}</tr></table></div><div id=middle>"
            f"<div id=c1>{linked}</div><div id=c2>{side}</div></div></div>"
        )
    )
    assert "PLANTED" not in text
    assert "The last ferry" in text


@pytest.mark.parametrize(
    "above",
    [
        "<div class=tools><span>comments</span></div><div><a href=#c class=comment-count>3</a></div>",
        "<div class=head><h3>More from the harbour office</h3></div>",
        "<div>Comments</div><p class=comment-link><a href=#c>Read them</a></p>",
        "<h4>Related</h4>",
        "<div><div>Share</div></div>",
        "<p>What do you think?</p><button>Yes</button>",
    ],
)
def test_a_label_above_an_article_does_not_take_it_along(above: str) -> None:
    teasers = "".join(f"<p>Another matter of {n} boats is told on a page of its own.</p>" for n in range(20))
    for after in ("", "<div><a href=/next>Next</a></div>", f"<div class=teasers>{teasers}</div>"):
        text = words(read(f"<div>{above}<div class=text>{STORY}</div>{after}</div>"))
        assert "The first ferry" in text
        assert "The last ferry" in text


@pytest.mark.parametrize(
    "marked",
    [
        "<main></main>",
        "<article> </article>",
        "<article><h3>Fish</h3><p>Fresh at noon.</p></article>",
        "<div role=main></div>",
        "<main><p>Loading…</p></main>",
        "<article class=card><p>One.</p></article><article class=card><p>Two.</p></article>",
    ],
)
def test_an_empty_main_part_or_a_teaser_is_not_the_page(marked: str) -> None:
    for body in (f"{marked}<div><h1>Ferry</h1>{STORY}</div>", f"<div><h1>Ferry</h1>{STORY}</div>{marked}"):
        assert "The last ferry" in words(read(body))


def test_of_several_articles_the_long_one_is_the_page() -> None:
    cards = "".join(
        f"<article><h3>Card {n}</h3><p>A short one about boats of kind {n}.</p></article>" for n in range(4)
    )
    text = words(read(f"<article><h1>Ferry</h1>{STORY}</article><div>{cards}</div>"))
    assert "The last ferry" in text
    assert "Card 2" not in text


FAQ = {
    "@context": "https://schema.org",
    "@graph": [
        {
            "@type": "FAQPage",
            "mainEntity": [
                {
                    "@type": "Question",
                    "name": "When does the ferry leave?",
                    "acceptedAnswer": {
                        "@type": "Answer",
                        "text": "<p>At seven.</p><p>On Sundays at nine.</p>",
                    },
                }
            ],
        }
    ],
}
ARTICLE = {
    "@type": "NewsArticle",
    "headline": "When does the ferry leave?",
    "articleBody": "At seven.\n\nOn Sundays at nine.",
}


@pytest.mark.parametrize("told", [FAQ, ARTICLE, [FAQ]])
def test_a_shell_is_read_by_what_it_tells_search_engines(told: object) -> None:
    script = f"<script type='application/ld+json'>{json.dumps(told)}</script>"
    page = read(f"{script}<div id=root></div><script>start()</script>")
    assert page.sections[-1].heading == "When does the ferry leave?"
    assert "On Sundays at nine." in page.sections[-1].text
    assert "At seven" not in words(read(f"{script}<main>{STORY}</main>"))


def test_a_shell_is_read_by_what_it_has_for_readers_without_scripts() -> None:
    aside = "<noscript><p>The ferry leaves at seven.</p></noscript>"
    assert "leaves at seven" in words(read(f"<div id=root></div>{aside}"))
    assert "leaves at seven" not in words(read(f"<main>{STORY}</main>{aside}"))


@pytest.mark.parametrize("asks", ["You need to enable JavaScript to run this app.", "Please allow scripts."])
def test_a_request_for_scripts_is_no_text(asks: str) -> None:
    with pytest.raises(PageUnreadable, match="no text"):
        read(f"<noscript>{asks}</noscript><div id=root></div>")


def test_a_page_of_frames_names_them() -> None:
    html = (
        b"<html><frameset cols='20%,*'><frame src=menu.html><frame src='/ferry/text.html'></frameset></html>"
    )
    with pytest.raises(
        PageUnreadable, match=r"frames.*https://n\.test/menu\.html, https://n\.test/ferry/text\.html"
    ):
        extract(html, url="https://n.test/ferry", content_type="text/html", fetched_at=NOW)


@pytest.mark.parametrize("told", ["{", "[" * 5000, '{"acceptedAnswer": 3}', '{"articleBody": ["x"]}', "null"])
def test_broken_json_for_search_engines_is_no_text(told: str) -> None:
    with pytest.raises(PageUnreadable):
        read(f"<script type='application/ld+json'>{told}</script><div id=root></div>")
