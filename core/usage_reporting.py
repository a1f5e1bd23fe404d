"""The switches that keep libraries from reporting usage to their makers, thrown before their import.

Most of them read their switch once, when they are imported, and ONNX Runtime reports that moment already:
what it offers as a function (`disable_telemetry_events`) comes too late. So the packages that import such
libraries, `jobs`, `model` and `pages`, call `keep_quiet(allowed=is_allowed())` in their `__init__.py`: no way
leads past it, whichever process, test, job or benchmark it is. Child processes inherit the environment, and
with it what was decided.

`docs/quiet.md` has the same table for people, and a test holds the two together.
"""

from __future__ import annotations

import os
from dataclasses import dataclass

TOLD = "ASKPAGE_LIBRARY_TELEMETRY"
"""The setting's own variable: how child processes learn what an option or a file `.env` decided."""

_YES = {"1", "on", "t", "true", "y", "yes"}  # what pydantic takes for true


@dataclass(frozen=True, slots=True)
class Switch:
    """An environment variable that silences a library, and what the library does without it."""

    variable: str
    value: str
    library: str
    sentence: str


SWITCHES = (
    Switch(
        "ORT_DISABLE_TELEMETRY",
        "1",
        "ONNX Runtime, ONNX Runtime GenAI",
        "Keep a device id in `~/.cache/Microsoft` and report their use to Microsoft, from their import on.",
    ),
    Switch(
        "HF_HUB_DISABLE_TELEMETRY",
        "1",
        "Hugging Face Hub, transformers, trl, hf-xet",
        "Tell Hugging Face what is loaded, trained and transferred, and on which hardware.",
    ),
    Switch(
        "HF_XET_TELEMETRY_ENABLED",
        "0",
        "hf-xet",
        "Reports each transfer to Hugging Face while it runs.",
    ),
    Switch(
        "HF_HUB_DISABLE_UPDATE_CHECK",
        "1",
        "Hugging Face Hub",
        "Its command looks for newer versions of itself.",
    ),
    Switch(
        "DISABLE_SAFETENSORS_CONVERSION",
        "1",
        "transformers",
        "Asks Hugging Face to convert a model of the hub that has no safetensors.",
    ),
    Switch(
        "HF_UPDATE_DOWNLOAD_COUNTS",
        "0",
        "datasets",
        "Counts at Hugging Face every data set that is loaded.",
    ),
    Switch(
        "LANGSMITH_TRACING_V2",
        "false",
        "LangChain, LangSmith",
        "Sends prompts and answers to LangSmith when an environment asks for tracing; wins over the three "
        "below.",
    ),
    Switch("LANGSMITH_TRACING", "false", "LangChain, LangSmith", "The same, by its present name."),
    Switch("LANGCHAIN_TRACING_V2", "false", "LangChain, LangSmith", "The same, by an older name."),
    Switch("LANGCHAIN_TRACING", "false", "LangChain, LangSmith", "The same, by its first name."),
    Switch(
        "MLFLOW_DISABLE_TELEMETRY",
        "true",
        "MLflow",
        "Reports which of its functions are called.",
    ),
    Switch(
        "RAY_USAGE_STATS_ENABLED",
        "0",
        "Ray",
        "Reports each hour to its makers what a cluster is, and which of its libraries it uses.",
    ),
    Switch(
        "APPLICATIONINSIGHTS_STATSBEAT_DISABLED_ALL",
        "true",
        "Azure Monitor's OpenTelemetry exporter",
        "Reports on itself to Microsoft, beside what it is asked to export.",
    ),
    Switch(
        "APPLICATIONINSIGHTS_CONTROLPLANE_DISABLED",
        "true",
        "Azure Monitor's OpenTelemetry exporter",
        "Asks Microsoft again and again which of its features to switch on or off.",
    ),
    Switch(
        "APPLICATIONINSIGHTS_SDKSTATS_DISABLED",
        "true",
        "Azure Monitor's OpenTelemetry exporter",
        "Reports on itself to the resource that it exports to, too.",
    ),
    Switch(
        "DO_NOT_TRACK",
        "1",
        "all that honour it",
        "The common switch against usage reports, for libraries that are not in this table.",
    ),
)


def keep_quiet(*, allowed: bool) -> None:
    """Throw every switch, whatever the environment says; where reporting is allowed, leave all as it is set.

    For this process and those that it starts, before the libraries are imported.
    """
    environment = os.environ  # noqa: TID251 - the libraries listen to nothing else
    environment[TOLD] = str(allowed).lower()
    if not allowed:
        environment.update({switch.variable: switch.value for switch in SWITCHES})


def is_allowed() -> bool:
    """Whether libraries may report usage, by what this process was told when it began.

    No where nobody spoke.
    """
    return os.environ.get(TOLD, "").lower() in _YES  # noqa: TID251 - a child process has no settings


def switches_table() -> str:
    """Return the table in Markdown."""
    lines = ["| library | what it does otherwise | switch |", "|---|---|---|"]
    lines += [
        f"| {switch.library} | {switch.sentence} | `{switch.variable}={switch.value}` |"
        for switch in SWITCHES
    ]
    return "\n".join(lines)
