"""Addresses in messages: where they end, what of a link with a title stays, what wrapped ones lead to."""

from __future__ import annotations

import base64
from urllib.parse import quote

import pytest

from bot.channels.links import split_page, unwrap_link

PAGE = "https://wiki.example.com/leave"


@pytest.mark.parametrize(
    "behind",
    [
        *("。", "、", "！", "？", "）", "”", "’", "»", "…", "」", "』", ".", "?!", "**", ";"),
        *("．", "｡", "؟", "؛", "۔", "।", "‥", "⋯", "—", "–", "—how", "〜", "・", "″", "⟩", "〕", "］", "｝"),
        *("\u200b", "\u202c", "\ufeff", "\ufffc", "’s rule", "؟ ما", "）。"),
    ],
)
def test_no_stop_of_any_script_belongs_to_an_address(behind: str) -> None:
    assert split_page(f"How long? {PAGE}{behind}")[1] == PAGE


@pytest.mark.parametrize(
    ("before", "after"),
    [
        *(("“", "”"), ("„", "“"), ("‘", "’"), ("«", "»"), ("「", "」"), ("<", ">")),
        *(("＂", "＂"), ("＇", "＇"), ("⟨", "⟩"), ("〔", "〕"), ("［", "］"), ("\u2060", "\u2060")),
    ],
)
def test_an_address_in_quotes_is_the_address(before: str, after: str) -> None:
    assert split_page(f"What does {before}{PAGE}{after} say?")[1] == PAGE


@pytest.mark.parametrize(
    "path", ["Hobson’s_choice", "東京", "a_(b)", "x?y=1&z=2#c", "Übung", "ア・イ", "Foo–Bar", "l·l"]
)
def test_what_addresses_may_hold_stays(path: str) -> None:
    assert split_page(f"{PAGE}/{path} how long?") == ("how long?", f"{PAGE}/{path}")


@pytest.mark.parametrize(
    ("text", "question"),
    [
        (f"[Leave]({PAGE}) how long?", "how long?"),
        (f"[{PAGE}]({PAGE}) how long?", "how long?"),
        (f"[www.example.com/other]({PAGE}) how long?", "how long?"),
        (f'[Leave]({PAGE} "Our policy") how long?', "how long?"),
        (f"How long? [Leave policy]({PAGE})", "How long?"),
        (f"How long is leave in [our policy]({PAGE})?", "How long is leave in our policy?"),
        (
            f"What does [this page]({PAGE}) say about sabbaticals?",
            "What does this page say about sabbaticals?",
        ),
    ],
)
def test_the_title_of_a_link_stays_where_the_sentence_needs_it(text: str, question: str) -> None:
    assert split_page(text) == (question, PAGE)


@pytest.mark.parametrize(
    ("text", "page"),
    [
        ("How long is leave on www.example.com/leave?", "https://www.example.com/leave"),
        ("How long is leave on WWW.example.co.uk?", "https://WWW.example.co.uk"),
        ("mail me at joe@www.example.com", None),
        ("is it in the www or not", None),
        ("How long is leave on intranet.example.com/leave?", "https://intranet.example.com/leave"),
        ("Is example.co.uk/a-b/c#d right?", "https://example.co.uk/a-b/c#d"),
        ("Is it on hr.example.com:8443/leave?", "https://hr.example.com:8443/leave"),
        ("Is node.js/express what README.md/docs or v2.in/out mean, e.g./i.e.?", None),
        ("who is ann@example.com/team", None),
        ("example.com how long", None),
    ],
)
def test_an_address_may_come_without_its_scheme(text: str, page: str | None) -> None:
    assert split_page(text)[1] == page


ESCAPED = quote(PAGE, safe="")
SAFE = f"https://eur01.safelinks.protection.outlook.com/?url={ESCAPED}&data=05%7Cann%40example.com&reserved=0"


@pytest.mark.parametrize(
    "wrapped",
    [
        SAFE,
        f"https://usg02.safelinks.protection.office365.us/GetUrlReputation?url={ESCAPED}",
        f"https://statics.teams.cdn.office.net/evergreen-assets/safelinks/1/atp-safelinks.html?url={ESCAPED}&x=1",
        f"https://urldefense.com/v3/__{PAGE}__;!!abc!def$",
        f"https://urldefense.proofpoint.com/v2/url?u={ESCAPED.replace('%', '-').replace('/', '_')}&d=x",
        f"https://urldefense.proofpoint.com/v1/url?u={ESCAPED}&k=x",
        f"https://linkprotect.cudasvc.com/url?a={ESCAPED}&c=E,1",
        f"https://secure-web.cisco.com/1aBcDeF/{ESCAPED}",
        f"https://eu-west-1.protection.sophos.com/?d=example.com&u={base64.b64encode(PAGE.encode()).decode()}&i=x",
        f"https://ca-1801.ctp.trendmicro.com/wis/clicktime/v1/query?url={ESCAPED}&umid=1",
        f"https://www.google.com/url?sa=t&q={ESCAPED}",
        f"https://l.facebook.com/l.php?u={ESCAPED}&h=x",
        f"https://slack-redir.net/link?url={ESCAPED}",
        f"https://urldefense.us/v3/__{PAGE}__;!!abc!def$",
        f"https://urldefense.com/v3/__{PAGE.replace('//', '/')}__;!!abc!def$",
        f"https://urldefense.com/v3/__{PAGE.replace('leave', 'l*ve')}__;ZWE!!abc$".replace("*", "**A"),
        f"https://urldefense.com/v3/__{PAGE.replace('leave', 'le*ve')}__;YQ!!abc$",
        f"https://deref-gmx.net/mail/client/x/dereferrer/?redirectUrl={ESCAPED}",
        f"https://deref-web.de/mail/client/y/dereferrer/?redirectUrl={ESCAPED}",
        f"https://www.linkedin.com/redir/redirect?url={ESCAPED}&urlhash=x",
        f"https://www.youtube.com/redirect?q={ESCAPED}&v=1",
        f"https://l.instagram.com/?u={ESCAPED}&e=x",
        f"https://duckduckgo.com/l/?uddg={ESCAPED}&rut=x",
        f"https://protect2.fireeye.com/v1/url?k=x&q=1&u={ESCAPED}",
        f"https://clicktime.symantec.com/3abc?u={ESCAPED}",
        f"https://mail.example.com/fmlurlsvc/?fewReq=:B:x&url={ESCAPED}",
        f"https://nam02.safelinks.protection.outlook.com/?url={quote(SAFE, safe='')}",
    ],
)
def test_a_wrapped_link_is_the_address_in_it(wrapped: str) -> None:
    assert split_page(f"How long? {wrapped}") == ("How long?", PAGE)


@pytest.mark.parametrize(
    "url",
    [
        "https://eur01.safelinks.protection.outlook.com/",
        "https://eur01.safelinks.protection.outlook.com/?url=javascript%3Aalert(1)",
        "https://www.google.com/search?q=https%3A%2F%2Fexample.com",
        f"https://safelinks.protection.outlook.com.evil.example/?url={ESCAPED}",
        f"https://example.com/redirect?url={ESCAPED}",
        "https://eu.protection.sophos.com/?u=%%%",
        "https://urldefense.com/v3/__javascript:alert(1)__;!!x$",
        "https://protect-us.mimecast.com/s/abc?domain=example.com",
        f"https://www.youtube.com/watch?q={ESCAPED}",
        f"https://linkedin.com.evil.example/safety/go?url={ESCAPED}",
        "https://[::1",
    ],
)
def test_any_other_address_stays_as_it_is(url: str) -> None:
    assert unwrap_link(url) == url
