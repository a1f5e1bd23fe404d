"""Questions that get no answer are counted by their reason, and nobody waits for that."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from bot.dialogs.ask import Asking, StillReading
from core.records import Channel
from feedback.metrics.failures import FailureCounts, read_failures
from feedback.store.sqlite import SqliteStore
from model.onnx_infer import EngineBusy, PromptTooLong
from tests.builders.asking import ReplyRecorder, Scripted, question


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (EngineBusy(1.0), "busy"),
        (PromptTooLong(900, 96, 512), "too_long"),
        (StillReading("I am still reading."), "reading"),
        (RuntimeError("a bug"), "error"),
    ],
)
async def test_a_question_without_an_answer_is_counted(tmp_path: Path, error: Exception, reason: str) -> None:
    store = SqliteStore.open(tmp_path / "store.sqlite3")
    asking = Asking(store, Scripted(error=error))
    asking.on_failed = FailureCounts(store.documents).count
    await asking.receive(question(), ReplyRecorder())
    await asking.drain(5)
    today = datetime.now(UTC).date()
    assert await read_failures(store.documents, today, today) == {reason: 1}
    assert await read_failures(store.documents, today, today, Channel.SLACK) == {}
    await store.close()
