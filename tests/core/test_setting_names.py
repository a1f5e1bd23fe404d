"""Names of settings are a promise: each sets what it always did, as a variable, in the file, as an option."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from functools import reduce
from pathlib import Path

import pytest
import typer
from pydantic import SecretStr
from typer.testing import CliRunner

from cli.console import with_settings
from core.settings import FIELDS, Settings, build_environment

NAMES = """
data_dir | elsewhere
host | some host
port | 3979
public_url | some public_url
keepalive_s | 37.5
body_timeout_s | 10.0
most_connections | 501
pages | one,two
allowed_sites | one,two | fetch.allowed_sites
fetch_timeout_s | 5.0 | fetch.timeout_s
extract_timeout_s | 5.0 | fetch.extract_timeout_s
fetch_max_bytes | 5000001 | fetch.max_bytes
fetch_max_redirects | 6 | fetch.max_redirects
passages | 7 | answering.passages
reranked_passages | 3 | answering.reranked
span_sentences | 2 | answering.span_sentences
least_similarity | 0.16 | answering.least_similarity
state_confidence | 0.36 | answering.state_from
decline_confidence | 0.05 | answering.decline_below
passage_tokens | 181
base_model | some base_model
device | cpu | engine.device
model_threads | 1 | engine.threads
concurrent_answers | 3 | engine.concurrent
queue_limit | 17 | engine.queue_limit
questions_waiting_per_person | 11 | askers.waiting
questions_per_minute_per_person | 21 | askers.per_minute
questions_burst_per_person | 11 | askers.burst
prompt_tokens | 1601
answer_tokens | 97
first_token_budget_s | 0.5 | answering.first_token_s
answer_timeout_s | 30.0
model_poll_s | 0.5
sharepoint_authors | yes
owner_chats | yes
token_price_in | 0.5 | token_price.per_million_in
token_price_out | 2.0 | token_price.per_million_out
token_price_cached | 0.25 | token_price.per_million_cached
token_price_currency | EUR | token_price.currency
models_url | some models_url
cuda_device_id | 1 | cuda.device_id
cuda_gpu_mem_limit | 1 | cuda.gpu_mem_limit
cuda_arena_extend_strategy | kSameAsRequested | cuda.arena_extend_strategy
cuda_cudnn_conv_algo_search | EXHAUSTIVE | cuda.cudnn_conv_algo_search
cuda_do_copy_in_default_stream | no | cuda.do_copy_in_default_stream
training_start | base | training.start
training_passages | 2 | training.passages
training_span_sentences | 1 | training.span_sentences
training_weights | nf4 | training.weights
training_rank | 33 | training.rank
training_learning_rate | 0.0005 | training.learning_rate
training_epochs | 3 | training.epochs
training_batch | 13 | training.batch
training_at_once | 13 | training.at_once
training_checkpointing | yes | training.checkpointing
training_optimiser | adamw | training.optimiser
training_longest_tokens | 1025 | training.longest_tokens
training_validation_share | 0.05 | training.validation_share
training_patience | 4 | training.patience
training_preference | 0.25 | training.preference
training_preference_form | kto | training.preference_form
training_seed | 8 | training.seed
training_threads | 1 | training.threads
training_processes | 2 | training.processes
tracking_uri | some tracking_uri
update_least_reviews | 51 | update.least_reviews
promotion | manual | update.promotion
canary_share | 0.05 | update.canary_share
keep_versions | 4 | update.keep
gate_least_questions | 51 | gate.least_questions
gate_most_questions | 401 | gate.most_questions
gate_least_gain | 0.01 | gate.least_gain
gate_most_precision_loss | 0.01 | gate.most_precision_loss
gate_most_regression | 0.025 | gate.most_regression
gate_most_injection | 0.25 | gate.most_injection
gate_most_latency | 0.125 | gate.most_latency
gate_regression | some gate_regression | probes.regression
gate_injections | one,two | probes.injections
app_id | some app_id
app_password | secret-of-app_password-0123456789
app_type | MultiTenant
app_tenant_id | some app_tenant_id
allowed_tenants | one,two
openid_metadata_url | some openid_metadata_url
token_issuer | some token_issuer
login_url | some login_url
oauth_scope | some oauth_scope
dangerously_allow_unauthenticated | yes
follow_ups | 4
teams_name | some teams_name | teams_package.name
teams_developer | some teams_developer | teams_package.developer
privacy_url | some privacy_url | teams_package.privacy_url
terms_url | some terms_url | teams_package.terms_url
local_page | no
dangerously_serve_local_page | yes
local_page_port | 3980
dangerously_trust_local_reviewers | yes
site_for_everyone | yes
dashboard_token | secret-of-dashboard_token-0123456789
dashboard_reviewer_token | secret-of-dashboard_reviewer_token-0123456789
slack_signing_secret | secret-of-slack_signing_secret-0123456789 | slack.signing_secret
slack_teams | one,two | slack.teams
slack_bot_token | secret-of-slack_bot_token-0123456789 | slack.bot_token
slack_client_id | some slack_client_id | slack.client_id
slack_client_secret | secret-of-slack_client_secret-0123456789 | slack.client_secret
slack_store_key | secret-of-slack_store_key-0123456789 | slack.store_key
slack_api_url | some slack_api_url | slack.api_url
slack_review_channel | some slack_review_channel | slack.review_channel
slack_reviewers | one,two | slack.reviewers
slack_reviewer_groups | one,two | slack.reviewer_groups
slack_reactions_up | one,two | slack_reactions.up
slack_reactions_down | one,two | slack_reactions.down
feedback_form | reasons | feedback.form
feedback_form_version | 2 | feedback.version
feedback_after | answered | feedback.after
feedback_share | 0.5 | feedback.share
feedback_trial_form | thumbs | feedback.trial
feedback_trial_share | 0.25 | feedback.trial_share
reactions_up | one,two | reactions.up
reactions_down | one,two | reactions.down
count_opened | no
trainable_channels | one,two
reviewers | one,two
reviewer_groups | one,two
graph_url | some graph_url
few_stars | 3
low_support | 0.3 | review.low_support
low_confidence | 0.2 | review.low_confidence
declined_by | 4 | review.declined_by
sample_share | 0.025 | review.sample_share
double_share | 0.1 | review.double_share
second_reviewer | yes | review.second_for_corrections
review_lease_s | 450.0 | review.lease_s
review_interval_s | 5.0
held_out_share | 0.075 | examples.held_out_share
examples_per_asker | 51 | examples.per_asker
examples_per_reviewer | 2001 | examples.per_reviewer
examples_made_per_review | 1 | examples.made_per_review
examples_made_by_model | yes | examples.made_by_model
canary_margin | 0.01 | canary.margin
canary_min_votes | 31 | canary.min_votes
canary_max_error_rate | 0.025 | canary.max_error_rate
canary_max_latency_ratio | 0.75 | canary.max_latency_ratio
canary_days | 3.5 | canary.days
cosmos_endpoint | some cosmos_endpoint | cosmos.endpoint
cosmos_key | secret-of-cosmos_key-0123456789 | cosmos.key
cosmos_database | some cosmos_database | cosmos.database
cosmos_container | some cosmos_container | cosmos.container
store_timeout_s | 2.5 | cosmos.timeout_s
spool_records | 100001
page_index | cosmos
cosmos_pages_container | some cosmos_pages_container
keep_questions_days | 366 | retention.questions_days
keep_feedback_days | 366 | retention.feedback_days
keep_reviews_days | 1096 | retention.reviews_days
keep_contacts_days | 366 | retention.contacts_days
keep_audit_days | 1096 | retention.audit_days
run_jobs_here | no
timezone | some timezone
schedule_sample_reviews | some schedule_sample_reviews | schedule.sample_reviews
schedule_send_reviews | some schedule_send_reviews | schedule.send_reviews
schedule_refresh_pages | some schedule_refresh_pages | schedule.refresh_pages
schedule_drain_spool | some schedule_drain_spool | schedule.drain_spool
schedule_roll_up_metrics | some schedule_roll_up_metrics | schedule.roll_up_metrics
schedule_apply_retention | some schedule_apply_retention | schedule.apply_retention
schedule_watch_canary | some schedule_watch_canary | schedule.watch_canary
schedule_report_gaps | some schedule_report_gaps | schedule.report_gaps
schedule_fit_search | some schedule_fit_search | schedule.fit_search
schedule_update_model | some schedule_update_model | schedule.update_model
schedule_send_to_data_explorer | some schedule_send_to_data_explorer | schedule.send_to_data_explorer
data_explorer_uri | some data_explorer_uri | data_explorer.uri
data_explorer_database | some data_explorer_database | data_explorer.database
data_explorer_timeout_s | 30.0 | data_explorer.timeout_s
data_explorer_spool_mb | 101 | data_explorer.spool_mb
telemetry | console | telemetry.to
applicationinsights_connection_string | secret-of-applicationinsights_connection_string-0123456789 | telemetry.connection_string
otlp_endpoint | some otlp_endpoint | telemetry.otlp_endpoint
telemetry_buffer | 2049 | telemetry.buffer
pseudonym_key | secret-of-pseudonym_key-0123456789
pseudonym_key_before | secret-of-pseudonym_key_before-0123456789
library_telemetry | yes
drain_timeout_s | 10.0
log_level | debug
verified_least_similarity | 0.375 | verified.least_similarity
"""  # noqa: E501
"""A setting, a text that is not its default, and its place in the settings where the name differs."""
_PARTS = [[part.strip() for part in line.split("|")] for line in NAMES.strip().splitlines()]
ROWS = [(name, text, place[0] if place else name) for name, text, *place in _PARTS]
GIVEN = [(name, text) for name, text, _ in ROWS]


def text_at(settings: Settings, place: str) -> str:
    """Return a value as people write it."""
    value: object = reduce(getattr, place.split("."), settings)
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, SecretStr):
        return value.get_secret_value()
    return ",".join(map(str, value)) if isinstance(value, list) else str(value)  # pyright: ignore


def all_texts(settings: Settings) -> list[tuple[str, str]]:
    return [(name, text_at(settings, place)) for name, _, place in ROWS]


def test_no_name_that_was_there_is_gone() -> None:
    assert {name for name, _ in GIVEN} <= set(FIELDS)
    default = dict(all_texts(Settings()))
    assert [name for name, text in GIVEN if default[name] == text] == []


@pytest.mark.parametrize(("name", "text", "place"), ROWS)
def test_a_variable_of_the_environment_sets_its_setting_and_no_other(
    name: str, text: str, place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = all_texts(Settings())
    monkeypatch.setenv(f"ASKPAGE_{name.upper()}", text)
    after = all_texts(Settings())
    assert [now for now, then in zip(after, before, strict=True) if now != then] == [(name, text)]


def test_every_name_can_stand_in_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name, _ in GIVEN:
        monkeypatch.delenv(f"ASKPAGE_{name.upper()}", raising=False)
    lines = [f"ASKPAGE_{name.upper()}={text}\n" for name, text in GIVEN]
    (tmp_path / ".env").write_text("".join(lines), encoding="utf-8")
    assert all_texts(Settings()) == GIVEN


@pytest.fixture
def quiet() -> Iterator[None]:
    """A command says how much is logged, and what new files may be read by; it is as before afterwards."""
    root = logging.getLogger()
    handlers, level, mask = root.handlers[:], root.level, os.umask(0o077)
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    os.umask(mask)


def test_every_name_is_an_option(quiet: None) -> None:
    heard: list[Settings] = []
    app = typer.Typer()

    @app.command()
    @with_settings
    def command(settings: Settings) -> None:
        heard.append(settings)

    flags: list[str] = []
    for name, text in GIVEN:
        flag = name.replace("_", "-")
        if FIELDS[name].annotation is bool:
            flags.append(f"--{flag}" if text == "yes" else f"--no-{flag}")
        else:
            flags += [f"--{flag}", text]
    done = CliRunner().invoke(app, flags)
    assert done.exit_code == 0, done.output
    assert all_texts(heard[0]) == GIVEN


def test_another_process_gets_the_same_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = Settings(**dict(GIVEN))
    for name, text in build_environment(settings).items():
        if name.startswith("ASKPAGE_"):
            monkeypatch.setenv(name, text)
    assert Settings() == settings


def test_settings_can_be_changed_by_the_same_names(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ASKPAGE_TRAINING_EPOCHS", "9")
    changed = Settings(training_rank=5).copy_with(training_seed=8)
    assert (changed.training.rank, changed.training.seed, changed.training.epochs) == (5, 8, 9)
    assert Settings(training_epochs=4).copy_with(training_seed=8).training.epochs == 4
