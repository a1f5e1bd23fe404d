"""Settings are one table, the same in the code, on the command line and in the docs."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import SecretStr, ValidationError

from bot.dialogs.answerer import Forms
from bot.dialogs.askers import AskerLimits
from bot.dialogs.review import ReviewRules
from bot.slack.config import SlackConfig
from bot.stores import cosmos_config, pages_config
from cli.console import settings_table
from core.settings import FIELDS, Settings
from feedback.privacy.retention import Retention
from model.answering.chain import AnswerRules
from model.evaluation.canary import CanaryRules
from model.evaluation.result import GateCriteria
from model.onnx_infer import EngineOptions
from model.training.launch import TrainingConfig
from pages.fetch.client import FetchLimits

ROOT = Path(__file__).resolve().parents[2]


def test_the_docs_list_every_setting_with_its_default() -> None:
    assert settings_table() in (ROOT / "docs" / "settings.md").read_text(encoding="utf-8")


def test_every_setting_has_a_sentence() -> None:
    for name, field in FIELDS.items():
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
    with pytest.raises(ValidationError, match="24 characters"):
        Settings(dashboard_token="guessable")  # noqa: S106


@pytest.mark.parametrize(
    ("group", "configured"),
    [
        ("fetch", FetchLimits),
        ("answering", AnswerRules),
        ("engine", EngineOptions),
        ("review", ReviewRules),
        ("feedback", Forms),
        ("training", TrainingConfig),
        ("gate", GateCriteria),
        ("canary", CanaryRules),
        ("retention", Retention),
    ],
)
def test_a_group_has_the_names_and_defaults_of_what_it_configures(
    group: str, configured: type[object]
) -> None:
    assert configured(**getattr(Settings(), group).values()) == configured()


def test_the_other_groups_build_what_they_configure() -> None:
    settings = Settings(cosmos_endpoint="https://cosmos", slack_signing_secret=SecretStr("signs"))
    assert cosmos_config(settings).container == "records"
    assert pages_config(settings).container == "pages"
    assert SlackConfig(**settings.slack.values()).signing_secret == "signs"  # noqa: S105
    assert AskerLimits(**settings.askers.values()).per_minute == 20
    assert "gpu_mem_limit" not in settings.cuda.options()
    assert Settings(cuda_gpu_mem_limit=1).cuda.options()["gpu_mem_limit"] == "1"
