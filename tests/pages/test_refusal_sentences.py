"""Every sentence with which a page is refused to somebody who asked is one that the catalogues have."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from core.translation import is_sayable, say, speak
from pages.fetched import Fetched, PageRefused
from pages.parse.sandbox import Sandbox

ROOT = Path(__file__).parents[2] / "pages"
ASKED_FOR = [
    ROOT / "fetched.py",
    ROOT / "library.py",
    *sorted(path for room in ("fetch", "parse", "visibility") for path in (ROOT / room).rglob("*.py")),
]
REFUSALS = {"PageRefused", "AddressRefused", "PageUnreachable", "PageGone", "SignInNeeded", "PageUnreadable"}


def list_refusals() -> Iterator[tuple[str, ast.expr]]:
    for path in ASKED_FOR:
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in REFUSALS:
                yield f"{path.relative_to(ROOT)}:{node.lineno}", node.args[0]


def test_no_sentence_is_put_together_before_its_language_is_known() -> None:
    found = dict(list_refusals())
    assert len(found) > 80
    for place, sentence in found.items():
        match sentence:
            case ast.Call(func=ast.Name(id="mark")) | ast.Name() | ast.IfExp():
                pass  # a text for the catalogues, or the name of one
            case ast.Call(func=ast.Attribute(attr="from_json")):
                pass  # what the sandbox made of one
            case ast.Constant(value=str(joined)):
                assert joined in {"{name}: {why}", "{what} {why}"}, place
            case _:
                raise AssertionError(f"{place}: {ast.unparse(sentence)}")


BROKEN = [
    (b"%PDF-1.4 nothing else", "application/pdf", "Dieses PDF ist beschädigt"),
    (
        b"PK\3\4 cut off",
        "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
        "Diese Datei ist beschädigt",
    ),
    (b"<html><body></body></html>", "text/html", "Auf dieser Seite steht kein Text"),
    (
        b"<html><frameset><frame src='a.html'></frameset></html>",
        "text/html",
        "Diese Seite besteht aus Frames",
    ),
    (
        b"\0" * 10,
        "image/png",
        "Seiten der Art image/png kann ich nicht lesen; ich kann lesen: HTML, Markdown, einfachen Text",
    ),
    (b"{\\rtf1 " + b"{" * 100_000, "application/rtf", "Diese RTF-Datei ist"),
]


@pytest.mark.parametrize(("body", "kind", "said"), BROKEN, ids=[kind for _, kind, _ in BROKEN])
async def test_what_the_sandbox_refuses_is_said_in_the_askers_language(
    body: bytes, kind: str, said: str
) -> None:
    sandbox = Sandbox(timeout_s=30, workers=1)
    try:
        with pytest.raises(PageRefused) as refused:
            await sandbox.extract(Fetched("https://example.com/", body, kind), datetime.now(UTC))
    finally:
        await sandbox.close()
    with speak("de"):
        assert is_sayable(refused.value.sentence)
        assert say(refused.value.sentence).startswith(said)
    assert "Diese" not in str(refused.value)
