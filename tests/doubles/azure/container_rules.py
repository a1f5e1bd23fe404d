"""What Container Apps refuses: environments, apps and jobs, with their images, probes, secrets and sizes."""

from __future__ import annotations

from typing import Any

from tests.doubles.azure.resource_manager import Change, Refused, Resource

PULL = "7f951dda-4ed3-4680-a7ca-43fe172d538d"
READ_SECRETS = "4633458b-17de-408a-b874-0445c86b69e6"
PUBLIC_IMAGES = {
    "mcr.microsoft.com/dotnet/samples:aspnetapp": {
        "port": "ASPNETCORE_HTTP_PORTS",
        "otherwise": 8080,
        "paths": {"/", "/healthz"},
    },
    "mcr.microsoft.com/azuredocs/containerapps-helloworld:latest": {
        "port": "",
        "otherwise": 80,
        "paths": {"/"},
    },
}
"""Images that anybody may pull: where they listen, and which paths they answer with 200."""
INVALID = "InvalidParameterValueInContainerTemplate"
BOT_IMAGE = {"port": "ASKPAGE_PORT", "otherwise": 3978, "paths": {"/healthz", "/readyz"}}
MODEL_SERVER = {"port": "ASKPAGE_MODEL_SERVER_PORT", "otherwise": 3980, "paths": {"/healthz", "/readyz"}}
"""What our images do when they are started with `model serve`."""


def check_environment(change: Change) -> None:
    """A subnet that is not delegated; another network than before."""
    change.keep("properties", "vnetConfiguration", code="ManagedEnvironmentVnetConfigurationCannotBeUpdated")
    used = change.properties["vnetConfiguration"]["infrastructureSubnetId"]
    delegated = [
        subnet
        for network in change.azure.of_type("Microsoft.Network/virtualNetworks")
        for subnet in network.properties["subnets"]
        if subnet["id"] == used
        and "Microsoft.App/environments"
        in {each["properties"]["serviceName"] for each in subnet["properties"].get("delegations", [])}
    ]
    if not delegated:
        change.refuse("ManagedEnvironmentSubnetDelegationError", "the subnet must be delegated")
    change.properties["defaultDomain"] = f"plain-{change.generated('domain')[:8]}.azurecontainerapps.io"


def check_app(change: Change) -> None:
    """A port or probe where its image does not listen; a missing image, secret, storage or profile."""
    _check_container_host(change)
    template, configuration = change.properties["template"], change.properties["configuration"]
    [container] = template["containers"]
    image = find_image(change, container["image"], configuration)
    if image is BOT_IMAGE and container.get("args") == ["model", "serve"]:
        image = MODEL_SERVER
    listens = _listening(image, container["env"])
    asked = [probe["httpGet"] for probe in container.get("probes", [])]
    wrong = [one for one in asked if one["port"] != listens or one["path"] not in image["paths"]]
    if wrong or configuration["ingress"]["targetPort"] != listens:
        change.refuse(
            "ContainerAppOperationError", f"Operation expired: it listens on {listens}, {wrong} fail"
        )


def check_job(change: Change) -> None:
    """As an app, but for port and probes; another trigger."""
    _check_container_host(change)
    configuration = change.properties["configuration"]
    for container in change.properties["template"]["containers"]:
        find_image(change, container["image"], configuration)
    change.keep("properties", "configuration", "triggerType", code="JobTriggerTypeCannotBeChanged")


def _listening(image: dict[str, Any], env: list[dict[str, str]]) -> int:
    given = {one["name"]: one.get("value", "") for one in env}
    return int(given.get(image["port"]) or image["otherwise"])


def find_image(change: Change, image: str, configuration: dict[str, Any]) -> dict[str, Any]:
    """Return how an image behaves, once it is seen that this identity can pull it. Raises Refused."""
    if image in PUBLIC_IMAGES:
        return PUBLIC_IMAGES[image]
    server = image.partition("/")[0]
    registry = next(
        (
            one
            for one in change.azure.of_type("Microsoft.ContainerRegistry/registries")
            if one.properties["loginServer"] == server
        ),
        None,
    )
    if registry is None or image not in change.azure.images:
        raise Refused(INVALID, f"{change.name}: no image {image} (MANIFEST_UNKNOWN)")
    [identity] = [one["identity"] for one in configuration["registries"] if one["server"] == server]
    if not change.azure.holds_role(principal_of(change, identity), PULL, registry.id):
        raise Refused("UNAUTHORIZED", f"{change.name}: unable to pull image {image} as {identity}")
    return BOT_IMAGE


def principal_of(change: Change, identity: str) -> str:
    """Return whom an identity is, as the directory knows it."""
    return str(change.azure.get(identity).properties["principalId"])


def _check_container_host(change: Change) -> None:
    """Refuse what an environment does not have: secrets, storage, profiles, processors. Raises Refused."""
    azure, properties = change.azure, change.properties
    environment = azure.get(properties["environmentId"])
    profiles = {one["name"]: one for one in environment.properties["workloadProfiles"]}
    profile = profiles.get(properties["workloadProfileName"])
    if profile is None:
        change.refuse("WorkloadProfileNotFound", properties["workloadProfileName"])
    for secret in properties["configuration"]["secrets"]:
        vault, _, name = secret["keyVaultUrl"].removeprefix("https://").partition("/secrets/")
        vault = vault.partition(".")[0]
        at = next(one for one in azure.of_type("Microsoft.KeyVault/vaults") if one.name == vault)
        if not azure.holds_role(principal_of(change, secret["identity"]), READ_SECRETS, at.id):
            change.refuse(INVALID, f"unable to fetch secret {name}")
        if name not in azure.secrets[vault]:
            change.refuse(INVALID, f"there is no secret {name}")
    _check_template(change, environment, str((profile or {}).get("workloadProfileType")))


def _check_template(change: Change, environment: Resource, profile: str) -> None:
    template, configuration = change.properties["template"], change.properties["configuration"]
    secrets = {one["name"] for one in configuration["secrets"]}
    volumes = {one["name"] for one in template["volumes"]}
    for volume in template["volumes"]:
        if "storageName" in volume:
            change.azure.get(f"{environment.id}/storages/{volume['storageName']}")
    for container in [*template["containers"], *template.get("initContainers", [])]:
        given = [one["secretRef"] for one in container.get("env", []) if "secretRef" in one]
        if not {*given} <= secrets or not {one["volumeName"] for one in container["volumeMounts"]} <= volumes:
            change.refuse(INVALID, f"{container['name']} names what is not there")
        names = [one["name"] for one in container.get("env", [])]
        if len(names) != len({*names}):
            change.refuse(INVALID, "a variable is given twice")
        _check_size(change, container["resources"], profile)


def _check_size(change: Change, resources: dict[str, Any], profile: str) -> None:
    """Refuse what does not go together: 2 GiB a core and 4 cores at most on shared machines."""
    cores, memory = float(resources["cpu"]), float(resources["memory"].removesuffix("Gi"))
    if profile == "Consumption" and (memory != 2 * cores or cores > 4 or cores % 0.25):
        change.refuse("ContainerAppInvalidResourceTotal", f"{cores} cores with {memory} GiB")
    most = {"Consumption-GPU-NC8as-T4": (8, 56), "Consumption-GPU-NC24-A100": (24, 220)}.get(profile)
    if most and (cores > most[0] or memory > most[1]):
        change.refuse("ContainerAppInvalidResourceTotal", f"{cores} cores with {memory} GiB on {profile}")
