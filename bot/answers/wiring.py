"""The chain of answers with all that was learned: verified answers, lessons for the search, examples.

    wired = wire_answers(settings, page_services, answering, services, reading)
    wired.answerer.stream(question, history)

A bot that listens has one, and so has the command line where no bot runs: the same question has the same
answer in both.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import cast

from bot.bootstrap import PageServices, list_untrusted, make_services
from bot.dialogs.answerer import PageAnswerer, Verified, is_fresh
from bot.dialogs.learned_search import LearnedRatings, LearnedSearch, join_recalls
from bot.dialogs.neighbours import NeighbourFinder, People
from bot.dialogs.rate import Forms
from bot.dialogs.verified_answers import VerifiedAnswers
from bot.page_reading import PageReading
from bot.services import Services, read_rules
from bot.stores import Store, open_store, read_keys
from core.settings import Settings
from core.translation import LanguagePolicy, set_policy
from feedback.privacy.opt_out import OptOuts
from feedback.reviews.ruling_changes import read_standing
from model.answering.chain import Answering


@dataclass(frozen=True, slots=True)
class WiredAnswers:
    """What answers, and the ratings to keep up to date: None where those teach nothing.

    The verified answers and their lessons are read by `Reviewing.catch_up`.
    """

    answerer: PageAnswerer
    ratings: LearnedRatings | None


def wire_answers(
    settings: Settings,
    page_services: PageServices,
    answering: Answering,
    services: Services,
    reading: PageReading,
) -> WiredAnswers:
    """Let a chain use what reviewers and people taught. `services` has the verified answers and the store."""
    store, known = services.store, _read_known(services)
    untrusted = list_untrusted(settings, read_keys(settings))
    learned = LearnedSearch(known, store, page_services.public_page_hash, untrusted)
    answering.recall, services.reviewing.learn = learned.recall, learned.catch_up
    ratings = _learn_ratings(settings, page_services, answering, services)
    fresh = partial(is_fresh, page_hash=page_services.page_hash)
    kept, offers = partial(read_standing, services.repository), settings.verified.offer_similar
    verified = Verified(known, fresh, kept, untrusted, offers, page_services.access)
    people = People(store.answer, OptOuts(store.documents).is_out)
    answering.neighbours = NeighbourFinder(verified, people).find
    forms, read_file = read_forms(settings), services.files.ensure
    answerer = PageAnswerer(page_services.library, answering, verified, forms, reading.describe, read_file)
    return WiredAnswers(answerer, ratings)


def _read_known(services: Services) -> VerifiedAnswers:
    return cast("VerifiedAnswers", services.known)  # `open_verified` made them


def _learn_ratings(
    settings: Settings, page_services: PageServices, answering: Answering, services: Services
) -> LearnedRatings | None:
    """Let the search learn from what people think of answers, where that is wished."""
    if not settings.verified.learn_from_ratings:
        return None
    scale = read_rules(settings)[0].scale
    ratings = LearnedRatings(_read_known(services), services.store, page_services.public_page_hash, scale)
    answering.recall = join_recalls([answering.recall, ratings.recall])
    services.rating.learn_rating = ratings.learn
    services.reviewing.on_forget.append(ratings.forget)
    services.privacy.memories.append(ratings.forget_person)
    return ratings


@asynccontextmanager
async def open_answers(
    settings: Settings, page_services: PageServices, answering: Answering
) -> AsyncGenerator[PageAnswerer]:
    """Open the store, and answer as a bot on it would. Raises StoreError.

    A data folder that no bot has used gets no store: nothing was learned there.
    """
    set_policy(LanguagePolicy(**settings.language.values()))
    if not settings.cosmos.endpoint and not settings.store_path.is_file():
        yield PageAnswerer(page_services.library, answering)
        return
    async with (
        open_store(settings) as store,
        _open_learned(settings, page_services, answering, store) as answerer,
    ):
        yield answerer


@asynccontextmanager
async def _open_learned(
    settings: Settings, page_services: PageServices, answering: Answering, store: Store
) -> AsyncGenerator[PageAnswerer]:
    services = make_services(settings, page_services, store, lambda _: None, "")
    try:
        wired = wire_answers(
            settings, page_services, answering, services, PageReading.of_nothing(page_services)
        )
        await services.reviewing.catch_up()
        await services.paraphrases.catch_up()
        if wired.ratings is not None:
            await wired.ratings.catch_up()
        yield wired.answerer
    finally:
        await services.privacy.close()


def read_forms(settings: Settings) -> Forms:
    """Return how feedback is asked for."""
    return Forms(**settings.feedback.values())
