"""What Azure's services refuse, and what they add to a resource, type by type; each with its error code.

A rule stands here when the service documents it, or threads of people show it. What no rule knows is kept as
it comes.
"""

from __future__ import annotations

import json
import re
from typing import Any

from tests.doubles.azure.resource_manager import Change, Refused, Resource, Rule

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
NAMES = {
    "Microsoft.KeyVault/vaults": r"[a-z](?!.*--)[a-z0-9-]{1,22}[a-z0-9]",
    "Microsoft.ContainerRegistry/registries": r"[a-z0-9]{5,50}",
    "Microsoft.Storage/storageAccounts": r"[a-z0-9]{3,24}",
    "Microsoft.Kusto/clusters": r"[a-z][a-z0-9]{3,21}",
    "Microsoft.DocumentDB/databaseAccounts": r"[a-z0-9][a-z0-9-]{1,42}[a-z0-9]",
    "Microsoft.App/containerApps": r"[a-z](?!.*--)[a-z0-9-]{0,30}[a-z0-9]",
    "Microsoft.App/jobs": r"[a-z](?!.*--)[a-z0-9-]{0,30}[a-z0-9]",
    "Microsoft.Automation/automationAccounts": r"[A-Za-z][A-Za-z0-9-]{4,48}[A-Za-z0-9]",
}
"""Names as each service wants them."""


def rule_of(of: str) -> Rule:
    """Return what is done with a type."""
    return RULES.get(of, lambda _: None)


def check_name(change: Change) -> None:
    """Refuse a name that the service does not take. Raises Refused."""
    pattern = NAMES.get(change.of)
    if pattern and not re.fullmatch(pattern, change.name):
        change.refuse("InvalidResourceName", "the name is not allowed")


# Identities and roles


def _identity(change: Change) -> None:
    """Nothing; it is somebody else each time that it is made anew."""
    change.properties.update(clientId=change.generated("client"), principalId=change.generated("principal"))


def _role_assignment(change: Change) -> None:
    """Given under two names; handed on; to somebody whom the directory does not know yet."""
    _keep_assignment(change, "principalId", "roleDefinitionId", code="RoleAssignmentUpdateNotPermitted")
    if change.properties.get("principalType") != "ServicePrincipal":
        change.refuse(
            "PrincipalNotFound", "a new identity is not in the directory yet; principalType is needed"
        )
    scope = change.id.partition("/providers/Microsoft.Authorization/")[0]
    for other in change.azure.of_type(change.of):
        same = all(
            other.properties[name] == change.properties[name] for name in ("principalId", "roleDefinitionId")
        )
        if (
            same
            and other.id != change.id
            and other.id.startswith(f"{scope}/providers/Microsoft.Authorization/")
        ):
            change.refuse("RoleAssignmentExists", f"the role is given already, as {other.name}")


def _keep_assignment(change: Change, *names: str, code: str) -> None:
    for name in names:
        change.keep("properties", name, code=code)


def _role_definition(change: Change) -> None:
    """Two of one name."""
    for other in change.azure.of_type(change.of):
        if other.id != change.id and other.properties["roleName"] == change.properties["roleName"]:
            change.refuse("RoleDefinitionWithSameNameExists", other.id)


def _cosmos_assignment(change: Change) -> None:
    """Given twice under two names; handed on to somebody else."""
    _keep_assignment(change, "principalId", "scope", code="BadRequest")
    for other in change.azure.of_type(change.of):
        if other.id != change.id and other.properties == change.properties:
            change.refuse("Conflict", f"the same role is given as {other.name}")


# The vault, the registry, the data


def _vault(change: Change) -> None:
    """A name that lies in deleted state; recovering what was not deleted; giving up purge protection."""
    mode = change.properties.pop("createMode", "default")
    if mode == "recover" and change.name not in change.azure.deleted_vaults:
        change.refuse("SoftDeletedVaultDoesNotExist", "there is no deleted vault of this name")
    if mode != "recover" and change.name in change.azure.deleted_vaults:
        change.refuse("ConflictError", "a vault of this name exists in deleted state; recover or purge it")
    if mode == "recover":
        change.azure.recover_vault(change.name)
        change.before = change.azure.resources[change.id.lower()]
    was = change.before.properties if change.before else {}
    if was.get("enablePurgeProtection") and not change.properties.get("enablePurgeProtection"):
        change.refuse("BadRequest", "enablePurgeProtection cannot be set to false")
    change.properties["vaultUri"] = f"https://{change.name}.vault.azure.net/"
    change.azure.secrets.setdefault(change.name, {})


def _secret(change: Change) -> None:
    """No value."""
    value = change.properties.get("value")
    if not value:
        change.refuse("BadRequest", "a secret needs a value")
    vault = change.id.split("/")[-3]
    change.azure.secrets[vault].setdefault(change.name, []).append(str(value))


def _component(change: Change) -> None:
    """Nothing; it gets its connection string."""
    change.properties["ConnectionString"] = f"InstrumentationKey={change.generated('key')}"


def _registry(change: Change) -> None:
    """Nothing; it gets its address."""
    change.properties["loginServer"] = f"{change.name}.azurecr.io"


def _network(change: Change) -> None:
    """Nothing; its subnets get their ids."""
    for subnet in change.properties["subnets"]:
        subnet["id"] = f"{change.id}/subnets/{subnet['name']}"


def _storage(change: Change) -> None:
    """A subnet without the service endpoint; another kind."""
    networks = {
        subnet["id"]: {one["service"] for one in subnet["properties"].get("serviceEndpoints", [])}
        for network in change.azure.of_type("Microsoft.Network/virtualNetworks")
        for subnet in network.properties["subnets"]
    }
    for one in change.properties.get("networkAcls", {}).get("virtualNetworkRules", []):
        if "Microsoft.Storage" not in networks.get(one["id"], set()):
            change.refuse("NetworkAclsValidationFailure", "the subnet has no service endpoint for storage")
    change.keep("kind", code="AccountPropertyCannotBeUpdated")


def _share(change: Change) -> None:
    """NFS with TLS demanded, on other files than premium ones, or below 100 GiB."""
    account = change.azure.get("/".join(change.id.split("/")[:9]))
    if change.properties.get("enabledProtocols") == "NFS":
        if account.properties.get("supportsHttpsTrafficOnly") is not False:
            change.refuse("InvalidRequest", "NFS needs supportsHttpsTrafficOnly: false")
        if account.body["kind"] != "FileStorage" or change.properties["shareQuota"] < 100:
            change.refuse("InvalidRequest", "NFS needs premium files, of which 100 GiB is the least")
    change.keep("properties", "enabledProtocols", code="ShareProtocolCannotBeChanged")


def _cosmos(change: Change) -> None:
    """Other capabilities than before."""
    change.keep("properties", "capabilities", code="BadRequest")
    change.properties["documentEndpoint"] = f"https://{change.name}.documents.azure.com:443/"


def _container(change: Change) -> None:
    """Another partition key, or other vectors, than before."""
    for name in ("partitionKey", "vectorEmbeddingPolicy"):
        change.keep("properties", "resource", name, code="BadRequest")


def _kusto(change: Change) -> None:
    """Nothing; it gets its address."""
    change.properties["uri"] = f"https://{change.name}.{change.body['location']}.kusto.windows.net"


def _kusto_principal(change: Change) -> None:
    """Handed on to somebody else."""
    _keep_assignment(change, "principalId", code="BadRequest")


# Containers


def _environment(change: Change) -> None:
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


def _app(change: Change) -> None:
    """A port or probe where its image does not listen; image, secret, storage, profile not to be had."""
    _check_container_host(change)
    template, configuration = change.properties["template"], change.properties["configuration"]
    [container] = template["containers"]
    image = find_image(change, container["image"], configuration)
    listens = _listening(image, container["env"])
    asked = [probe["httpGet"] for probe in container.get("probes", [])]
    wrong = [one for one in asked if one["port"] != listens or one["path"] not in image["paths"]]
    if wrong or configuration["ingress"]["targetPort"] != listens:
        change.refuse(
            "ContainerAppOperationError", f"Operation expired: it listens on {listens}, {wrong} fail"
        )


def _job(change: Change) -> None:
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


# The registration, Automation, Monitor


def _bot(change: Change) -> None:
    """Another app id or kind than before; no identity; no https."""
    _keep_assignment(change, "msaAppId", "msaAppType", code="InvalidBotData")
    if change.properties["msaAppType"] == "UserAssignedMSI" and not change.properties.get(
        "msaAppMSIResourceId"
    ):
        change.refuse("InvalidBotData", "msaAppMSIResourceId is needed")
    if not change.properties["endpoint"].startswith("https://"):
        change.refuse("InvalidBotData", "the endpoint must be https")


def _variable(change: Change) -> None:
    """No JSON; encrypted as it was not before."""
    change.keep("properties", "isEncrypted", code="BadRequest")
    json.loads(change.properties["value"])


def _link(change: Change) -> None:
    """Made or changed again."""
    if change.before is not None:
        change.refuse("Conflict", "a job schedule cannot be changed; it already exists")


def _runbook(change: Change) -> None:
    """An environment that is not there; another type."""
    change.keep("properties", "runbookType", code="BadRequest")
    account = "/".join(change.id.split("/")[:9])
    change.azure.get(f"{account}/runtimeEnvironments/{change.properties['runtimeEnvironment']}")


def _schedule(change: Change) -> None:
    """A start that is not in the future."""
    if "+" not in change.properties["startTime"]:
        change.refuse("BadRequest", "startTime must be five minutes from now at least")


def _diagnostics(change: Change) -> None:
    """A second one to the same workspace; a workspace that is not there."""
    for other in change.azure.of_type(change.of):
        same_place = other.id.rpartition("/")[0] == change.id.rpartition("/")[0]
        if (
            same_place
            and other.id != change.id
            and other.properties["workspaceId"] == change.properties["workspaceId"]
        ):
            change.refuse("Conflict", f"the workspace is used by {other.name}")
    change.azure.get(change.properties["workspaceId"])


MINUTES = {
    "PT1M": 1,
    "PT5M": 5,
    "PT10M": 10,
    "PT15M": 15,
    "PT30M": 30,
    "PT45M": 45,
    "PT1H": 60,
    "PT2H": 120,
    "PT3H": 180,
    "PT4H": 240,
    "PT5H": 300,
    "PT6H": 360,
    "P1D": 1440,
    "P2D": 2880,
}
"""Windows and frequencies that a rule on a log may have; a frequency is a day at most."""


def _query_rule(change: Change) -> None:
    """A window above two days; a frequency above it, or not allowed; a scope that is not there."""
    every, window = (
        MINUTES.get(change.properties[name], 0) for name in ("evaluationFrequency", "windowSize")
    )
    if not 0 < every <= window or every > MINUTES["P1D"]:
        change.refuse("BadRequest", "evaluationFrequency and windowSize are not allowed")
    for scope in change.properties["scopes"]:
        change.azure.get(scope)


def _metric_alert(change: Change) -> None:
    """A scope that is not there."""
    for scope in change.properties["scopes"]:
        change.azure.get(scope)


RULES: dict[str, Rule] = {
    "Microsoft.App/containerApps": _app,
    "Microsoft.App/jobs": _job,
    "Microsoft.App/managedEnvironments": _environment,
    "Microsoft.Authorization/roleAssignments": _role_assignment,
    "Microsoft.Authorization/roleDefinitions": _role_definition,
    "Microsoft.Automation/automationAccounts/jobSchedules": _link,
    "Microsoft.Automation/automationAccounts/runbooks": _runbook,
    "Microsoft.Automation/automationAccounts/schedules": _schedule,
    "Microsoft.Automation/automationAccounts/variables": _variable,
    "Microsoft.BotService/botServices": _bot,
    "Microsoft.ContainerRegistry/registries": _registry,
    "Microsoft.DocumentDB/databaseAccounts": _cosmos,
    "Microsoft.DocumentDB/databaseAccounts/sqlDatabases/containers": _container,
    "Microsoft.DocumentDB/databaseAccounts/sqlRoleAssignments": _cosmos_assignment,
    "Microsoft.Insights/components": _component,
    "Microsoft.Insights/diagnosticSettings": _diagnostics,
    "Microsoft.Insights/metricAlerts": _metric_alert,
    "Microsoft.Insights/scheduledQueryRules": _query_rule,
    "Microsoft.KeyVault/vaults": _vault,
    "Microsoft.KeyVault/vaults/secrets": _secret,
    "Microsoft.Kusto/clusters": _kusto,
    "Microsoft.Kusto/clusters/databases/principalAssignments": _kusto_principal,
    "Microsoft.ManagedIdentity/userAssignedIdentities": _identity,
    "Microsoft.Network/virtualNetworks": _network,
    "Microsoft.Storage/storageAccounts": _storage,
    "Microsoft.Storage/storageAccounts/fileServices/shares": _share,
}
