"""What PSRule for Azure and ARM-TTK advise on the resources of the templates, with what we do about it.

Both need PowerShell, so neither runs with the tests. Their rules that can apply to a type of ours are said
again here, in our words, on what a rehearsal deploys: those that hold are held, those that wilfully do not
are listed with the reason, and `docs/azure.md` has the table of both. Read in
github.com/Azure/PSRule.Rules.Azure (rules up to 2026_06) and github.com/Azure/arm-ttk (2026-02-13). Left out
are rules that somebody has to switch on, those on what is not deployed, and names of an organisation.

Run as: python -m tests.doubles.azure.advisory_rules
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from tests.doubles.azure.developer_cli import DeveloperCli
from tests.doubles.azure.resource_manager import Azure, Resource

Holds = Callable[[Resource, Azure], bool]


@dataclass(frozen=True, slots=True)
class Advice:
    """A rule on the resources of one type ("" of every type); `why_not` is why it does not hold here."""

    name: str
    of: str
    holds: Holds
    why_not: str = ""


def at(path: str, *wanted: Any) -> Holds:
    """Return whether a property has one of these values."""
    return lambda one, _: find(one.body, path) in wanted


def absent(path: str) -> Holds:
    """Return whether a property is left out, empty or false."""
    return lambda one, _: not find(one.body, path)


def present(path: str) -> Holds:
    """Return whether a property has a value."""
    return lambda one, _: bool(find(one.body, path))


def named(pattern: str) -> Holds:
    """Return whether the name has this form."""
    return lambda one, _: re.fullmatch(pattern, one.name) is not None


def tells(*categories: str) -> Holds:
    """Return whether a diagnostic setting sends these logs, or groups or metrics of them."""

    def sent(one: Resource, azure: Azure) -> bool:
        told = [
            setting
            for setting in azure.of_type("Microsoft.Insights/diagnosticSettings")
            if setting.id.lower().startswith(f"{one.id.lower()}/providers/microsoft.insights/")
        ]
        found = {
            entry.get("category") or entry.get("categoryGroup")
            for setting in told
            for entry in [*setting.properties.get("logs", []), *setting.properties.get("metrics", [])]
            if entry["enabled"]
        }
        return found >= set(categories)

    return sent


def within(of: str, path: str, *wanted: Any) -> Holds:
    """Return whether every resource of a type below this one has one of these values."""

    def all_of(one: Resource, azure: Azure) -> bool:
        below = [each for each in azure.of_type(of) if each.id.lower().startswith(f"{one.id.lower()}/")]
        return all(find(each.body, path) in wanted for each in below)

    return all_of


def find(body: Any, path: str) -> Any:
    """Return a property, None where there is none; names differ in case from one version to the next."""
    for name in path.split("."):
        if not isinstance(body, dict):
            return None
        body = next((value for key, value in body.items() if key.lower() == name.lower()), None)
    return body


def _volumes_are_files(one: Resource, _: Azure) -> bool:
    return all(volume["storageType"] == "AzureFile" for volume in one.properties["template"]["volumes"])


def _files_are_kept(one: Resource, azure: Azure) -> bool:
    if one.body["kind"] != "FileStorage":
        return True
    service = "Microsoft.Storage/storageAccounts/fileServices"
    kept = within(service, "properties.shareDeleteRetentionPolicy.enabled", True)
    return kept(one, azure) and within(service, "properties.shareDeleteRetentionPolicy.days", 14)(one, azure)


def _blobs_are_kept(one: Resource, azure: Azure) -> bool:
    service, policy = "Microsoft.Storage/storageAccounts/blobServices", "properties.{}.enabled"
    return all(
        within(service, policy.format(name), True)(one, azure)
        for name in ("deleteRetentionPolicy", "containerDeleteRetentionPolicy")
    )


def _subnets(one: Resource) -> list[dict[str, Any]]:
    return one.properties["subnets"]


def _is_tagged(one: Resource, _: Azure) -> bool:
    return bool(one.body.get("tags")) or one.of in UNTAGGED or "location" not in one.body


def _has_a_given_region(one: Resource, azure: Azure) -> bool:
    [group] = azure.of_type("Microsoft.Resources/resourceGroups")
    return one.body.get("location", "global") in {"global", group.body["location"]}


UNTAGGED = {"Microsoft.Kusto/clusters/databases"}
"""Types with a region, and without tags; those without a region have none."""
APP, ENVIRONMENT = "Microsoft.App/containerApps", "Microsoft.App/managedEnvironments"
REGISTRY, VAULT = "Microsoft.ContainerRegistry/registries", "Microsoft.KeyVault/vaults"
COSMOS, STORAGE = "Microsoft.DocumentDB/databaseAccounts", "Microsoft.Storage/storageAccounts"
NETWORK, CLUSTER = "Microsoft.Network/virtualNetworks", "Microsoft.Kusto/clusters"
AUTOMATION = "Microsoft.Automation/automationAccounts"
COMPONENT, WORKSPACE = "Microsoft.Insights/components", "Microsoft.OperationalInsights/workspaces"
IDENTITY = "Microsoft.ManagedIdentity/userAssignedIdentities"
_WITH_IDENTITY = at("identity.type", "SystemAssigned", "UserAssigned", "SystemAssigned,UserAssigned")
_OPEN = "channels, operators and `azd` connect from outside; only identities get in"

ADVICE: tuple[Advice, ...] = (
    Advice("ContainerApp.Insecure", APP, at("properties.configuration.ingress.allowInsecure", None, False)),
    Advice("ContainerApp.ManagedIdentity", APP, _WITH_IDENTITY),
    Advice("ContainerApp.Name", APP, named(r"[a-z][0-9a-z-]{0,30}[0-9a-z]")),
    Advice(
        "ContainerApp.DisableAffinity",
        APP,
        at("properties.configuration.ingress.stickySessions.affinity", None, "none"),
    ),
    Advice(
        "ContainerApp.Storage",
        APP,
        _volumes_are_files,
        "the data folder is an NFS share, where locks hold and nobody has a key",
    ),
    Advice(
        "ContainerApp.MinReplicas",
        APP,
        lambda one, _: one.properties["template"]["scale"]["minReplicas"] >= 2,
        "one bot by default, see [More than one bot on Azure](#more-than-one-bot-on-azure)",
    ),
    Advice(
        "ContainerApp.RestrictIngress",
        APP,
        present("properties.configuration.ingress.ipSecurityRestrictions"),
        "people and channels come from any address",
    ),
    Advice(
        "ContainerApp.PublicAccess", ENVIRONMENT, at("properties.vnetConfiguration.internal", True), _OPEN
    ),
    Advice(
        "ContainerApp.AvailabilityZone",
        ENVIRONMENT,
        at("properties.zoneRedundant", True),
        "it needs three bots; a failed one starts again elsewhere by itself",
    ),
    Advice("ACR.AdminUser", REGISTRY, at("properties.adminUserEnabled", False)),
    Advice("ACR.AnonymousAccess", REGISTRY, at("properties.anonymousPullEnabled", False)),
    Advice("ACR.Name", REGISTRY, named(r"[a-zA-Z0-9]{5,50}")),
    Advice("ACR.AuditLogs", REGISTRY, tells("audit")),
    Advice("ACR.MinSku", REGISTRY, at("sku.name", "Standard", "Premium"), "10 GB are enough for one bot"),
    Advice(
        "ACR.Quarantine",
        REGISTRY,
        at("properties.policies.quarantinePolicy.status", "enabled"),
        "a preview, which needs Premium and somebody who scans",
    ),
    Advice(
        "ACR.SoftDelete",
        REGISTRY,
        at("properties.policies.softDeletePolicy.status", "enabled"),
        "a preview; an image is built again from the sources",
    ),
    Advice("Cosmos.DisableLocalAuth", COSMOS, at("properties.disableLocalAuth", True)),
    Advice("Cosmos.DisableMetadataWrite", COSMOS, at("properties.disableKeyBasedMetadataWriteAccess", True)),
    Advice("Cosmos.MinTLS", COSMOS, at("properties.minimalTlsVersion", "Tls12")),
    Advice("Cosmos.ContinuousBackup", COSMOS, at("properties.backupPolicy.type", "Continuous")),
    Advice("Cosmos.SLA", COSMOS, at("properties.enableFreeTier", None, False)),
    Advice("Cosmos.AccountName", COSMOS, named(r"[a-z0-9][a-z0-9-]{1,42}[a-z0-9]")),
    Advice("Cosmos.PublicAccess", COSMOS, at("properties.publicNetworkAccess", "Disabled"), _OPEN),
    Advice("KeyVault.SoftDelete", VAULT, at("properties.enableSoftDelete", True)),
    Advice("KeyVault.PurgeProtect", VAULT, at("properties.enablePurgeProtection", True)),
    Advice("KeyVault.RBAC", VAULT, at("properties.enableRbacAuthorization", True)),
    Advice("KeyVault.AccessPolicy", VAULT, absent("properties.accessPolicies")),
    Advice("KeyVault.Logs", VAULT, tells("audit")),
    Advice("KeyVault.Name", VAULT, named(r"(?=.{3,24}$)[A-Za-z](-?[A-Za-z0-9])+")),
    Advice("KeyVault.SecretName", f"{VAULT}/secrets", named(r"[A-Za-z0-9-]{1,127}")),
    Advice("KeyVault.Firewall", VAULT, at("properties.networkAcls.defaultAction", "Deny"), _OPEN),
    Advice("Storage.Firewall", STORAGE, at("properties.networkAcls.defaultAction", "Deny")),
    Advice("Storage.MinTLS", STORAGE, at("properties.minimumTlsVersion", "TLS1_2")),
    Advice("Storage.BlobPublicAccess", STORAGE, at("properties.allowBlobPublicAccess", False)),
    Advice(
        "Storage.BlobAccessType",
        STORAGE,
        within(f"{STORAGE}/blobServices/containers", "properties.publicAccess", None, "None"),
    ),
    Advice("Storage.SoftDelete", STORAGE, _blobs_are_kept),
    Advice("Storage.ContainerSoftDelete", STORAGE, _blobs_are_kept),
    Advice("Storage.FileShareSoftDelete", STORAGE, _files_are_kept),
    Advice("Storage.Name", STORAGE, named(r"[a-z0-9]{3,24}")),
    Advice(
        "Storage.SecureTransfer",
        STORAGE,
        at("properties.supportsHttpsTrafficOnly", True),
        "the share has no TLS, because NFS has none; only the subnet reaches it",
    ),
    Advice(
        "Storage.UseReplication",
        STORAGE,
        at("sku.name", "Premium_LRS", "Standard_GRS", "Standard_RAGRS", "Standard_GZRS", "Standard_RAGZRS"),
        "backups are in three zones and expire after 30 days",
    ),
    Advice("VNET.Name", NETWORK, named(r"[a-z0-9][a-z0-9_.-]{0,62}[a-z0-9_]")),
    Advice(
        "VNET.SubnetName",
        NETWORK,
        lambda one, _: all(
            re.fullmatch(r"[A-Za-z0-9][\w.-]{0,78}\w", each["name"]) for each in _subnets(one)
        ),
    ),
    Advice("VNET.SingleDNS", NETWORK, absent("properties.dhcpOptions.dnsServers")),
    Advice(
        "VNET.PrivateSubnet",
        NETWORK,
        lambda one, _: all(each["properties"].get("delegations") for each in _subnets(one)),
    ),
    Advice(
        "VNET.UseNSGs",
        NETWORK,
        lambda one, _: all(each["properties"].get("networkSecurityGroup") for each in _subnets(one)),
        "only Container Apps is in the subnet, and lets in what the ingress says",
    ),
    Advice("ADX.DiskEncryption", CLUSTER, at("properties.enableDiskEncryption", True)),
    Advice("ADX.ManagedIdentity", CLUSTER, _WITH_IDENTITY, "the cluster connects to nothing"),
    Advice("ADX.SLA", CLUSTER, lambda one, _: one.body["sku"]["tier"] != "Basic", "the parameter `skuName`"),
    Advice("ADX.PublicAccess", CLUSTER, at("properties.publicNetworkAccess", "Disabled"), _OPEN),
    Advice("AppInsights.Workspace", COMPONENT, present("properties.workspaceResourceId")),
    Advice("AppInsights.Name", COMPONENT, named(r"[a-z0-9.\-_()]{0,254}[a-z0-9\-_()]")),
    Advice("Log.Name", WORKSPACE, named(r"[a-z0-9][a-z0-9-]{2,61}[a-z0-9]")),
    Advice(
        "Log.Replication",
        WORKSPACE,
        at("properties.replication.enabled", True),
        "telemetry may be lost with its region; records are elsewhere",
    ),
    Advice("Automation.ManagedIdentity", AUTOMATION, _WITH_IDENTITY),
    Advice("Automation.AuditLogs", AUTOMATION, tells("AuditEvent")),
    Advice(
        "Automation.PlatformLogs",
        AUTOMATION,
        tells("JobLogs", "JobStreams", "DscNodeStatus", "AllMetrics"),
        "`DscNodeStatus` is of a feature that is not used",
    ),
    Advice(
        "Automation.EncryptVariables",
        AUTOMATION,
        within(f"{AUTOMATION}/variables", "properties.isEncrypted", True),
        "names and addresses, none of them secret",
    ),
    Advice(
        "Alert.MetricAutoMitigate", "Microsoft.Insights/metricAlerts", at("properties.autoMitigate", True)
    ),
    Advice(
        "Alert.HighFrequencyQuery",
        "Microsoft.Insights/scheduledQueryRules",
        lambda one, _: one.properties["evaluationFrequency"] != "PT1M",
    ),
    Advice("Identity.UserAssignedName", IDENTITY, named(r"[a-zA-Z0-9][a-zA-Z0-9_-]{2,127}")),
    Advice(
        "DeploymentScript.Pinned",
        "Microsoft.Resources/deploymentScripts",
        absent("properties.primaryScriptUri"),
    ),
    Advice("Resource.UseTags", "", _is_tagged),
    Advice("Location-Should-Not-Be-Hardcoded", "", _has_a_given_region),
)


def list_broken(cli: DeveloperCli) -> dict[str, list[str]]:
    """Return the names of what does not follow each piece of advice."""
    azure = cli.azure
    return {
        advice.name: [
            one.name
            for one in azure.resources.values()
            if advice.of.lower() in {"", one.of.lower()} and not advice.holds(one, azure)
        ]
        for advice in ADVICE
    }


def list_rows() -> Iterator[str]:
    """Yield the rows of the table in docs/azure.md: a type of resource, what holds, what does not and why."""
    for of in dict.fromkeys(advice.of for advice in ADVICE):
        held = [f"`{advice.name}`" for advice in ADVICE if advice.of == of and not advice.why_not]
        left = [f"`{one.name}`: {one.why_not}" for one in ADVICE if one.of == of and one.why_not]
        yield f"| {f'`{of}`' if of else 'every type'} | {', '.join(held)} | {'; '.join(left)} |"


if __name__ == "__main__":
    sys.stdout.write("".join(f"{row}\n" for row in list_rows()))
