"""A small handbook of our own: six pages, twelve questions over them, and other words for some."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

PAGES = {
    "leave/annual.md": "# Annual leave\n\nEveryone gets 26 days of annual leave.\n\nAsk for leave in Timely.",
    "leave/sick.md": "# Sick leave\n\nCall your lead before 9 am when you are ill.\n\n"
    "A doctor's note is needed from the fourth day.",
    "travel/trains.md": "# Trains\n\nBook trains with the travel desk in room 12.\n\n"
    "First class is paid for journeys of over four hours.",
    "travel/taxis.md": "# Taxis\n\nA taxi is paid after 10 pm.\n\nSend the receipt within 30 days.",
    "office/keys.md": "# Keys\n\nThe porter hands out keys.\n\nA lost key costs 40 euros.",
    "office/desks.md": "# Desks\n\nYou need for a desk:\n\n- a badge\n- a booking in Seatly",
}
_ASKED = (
    (
        "annual",
        "leave/annual.md",
        "How many days of annual leave do I get?",
        ["26"],
        "26 days of annual leave",
    ),
    ("timely", "leave/annual.md", "Where do I ask for leave?", ["timely"], "Ask for leave in Timely."),
    ("ill", "leave/sick.md", "When do I call if I am ill?", ["9 am"], "before 9 am when you are ill"),
    ("note", "leave/sick.md", "From which day is a doctor's note needed?", ["fourth"], "the fourth day"),
    ("trains", "travel/trains.md", "Who books trains?", ["travel desk"], "Book trains with the travel desk"),
    ("first", "travel/trains.md", "When is first class paid?", ["four hours"], "of over four hours"),
    ("taxi", "travel/taxis.md", "When is a taxi paid?", ["10 pm"], "A taxi is paid after 10 pm."),
    ("receipt", "travel/taxis.md", "Until when do I send a receipt?", ["30 days"], "within 30 days."),
    ("keys", "office/keys.md", "Who hands out keys?", ["porter"], "The porter hands out keys."),
    ("lost", "office/keys.md", "What does a lost key cost?", ["40"], "A lost key costs 40 euros."),
)


def write_handbook(folder: Path) -> tuple[Path, Path, Path]:
    """Write the pages, the questions and the paraphrases; return where they are."""
    pages, questions, paraphrases = folder / "handbook", folder / "asked.jsonl", folder / "near.jsonl"
    for name, text in PAGES.items():
        (pages / name).parent.mkdir(parents=True, exist_ok=True)
        (pages / name).write_text(text, "utf-8")
    _write_lines(questions, list_question_rows())
    _write_lines(paraphrases, list_paraphrase_rows())
    return pages, questions, paraphrases


def list_question_rows() -> list[dict[str, Any]]:
    """Return the questions as their file has them."""
    rows: list[dict[str, Any]] = [
        {"id": name, "kind": "fact", "page": page, "question": text, "must": [must], "evidence": [evidence]}
        for name, page, text, must, evidence in _ASKED
    ]
    desk = {"id": "desk", "kind": "list", "page": "office/desks.md", "question": "What do I need for a desk?"}
    rows.append(
        desk | {"must": [["badge"], ["seatly"]], "evidence": ["- a badge", "- a booking in **Seatly**"]}
    )
    absent = {"id": "pets", "kind": "absent", "page": "office/desks.md", "question": "May I bring my dog?"}
    return [*rows, absent | {"must": [], "evidence": []}]


def list_paraphrase_rows() -> list[dict[str, Any]]:
    """Return the paraphrases as their file has them."""
    rows: list[dict[str, Any]] = []
    for page in PAGES:
        about = page.rpartition("/")[2].removesuffix(".md")
        question = f"What should I know about {about}?"
        near = {"text": f"What should I never do about {about}?", "kind": "negated"}
        rows.append({"page": page, "question": question, "same": [question.lower()], "different": [near]})
    return rows


def _write_lines(path: Path, rows: list[dict[str, Any]]) -> None:
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows), "utf-8")
