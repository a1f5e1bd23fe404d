"""Which search head counts: over a restart, a roll back, a damaged file, and a deletion."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

from model.answering.search_head import SHIPPED, SHIPPED_HEAD, SearchHead
from model.registry.search_heads import (
    forget_head_answers,
    promote_head,
    read_live_head,
    read_standing,
    roll_back_head,
)

NOW = datetime(2026, 11, 1, tzinfo=UTC)


def head(sentence: float, *answers: str) -> SearchHead:
    return SearchHead(dict(SHIPPED) | {"sentence": sentence}, {"page": {"bias": -1.0}}, answers or ("a1",))


def test_without_a_file_the_shipped_weights_count(tmp_path: Path) -> None:
    assert read_live_head(tmp_path / "none") == SHIPPED_HEAD
    assert roll_back_head(tmp_path).live == ""


def test_a_head_that_was_promoted_counts_for_every_process(tmp_path: Path) -> None:
    name = promote_head(tmp_path, head(0.5), NOW)
    live = read_live_head(tmp_path)
    assert (live.name, live.ranking["sentence"], live.answers) == (name, 0.5, ("a1",))
    assert live.made_at == "2026-11-01T00:00:00+00:00"
    assert (tmp_path / f"{name}.json").stat().st_mode & 0o077 == 0


def test_a_roll_back_takes_the_one_before_and_does_not_let_the_same_one_come_back(tmp_path: Path) -> None:
    first, second = promote_head(tmp_path, head(0.5), NOW), promote_head(tmp_path, head(0.7), NOW)
    assert roll_back_head(tmp_path).live == first
    assert promote_head(tmp_path, head(0.7), NOW) == ""
    assert read_live_head(tmp_path).name == first
    assert roll_back_head(tmp_path).live == ""
    assert read_live_head(tmp_path) == SHIPPED_HEAD
    assert read_standing(tmp_path).taken_back == (first, second)


def test_a_damaged_head_leaves_the_shipped_weights(tmp_path: Path) -> None:
    name = promote_head(tmp_path, head(0.5), NOW)
    file = tmp_path / f"{name}.json"
    for text in ("", "[]", json.dumps(json.loads(file.read_text()) | {"ranking": {"sentence": 99.0}})):
        file.write_text(text)
        assert read_live_head(tmp_path) == SHIPPED_HEAD


def test_what_learned_from_a_deleted_answer_goes_at_once_wherever_it_stands(tmp_path: Path) -> None:
    first = promote_head(tmp_path, head(0.5, "a1", "a2"), NOW)
    second = promote_head(tmp_path, head(0.6, "a2", "a3"), NOW)
    third = promote_head(tmp_path, head(0.7, "a3"), NOW)
    assert forget_head_answers(tmp_path, []) == []
    assert sorted(forget_head_answers(tmp_path, ["a2"])) == sorted([first, second])
    assert read_live_head(tmp_path).name == third
    assert read_standing(tmp_path).before == ()
    assert forget_head_answers(tmp_path, ["a3", "a9"]) == [third]
    assert read_live_head(tmp_path) == SHIPPED_HEAD
    assert [path.name for path in tmp_path.glob("head-*")] == []
