"""The parts of feedback and review, built once per process and wired to each other."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from bot.card_tokens import Seals
from bot.channel import Connector
from bot.channels.answer_message import AnswerView
from bot.channels.card_sync import Courier, Ways
from bot.channels.feedback_handler import Opinions
from bot.channels.handler import Hands, Recognise
from bot.channels.model_handler import ModelCourier, ModelDesk
from bot.channels.privacy_handler import PrivacyDesk, PrivacyTerms, teller
from bot.channels.review_handler import ReviewDesk
from bot.channels.reviewers import Reviewers
from bot.dialogs.after_delivery import Looking
from bot.dialogs.data_links import Exports
from bot.dialogs.models import Deciding
from bot.dialogs.privacy import Privacy, forget_waiting
from bot.dialogs.rate import DOWN, UP, Direction, Rating, RatingRules
from bot.dialogs.review import Known, LookAgain, Reviewing, ReviewRules
from core.records import VerifiedAnswer
from core.settings import Settings
from feedback.privacy.deletion_log import ForgetExamples
from feedback.reviews.repository import Desk
from feedback.store.deferred import AtOnce, Later
from feedback.store.offline_queue import Spool
from feedback.store.rows import WholeStore


async def _known_to_nobody(_: str) -> None: ...


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What feedback and review need from the rest: where pages and people are, and what people are promised.

    `opens_url` as in `AnswerView`; `connector` as in `Ways`. `later` is where something goes that the store
    cannot take now. `forget_examples` as in `feedback/privacy/deletion_log.py`. `recognise` hears of
    everybody who shows up, and `key_before` is the earlier key, both while the key of the pseudonyms changes
    (`feedback/privacy/keys.py`).
    """

    known: Known
    look_again: LookAgain
    fresh: Callable[[VerifiedAnswer], bool]
    connector: Callable[[Mapping[str, Any]], Connector | None]
    site_url: str
    opens_url: str = ""
    later: Later = field(default_factory=AtOnce)
    terms: PrivacyTerms = field(default_factory=PrivacyTerms)
    forget_examples: ForgetExamples | None = None
    recognise: Recognise = _known_to_nobody
    key_before: bytes = b""
    models_dir: Path = Path("data/models")


class FeedbackParts:
    """Everything between a word on an answer and the answer that takes its place."""

    def __init__(
        self,
        store: WholeStore,
        desk: Desk,
        key: bytes,
        around: Surroundings,
        rules: tuple[RatingRules, ReviewRules] = (RatingRules(), ReviewRules()),
    ) -> None:
        """`key` is secret, and the same in every process of an instance."""
        rating_rules, review_rules = rules
        self._store = store
        self._later = around.later
        self._recognise = around.recognise
        self.desk = desk
        seals = Seals(key, around.key_before)
        self.view = AnswerView(around.site_url, seals, around.opens_url)
        self.reviewing = Reviewing(desk, store, around.known, review_rules, around.look_again)
        self.rating = Rating(store, self.reviewing, rating_rules)
        self.looking = Looking(store, self.rating, self.reviewing, around.later)
        ways = Ways(around.connector, around.fresh, self.rating.waits)
        self.courier = Courier(store, self.reviewing, self.view, seals, ways)
        self.deciding = Deciding(desk, around.models_dir)
        self.models = ModelCourier(self.deciding, desk, seals, around.connector)
        self.models.join(self.courier)
        tell = teller(around.connector)
        self.privacy = Privacy(store, self._forgotten, tell, around.later, around.forget_examples)
        if isinstance(around.later, Spool):
            self.privacy.memories.append(partial(forget_waiting, around.later))
        self.exports = Exports(self.privacy, seals)
        self._privacy_desk = PrivacyDesk(self.privacy, self.exports, seals, around.site_url, around.terms)

    def hands(self, reviewers: Reviewers) -> Hands:
        """Return what a front end passes activities on to, where these people review."""
        opinions = Opinions(self._store, self.desk, self.rating, self.view, self._later)
        reviews = ReviewDesk(self._store, self.reviewing, reviewers, self.courier, self._later)
        return Hands(
            self.desk,
            self.view,
            opinions,
            reviews,
            self.courier,
            self._later,
            self._privacy_desk,
            self._recognise,
            ModelDesk(self.deciding, reviewers, self.courier.seals, self.models),
        )

    def _forgotten(self, answer_id: str) -> None:
        """An answer is gone: serve nothing that came from it, and take its cards from screens."""
        self.reviewing.forget(answer_id)
        self.reviewing.wake()


def rules_of(settings: Settings) -> tuple[RatingRules, ReviewRules]:
    """Return what the settings say about what is bad, what may be learned from, and what is reviewed."""
    directions: dict[str, Direction] = dict.fromkeys(settings.reactions.up, UP)
    directions |= dict.fromkeys(settings.reactions.down, DOWN)
    if settings.slack.signing_secret.get_secret_value():
        directions |= dict.fromkeys(settings.slack_reactions.up, UP)
        directions |= dict.fromkeys(settings.slack_reactions.down, DOWN)
    rating = RatingRules(directions, settings.few_stars, frozenset(settings.trainable_channels))
    return rating, ReviewRules(**settings.review.values())
