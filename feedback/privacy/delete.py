"""Deletes everything of one person, who is a pseudonym, from a store.

    deletion = await Deletions(store.documents).begin(Deletion(person, "name", now, by=person))
    deletion = await delete(store, deletion)

It may be killed at any moment and called again, by any process, with the deletion as it is kept: what is
there is counted before anything goes, and what goes with a question is noted in a document (`going`) before
the question goes. Only what is from before `begun_at` goes, so whoever asks again meanwhile loses nothing.

What goes: questions with their answers, all that anybody said about those, their reviews and verified
answers, the cards of them on screen (card sync takes those back), what the person said about other people's
answers, the gaps (with their owners' cards) that come from any of these answers, and the documents about the
person: notices, contacts, words without an answer, declined questions, files that were sent (their text goes
first, by `bot/channels/files`), subscriptions to review cards. What the person did as a reviewer, or as the
owner of a page, stays without the name (`feedback/privacy/anonymise.py`). What stays with it: the wish that
nothing is learned (`feedback/privacy/opt_out.py`), that there was a deletion, and what the audit trail says
about the person's own requests. Questions, words and documents are found along indexes, PAGE at a time; only
where the person has reviewed are all answers read, a page at a time, too.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from core import telemetry
from core.records import FeedbackKind, derive_answer_id
from feedback.gaps import owner_cards
from feedback.privacy import audit, opt_out
from feedback.privacy.anonymise import anonymise_answers, anonymise_reviews
from feedback.privacy.deletion_log import KIND, Deletion, Deletions, ForgetExamples, ForgottenExamples
from feedback.privacy.export import export_person
from feedback.reviews import model_decisions
from feedback.reviews.paraphrases import Paraphrases
from feedback.reviews.ratings import RATINGS, RatedAnswers
from feedback.reviews.repository import PostedMessage, ReviewRepository, is_askers
from feedback.store.base import moment
from feedback.store.documents import Document, Wanted
from feedback.store.rows import TIMES, Row, Table, WholeStore, every_page
from feedback.store.serialization import from_json, to_json

__all__ = ["DeletionHooks", "delete", "export_person"]

GOING = "going"
"""A question that goes: its document is written before, and removed when all that follows has happened."""
_REDRAWN_AFTER = timedelta(seconds=5)
REVIEWING = frozenset({"reviewed", "reviewer"})
"""Documents that say what somebody does as a reviewer: they go whenever they are from."""


async def _no_examples(_answers: object, _person: str) -> Sequence[ForgottenExamples]:
    return ()


@dataclass(frozen=True, slots=True)
class DeletionHooks:
    """Whom a deletion tells: data sets, this process's memory of an answer (by its id), and who watches."""

    forget_examples: ForgetExamples = _no_examples
    forgotten: Callable[[str], None] = lambda _: None
    tell: Callable[[str, int], None] = lambda _what, _done: None


async def delete(store: WholeStore, deletion: Deletion, hooks: DeletionHooks | None = None) -> Deletion:
    """Delete all that there is of a person; return the deletion as it is kept then.

    Called for one that has settled, it looks once more and ends it. Raises StoreError, and Overtaken.
    """
    return await _Deleting(store, deletion, hooks or DeletionHooks()).run()


def _is_from_before(row: Row, until: datetime) -> bool:
    when: str = row.fields[TIMES[row.table]]
    return when <= moment(until) or (row.table == "document" and row.fields["kind"] in REVIEWING)


class _Deleting:
    def __init__(self, store: WholeStore, deletion: Deletion, hooks: DeletionHooks) -> None:
        self._store = store
        self._documents = store.documents
        self._repository = ReviewRepository(store.documents)
        self._deletions = Deletions(store.documents)
        self._paraphrases = Paraphrases(store.documents)
        self._rated = RatedAnswers(store.documents)
        self._deletion = deletion
        self._hooks = hooks

    async def run(self) -> Deletion:
        again = self._deletion.is_gone
        if self._deletion.state == "open":
            await self._count()
        elif again:
            await self._note_questions(Counter())
        await self._questions()
        await self._words()
        await self._about()
        await self._store.overwrite(whole=True)
        if again:
            await self._move_on(state="done")
        else:
            await self._move_on(state="settling", gone_at=datetime.now(UTC))
            telemetry.event("person_deleted", count=sum(self._deletion.counts.values()))
        return self._deletion

    # What there is

    async def _count(self) -> None:
        """Count all of it, note what goes with the questions, and let the data sets forget their examples."""
        counts: Counter[str] = Counter()
        await self._note_questions(counts)
        said: set[tuple[str, ...]] = set()
        async for page in self._theirs("feedback"):
            said |= {tuple(row.fields[name] for name in ("answer_id", "kind", "reaction")) for row in page}
        counts["word"] = len(said)
        async for page in self._theirs("document"):
            counts.update(row.fields["kind"] for row in page if not _stays(row))
        await self._move_on(state="counted", counts=dict(counts))

    async def _note_questions(self, counts: Counter[str]) -> None:
        async for page in self._theirs("question"):
            answers = [await self._note(row, counts) for row in page]
            self._hooks.tell("counted", counts["question"])
            await self._forget_examples(page[0].key if page else "", [one for one in answers if one])
        await self._forget_examples("", [])  # the person, where others' answers are examples

    async def _forget_examples(self, page: str, answers: Sequence[str]) -> None:
        """Let the data sets forget a page of answers, once, and keep what they tell."""
        await model_decisions.strike_out(self._documents, answers)
        await owner_cards.forget_answers(self._documents, answers)
        known = self._deletion.examples
        if page not in known:
            found = await self._hooks.forget_examples(answers, self._deletion.person)
            known = {**known, page: tuple(found)} if found else known
        await self._move_on(examples=known)

    async def _note(self, row: Row, counts: Counter[str]) -> str:
        """Note what goes with a question; return its answer's id, "" where there is none."""
        question_id = row.fields["id"]
        answer = await self._store.answer_to_question(question_id)
        counts["question"] += 1
        noted = _Noted(question_id, answer.id if answer else "")
        if answer is not None:
            review = await self._repository.review(answer.id)
            verified = await self._documents.get("verified", answer.id, answer.id)
            cards = tuple(
                one for one in await self._repository.list_shown(answer.id) if not is_askers(one.place)
            )
            counts["answer"] += 1
            words = await self._store.feedback_on(answer.id)
            counts["word of others"] += sum(word.giver != self._deletion.person for word in words)
            counts["review"] += review is not None
            counts["verified"] += verified is not None
            noted = replace(noted, cards=cards, verified=verified is not None)
        await self._documents.put(noted.document(self._deletion.person))
        return noted.answer_id

    # What goes

    async def _questions(self) -> None:
        done = 0
        while noted := await self._documents.list_documents(Wanted(GOING, person=self._deletion.person)):
            for document in noted:
                await self._forget(from_json(_Noted, document.body))
            done += len(noted)
            self._hooks.tell("questions", done)
            await self._move_on()

    async def _forget(self, noted: _Noted) -> None:
        for card in noted.cards:
            await self._repository.leave_card(card)
        await self._store.forget_question(noted.question_id)
        if noted.answer_id:
            self._hooks.forgotten(noted.answer_id)
            telemetry.event("question_forgotten", answer=telemetry.hash_answer_id(noted.answer_id))
        if noted.verified:  # other processes know it by heart
            await self._repository.drop_verified(noted.answer_id)
        await self._documents.remove(GOING, noted.id)

    async def _words(self) -> None:
        """Drop what the person said about other people's answers; their cards are drawn without it."""
        async for page in self._theirs("feedback"):
            later = datetime.now(UTC) + _REDRAWN_AFTER
            for answer_id in {row.fields["answer_id"] for row in page}:
                await self._repository.add_outbox_entry(answer_id, later)
            await owner_cards.forget_answers(self._documents, {row.fields["answer_id"] for row in page})
            await self._store.drop_rows(page)
            similar = {row.fields["answer_id"] for row in page if row.fields["kind"] == FeedbackKind.SIMILAR}
            opted_out = await opt_out.list_opt_outs(self._documents) if similar else frozenset[str]()
            for answer_id in similar:
                await self._paraphrases.recount(self._store, answer_id, opted_out)
            for answer_id in {row.fields["answer_id"] for row in page if row.fields["kind"] in RATINGS}:
                await self._rated.mark_again(answer_id)
            self._hooks.tell("words", len(page))
            await self._move_on()

    async def _about(self) -> None:
        """Drop the documents about the person, and take the name from what others need."""
        async for page in self._theirs("document"):
            gone = [row for row in page if not _stays(row)]
            for row in gone:
                await self._before(row)
            await self._store.drop_rows(gone)
            for row in page:
                if row.fields["kind"] == audit.KIND:
                    await audit.without_person(self._documents, _document(row))
                elif row.fields["kind"] == model_decisions.DECISION:
                    await model_decisions.without_reviewer(self._documents, _document(row))
                elif row.fields["kind"] == owner_cards.STEP:
                    await owner_cards.without_owner(self._documents, _document(row))
            self._hooks.tell("documents", len(gone))
            await self._move_on()
        await audit.without_reviewer(self._documents, self._deletion.person)

    async def _before(self, row: Row) -> None:
        """Do what has to be done before a document goes."""
        fields, person = row.fields, self._deletion.person
        match fields["kind"]:
            case "reviewed":
                await anonymise_reviews(self._store, fields["answer_id"], person)
            case "reviewer":
                async for read in anonymise_answers(self._store, person):
                    self._hooks.tell("answers read", read)
                    await self._move_on()
            case "shown":
                await self._repository.leave_card(from_json(PostedMessage, fields["body"]))
            case _:
                pass

    async def _theirs(self, table: Table) -> AsyncIterator[Sequence[Row]]:
        until = self._deletion.begun_at
        async for page in every_page(self._store, table, person=self._deletion.person):
            yield [row for row in page if _is_from_before(row, until)]

    async def _move_on(self, **changes: object) -> None:
        self._deletion = await self._deletions.move_on(self._deletion, **changes)


@dataclass(frozen=True, slots=True)
class _Noted:
    """A question that goes, with what has to be known once it is gone."""

    question_id: str
    answer_id: str
    verified: bool = False
    cards: tuple[PostedMessage, ...] = ()

    @property
    def id(self) -> str:
        return derive_answer_id(self.question_id)

    def document(self, person: str) -> Document:
        return Document(GOING, self.id, to_json(self), person=person)


def _stays(row: Row) -> bool:
    """Tell whether a document about a person outlives the deletion."""
    kind = row.fields["kind"]
    return kind in {KIND, GOING, audit.KIND, model_decisions.DECISION, owner_cards.STEP} or (
        kind == opt_out.KIND and row.fields["state"] == opt_out.OUT
    )


def _document(row: Row) -> Document:
    fields = {name: value for name, value in row.fields.items() if name != "place"}
    return Document(**fields, order=row.fields["place"])
