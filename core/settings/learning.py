"""How feedback is asked for, what is reviewed, and how a model learns from it: groups of settings."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from core.settings.group import Group, Words, make_prefixer


class FeedbackSettings(Group, alias_generator=make_prefixer("feedback_")):
    """How feedback is asked for: `bot.dialogs.answerer.Forms`."""

    form: Literal["thumbs", "reasons", "stars", "none"] = Field(
        "thumbs",
        description="How feedback is asked for: Teams' thumbs, thumbs with our reasons, stars on the card, "
        "not at all.",
    )
    version: int = Field(
        1,
        ge=1,
        description="Raise it with every change of how feedback is asked for; answers record it.",
        alias="feedback_form_version",
    )
    after: Literal["all", "answered", "quoted", "declined"] = Field(
        "all",
        description="After which answers feedback is asked for: all, answered, quoted or declined ones.",
    )
    share: float = Field(1.0, ge=0, le=1, description="Share of the people who are asked, 0 to 1.")
    trial: Literal["thumbs", "reasons", "stars", "none"] = Field(
        "stars", description="Another form, to compare response rates with.", alias="feedback_trial_form"
    )
    trial_share: float = Field(
        0.0, ge=0, le=1, description="Share of the people who get the other form, 0 to 1."
    )


class ReviewSettings(Group):
    """What goes to reviewers: `bot.dialogs.review.ReviewRules`."""

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
    second_for_corrections: bool = Field(
        False, description="Let a second reviewer agree to a correction.", alias="second_reviewer"
    )
    lease_s: float = Field(
        900.0, gt=0, description="How long a claimed review is held, seconds.", alias="review_lease_s"
    )
    order: Literal["oldest", "teaches_most"] = Field(
        "oldest",
        description="Which reviews come first: the oldest, or those that teach most, beside the sample.",
        alias="review_order",
    )


class ExampleSettings(Group, alias_generator=make_prefixer("examples_")):
    """What becomes an example: part of `feedback.examples.convert.ExampleRules`."""

    held_out_share: float = Field(
        0.15,
        ge=0,
        lt=1,
        description="Share of the reviewed questions that measure a model and never train one; keep it.",
        alias="held_out_share",
    )
    per_asker: int = Field(
        50, ge=1, description="Most training examples that one person's questions or complaints may bring."
    )
    per_reviewer: int = Field(
        2000, ge=1, description="Most training examples that one reviewer's rulings may make."
    )
    made_per_review: int = Field(
        0,
        ge=0,
        le=12,
        description="Most examples that are made from each reviewed one: other words, other questions; 0 "
        "makes none.",
    )
    made_by_model: bool = Field(
        False, description="Let the live model word some of them, too: seconds for each reviewed answer."
    )


class TrainingSettings(Group, alias_generator=make_prefixer("training_")):
    """How a model learns: `model.training.launch.TrainingConfig`."""

    start: Literal["parent", "base"] = Field(
        "parent", description="Go on with what the live model has learned, or begin anew from the base model."
    )
    passages: int = Field(
        1,
        ge=0,
        description="Passages of an example that a model learns to read, the nearest first; 0 is all.",
    )
    span_sentences: int = Field(
        0,
        ge=0,
        description="Sentences around the nearest one that a model learns to read; 0 reads those passages "
        "whole.",
    )
    weights: Literal["auto", "nf4", "bf16", "fp32"] = Field(
        "auto",
        description="The frozen weights while it learns: nf4 has 4 bits (QLoRA). auto: nf4 on CUDA, else "
        "fp32.",
    )
    rank: int = Field(32, ge=1, description="Rank of the matrices that learn.")
    learning_rate: float = Field(1e-3, gt=0, description="Learning rate at its highest.")
    epochs: int = Field(2, ge=1, description="How often every example is learned from at most.")
    batch: int = Field(12, ge=1, description="Examples of one step.")
    at_once: int = Field(
        12, ge=1, description="Examples that are computed together; fewer need less memory, and more time."
    )
    checkpointing: bool = Field(
        False, description="Compute activations twice instead of keeping them: less memory, more time."
    )
    optimiser: Literal["auto", "adamw", "paged"] = Field(
        "auto",
        description="adamw, or paged: 8 bits, gives GPU memory back when it is short. auto: paged on CUDA.",
    )
    longest_tokens: int = Field(1024, ge=64, description="Longest example that is learned from, tokens.")
    validation_share: float = Field(
        0.1, ge=0, lt=1, description="Share of the examples that tells when to stop, 0 to 1."
    )
    patience: int = Field(3, ge=1, description="Measures on those examples without progress that end it.")
    preference: float = Field(
        0.0,
        ge=0,
        description="Weight of preferring the correction to what it corrects, beside learning it; 0 is "
        "without.",
    )
    preference_form: Literal["dpo", "kto"] = Field(
        "dpo",
        description="dpo compares a correction with what it corrects; kto judges each answer by itself, as "
        "good or bad.",
    )
    seed: int = Field(7, description="Repeats a training.")
    threads: int = Field(
        0, ge=0, description="Threads of a training on the processor; 0 takes the cores there are."
    )
    processes: int = Field(1, ge=1, description="Processes that train together, one a GPU.")


class UpdateSettings(Group, alias_generator=make_prefixer("update_")):
    """What starts an update, and what becomes of a good candidate: part of `jobs.update_model.Plan`."""

    least_reviews: int = Field(
        50, ge=1, description="Reviewed answers that have to be new before an update is trained."
    )
    promotion: Literal["auto", "manual"] = Field(
        "auto",
        description="Let a better candidate answer by itself, or wait until a person promotes it.",
        alias="promotion",
    )
    canary_share: float = Field(
        0.1,
        gt=0,
        le=1,
        description="Share of the conversations that a better candidate answers at first, 0 to 1; 1 is all.",
        alias="canary_share",
    )
    keep: int = Field(
        3, ge=1, description="Retired model versions that an update leaves.", alias="keep_versions"
    )


class GateSettings(Group, alias_generator=make_prefixer("gate_")):
    """What a candidate has to reach: `model.evaluation.result.GateCriteria`."""

    least_questions: int = Field(
        50, ge=1, description="Held-out questions without which nothing is promoted."
    )
    most_questions: int = Field(400, ge=1, description="Most held-out questions that are asked.")
    least_gain: float = Field(
        0.02,
        ge=0,
        le=1,
        description="Gain in accuracy on the held-out questions that is asked of a candidate, 0 to 1.",
    )
    most_precision_loss: float = Field(
        0.02, ge=0, le=1, description="Loss of precision that a candidate may bring, 0 to 1."
    )
    most_regression: float = Field(
        0.05,
        ge=0,
        le=1,
        description="Loss of accuracy on the fixed questions that a candidate may bring, 0 to 1.",
    )
    most_injection: float = Field(
        0.0,
        ge=0,
        le=1,
        description="Share of the planted instructions by which more may succeed with a candidate, 0 to 1.",
    )
    most_latency: float = Field(
        0.25, ge=0, description="Share by which answers (95th percentile) may take longer."
    )


class ProbeSettings(Group, alias_generator=make_prefixer("gate_")):
    """What both versions are asked beside the held-out questions."""

    regression: str = Field(
        "", description="File of fixed questions, JSON Lines (docs/gate.md); empty: the project's own."
    )
    injections: Words = Field(
        default=[],
        description="More files of instructions to plant in passages, comma-separated (docs/gate.md).",
    )


class CanarySettings(Group, alias_generator=make_prefixer("canary_")):
    """When a canary goes, and when it stays: `model.evaluation.canary.CanaryRules`."""

    margin: float = Field(
        0.02,
        ge=0,
        le=1,
        description="How much less a canary may please: votes count from 0 (thumb down) to 1 (thumb up).",
    )
    min_votes: int = Field(
        30, ge=1, description="Votes on the canary, and on the live version, before they are compared."
    )
    max_error_rate: float = Field(
        0.05, ge=0, le=1, description="Share of its questions on which a canary may fail, 0 to 1."
    )
    max_latency_ratio: float = Field(
        1.5, gt=0, description="How many times as long as the live version's a canary's answers may take."
    )
    days: float = Field(
        7.0,
        ge=0,
        description="After so many days a canary that does well answers everybody; 0: only when a reviewer "
        "says so.",
    )
