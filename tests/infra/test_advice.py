"""What PSRule for Azure and ARM-TTK advise on what a rehearsal deploys: held, or the page says why not."""

from __future__ import annotations

import re

import pytest

from tests.doubles.azure.advisory_rules import ADVICE, list_broken, list_rows
from tests.doubles.azure.developer_cli import DeveloperCli
from tests.doubles.azure.published_types import EVERYTHING
from tests.doubles.azure.rehearsal import new_installation
from tests.needs import ROOT

PAGE = (ROOT / "docs" / "azure.md").read_text("utf-8")


@pytest.fixture(scope="module", params=["as usual", "with everything"])
def deployed(request: pytest.FixtureRequest) -> DeveloperCli:
    cli = new_installation(**(EVERYTHING if request.param == "with everything" else {}))
    cli.up()
    return cli


def test_advice_is_followed_or_wilfully_not(deployed: DeveloperCli) -> None:
    broken = list_broken(deployed)
    assert {name: bad for name, bad in broken.items() if bad} == {
        advice.name: broken[advice.name] for advice in ADVICE if advice.why_not
    }, "what is followed by now needs no excuse"


VAULT, COSMOS = "Microsoft.KeyVault/vaults", "Microsoft.DocumentDB/databaseAccounts"
STORAGE, TOLD = "Microsoft.Storage/storageAccounts", "Microsoft.Insights/diagnosticSettings"
NETWORK, BARE = "Microsoft.Network/virtualNetworks", [{"name": "-", "properties": {}}]
KEPT = "shareDeleteRetentionPolicy"


@pytest.mark.parametrize(
    ("of", "name", "value", "advice"),
    [
        (VAULT, "enablePurgeProtection", False, "KeyVault.PurgeProtect"),
        (COSMOS, "disableLocalAuth", False, "Cosmos.DisableLocalAuth"),
        (STORAGE, "minimumTlsVersion", "TLS1_0", "Storage.MinTLS"),
        (f"{STORAGE}/fileServices", KEPT, {}, "Storage.FileShareSoftDelete"),
        (TOLD, "logs", [], "Automation.AuditLogs"),
        (NETWORK, "subnets", BARE, "VNET.PrivateSubnet"),
    ],
)
def test_advice_that_is_not_followed_is_found(of: str, name: str, value: object, advice: str) -> None:
    cli = new_installation()
    cli.up()
    for one in cli.azure.of_type(of):
        one.properties[name] = value
    assert list_broken(cli)[advice]


def test_the_page_says_what_is_followed_and_why_the_rest_is_not() -> None:
    [table] = re.findall(r"\| left out on purpose, and why \|\n\|---\|---\|---\|\n((?:\|.*\n)+)", PAGE)
    assert table.splitlines() == [*list_rows()], "run `python -m tests.doubles.azure.advisory_rules`"
