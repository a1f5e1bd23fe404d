"""Nothing of a page reaches whoever may not read it: every surface, in every place, whatever became of it.

The whole table is filled once for each state of the pages, by the bot's own parts; each case looks at one
cell. What may be read where is written in tests/builders/restricted.py by hand.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path

import pytest

from tests.builders import restricted
from tests.builders.restricted import PAGES, PLACES, STATES, Office, Place, an_office, leaks

Surface = Callable[[Office, Place, str], Awaitable[str]]

IN_PLACES: Mapping[str, tuple[Surface, str]] = {
    "search": (restricted.by_search, "page"),
    "verified answer": (restricted.by_verified_answer, "ruling"),
    "pasted address": (restricted.by_pasted_address, "page"),
    "follow-up offers": (restricted.by_offers, "title"),
    "whole section": (restricted.by_section, "page"),
    "similar question": (restricted.by_similar, "ruling"),
    "neighbours in prompts": (restricted.by_neighbours, "ruling"),
    "list of pages": (restricted.by_list, "title"),
    "review card": (restricted.by_review_card, "answer"),
    "queue": (restricted.by_queue, "answer"),
    "press on a review card": (restricted.by_press, "answer"),
    "verified answers": (restricted.by_verified_list, "ruling"),
    "press on an answer's card": (restricted.by_rating, "page"),
    "what changed": (restricted.by_changes, "ruling"),
    "my overview": (restricted.by_overview, "title"),
    "notice": (restricted.by_notice, "ruling"),
    "history": (restricted.by_history, ""),
    "reviewers' page: queue": (restricted.by_reviews_queue, "answer"),
    "reviewers' page: verified": (restricted.by_reviews_served, "ruling"),
    "reviewers' page: press": (restricted.by_reviews_press, ""),
    "told alone": (restricted.by_told_alone, ""),
    "unasked": (restricted.by_unasked, ""),
    "ratings": (restricted.by_ratings, ""),
}
"""What shows in a place, by surface, and the word of an allowed page that has to stand there ("": may)."""
FOR_ANYBODY: Mapping[str, tuple[Surface, str]] = {
    "page viewer": (restricted.by_viewer, "page"),
    "link to a source": (restricted.by_link, "page"),
    "dashboard": (restricted.by_dashboard, "answer"),
    "export": (restricted.by_export, "answer"),
    "training data": (restricted.by_training, "ruling"),
    "search for nobody": (restricted.by_plain_search, "page"),
    "unfurled link and message extension": (restricted.by_preview, "page"),
    "first questions and known pages": (restricted.by_suggestions, "page"),
    "widget": (restricted.by_widget, "page"),
}
"""What anybody may see who gets there."""
AT_ONCE = {"list of pages", "my overview", "queue", "history", "dashboard", "export", "training data"}
"""Surfaces that show all there is, whatever is asked."""
NOWHERE = PLACES[1]
FEW = restricted.LOOKED_AT_AGAIN
"""Places that are looked at once readers have changed."""
IN_FEW = {
    "reviewers' page: queue",
    "reviewers' page: verified",
    "reviewers' page: press",
    "told alone",
    "unasked",
    "ratings",
    "my overview",
}
"""Surfaces that find their audience as others do: one place of each kind tells whether they ask for it."""

Cell = tuple[str, str, str]
"""State, surface, place."""


def list_places(state: str, surface: str) -> tuple[Place, ...]:
    return PLACES if state == STATES[0] and surface not in IN_FEW else FEW


async def _fill(state: str, folder: Path) -> dict[Cell, dict[str, str]]:
    cells: dict[Cell, dict[str, str]] = {}
    async with an_office(folder) as office:
        await office.fill()
        await office.change(state)
        for surface, (look, _) in FOR_ANYBODY.items():  # first: what people ask below are their own words
            cells[state, surface, "anybody"] = await _look(office, surface, look, NOWHERE)
        for surface, (look, _) in IN_PLACES.items():
            for place in list_places(state, surface):
                cells[state, surface, place.name] = await _look(office, surface, look, place)
    return cells


async def _look(office: Office, surface: str, look: Surface, place: Place) -> dict[str, str]:
    if surface in AT_ONCE:
        return dict.fromkeys(PAGES, await look(office, place, "open"))
    return {page: await look(office, place, page) for page in PAGES}


@pytest.fixture(scope="module")
def cells(tmp_path_factory: pytest.TempPathFactory) -> dict[Cell, dict[str, str]]:
    filled: dict[Cell, dict[str, str]] = {}
    for state in STATES:
        filled |= asyncio.run(_fill(state, tmp_path_factory.mktemp(state.replace(" ", ""))))
    return filled


def may_read(state: str, reads: frozenset[str]) -> frozenset[str]:
    match state:
        case "closed":
            return frozenset()
        case "opened":
            return frozenset(PAGES)
        case _:
            return reads


CASES = [
    *(
        (state, surface, place.name)
        for state in STATES
        for surface in IN_PLACES
        for place in list_places(state, surface)
    ),
    *((state, surface, "anybody") for state in STATES for surface in FOR_ANYBODY),
]
READS = {place.name: place.reads for place in PLACES} | {"anybody": frozenset({"open"})}


def test_there_are_enough_cases() -> None:
    assert len(CASES) * len(PAGES) >= 200


@pytest.mark.parametrize(("state", "surface", "place"), CASES)
def test_only_what_may_be_read_shows(
    cells: dict[Cell, dict[str, str]], state: str, surface: str, place: str
) -> None:
    allowed = may_read(state, READS[place])
    for asked, shown in cells[state, surface, place].items():
        crossed = [word for page in PAGES if page not in allowed for word in leaks(page) if word in shown]
        assert not crossed, f"asked about {asked}"


@pytest.mark.parametrize(
    ("surface", "place", "page", "shows"),
    [
        ("told alone", "ada", "group", True),
        ("told alone", "ada", "channel", False),  # she asked in the channel, and is not in it any more
        ("told alone", "bob", "open", True),
        ("unasked", "hr team", "open", True),
        ("unasked", "hr team", "group", False),  # for whoever did not ask, it looks at what is everybody's
    ],
)
def test_what_nobody_asked_for_here_is_for_its_reader_or_for_everybody(
    cells: dict[Cell, dict[str, str]], surface: str, place: str, page: str, *, shows: bool
) -> None:
    assert (f"ruling{page}zq" in cells["as found", surface, place][page]) is shows


@pytest.mark.parametrize(("surface", "place"), [case[1:] for case in CASES if case[0] == "as found"])
def test_what_may_be_read_does_show(cells: dict[Cell, dict[str, str]], surface: str, place: str) -> None:
    word = (IN_PLACES | FOR_ANYBODY)[surface][1]
    for state in ("as found", "opened"):
        shown = cells.get((state, surface, place), {})
        for page in may_read(state, READS[place]) & shown.keys():
            assert not word or f"{word}{page}zq" in shown[page], (state, page)
