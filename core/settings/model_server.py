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
        description="Key that clients of `askpage model serve` show; 24 characters or more. Empty: this "
        "machine alone is served.",
    )
    most_bytes: int = Field(1_000_000, ge=1_000, description="Largest request to the model server, bytes.")
    most_messages: int = Field(100, ge=1, description="Most messages of one chat with the model server.")
    linger_s: float = Field(
        5.0,
        ge=0,
        description="How long the model server keeps a version by its name after another one took over, for "
        "bots that have not heard, seconds.",
    )
    replicas: int = Field(
        2, ge=1, description="Replicas of the model server on Ray: so many there are at least."
    )
    most_replicas: int = Field(
        2,
        ge=1,
        description="Replicas that there are at most on Ray, while more than concurrent_answers chats a "
        "replica are under way.",
    )
    replica_cpus: float = Field(
        1.0, ge=0, description="Processors that a replica on Ray has to itself, as Ray counts them."
    )
    replica_gpus: float = Field(0.0, ge=0, description="GPUs that a replica on Ray has to itself.")


class RaySettings(Group, alias_generator=make_prefixer("ray_")):
    """Where `askpage models train --ray` has a model learn: `model.registry.ray_cluster.RayPlan`."""

    address: str = Field(
        "",
        description="The Ray cluster where models learn, as Ray has it; auto: the one that this machine "
        "belongs to. Empty: a Ray of this machine's own.",
    )
    cpus: float = Field(1.0, gt=0, description="Processors that a training on Ray has to itself.")
    gpus: float = Field(0.0, ge=0, description="GPUs that a training on Ray has to itself.")
    retries: int = Field(
        3, ge=0, description="How often a training that was lost with its machine is tried again."
    )


class ModelUrlSettings(Group, alias_generator=make_prefixer("model_url_")):
    """The server that a bot asks, without a model of its own: `model.registry.remote_models`."""

    url: str = Field(
        "",
        description="Where a model server is, with /v1 at its end: one of ours (`askpage model serve`), or "
        "any that speaks OpenAI's API. The bot loads no model then. Empty: it loads one.",
        alias="model_url",
    )
    key: SecretStr = Field(SecretStr(""), description="Key that the bot shows that server.")
    name: str = Field(
        "",
        description="Name of the model there. Empty: of a server of ours, the live version and its canary; "
        "of another one, the first that it lists.",
    )
    timeout_s: float = Field(
        20.0, gt=0, description="Longest silence of that server in the midst of an answer, seconds."
    )
    tokens_s: float = Field(
        2000.0,
        gt=0,
        description="Tokens a second that a model there reads, where the server does not tell; so many are "
        "read as come within first_token_budget_s.",
    )
