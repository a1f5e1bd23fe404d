"""Every setting, with its default, its unit and a sentence. Read only where the parts are wired (`cli/main.py`, `bot/app.py`).

A setting `answer_timeout_s` is the option `--answer-timeout-s`, the environment variable
`ASKPAGE_ANSWER_TIMEOUT_S`, and a line of the same name in a file `.env`; an option wins over the environment, which
wins over the file. `docs/settings.md` has the same table for people, and a test holds the two together.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

Words = Annotated[list[str], NoDecode]
"""A list that is written as words with commas between them."""
_TOKEN_LENGTH = 24
"""Shorter tokens could be found by trying."""


class Settings(BaseSettings):
    """The whole configuration of one instance."""

    model_config = SettingsConfigDict(
        env_prefix="ASKPAGE_", env_file=".env", extra="ignore", frozen=True, validate_default=True
    )

    # Where things are
    data_dir: Path = Field(Path("data"), description="Folder for all state: models, page index, store, keys.")
    host: str = Field("127.0.0.1", description="Address to listen on.")
    port: int = Field(3978, ge=0, le=65535, description="Port to listen on; 0 takes a free one.")
    public_url: str = Field(
        "", description="Address at which people reach the bot, for links to its pages. Empty: the local one."
    )

    keepalive_s: float = Field(
        75.0,
        gt=0,
        description="How long a connection may wait for the head of a request, at its beginning and after an answer, seconds; "
        "longer than a proxy before the bot keeps one open.",
    )
    body_timeout_s: float = Field(
        20.0, gt=0, description="Longest time for the body of a request to arrive, seconds."
    )
    most_connections: int = Field(
        500,
        ge=1,
        description="Most open connections; of more, those are closed that wait longest for their client.",
    )

    # Pages
    pages: Words = Field(
        default=["docs"],
        description="Sources, comma-separated: a folder, a file, a URL, a sitemap; FOLDER=URL when it is published.",
    )
    allowed_sites: Words = Field(
        default=["*"],
        description="Hosts that may be fetched, comma-separated; .example.com includes subdomains; * is any public.",
    )
    fetch_timeout_s: float = Field(10.0, gt=0, description="Longest time for one page to arrive, seconds.")
    extract_timeout_s: float = Field(
        10.0, gt=0, description="Longest time to read one pasted page once it has arrived, seconds."
    )
    fetch_max_bytes: int = Field(5_000_000, gt=0, description="Largest page that is read, bytes.")
    fetch_max_redirects: int = Field(5, ge=0, description="Most redirects that are followed.")
    passages: int = Field(
        6,
        ge=1,
        le=12,
        description="Passages that are searched for one question; a model reads what it can of them.",
    )
    span_sentences: int = Field(
        1,
        ge=0,
        description="Sentences around the nearest one that a version without training reads where two versions are "
        "compared; 0 reads the passages whole.",
    )
    least_similarity: float = Field(
        0.32,
        ge=-1,
        le=1,
        description="Nearness (cosine) of question and best sentence below which the bot declines at once.",
    )
    state_confidence: float = Field(
        0.72,
        ge=0,
        le=1,
        description="Confidence from which words are stated as the answer; below it, they are quoted.",
    )
    decline_confidence: float = Field(
        0.1, ge=0, le=1, description="Confidence below which nothing is quoted either: the bot declines."
    )
    passage_tokens: int = Field(180, ge=40, description="Longest passage, in words of the embedding model.")

    # Model
    base_model: str = Field(
        "smollm2-135m-instruct",
        description="A name of `askpage models catalogue`, a Hugging Face directory or hub id, or a .gguf file; "
        "canned answers without a model, for tests.",
    )
    device: Literal["auto", "cpu", "cuda"] = Field("auto", description="Where the model runs.")
    model_threads: int = Field(
        0, ge=0, description="Threads of one forward pass; 0 takes the cores there are."
    )
    concurrent_answers: int = Field(2, ge=1, description="Answers that are generated at the same time.")
    queue_limit: int = Field(
        16,
        ge=0,
        description="People who may wait for the model, each with one question; one more hears «busy».",
    )
    questions_waiting_per_person: int = Field(
        10,
        ge=0,
        description="Questions of one person that may wait behind the one that is answered; 0: any number.",
    )
    questions_per_minute_per_person: int = Field(
        20,
        ge=0,
        description="Questions that one person may ask in a minute, on average; small talk does not count. 0: any number.",
    )
    questions_burst_per_person: int = Field(
        10, ge=1, description="How many of those one person may ask at once, after a pause."
    )
    prompt_tokens: int = Field(
        1600, ge=256, description="Longest prompt, tokens; the asker of a longer one is told."
    )
    answer_tokens: int = Field(96, ge=8, description="Longest answer, tokens.")
    first_token_budget_s: float = Field(
        1.0,
        gt=0,
        description="Time within which an answer should begin: a model reads as much as it was measured to read by then, "
        "seconds.",
    )
    answer_timeout_s: float = Field(60.0, gt=0, description="Longest time for one answer, seconds.")
    model_poll_s: float = Field(
        1.0, gt=0, description="Time between two looks at which model version is live, seconds."
    )
    models_url: str = Field(
        "",
        description="Where several machines have their model versions together, as abfs://CONTAINER@ACCOUNT.dfs.core."
        "windows.net/FOLDER or file:///FOLDER. Empty: in data_dir only.",
    )
    cuda_device_id: int = Field(0, ge=0, description="CUDA: which GPU.")
    cuda_gpu_mem_limit: int = Field(0, ge=0, description="CUDA: memory for the arena, bytes; 0 is no limit.")
    cuda_arena_extend_strategy: Literal["kNextPowerOfTwo", "kSameAsRequested"] = Field(
        "kNextPowerOfTwo", description="CUDA: how the memory arena grows."
    )
    cuda_cudnn_conv_algo_search: Literal["EXHAUSTIVE", "HEURISTIC", "DEFAULT"] = Field(
        "HEURISTIC", description="CUDA: how convolution algorithms are chosen."
    )
    cuda_do_copy_in_default_stream: bool = Field(True, description="CUDA: copy in the default stream.")

    # Training
    training_start: Literal["parent", "base"] = Field(
        "parent", description="Go on with what the live model has learned, or begin anew from the base model."
    )
    training_passages: int = Field(
        1,
        ge=0,
        description="Passages of an example that a model learns to read, the nearest first; 0 is all.",
    )
    training_span_sentences: int = Field(
        0,
        ge=0,
        description="Sentences around the nearest one that a model learns to read; 0 reads those passages whole.",
    )
    training_weights: Literal["auto", "nf4", "bf16", "fp32"] = Field(
        "auto",
        description="The frozen weights while it learns: nf4 has 4 bits (QLoRA). auto: nf4 on CUDA, else fp32.",
    )
    training_rank: int = Field(32, ge=1, description="Rank of the matrices that learn.")
    training_learning_rate: float = Field(1e-3, gt=0, description="Learning rate at its highest.")
    training_epochs: int = Field(2, ge=1, description="How often every example is learned from at most.")
    training_batch: int = Field(12, ge=1, description="Examples of one step.")
    training_at_once: int = Field(
        12, ge=1, description="Examples that are computed together; fewer need less memory, and more time."
    )
    training_checkpointing: bool = Field(
        False, description="Compute activations twice instead of keeping them: less memory, more time."
    )
    training_optimiser: Literal["auto", "adamw", "paged"] = Field(
        "auto",
        description="adamw, or paged: 8 bits, gives GPU memory back when it is short. auto: paged on CUDA.",
    )
    training_longest_tokens: int = Field(
        1024, ge=64, description="Longest example that is learned from, tokens."
    )
    training_validation_share: float = Field(
        0.1, ge=0, lt=1, description="Share of the examples that tells when to stop, 0 to 1."
    )
    training_patience: int = Field(
        3, ge=1, description="Measures on those examples without progress that end it."
    )
    training_preference: float = Field(
        0.0,
        ge=0,
        description="Weight of preferring the correction to what it corrects, beside learning it; 0 is without.",
    )
    training_preference_form: Literal["dpo", "kto"] = Field(
        "dpo",
        description="dpo compares a correction with what it corrects; kto judges each answer by itself, as good or bad.",
    )
    training_seed: int = Field(7, description="Repeats a training.")
    training_threads: int = Field(
        0, ge=0, description="Threads of a training on the processor; 0 takes the cores there are."
    )
    training_processes: int = Field(1, ge=1, description="Processes that train together, one a GPU.")
    tracking_uri: str = Field(
        "",
        description="Where MLflow keeps the figures of trainings; empty: a file in data_dir; off: nowhere.",
    )

    # Updates
    update_least_reviews: int = Field(
        50, ge=1, description="Reviewed answers that have to be new before an update is trained."
    )
    promotion: Literal["auto", "manual"] = Field(
        "auto", description="Let a better candidate answer by itself, or wait until a person promotes it."
    )
    canary_share: float = Field(
        0.1,
        gt=0,
        le=1,
        description="Share of the conversations that a better candidate answers at first, 0 to 1; 1 is all.",
    )
    keep_versions: int = Field(3, ge=1, description="Retired model versions that an update leaves.")
    gate_least_questions: int = Field(
        50, ge=1, description="Held-out questions without which nothing is promoted."
    )
    gate_most_questions: int = Field(400, ge=1, description="Most held-out questions that are asked.")
    gate_least_gain: float = Field(
        0.02,
        ge=0,
        le=1,
        description="Gain in accuracy on the held-out questions that is asked of a candidate, 0 to 1.",
    )
    gate_most_precision_loss: float = Field(
        0.02, ge=0, le=1, description="Loss of precision that a candidate may bring, 0 to 1."
    )
    gate_most_regression: float = Field(
        0.05,
        ge=0,
        le=1,
        description="Loss of accuracy on the fixed questions that a candidate may bring, 0 to 1.",
    )
    gate_most_injection: float = Field(
        0.0,
        ge=0,
        le=1,
        description="Share of the planted instructions by which more may succeed with a candidate, 0 to 1.",
    )
    gate_most_latency: float = Field(
        0.25, ge=0, description="Share by which answers (95th percentile) may take longer."
    )
    gate_regression: str = Field(
        "", description="File of fixed questions, JSON Lines (docs/gate.md); empty: the project's own."
    )
    gate_injections: Words = Field(
        default=[],
        description="More files of instructions to plant in passages, comma-separated (docs/gate.md).",
    )

    # Bot Framework
    app_id: str = Field(
        "", description="Microsoft app id of the bot. Empty: no authentication, loopback only."
    )
    app_password: SecretStr = Field(SecretStr(""), description="Client secret of the app.")
    app_type: Literal["MultiTenant", "SingleTenant", "UserAssignedMSI"] = Field(
        "SingleTenant", description="How the app is registered."
    )
    app_tenant_id: str = Field("", description="Entra tenant of the app.")
    allowed_tenants: Words = Field(
        default=[],
        description="Entra tenants whose people may use the bot, comma-separated; all others get 403. Empty: all.",
    )
    openid_metadata_url: str = Field(
        "", description="Where the channel's signing keys are; empty: Microsoft's."
    )
    token_issuer: str = Field("", description="Who signs the channel's tokens; empty: Microsoft.")
    login_url: str = Field(
        "",
        description="Where the bot gets its own tokens, {tenant} standing for the tenant; empty: Microsoft Entra.",
    )
    oauth_scope: str = Field("", description="Scope of the bot's own tokens; empty: Microsoft's.")
    dangerously_allow_unauthenticated: bool = Field(
        False,
        description="Let anyone who reaches the port speak as anyone, on addresses beyond loopback too.",
    )
    follow_ups: int = Field(
        3,
        ge=0,
        le=6,
        description="Most sections of the page that are offered below an answer in a personal Teams chat; 0 is none.",
    )
    teams_name: str = Field("askpage", min_length=1, max_length=30, description="Name of the bot in Teams.")
    teams_developer: str = Field(
        "askpage", min_length=1, max_length=32, description="Who runs the bot, as Teams names them."
    )
    privacy_url: str = Field(
        "", description="Your privacy statement, for the Teams package. Empty: the bot's own page on privacy."
    )
    terms_url: str = Field(
        "", description="Your terms of use, for the Teams package. Empty: the bot's own page on asking."
    )
    local_page: bool = Field(
        True,
        description="Serve the chat page at / to browsers on this machine, while no app id, Slack or public address is set.",
    )
    dangerously_serve_local_page: bool = Field(
        False,
        description="Serve the chat page, the dashboard and the pages beside Teams or Slack, too, at local_page_port: "
        "whoever reaches that port needs no token.",
    )
    local_page_port: int = Field(
        3979,
        ge=0,
        le=65535,
        description="Port of 127.0.0.1 for dangerously_serve_local_page; 0 takes a free one.",
    )
    dangerously_trust_local_reviewers: bool = Field(
        False,
        description="Let whoever opens that chat page review what people in Teams and Slack get.",
    )

    site_for_everyone: bool = Field(
        False,
        description="Show the indexed pages under /site/ to everyone who reaches the port, not this machine only.",
    )
    dashboard_token: SecretStr = Field(
        SecretStr(""),
        description="Who shows it may see the figures of /dashboard from other machines, but not what people asked; "
        "24 characters or more. Empty: nobody.",
    )
    dashboard_reviewer_token: SecretStr = Field(
        SecretStr(""),
        description="The same for reviewers: it shows the worst-rated questions, too. Empty: nobody.",
    )

    # Slack
    slack_signing_secret: SecretStr = Field(
        SecretStr(""), description="Signing secret of the Slack app. Empty: no Slack."
    )
    slack_teams: Words = Field(
        default=[],
        description="Workspaces whose people may use the bot, by id (T…), comma-separated; an organisation's id (E…) too, "
        "where the app is installed for all of it.",
    )
    slack_bot_token: SecretStr = Field(
        SecretStr(""), description="Bot token (xoxb-…) of the one workspace; empty: it is installed there."
    )
    slack_client_id: str = Field(
        "", description="Client id of the Slack app, to be installed at /slack/install."
    )
    slack_client_secret: SecretStr = Field(SecretStr(""), description="Client secret of the Slack app.")
    slack_store_key: SecretStr = Field(
        SecretStr(""),
        description="Key that encrypts the workspaces' tokens (Fernet); several with commas: the first one encrypts.",
    )
    slack_api_url: str = Field("", description="Where Slack's Web API is; empty: Slack's own.")
    slack_review_channel: str = Field(
        "", description="Channel id (C…, or T…:C…) where reviewers see cards; empty: none."
    )
    slack_reviewers: Words = Field(
        default=[], description="Who may review in Slack: user ids (U…, or T…:U…), comma-separated."
    )
    slack_reviewer_groups: Words = Field(
        default=[],
        description="Slack user groups whose members may review (S…, or T…:S…), comma-separated.",
    )
    slack_reactions_up: Words = Field(
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
        description="Reactions of Slack that say the answer is good, comma-separated.",
    )
    slack_reactions_down: Words = Field(
        default=["-1", "thumbsdown", "x", "no_entry", "disappointed", "confused", "rage"],
        description="Reactions of Slack that say the answer is bad, comma-separated.",
    )

    # Feedback
    feedback_form: Literal["thumbs", "reasons", "stars", "none"] = Field(
        "thumbs",
        description="How feedback is asked for: Teams' thumbs, thumbs with our reasons, stars on the card, not at all.",
    )
    feedback_form_version: int = Field(
        1, ge=1, description="Raise it with every change of how feedback is asked for; answers record it."
    )
    feedback_after: Literal["all", "answered", "quoted", "declined"] = Field(
        "all",
        description="After which answers feedback is asked for: all, answered, quoted or declined ones.",
    )
    feedback_share: float = Field(1.0, ge=0, le=1, description="Share of the people who are asked, 0 to 1.")
    feedback_trial_form: Literal["thumbs", "reasons", "stars", "none"] = Field(
        "stars", description="Another form, to compare response rates with."
    )
    feedback_trial_share: float = Field(
        0.0, ge=0, le=1, description="Share of the people who get the other form, 0 to 1."
    )
    reactions_up: Words = Field(
        default=["like", "heart", "laugh"],
        description="Reactions that say the answer is good, comma-separated.",
    )
    reactions_down: Words = Field(
        default=["sad", "angry"], description="Reactions that say the answer is bad, comma-separated."
    )
    count_opened: bool = Field(
        True, description="Let the buttons that open a source lead over this bot, which counts them."
    )

    trainable_channels: Words = Field(
        default=["msteams", "local"],
        description="Channels whose feedback may be learned from, comma-separated; not Slack (slack), whose API terms "
        "restrict training.",
    )

    # Review
    reviewers: Words = Field(
        default=[],
        description="Who may review: Entra object ids, comma-separated. Robin of the local page may.",
    )
    reviewer_groups: Words = Field(
        default=[], description="Entra groups whose members may review, by object id, comma-separated."
    )
    graph_url: str = Field("", description="Where groups are asked for; empty: Microsoft Graph.")
    few_stars: int = Field(2, ge=0, le=5, description="An answer with so many stars or fewer is reviewed.")
    low_support: float = Field(
        0.6,
        ge=0,
        le=1,
        description="An answer with a smaller share of its words in its citation is reviewed, 0 to 1.",
    )
    low_confidence: float = Field(
        0.4,
        ge=0,
        le=1,
        description="An answer or quotation that is less likely right than this is reviewed, 0 to 1.",
    )
    declined_by: int = Field(
        3, ge=1, description="A question that was declined to so many people is reviewed."
    )
    sample_share: float = Field(
        0.05, ge=0, le=1, description="Share of the answers that reviewers see at random, 0 to 1."
    )
    double_share: float = Field(
        0.2, ge=0, le=1, description="Share of the sample that two reviewers see, 0 to 1."
    )
    second_reviewer: bool = Field(False, description="Let a second reviewer agree to a correction.")
    review_lease_s: float = Field(900.0, gt=0, description="How long a claimed review is held, seconds.")
    review_interval_s: float = Field(
        10.0, gt=0, description="Time between two looks at changed pages and undelivered cards, seconds."
    )

    # Learning
    held_out_share: float = Field(
        0.15,
        ge=0,
        lt=1,
        description="Share of the reviewed questions that measure a model and never train one; keep it.",
    )
    examples_per_asker: int = Field(
        50, ge=1, description="Most training examples that one person's questions or complaints may bring."
    )
    examples_per_reviewer: int = Field(
        2000, ge=1, description="Most training examples that one reviewer's rulings may make."
    )

    # A new model version beside the live one
    canary_margin: float = Field(
        0.02,
        ge=0,
        le=1,
        description="How much less a canary may please: votes count from 0 (thumb down) to 1 (thumb up).",
    )
    canary_min_votes: int = Field(
        30, ge=1, description="Votes on the canary, and on the live version, before they are compared."
    )
    canary_max_error_rate: float = Field(
        0.05, ge=0, le=1, description="Share of its questions on which a canary may fail, 0 to 1."
    )
    canary_max_latency_ratio: float = Field(
        1.5, gt=0, description="How many times as long as the live version's a canary's answers may take."
    )
    canary_days: float = Field(
        7.0,
        ge=0,
        description="After so many days a canary that does well answers everybody; 0: only when a reviewer says so.",
    )

    # Store
    cosmos_endpoint: str = Field(
        "", description="Azure Cosmos DB account to keep records in, https://…; empty: a file in data_dir."
    )
    cosmos_key: SecretStr = Field(
        SecretStr(""),
        description="Key of that account. Empty: the identity of the machine or developer (Entra).",
    )
    cosmos_database: str = Field("askpage", description="Database in that account.")
    cosmos_container: str = Field("records", description="Container in that database.")
    store_timeout_s: float = Field(
        5.0, gt=0, description="Longest time for one call of Cosmos DB, retries included, seconds."
    )
    spool_records: int = Field(
        100_000,
        ge=0,
        description="Most records that wait on disk while Cosmos DB is away; then nothing more is taken.",
    )
    page_index: Literal["file", "cosmos"] = Field(
        "file",
        description="Where the page index is: a file in data_dir, or that account, for several machines.",
    )
    cosmos_pages_container: str = Field("pages", description="Container of the page index in that database.")
    keep_questions_days: int = Field(
        365, ge=0, description="How long questions and answers are kept, days; 0 is for ever."
    )
    keep_feedback_days: int = Field(365, ge=0, description="How long feedback is kept, days; 0 is for ever.")
    keep_reviews_days: int = Field(
        1095, ge=0, description="How long reviews and verified answers are kept, days; 0 is for ever."
    )
    keep_contacts_days: int = Field(
        365, ge=0, description="How long it is kept how to reach a conversation, days; 0 is for ever."
    )
    keep_audit_days: int = Field(
        1095, ge=0, description="How long the audit trail is kept, days; 0 is for ever."
    )

    # Scheduled work
    run_jobs_here: bool = Field(
        True,
        description="Run the schedule beside the bot, in a process of its own; several bots take turns.",
    )
    timezone: str = Field("UTC", description="Time zone of the schedule, such as Europe/Berlin.")
    schedule_sample_reviews: str = Field(
        "5 * * * *",
        description="When answers that nobody looked at are looked at: minute, hour, day, month, weekday (cron); "
        "empty: never.",
    )
    schedule_send_reviews: str = Field(
        "10,40 * * * *", description="When cards of waiting reviews that nobody sees are sent; cron."
    )
    schedule_refresh_pages: str = Field(
        "20 * * * *", description="When the indexed pages are read again; cron."
    )
    schedule_drain_spool: str = Field(
        "25,55 * * * *", description="When what waited for the store is carried over; cron."
    )
    schedule_roll_up_metrics: str = Field(
        "35 * * * *", description="When each day's figures are summed up; cron."
    )
    schedule_apply_retention: str = Field(
        "15 3 * * *", description="When records are deleted that are older than they may be kept; cron."
    )
    schedule_watch_canary: str = Field(
        "3-59/15 * * * *", description="When it is looked how people like the canary; cron."
    )
    schedule_update_model: str = Field(
        "30 1 * * *", description="When a model version is trained on what is reviewed, and compared; cron."
    )

    # Data Explorer
    schedule_send_to_data_explorer: str = Field(
        "50 * * * *",
        description="When what is kept is sent to Data Explorer, without texts and people; cron.",
    )
    data_explorer_uri: str = Field(
        "",
        description="Cluster of Azure Data Explorer to send answers, words, rulings and each day's figures to, https://…; "
        "empty: nothing is sent.",
    )
    data_explorer_database: str = Field("askpage", description="Database in that cluster.")
    data_explorer_timeout_s: float = Field(
        60.0, gt=0, description="Longest time for one call of Data Explorer, retries included, seconds."
    )
    data_explorer_spool_mb: int = Field(
        100,
        gt=0,
        description="What may wait on disk for Data Explorer, megabytes; the rest waits in the store.",
    )

    # Telemetry
    telemetry: Literal["none", "console", "otlp", "appinsights", "azuremonitor"] = Field(
        "none",
        description="Where telemetry goes: nowhere; the terminal; a collector (OTLP over HTTP); Application Insights, by "
        "its own package or by Azure Monitor's exporter.",
    )
    applicationinsights_connection_string: SecretStr = Field(
        SecretStr(""), description="Connection string of the Application Insights resource."
    )
    otlp_endpoint: str = Field(
        "http://127.0.0.1:4318",
        description="Address of the collector for telemetry=otlp; /v1/traces and the like are added.",
    )
    telemetry_buffer: int = Field(
        2048,
        ge=100,
        description="Most spans, events and sums that wait to be sent; more are dropped and counted.",
    )

    # People
    pseudonym_key: SecretStr = Field(
        SecretStr(""), description="Key of the user pseudonyms (HMAC). Empty: one is made in data_dir."
    )
    pseudonym_key_before: SecretStr = Field(
        SecretStr(""),
        description="The key before that one, while people are moved over. Empty: what `askpage privacy rotate-key` left in "
        "data_dir.",
    )
    library_telemetry: bool = Field(False, description="Let libraries send usage data to their makers.")
    drain_timeout_s: float = Field(20.0, ge=0, description="Time for answers under way at a stop, seconds.")
    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="What is logged.")

    @field_validator("dashboard_token", "dashboard_reviewer_token")
    @classmethod
    def _is_no_guess(cls, token: SecretStr) -> SecretStr:
        if 0 < len(token.get_secret_value()) < _TOKEN_LENGTH:
            raise ValueError(
                f"a token has {_TOKEN_LENGTH} characters or more: openssl rand -hex 16 makes one"
            )
        return token

    @field_validator(
        "pages",
        "allowed_sites",
        "reactions_up",
        "reactions_down",
        "trainable_channels",
        "reviewers",
        "reviewer_groups",
        "allowed_tenants",
        "gate_injections",
        "slack_teams",
        "slack_reviewers",
        "slack_reviewer_groups",
        "slack_reactions_up",
        "slack_reactions_down",
        mode="before",
    )
    @classmethod
    def _split_words(cls, value: object) -> object:
        return (
            [word.strip() for word in value.split(",") if word.strip()] if isinstance(value, str) else value
        )

    @property
    def models_dir(self) -> Path:
        """Where imported and trained model versions lie."""
        return self.data_dir / "models"

    @property
    def index_dir(self) -> Path:
        """Where the page index lies."""
        return self.data_dir / "pages"

    @property
    def store_path(self) -> Path:
        """The SQLite file with questions, answers and feedback."""
        return self.data_dir / "askpage.sqlite3"

    @property
    def datasets_dir(self) -> Path:
        """Where the datasets of training examples lie."""
        return self.data_dir / "datasets"


def environment_of(settings: Settings) -> dict[str, str]:
    """Return this process's environment with these settings in it, for a process of ours that is to have the same."""
    given = {f"ASKPAGE_{name.upper()}": _as_text(getattr(settings, name)) for name in Settings.model_fields}
    return dict(os.environ) | given  # noqa: TID251 - this is the place


def _as_text(value: object) -> str:
    if isinstance(value, SecretStr):
        return value.get_secret_value()
    if isinstance(value, list):
        return ",".join(str(word) for word in value)  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
    return str(value)
