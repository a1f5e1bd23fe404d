"""`askpage verified …` as an operator meets it: found, shown, edited, withdrawn and on record."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from bot.cards.places import NO_PLACE
from cli import main
from core.records import Answer
from feedback.privacy.audit import Audit, AuditAction
from feedback.store.sqlite import SqliteStore
from tests.builders.records import answer, question
from tests.builders.rulings import ReviewProcess
from tests.builders.world import live

Run = Callable[..., Any]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    (tmp_path / "pseudonym.key").write_text("a key of the tests, long enough\n")

    def invoke(*words: str) -> Any:
        return CliRunner().invoke(main.app, ["verified", *words, "--data-dir", str(tmp_path)])

    return invoke


async def kept(folder: Path, look: Callable[[ReviewProcess], Any]) -> Any:
    """Do something with what is in the store, as a bot would that runs beside the command."""
    store = SqliteStore.open(folder / "askpage.sqlite3")
    try:
        return await look(ReviewProcess(store, store.documents))
    finally:
        await store.close()


async def fill(process: ReviewProcess) -> list[Answer]:
    answers = [await process.flagged(number) for number in (1, 2)]
    for given, text in zip(answers, ("30 days.", "A dog may come."), strict=True):
        await process.rule(given, text)
    [first, _] = [await process.repository.read_verified(one.id) for one in answers]
    assert first is not None
    asked = question(3, asked_at=datetime.now(UTC))
    await process.store.add_question(asked)
    await process.store.add_answer(
        answer(asked, verified_at=first.verified_at, answered_at=datetime.now(UTC), verified_by="p-robin")
    )
    return answers


async def test_an_operator_lists_shows_edits_and_withdraws(tmp_path: Path, run: Run) -> None:
    def call(*words: str) -> Any:
        return asyncio.to_thread(run, *words)

    [first, dog] = await kept(tmp_path, fill)
    listed = json.loads((await call("list", "--json")).stdout)["verified"]
    assert [(one["answer"], one["served"], one["reviewer"]) for one in listed] == [
        (dog.id, 0, "Robin"),
        (first.id, 1, "Robin"),
    ]
    for words, wanted in (
        (("--about", "dog"), [dog.id]),
        (("--unused",), [dog.id]),
        (("--served-least", "1"), [first.id]),
        (("--page", "EXAMPLE.com/leave", "--newer-than", "1"), [dog.id, first.id]),
        (("--older-than", "1"), []),
        (("--reviewer", "kim"), []),
    ):
        found = json.loads((await call("list", "--json", *words)).stdout)["verified"]
        assert [one["answer"] for one in found] == wanted, words
    edited = await call("edit", dog.id, "--text", "No dogs.", "--place", "p2", "--reason", "a new rule")
    based = "Based on https://example.com/leave#days: “Ask your supervisor.”"
    assert (edited.exit_code, edited.output) == (0, f"It is served from now on.\n{based}\n")
    shown = json.loads((await call("show", dog.id, "--json")).stdout)
    assert (shown["text"], shown["places"][0]["quote"]) == ("No dogs.", "Ask your supervisor.")
    assert [(step["by"], step["text"], step["holds"]) for step in shown["history"]] == [
        ("Robin", "A dog may come.", False),
        ("An operator", "No dogs.", True),
    ]
    assert shown["history"][0]["ended"]["reason"] == "a new rule"
    in_words = (await call("show", dog.id)).output
    assert "An operator edited the decision (a new rule)" in in_words
    assert f"  none  {NO_PLACE}" in in_words
    for text, place, cited in (("You get 26 days.", "auto", "You get 26 days."), ("Ask Kim.", "none", "")):
        await call("edit", dog.id, "--text", text, "--place", place)
        places = json.loads((await call("show", dog.id, "--json")).stdout)["places"]
        assert [one["quote"] for one in places] == ([cited] if cited else [])
    gone = await call("withdraw", dog.id, "--reason", "never")
    assert gone.exit_code == 0

    async def look(process: ReviewProcess) -> None:
        assert [one.answer_id for one in await live(process.repository)] == [first.id]
        audited_actions = {
            entry.what: entry.who async for entry in Audit(process.repository.documents).entries()
        }
        assert audited_actions[AuditAction.TOOK_BACK].startswith("operator ")
        assert {AuditAction.EDITED, AuditAction.READ_VERIFIED, AuditAction.OPENED} <= audited_actions.keys()
        assert dog.id in {name for name, _ in await process.repository.claim_outbox_entries(9)}, (
            "bots show what follows"
        )

    await kept(tmp_path, look)
    assert (await call("edit", first.id, "--text", "31 days.")).exit_code == 0
    for words, said in (
        (("withdraw", dog.id), "No verified answer begins with"),
        (("show", "an"), "give more of the id"),
        (("edit", first.id, "--text", "31 days."), "already says"),
        (("edit", first.id, "--text", "31", "--place", "p9"), "There is no place 'p9'"),
    ):
        refused = await call(*words)
        assert said in str(refused.exception), words
