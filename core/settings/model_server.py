"""Models on other machines: the server of ours, what a bot that asks one needs, Ray. Groups of settings."""

from __future__ import annotations

from pydantic import Field, SecretStr

from core.settings.group import Group, Token, make_prefixer


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
        description="How long the model server keeps the previous version by its name, for bots that do "
        "not know of the new one yet, seconds.",
    )
    replicas: int = Field(2, ge=1, description="Fewest replicas of the model server on Ray.")
    most_replicas: int = Field(
        2,
        ge=1,
        description="Most replicas on Ray; there are more than the fewest while each has more than "
        "concurrent_answers chats.",
    )
    replica_cpus: float = Field(1.0, ge=0, description="Processors for one replica, as Ray counts them.")
    replica_gpus: float = Field(0.0, ge=0, description="GPUs for one replica.")


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
        description="Address of a model server, ending in /v1: one of askpage (`askpage model serve`), or "
        "any that has OpenAI's API. The bot then loads no model. Empty: it loads one.",
        alias="model_url",
    )
    key: SecretStr = Field(SecretStr(""), description="Key that the bot sends to that server.")
    name: str = Field(
        "",
        description="Name of the model there. Empty: on a server of askpage, the live version and its "
        "canary; on another, the first model that it lists.",
    )
    timeout_s: float = Field(
        20.0, gt=0, description="Longest pause of that server in the middle of an answer, seconds."
    )
    tokens_s: float = Field(
        2000.0,
        gt=0,
        description="How many tokens a second the model there reads, if the server does not say; it gets "
        "as many as it can read within first_token_budget_s.",
    )
