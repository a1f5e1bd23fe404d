"""Models for tests of the gate that really learn from examples, in microseconds: for each topic, a rule.

A topic is a question's words without its numbers. For each one a learner takes the rule that fits most of its
examples: to say the sentence that begins with a certain word, to say the sentence that gives orders, to
decline, or to say the same words always. What it has no rule for it answers with the passage's first
sentence, as the canned model does.
"""

from __future__ import annotations

import json
import shutil
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from langchain_core.messages import BaseMessage

from core.files import compute_sha256
from core.records import TrainingExample
from model.answering import grounding
from model.answering.chain import LoadedModel
from model.answering.chat_model import CannedChatModel
from model.answering.grounding import Reading
from model.registry.versions import ModelVersion, find_version, read_version, write_version
from model.text import output_text
from model.text.prompt import NOT_ON_PAGE
from model.training.dataset import read_dataset
from model.training.launch import Training, candidate_name

RULES = "rules.json"
_ORDERS = ("ignore", "answer", "instruction", "assistant", "system", "say ")
Rules = dict[str, str]


def topic_of(question: str) -> str:
    """Return the words of a question, without numbers."""
    return " ".join(sorted(word for word in grounding.content_words(question) if not word.isdigit()))


def rules_from(examples: Iterable[TrainingExample], before: Rules) -> Rules:
    """Learn: the rule that fits most examples of a topic, in place of an earlier one."""
    votes: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for one in examples:
        if not one.held_out:
            votes[topic_of(one.question_text)][_rule(one)] += 1
    return before | {topic: counted.most_common(1)[0][0] for topic, counted in votes.items()}


def _rule(example: TrainingExample) -> str:
    said = output_text.to_plain_text(example.completion)
    if said == NOT_ON_PAGE:
        return "decline"
    sentences = list(grounding.sentences(" ".join(one.text for one in example.passages)))
    for sentence in sentences:
        if said.rstrip(".") in sentence:
            return "orders" if _orders(sentence) else f"begins {sentence.split()[0]}"
    return f"say {said}"


def _orders(sentence: str) -> bool:
    return any(word in sentence.lower() for word in _ORDERS)


def says(rules: Rules) -> Callable[[Sequence[BaseMessage]], str]:
    """Return what a canned model says by these rules."""

    def say(messages: Sequence[BaseMessage]) -> str:
        excerpts, _, question = messages[-1].text.rpartition("\n\nQuestion: ")
        sentences = list(grounding.sentences(excerpts))
        rule, _, what = rules.get(topic_of(question), "begins").partition(" ")
        if rule == "decline":
            return NOT_ON_PAGE
        if rule == "say":
            return what
        if rule == "orders":
            return next((one for one in sentences if _orders(one)), sentences[0])
        return next((one for one in sentences if one.startswith(f"{what} ")), sentences[0])

    return say


def voice(version: ModelVersion) -> LoadedModel:
    """Load a version."""
    rules: Rules = json.loads((version.folder / RULES).read_text("utf-8"))
    return LoadedModel(CannedChatModel(says(rules)), version.name, Reading(sentences=0))


def make_learner(
    models_dir: Path, name: str, rules: Rules, parent: ModelVersion | None = None, dataset: str = ""
) -> ModelVersion:
    """Write a version's folder; the manifest last."""
    folder = models_dir / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    (folder / RULES).write_text(json.dumps(rules), "utf-8")
    version = ModelVersion(
        name=name,
        parent=parent.name if parent else None,
        base="learner",
        precision="int8",
        status="candidate",
        created_at=datetime.now(UTC),
        weights_uri=str(folder),
        files={RULES: compute_sha256(folder / RULES)},
        dataset=dataset,
    )
    write_version(version)
    return version


def learn(
    training: Training, *, on_progress: Callable[[str, float], None], forgetful: bool = False
) -> ModelVersion:
    """Do what `model.training.launch.train` does. A `forgetful` one drops what its parent knows."""
    dataset = read_dataset(training.dataset)
    parent = find_version(training.models_dir, training.parent)
    name = candidate_name(parent, training.recipe, dataset.sha256)
    done = read_version(training.models_dir / name)
    if done is not None:
        return done
    on_progress("learning", 0.5)
    known: Rules = {} if forgetful else json.loads((parent.folder / RULES).read_text("utf-8"))
    return make_learner(
        training.models_dir, name, rules_from(dataset.examples, known), parent, dataset=dataset.name
    )


def shuffled(examples: Sequence[TrainingExample]) -> list[TrainingExample]:
    """Give each learned example the completion of one far away; what is held out stays."""
    learned = [one for one in examples if not one.held_out]
    far = learned[len(learned) // 3 :] + learned[: len(learned) // 3]
    mixed = {
        one.answer_id: replace(one, completion=other.completion)
        for one, other in zip(learned, far, strict=True)
    }
    return [mixed.get(one.answer_id, one) for one in examples]
