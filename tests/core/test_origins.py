"""Settings as they are shown: where each comes from, and no secret among them."""

from __future__ import annotations

from pathlib import Path

from core.settings import FIELDS, Settings
from core.settings.origins import MASK, Origin, list_settings


def test_every_setting_is_shown_with_its_origin_and_secrets_stay_hidden(tmp_path: Path) -> None:
    file = tmp_path / ".env"
    file.write_text("ASKPAGE_APP_PASSWORD=hidden\nASKPAGE_PORT=7\n")
    settings = Settings(
        app_password="hidden",  # noqa: S106
        port=7,
        host="::1",
        few_stars=3,
        pages=["docs", "https://ada:secret@x.example/"],
    )
    environment = {"ASKPAGE_HOST": "::1", "PATH": "/bin"}
    shown = {one.name: one for one in list_settings(settings, environment, file)}
    assert set(shown) == set(FIELDS)
    assert (shown["app_password"].value, shown["app_password"].origin) == (MASK, Origin.FILE)
    assert (shown["slack_signing_secret"].value, shown["slack_signing_secret"].origin) == ("", Origin.DEFAULT)
    assert (shown["host"].value, shown["host"].origin) == ("::1", Origin.ENVIRONMENT)
    assert (shown["few_stars"].value, shown["few_stars"].default) == ("3", "2")
    assert shown["few_stars"].origin is Origin.OPTION
    assert shown["pages"].value == f"docs, https://{MASK}@x.example/"
    assert "hidden" not in str(shown)
    assert "secret@" not in str(shown)
