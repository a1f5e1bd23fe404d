"""How pages are read and questions are answered: groups of settings."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from core.settings.group import Group, Languages, Words, make_prefixer


class FetchSettings(Group, alias_generator=make_prefixer("fetch_")):
    """What may be fetched, and how much of it: `pages.fetch.client.FetchLimits`."""

    allowed_sites: Words = Field(
        default=["*"],
        description=(
            "Hosts from which the bot may fetch pages, comma-separated; .example.com "
            "includes subdomains; * is every public host."
        ),
        alias="allowed_sites",
    )
    own_sites: Words = Field(
        default=[],
        description="Your own hosts, comma-separated, whose robots.txt is ignored when their sitemap or "
        "feed is read.",
        alias="own_sites",
    )
    page_languages: Languages = Field(
        default=[],
        description=(
            "Languages in which the bot asks for pages of a site that has several, "
            "comma-separated, the best one first: de,en-GB; empty: the site decides."
        ),
        alias="page_languages",
    )
    timeout_s: float = Field(10.0, gt=0, description="Longest time for one page to arrive, seconds.")
    extract_timeout_s: float = Field(
        10.0,
        gt=0,
        description="Longest time to read one pasted page after it has arrived, seconds.",
        alias="extract_timeout_s",
    )
    ocr_languages: Words = Field(
        default=[],
        description="Languages of the text in scanned pages and sent pictures, comma-separated, as Tesseract "
        "names them: eng,deu; empty: it is not read.",
        alias="ocr_languages",
    )
    ocr_pages: int = Field(
        20,
        ge=1,
        description="Most scanned pages of one file whose text is read, if ocr_languages is set.",
        alias="ocr_pages",
    )
    max_bytes: int = Field(5_000_000, gt=0, description="Largest page that is read, bytes.")
    max_redirects: int = Field(5, ge=0, description="Most redirects that are followed.")


class AnsweringSettings(Group):
    """When the bot states, quotes and declines: `model.answering.chain.AnswerRules`."""

    passages: int = Field(
        6,
        ge=1,
        le=12,
        description="Passages that are found for one question; a model reads as many of them as it can.",
    )
    reranked: int = Field(
        10,
        ge=0,
        le=20,
        description="How many of the nearest passages a reranker reads with the question, their best "
        "sentences only, at about 25 ms of processor time each; 0: none.",
        alias="reranked_passages",
    )
    span_sentences: int = Field(
        1,
        ge=0,
        description="Sentences around the nearest one that an untrained version reads when two versions "
        "are compared; 0: whole passages.",
    )
    least_similarity: float = Field(
        0.32,
        ge=-1,
        le=1,
        description="Similarity (cosine) of question and best sentence below which the bot declines at once.",
    )
    state_from: float = Field(
        0.75,
        ge=0,
        le=1,
        description="Confidence from which the bot states an answer; below it, the bot quotes.",
        alias="state_confidence",
    )
    decline_below: float = Field(
        0.25,
        ge=0,
        le=1,
        description="Confidence below which the bot does not quote either, but declines.",
        alias="decline_confidence",
    )
    first_token_s: float = Field(
        1.0,
        gt=0,
        description="Time within which an answer should begin, seconds; a model reads as much as it can in"
        " that time, by its measured speed.",
        alias="first_token_budget_s",
    )
    neighbours: int = Field(
        0,
        ge=0,
        le=3,
        description="How many reviewed answers to other questions on the same pages a model reads, if it "
        "reads whole passages; 0: none.",
    )


class VerifiedSettings(Group, alias_generator=make_prefixer("verified_")):
    """When a verified answer is given again: `bot.dialogs.verified_answers.VerifiedAnswers`."""

    least_similarity: float = Field(
        0.75,
        ge=-1,
        le=1,
        description="Similarity (cosine) of two questions from which the verified answer to one may answer"
        " the other.",
    )
    offer_similar: bool = Field(
        True,
        description="Offer the verified answers of similar questions below an answer.",
        alias="offer_similar",
    )
    learn_from_ratings: bool = Field(
        True,
        description="Let thumbs, stars and reactions change the search a little, until a reviewer has "
        "decided.",
        alias="learn_from_ratings",
    )


class EngineSettings(Group):
    """How a model runs: `model.onnx_infer.EngineOptions`."""

    device: Literal["auto", "cpu", "cuda"] = Field("auto", description="Where the model runs.")
    threads: int = Field(
        0,
        ge=0,
        description="Threads of one forward pass; 0: all cores.",
        alias="model_threads",
    )
    concurrent: int = Field(
        2, ge=1, description="How many answers are generated at the same time.", alias="concurrent_answers"
    )
    queue_limit: int = Field(
        16,
        ge=0,
        description=(
            "How many people may wait for the model, each with one question; the next "
            "person is told that the bot is busy."
        ),
    )
    remembered: int = Field(
        -1,
        ge=-1,
        description=(
            "How many prompts the model keeps in memory besides those of answers in "
            "progress, so that it does not read the same page again; -1: up to four, in "
            "at most a twentieth of the memory."
        ),
        alias="remembered_prompts",
    )


class CudaSettings(Group, alias_generator=make_prefixer("cuda_")):
    """Options of ONNX Runtime's CUDA provider, under its own names."""

    device_id: int = Field(0, ge=0, description="CUDA: which GPU.")
    gpu_mem_limit: int = Field(
        0,
        ge=0,
        description=(
            "CUDA: memory for weights and caches, bytes; 0: no limit. Seven billion "
            "weights in fp16 need 13.5 GB and do not load with 2 GB."
        ),
    )
    arena_extend_strategy: Literal["kNextPowerOfTwo", "kSameAsRequested"] = Field(
        "kNextPowerOfTwo", description="CUDA: how the memory arena grows."
    )
    cudnn_conv_algo_search: Literal["EXHAUSTIVE", "HEURISTIC", "DEFAULT"] = Field(
        "HEURISTIC", description="CUDA: how convolution algorithms are chosen."
    )
    do_copy_in_default_stream: bool = Field(True, description="CUDA: copy in the default stream.")

    def options(self) -> dict[str, str]:
        """Return them as ONNX Runtime wants them: as text, and no limit left out."""
        given = {name: value for name, value in self.values().items() if name != "gpu_mem_limit" or value}
        return {name: value if isinstance(value, str) else str(int(value)) for name, value in given.items()}


class AskerSettings(Group):
    """What one person may ask: `bot.dialogs.askers.AskerLimits`."""

    waiting: int = Field(
        10,
        ge=0,
        description="How many questions of one person may wait while one is answered; 0: any number.",
        alias="questions_waiting_per_person",
    )
    per_minute: int = Field(
        20,
        ge=0,
        description="How many questions one person may ask in a minute, on average; small talk does not "
        "count. 0: any number.",
        alias="questions_per_minute_per_person",
    )
    burst: int = Field(
        10,
        ge=1,
        description="How many of those one person may ask at once after a pause.",
        alias="questions_burst_per_person",
    )
