"""Settings are one table, the same in the code, on the command line and in the docs."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import SecretStr, ValidationError

from cli.options import settings_table
from core.settings import Settings

ROOT = Path(__file__).resolve().parents[2]


def test_the_docs_list_every_setting_with_its_default() -> None:
    assert settings_table() in (ROOT / "docs" / "settings.md").read_text(encoding="utf-8")


def test_every_setting_has_a_sentence() -> None:
    for name, field in Settings.model_fields.items():
        assert field.description, name
        assert field.description.endswith("."), name


def test_an_option_wins_over_the_environment_which_wins_over_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".env").write_text("ASKPAGE_PORT=1111\nASKPAGE_HOST=::1\nASKPAGE_PAGES=a,b\nOTHER=1\n")
    assert (Settings().port, Settings().host, Settings().pages) == (1111, "::1", ["a", "b"])
    monkeypatch.setenv("ASKPAGE_PORT", "2222")
    assert Settings().port == 2222
    assert Settings(port=3333).port == 3333


def test_secrets_are_not_shown() -> None:
    settings = Settings(app_password=SecretStr("very secret"))
    assert "very secret" not in repr(settings)
    assert "very secret" not in settings_table(settings)


def test_a_wrong_value_is_refused() -> None:
    with pytest.raises(ValidationError):
        Settings(port=99999)
