"""`askpage models search-head`: what the search weighs, and the way back."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from typer.testing import CliRunner

from cli.models.versions import models_app
from model.answering.search_head import SHIPPED, SearchHead
from model.registry.search_heads import promote_head


def run(data_dir: Path, *options: str) -> dict[str, Any]:
    done = CliRunner().invoke(models_app, ["search-head", "--json", "--data-dir", str(data_dir), *options])
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)


def test_it_shows_the_head_that_counts_and_takes_it_back(tmp_path: Path) -> None:
    assert run(tmp_path)["head"] == ""
    fitted = SearchHead(dict(SHIPPED) | {"sentence": 0.5}, answers=("a1", "a2"))
    name = promote_head(tmp_path / "search", fitted, datetime(2026, 11, 1, tzinfo=UTC))
    shown = run(tmp_path)
    assert (shown["head"], shown["reviews"], shown["ranking"]["sentence"]) == (name, 2, 0.5)
    back = run(tmp_path, "--rollback")
    assert (back["head"], back["ranking"]) == ("", SHIPPED)
