"""`askpage pages who`: whether somebody may read a page, and why."""

from __future__ import annotations

import pytest

from cli.pages.readers import judge
from core.readers import EVERYONE, NOBODY, Readers

BOTH = Readers(frozenset({"entra:group:hr", "slack:channel:C1"}))


@pytest.mark.parametrize(
    ("readers", "principals", "may", "why"),
    [
        (EVERYONE, (), True, "everyone may"),
        (NOBODY, ("entra:group:hr",), False, "nobody may"),
        (BOTH, ("entra:user:ada", "entra:group:hr"), True, "the page names entra:group:hr"),
        (BOTH, ("entra:user:ada",), False, "the page names none of entra:user:ada"),
        (BOTH, (), False, "the page names none of these"),
    ],
)
def test_it_says_whether_and_why(readers: Readers, principals: tuple[str, ...], may: bool, why: str) -> None:
    ruling = judge(readers, principals)
    assert (ruling.may, ruling.why) == (may, why)
    assert set(ruling.by) == (readers.principals or frozenset()) & set(principals)


def test_json_tells_everyone_from_nobody() -> None:
    assert [one.to_list() for one in (EVERYONE, NOBODY, BOTH)] == [
        None,
        [],
        ["entra:group:hr", "slack:channel:C1"],
    ]
    assert [str(one) for one in (EVERYONE, NOBODY, BOTH)] == [
        "everyone",
        "nobody",
        "entra:group:hr, slack:channel:C1",
    ]
