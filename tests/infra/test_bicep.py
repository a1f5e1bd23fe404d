"""The templates for Azure: whole, as Microsoft's types want them, and in step with the code that uses them.

The Bicep compiler is not to be had from a package registry, so nothing here is compiled (docs/azure.md says
so). What it would find is looked for instead: syntax, undeclared and unused names, parameters and outputs of
modules, and every property, type and word of every resource against the types that the compiler itself has.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from core.settings import FIELDS, Settings
from feedback.store.cosmos_schema import CosmosConfig, definition
from jobs.registry import JOBS
from pages.index.cosmos_schema import PagesConfig, page_container_definition
from tests.builders.bicep import PARSER, Expression, File, Types, faults, mistakes, read
from tests.needs import ROOT

INFRA = ROOT / "infra"
PATHS = [INFRA / "main.bicep", *sorted((INFRA / "modules").glob("*.bicep"))]
FILES = {path.stem: read(path) for path in PATHS}
MAIN = FILES["main"]
PAGE = (ROOT / "docs" / "azure.md").read_text("utf-8")

UNTYPED = {
    "Microsoft.Insights/actionGroups",
    "Microsoft.Insights/diagnosticSettings",
    "Microsoft.Insights/metricAlerts",
    "Microsoft.Insights/scheduledQueryRules",
}
"""Of these the package has no types."""
NEWER = {"Microsoft.DocumentDB": "2025-10-15"}
"""Newer than the package's types: the first version with full-text indexes."""
BEYOND = {"properties.resource.indexingPolicy.fullTextIndexes is no property"}


def filled(file: File, body: Any) -> Any:
    """Put what variables stand for in their places."""
    match body:
        case dict():
            return {name: filled(file, one) for name, one in body.items()}
        case list():
            return [filled(file, one) for one in body]
        case Expression() if body.text in file.variables:
            return filled(file, file.variables[body.text])
        case _:
            return body


@pytest.fixture(scope="module")
def types() -> Iterator[Types]:
    found = Types()
    yield found
    found.close()


# What the compiler would find


def test_the_grammar_finds_what_is_no_bicep() -> None:
    for wrong in ("param x string =", "resource a 'b' = { name: }", "module m 'x' = {\n  name 'y'\n}"):
        assert [*faults(PARSER.parse(wrong.encode()).root_node)], wrong


def test_the_types_find_what_a_resource_does_not_have(types: Types) -> None:
    known = types.of("Microsoft.KeyVault/vaults")
    assert known
    good: dict[str, Any] = {
        "name": "a",
        "location": "b",
        "properties": {"tenantId": "t", "sku": {"family": "A", "name": "standard"}},
    }
    assert [*mistakes(good, "", {**known, "": known[""]})] == []
    wrong: dict[str, Any] = {
        "name": "a",
        "properties": {
            "tenantId": 3,
            "enableRbacAuthorisation": True,
            "sku": {"family": "A", "name": "cheap"},
            "vaultUri": [],
        },
    }
    assert set(mistakes(wrong, "", known)) == {
        "location is missing",
        "properties.tenantId: string is wanted",
        "properties.enableRbacAuthorisation is no property",
        "properties.sku.name: cheap is none of ['standard', 'premium']",
        "properties.vaultUri: string is wanted",
    }


def test_every_resource_is_as_microsofts_types_want_it(types: Types) -> None:
    found: dict[str, list[str]] = {}
    versions: dict[str, set[str]] = {}
    known: dict[str, Any] = {}
    for file, one in [(each, one) for each in FILES.values() for one in each.resources]:
        of, _, version = one.of.partition("@")
        versions.setdefault(of, set()).add(version)
        if of not in known:
            known[of] = types.of(of)
        if known[of] is None or one.existing:
            continue
        found[f"{one.symbol} ({of})"] = [
            each for each in mistakes(filled(file, one.body), "", known[of]) if each not in BEYOND
        ]
    assert {of for of, has in known.items() if has is None} == UNTYPED
    assert len(found) > 40
    assert not {name: each for name, each in found.items() if each}
    for of, used in versions.items():
        assert len(used) == 1, (of, used)
        if known[of] is not None:
            own = {
                one["name"]: one["type"]
                for one in known[of][""].get("properties", known[of][""].get("baseProperties"))
            }
            assert used == {NEWER.get(of.partition("/")[0], own["apiVersion"])}, of


def test_modules_exist_and_get_what_they_ask_for() -> None:
    assert len(MAIN.modules) >= 14
    for module in MAIN.modules:
        file = FILES[Path(module.of).stem]
        given = set(module.body["params"])
        assert given <= set(file.params), (module.symbol, given - set(file.params))
        missing = {name for name, needed in file.params.items() if needed} - given
        assert not missing, (module.symbol, missing)
    assert {Path(module.of) for module in MAIN.modules} == {
        path.relative_to(INFRA) for path in PATHS if path.stem != "main"
    }


def test_outputs_of_modules_that_are_read_are_there() -> None:
    read_of = re.findall(r"(\w+)!?\.outputs\.(\w+)", MAIN.path.read_text("utf-8"))
    files = {module.symbol: FILES[Path(module.of).stem] for module in MAIN.modules}
    assert len(read_of) > 30
    for symbol, output in read_of:
        assert output in files[symbol].outputs, (symbol, output)


@pytest.mark.parametrize("file", FILES.values(), ids=lambda file: file.path.stem)
def test_every_name_is_declared_and_every_declared_one_is_used(file: File) -> None:
    declared = {*file.params, *file.variables, *(one.symbol for one in [*file.resources, *file.modules])}
    assert file.used <= declared | file.bound | {"az"}, file.used - declared
    assert not file.bound & declared, "a loop hides nothing"
    assert {*file.params, *file.variables} <= file.used


def test_files_that_are_loaded_exist() -> None:
    loaded = [
        (path, name)
        for path in PATHS
        for name in re.findall(r"load\w+\('([^']+)'\)", path.read_text("utf-8"))
    ]
    assert len(loaded) >= 11
    for path, name in loaded:
        assert (path.parent / name).resolve().is_file(), name


# Secrets


def test_no_secret_is_told() -> None:
    """What is a secret, asked for, listed from a resource or in the vault, is in no output or parameters."""
    for file in FILES.values():
        for name, what in file.outputs.items():
            assert not re.search(r"list\w+\(|ConnectionString|password|secret", what, re.IGNORECASE), name
            assert not set(re.findall(r"\w+", what)) & file.secure, name
        for name in file.params:
            if re.search(r"password|secrets$|Key$", name, re.IGNORECASE):
                assert name in file.secure, (file.path.name, name)
    assert MAIN.secure == {
        "appPassword",
        "confluenceTokens",
        "gitTokens",
        "modelServerKey",
        "notionToken",
        "sharePointClientSecret",
        "slackBotToken",
        "slackSecrets",
        "slackSigningSecret",
    }
    given = json.loads((INFRA / "main.parameters.json").read_text("utf-8"))["parameters"]
    assert set(given) <= set(MAIN.params)
    assert {name for name, needed in MAIN.params.items() if needed} <= set(given)
    for name, one in given.items():
        assert re.fullmatch(r"\$\{\w+(=[\w-]+)?\}", one["value"]), name


def test_keys_of_accounts_are_switched_off() -> None:
    assert FILES["cosmos"].resource("account").body["properties"]["disableLocalAuth"] is True
    for symbol in ("files", "blobs"):
        assert FILES["storage"].resource(symbol).body["properties"]["allowSharedKeyAccess"] is False
    assert FILES["registry"].resource("registry").body["properties"]["adminUserEnabled"] is False
    assert not re.search(r"list(Keys|Credentials)", "".join(path.read_text("utf-8") for path in PATHS))


def test_resources_with_their_own_life_tell_log_analytics() -> None:
    for stem in [
        "network",
        "vault",
        "registry",
        "storage",
        "cosmos",
        "kusto",
        "environment",
        "bot",
        "automation",
    ]:
        told = [one for one in FILES[stem].resources if "diagnosticSettings" in one.of]
        assert told, stem
        assert all(one.body["properties"]["workspaceId"] == Expression("workspaceId") for one in told)


# The same as the code


def container(symbol: str) -> dict[str, Any]:
    return FILES["cosmos"].resource(symbol).body["properties"]["resource"]


def test_the_containers_are_those_that_the_code_makes() -> None:
    assert container("records") == definition(CosmosConfig("https://a"))
    assert container("pages") == page_container_definition(PagesConfig("https://a"))
    assert FILES["cosmos"].resource("database").body["name"] == CosmosConfig("").database


def environment_of(body: Any) -> dict[str, Any]:
    """Return all environment variables that are written in a body or in variables, with their values."""
    found = re.findall(r"\{ name: '([A-Z_0-9]+)', (?:value|secretRef): ([^}]+?) \}", body)
    assert len(found) == len(dict(found)), "a setting is given once"
    return dict(found)


@pytest.mark.parametrize("stem", ["app", "jobs"])
def test_containers_get_settings_that_exist_with_values_that_are_valid(stem: str, tmp_path: Path) -> None:
    given = environment_of(FILES[stem].path.read_text("utf-8"))
    for foreign in ("AZURE_CLIENT_ID", "ASPNETCORE_HTTP_PORTS"):
        given.pop(foreign, None)
    names = {name.removeprefix("ASKPAGE_").lower() for name in given}
    assert names <= set(FIELDS)
    literal = {
        name.removeprefix("ASKPAGE_").lower(): what[1:-1]
        for name, what in given.items()
        if what[0] == "'" and "$" not in what
    }
    settings = Settings(**{**literal, "data_dir": tmp_path})  # type: ignore[arg-type]
    assert settings.page_index == "cosmos"
    secrets = {name for name, field in FIELDS.items() if "SecretStr" in str(field.annotation)}
    for name, what in given.items():
        is_reference = re.search(rf"name: '{name}', secretRef", FILES[stem].path.read_text("utf-8"))
        assert (name.removeprefix("ASKPAGE_").lower() in secrets) == bool(is_reference), (name, what)


def test_model_servers_answer_the_bot_with_settings_that_exist() -> None:
    server = FILES["model"].resource("servers").body["properties"]
    given = environment_of(FILES["model"].path.read_text("utf-8"))
    bot = environment_of(FILES["app"].path.read_text("utf-8"))
    del given["AZURE_CLIENT_ID"]
    assert {name.removeprefix("ASKPAGE_").lower() for name in given} <= set(FIELDS)
    assert given["ASKPAGE_MODEL_SERVER_KEY"] == bot["ASKPAGE_MODEL_URL_KEY"] == "'model-server-key'"
    assert given["ASKPAGE_DATA_DIR"] == bot["ASKPAGE_DATA_DIR"], "a promotion there is one here"
    [container] = server["template"]["containers"]
    port = FIELDS["model_server_port"].default
    assert container["args"] == ["model", "serve"]
    assert given["ASKPAGE_MODEL_SERVER_PORT"] == f"'{port}'"
    assert server["configuration"]["ingress"]["targetPort"] == port
    assert server["configuration"]["ingress"]["external"] is False
    assert {one["httpGet"]["port"] for one in container["probes"]} == {port}
    assert server["template"]["terminationGracePeriodSeconds"] > FIELDS["drain_timeout_s"].default


def test_slack_has_its_secrets_from_the_vault_where_it_is_set_up() -> None:
    text = FILES["app"].path.read_text("utf-8")
    given = environment_of(text)
    for setting in ("slack_signing_secret", "slack_bot_token"):
        secret = setting.replace("_", "-")
        assert given[f"ASKPAGE_{setting.upper()}"] == f"'{secret}'"
        assert f"keyVaultUrl: '${{vaultUri}}secrets/{secret}'" in text
        kept = [one.body for one in FILES["vault"].resources if one.body.get("name") == secret]
        assert [one["properties"]["contentType"] for one in kept] == [f"setting {setting}"]
    for group in ("slackSecrets", "slackSettings"):
        assert f"var {group} = empty(slackTeams) ? [] : [" in text


@pytest.mark.parametrize("stem", ["app", "jobs"])
@pytest.mark.parametrize(
    "setting", ["git_tokens", "confluence_tokens", "notion_token", "sharepoint_client_secret"]
)
def test_sources_behind_a_sign_in_have_their_secrets_from_the_vault(setting: str, stem: str) -> None:
    text = FILES[stem].path.read_text("utf-8")
    secret = setting.replace("_", "-")
    assert environment_of(text)[f"ASKPAGE_{setting.upper()}"] == f"'{secret}'"
    assert f"keyVaultUrl: '${{vaultUri}}secrets/{secret}'" in text
    kept = [one.body for one in FILES["vault"].resources if one.body.get("name") == secret]
    assert [one["properties"]["contentType"] for one in kept] == [f"setting {setting}"]


def test_the_bot_and_the_jobs_work_on_the_same() -> None:
    bot, jobs = (environment_of(FILES[stem].path.read_text("utf-8")) for stem in ("app", "jobs"))
    shared = set(bot) & set(jobs) - {"ASKPAGE_DEVICE"}
    assert {"ASKPAGE_COSMOS_ENDPOINT", "ASKPAGE_DATA_DIR", "ASKPAGE_PSEUDONYM_KEY"} <= shared
    assert {name: bot[name] for name in shared} == {name: jobs[name] for name in shared}


def test_every_job_is_on_a_schedule() -> None:
    scheduled = FILES["jobs"].variables["scheduled"]
    run = {one["args"][2] for one in scheduled if one["args"][:2] == ["jobs", "run"]}
    run |= {"update_model"}  # the job with a GPU, which the caretaker starts
    off = set(re.findall(r"'ASKPAGE_SCHEDULE_(\w+)', value: ''", FILES["app"].path.read_text("utf-8")))
    assert run == {name.lower() for name in off}, (
        "a job runs here or beside the bot, not twice and not nowhere"
    )
    assert run <= set(JOBS)
    beside = set(JOBS) - run
    assert all(FIELDS[f"schedule_{name}"].default for name in beside)
    assert FIELDS["run_jobs_here"].default is True
    for one in scheduled:
        assert re.fullmatch(r"[a-z][a-z-]{1,30}", one["name"])
        assert one["cron"] == FIELDS[f"schedule_{one['args'][2]}"].default
        minute, hour, *rest = one["cron"].split()
        assert 0 <= int(minute) < 60
        assert rest == ["*", "*", "*"]
        assert one["lateHours"] > (1 if hour == "*" else 24), "late is later than the next time"


def test_the_probes_ask_where_the_bot_answers() -> None:
    app = FILES["app"].resource("app").body["properties"]
    [bot] = app["template"]["containers"]
    probes = {one["type"]: one["httpGet"] for one in bot["probes"]}
    assert probes["Liveness"] == {"path": "/healthz", "port": 3978}
    assert probes["Readiness"] == {"path": Expression("isPlaceholder ? '/healthz' : '/readyz'"), "port": 3978}
    assert app["configuration"]["ingress"]["targetPort"] == FIELDS["port"].default
    assert environment_of(FILES["app"].path.read_text("utf-8"))["ASPNETCORE_HTTP_PORTS"] == "'3978'"
    assert app["template"]["terminationGracePeriodSeconds"] > FIELDS["drain_timeout_s"].default


def test_azd_builds_the_image_that_is_there() -> None:
    said = yaml.safe_load((ROOT / "azure.yaml").read_text("utf-8"))
    bot = said["services"]["bot"]
    assert (ROOT / bot["docker"]["path"]).is_file()
    assert (ROOT / said["infra"]["path"] / f"{said['infra']['module']}.bicep").is_file()
    assert "'azd-service-name': 'bot'" in FILES["app"].path.read_text("utf-8")


# Roles


def roles() -> list[tuple[str, str, str]]:
    """Return every role that is given: file and symbol, the role's id or name, and why."""
    found: list[tuple[str, str, str]] = []
    for stem, file in FILES.items():
        for one in file.resources:
            if "Assignments@" in one.of:
                properties = one.body["properties"]
                role = properties.get("role") or properties["roleDefinitionId"].text
                named = next((name for name in file.variables if name in str(role)), str(role))
                found.append(
                    (
                        f"{stem}.{one.symbol}",
                        str(file.variables.get(named, named)),
                        properties.get("description", ""),
                    )
                )
    return found


def test_the_docs_name_every_role_and_why() -> None:
    given = roles()
    assert len(given) == 8
    for where, role, why in given:
        row = next((line for line in PAGE.splitlines() if line.startswith("|") and f"`{where}`" in line), "")
        assert row, where
        assert role.removesuffix(".id") in row, (where, role)
        assert why in row, (where, why)


def test_every_role_has_a_scope_of_its_own() -> None:
    for file in FILES.values():
        for one in file.resources:
            if "Authorization/roleAssignments" in one.of and one.symbol != "cares":
                assert isinstance(one.body["scope"], Expression), one.symbol
    [care] = FILES["automation"].resource("careRole").body["properties"]["permissions"]
    assert care["dataActions"] == []
    assert not [
        action for action in care["actions"] if "*" in action or "write" in action or "delete" in action
    ]
    assert all(action.endswith(("/read", "/restart/action", "/start/action")) for action in care["actions"])
