"""Who may read a page, as it is written: front matter, and rules of the settings."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
from pydantic import ValidationError

from core.readers import (
    EVERYONE,
    NOBODY,
    Readers,
    UnreadableReaders,
    current_audience,
    parse_readers,
    reading_as,
)
from core.records import Page
from core.settings import Settings
from feedback.store.serialization import from_json, to_json
from pages.parse.extract import extract
from pages.readers import ReaderRules

HR = Readers(frozenset({"entra:group:hr"}))
BOTH = Readers(frozenset({"entra:group:hr", "slack:channel:C1"}))


def read(front: str, kind: str = "text/markdown") -> Page:
    body = f"---\n{front}\n---\n# Pay\n\nThe bonus is 12 euros.\n".encode()
    return extract(body, url="/site/pay", content_type=kind, fetched_at=datetime.now(UTC))


@pytest.mark.parametrize(
    ("front", "readers"),
    [
        ("title: Pay", EVERYONE),
        ("readers: everyone", EVERYONE),
        ("readers: entra:group:hr", HR),
        ("readers: entra:group:HR", HR),
        ("Readers: [entra:group:hr]", HR),
        ("title: Pay\nreaders:\n  - entra:group:hr\n  - slack:channel:C1", BOTH),
        ("readers: entra:group:hr, slack:channel:C1", BOTH),
        ("readers: nobody", NOBODY),
        ("readers: []", NOBODY),
        ("readers:", NOBODY),
        ("readers: hr", NOBODY),
        ("readers: [entra:group:hr, the board]", NOBODY),
        ("readers: {a: b}", NOBODY),
        ("readers: 12", NOBODY),
        ("readers: entra:group:hr\nReaders: slack:channel:C1", NOBODY),
        ('readers: "entra:group:hr\ntitle: [', NOBODY),
        ("title: a: b: c\nreaders: entra:group:hr", NOBODY),
        ("a text about readers: all of them\ntitle: [", EVERYONE),
    ],
)
@pytest.mark.parametrize("kind", ["text/markdown", "text/plain"])
def test_front_matter_names_readers_and_what_cannot_be_read_closes_the_page(
    front: str, readers: Readers, kind: str
) -> None:
    page = read(front, kind)
    assert page.readers == readers
    if readers == NOBODY and "nobody" not in front:
        assert any("Nobody" in one or "nobody" in one for one in page.unread), "whoever wrote it is told"


def test_front_matter_without_its_end_closes_the_page() -> None:
    body = b"---\nreaders: entra:group:hr\n\n# Pay\n\nThe bonus is 12 euros.\n"
    page = extract(body, url="/x.md", content_type="text/markdown", fetched_at=datetime.now(UTC))
    assert page.readers == NOBODY


def test_readers_are_kept_with_their_page_and_older_records_have_everyone() -> None:
    page = read("readers: entra:group:hr")
    assert from_json(Page, to_json(page)) == page
    older = to_json(read("title: Pay")).replace('"readers":{"principals":null},', "")
    assert "readers" not in older
    assert from_json(Page, older).readers == EVERYONE


@pytest.mark.parametrize(
    ("asker", "everyone", "hr", "nobody"),
    [
        ((), True, False, False),
        (("entra:group:hr",), True, True, False),
        (("entra:group:it", "slack:channel:C1"), True, False, False),
        (("entra:group:it", "entra:group:hr"), True, True, False),
    ],
)
def test_one_principal_in_common_is_enough(
    asker: tuple[str, ...], everyone: bool, hr: bool, nobody: bool
) -> None:
    assert [one.allow(asker) for one in (EVERYONE, HR, NOBODY)] == [everyone, hr, nobody]


@pytest.mark.parametrize(
    ("rule", "url", "source", "readers"),
    [
        ("/site/hr/=entra:group:hr", "/site/hr/pay", "hr", HR),
        ("/site/hr/=entra:group:hr", "/site/HR/pay", "hr", HR),
        ("/site/hr/=entra:group:hr", "/site/hrx/pay", "docs", EVERYONE),
        ("/site/hr/=entra:group:hr", "/site/docs/site/hr/pay", "docs", EVERYONE),
        ("*/board/*=nobody", "https://wiki.example/x/board/pay", "s", NOBODY),
        ("https://wiki.example/our%20pay*=nobody", "https://wiki.example/our%20pay/1", None, NOBODY),
        ("https://wiki.example/our pay*=nobody", "https://wiki.example/our%20pay/1", None, NOBODY),
        ("hr=https://x.example/hr=nobody", "https://x.example/hr/pay/", "hr=https://x.example/hr", NOBODY),
        ("/site/*=entra:group:hr slack:channel:C1", "/site/hr/pay", "hr", BOTH),
        ("/site/*=everyone", "/site/hr/pay", "hr", EVERYONE),
    ],
)
def test_a_rule_closes_what_it_matches(rule: str, url: str, source: str | None, readers: Readers) -> None:
    assert ReaderRules([rule]).narrow(EVERYONE, url, source) == readers


def test_rules_narrow_and_never_open() -> None:
    rules = ReaderRules(["/site/*=everyone", "/site/hr/=entra:group:hr"])
    assert rules.narrow(NOBODY, "/site/x", None) == NOBODY
    assert rules.narrow(BOTH, "/site/hr/x", None) == HR
    assert rules.narrow(Readers(frozenset({"slack:channel:C1"})), "/site/hr/x", None) == NOBODY
    assert rules.list_idle([("/site/x", None)]) == ["/site/hr/"]


@pytest.mark.parametrize("rule", ["/site/hr", "=nobody", "/site/hr/=", "/site/hr/=hr", "/site/hr/=a:b"])
def test_a_rule_that_cannot_be_read_stops_the_start(rule: str, tmp_path: Path) -> None:
    with pytest.raises(UnreadableReaders):
        ReaderRules([rule])
    with pytest.raises(ValidationError):
        Settings(data_dir=tmp_path, page_readers=[rule])


def test_who_looks_for_nobody_in_particular_has_no_principals() -> None:
    assert current_audience() == frozenset()
    with reading_as(["entra:group:hr"]):
        assert current_audience() == {"entra:group:hr"}
        with reading_as(()):
            assert current_audience() == frozenset()
    assert current_audience() == frozenset()
    assert parse_readers("entra:user:A") == Readers(frozenset({"entra:user:a"}))
