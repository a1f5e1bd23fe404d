"""The pages about Azure: settings, queries, modules, jobs and parameters that they name are there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from core.settings import FIELDS
from tests.builders.bicep import read
from tests.doubles.azure.resource_table import list_rows
from tests.needs import ROOT

DOCS = ROOT / "docs"
PAGES = [DOCS / "azure.md", DOCS / "figures.md", *sorted((DOCS / "runbooks").glob("*.md"))]
MAIN = read(ROOT / "infra" / "main.bicep")


def names_of(path: Path) -> set[str]:
    """Return what a page has in code style."""
    return set(re.findall(r"`([^`\n]+)`", path.read_text("utf-8")))


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.stem)
def test_settings_exist(path: Path) -> None:
    fields = set(FIELDS)
    others = {"roll_up_metrics", "telemetry_dropped", "too_slow"}
    snake = {name for name in names_of(path) if re.fullmatch(r"[a-z]+(_[a-z]+)+", name)}
    assert snake <= fields | others, snake - fields - others


def test_the_runbooks_know_their_settings_by_name() -> None:
    """The test above finds names; that it looks at some is seen here."""
    found = {name for path in PAGES for name in names_of(path)} & set(FIELDS)
    assert {"feedback_form", "sample_share", "review_lease_s", "public_url"} <= found


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.stem)
def test_queries_are_there(path: Path) -> None:
    text = path.read_text("utf-8")
    for name in re.findall(r"`(\w+\.kql)`", text):
        assert [*(ROOT / "infra" / "kql").rglob(name)], name


def test_every_query_has_its_meaning() -> None:
    text = (DOCS / "figures.md").read_text("utf-8")
    kql = ROOT / "infra" / "kql"
    for path in [
        *kql.glob("*.kql"),
        *(each for each in (kql / "adx").glob("*.kql") if each.stem != "tables"),
    ]:
        assert f"`{path.name}`" in text, path.name


def test_every_module_and_job_is_described() -> None:
    text = (DOCS / "azure.md").read_text("utf-8")
    for module in MAIN.modules:
        assert f"`{Path(module.of).stem}`" in text, module.of
    jobs = read(ROOT / "infra" / "modules" / "jobs.bicep")
    for kind in ("scheduled", "onDemand"):
        for one in jobs.variables[kind]:
            [row] = [line for line in text.splitlines() if line.startswith(f"| `{one['name']}` |")]
            if "cron" in one:
                minute, hour, *_ = one["cron"].split()
                assert ("hourly" if hour == "*" else f"{int(hour):02}:{int(minute):02}") in row, row


def test_the_page_has_a_row_for_each_type_of_resource_and_for_each_module() -> None:
    text = (DOCS / "azure.md").read_text("utf-8")
    [table] = re.findall(r"\| what the rehearsal refuses \|\n\|---\|---\|---\|\n((?:\|.*\n)+)", text)
    assert table.splitlines() == list_rows(), "run `python -m tests.doubles.azure.resource_table`"
    [by_module] = re.findall(r"\| never tried \|\n\|---\|---\|---\|---\|\n((?:\|.*\n)+)", text)
    first = [[cell.strip() for cell in row.strip("| ").split(" | ")] for row in by_module.splitlines()]
    assert all(len(cells) == 4 and all(cells) for cells in first), (
        "each says by what, how far, and what never"
    )
    named = " ".join(cells[0] for cells in first)
    files = {path.stem for path in (ROOT / "infra").rglob("*.bicep")} - {"main"}
    assert files == {Path(module.of).stem for module in MAIN.modules} | {"deployed"}
    assert [name for name in files if not re.search(rf"\b{name}\b", named)] == []


def test_the_page_has_a_way_out_of_what_a_rehearsal_may_say() -> None:
    text = (DOCS / "azure.md").read_text("utf-8")
    [table] = re.findall(r"\| it says \| why \| what to do \|\n\|---\|---\|---\|\n((?:\|.*\n)+)", text)
    rows = [[cell.strip() for cell in row.strip("| ").split(" | ")] for row in table.splitlines()]
    assert all(len(cells) == 3 and all(cells) for cells in rows)
    doubles = "".join(path.read_text("utf-8") for path in (ROOT / "tests/doubles/azure").glob("*.py"))
    said = {word for cells in rows for word in re.findall(r"`([^`]+)`", cells[0])}
    never_rehearsed = {"AuthorizationFailed", "roleAssignments/write", "SkuNotAvailable", "QuotaExceeded"}
    assert [word for word in said - never_rehearsed if word not in doubles] == []


def test_parameters_and_variables_that_are_named_are_there() -> None:
    text = (DOCS / "azure.md").read_text("utf-8")
    given = (ROOT / "infra" / "main.parameters.json").read_text("utf-8")
    for name in re.findall(r"azd env set (\w+)", text):
        assert f"${{{name}" in given, name
    for name in re.findall(r"azd env get-value (\w+)", text):
        assert name in MAIN.outputs, name
    for name in (
        "appType",
        "appId",
        "appPassword",
        "slack",
        "slackSecrets",
        "withDataExplorer",
    ):
        assert name in MAIN.params
        assert f"`{name}" in text or f"`{name}=" in text, name
