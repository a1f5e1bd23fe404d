"""A version's confidence fitted to its own answers: what few of them teach, and what stays as shipped."""

from __future__ import annotations

import json
import random
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from core.records import Answer, AnswerKind, Channel, Passage, Question, Timings, TrainingExample
from feedback.store.serialization import to_json
from model.answering.chain import Attempt
from model.answering.confidence import Signals, load_weights, rate_features
from model.answering.version_confidence import parse_version_confidence
from model.evaluation.near_fit import fit_near, make_cases
from model.evaluation.version_fit import (
    LEAST,
    MOST,
    JudgedAttempt,
    fit_version,
    judge_attempt,
    read_validation,
)
from model.registry.versions import read_version, write_version
from model.text.prompt import NOT_ON_PAGE
from tests.builders.versions import make_version

NOW = datetime(2026, 11, 1, 9, tzinfo=UTC)
LEAVE = Passage("/site/leave", "Leave", "Parents", "New parents get 12 weeks. Ask first.", "h", NOW)
SIGNALS = Signals(3.0, 1.0, 6.0, 1.0, 0.0)
READ_NOT = {name: value for name, value in asdict(SIGNALS).items() if value is not None}
STATE_FROM = 0.72


def judged(number: int, *, inside: float, written: bool, page: bool = True) -> JudgedAttempt:
    features = {"page": 1.0, "quantity": 0.0, "agrees": 1.0, "inside": inside, "length": 1.5, "sentence": 0.0}
    return JudgedAttempt(f"a{number}", features, READ_NOT, written, page, 1.0, reads_whole=True)


def overconfident(count: int, seed: int = 7) -> list[JudgedAttempt]:
    """A version that is right half of the time, more often where the found sentence has its words."""
    draw = random.Random(seed)  # noqa: S311 - a sample that can be repeated
    inside = [draw.random() for _ in range(count)]
    return [judged(at, inside=one, written=draw.random() < one) for at, one in enumerate(inside)]


def inside(one: JudgedAttempt) -> float:
    return (one.features or {})["inside"]


def test_a_version_that_is_less_often_right_than_shipped_weights_say_is_less_sure_from_then_on() -> None:
    answers = overconfident(60)
    fit = fit_version(answers)
    shipped = [rate_features(one.features or {}, load_weights()["read"]) for one in answers]
    own = [rate_features(one.features or {}, fit.written) for one in answers]
    right = sum(one.written for one in answers) / len(answers)
    assert min(shipped) > STATE_FROM > 0.6 > right, "each would have been stated"
    assert abs(sum(own) / len(own) - right) < 0.1
    least = min(range(60), key=lambda at: inside(answers[at]))
    assert own[least] == min(own), "what stands elsewhere is least likely"
    assert fit.figures["written_loss_after"] < fit.figures["written_loss_before"]
    assert fit.reasons[0] == "The confidence «written» is fitted to 60 judged answers."
    assert fit.answers == tuple(sorted(one.answer_id for one in answers))


def test_it_states_fewer_wrong_answers_of_questions_that_it_was_not_fitted_to() -> None:
    fit, others = fit_version(overconfident(60)), overconfident(400, seed=8)
    stated = [one for one in others if rate_features(one.features or {}, fit.written) >= STATE_FROM - 0.1]
    assert stated
    assert (
        sum(one.written for one in stated) / len(stated)
        > sum(one.written for one in others) / len(others) + 0.1
    )


def test_with_too_few_judged_answers_the_shipped_weights_stay_and_it_says_so() -> None:
    fit = fit_version(overconfident(LEAST - 1))
    assert (fit.written, fit.page, fit.answers) == ({}, {}, ())
    assert fit.reasons[0] == (
        f"The confidence «written» stays as shipped: {LEAST - 1} answers could be judged; {LEAST} are needed."
    )
    assert parse_version_confidence(fit.dump(NOW)) is None


def test_nothing_judged_at_all_stays_as_shipped() -> None:
    fit = fit_version([])
    assert (fit.written, fit.page) == ({}, {})
    assert len(fit.reasons) == 2


def test_what_is_right_as_often_as_the_shipped_weights_say_stays_as_shipped() -> None:
    weights = load_weights()["read"]
    one = judged(0, inside=1.0, written=True)
    likely = rate_features(one.features or {}, weights)
    draw = random.Random(3)  # noqa: S311
    answers = [judged(at, inside=1.0, written=draw.random() < likely) for at in range(200)]
    exact = [replace(each, written=at < round(200 * likely)) for at, each in enumerate(answers)]
    fit = fit_version(exact)
    assert "stays as shipped: on 200 judged answers fitted weights are not nearer" in fit.reasons[0]


def test_one_that_stays_as_shipped_goes_with_the_other_one_that_was_fitted() -> None:
    answers = [replace(one, signals=None) for one in overconfident(60)]
    fit = fit_version(answers)
    assert fit.page == load_weights()["page_unread"]
    own = parse_version_confidence(json.loads(json.dumps(fit.dump(NOW))))
    assert own is not None
    assert (own.written, own.page) == (fit.written, fit.page)


def test_where_a_reranker_read_what_was_found_its_signals_count_and_others_are_left_out() -> None:
    read = READ_NOT | {"relevance": 2.0, "lead": 1.0}
    answers = [replace(one, signals=read, page=False) for one in overconfident(60)]
    fit = fit_version([*answers, *overconfident(30, seed=9)])
    assert fit.figures["page_judged"] == 60
    assert set(fit.page) == set(load_weights()["page"])
    assert fit.page["bias"] < load_weights()["page"]["bias"]


def test_a_few_answers_move_the_weights_little() -> None:
    shipped = {"one": 1.0, "bias": 0.0}
    rows = [{"one": float(at % 2)} for at in range(20)]
    right = [at % 2 == 0 for at in range(20)]
    near = fit_near(make_cases(rows, right, [1.0] * 20), shipped, 10.0, 2.0)
    far = fit_near(make_cases(rows * 50, right * 50, [1.0] * 1000), shipped, 10.0, 2.0)
    assert far["one"] < -3 < near["one"] < 1.0
    assert fit_near(make_cases(rows, right, [0.5] * 20), shipped, 10.0, 2.0) == near, "weights are relative"


def test_a_feature_that_is_always_the_same_keeps_its_weight() -> None:
    shipped = {"one": 0.4, "bias": 2.0}
    cases = make_cases([{"one": 0.1}] * 30, [at % 2 == 0 for at in range(30)], [1.0] * 30)
    assert fit_near(cases, shipped, 10.0, 2.0)["one"] == pytest.approx(0.4)


# How it is judged


def attempt(
    written: str, quoted: str, kind: AnswerKind = AnswerKind.QUOTED, *, stands: bool = True
) -> Attempt:
    def answer(text: str, kind: AnswerKind) -> Answer:
        asked = Question("q", "How many weeks?", "x", "c", Channel.LOCAL, NOW)
        return Answer("a", asked, text, (LEAVE,), (), "v", Timings(), NOW, kind=kind)

    features = {"page": 1.0} if stands else None
    return Attempt(SIGNALS, answer(quoted, kind), answer(written, AnswerKind.ANSWERED), features, True)


EXAMPLE = TrainingExample("a1", "How many weeks?", (LEAVE,), "12 weeks")


@pytest.mark.parametrize(
    ("said", "example", "written", "page"),
    [
        (attempt("12 weeks [1]", "New parents get 12 weeks."), EXAMPLE, True, True),
        (attempt("Ask first. [1]", "New parents get 12 weeks."), EXAMPLE, False, True),
        (attempt("12 weeks [1]", "Ask first."), EXAMPLE, True, False),
        (attempt("", "New parents get 12 weeks.", stands=False), EXAMPLE, False, True),
        (attempt("12 weeks [1]", NOT_ON_PAGE, AnswerKind.DECLINED), EXAMPLE, True, False),
        (
            attempt("12 weeks [1]", "New parents get 12 weeks."),
            replace(EXAMPLE, completion=NOT_ON_PAGE, kind="not_on_page"),
            False,
            False,
        ),
    ],
)
def test_both_answers_are_judged_by_what_reviewers_let_stand(
    said: Attempt, example: TrainingExample, written: bool, page: bool
) -> None:
    found = judge_attempt(example, said)
    assert (found.written, found.page) == (written, page)


def test_what_could_not_be_stated_is_no_case() -> None:
    assert judge_attempt(EXAMPLE, attempt("", "x", stands=False)).features is None
    assert judge_attempt(EXAMPLE, attempt("x", "", AnswerKind.DECLINED)).signals is None


# What it is asked


def line_of(models_dir: Path, *shares: float) -> None:
    """A base model and versions that descend from each other, each with a validation share."""
    make_version(models_dir, "v0")
    for at, share in enumerate(shares, 1):
        version = make_version(models_dir, f"v{at}", parent=f"v{at - 1}")
        write_version(replace(version, training={"recipe": {"validation_share": share}}))


def write_examples(folder: Path, count: int) -> Path:
    folder.mkdir()
    examples = [
        replace(EXAMPLE, answer_id=f"a{at}", held_out=at % 5 == 0, made_from=("a1",) if at % 7 == 0 else ())
        for at in range(count)
    ]
    (folder / "examples.jsonl").write_text("".join(f"{to_json(one)}\n" for one in examples))
    (folder / "card.json").write_text(json.dumps({"dataset": "d", "label": 2}))
    return folder


def test_only_questions_are_asked_that_nothing_in_the_line_learned_and_the_gate_does_not_count(
    tmp_path: Path,
) -> None:
    dataset = write_examples(tmp_path / "d", 400)
    line_of(tmp_path / "models", 0.2, 0.5)
    found = {
        name: read_validation(tmp_path / "models", version, dataset)
        for name in ("v0", "v1", "v2")
        if (version := read_version(tmp_path / "models" / name))
    }
    assert found["v0"] == [], "an imported version learned from nobody: nothing to fit"
    assert found["v1"] == found["v2"], "its parent learned from what a larger share would set aside"
    assert 30 < len(found["v1"]) < 90
    assert not any(one.held_out or one.made_from for one in found["v1"])


def test_a_parent_that_was_deleted_does_not_matter_and_there_are_never_too_many(tmp_path: Path) -> None:
    dataset = write_examples(tmp_path / "d", 2000)
    version = make_version(tmp_path / "models", "v9", parent="gone")
    write_version(replace(version, training={"recipe": {"validation_share": 0.5}}))
    whole = read_version(version.folder)
    assert whole is not None
    assert len(read_validation(tmp_path / "models", whole, dataset)) == MOST


def test_a_version_that_set_nothing_aside_has_nothing_to_fit(tmp_path: Path) -> None:
    line_of(tmp_path / "models", 0.0)
    version = read_version(tmp_path / "models" / "v1")
    assert version is not None
    assert read_validation(tmp_path / "models", version, write_examples(tmp_path / "d", 50)) == []
