"""What a page of HTML says about itself beside its text: whether it is the page at all, and where that is.

    refresh     a meta refresh: the address to which it sends its reader
    canonical   the address that it calls its own
    sign_in     it is a form to sign in with, in place of the page
    not_found   it says that there is no such page, though the server said 200
    by_script   its text is put together by a program in the browser, and stands nowhere else in it

Judged by what a page has besides navigation: one with many words is a page, whatever else stands on it. Words
for "sign in" and "not found" are those of the title or the first heading, in a dozen languages.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import islice

from pages.parse.decoding import decode
from pages.parse.shells import SHELL_WORDS, tells_without_scripts
from pages.visibility.html_tree import Element, parse_html, to_one_line, visible

FEW_WORDS = 80
"""Words beside navigation: no page is a form to sign in, or an error, that tells more."""
_COUNTED = 400
_LONGEST_WAIT_S = 5
_LONGEST_ADDRESS = 4000
_SCRIPTS_OF_CJK = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af\u0e00-\u0e7f]")
_REFRESH = re.compile(
    r"\s*(\d{1,6})(?:\.\d{0,6})?\s{0,9}[;,\s]\s{0,9}(?:url\s{0,9}=\s{0,9})?(\S.*)", re.I | re.S
)
_PARTS = re.compile(r"\s[-–—|·•:»]\s|[|·•»]|: ")
_SIGN_IN = re.compile(
    r"(?:please )?(?:sign|log)[ -]?(?:in|on)\b|login\b|single sign-on|authentication required|access denied"
    r"|anmelden\b|anmeldung\b|bitte melden sie sich an|einloggen\b|connexion\b|se connecter|identifiez-vous"
    r"|iniciar sesi[oó]n|inicia sesi[oó]n|acceder\b|accedi\b|accesso\b|iniciar sess[aã]o|entrar\b|inloggen\b"
    r"|aanmelden\b|logga in|log p[aå]\b|kirjaudu|zaloguj|logowanie|p[rř]ihl[aá][sš]|войти|вход\b|авторизация"
    r"|giriş yap|oturum aç|ログイン|サインイン|登录|登入|로그인",
    re.IGNORECASE,
)
_NOT_FOUND = re.compile(
    r"(?:http |error |fehler |erreur )?404\b|not found"
    r"|(?:the |this |that )?(?:requested )?(?:page|file|document|url|site|resource) .{0,60}"
    r"(?:not (?:be )?found|n't (?:be )?found|no longer|not exist|n't exist|not available)"
    r"|(?:sorry, ?)?(?:we )?(?:can't|can’t|cannot|couldn't|couldn’t|could not) find (?:that|this|the) page"
    r"|(?:diese )?seite (?:wurde )?nicht (?:gefunden|vorhanden)|page (?:introuvable|non trouv[eé]e)"
    r"|p[aá]gina n(?:o|[aã]o) encontrada|pagina niet gevonden|pagina non trovata"
    r"|sid(?:an|en) (?:kunde inte |blev )?(?:hitta|ikke )|sivua ei l[oö]yd|nie znaleziono strony"
    r"|str[aá]nka (?:nebyla )?nenalezena|страница не найдена|sayfa bulunamad|ページが見つかりません"
    r"|(?:页面|頁面)(?:不存在|未找到)|找不到(?:页面|頁面)|페이지를 찾을 수 없",
    re.IGNORECASE,
)
_HEADS_TO_SIGN_IN = frozenset(
    """
    samlrequest samlresponse wresult wctx os_username flowtoken okta-signin-username okta-signin-submit
    """.split()  # noqa: SIM905 - a list of names reads better so
)
_SIGN_IN_PROGRAM = re.compile(
    r"okta-?sign-?in|okta-login-container|aadcdn\.ms(?:ft)?auth\.net|msftauth\.net|kc-form-login|auth0-lock"
    r"|cognito-hosted|saml-post-binding|accounts\.google\.com/(?:v3/)?signin"
)
_ROOTS = frozenset(
    "root app __next __nuxt ___gatsby main-app app-root react-root application spa svelte mount gwt".split()  # noqa: SIM905
)
_NEEDS_SCRIPT = re.compile(r"java ?script|\bjs\b", re.IGNORECASE)
_LOADING = re.compile(
    r"(?:loading|please wait|wird geladen|chargement|cargando|読み込み中|加载中)\b.{0,20}", re.I
)
_OTHER_THAN_TEXT = frozenset({"script", "style", "noscript", "template", "head", "svg", "select", "textarea"})
_AROUND = frozenset({"nav", "header", "footer"})


@dataclass(frozen=True, slots=True)
class PageSigns:
    """See the module; addresses are as they are written there."""

    refresh: str = ""
    canonical: str = ""
    sign_in: bool = False
    not_found: bool = False
    by_script: bool = False

    @property
    def is_no_page(self) -> bool:
        """Whether the text of it is nothing to answer from."""
        return bool(self.refresh) or self.sign_in or self.not_found


def read_signs(body: bytes, charset: str | None = None) -> PageSigns:
    """Return what a page says about itself. Raises PageUnreadable for trees that would take minutes."""
    root = parse_html(visible(decode(body, charset, declares=True)))
    if root is None:
        return PageSigns()
    words = count_words(root)
    called = _names(root) if words < FEW_WORDS else []
    return PageSigns(
        refresh=_refresh(root, words),
        canonical=_canonical(root),
        sign_in=words < FEW_WORDS and _asks_to_sign_in(root, called, words),
        not_found=any(_NOT_FOUND.match(name) for name in called),
        by_script=words < SHELL_WORDS and _is_put_together(root) and not tells_without_scripts(root),
    )


def count_words(root: Element) -> int:
    """Return how many words a page has beside navigation, 400 at most; of scripts without spaces, letters."""
    count = 0
    for text in _texts(root):
        letters = len(_SCRIPTS_OF_CJK.findall(text))
        count += len(text.split()) + letters // 2
        if count >= _COUNTED:
            return _COUNTED
    return count


def _texts(root: Element) -> list[str]:
    """Return the pieces of text that are neither program nor navigation, in no order."""
    found: list[str] = []
    waiting = [root]
    while waiting and len(found) < 4 * _COUNTED:
        element = waiting.pop()
        tag = element.tag if isinstance(element.tag, str) else "script"
        if tag in _OTHER_THAN_TEXT or tag in _AROUND or element.get("role") == "navigation":
            continue
        found += [element.text] if element.text and not element.text.isspace() else []
        for child in element.iterchildren():
            found += [child.tail] if child.tail and not child.tail.isspace() else []
            waiting.append(child)
    return found


def _names(root: Element) -> list[str]:
    """Return the parts of the title and the first headings, as they read in a line."""
    title = root.find(".//title")
    elements = [*([title] if title is not None else []), *islice(root.iter("h1", "h2"), 2)]
    whole = [to_one_line("".join(element.itertext()))[:300] for element in elements]
    return [part.strip() for name in whole for part in _PARTS.split(name) if part.strip()]


def _refresh(root: Element, words: int) -> str:
    """Return where a meta refresh leads, if that is what the page is for."""
    for meta in root.iter("meta"):
        if (meta.get("http-equiv") or "").strip().lower() != "refresh" or _stands_in(meta, "noscript"):
            continue
        written = _REFRESH.match((meta.get("content") or "")[:_LONGEST_ADDRESS])
        if written and (int(written[1]) <= _LONGEST_WAIT_S or words < FEW_WORDS):
            target = written[2].strip()
            quote = target[0] if target[0] in "\"'" else ""
            return target[1:].partition(quote)[0].strip() if quote else target
    return ""


def _canonical(root: Element) -> str:
    """Return the address that the page calls its own; nothing where it names several."""
    links = [link for link in root.iter("link") if "canonical" in (link.get("rel") or "").lower().split()]
    named = {(link.get("href") or "").strip()[:_LONGEST_ADDRESS] for link in links} - {""}
    return named.pop() if len(named) == 1 else ""


def _stands_in(element: Element, tag: str) -> bool:
    above = element.getparent()
    while above is not None:
        if above.tag == tag:
            return True
        above = above.getparent()
    return False


def _asks_to_sign_in(root: Element, called: list[str], words: int) -> bool:
    inputs = [(one.get("type") or "").lower() for one in root.iter("input")]
    if "password" in inputs:
        return True
    marks = {(one.get(name) or "").lower() for one in root.iter("input") for name in ("name", "id")}
    if marks & _HEADS_TO_SIGN_IN:
        return True
    if not any(_SIGN_IN.match(name) for name in called):
        return False
    asks_name = {"email", "text", "submit"} & set(inputs) or next(root.iter("form"), None) is not None
    return bool(asks_name) or _is_sign_in_program(root) or (words < SHELL_WORDS and _has_script(root))


def _is_sign_in_program(root: Element) -> bool:
    return any(
        _SIGN_IN_PROGRAM.search(said[:20_000].lower())
        for one in root.iter("div", "form", "script", "link")
        for said in (one.get("id") or "", one.get("src") or "", one.get("href") or "", one.text or "")
    )


def _has_script(root: Element) -> bool:
    return next(root.iter("script"), None) is not None


def _is_put_together(root: Element) -> bool:
    """Tell whether a page of next to no words is one that a script fills."""
    if not _has_script(root):
        return False
    texts = _texts(root)
    if not "".join(texts).strip() or any(_LOADING.match(text.strip()) for text in texts):
        return True
    asks = any(_NEEDS_SCRIPT.search("".join(one.itertext())[:500]) for one in root.iter("noscript"))
    return asks or any(_is_empty_root(one) for one in root.iter("div", "main", "app-root", "section"))


def _is_empty_root(element: Element) -> bool:
    name = (element.get("id") or "").lower()
    return (name in _ROOTS or element.tag == "app-root") and not "".join(element.itertext()).strip()
