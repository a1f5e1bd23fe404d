"""What a page of HTML says of itself: that it is elsewhere, behind a sign-in, missing, made by a script."""

from __future__ import annotations

import pytest

from pages.parse.landing import FEW_WORDS, PageSigns, count_words, read_signs
from pages.visibility.html_tree import parse_html

TOLD = '{"@type": "Question", "name": "How long is leave?", "acceptedAnswer": {"text": "It is 84 days."}}'
TEXT = "<p>" + "Everyone gets 26 days of leave. " * 20


def signs(html: str) -> PageSigns:
    return read_signs(html.encode())


def page(title: str, body: str = "", head: str = "") -> str:
    return f"<html><head><title>{title}</title>{head}</head><body>{body}</body></html>"


FORM = "<form><input name=user><input type=password name=p><button>Go</button></form>"


@pytest.mark.parametrize(
    "html",
    [
        page("Wiki", FORM),
        page("Log In - Confluence", "<form><input name=os_username><input name=os_password></form>"),
        page(
            "Sign in to your account",
            "<div id=x></div><script src='https://aadcdn.msauth.net/a.js'></script>",
        ),
        page("Sign in - Google Accounts", "<form><input type=email></form>"),
        page("ACME - Sign In", "<div id='okta-sign-in'></div><script>var o = new OktaSignIn()</script>"),
        page("Working", "<form action='https://idp.test/sso'><input name=SAMLRequest value=x></form>"),
        page("Anmelden | Intranet", "<form><input type=text></form>"),
        page("Connexion", "<form><input type=email></form>"),
        page("ログイン", "<form><input type=text></form>"),
        page("Portal", f"<nav>{TEXT}</nav>{FORM}<footer>{TEXT}</footer>"),
    ],
)
def test_a_form_to_sign_in_is_known_by_its_fields_its_title_or_its_program(html: str) -> None:
    assert signs(html).sign_in


@pytest.mark.parametrize(
    "html",
    [
        page("Leave", TEXT + FORM),
        page("Login", "<h1>Login</h1><p>Use your badge number as the user name of the portal."),
        page("Sign in to the building", "<h1>Visitors</h1>" + TEXT),
        page("Leave", "<p>26 days.<form><input name=q type=search></form>"),
        page("Blog", "<p>A short note.<form><input type=email></form>"),
    ],
)
def test_a_page_with_text_or_about_signing_in_is_a_page(html: str) -> None:
    assert not signs(html).sign_in


@pytest.mark.parametrize(
    ("html", "missing"),
    [
        (page("Page not found", "<h1>404</h1>"), True),
        (page("ACME | Error 404", "<p>Sorry."), True),
        (page("Help", "<h1>The page you requested could not be found</h1>"), True),
        (page("Help", "<h1>Oops</h1><h2>We can’t find that page</h2>"), True),
        (page("Seite nicht gefunden", "<p>Zur Startseite"), True),
        (page("Erreur", "<h1>Page introuvable</h1>"), True),
        (page("页面不存在"), True),
        (page("Ayuda", "<h1>Página no encontrada</h1>"), True),
        (page("404 Not Found - HTTP", "<h1>404 Not Found</h1>" + TEXT), False),
        (page("Room 404", "<p>Room 404 is on the fourth floor."), False),
        (page("Lost and found", "<p>What was found is with the porter."), False),
    ],
)
def test_a_page_that_says_that_there_is_none_is_known_whatever_its_status(html: str, missing: bool) -> None:
    assert signs(html).not_found is missing


@pytest.mark.parametrize(
    ("html", "made"),
    [
        (page("App", "<div id=root></div><script src=a.js></script>"), True),
        (page("App", "<app-root></app-root><script src=a.js></script>"), True),
        (page("App", "<div id=app><p>Loading…</p></div><script src=a.js></script>"), True),
        (page("App", "<noscript>You need to enable JavaScript.</noscript><p>Hi<script>go()</script>"), True),
        (page("App", "<div class=x></div><script>go()</script>"), True),
        (page("Hours", "<p>We are open from 9 to 17.<script src=count.js></script>"), False),
        (page("Leave", f"<div id=root>{TEXT}</div><script src=a.js></script>"), False),
        (page("Empty", "<div id=root></div>"), False),
        (page("App", f"<div id=root></div><noscript><p>{TEXT}</noscript><script>go()</script>"), False),
        (page("App", "<div id=root></div><script type='application/ld+json'>" + TOLD + "</script>"), False),
        (page("App", "<div id=root></div><script type='application/ld+json'>{}</script>"), True),
    ],
)
def test_a_page_that_a_script_puts_together_is_known(html: str, made: bool) -> None:
    assert signs(html).by_script is made


@pytest.mark.parametrize(
    ("content", "body", "target"),
    [
        ("0; url=/ok", "", "/ok"),
        ("0;URL='/ok'", "", "/ok"),
        ('3, url="https://x.test/a?b=1&c=2"', TEXT, "https://x.test/a?b=1&c=2"),
        ("0 /ok", "", "/ok"),
        ("0.5; url = /ok", "", "/ok"),
        ("10; url=/ok", "<p>Moved.", "/ok"),
        ("60; url=/ok", TEXT, ""),
        ("30", TEXT, ""),
        ("soon; url=/ok", "", ""),
    ],
)
def test_a_meta_refresh_leads_on_unless_people_are_to_read_the_page_first(
    content: str, body: str, target: str
) -> None:
    written = content.replace('"', "&quot;")
    head = f'<meta http-equiv="Refresh" content="{written}">'
    assert signs(page("Moved", body, head)).refresh == target
    assert signs(page("Moved", body, f"<noscript>{head}</noscript>")).refresh == ""


def test_one_address_of_its_own_counts_and_two_do_not() -> None:
    link = "<link rel='canonical' href=' /leave '>"
    assert signs(page("Leave", TEXT, link)).canonical == "/leave"
    assert signs(page("Leave", TEXT, link + link)).canonical == "/leave"
    assert signs(page("Leave", TEXT, link + "<link rel=canonical href=/other>")).canonical == ""
    assert signs(page("Leave", TEXT, "<link rel=stylesheet href=/a.css>")).canonical == ""


def test_words_are_counted_beside_navigation_in_scripts_without_spaces_too() -> None:
    root = parse_html("<body><nav>a b c</nav><p>one two</p><script>x y</script><p>年次有給休暇二十日です")
    assert root is not None
    assert count_words(root) == 2 + 1 + 11 // 2
    assert FEW_WORDS > 0
    assert signs("") == signs("\0") == PageSigns()
