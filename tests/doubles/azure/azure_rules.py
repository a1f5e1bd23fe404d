"""What Azure's services refuse, and what they add to a resource, type by type; each with its error code.

A rule stands here when the service documents it, or threads of people show it. What no rule knows is kept as
it comes.
"""

from __future__ import annotations

import json
import re

from tests.doubles.azure.container_rules import check_app, check_environment, check_job
from tests.doubles.azure.deployment_scripts import run_deployment_script
from tests.doubles.azure.resource_manager import Change, Rule

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

LOGS = {
    "Microsoft.App/managedEnvironments": {"ContainerAppConsoleLogs", "ContainerAppSystemLogs"},
    "Microsoft.Automation/automationAccounts": {"AuditEvent", "DscNodeStatus", "JobLogs", "JobStreams"},
    "Microsoft.BotService/botServices": {"BotRequest"},
    "Microsoft.DocumentDB/databaseAccounts": {
        "ControlPlaneRequests",
        "DataPlaneRequests",
        "PartitionKeyRUConsumption",
        "PartitionKeyStatistics",
        "QueryRuntimeStatistics",
    },
    "Microsoft.Kusto/clusters": {
        "Command",
        "FailedIngestion",
        "IngestionBatching",
        "Journal",
        "Query",
        "SucceededIngestion",
        "TableDetails",
        "TableUsageStatistics",
    },
    "Microsoft.Storage/storageAccounts/blobServices": {"StorageDelete", "StorageRead", "StorageWrite"},
}
"""The categories that "Supported logs for …" of Microsoft's documentation lists, read on 2026-11-30."""


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
    """Nothing; it is a new identity each time that it is created again."""
    change.properties.update(clientId=change.generated("client"), principalId=change.generated("principal"))


def _role_assignment(change: Change) -> None:
    """The same role under two names; moving it to somebody else; somebody unknown to the directory."""
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
    """The same role under two names; moving it to somebody else."""
    _keep_assignment(change, "principalId", "scope", code="BadRequest")
    for other in change.azure.of_type(change.of):
        if other.id != change.id and other.properties == change.properties:
            change.refuse("Conflict", f"the same role is given as {other.name}")


# The vault, the registry, the data


def _vault(change: Change) -> None:
    """The name of a deleted vault; recovering a vault that was not deleted; turning off purge protection."""
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
    """Moving it to somebody else."""
    _keep_assignment(change, "principalId", code="BadRequest")


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
    """A value that is not JSON; a change of encryption."""
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
    """A second one to the same workspace; a workspace that is not there; logs that the type does not have."""
    for other in change.azure.of_type(change.of):
        same_place = other.id.rpartition("/")[0] == change.id.rpartition("/")[0]
        if (
            same_place
            and other.id != change.id
            and other.properties["workspaceId"] == change.properties["workspaceId"]
        ):
            change.refuse("Conflict", f"the workspace is used by {other.name}")
    change.azure.get(change.properties["workspaceId"])
    of = change.azure.get(change.id.lower().rpartition("/providers/")[0]).of
    told = {log["category"] for log in change.properties.get("logs", []) if "category" in log}
    if unknown := told - LOGS.get(of, set()):
        change.refuse("BadRequest", f"Category '{min(unknown)}' is not supported")


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
    "Microsoft.App/containerApps": check_app,
    "Microsoft.App/jobs": check_job,
    "Microsoft.App/managedEnvironments": check_environment,
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
    "Microsoft.Resources/deploymentScripts": run_deployment_script,
    "Microsoft.Storage/storageAccounts": _storage,
    "Microsoft.Storage/storageAccounts/fileServices/shares": _share,
}
