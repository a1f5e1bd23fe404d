"""Reviews from flag to ruling: who wins, who hears what, what is served, what is sampled."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from bot.dialogs.review import Refused, Reviewing, ReviewRules, build_verified_answer
from core.records import Answer, AnswerKind, Citation, Passage, Review, ReviewReason, Ruling, Skip, Verdict
from feedback.reviews.repository import SETTLED, WAITING, ReviewRepository
from feedback.reviews.sampling import derive_stratum
from feedback.store.sqlite import SqliteStore
from tests.builders.records import NOON, answer, question
from tests.builders.world import NO_SAMPLE, NothingKnown, live

ROBIN, KIM, LEE = "p-robin", "p-kim", "p-lee"


class Bench:
    """A repository on a real store, with answers to review."""

    def __init__(self, store: SqliteStore, rules: ReviewRules) -> None:
        self.store = store
        self.known = NothingKnown()
        self.repository = ReviewRepository(store.documents)
        self.now_on_the_page: list[Passage] = []
        self.reviewing = Reviewing(self.repository, store, self.known, rules, self._look_again)

    async def _look_again(self, _: object) -> list[Passage]:
        return self.now_on_the_page

    async def answered(self, number: int = 1, **changes: Any) -> Answer:
        asked = question(number, **changes.pop("question", {}))
        given = answer(asked, **changes)
        await self.store.add_question(asked)
        await self.store.add_answer(given)
        return given

    async def flagged(self, number: int = 1, **changes: Any) -> Answer:
        given = await self.answered(number, **changes)
        await self.reviewing.flag(given, ReviewReason.THUMB_DOWN)
        return given

    async def rule(self, on: Answer, ruling: Ruling = Ruling.APPROVED, **changes: Any) -> Review:
        return await self.reviewing.rule(on.id, changes.pop("round", 1), verdict(ruling, **changes))


def verdict(ruling: Ruling = Ruling.APPROVED, **changes: Any) -> Verdict:
    return replace(Verdict(ROBIN, "Robin", ruling, NOON, source="act-1"), **changes)


@pytest.fixture
async def bench(tmp_path: Path) -> Any:
    store = SqliteStore.open(tmp_path / "s")
    yield Bench(store, NO_SAMPLE)
    await store.close()


async def test_several_reasons_make_one_review(bench: Bench) -> None:
    given = await bench.flagged()
    await bench.reviewing.flag(given, ReviewReason.EXPERT)
    await bench.reviewing.flag(given, ReviewReason.THUMB_DOWN)
    [review], _ = await bench.repository.reviews(WAITING, 10)
    assert review.reasons == (ReviewReason.THUMB_DOWN, ReviewReason.EXPERT)
    assert review.stratum == "example.com|msteams|unknown|base"
    assert [answer_id for answer_id, _ in await bench.repository.claim_outbox_entries(10)] == [given.id]


async def test_an_approved_answer_is_served_with_its_own_words(bench: Bench) -> None:
    given = await bench.flagged()
    await bench.rule(given)
    [served] = await live(bench.repository)
    assert (served.text, served.citations) == (given.text, given.citations)
    assert served.pages == (("https://example.com/leave", "ab12"),)
    assert bench.known.served == {given.id: served}
    assert (await bench.repository.reviews(SETTLED, 10))[0][0].settled_at == served.verified_at


async def test_an_approved_quotation_is_served_as_an_answer_with_its_own_words(bench: Bench) -> None:
    further = Citation("https://example.com/leave#more", "Leave", "More", "Ask early.")
    given = await bench.answered(1, kind=AnswerKind.QUOTED, text="26 days.\n- Ask early.", marked="26 days.")
    given = replace(given, citations=(*given.citations, further))
    [first, _] = given.citations
    verdict = Verdict(ROBIN, "Robin", Ruling.APPROVED, NOON)
    served = build_verified_answer(given, verdict, NOON)
    assert served is not None
    assert (served.text, served.citations) == ("26 days.\n- Ask early. [1]", (first,))
    assert not served.abstained


async def test_a_correction_is_served_with_the_span_that_the_reviewer_chose(bench: Bench) -> None:
    given = await bench.flagged()
    span = Citation("https://example.com/leave#days", "Leave", "Days", "30 days")
    await bench.rule(given, Ruling.CORRECTED, text="30 days.", citation=span)
    [served] = await live(bench.repository)
    assert (served.text, served.citations) == ("30 days. [1]", (span,))
    assert not served.abstained


async def test_not_on_the_page_is_served_as_that_and_a_rejected_question_not_at_all(bench: Bench) -> None:
    given = await bench.flagged(1)
    await bench.rule(given, Ruling.NOT_ON_PAGE)
    [served] = await live(bench.repository)
    assert served.abstained
    assert not served.citations
    other = await bench.flagged(2)
    await bench.rule(other, Ruling.REJECTED)
    assert len(await live(bench.repository)) == 1


async def test_the_second_of_two_reviewers_hears_who_did_what(bench: Bench) -> None:
    given = await bench.flagged()
    await bench.rule(given, Ruling.CORRECTED, text="30")
    with pytest.raises(Refused, match="Robin has already corrected the answer"):
        await bench.rule(given, reviewer=KIM, reviewer_name="Kim", source="act-2")
    with pytest.raises(Refused, match="You have already corrected"):
        await bench.rule(given, source="act-3")


async def test_of_many_reviewers_at_once_exactly_one_wins(bench: Bench) -> None:
    given = await bench.flagged()
    rulings = [
        bench.rule(given, Ruling.CORRECTED, reviewer=f"r{n}", source=f"act-{n}", text=str(n))
        for n in range(10)
    ]
    ended = await asyncio.gather(*rulings, return_exceptions=True)
    assert sum(isinstance(end, Review) for end in ended) == 1
    review = await bench.repository.review(given.id)
    assert review is not None
    assert len(review.verdicts) == 1


async def test_the_same_activity_twice_is_one_verdict(bench: Bench) -> None:
    given = await bench.flagged()
    assert await bench.rule(given) == await bench.rule(given)


async def test_a_claim_holds_others_off_until_it_runs_out(bench: Bench) -> None:
    given = await bench.flagged()
    await bench.reviewing.claim(given.id, 1, ROBIN, "Robin")
    with pytest.raises(Refused, match="Robin has claimed this; the claim ends in"):
        await bench.rule(given, reviewer=KIM)
    with pytest.raises(Refused, match="Robin has claimed this; the claim ends in"):
        await bench.reviewing.claim(given.id, 1, KIM, "Kim")
    with pytest.raises(Refused, match="Robin has claimed this; the claim ends in"):
        await bench.reviewing.skip(given.id, 1, Skip(KIM, "unclear", NOON))
    review = await bench.repository.review(given.id)
    assert review is not None
    assert review.claimed_until is not None
    late = replace(review, claimed_until=review.claimed_until - timedelta(hours=1))
    assert await bench.repository.change_review(late)
    with pytest.raises(Refused, match="Your claim expired"):
        await bench.rule(given, given_at=datetime.now(UTC))
    await bench.reviewing.claim(given.id, 1, KIM, "Kim")
    assert (await bench.rule(given, reviewer=KIM)).settled_at


async def test_a_reviewer_is_marked_once_while_their_claim_holds_and_again_after_it(bench: Bench) -> None:
    async def marked(given: Answer) -> int:
        mark = await bench.store.documents.get("reviewed", f"{given.id}|{ROBIN}", given.id)
        return mark.version if mark else 0

    given = await bench.flagged()
    await bench.reviewing.claim(given.id, 1, ROBIN, "Robin")
    await bench.rule(given)
    assert await marked(given) == 1
    other = await bench.flagged(2)
    await bench.reviewing.claim(other.id, 1, ROBIN, "Robin")
    review = await bench.repository.review(other.id)
    assert review is not None
    assert await bench.repository.change_review(replace(review, claimed_until=NOON))
    await bench.reviewing.claim(other.id, 1, ROBIN, "Robin")
    assert await marked(other) == 2


async def test_skipping_gives_a_claim_back_and_is_remembered(bench: Bench) -> None:
    given = await bench.flagged()
    await bench.reviewing.claim(given.id, 1, ROBIN, "Robin")
    review = await bench.reviewing.skip(given.id, 1, Skip(ROBIN, "not my field", NOON))
    assert not review.claimed_by
    assert [skip.reason for skip in review.skips] == ["not my field"]
    assert (await bench.rule(given, reviewer=KIM)).settled_at


async def test_a_changed_page_sends_the_answer_back_with_the_page_as_it_is_now(bench: Bench) -> None:
    given = await bench.flagged()
    await bench.rule(given, Ruling.CORRECTED, text="30 days.")
    [served] = await live(bench.repository)
    new = replace(given.passages[0], text="You get 31 days.", page_hash="new")
    bench.now_on_the_page = [new]
    await bench.reviewing.reopen(served)
    await bench.reviewing.reopen(served)
    assert not bench.known.served
    assert not await live(bench.repository)
    [review], _ = await bench.repository.reviews(WAITING, 10)
    assert (review.round, review.reasons, review.passages) == (2, (ReviewReason.STALE,), (new,))
    assert [past.round for past in (await bench.repository.past_reviews(10))[0]] == [1]
    with pytest.raises(Refused, match="The page has changed since"):
        await bench.rule(given, reviewer=KIM)
    await bench.rule(given, reviewer=KIM, source="act-2", round=2)  # agreeing to what was corrected before
    [again] = await live(bench.repository)
    assert (again.text, again.pages) == ("30 days.", (("https://example.com/leave", "new"),))


async def test_an_answer_that_a_newer_one_contradicts_goes_back_and_is_served_no_more(bench: Bench) -> None:
    older, newer = await bench.flagged(), await bench.flagged(2)
    await bench.rule(older, Ruling.CORRECTED, text="30 days.")
    bench.known.conflicting.add(older.id)
    await bench.rule(newer, Ruling.CORRECTED, text="20 days.", source="act-2")
    assert [one.answer_id for one in await live(bench.repository)] == [newer.id]
    [review], _ = await bench.repository.reviews(WAITING, 10)
    assert (review.answer_id, review.round, review.reasons) == (older.id, 2, (ReviewReason.CONFLICT,))
    with pytest.raises(Refused, match="been answered differently"):
        await bench.rule(older, reviewer=KIM)


async def test_a_second_reviewer_agrees_to_a_correction(tmp_path: Path) -> None:
    store = SqliteStore.open(tmp_path / "s")
    bench = Bench(store, replace(NO_SAMPLE, second_for_corrections=True))
    given = await bench.flagged()
    review = await bench.rule(given, Ruling.CORRECTED, text="30 days.")
    assert review.proposal is not None
    assert not await live(bench.repository)
    with pytest.raises(Refused, match="a second reviewer has been asked"):
        await bench.rule(given, source="act-2")
    review = await bench.rule(given, reviewer=KIM, reviewer_name="Kim", source="act-3")
    assert review.ruling is not None
    assert (review.ruling.reviewer_name, review.ruling.ruling, review.ruling.text) == (
        "Kim",
        Ruling.CORRECTED,
        "30 days.",
    )
    assert [served.text for served in await live(bench.repository)] == ["30 days."]
    await store.close()


async def test_two_who_judge_a_sample_blindly_and_differ_are_followed_by_a_third(tmp_path: Path) -> None:
    store = SqliteStore.open(tmp_path / "s")
    bench = Bench(store, ReviewRules(sample_share=1.0, double_share=1.0))
    given = await bench.answered()
    await bench.reviewing.consider(given)
    review = await bench.rule(given)
    assert (review.settled_at, review.proposal, review.needed) == (None, None, 2)
    review = await bench.rule(given, Ruling.NOT_ON_PAGE, reviewer=KIM, source="act-2")
    assert (review.settled_at, review.needed) == (None, 3)
    review = await bench.rule(given, reviewer=LEE, source="act-3")
    assert review.ruling is not None
    assert review.ruling.ruling is Ruling.APPROVED
    await store.close()


async def test_every_stratum_is_sampled_soon_and_the_weights_stand_for_all(tmp_path: Path) -> None:
    store = SqliteStore.open(tmp_path / "s")
    bench = Bench(store, ReviewRules(sample_share=0.05))
    weights: Counter[str] = Counter()
    asked = {"en": 200, "de": 12, "fr": 5}
    number = 0
    for language, count in asked.items():
        for _ in range(count):
            number += 1
            given = await bench.answered(number, question={"language": language})
            await bench.reviewing.consider(given)
            review = await bench.repository.review(given.id)
            if review is not None:
                assert derive_stratum(given) == review.stratum
                weights[language] += round(review.weight)
    assert weights["fr"] == 5
    assert 5 <= weights["de"] <= 15
    assert 180 <= weights["en"] <= 215
    waiting, _ = await bench.repository.reviews(WAITING, 100)
    assert len(waiting) < 217 * 0.12
    await store.close()


async def test_a_doubtful_answer_and_what_several_people_were_declined_are_reviewed(bench: Bench) -> None:
    await bench.reviewing.consider(await bench.answered(1, support=0.9))
    await bench.reviewing.consider(await bench.answered(2, support=0.5))
    [review], _ = await bench.repository.reviews(WAITING, 10)
    assert review.reasons == (ReviewReason.LOW_SUPPORT,)
    for number, (asker, text) in enumerate(
        [("a1", "Dogs?"), ("a1", "Dogs?"), ("a2", "Cats?"), ("a2", "Dogs?"), ("a3", "Dogs?"), ("a4", "Dogs?")]
    ):
        asked = {"asker": asker, "text": text}
        given = await bench.answered(10 + number, kind=AnswerKind.DECLINED, support=0.0, question=asked)
        await bench.reviewing.consider(given)
    waiting, _ = await bench.repository.reviews(WAITING, 10)
    declined = [review for review in waiting if ReviewReason.DECLINED in review.reasons]
    assert [review.answer_id for review in declined] == [answer(question(14)).id]


async def test_what_the_bot_is_hardly_sure_of_is_reviewed_and_a_quotation_needs_no_support(
    bench: Bench,
) -> None:
    await bench.reviewing.consider(
        await bench.answered(1, kind=AnswerKind.QUOTED, support=0.0, confidence=0.5)
    )
    await bench.reviewing.consider(await bench.answered(2, support=0.9, confidence=0.6))
    await bench.reviewing.consider(await bench.answered(3, kind=AnswerKind.DECLINED, confidence=0.1))
    assert not (await bench.repository.reviews(WAITING, 10))[0]
    unsure = await bench.answered(4, kind=AnswerKind.QUOTED, confidence=0.2)
    await bench.reviewing.consider(unsure)
    [review], _ = await bench.repository.reviews(WAITING, 10)
    assert (review.answer_id, review.reasons) == (unsure.id, (ReviewReason.LOW_CONFIDENCE,))


async def test_numbers_are_never_given_twice(bench: Bench) -> None:
    numbers = await asyncio.gather(*(bench.repository.next_number("one") for _ in range(30)))
    assert sorted(numbers) == list(range(1, 31))
