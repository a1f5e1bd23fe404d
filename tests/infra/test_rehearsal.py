"""`azd up` from nothing to a running bot, against an Azure that refuses what the real one is known to refuse.

The templates are evaluated as the compiler and Resource Manager do, the scripts run in a real shell; azd, az
and Azure are played (`tests/doubles/azure`). That the double refuses is tested with templates as they were or
might be: each mistake here is one that somebody made.
"""

from __future__ import annotations

import re
import shutil
import textwrap
from pathlib import Path

import pytest

from tests.doubles.azure.azure_rules import check_name, rule_of
from tests.doubles.azure.bicep_template import NotBicep
from tests.doubles.azure.deployment import DeploymentFailed
from tests.doubles.azure.developer_cli import DeveloperCli
from tests.doubles.azure.rehearsal import (
    FAILURES,
    essence,
    fail_each_step_once,
    fail_once,
    keys_made,
    new_installation,
    rehearse_one,
    steps_of_first_time,
)
from tests.doubles.azure.resource_manager import Change, Fault, Refused, Resource
from tests.doubles.azure.shell import run_script
from tests.doubles.azure.terminal import Terminal
from tests.needs import ROOT

CARE = (ROOT / "infra" / "runbooks" / "care.py").read_text("utf-8")


@pytest.fixture(scope="module")
def wanted() -> object:
    """What is there after two times without any fault."""
    cli = new_installation()
    cli.up()
    cli.up()
    return essence(cli)


def bot_of(cli: DeveloperCli) -> Resource:
    apps = {one.name: one for one in cli.azure.of_type("Microsoft.App/containerApps")}
    return apps["askpage"]


def images_of(cli: DeveloperCli) -> set[str]:
    """Return the images that the bot and the jobs run."""
    hosts = [bot_of(cli), *cli.azure.of_type("Microsoft.App/jobs")]
    return {one.properties["template"]["containers"][0]["image"] for one in hosts}


# As it should go


@pytest.mark.parametrize("backwards", [False, True])
def test_the_first_time_ends_with_a_bot_that_runs_its_own_image_though_roles_take_ten_minutes(
    backwards: bool,
) -> None:
    cli = new_installation(backwards=backwards, role_s=600.0)
    cli.up()
    [image] = images_of(cli)
    assert image.endswith(":azd-deploy-1")
    assert image in cli.azure.images
    probes = {one["httpGet"]["path"] for one in bot_of(cli).properties["template"]["containers"][0]["probes"]}
    assert "/readyz" in probes, "the second time knows that the placeholder is gone"
    [account] = cli.azure.accounts.values()
    assert account["published"] == CARE
    assert len(account["links"]) == 2
    assert keys_made(cli) == 1


def test_the_second_time_changes_nothing_but_the_image(wanted: object) -> None:
    cli = new_installation()
    cli.up()
    first = essence(cli)
    assert first == wanted
    cli.up()
    assert essence(cli) == first
    [image] = images_of(cli)
    assert image.endswith(":azd-deploy-2")
    assert keys_made(cli) == 1


def test_provisioning_alone_leaves_the_image_that_runs() -> None:
    """Somebody else, or CI, deployed meanwhile: this machine's environment names an older image."""
    cli = new_installation()
    cli.up()
    theirs = DeveloperCli(cli.root, cli.azure, dict(cli.environment))
    theirs.deploy()
    cli.provision()
    [image] = images_of(cli)
    assert image.endswith(":azd-deploy-2")


@pytest.mark.parametrize("after_fault", [False, True])
def test_an_installation_that_was_removed_comes_back_with_its_vault(
    after_fault: bool,
) -> None:
    cli = new_installation()
    cli.up()
    before = bot_of(cli).properties["template"]["containers"][0]
    cli.down()
    assert not cli.azure.of_type("Microsoft.App/containerApps")
    if after_fault:
        [*_, last] = fail_each_step_once(cli, after=True)
        assert last[1]
    cli.up()
    assert not cli.azure.deleted_vaults
    assert keys_made(cli) == 1, "the key of before is the key"
    [image] = images_of(cli)
    assert image in cli.azure.images, "not the image of the registry that is gone"
    ids = [
        [one["value"] for one in container["env"] if one["name"] == "ASKPAGE_APP_ID"]
        for container in (before, bot_of(cli).properties["template"]["containers"][0])
    ]
    assert ids[0] != ids[1], "the Teams app needs the new id, as the docs say"


def test_all_that_can_be_switched_on_is_provisioned() -> None:
    given = {
        "ASKPAGE_SLACK_TEAMS": "T01",
        "ASKPAGE_TELEMETRY": "azuremonitor",
        "WITH_DATA_EXPLORER": "false",
    }
    secrets = {"ASKPAGE_SLACK_SIGNING_SECRET": "s", "ASKPAGE_SLACK_BOT_TOKEN": "t"}
    own = {"ASKPAGE_APP_TYPE": "SingleTenant", "ASKPAGE_APP_ID": "an-app", "ASKPAGE_APP_PASSWORD": "p"}
    cli = new_installation(**given, **secrets, **own)
    cli.up()
    image = f"{cli.environment['AZURE_CONTAINER_REGISTRY_ENDPOINT']}/askpage-cuda:1"
    cli.azure.images[image] = "built"
    cli.environment |= {"TRAINING_IMAGE": image, "MODEL_IMAGE": image, "MODEL_REPLICAS": "0"}
    cli.environment |= {"ASKPAGE_MODEL_SERVER_KEY": "k" * 32, "GPU_PROFILE": "Consumption-GPU-NC24-A100"}
    cli.provision()
    assert image in images_of(cli)
    [servers] = [
        one for one in cli.azure.of_type("Microsoft.App/containerApps") if one.name == "askpage-model"
    ]
    scale = servers.properties["template"]["scale"]
    assert (scale["minReplicas"], scale["maxReplicas"]) == (0, 4)
    [place] = cli.azure.of_type("Microsoft.App/managedEnvironments")
    assert {one["workloadProfileType"] for one in place.properties["workloadProfiles"]} == {
        "Consumption",
        "Consumption-GPU-NC24-A100",
    }
    [account] = cli.azure.accounts.values()
    assert {one["schedule"]["name"] for one in account["links"].values()} >= {"update-model"}
    assert not cli.azure.of_type("Microsoft.Kusto/clusters")
    env = bot_of(cli).properties["template"]["containers"][0]["env"]
    secret = {one["name"] for one in env if "secretRef" in one}
    assert secret >= {"ASKPAGE_APP_PASSWORD", "ASKPAGE_SLACK_BOT_TOKEN"}
    carried = [
        one["value"]
        for of in ("Microsoft.App/containerApps", "Microsoft.App/jobs")
        for run in cli.azure.of_type(of)
        for one in run.properties["template"]["containers"][0]["env"]
        if one["name"] == "ASKPAGE_TELEMETRY"
    ]
    assert len(carried) == 8
    assert set(carried) == {"azuremonitor"}


# Faults


@pytest.mark.parametrize("after", [False, True])
def test_each_step_fails_once_and_saying_it_again_does_the_rest(after: bool, wanted: object) -> None:
    cli = new_installation(backwards=after)
    went = dict(fail_each_step_once(cli, after=after))
    steps = set(steps_of_first_time())
    assert steps - set(went) <= set(IN_SCRIPTS), "a script that is done is not run again"
    assert set(IN_SCRIPTS) < steps
    for step, said in went.items():
        assert step in said or (step in IN_SCRIPTS and not said), (step, said)
    assert essence(cli) == wanted
    assert keys_made(cli) == 1


IN_SCRIPTS = [
    "make-pseudonym-key: az keyvault secret show",
    "make-pseudonym-key: az keyvault secret set",
    "publish-runbook: az put runbooks/askpage-care/draft/content",
    "publish-runbook: az get runbooks/askpage-care/draft/content",
    "publish-runbook: az post runbooks/askpage-care/publish",
    "publish-runbook: az get runbooks/askpage-care/content",
    "publish-runbook: az get jobSchedules",
    "publish-runbook: az put jobSchedules",
]


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("step", IN_SCRIPTS)
def test_a_script_that_fails_within_a_first_time_is_made_good(step: str, after: bool, wanted: object) -> None:
    said, cli = rehearse_one(step, after=after, backwards=True)
    assert not said or step in said
    assert essence(cli) == wanted
    assert keys_made(cli) == 1


def test_a_link_of_another_words_is_replaced_though_its_deletion_was_lost() -> None:
    cli = new_installation()
    cli.up()
    cli.environment["TRAINING_IMAGE"] = f"{cli.environment['AZURE_CONTAINER_REGISTRY_ENDPOINT']}/cuda:1"
    cli.azure.images[cli.environment["TRAINING_IMAGE"]] = "built"
    step = "publish-runbook: az delete jobSchedules"
    fault = Fault(lambda name: name == step, after=True)
    assert fail_once(cli, fault) == "", "the script sees that it is gone"
    assert fault.step == step
    [account] = cli.azure.accounts.values()
    assert len(account["links"]) == 3


# That it refuses

LINK = """
resource link 'Microsoft.Automation/automationAccounts/jobSchedules@2024-10-23' = {
  parent: account
  name: guid(account.id, 'watch')
  properties: { runbook: { name: runbook.name }, schedule: { name: 'watch-jobs' } }
}

resource told '"""
OTHER = """
resource other 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = {
  name: 'other'
  scope: registry
  properties: { workspaceId: workspaceId }
}

resource told '"""
TOLD = "\nresource told '"
PARAMS = "main.parameters.json"
GONE = '"botImage": { "value": "gone.azurecr.io/bot:1" }, "botExists"'
SAMPLE = "'mcr.microsoft.com/dotnet/samples:aspnetapp'"
HELLO = "'mcr.microsoft.com/azuredocs/containerapps-helloworld:latest'"
PROBE = "path: '/healthz', port: 3978 }, periodSeconds: 20"
ENDPOINT = "          serviceEndpoints: [{ service: 'Microsoft.Storage' }]\n"
PRINCIPAL = "    principalType: 'ServicePrincipal'\n"
SKU = "    sku: { family"
TLS = "supportsHttpsTrafficOnly: false\n"
MISTAKES = {
    "a placeholder that listens elsewhere": ("main.bicep", SAMPLE, HELLO, "Operation expired"),
    "a probe on another port": ("modules/app.bicep", PROBE, PROBE.replace("3978", "80"), "Operation expired"),
    "a link as a resource": ("modules/automation.bicep", TOLD, LINK, "Conflict"),
    "the image of a registry that is gone": (PARAMS, '"botExists"', GONE, "MANIFEST_UNKNOWN"),
    "a vault that is always recovered": (
        "modules/vault.bicep", SKU, f"    createMode: 'recover'\n{SKU}", "SoftDeletedVaultDoesNotExist"
    ),
    "too little patience for a role": ("scripts/make_key.sh", "-ge 40", "-ge 10", "Forbidden"),
    "an upload that is not waited for": (
        "scripts/publish.sh", "until holds draft/content; do", "until true; do", "the runbook is empty"
    ),
    "a role that is given after the wait": (
        "modules/vault.bicep", "dependsOn: [reads, writes]", "dependsOn: [writes]", "unable to fetch secret"
    ),
    "memory that does not go with its processors": (
        "modules/app.bicep", "memory: '4Gi'", "memory: '3Gi'", "ContainerAppInvalidResourceTotal"
    ),
    "a role for whom the directory does not know": (
        "modules/registry.bicep", PRINCIPAL, "", "PrincipalNotFound"
    ),
    "a share without its network": ("modules/network.bicep", ENDPOINT, "", "NetworkAclsValidationFailure"),
    "NFS over an account that demands TLS": (
        "modules/storage.bicep", TLS, TLS.replace("false", "true"), "NFS needs"
    ),
    "an alert that looks back a week": (
        "modules/alerts.bicep", "window: 'P2D'", "window: 'P7D'", "evaluationFrequency"
    ),
    "logs that a type does not have": (
        "modules/kusto.bicep", "'FailedIngestion'", "'IngestionFailed'", "is not supported"
    ),
    "the same logs to the same place twice": ("modules/registry.bicep", TOLD, OTHER, "Conflict"),
    "a name that only a deployment knows": (
        "modules/vault.bicep", "'kv-${token}'", "'kv-${component.properties.AppId}'", "BCP120"
    ),
}  # fmt: skip


def said_of(root: Path, *, backwards: bool) -> str:
    """Say `azd up` twice in another folder; return what it says when it fails."""
    given = new_installation(role_s=600.0)
    cli = DeveloperCli(root, given.azure, given.environment, backwards)
    try:
        cli.up()
        cli.up()
    except (*FAILURES, NotBicep) as error:
        return str(error)
    return ""


def copy_project(folder: Path) -> Path:
    shutil.copytree(ROOT / "infra", folder / "infra")
    shutil.copy(ROOT / "azure.yaml", folder)
    return folder


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_that_azure_refuses_is_refused(name: str, tmp_path: Path) -> None:
    root = copy_project(tmp_path)
    file, old, new, code = MISTAKES[name]
    text = (root / "infra" / file).read_text("utf-8")
    assert old in text
    (root / "infra" / file).write_text(text.replace(old, new))
    assert code in (said_of(root, backwards=False) or said_of(root, backwards=True))


ROLES = "Microsoft.Authorization/roleAssignments"
REFUSALS = [
    (ROLES, "", {"principalId": "another"}, "RoleAssignmentUpdateNotPermitted"),
    (ROLES, "another", {}, "RoleAssignmentExists"),
    ("Microsoft.Authorization/roleDefinitions", "another", {}, "RoleDefinitionWithSameNameExists"),
    ("Microsoft.DocumentDB/databaseAccounts/sqlRoleAssignments", "another", {}, "Conflict"),
    ("Microsoft.BotService/botServices", "", {"msaAppId": "another"}, "InvalidBotData"),
    ("Microsoft.KeyVault/vaults", "", {"enablePurgeProtection": False}, "BadRequest"),
    ("Microsoft.KeyVault/vaults", "Kv_1", {}, "InvalidResourceName"),
]  # fmt: skip


@pytest.fixture(scope="module")
def standing() -> DeveloperCli:
    cli = new_installation()
    cli.up()
    return cli


@pytest.mark.parametrize(("of", "name", "changed", "code"), REFUSALS, ids=[code for *_, code in REFUSALS])
def test_what_cannot_be_changed_or_given_twice_is_refused(
    standing: DeveloperCli, of: str, name: str, changed: dict[str, object], code: str
) -> None:
    one = standing.azure.of_type(of)[0]
    id_ = f"{one.id.rpartition('/')[0]}/{name}" if name else one.id
    body = {**one.body, "properties": {**one.properties, **changed}}

    def check(change: Change) -> None:
        check_name(change)
        rule_of(of)(change)

    with pytest.raises(Refused, match=code):
        standing.azure.put(id_, of, body, check)


def test_a_region_is_for_good(standing: DeveloperCli) -> None:
    other = DeveloperCli(standing.root, standing.azure, dict(standing.environment))
    other.environment["AZURE_LOCATION"] = "westeurope"
    with pytest.raises(DeploymentFailed, match="InvalidResourceLocation"):
        other.up()


def test_a_hook_that_may_not_ask_stops_before_anything_is_made() -> None:
    cli = new_installation()
    said = fail_once(cli, Fault(lambda name: name == "hook: az keyvault list-deleted"))
    assert "the hook preprovision failed" in said
    assert not cli.azure.resources


def test_where_azd_has_not_asked_for_the_region_the_hook_says_what_to_do_later() -> None:
    text = (ROOT / "infra" / "scripts" / "take_back_vault.sh").read_text("utf-8")
    done = run_script(text, ["az"], lambda *_: (1, "no"), {"AZURE_ENV_NAME": "one"})
    assert done.status == 0
    assert "say azd up once more" in done.said


# The page


def commands_of_page() -> list[str]:
    """Return the blocks of commands for azd and az in docs/azure.md, in their order."""
    text = (ROOT / "docs" / "azure.md").read_text("utf-8")
    blocks = re.findall(r"^( *)```sh\n(.*?)^ *```", text, re.MULTILINE | re.DOTALL)
    plain = [textwrap.dedent(block) for _, block in blocks]
    return [block for block in plain if re.match(r"(\w+=\$\()?azd? ", block)]


def test_the_commands_of_the_page_make_what_it_says() -> None:
    terminal = Terminal(new_installation(ALERT_EMAIL=""))
    names, training, servers, *more = commands_of_page()
    for commands in (names, *more, "azd up", training, servers, "azd up"):
        done = terminal.run(commands)
        assert done.status == 0, (commands, done.said)
    azure = terminal.cli.azure
    assert any(one.name == "update-model" for one in azure.of_type("Microsoft.App/jobs"))
    apps = {one.name: one for one in azure.of_type("Microsoft.App/containerApps")}
    app = apps.pop("askpage")
    assert set(apps) == {"askpage-model"}
    env = {one["name"]: one for one in app.properties["template"]["containers"][0]["env"]}
    assert env["ASKPAGE_PAGES"]["value"].endswith("/spaces/HR")  # the last that the page sets
    assert env["ASKPAGE_SLACK_TEAMS"]["value"] == "T01"
    assert not [said for said in terminal.said if said.startswith("docker")]


def test_a_bot_that_becomes_another_app_is_refused_and_says_so() -> None:
    """Bot Service keeps the app id of a registration for good."""
    terminal = Terminal(new_installation())
    assert terminal.run("azd up").status == 0
    assert terminal.run("docker version").status == 127
    own = "azd env set ASKPAGE_APP_TYPE SingleTenant\nazd env set ASKPAGE_APP_ID another\n"
    done = terminal.run(own + "azd env set-secret ASKPAGE_APP_PASSWORD\nazd up")
    assert (done.status, "InvalidBotData" in done.said) == (1, True)
