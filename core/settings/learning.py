"""How feedback is asked for, what is reviewed, and how a model learns from it: groups of settings."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from core.settings.group import Group, Words, make_prefixer


class FeedbackSettings(Group, alias_generator=make_prefixer("feedback_")):
    """How feedback is asked for: `bot.dialogs.answerer.Forms`."""

    form: Literal["thumbs", "reasons", "stars", "none"] = Field(
        "thumbs",
        description="How the bot asks for feedback: Teams' thumbs, thumbs with askpage's reasons, stars on"
        " the card, or not at all.",
    )
    version: int = Field(
        1,
        ge=1,
        description=(
            "Version of the form; increase it whenever you change how the bot asks for "
            "feedback. Answers record it."
        ),
        alias="feedback_form_version",
    )
    after: Literal["all", "answered", "quoted", "declined"] = Field(
        "all",
        description="After which answers the bot asks for feedback: all, answered, quoted or declined ones.",
    )
    share: float = Field(
        1.0, ge=0, le=1, description="Share of the people whom the bot asks for feedback, 0 to 1."
    )
    trial: Literal["thumbs", "reasons", "stars", "none"] = Field(
        "stars", description="Another form, to compare response rates.", alias="feedback_trial_form"
    )
    trial_share: float = Field(
        0.0, ge=0, le=1, description="Share of the people who get the other form, 0 to 1."
    )


class ReviewSettings(Group):
    """What goes to reviewers, and whom it concerns: `bot.dialogs.review.ReviewRules`."""

    low_support: float = Field(
        0.6,
        ge=0,
        le=1,
        description="An answer is reviewed if a smaller share of its words is in its citation, 0 to 1.",
    )
    low_confidence: float = Field(
        0.4,
        ge=0,
        le=1,
        description="An answer or quotation with less confidence than this is reviewed, 0 to 1.",
    )
    declined_by: int = Field(
        3, ge=1, description="A question that was declined for this many people is reviewed."
    )
    sample_share: float = Field(
        0.05, ge=0, le=1, description="Share of the answers that reviewers see at random, 0 to 1."
    )
    double_share: float = Field(
        0.2, ge=0, le=1, description="Share of the sample that two reviewers see, 0 to 1."
    )
    second_for_corrections: bool = Field(
        False, description="Require a second reviewer to agree to a correction.", alias="second_reviewer"
    )
    lease_s: float = Field(
        900.0, gt=0, description="How long a claimed review stays claimed, seconds.", alias="review_lease_s"
    )
    order: Literal["oldest", "teaches_most"] = Field(
        "oldest",
        description="Which reviews come first: the oldest, or those that teach most; the sample is "
        "unaffected.",
        alias="review_order",
    )
    tell_served_days: float = Field(
        14.0,
        ge=0,
        le=365,
        description="People who got a verified answer are told once if a reviewer withdraws or changes it at"
        " most this many days later; 0: nobody is told.",
    )


class ExampleSettings(Group, alias_generator=make_prefixer("examples_")):
    """What becomes an example: part of `feedback.examples.convert.ExampleRules`."""

    held_out_share: float = Field(
        0.15,
        ge=0,
        lt=1,
        description=(
            "Share of the reviewed questions that only measure models and never train "
            "one; do not change it later."
        ),
        alias="held_out_share",
    )
    per_asker: int = Field(
        50, ge=1, description="Most training examples from one person's questions and complaints."
    )
    per_reviewer: int = Field(2000, ge=1, description="Most training examples from one reviewer's decisions.")
    made_per_review: int = Field(
        0,
        ge=0,
        le=12,
        description="Most extra examples that are made from each reviewed one, with other words or other "
        "questions; 0: none.",
    )
    made_by_model: bool = Field(
        False,
        description="Let the live model word some of them; this takes seconds for each reviewed answer.",
    )


class TrainingSettings(Group, alias_generator=make_prefixer("training_")):
    """How a model learns: `model.training.launch.TrainingConfig`."""

    start: Literal["parent", "base"] = Field(
        "parent",
        description="Continue from what the live model has learned, or start again from the base model.",
    )
    passages: int = Field(
        1,
        ge=0,
        description="How many passages of an example a model learns to read, nearest first; 0: all.",
    )
    span_sentences: int = Field(
        0,
        ge=0,
        description="Sentences around the nearest one that a model learns to read; 0: the whole passages.",
    )
    weights: Literal["auto", "nf4", "bf16", "fp32"] = Field(
        "auto",
        description="Precision of the frozen weights during training: nf4 has 4 bits (QLoRA). auto: nf4 on"
        " CUDA, otherwise fp32.",
    )
    rank: int = Field(32, ge=1, description="Rank of the trained matrices (LoRA).")
    learning_rate: float = Field(1e-3, gt=0, description="Highest learning rate.")
    epochs: int = Field(2, ge=1, description="Most passes over all examples.")
    batch: int = Field(12, ge=1, description="Examples in one step.")
    at_once: int = Field(
        12,
        ge=1,
        description="How many examples are computed together; fewer need less memory and more time.",
    )
    checkpointing: bool = Field(
        False, description="Compute activations twice instead of keeping them: less memory, more time."
    )
    optimiser: Literal["auto", "adamw", "paged"] = Field(
        "auto",
        description="adamw, or paged (8 bits; frees GPU memory when it runs short). auto: paged on CUDA.",
    )
    longest_tokens: int = Field(1024, ge=64, description="Longest example that is used, tokens.")
    validation_share: float = Field(
        0.1, ge=0, lt=1, description="Share of the examples that decides when to stop, 0 to 1."
    )
    patience: int = Field(
        3,
        ge=1,
        description="Training ends after this many measurements without progress on those examples.",
    )
    preference: float = Field(
        0.0,
        ge=0,
        description="How much training also prefers a correction to the answer that it corrects; 0: "
        "not at all.",
    )
    preference_form: Literal["dpo", "kto"] = Field(
        "dpo",
        description="dpo compares a correction with what it corrects; kto judges each answer by itself, as "
        "good or bad.",
    )
    seed: int = Field(7, description="Seed; the same one repeats a training.")
    threads: int = Field(0, ge=0, description="Threads of a training on the processor; 0: all cores.")
    processes: int = Field(1, ge=1, description="Processes that train together, one for each GPU.")


class UpdateSettings(Group, alias_generator=make_prefixer("update_")):
    """What starts an update, and what becomes of a good candidate: part of `jobs.update_model.Plan`."""

    least_reviews: int = Field(
        50, ge=1, description="Fewest new reviewed answers before an update is trained."
    )
    promotion: Literal["auto", "manual"] = Field(
        "auto",
        description="Let a better candidate answer automatically, or wait until a person promotes it.",
        alias="promotion",
    )
    canary_share: float = Field(
        0.1,
        gt=0,
        le=1,
        description="Share of the conversations that a better candidate answers at first, 0 to 1; 1: all.",
        alias="canary_share",
    )
    keep: int = Field(
        3, ge=1, description="How many retired model versions an update keeps.", alias="keep_versions"
    )


class GateSettings(Group, alias_generator=make_prefixer("gate_")):
    """What a candidate has to reach: `model.evaluation.result.GateCriteria`."""

    least_questions: int = Field(
        50, ge=1, description="Fewest held-out questions; with fewer, nothing is promoted."
    )
    most_questions: int = Field(400, ge=1, description="Most held-out questions that are asked.")
    least_gain: float = Field(
        0.02,
        ge=0,
        le=1,
        description="Gain in accuracy on the held-out questions that a candidate needs, 0 to 1.",
    )
    most_precision_loss: float = Field(
        0.02, ge=0, le=1, description="Largest loss of precision that a candidate may have, 0 to 1."
    )
    most_regression: float = Field(
        0.05,
        ge=0,
        le=1,
        description="Largest loss of accuracy on the fixed questions that a candidate may have, 0 to 1.",
    )
    most_injection: float = Field(
        0.0,
        ge=0,
        le=1,
        description="Largest rise in the share of planted instructions that succeed, 0 to 1.",
    )
    most_latency: float = Field(
        0.25, ge=0, description="How much longer answers may take (95th percentile), as a share."
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
        description="How much less people may like a canary; votes count from 0 (thumb down) to 1 "
        "(thumb up).",
    )
    min_votes: int = Field(
        30,
        ge=1,
        description="Fewest votes on the canary, and on the live version, before the two are compared.",
    )
    max_error_rate: float = Field(
        0.05, ge=0, le=1, description="Largest share of its questions on which a canary may fail, 0 to 1."
    )
    max_latency_ratio: float = Field(
        1.5,
        gt=0,
        description="How many times as long as the live version's answers a canary's answers may take.",
    )
    days: float = Field(
        7.0,
        ge=0,
        description=(
            "After this many days, a canary that does well answers everybody; 0: only "
            "when a reviewer promotes it."
        ),
    )
