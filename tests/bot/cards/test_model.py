"""Cards about models in every state: valid, small, fit for old clients, read in order, never markup."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from bot.cards.adaptive import render_card
from bot.cards.model import ModelView, build_notice_card, choices, model_card, standing_card
from core.phrases import write_phrases
from core.records import ComparedAnswer, ComparedFigure, Comparison, Decision
from core.translation import speak
from feedback.reviews.model_decisions import CanaryWatch, Choice, ModelDecision, ModelNotice
from feedback.store.serialization import from_json, to_json
from jobs.watch_canary import CANARY, LIVE, compose_notice, tell_facts
from model.evaluation.canary import CanaryFinding, CanaryRules, CanaryStats, Step, judge_canary
from model.evaluation.compare import compute_figures
from model.evaluation.result import GateCriteria, GateDecision, PairedOutcome, decide
from model.registry.versions import RolloutState
from tests.builders.cards import checked, parts, shape_of
from tests.builders.comparisons import NOW, a_comparison
from tests.builders.pseudo import find_plain_words, speak_pseudo

Json = dict[str, Any]
Check = Callable[[Json], None]
STANDINGS = {
    "candidate": RolloutState("v1", ("v0",)),
    "candidate of another live one": RolloutState("v9", ("v1",)),
    "canary": RolloutState("v1", ("v0",), "v2", 0.1, since=NOW),
    "live": RolloutState("v2", ("v1",)),
    "live beside a canary": RolloutState("v2", ("v1",), "v3", 0.1, since=NOW),
    "live from the beginning": RolloutState("v2"),
    "retired": RolloutState("v1", retired=("v2",)),
    "nothing": RolloutState(),
}


def with_text(text: str, times: int = 1) -> Comparison:
    """Return a comparison with the text wherever people, pages or models speak."""
    return a_comparison(
        candidate=text or "v2",
        live=text,
        dataset=text,
        reasons=(text,) * times,
        figures=(ComparedFigure(text, 0.1, 0.2, -0.1, 0.3), ComparedFigure("p50_s", None, 2.0)) * times,
        worst=(ComparedAnswer(text, text, text, text), ComparedAnswer(text, "", "", "")) * times,
    )


def every_card(
    text: str, times: int = 1, states: Sequence[str] = tuple(STANDINGS)
) -> Iterator[tuple[str, Json]]:
    comparison = with_text(text, times)
    decided = [
        ModelDecision("c", number, choice, "r", text, NOW, done=choice is not Choice.HOLD)
        for number, choice in enumerate(list(Choice) * times, start=1)
    ]
    names = {"v1": text, "v2": comparison.candidate, "v9": text + "9"}
    for name in states:
        plain = STANDINGS[name]
        standing = replace(
            plain, name=names.get(plain.name, plain.name), canary=names.get(plain.canary, plain.canary)
        )
        fresh = ModelView(comparison, standing, True, (), "s" * 32)
        held = replace(comparison, decision=Decision.HOLD)
        yield f"{name}, fresh", render_card(model_card(fresh))
        yield (
            f"{name}, decided",
            render_card(model_card(replace(fresh, comparison=held, present=False, decisions=decided))),
        )
        if plain.canary == "v2":
            for seen in (CanaryWatch(standing.canary, text, NOW, ((text, text),) * times), None):
                yield f"standing {name}", render_card(standing_card(standing, seen, compared=seen is None))
    yield (
        "notice",
        render_card(build_notice_card(ModelNotice("n", text, text, text, NOW, ((text, text),) * times))),
    )


def test_every_word_of_ours_on_every_card_comes_from_a_catalogue(monkeypatch: pytest.MonkeyPatch) -> None:
    with speak_pseudo(monkeypatch):
        plain = {name: words for name, card in every_card("δ") if (words := find_plain_words(card))}
    assert plain == {}


def every_finding() -> Iterator[GateDecision]:
    """Return what the gate says of figures that rise, stay, fall or are missing, by several bars."""
    names = ("accuracy", "precision", "regression_accuracy", "attack_success", "latency_p95_s")
    bars = (GateCriteria(), GateCriteria(1, 400, -1.0, 1.0, 1.0, 0.1, 9.0), GateCriteria(most_injection=0.1))
    for bar in bars:
        for before, after, low in ((0.2, 0.9, 0.1), (0.5, 0.5, None), (0.9, 0.2, -0.8), (None, None, None)):
            for p, lost in ((0.0001, 1), (0.3, 2)):
                figures = [ComparedFigure(name, before, after, low, low and low + 0.2) for name in names]
                asked = PairedOutcome(40 + 20 * lost, 9, 9, 30, lost, p)
                yield decide(bar, figures, asked, lost, asked)


def every_look() -> Iterator[CanaryFinding]:
    """Return whatever a canary is found to be."""
    good, bad = [1.0] * 80 + [0.0] * 20, [1.0] * 40 + [0.0] * 60
    live = CanaryStats(good, [1.0] * 100, 1)
    rules, week = CanaryRules(), timedelta(days=7)
    yield judge_canary(live, CanaryStats(good, [1.0] * 100, 60), week, rules)
    yield judge_canary(live, CanaryStats(good, [9.0] * 100), week, rules)
    yield judge_canary(live, CanaryStats(bad, [1.0] * 100), week, rules)
    yield judge_canary(live, CanaryStats((), [1.0]), week, rules)
    yield judge_canary(live, live, week / 2, rules)
    yield judge_canary(live, live, week, rules)
    yield judge_canary(live, CanaryStats([1.0] * 76 + [0.0] * 24, [1.0] * 100), week, rules)


def test_whatever_is_found_of_a_version_is_said_from_catalogues_after_it_was_kept(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    reasons = {str(one): one for found in every_finding() for one in found.refusals + found.speaks_for}
    assert len(reasons) > 20
    looks = list(every_look())
    assert len({str(look.sentence) for look in looks}) == 7
    facts = [pair for names in (CANARY, LIVE) for pair in tell_facts(names, CanaryStats([1.0], [2.0], 1))]
    facts += tell_facts(CANARY, CanaryStats())
    at = replace(STANDINGS["canary"], canary="δ", name="δ")
    plain: dict[str, set[str]] = {}
    with speak_pseudo(monkeypatch):
        for english, reason in reasons.items():
            made = replace(with_text("δ"), reasons=(reason,), phrases=write_phrases((reason,)))
            kept = from_json(Comparison, to_json(made))
            assert kept.reasons == (english,), "the program before reads it"
            view = ModelView(kept, STANDINGS["canary"], True, (), "s" * 32)
            plain[english] = find_plain_words(render_card(model_card(view)))
        for look in looks:
            seen = CanaryWatch("δ", look.sentence, NOW, tuple(facts)).with_phrases()
            seen = from_json(CanaryWatch, to_json(seen))
            shown = render_card(standing_card(at, seen, compared=True))
            plain[f"watch {look.sentence}"] = find_plain_words(shown)
        for step in (Step.ROLL_BACK, Step.PROMOTE):
            told = compose_notice(at, replace(looks[0], step=step), facts, NOW)
            told = from_json(ModelNotice, to_json(told))
            plain[f"notice {step}"] = find_plain_words(render_card(build_notice_card(told)))
    assert {name: words for name, words in plain.items() if words} == {}


def test_every_figure_of_the_gate_has_a_name_in_every_language(monkeypatch: pytest.MonkeyPatch) -> None:
    figures = compute_figures([], [], (1, 1))
    comparison = replace(with_text("δ"), figures=figures)
    with speak_pseudo(monkeypatch):
        card = render_card(model_card(ModelView(comparison, STANDINGS["canary"], True, (), "s" * 32)))
    assert find_plain_words(card) == set()
    assert len(figures) > 10


def test_what_an_older_program_kept_is_shown_as_it_is() -> None:
    kept = from_json(Comparison, to_json(a_comparison(reasons=("F1 rose.",)), without=("phrases",)))
    made = ModelNotice("n", "v2", "Rolled back", "It fell.", NOW, (("Votes", "3"),))
    notice = from_json(ModelNotice, to_json(made, without=("phrases",)))
    with speak("de"):
        view = ModelView(kept, STANDINGS["canary"], True, (), "s" * 32)
        card, told = (
            json.dumps(render_card(model_card(view))),
            json.dumps(render_card(build_notice_card(notice))),
        )
    assert "F1 rose." in card
    assert all(text in told for text in ("Rolled back", "It fell.", "Votes: 3"))


def test_every_card_in_every_state_is_valid(valid: Check) -> None:
    names = {name for name, card in every_card("v2") if checked(name, card, valid) is None}
    assert len(names) > 15


def test_every_card_holds_the_longest_texts_and_none(valid: Check) -> None:
    for text in ("😀" * 10_000, "\x01" * 10_000, '"\\' * 5_000, ""):
        for name, card in every_card(text, times=5, states=("canary", "retired")):
            checked(name, card, valid)


def test_every_card_holds_every_naughty_string(shared_data: Path, valid: Check) -> None:
    strings = json.loads((shared_data / "security" / "blns.json").read_text("utf-8"))
    shapes: set[str] = set()
    for text in strings:
        for name, card in every_card(text, states=("canary",)):
            shape = json.dumps(shape_of(card))
            if shape not in shapes:
                shapes.add(shape)
                checked(name, card, valid)
    assert len(shapes) > 4


@pytest.mark.parametrize(
    ("name", "present", "allowed"),
    [
        ("candidate", True, "promote hold"),
        ("candidate", False, ""),
        ("canary", True, "promote hold roll_back"),
        ("canary", False, "roll_back"),
        ("live", True, "roll_back"),
        ("live", False, "roll_back"),
        ("live beside a canary", True, ""),
        ("live from the beginning", True, ""),
        ("retired", True, ""),
    ],
)
def test_a_card_has_the_buttons_that_the_standing_allows(name: str, present: bool, allowed: str) -> None:
    view = ModelView(a_comparison(), STANDINGS[name], present, (), "s")
    assert " ".join(choices(view)) == allowed
    verbs = [
        part["verb"] for part in parts(render_card(model_card(view))) if part.get("type") == "Action.Execute"
    ]
    assert verbs == [f"model.{choice}" for choice in allowed.split()]


def test_what_is_read_out_says_all_that_is_seen() -> None:
    """Tables have headings, columns say their version, and the notification says what it is about."""
    card = render_card(model_card(ModelView(a_comparison(), STANDINGS["candidate"], True, (), "s")))
    [table] = [part for part in parts(card) if part.get("type") == "Table"]
    assert set(table) == {"type", "columns", "rows"}, (
        "the first row is a heading unless something else is said"
    )
    assert {len(row["cells"]) for row in table["rows"]} == {len(table["columns"])}
    said = [part["text"] for part in parts(card) if part.get("type") == "TextRun"]
    assert said[said.index("Question: “How  long?”") :][:6] == [
        "Question: “How  long?”",
        "Expected: 30 days",
        "Live version:",
        "30 days [1]",
        "This one:",
        "It varies.",
    ]
    assert card["fallbackText"] == (
        "Model update: v2. The measurements speak for it. It answers nobody yet; v1 is live."
    )


def test_only_the_three_worst_answers_are_shown_and_how_many_more_there_are() -> None:
    worst = tuple(ComparedAnswer(f"question {number}", "", "a", "b") for number in range(5))
    text = json.dumps(
        render_card(model_card(ModelView(a_comparison(worst=worst), RolloutState(), True, (), "s")))
    )
    assert "question 2" in text
    assert "question 3" not in text
    assert "and 2 more." in text
    assert text.count("It is not on the page.") == 3
