"""The parts of feedback and review, built once per process and wired to each other."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Protocol

from aiohttp import web

from bot.card_tokens import CardSigner
from bot.channel import ChannelCapabilities, Offers, Reply
from bot.channels.answer_message import AnswerView, FindLabel, find_no_label
from bot.channels.asides.listening import Listening, UnaskedRules
from bot.channels.asides.my_overview import MyOverviews, PageList
from bot.channels.asides.one_person import ContactCipher
from bot.channels.asides.own_reactions import OwnReactions, Rule
from bot.channels.asides.page_previews import ListedPages, PagePreviews
from bot.channels.asides.served_notices import ServedNotices
from bot.channels.asked_messages import AskedMessages, MessageHooks
from bot.channels.card_sync import CardSync, CardSyncHooks
from bot.channels.feedback_handler import FeedbackHandler
from bot.channels.files.sent_files import FilePages, SentFiles
from bot.channels.handler import Handlers, Recognise
from bot.channels.message import Connector
from bot.channels.model_handler import ModelCardSync, ModelHandler
from bot.channels.owners.cards import OwnerCards, OwnerPlace
from bot.channels.owners.handler import OwnerHandler
from bot.channels.owners.people import Owners
from bot.channels.previews import RulingPreviews
from bot.channels.privacy_handler import PrivacyHandler, PrivacyPlace, PrivacyTerms, teller
from bot.channels.review_handler import ReviewActions, Reviewers, ReviewHandler
from bot.dialogs.after_delivery import Looking
from bot.dialogs.ask import Asking
from bot.dialogs.models import Deciding
from bot.dialogs.privacy import DataLinks, Privacy, forget_waiting
from bot.dialogs.rate import Rating, RatingRules
from bot.dialogs.review import Known, LookAgain, Reviewing, ReviewRules
from bot.dialogs.review_queue import ReviewQueue
from bot.dialogs.rulings import TakingBack
from bot.dialogs.similar_questions import LearnsParaphrases
from bot.page_invites import Operators, PageInvites
from bot.page_passes import Gate, Page, PagePasses
from bot.readers.access import PageAccess
from bot.readers.audiences import Audiences
from core.records import Channel, Question, VerifiedAnswer
from core.settings import Settings
from feedback.privacy.deletion_log import ForgetExamples
from feedback.privacy.keys import pseudonym
from feedback.reviews.ratings import DOWN, UP, Direction, Scale
from feedback.reviews.repository import ReviewRepository
from feedback.store.base import DeferredActions, RunImmediately
from feedback.store.offline_queue import OfflineQueue
from feedback.store.rows import WholeStore


async def _recognise_nobody(_: str) -> None: ...


@dataclass(frozen=True, slots=True)
class ServiceDependencies:
    """What feedback and review need from the rest: where pages and people are, and what people are promised.

    `opens_url` as in `AnswerView`; `connector` as in `CardSyncHooks`. `later` is where something goes that
    the store cannot take now. `forget_examples` as in `feedback/privacy/deletion_log.py`. `recognise` hears
    of everybody who shows up, and `key_before` is the earlier key, both while the key of the pseudonyms
    changes (`feedback/privacy/keys.py`). `capabilities` are those of the channels that are on, by their id.
    `audiences` know who reads what is said where.
    `owners` are the people behind the owners that pages name.
    `operators` may see the admin page, by the ids that the directory has of them.
    `file_pages` reads and keeps the files that people send; None: this process reads none. `listed_pages` are
    those that sources named, for previews. `find_label` as in `AnswerView`.
    `own_reactions` says where the bot reacts to questions, `unasked` when it answers without being mentioned.
    What `local_reviewers` decide counts on the chat page only; they are pseudonyms.
    """

    known: Known
    look_again: LookAgain
    fresh: Callable[[VerifiedAnswer], bool]
    connector: Callable[[Mapping[str, Any]], Connector | None]
    site_url: str
    opens_url: str = ""
    later: DeferredActions = field(default_factory=RunImmediately)
    terms: PrivacyTerms = field(default_factory=PrivacyTerms)
    forget_examples: ForgetExamples | None = None
    recognise: Recognise = _recognise_nobody
    key_before: bytes = b""
    models_dir: Path = Path("data/models")
    capabilities: Mapping[str, ChannelCapabilities] = field(default_factory=dict[str, ChannelCapabilities])
    audiences: Audiences = field(default_factory=lambda: Audiences(PageAccess()))
    operators: frozenset[str] = frozenset()
    owners: Owners = field(default_factory=Owners)
    file_pages: FilePages | None = None
    listed_pages: ListedPages | None = None
    find_label: FindLabel = find_no_label
    own_reactions: Rule = "off"
    unasked: UnaskedRules = field(default_factory=UnaskedRules)
    local_reviewers: frozenset[str] = frozenset()


class Services:
    """Everything between a word on an answer and the answer that takes its place. One per process.

    Whatever may wait for the store is known once this is made: no channel has to be open for that.
    """

    def __init__(
        self,
        store: WholeStore,
        repository: ReviewRepository,
        key: bytes,
        dependencies: ServiceDependencies,
        rules: tuple[RatingRules, ReviewRules] = (RatingRules(), ReviewRules()),
    ) -> None:
        """`key` is secret, and the same in every process of an instance."""
        rating_rules, review_rules = rules
        self.pseudonym = partial(pseudonym, key)
        self._recognise = dependencies.recognise
        self.store, self.repository = store, repository
        self.known, self.terms = dependencies.known, dependencies.terms
        self.passes = PagePasses(CardSigner(key), repository.documents)
        self.reviewer_gates: dict[str, Gate] = {}
        self.operators = Operators(dependencies.operators)
        signer = CardSigner(key, dependencies.key_before)
        self.view = AnswerView(
            dependencies.site_url,
            signer,
            dependencies.opens_url,
            dependencies.capabilities,
            dependencies.known.get_public,
            dependencies.find_label,
        )
        self.audiences = self.view.audiences = dependencies.audiences
        self.reviewing = Reviewing(repository, store, self.known, review_rules, dependencies.look_again)
        self.reviewing.access = self.audiences.access
        self.paraphrases = LearnsParaphrases(store, repository.documents, self.known)
        self.rating = Rating(store, self.reviewing, rating_rules, self.paraphrases.learn)
        self.looking = Looking(store, self.rating, self.reviewing, dependencies.later)
        self.previews = RulingPreviews(store, repository, dependencies.known)
        self.own_reactions = OwnReactions(dependencies.connector, dependencies.own_reactions)
        self.page_previews = PagePreviews(dependencies.listed_pages, dependencies.site_url)
        self.listening = Listening(repository.documents, dependencies.unasked)
        self._cipher = cipher = ContactCipher(key)
        hooks = CardSyncHooks(
            dependencies.connector,
            dependencies.fresh,
            self.rating.waits,
            self.previews.peek,
            self.own_reactions.mark_corrected,
            cipher.decrypt,
        )
        self.card_sync = CardSync(store, self.reviewing, self.view, signer, hooks)
        ServedNotices(
            store, self.card_sync, repository, review_rules.tell_served_days, dependencies.local_reviewers
        ).join()
        self.deciding = Deciding(repository, dependencies.models_dir)
        self.previews.wake = self.card_sync.wake
        self.reviewing.on_forget.append(self.previews.forget)
        self.models = self._make_models(signer, dependencies)
        self.owner_cards = self._make_owner_cards(store, signer, dependencies)
        self.links = DataLinks(signer)
        self.privacy = self._make_privacy(store, dependencies)
        self._privacy_handler = self._make_privacy_handler(signer, dependencies)
        self._feedback = FeedbackHandler(store, repository, self.rating, self.view, dependencies.later)
        taking_back = TakingBack(
            self.reviewing, store, second_for_corrections=review_rules.second_for_corrections
        )
        self.review_actions = ReviewActions(
            store,
            taking_back,
            self.card_sync,
            dependencies.later,
            ReviewQueue(store, repository, self.previews.peek, review_rules.order),
            cipher,
        )
        self.files = SentFiles(store, repository.documents, dependencies.file_pages)
        self.messages = AskedMessages(
            store,
            repository,
            self.card_sync,
            dependencies.later,
            self.pseudonym,
            MessageHooks(self.files.forget_message, cipher.encrypt),
        )
        self._feedback.keep_private_contact = self.messages.keep_private_contact
        self.privacy.memories = [
            self.messages.forget_person,  # first: what is under way for somebody ends
            *self.privacy.memories,
            self.paraphrases.forget_person,
            self.audiences.forget_people,
            self.files.forget_person,
        ]

    def handlers(self, asking: Asking, reviewers: Reviewers, channel: Channel = Channel.TEAMS) -> Handlers:
        """Return what the activities of a channel are passed on to, where these people review."""
        self.messages.asking = asking
        self.reviewer_gates[str(channel)] = reviewers
        gates: Mapping[Page, Gate] = {"reviews": reviewers, "admin": self.operators}
        return Handlers(
            asking=asking,
            messages=self.messages,
            view=self.view,
            feedback=self._feedback,
            reviews=ReviewHandler(self.review_actions, reviewers),
            privacy=self._privacy_handler,
            files=self.files,
            own_reactions=self.own_reactions,
            listening=self.listening,
            models=ModelHandler(self.deciding, reviewers, self.card_sync.signer, self.models),
            owners=OwnerHandler(self.owner_cards, self.card_sync.signer),
            pages=PageInvites(self.passes, gates, self.card_sync.site_url),
            recognise=self._recognise,
            pseudonym=self.pseudonym,
        )

    def make_overviews(self, list_pages: PageList) -> MyOverviews:
        """Return what reads people's pages about themselves, over the pages of a `ChannelContext`."""
        return MyOverviews(self.store, self.repository, self.audiences, self.privacy, list_pages)

    def _make_models(self, signer: CardSigner, dependencies: ServiceDependencies) -> ModelCardSync:
        models = ModelCardSync(self.deciding, self.repository, signer, dependencies.connector)
        models.join(self.card_sync)
        return models

    def _make_owner_cards(
        self, store: WholeStore, signer: CardSigner, dependencies: ServiceDependencies
    ) -> OwnerCards:
        place = OwnerPlace(
            dependencies.owners,
            self.audiences.access,
            signer,
            dependencies.connector,
            self.pseudonym,
            self._cipher,
            dependencies.site_url,
        )
        cards = OwnerCards(store, self.repository, place)
        cards.join(self.card_sync)
        return cards

    def _make_privacy(self, store: WholeStore, dependencies: ServiceDependencies) -> Privacy:
        tell = teller(dependencies.connector, self.view.keeps_messages_here)
        privacy = Privacy(store, self._forgotten, tell, dependencies.later, dependencies.forget_examples)
        privacy.is_restricted = self.audiences.access.is_restricted
        if isinstance(dependencies.later, OfflineQueue):
            privacy.memories.append(partial(forget_waiting, dependencies.later))
        return privacy

    def _make_privacy_handler(self, signer: CardSigner, dependencies: ServiceDependencies) -> PrivacyHandler:
        view = self.view
        place = PrivacyPlace(
            dependencies.site_url, dependencies.terms, view.keeps_messages_here, view.is_on_this_machine
        )
        return PrivacyHandler(self.privacy, self.links, signer, place)

    def _forgotten(self, answer_id: str) -> None:
        """An answer is gone: serve nothing that came from it, and take its cards from screens."""
        self.reviewing.forget(answer_id)
        self.reviewing.wake()


@dataclass(frozen=True, slots=True)
class ChannelContext:
    """What a channel is opened with, in a bot that listens.

    `offers` are what can be asked after an answer. `is_public`: people elsewhere are meant to reach the port.
    `trusts_local_reviewers`: what the chat page's reviewer rules counts in the other channels, too.
    `preparing` says what is not there yet, pages or the model; None where all is. `pages` returns (URL,
    title) of those that are known, `suggestions` questions that they answer.
    """

    settings: Settings
    asking: Asking
    store: WholeStore
    services: Services
    examples: Sequence[str]
    offers: Offers
    is_public: bool
    trusts_local_reviewers: bool
    preparing: Callable[[], str | None] = lambda: None
    pages: Callable[[], Sequence[tuple[str, str]]] = tuple
    suggestions: Callable[[], Sequence[str]] = tuple


class OpenChannel(Protocol):
    """A channel of a bot that listens. `bot/bootstrap.py` lists them; each has a module `channel.py`."""

    connector: Connector

    def routes(self) -> Sequence[web.RouteDef]:
        """Return what the channel's service, or its browser, calls."""
        ...

    def restore_reply(self, question: Question) -> Reply | None:
        """Make the way back to who asked, from the stored question; None where it is not this channel's."""
        ...

    async def run(self) -> None:
        """Do what has to be done beside the requests, until cancelled."""
        ...

    async def hang_up(self) -> None:
        """End what browsers keep open: the program stops."""
        ...

    async def close(self) -> None:
        """Finish what arrived, and let go of connections."""
        ...


def read_rules(settings: Settings) -> tuple[RatingRules, ReviewRules]:
    """Return what the settings say about what is bad, what may be learned from, and what is reviewed."""
    directions: dict[str, Direction] = dict.fromkeys(settings.reactions.up, UP)
    directions |= dict.fromkeys(settings.reactions.down, DOWN)
    if settings.slack.signing_secret.get_secret_value():
        directions |= dict.fromkeys(settings.slack_reactions.up, UP)
        directions |= dict.fromkeys(settings.slack_reactions.down, DOWN)
    rating = RatingRules(Scale(directions, settings.few_stars), frozenset(settings.trainable_channels))
    return rating, ReviewRules(**settings.review.values())
