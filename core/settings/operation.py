"""Channels, storage, scheduled work, telemetry and models on other machines: groups of settings."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, SecretStr

from core.settings.group import Group, Token, Words, make_prefixer


class TeamsPackageSettings(Group):
    """What the package for Teams says: part of `bot.teams.package.Package`."""

    name: str = Field(
        "askpage", min_length=1, max_length=30, description="Name of the bot in Teams.", alias="teams_name"
    )
    developer: str = Field(
        "askpage",
        min_length=1,
        max_length=32,
        description="Name of whoever runs the bot, as Teams shows it.",
        alias="teams_developer",
    )
    privacy_url: str = Field(
        "", description="Your privacy statement, for the Teams package. Empty: the bot's own page on privacy."
    )
    terms_url: str = Field(
        "", description="Your terms of use, for the Teams package. Empty: the bot's own page on asking."
    )


Language = Literal["en", "de", "es", "fr", "ja"]
"""Those of `core.translation.LANGUAGES`, which has the texts and would take Babel into every command."""


class LanguageSettings(Group):
    """Which languages the bot speaks: `core.translation.LanguagePolicy`."""

    default: Language = Field(
        "en",
        description=(
            "Language of the bot's own words if the reader's language is unknown or not "
            "supported, or if several people read: en, de, es, fr or ja."
        ),
        alias="default_language",
    )
    only: Literal["", Language] = Field(
        "",
        description="The only language that the bot speaks, to everybody, such as en. Empty: each "
        "reader's own.",
        alias="only_language",
    )


class SlackSettings(Group, alias_generator=make_prefixer("slack_")):
    """How the bot is registered at Slack, and who reviews there: `bot.slack.config.SlackConfig`."""

    signing_secret: SecretStr = Field(
        SecretStr(""),
        description="Signing secret of the Slack app, from Basic Information at api.slack.com/apps."
        " Empty: no Slack.",
    )
    teams: Words = Field(
        default=[],
        description=(
            "Workspaces whose people may use the bot, by id (T…), comma-separated; also "
            "an organisation's id (E…), if the app is installed for the whole "
            "organisation."
        ),
    )
    bot_token: SecretStr = Field(
        SecretStr(""),
        description="Bot token (xoxb-…), for a single workspace; empty: workspaces install the app "
        "themselves.",
    )
    client_id: str = Field("", description="Client id of the Slack app, for installing it at /slack/install.")
    client_secret: SecretStr = Field(SecretStr(""), description="Client secret of the Slack app.")
    store_key: SecretStr = Field(
        SecretStr(""),
        description=(
            "Key that encrypts the workspaces' tokens (Fernet); of several, "
            "comma-separated, the first one encrypts."
        ),
    )
    api_url: str = Field("", description="Address of Slack's Web API; empty: Slack's own.")
    review_channel: str = Field(
        "", description="Channel id (C…, or T…:C…) where reviewers see cards; empty: none."
    )
    reviewers: Words = Field(
        default=[], description="Who may review in Slack: user ids (U…, or T…:U…), comma-separated."
    )
    reviewer_groups: Words = Field(
        default=[],
        description="Slack user groups whose members may review (S…, or T…:S…), comma-separated.",
    )


class ReactionSettings(Group, alias_generator=make_prefixer("reactions_")):
    """Which reactions judge an answer: Teams' first six by their names, the others as emoji."""

    up: Words = Field(
        default=["like", "heart", "laugh", "👍", "👏", "🙌", "💯", "✅", "🎉"],
        description="Reactions that mean the answer is good, comma-separated.",
    )
    down: Words = Field(
        default=["sad", "angry", "👎", "❌", "🚫", "😕", "😞"],
        description="Reactions that mean the answer is bad, comma-separated.",
    )


class SlackReactionSettings(Group, alias_generator=make_prefixer("slack_reactions_")):
    """Which reactions judge an answer, by their names in Slack."""

    up: Words = Field(
        default=[
            "+1",
            "thumbsup",
            "heart",
            "white_check_mark",
            "heavy_check_mark",
            "tada",
            "raised_hands",
            "100",
        ],
        description="Reactions in Slack that mean the answer is good, comma-separated.",
    )
    down: Words = Field(
        default=["-1", "thumbsdown", "x", "no_entry", "disappointed", "confused", "rage"],
        description="Reactions in Slack that mean the answer is bad, comma-separated.",
    )


class CosmosSettings(Group, alias_generator=make_prefixer("cosmos_")):
    """Where the store in Azure Cosmos DB is: `feedback.store.cosmos_schema.CosmosConfig`."""

    endpoint: str = Field(
        "", description="Azure Cosmos DB account for the records, https://…; empty: a file in data_dir."
    )
    key: SecretStr = Field(
        SecretStr(""),
        description="Key of that account. Empty: the identity of the machine or developer (Entra).",
    )
    database: str = Field("askpage", description="Database in that account.")
    container: str = Field("records", description="Container in that database.")
    timeout_s: float = Field(
        5.0,
        gt=0,
        description="Longest time for one call of Cosmos DB, retries included, seconds.",
        alias="store_timeout_s",
    )


class RetentionSettings(Group, alias_generator=make_prefixer("keep_")):
    """How long records are kept: `feedback.privacy.retention.Retention`."""

    questions_days: int = Field(
        365, ge=0, description="How long questions and answers are kept, days; 0: for ever."
    )
    feedback_days: int = Field(365, ge=0, description="How long feedback is kept, days; 0: for ever.")
    reviews_days: int = Field(
        1095, ge=0, description="How long reviews and verified answers are kept, days; 0: for ever."
    )
    contacts_days: int = Field(
        365, ge=0, description="How long the bot remembers how to reach a conversation, days; 0: for ever."
    )
    audit_days: int = Field(1095, ge=0, description="How long the audit trail is kept, days; 0: for ever.")


class ScheduleSettings(Group, alias_generator=make_prefixer("schedule_")):
    """When each job of `jobs.registry.JOBS` runs."""

    sample_reviews: str = Field(
        "5 * * * *",
        description=(
            "When answers that missed the random sample are drawn: minute, hour, day, "
            "month, weekday (cron); empty: never."
        ),
    )
    send_reviews: str = Field(
        "10,40 * * * *",
        description="When cards are sent for waiting reviews that no reviewer can see; cron.",
    )
    refresh_pages: str = Field("20 * * * *", description="When the indexed pages are read again; cron.")
    drain_spool: str = Field(
        "25,55 * * * *", description="When records that waited for the store are written to it; cron."
    )
    roll_up_metrics: str = Field("35 * * * *", description="When each day's figures are summarised; cron.")
    apply_retention: str = Field("15 3 * * *", description="When expired records are deleted; cron.")
    watch_canary: str = Field(
        "3-59/15 * * * *", description="When the bot checks how people like the canary; cron."
    )
    report_gaps: str = Field(
        "45 5 * * mon",
        description="When unanswered questions are grouped into gaps, and owners of pages get their cards;"
        " cron.",
    )
    fit_search: str = Field(
        "10 1 * * *", description="When the search learns from reviews, and is compared; cron."
    )
    update_model: str = Field(
        "30 1 * * *", description="When a model version is trained on reviews, and compared; cron."
    )
    send_to_data_explorer: str = Field(
        "50 * * * *",
        description="When records are sent to Data Explorer, without texts and people; cron.",
    )


class DataExplorerSettings(Group, alias_generator=make_prefixer("data_explorer_")):
    """Where figures and answers are sent to: `exporters.data_explorer.Target`, and how much may wait."""

    uri: str = Field(
        "",
        description="Cluster of Azure Data Explorer for answers, feedback, decisions and each day's "
        "figures, https://…; empty: nothing is sent.",
    )
    database: str = Field("askpage", description="Database in that cluster.")
    timeout_s: float = Field(
        60.0, gt=0, description="Longest time for one call of Data Explorer, retries included, seconds."
    )
    spool_mb: int = Field(
        100,
        gt=0,
        description="How much may wait on disk for Data Explorer, megabytes; the rest waits in the store.",
    )


class TelemetrySettings(Group, alias_generator=make_prefixer("telemetry_")):
    """Where telemetry goes: `exporters.Export`."""

    to: Literal["none", "console", "otlp", "appinsights", "azuremonitor"] = Field(
        "none",
        description="Where telemetry goes: nowhere, the terminal, a collector (OTLP over HTTP), or "
        "Application Insights (by its own package or by Azure Monitor's exporter).",
        alias="telemetry",
    )
    connection_string: SecretStr = Field(
        SecretStr(""),
        description="Connection string of the Application Insights resource.",
        alias="applicationinsights_connection_string",
    )
    otlp_endpoint: str = Field(
        "http://127.0.0.1:4318",
        description="Address of the collector for telemetry=otlp; /v1/traces and the like are added.",
        alias="otlp_endpoint",
    )
    buffer: int = Field(
        2048,
        ge=100,
        description="Most spans, events and sums that wait to be sent; more are dropped and counted.",
    )


class ModelServerSettings(Group, alias_generator=make_prefixer("model_server_")):
    """How `askpage model serve` listens, and what it takes: `model.serving.api.ServerRules`."""

    host: str = Field("127.0.0.1", description="Address that `askpage model serve` listens on.")
    port: int = Field(
        3980, ge=0, le=65535, description="Port that `askpage model serve` listens on; 0 takes a free one."
    )
    key: Token = Field(
        SecretStr(""),
        description="Key that clients of `askpage model serve` must send; 24 characters or more. Empty: "
        "only this machine is served.",
    )
    most_bytes: int = Field(1_000_000, ge=1_000, description="Largest request to the model server, bytes.")
    most_messages: int = Field(100, ge=1, description="Most messages of one chat with the model server.")
    linger_s: float = Field(
        5.0,
        ge=0,
        description=(
            "How long the model server keeps the previous version available by name, for "
            "bots that do not know the new one yet, seconds."
        ),
    )
    replicas: int = Field(2, ge=1, description="Fewest replicas of the model server on Ray.")
    most_replicas: int = Field(
        2,
        ge=1,
        description="Most replicas on Ray; replicas are added while each has more than "
        "concurrent_answers chats.",
    )
    replica_cpus: float = Field(1.0, ge=0, description="Processors for one replica, as Ray counts them.")
    replica_gpus: float = Field(0.0, ge=0, description="GPUs for one replica.")


class TokenPriceSettings(Group, alias_generator=make_prefixer("token_price_")):
    """What tokens cost at the server of model_url: `feedback.metrics.tokens.TokenPrices`."""

    per_million_in: float = Field(
        0.0,
        ge=0,
        description="Price of a million tokens that the model at model_url reads. If this and "
        "token_price_out are 0, no cost is shown.",
        alias="token_price_in",
    )
    per_million_out: float = Field(
        0.0,
        ge=0,
        description="Price of a million tokens that it writes.",
        alias="token_price_out",
    )
    per_million_cached: float = Field(
        0.0,
        ge=0,
        description="Price of a million tokens that it has read before (cached). 0: as token_price_in.",
        alias="token_price_cached",
    )
    currency: str = Field(
        "USD", pattern="[A-Z]{3}", description="Currency of these prices: three letters, as EUR."
    )


class RaySettings(Group, alias_generator=make_prefixer("ray_")):
    """Where `askpage models train --ray` has a model learn: `model.registry.ray_cluster.RayPlan`."""

    address: str = Field(
        "",
        description="The Ray cluster for trainings, as Ray writes addresses; auto: the cluster of this "
        "machine. Empty: a local Ray.",
    )
    cpus: float = Field(1.0, gt=0, description="Processors for one training on Ray.")
    gpus: float = Field(0.0, ge=0, description="GPUs for one training on Ray.")
    retries: int = Field(3, ge=0, description="How often a training is tried again if its machine is lost.")


class ModelUrlSettings(Group, alias_generator=make_prefixer("model_url_")):
    """The server that a bot asks, without a model of its own: `model.registry.remote_models`."""

    url: str = Field(
        "",
        description=(
            "Address of a model server, ending in /v1: askpage's own (`askpage model "
            "serve`), or any with OpenAI's API. The bot then loads no model itself. "
            "Empty: the bot loads a model."
        ),
        alias="model_url",
    )
    key: SecretStr = Field(SecretStr(""), description="Key that the bot sends to that server.")
    name: str = Field(
        "",
        description=(
            "Name of the model on that server. Empty: on askpage's own server, the live "
            "version and its canary; on another, the first model that it lists."
        ),
    )
    timeout_s: float = Field(
        20.0, gt=0, description="Longest pause of that server in the middle of an answer, seconds."
    )
    tokens_s: float = Field(
        2000.0,
        gt=0,
        description=(
            "How many tokens a second the model on that server reads, if the server does "
            "not say; it gets as many as it can read within first_token_budget_s."
        ),
    )
