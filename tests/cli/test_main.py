"""The command line as a person meets it: real processes, a data folder of their own, the canned model."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from cli.asking.command import _print, as_dict
from cli.help import read_help
from cli.main import COMMANDS, import_command
from core.records import Channel, Question
from tests.builders.world import NOW, QUOTE, a_quote
from tests.processes.forked import run_askpage

ROOT = Path(__file__).resolve().parents[2]
LEAVE = (
    "# Leave\n\n## Parents\n\nNew parents get 12 weeks of paid leave.\n\n"
    "## Travel\n\nHotels cost up to 180 dollars.\n"
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "handbook").mkdir()
    (tmp_path / "handbook" / "leave.md").write_text(LEAVE)
    return tmp_path


def askpage(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the command in a folder, with state and pages there and the canned model."""
    options = ("--data-dir", "data", "--base-model", "canned", "--pages", "handbook")
    return run_askpage(*arguments, *options, folder=folder)


def test_the_help_names_every_command_and_imports_neither_them_nor_the_settings() -> None:
    script = (
        "import sys; sys.argv = ['askpage', '--help']; import cli.main\n"
        "slow = 'bot', 'langchain_core', 'pydantic', 'exporters', 'numpy'\n"
        "try: cli.main.main()\n"
        "finally: print(*[name for name in sys.modules if name.split('.')[0] in slow])"
    )
    shown = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert shown.returncode == 0
    for command in ("serve", "ask", "pages", "evaluate", "store", "export", "models", "setup", "settings"):
        assert f"│ {command} " in shown.stdout
    assert shown.stdout.splitlines()[-1] == ""


@pytest.mark.parametrize("name", COMMANDS)
def test_the_help_has_a_commands_own_words(name: str) -> None:
    assert read_help(COMMANDS[name]) == import_command(name).help


def test_small_talk_is_answered_without_a_search(folder: Path) -> None:
    assert "You are welcome" in askpage(folder, "ask", "thanks!").stdout
    listed = json.loads(askpage(folder, "ask", "Which pages do you know?", "--json").stdout)
    assert listed["small_talk"]
    assert [page["url"] for page in listed["pages"]] == ["/site/handbook/leave"]


def test_pages_are_added_listed_asked_and_removed(folder: Path) -> None:
    assert askpage(folder, "setup").returncode == 0
    listed = json.loads(askpage(folder, "pages", "list", "--json").stdout)
    assert [page["url"] for page in listed] == ["/site/handbook/leave"]
    asked = askpage(folder, "ask", "How many weeks of leave do new parents get?", "--json")
    answer = json.loads(asked.stdout)
    assert list(answer) == [
        "answer",
        "kind",
        "confidence",
        "abstained",
        "verified",
        "citations",
        "model_version",
        "seconds",
        "time_to_first_token_s",
    ]
    assert answer["answer"] == "New parents get 12 weeks of paid leave. [1]"
    assert answer["citations"] == [
        {
            "url": "/site/handbook/leave#parents",
            "heading": "Parents",
            "quote": "New parents get 12 weeks of paid leave.",
        }
    ]
    (folder / "more.md").write_text("# Pets\n\nDogs may come to the office on Fridays.\n")
    added = askpage(folder, "pages", "add", "more.md")
    assert "1 added" in added.stdout
    refreshed = askpage(folder, "pages", "refresh")
    assert "2 unchanged" in refreshed.stdout
    assert askpage(folder, "pages", "remove", "more.md").returncode == 0
    listed = json.loads(askpage(folder, "pages", "list", "--json").stdout)
    assert [page["url"] for page in listed] == ["/site/handbook/leave"]


def test_a_quotation_is_printed_with_its_lines_and_where_else_to_look(
    capsys: pytest.CaptureFixture[str],
) -> None:
    answer = a_quote(Question("q1", "How much leave?", "a", "c", Channel.LOCAL, NOW))
    _print(answer, "http://localhost:4001")
    assert capsys.readouterr().out == (
        "I am not certain, but “Leave › Parents” says:\n\n"
        "  Parents get 16 weeks of paid leave. It is for *both*:\n  • <b>mothers</b>\n"
        "  • fathers, see [here](https://evil.example/)\n    • and `__others__`\n\n"
        "Leave › Parents\nhttp://localhost:4001/site/leave#parents\n\n"
        "See also: Leave › Dates\nhttp://localhost:4001/site/leave#dates\n“It begins at the birth.”\n"
    )
    told = as_dict(answer)
    assert (told["answer"], told["kind"], told["confidence"]) == (QUOTE, "quoted", 0.4)


def test_a_question_about_a_file_is_answered_from_that_file_alone(folder: Path) -> None:
    (folder / "pets.md").write_text("# Pets\n\nDogs may come to the office on Fridays.\n")
    asked = askpage(folder, "ask", "When may dogs come to the office?", "--page", "pets.md")
    assert asked.returncode == 0
    assert asked.stdout.startswith("Dogs may come to the office on Fridays. [1]\n\n[1] Pets\n")
    assert "/pets#pets" in asked.stdout


def test_an_evaluation_prints_every_measure(folder: Path) -> None:
    squad = {
        "data": [
            {
                "title": "Leave",
                "paragraphs": [
                    {
                        "context": "New parents get 12 weeks of paid leave.",
                        "qas": [
                            {
                                "question": "How many weeks do new parents get?",
                                "answers": [{"text": "12 weeks"}],
                            },
                            {
                                "question": "How many weeks do new parents get?",
                                "answers": [{"text": "paid dogs"}],
                            },
                        ],
                    }
                ],
            }
        ]
    }
    (folder / "squad.json").write_text(json.dumps(squad))
    scores = json.loads(askpage(folder, "evaluate", "squad.json", "--json").stdout)
    assert scores["count"] == 2
    assert scores["accuracy"] == 0.5
    assert scores["contained"] == 0.5
    assert set(scores) >= {
        "precision",
        "exact_match",
        "f1",
        "abstained",
        "false_abstentions",
        "latency_p95_s",
    }


def test_questions_over_pages_are_judged_and_saved_and_the_pages_read_once(folder: Path) -> None:
    asked = {"kind": "fact", "page": "leave.md", "evidence": ["New parents get 12 weeks of paid leave."]}
    rows = [
        asked
        | {"id": "q1", "question": "How many weeks of leave do new parents get?", "must": [["12 weeks"]]},
        asked
        | {"id": "q2", "question": "How many weeks of leave do new parents get?", "must": [["24 weeks"]]},
    ]
    (folder / "questions.jsonl").write_text("\n".join(json.dumps(row) for row in rows))
    done = askpage(folder, "evaluate", "questions.jsonl", "--json", "--save", "runs/answers.jsonl")
    scores = json.loads(done.stdout)
    assert (scores["count"], scores["right"], scores["stated_wrongly"], scores["errors"]) == (2, 0.5, 0.5, 0)
    assert scores["right_by_kind"] == {"fact": [0.5, 2]}
    assert scores["latency"]["to end"]["p50_s"] > 0
    lines = (folder / "runs" / "answers.jsonl").read_text().splitlines()
    first, second = (json.loads(line) for line in lines)
    assert [first["id"], first["kind"], first["right"], second["right"]] == ["q1", "answered", True, False]
    assert first["text"] == "New parents get 12 weeks of paid leave. [1]"
    assert first["seconds"] > 0

    (folder / "handbook" / "leave.md").write_text("# Leave\n\nNew parents get 24 weeks of paid leave.\n")
    refused = askpage(folder, "evaluate", "questions.jsonl", "--save", "handbook")
    assert refused.returncode == 2
    assert "cannot be saved" in refused.stderr
    shown = askpage(folder, "evaluate", "questions.jsonl", "--limit", "1")
    assert "stated wrongly" in shown.stdout
    assert "Kind of question" in shown.stdout
    assert len(list((folder / "data" / "evaluate").iterdir())) == 1
    listed = json.loads(askpage(folder, "pages", "list", "--json").stdout)
    assert listed == []


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["ask", ""], "question is empty"),
        (["ask", "How long?", "--page", "http://127.0.0.1/"], "127.0.0.1"),
        (["ask", "How long?", "--page", "nowhere.md"], "nowhere.md"),
        (["serve", "--port", "abc"], "--port"),
        (["serve", "--host", "0.0.0.0"], "app id"),  # noqa: S104 - refused
        (["serve", "--no-such-option"], "No such option"),
        (["evaluate", "nowhere.json"], "nowhere.json"),
        (["evaluate", "nowhere.jsonl"], "nowhere.jsonl"),
        (["evaluate", "nowhere.json", "--save", "answers.jsonl"], "--save"),
        (["pages", "remove", "/site/nowhere"], "neither a source nor a known page"),
        (["pages", "add", "nowhere"], "nowhere"),
        (["models", "import", "no/such/model"], "no/such/model"),
        (["jobs", "run", "paint_the_fence"], "there is no job paint_the_fence"),
        (["serve", "--port", "0", "--telemetry", "appinsights"], "applicationinsights_connection_string"),
        (["settings", "--training-rank", "0"], "--training-rank '0'"),
        (["settings", "--telemetry-buffer", "few"], "--telemetry-buffer 'few'"),
        (["nonsense"], "No such command"),
    ],
)
def test_a_mistake_gets_a_sentence_and_exit_2_never_a_traceback(
    folder: Path, arguments: list[str], words: str
) -> None:
    done = askpage(folder, *arguments)
    assert done.returncode == 2, done.stderr
    assert words in " ".join(done.stderr.split()), done.stderr
    assert "Traceback" not in done.stderr
