"""`askpage doctor` finds what is wrong with a machine, says what to do, and changes nothing."""

from __future__ import annotations

import json
import sqlite3
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from bot.channel import ChannelError
from cli.doctor import channels, command, machine, model_fit
from cli.doctor.device import DeviceFacts, judge_device
from cli.doctor.findings import Finding, Level, fault, ok, warn
from core.settings import Settings
from core.settings.origins import describe_unread_names, find_unread_names
from model.inference.gpu import NAMES, Gpu
from tests.builders.serving import served
from tests.builders.versions import make_version
from tests.doubles.slack_api import SlackService

FOUND = dict.fromkeys(NAMES, "/site-packages/nvidia/cu13/lib")
SLACK = {"slack_signing_secret": "a secret"}
H200 = Gpu("NVIDIA H200", 150.8, 150.0, "580.65.06", 9.0)
ON_CPU = DeviceFacts("auto", "cpu", 2, "A Processor")
ON_GPU = DeviceFacts(
    "auto", "cuda", 2, "A Processor", built_for_cuda=True, device_file=True, card=True, driver_library=True,
    gpus=(H200,), libraries=FOUND, options={"device_id": "0"},
)  # fmt: skip


def levels(found: list[Finding]) -> set[Level]:
    return {one.level for one in found}


def texts(found: list[Finding], level: Level) -> str:
    return " | ".join(f"{one.matter}: {one.says} {one.todo}" for one in found if one.level is level)


# The device


@pytest.mark.parametrize("facts", [ON_CPU, ON_GPU, replace(ON_GPU, wanted="cuda")])
def test_a_whole_machine_has_only_good_lines(facts: DeviceFacts) -> None:
    assert levels(judge_device(facts)) == {Level.OK}


@pytest.mark.parametrize(
    ("facts", "level", "says"),
    [
        (replace(ON_CPU, wanted="cuda", used=""), Level.FAULT, "`make run RUNTIME=gpu`"),
        (replace(ON_CPU, device_file=True, gpus=(H200,)), Level.WARNING, "is not used: the packages"),
        (replace(ON_CPU, card=True), Level.WARNING, "no driver shows it"),
        (replace(ON_GPU, wanted="cpu", used="cpu"), Level.WARNING, "the setting device is cpu"),
        (replace(ON_GPU, wanted="cuda", device_file=False, card=False), Level.FAULT, "there is no GPU here"),
        (replace(ON_GPU, wanted="cuda", device_file=False), Level.FAULT, "no driver shows it Install"),
        (replace(ON_GPU, number=1), Level.FAULT, "no GPU 1: there are 1 Set cuda_device"),
        (replace(ON_GPU, gpus=(replace(H200, driver="575.57"),)), Level.FAULT, "CUDA 13 needs 580"),
        (replace(ON_GPU, gpus=()), Level.WARNING, "does not tell its version"),
        (replace(ON_GPU, gpus=(replace(H200, capability=7.0),)), Level.FAULT, "7.0; CUDA 13 needs 7.5"),
        (replace(ON_GPU, libraries=FOUND | {"libcudnn.so.9": ""}), Level.FAULT, "nowhere found: libcudnn"),
        (replace(ON_GPU, driver_library=False), Level.FAULT, "libcuda.so.1 cannot be loaded"),
    ],
)  # fmt: skip
def test_what_a_gpu_lacks_is_named_with_what_to_do(facts: DeviceFacts, level: Level, says: str) -> None:
    assert says in texts(judge_device(facts), level)


def test_the_cuda_packages_on_a_machine_without_a_gpu_lack_the_driver_and_nothing_else() -> None:
    bare = replace(ON_GPU, wanted="cuda", device_file=False, card=False, driver_library=False, gpus=())
    assert {one.matter for one in judge_device(bare) if one.level is Level.FAULT} == {"driver"}
    assert levels(judge_device(replace(bare, wanted="auto", used="cpu"))) == {Level.OK, Level.WARNING}


# The model


@pytest.mark.parametrize(
    ("facts", "level", "says"),
    [
        (model_fit.MemoryFacts(0.27, 16.0, 8.0), Level.OK, "0.6 GB of 16.0"),
        (model_fit.MemoryFacts(13.5, 24.0), Level.WARNING, "does not fit"),
        (model_fit.MemoryFacts(13.5, 8.0), Level.FAULT, "Choose a smaller one"),
        (model_fit.MemoryFacts(13.5, 141.0, limit=2.1), Level.FAULT, "cuda_gpu_mem_limit allows 2.1"),
        (model_fit.MemoryFacts(2.0, 16.0, 1.0), Level.WARNING, "of which 1.0 are free"),
        (model_fit.MemoryFacts(2.0, None), Level.WARNING, "does not tell how much"),
    ],
)
def test_memory_is_compared_with_what_the_model_needs(
    facts: model_fit.MemoryFacts, level: Level, says: str
) -> None:
    assert says in texts(model_fit.judge_memory(facts), level)


def test_a_version_says_how_far_it_agrees_and_whether_it_is_made_for_this_device(tmp_path: Path) -> None:
    version = replace(make_version(tmp_path), agreement={"same": 0.94, "tokens": 256})
    assert "of 256 tokens 94.0%" in texts(model_fit.judge_version(version, "cpu"), Level.OK)
    assert "import --device cuda" in texts(model_fit.judge_version(version, "cuda"), Level.WARNING)
    unmeasured = replace(version, agreement={"why_not": "there is no GPU here"})
    assert "there is no GPU here" in texts(model_fit.judge_version(unmeasured, "cpu"), Level.WARNING)


def test_drafts_are_said_to_be_on_or_off_and_where_they_were_measured(tmp_path: Path) -> None:
    drafting = {"on": True, "prompts": 8, "same": 8, "faster": 1.6, "device": "cpu", "processor": "P"}
    version = replace(make_version(tmp_path), drafting=drafting)
    assert "1.60 times as fast" in texts(model_fit.judge_drafting(version, "cpu", "P"), Level.OK)
    assert "on another processor (P)" in texts(model_fit.judge_drafting(version, "cpu", "Q"), Level.WARNING)
    assert model_fit.judge_drafting(replace(version, drafting={}), "cpu", "P") == []


def test_the_catalogue_is_parted_by_what_fits() -> None:
    [found] = model_fit.judge_catalogue("cuda", 8.0)
    fits, _, too_large = found.says.partition("; too large: ")
    assert "granite-4.0-micro" in fits
    assert "llama-2-7b-chat" in too_large
    assert model_fit.judge_catalogue("cuda", None) == []


# Records, pages, disk, clock


def test_a_file_of_records_is_read_and_never_made(tmp_path: Path) -> None:
    path = tmp_path / "index.sqlite3"
    assert levels(machine.judge_file("page index", path, "pages")) == {Level.WARNING}
    assert not path.exists()
    path.write_bytes(b"no database at all" * 100)
    assert "cannot be read" in texts(machine.judge_file("page index", path, "pages"), Level.FAULT)
    path.unlink()
    with sqlite3.connect(path) as file:
        file.execute("CREATE TABLE pages (url TEXT)")
    assert "it has no pages" in texts(machine.judge_file("page index", path, "pages"), Level.WARNING)
    with sqlite3.connect(path) as file:
        file.execute("INSERT INTO pages VALUES ('/site/leave')")
    assert "pages: 1" in texts(machine.judge_file("page index", path, "pages"), Level.OK)


@pytest.mark.parametrize(("free", "level"), [(0.1, Level.FAULT), (1.0, Level.WARNING), (50.0, Level.OK)])
def test_a_full_disk_is_told_before_nothing_can_be_kept(free: float, level: Level, tmp_path: Path) -> None:
    assert machine.judge_disk(tmp_path, free).level is level


@pytest.mark.parametrize(
    ("seconds", "level"),
    [(1, Level.OK), (-29, Level.OK), (31, Level.WARNING), (-241, Level.FAULT), (3600, Level.FAULT)],
)
def test_a_clock_that_services_would_refuse_is_a_fault(seconds: float, level: Level) -> None:
    assert machine.judge_offset(seconds).level is level


def test_without_a_channel_the_clock_is_compared_with_the_newest_file(tmp_path: Path) -> None:
    (tmp_path / "a").touch()
    newest = machine.find_newest(tmp_path)
    assert machine.judge_files(newest, newest).level is Level.OK
    assert machine.judge_files(newest, newest - 60).level is Level.WARNING
    assert machine.find_newest(tmp_path / "nowhere") == 0.0
    assert [machine.find_address(one) for one in (Settings(), Settings(app_id="an-app"))] == [
        "",
        machine._TEAMS,
    ]


# Channels


async def test_channels_that_are_off_are_asked_nothing() -> None:
    found = [*await channels.check_teams(Settings()), *await channels.check_slack(Settings())]
    assert [(one.level, one.says[:3]) for one in found] == [(Level.OK, "off")] * 2


async def test_half_a_registration_is_a_fault_before_anybody_is_asked() -> None:
    assert "ASKPAGE_APP_PASSWORD" in texts(await channels.check_teams(Settings(app_id="an-app")), Level.FAULT)
    assert "slack_teams" in texts(await channels.check_slack(Settings(**SLACK)), Level.FAULT)


@pytest.mark.parametrize(
    ("cause", "level"),
    [
        (PermissionError("invalid_client"), Level.FAULT),
        (ValueError("invalid_tenant"), Level.FAULT),
        (ConnectionError("no route"), Level.WARNING),
        (TimeoutError(), Level.WARNING),
    ],
)
def test_a_refused_registration_is_a_fault_and_a_service_that_is_away_a_warning(
    cause: Exception, level: Level
) -> None:
    error = ChannelError("no token for the channel")
    error.__cause__ = cause
    assert channels.judge_refusal(error).level is level


async def test_slack_is_asked_whose_token_it_is_once_and_nothing_else() -> None:
    slack = SlackService()
    async with served(slack.app) as url:
        given = {"slack_teams": "T1", "slack_bot_token": "xoxb-unknown", "slack_api_url": f"{url}/api"}
        settings = Settings(**SLACK, **given)  # type: ignore[arg-type]
        found = await channels.check_slack(settings)
        assert "Slack refuses the token: auth.test: invalid_auth" in texts(found, Level.FAULT)
        slack.fail("auth.test", error="internal_error")
    assert {call.method for call in slack.calls} == {"auth.test"}
    found = await channels.check_slack(settings)  # nobody listens there any more
    assert levels(found) == {Level.WARNING}
    assert channels.judge_workspace("T2", "T1").level is Level.FAULT
    assert channels.judge_workspace("T1", "T1").level is Level.OK


# The names of settings


def test_a_name_that_nobody_reads_is_told_with_the_one_that_was_meant(tmp_path: Path) -> None:
    env_file = tmp_path / ".env"
    env_file.write_text("# a comment\nASKPAGE_PAGE=handbook\nASKPAGE_PORT=1\nexport ASKPAGE_DEVISE=cuda\n")
    given = {"ASKPAGE_ANSWER_TIMEOUT": "3", "askpage_base_model": "x", "PATH": "/bin", "ASKPAGE_XYZZY": "1"}
    unread = find_unread_names(given, env_file)
    assert [(one.name, one.meant) for one in unread] == [
        ("ASKPAGE_ANSWER_TIMEOUT", "ASKPAGE_ANSWER_TIMEOUT_S"),
        ("ASKPAGE_XYZZY", ""),
        ("ASKPAGE_DEVISE", "ASKPAGE_DEVICE"),
        ("ASKPAGE_PAGE", "ASKPAGE_PAGES"),
    ]
    line = describe_unread_names(unread)
    assert line.startswith("askpage: ASKPAGE_ANSWER_TIMEOUT (environment) is no setting")
    assert "did you mean ASKPAGE_ANSWER_TIMEOUT_S? (3 more:" in line
    assert find_unread_names({"ASKPAGE_PORT": "1"}, tmp_path / "none") == []


# The command


async def test_a_check_that_fails_itself_is_a_fault_and_the_others_go_on() -> None:
    async def check_weather(_: Settings) -> list[Finding]:
        raise KeyError("cloud")

    async def check_disk(_: Settings) -> list[Finding]:
        return [ok("disk", "enough")]

    found = await command.run_checks(Settings(), (check_weather, check_disk))
    assert [(one.matter, one.level) for one in found] == [("weather", Level.FAULT), ("disk", Level.OK)]


def test_each_line_names_its_level_and_below_it_what_to_do() -> None:
    console = Console(width=60, record=True, file=None, quiet=False)
    with console.capture() as shown:
        for one in (
            ok("disk", "[50] GB"),
            warn("gpu", "unused", "Use it."),
            fault("driver", "none", "Get one."),
        ):
            console.print(command.draw(one), soft_wrap=True)
    assert shown.get().splitlines() == [
        "ok      disk             [50] GB",
        "warning gpu              unused",
        f"{'':25}→ Use it.",
        "fault   driver           none",
        f"{'':25}→ Get one.",
    ]


def test_the_command_prints_json_and_fails_where_something_is_a_fault(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        command, "CHECKS", (machine.check_disk, machine.check_index, command.check_setting_names)
    )
    monkeypatch.chdir(tmp_path)
    command.doctor_command(data_dir=str(tmp_path / "data"), as_json=True, **_no_options())
    told = json.loads(capsys.readouterr().out)
    assert told["ok"] is True
    assert [one["matter"] for one in told["findings"]] == ["disk", "page index", "settings"]
    assert not (tmp_path / "data").exists(), "it changes nothing"


def _no_options() -> dict[str, None]:
    from core.settings import FIELDS  # noqa: PLC0415

    return {name: None for name in FIELDS if name != "data_dir"}
