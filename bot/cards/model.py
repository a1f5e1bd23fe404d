"""Cards about model versions: a comparison with its decisions, a notice, and who answers whom now."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

from bot.cards.dates import when
from bot.cards.elements import (
    ActionButton,
    Card,
    Columns,
    Element,
    Style,
    Table,
    heading,
    line,
    small_print,
    title,
)
from core.phrases import Phrase, read_phrases
from core.records import ComparedAnswer, ComparedFigure, Comparison, Decision
from core.text import clip_text
from core.translation import format_number, format_share, mark, say, say_count
from feedback.reviews.model_decisions import CanaryWatch, Choice, ModelDecision, ModelNotice
from model.registry.versions import RolloutState, VersionStatus

MAX_WORST = 3
MAX_REASONS = 8
MAX_FIGURES = 16
MAX_DECISIONS = 5
MAX_FACTS = 10
NAME_CHARACTERS = 80
SENTENCE_CHARACTERS = 400

DID: Mapping[Choice, str] = {
    Choice.PROMOTE: mark("{name} promoted it, {time}"),
    Choice.HOLD: mark("{name} put it on hold, {time}"),
    Choice.ROLL_BACK: mark("{name} rolled it back, {time}"),
}
"""What somebody has done who decided."""
_SECONDS = "0.00 s"
_BUTTONS: Mapping[Choice, tuple[str, Style]] = {
    Choice.PROMOTE: (mark("Promote"), "positive"),
    Choice.HOLD: (mark("Hold"), "default"),
    Choice.ROLL_BACK: (mark("Roll back"), "destructive"),
}
_SAYS: Mapping[Decision, str] = {
    Decision.PROMOTE: mark("The measurements speak for it"),
    Decision.HOLD: mark("The measurements speak against it"),
}
STATUSES: Mapping[VersionStatus, str] = {
    VersionStatus.CANDIDATE: mark("a candidate"),
    VersionStatus.CANARY: mark("the canary"),
    VersionStatus.LIVE: mark("live"),
    VersionStatus.RETIRED: mark("retired"),
}
_FIGURES: Mapping[str, str] = {
    "accuracy": mark("accuracy"),
    "strict_accuracy": mark("strict accuracy"),
    "precision": mark("precision"),
    "f1": mark("F1"),
    "contained": mark("contained"),
    "right_abstentions": mark("declined rightly"),
    "false_abstentions": mark("declined wrongly"),
    "citation_validity": mark("valid citations"),
    "regression_accuracy": mark("accuracy on the fixed questions"),
    "attack_success": mark("attacks that succeed"),
    "attack_written": mark("attacks that the model wrote"),
    "accuracy_under_attack": mark("accuracy under attack"),
    "latency_p50_s": mark("seconds per answer, median"),
    "latency_p95_s": mark("seconds per answer, 95th percentile"),
    "size_mb": mark("size in MB"),
}
"""What the figures of a comparison are called; another program's have the names that it gave them."""
NOTHING_COMPARED = mark("No candidate has been compared with the live version yet.")
NOT_COUNTED = mark("Its ratings have not been counted yet; the job watch_canary does that.")


@dataclass(frozen=True, slots=True)
class ModelView:
    """One comparison as it is now. `present`: the candidate's files are there; `signature`: the buttons'."""

    comparison: Comparison
    standing: RolloutState
    present: bool
    decisions: Sequence[ModelDecision]
    signature: str

    @property
    def status(self) -> VersionStatus:
        """Where the candidate stands."""
        return self.standing.derive_status(self.comparison.candidate)

    @property
    def shown_version(self) -> str:
        """Say what the card shows, for comparing it with what is on screen."""
        done = "".join("+" if decision.done else "-" for decision in self.decisions)
        live, share = self.standing.name, self.standing.share if self.status is VersionStatus.CANARY else 0
        names = [decision.reviewer_name for decision in self.decisions]
        compared = f"{self.comparison.compared_at.isoformat()} {len(self.comparison.worst)}"
        return (
            f"{compared} {self.status} {self.present} {live} {share:g} {done} {names} {bool(choices(self))}"
        )


def choices(view: ModelView) -> Sequence[Choice]:
    """Return what may be decided where the candidate stands."""
    held = bool(view.decisions) and view.decisions[-1].choice is Choice.HOLD
    forward = (Choice.PROMOTE, *(() if held else (Choice.HOLD,))) if view.present else ()
    match view.status:
        case VersionStatus.LIVE:
            return (Choice.ROLL_BACK,) if view.standing.before and not view.standing.canary else ()
        case VersionStatus.CANARY:
            return (*forward, Choice.ROLL_BACK)
        case VersionStatus.CANDIDATE:
            return forward
        case VersionStatus.RETIRED:
            return ()


def model_card(view: ModelView) -> Card:
    """Return the card of a comparison; where it is too large, with less of the worst answers."""
    return replace(_draw_card(view, 600), shorten=partial(_draw_card, view, 200))


def _draw_card(view: ModelView, answer_characters: int) -> Card:
    comparison = view.comparison
    name = clip_text(comparison.candidate, NAME_CHARACTERS)
    head = say("Model update: {name}", name=name)
    body = (
        title(head),
        line(_stands(view), color="Accent"),
        *_draw_decisions(view.decisions),
        heading(say(_SAYS[comparison.decision])),
        *(line(f"• {_say_kept(reason)}") for reason in _list_reasons(comparison)[:MAX_REASONS]),
        *_figures(comparison),
        *_worst(comparison, answer_characters),
        small_print(_origin(comparison)),
    )
    return Card(body, _actions(view), f"{head}. {say(_SAYS[comparison.decision])}. {_stands(view)}")


def _list_reasons(comparison: Comparison) -> Sequence[str]:
    """Return the reasons, those that can be said in other languages as phrases."""
    return read_phrases(comparison.phrases, comparison.reasons)


def _say_kept(text: str, characters: int = SENTENCE_CHARACTERS) -> str:
    """Say what is kept: a phrase in the reader's language; what older programs kept is English, and stays."""
    return clip_text(say_kept(text), characters)


def say_kept(text: str) -> str:
    """Say a phrase in the reader's language; any other text is what it is."""
    return say(text) if isinstance(text, Phrase) else text


def _stands(view: ModelView) -> str:
    compared_with = clip_text(view.comparison.live, NAME_CHARACTERS)
    match view.status:
        case VersionStatus.LIVE:
            return say("It is live: it answers everybody.")
        case VersionStatus.RETIRED:
            return say("It is retired: it no longer answers anybody.")
        case _ if not view.present:
            return say("Its files are missing, so you cannot use it.")
        case VersionStatus.CANARY:
            return _say_canary(view.standing)
        case _ if view.standing.name not in ("", view.comparison.live):
            live = clip_text(view.standing.name, NAME_CHARACTERS)
            return say(
                "It answers nobody yet. It was compared with {compared}; the live version is now {live}.",
                compared=compared_with,
                live=live,
            )
        case _:
            return say("It answers nobody yet; {live} is live.", live=compared_with)


def _say_canary(standing: RolloutState) -> str:
    share = format_share(standing.share)
    if standing.since is None:
        return say("It is the canary: it answers {share} of the conversations.", share=share)
    return say(
        "It is the canary: it answers {share} of the conversations, since {time}.",
        share=share,
        time=when(standing.since),
    )


def _draw_decisions(decisions: Sequence[ModelDecision]) -> list[Element]:
    return [
        line(
            f"✓ {_date(one)}" if one.done else say("{decision}: in progress", decision=_date(one)),
            bold=True,
            color="Good",
        )
        for one in decisions[-MAX_DECISIONS:]
    ]


def _date(decision: ModelDecision) -> str:
    return who_did(decision, when(decision.decided_at))


def who_did(decision: ModelDecision, time: str) -> str:
    """Say who decided what, and when: the words for it, or the mark of a date."""
    name = clip_text(decision.reviewer_name, NAME_CHARACTERS)
    return say(DID[decision.choice], name=name, time=time)


def _figures(comparison: Comparison) -> list[Element]:
    if not comparison.figures:
        return []
    head = (
        say("On the same questions"),
        say("Live version"),
        say("This one"),
        say("Difference (95 % interval)"),
    )
    rows = (head, *map(_row, comparison.figures[:MAX_FIGURES]))
    return [
        Table(rows, (3, 2, 2, 4)),
        small_print(say_count("{count} question.", "{count} questions.", comparison.questions)),
    ]


def _row(figure: ComparedFigure) -> tuple[str, ...]:
    seconds = figure.name.endswith("_s")
    name = clip_text(_name_figure(figure), NAME_CHARACTERS)
    return (name, _value(figure.before, seconds), _value(figure.after, seconds), _difference(figure, seconds))


def _name_figure(figure: ComparedFigure) -> str:
    known = _FIGURES.get(figure.name)
    return say(known) if known else figure.name.removesuffix("_s").replace("_", " ")


def _value(value: float | None, seconds: bool) -> str:
    if value is None:
        return "–"
    return format_number(value, _SECONDS if seconds else "0.00")


def _difference(figure: ComparedFigure, seconds: bool) -> str:
    if figure.before is None or figure.after is None:
        return "–"
    difference = _format_change(figure.after - figure.before)
    if figure.low is not None and figure.high is not None:
        low, high = _format_change(figure.low), _format_change(figure.high)
        difference = say("{difference} ({low} to {high})", difference=difference, low=low, high=high)
    return difference + (" s" if seconds else "")


def _format_change(change: float) -> str:
    sign = "−" if change < 0 else "+"
    return sign + format_number(abs(change), "0.00")


def _worst(comparison: Comparison, characters: int) -> list[Element]:
    if not comparison.worst:
        return []
    drawn: list[Element] = [
        heading(say("Questions that the live version answers correctly, and this one does not"))
    ]
    for answer in comparison.worst[:MAX_WORST]:
        drawn += _side_by_side(answer, characters)
    more = len(comparison.worst) - MAX_WORST
    return [*drawn, small_print(say("… and {count} more.", count=more))] if more > 0 else drawn


def _side_by_side(answer: ComparedAnswer, characters: int) -> list[Element]:
    expected = clip_text(answer.expected, characters) or say("It is not on the page.")
    sides = ((say("Live version"), answer.before), (say("This one"), answer.after))
    columns = tuple(
        (
            line(f"{version}:", bold=True, size="Small"),
            line(clip_text(text, characters) or say("(nothing)"), size="Small"),
        )
        for version, text in sides
    )
    return [
        replace(
            line(say("Question: “{text}”", text=clip_text(answer.question_text, characters))), separator=True
        ),
        small_print(say("Expected: {text}", text=expected)),
        Columns(columns),
    ]


def _origin(comparison: Comparison) -> str:
    known = {"time": when(comparison.compared_at), "live": clip_text(comparison.live, NAME_CHARACTERS)}
    if not comparison.dataset:
        return say("Compared {time} with {live}", **known)
    return say(
        "Compared {time} with {live}, learned from the examples {dataset}",
        **known,
        dataset=comparison.dataset[:12],
    )


def _actions(view: ModelView) -> tuple[ActionButton, ...]:
    known = {"answer_id": view.comparison.candidate, "round": len(view.decisions), "seal": view.signature}
    return tuple(
        ActionButton(say(label), {"verb": f"model.{choice}", **known}, style)
        for choice in choices(view)
        for label, style in [_BUTTONS[choice]]
    )


# What else is told


def build_notice_card(notice: ModelNotice) -> Card:
    """Return the card of something that happened to a version without a reviewer."""
    texts = notice.read_texts()
    head, sentence = _say_kept(texts.title, 2 * NAME_CHARACTERS), _say_kept(texts.sentence)
    body = (title(head), line(sentence), *_facts(texts.facts), small_print(when(notice.happened_at)))
    return Card(body, (), f"{head}. {sentence}")


def standing_card(standing: RolloutState, watch: CanaryWatch | None, *, compared: bool) -> Card:
    """Return the answer to "model": who answers whom, and how the canary does."""
    live = clip_text(standing.name, NAME_CHARACTERS) or say("No version")
    head, rest = say("The model now"), format_share(1 - standing.share)
    lives = say("{live} is live: it answers everybody.", live=live)
    if standing.canary:
        lives = say("{live} is live: it answers {share} of the conversations.", live=live, share=rest)
    body: list[Element] = [title(head), line(lives)]
    if standing.canary:
        name = clip_text(standing.canary, NAME_CHARACTERS)
        known = {"name": name, "share": format_share(standing.share)}
        said = say("{name} is the canary: it answers {share}.", **known)
        if standing.since:
            said = say(
                "{name} is the canary: it answers {share}, since {time}.", **known, time=when(standing.since)
            )
        body.append(line(said))
        body += _draw_watch(watch if watch and watch.canary == standing.canary else None)
    if not compared:
        body.append(line(say(NOTHING_COMPARED), subtle=True))
    return Card(tuple(body), (), f"{head}: {live}")


def _draw_watch(watch: CanaryWatch | None) -> list[Element]:
    if watch is None:
        return [line(say(NOT_COUNTED), subtle=True)]
    texts = watch.read_texts()
    return [
        line(_say_kept(texts.sentence)),
        *_facts(texts.facts),
        small_print(say("Counted {time}", time=when(watch.looked_at))),
    ]


def _facts(facts: Sequence[tuple[str, str]]) -> list[Element]:
    return [
        line(clip_text(f"{say_kept(what)}: {say_kept(how_much)}", SENTENCE_CHARACTERS), size="Small")
        for what, how_much in facts[:MAX_FACTS]
    ]
