"""Every setting, with its default, its unit and a sentence.

Read only where the parts are wired (bot, jobs, cli).

A setting `answer_timeout_s` is the option `--answer-timeout-s`, the environment variable
`ASKPAGE_ANSWER_TIMEOUT_S`, and a line of the same name in a file `.env`; an option wins over the environment,
which wins over the file. These names are flat. In the code, settings of one matter form a group, whose fields
have the names of what the group configures: `training_rank` is `settings.training.rank`, and
`TrainingConfig(**settings.training.values())` takes it.

`docs/settings.md` has the same table for people, and a test holds the two together.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field, SecretStr, create_model, model_validator
from pydantic.fields import FieldInfo
from pydantic_settings import (
    BaseSettings,
    DotEnvSettingsSource,
    EnvSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from core.settings.answering import (
    AnsweringSettings,
    AskerSettings,
    CudaSettings,
    EngineSettings,
    FetchSettings,
    VerifiedSettings,
)
from core.settings.group import Group, OwnerWords, ReaderWords, Token, Words
from core.settings.learning import (
    CanarySettings,
    ExampleSettings,
    FeedbackSettings,
    GateSettings,
    ProbeSettings,
    ReviewSettings,
    TrainingSettings,
    UpdateSettings,
)
from core.settings.operation import (
    CosmosSettings,
    DataExplorerSettings,
    LanguageSettings,
    ModelServerSettings,
    ModelUrlSettings,
    RaySettings,
    ReactionSettings,
    RetentionSettings,
    ScheduleSettings,
    SlackReactionSettings,
    SlackSettings,
    TeamsPackageSettings,
    TelemetrySettings,
    TokenPriceSettings,
)
from core.settings.sources import SourceSettings
from core.settings.widget import WidgetSettings

_CONFIG = SettingsConfigDict(
    env_prefix="ASKPAGE_", env_file=".env", extra="ignore", frozen=True, validate_default=True
)


class Settings(BaseSettings):
    """The whole configuration of one instance.

    It is made with flat names, as in `Settings(training_rank=4)`.
    """

    model_config = _CONFIG

    if TYPE_CHECKING:  # the groups are filled from flat names, which a type checker cannot know

        def __init__(self, **flat: Any) -> None: ...

    # Where things are
    data_dir: Path = Field(Path("data"), description="Folder for all state: models, page index, store, keys.")
    host: str = Field("127.0.0.1", description="Address to listen on.")
    port: int = Field(3978, ge=0, le=65535, description="Port to listen on; 0 takes a free one.")
    public_url: str = Field(
        "", description="Address at which people reach the bot, used in links. Empty: the local address."
    )
    keepalive_s: float = Field(
        75.0,
        gt=0,
        description=(
            "How long a connection may stay open without a request, seconds; must be "
            "longer than a proxy in front of the bot keeps one open."
        ),
    )
    body_timeout_s: float = Field(
        20.0, gt=0, description="Longest time for the body of a request to arrive, seconds."
    )
    most_connections: int = Field(
        500,
        ge=1,
        description="Most open connections; if there are more, those that have waited longest for their "
        "client are closed.",
    )

    # Pages
    pages: Words = Field(
        default=["docs"],
        description=(
            "Sources, comma-separated: a folder, a file, a URL, a sitemap; FOLDER=URL if "
            "the folder is published there; git+https://…, confluence+https://…, "
            "notion+https://…, sharepoint+https://…, googledrive+https://…."
        ),
    )
    page_readers: ReaderWords = Field(
        default=[],
        description="Pages that not everyone may read, comma-separated: PATTERN=PRINCIPAL PRINCIPAL; the "
        "pattern is an address with *, or a source.",
    )
    page_owners: OwnerWords = Field(
        default=[],
        description=(
            "Owners of pages that name no owner, comma-separated: PATTERN=WHO; the "
            "pattern is an address with *, or a source; the last match counts."
        ),
    )
    sharepoint_authors: bool = Field(
        False,
        description=(
            "Treat the person who last changed a SharePoint file or page as its owner if "
            "it has no other; the bot asks Microsoft Graph when it reports gaps."
        ),
    )
    owner_chats: bool = Field(
        False,
        description=(
            "Start a chat with owners of pages who never wrote to the bot, to send them "
            "their cards; in Teams, the app must be installed for them."
        ),
    )
    owner_people: OwnerWords = Field(
        default=[],
        description="Who gets cards about gaps of pages, comma-separated: WHO=ID; WHO is the owner as a page "
        "names it, ID an Entra object id, or T…:U… in Slack.",
    )
    groups_remembered_s: float = Field(
        300.0,
        ge=0,
        description="How long the bot remembers which groups and channels a person is in, seconds.",
    )
    fetch: FetchSettings
    sources: SourceSettings
    passage_tokens: int = Field(180, ge=40, description="Longest passage, in words of the embedding model.")

    # Answers
    answering: AnsweringSettings
    verified: VerifiedSettings
    askers: AskerSettings
    prompt_tokens: int = Field(
        1600,
        ge=256,
        description="Longest prompt, tokens; if a question needs more, the person who asked is told.",
    )
    answer_tokens: int = Field(96, ge=8, description="Longest answer, tokens.")
    answer_timeout_s: float = Field(60.0, gt=0, description="Longest time for one answer, seconds.")

    language: LanguageSettings

    # Model
    base_model: str = Field(
        "smollm2-135m-instruct",
        description="A name from `askpage models catalogue`, a Hugging Face directory or hub id, or a "
        ".gguf file; “canned” gives fixed answers without a model, for tests.",
    )
    engine: EngineSettings
    cuda: CudaSettings
    model_poll_s: float = Field(
        1.0, gt=0, description="How often the bot checks which model version is live, seconds."
    )
    models_url: str = Field(
        "",
        description="Where several machines share their model versions: "
        "abfs://CONTAINER@ACCOUNT.dfs.core.windows.net/FOLDER or file:///FOLDER. Empty: in "
        "data_dir only.",
    )
    model_url: ModelUrlSettings
    token_price: TokenPriceSettings
    ray: RaySettings
    model_server: ModelServerSettings

    # Learning
    examples: ExampleSettings
    dangerously_train_on_restricted_pages: bool = Field(
        False,
        description="Let models learn answers from pages that not everyone may read; the models may then "
        "tell them to anybody.",
    )
    training: TrainingSettings
    tracking_uri: str = Field(
        "",
        description="Where MLflow stores the figures of trainings; empty: a file in data_dir; off: nowhere.",
    )
    update: UpdateSettings
    gate: GateSettings
    probes: ProbeSettings
    canary: CanarySettings

    # Bot Framework
    app_id: str = Field(
        "",
        description="Microsoft app id of the bot. Empty: no authentication, and the bot listens on "
        "this machine only.",
    )
    app_password: SecretStr = Field(SecretStr(""), description="Client secret of the app.")
    app_type: Literal["MultiTenant", "SingleTenant", "UserAssignedMSI"] = Field(
        "SingleTenant", description="How the app is registered."
    )
    app_tenant_id: str = Field("", description="Entra tenant of the app.")
    teams_library: Literal["botbuilder", "agents"] = Field(
        "botbuilder",
        description=(
            "Library that checks Teams' tokens and runs its turns: Bot Framework SDK or "
            "Microsoft 365 Agents SDK."
        ),
    )
    teams_tab: bool = Field(
        False,
        description=(
            "Add a tab to the Teams app with each person’s own questions, changes and "
            "data; the app’s registration needs an API for it (docs/teams.md)."
        ),
    )
    allowed_tenants: Words = Field(
        default=[],
        description=(
            "Entra tenants whose people may use the bot, comma-separated; everybody else "
            "gets 403. Empty: all."
        ),
    )
    openid_metadata_url: str = Field(
        "", description="Where the channel's signing keys are published; empty: Microsoft's."
    )
    token_issuer: str = Field("", description="Who signs the channel's tokens; empty: Microsoft.")
    login_url: str = Field(
        "",
        description=(
            "Address where the bot gets its own tokens; {tenant} is replaced by the "
            "tenant; empty: Microsoft Entra."
        ),
    )
    oauth_scope: str = Field("", description="Scope of the bot's own tokens; empty: Microsoft's.")
    dangerously_allow_unauthenticated: bool = Field(
        False,
        description="Let anybody who reaches the port act as anybody, even from other machines.",
    )
    follow_ups: int = Field(
        3,
        ge=0,
        le=6,
        description=(
            "Most sections of the page that the bot suggests below an answer in a "
            "personal Teams chat; 0: none."
        ),
    )
    teams_package: TeamsPackageSettings

    # Slack
    slack: SlackSettings
    slack_reactions: SlackReactionSettings

    # The widget
    widget: WidgetSettings

    # This machine's pages
    local_page: bool = Field(
        True,
        description="Serve the chat page at / to browsers on this machine, unless an app id, Slack or a "
        "public address is set.",
    )
    dangerously_serve_local_page: bool = Field(
        False,
        description=(
            "Serve the chat page, the dashboard and the pages at local_page_port while "
            "Teams or Slack is on; anybody who reaches that port needs no token."
        ),
    )
    local_page_port: int = Field(
        3979,
        ge=0,
        le=65535,
        description="Port of 127.0.0.1 for dangerously_serve_local_page; 0 takes a free one.",
    )
    dangerously_trust_local_reviewers: bool = Field(
        False,
        description="Let anybody who opens that chat page review what people in Teams and Slack get.",
    )
    operators: Words = Field(
        default=[],
        description=(
            "Who may use /admin: Entra object ids, or slack:T…:U…, comma-separated; they "
            "say “admin page” to the bot. So may anybody who opens the chat page on this "
            "machine."
        ),
    )
    site_for_everyone: bool = Field(
        False,
        description="Show the indexed pages under /site/ to everyone who reaches the port, not only to "
        "this machine.",
    )
    dashboard_token: Token = Field(
        SecretStr(""),
        description="Token for the figures of /dashboard from other machines, without what people asked; "
        "24 characters or more. Empty: nobody.",
    )
    dashboard_reviewer_token: Token = Field(
        SecretStr(""),
        description="The same for reviewers, with what people asked. Empty: nobody.",
    )

    # Feedback and review
    feedback: FeedbackSettings
    reactions: ReactionSettings
    own_reactions: Literal["off", "shared", "all"] = Field(
        "shared",
        description=(
            "Where the bot reacts to a question while it works and after it has answered:"
            " off (nowhere), shared (channels and group chats), or all (also personal "
            "chats)."
        ),
    )
    answer_unasked: bool = Field(
        False,
        description=(
            "Read messages in channels, and answer without a mention where a reviewer "
            "said “answer here”; the app needs more permissions for this (docs/teams.md, "
            "docs/slack.md)."
        ),
    )
    unasked_precision: float = Field(
        0.95,
        ge=0.5,
        le=1,
        description="Share of the unasked answers that should be right, 0.5 to 1; less certain ones are "
        "not given.",
    )
    few_stars: int = Field(2, ge=0, le=5, description="An answer with this many stars or fewer is reviewed.")
    count_opened: bool = Field(
        True, description="Let the buttons that open a source go through the bot, which counts them."
    )
    trainable_channels: Words = Field(
        default=["msteams", "local"],
        description="Channels whose feedback may be used for training, comma-separated; not Slack (slack),"
        " whose API terms restrict training.",
    )
    reviewers: Words = Field(
        default=[],
        description="Who may review: Entra object ids, comma-separated. On the chat page, Robin may "
        "also review.",
    )
    reviewer_groups: Words = Field(
        default=[], description="Entra groups whose members may review, by object id, comma-separated."
    )
    review_chats: bool = Field(
        False,
        description=(
            "Start a chat in Teams with each of `reviewers` who has not said where to "
            "send their cards, and send them there; the app must be installed for them."
        ),
    )
    graph_url: str = Field("", description="Address where the bot looks up groups; empty: Microsoft Graph.")
    review: ReviewSettings
    review_interval_s: float = Field(
        10.0, gt=0, description="How often the bot looks for changed pages and undelivered cards, seconds."
    )

    # Store
    cosmos: CosmosSettings
    spool_records: int = Field(
        100_000,
        ge=0,
        description=(
            "Most records that wait on disk while Cosmos DB cannot be reached; after "
            "that, no more are accepted."
        ),
    )
    page_index: Literal["file", "cosmos"] = Field(
        "file",
        description="Where the page index is stored: a file in data_dir, or Cosmos DB, for several machines.",
    )
    cosmos_pages_container: str = Field("pages", description="Container of the page index in that database.")
    retention: RetentionSettings

    # Scheduled work
    run_jobs_here: bool = Field(
        True,
        description="Run the schedule with the bot, in a process of its own; several bots take turns.",
    )
    timezone: str = Field("UTC", description="Time zone of the schedule, such as Europe/Berlin.")
    schedule: ScheduleSettings
    data_explorer: DataExplorerSettings

    # Telemetry
    telemetry: TelemetrySettings
    library_telemetry: bool = Field(False, description="Let libraries send usage data to their makers.")

    # People and this process
    pseudonym_key: SecretStr = Field(
        SecretStr(""),
        description="Key of the user pseudonyms (HMAC). Empty: the bot creates one in data_dir.",
    )
    pseudonym_key_before: SecretStr = Field(
        SecretStr(""),
        description=(
            "The previous key, while people move to the new one. Empty: the one that "
            "`askpage privacy rotate-key` left in data_dir."
        ),
    )
    drain_timeout_s: float = Field(
        20.0, ge=0, description="How long the bot waits for answers in progress when it stops, seconds."
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="How much the bot logs to the terminal: debug, info, warning or error."
    )

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Read the environment and the file by the flat names."""
        return init_settings, EnvSettingsSource(_FLAT), DotEnvSettingsSource(_FLAT)

    @model_validator(mode="before")
    @classmethod
    def _fill_groups(cls, given: dict[str, Any]) -> dict[str, Any]:
        """Show every group all values: it takes those that have its names."""
        return given | dict.fromkeys(_GROUPS, given)

    def flat(self) -> dict[str, Any]:
        """Return all values by the names of the settings, in the order of `FIELDS`."""
        values: dict[str, Any] = {}
        for name, value in self:
            if isinstance(value, Group):
                values |= {
                    str(value.__class__.model_fields[field].alias or field): one for field, one in value
                }
            else:
                values[name] = value
        return values

    def copy_with(self, **flat: object) -> Settings:
        """Return the same settings but for these."""
        return Settings(**self.flat() | flat)

    @property
    def models_dir(self) -> Path:
        """Where imported and trained model versions lie."""
        return self.data_dir / "models"

    @property
    def index_dir(self) -> Path:
        """Where the page index lies."""
        return self.data_dir / "pages"

    @property
    def search_dir(self) -> Path:
        """Where the search heads lie."""
        return self.data_dir / "search"

    @property
    def store_path(self) -> Path:
        """The SQLite file with questions, answers and feedback."""
        return self.data_dir / "askpage.sqlite3"

    @property
    def datasets_dir(self) -> Path:
        """Where the datasets of training examples lie."""
        return self.data_dir / "datasets"


def _group(field: FieldInfo) -> type[Group] | None:
    kind = field.annotation
    return kind if isinstance(kind, type) and issubclass(kind, Group) else None


def _fields() -> dict[str, FieldInfo]:
    found: dict[str, FieldInfo] = {}
    for name, field in Settings.model_fields.items():
        group = _group(field)
        if group is None:
            found[name] = field
        else:
            found |= {str(one.alias or own): one for own, one in group.model_fields.items()}
    return found


_GROUPS = [name for name, field in Settings.model_fields.items() if _group(field)]
FIELDS: Mapping[str, FieldInfo] = _fields()
"""Every setting by its flat name, with its type, default and description."""
_TYPES: dict[str, Any] = {
    name: (
        Annotated[field.annotation, *field.metadata] if field.metadata else field.annotation,
        field.default,
    )
    for name, field in FIELDS.items()
}
_FLAT: type[BaseSettings] = create_model(
    "_FLAT", __base__=type("_Flat", (BaseSettings,), {"model_config": _CONFIG}), **_TYPES
)
"""What the environment and the file are read by."""


def build_environment(settings: Settings) -> dict[str, str]:
    """Return this process's environment with these settings in it, for another process of ours."""
    given = {f"ASKPAGE_{name.upper()}": _as_text(value) for name, value in settings.flat().items()}
    return dict(os.environ) | given  # noqa: TID251 - this is the place


def _as_text(value: object) -> str:
    if isinstance(value, SecretStr):
        return value.get_secret_value()
    if isinstance(value, list):
        return ",".join(str(word) for word in value)  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
    return str(value)
