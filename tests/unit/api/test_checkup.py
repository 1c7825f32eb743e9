"""The check-up from inside: what is wrong is named, with the exact command that mends it, on a laptop and in Azure."""

import json
from datetime import timedelta
from typing import Any

import pytest

DROPS = {"HUB_ACCOUNT_DROPS__blobServiceUri": "https://drops.blob.core.windows.net"}
IN_AZURE = {"WEBSITE_SITE_NAME": "hub-app", "WEBSITE_RESOURCE_GROUP": "hub-group"}


async def checks(desk: Any) -> dict[str, tuple[str, str, str]]:
    found = (await desk.ask("checkup", key="reader")).json["checks"]
    return {one["what"]: (one["state"], one["said"], one["mend"]) for one in found}


def change(desk: Any, old: str, new: str, **environment: str) -> None:
    """Given that the automation was changed and the hub started anew."""
    path = desk.root / "automations" / "train.yml"
    path.write_text(path.read_text().replace(old, new))
    desk.environment = environment
    desk.hub = desk.start()


async def test_what_is_right_says_so(desk: Any) -> None:
    found = await checks(desk)
    assert found["datastore hub_data"] == ("ok", "it stands for container landing/hub-data", "")
    assert found["datastore landing"] == ("ok", "it stands for container landing/landing", "")
    assert found["channels"][0] == "ok"
    assert {state for state, _, _ in found.values()} <= {"ok", "unknown"}


async def test_a_datastore_that_is_missing_or_another_s(desk: Any) -> None:
    desk.azureml.datastores.clear()
    state, said, mend = (await checks(desk))["datastore hub_data"]
    assert (state, "no such datastore" in said) == ("wrong", True)
    assert "az ml datastore create --file datastore.yml --workspace-name ws --resource-group rg" in mend
    desk.azureml.datastores["hub_data"] = "elsewhere"
    state, said, mend = (await checks(desk))["datastore hub_data"]
    assert (state, said.partition(":")[0]) == ("wrong", "it stands for landing/elsewhere, not landing/hub-data")


async def test_a_container_that_could_not_be_frozen_by_a_list_has_a_datastore_too(desk: Any) -> None:
    del desk.azureml.datastores["landing"]
    state, said, mend = (await checks(desk))["datastore landing"]
    assert state == "wrong"
    assert said.startswith("the workspace has no such datastore: more than HUB_FREEZE_COPY_MOST (100,000,000,000 ")
    assert '"container_name": "landing"' in mend
    change(desk, "container: landing", "container: landing\n      account: drops", **DROPS)
    state, said, mend = (await checks(desk))["datastore of drops/landing"]
    assert (state, said.partition(":")[0]) == ("wrong", "HUB_DATASTORES has none")
    assert '"account_name": "drops"' in mend
    assert """'HUB_DATASTORES={"drops/landing": "drops_landing"}'""" in mend
    desk.azureml.datastores["drops_landing"] = "drops/landing"
    change(desk, "", "", **DROPS, HUB_DATASTORES='{"drops/landing": "drops_landing"}')
    assert (await checks(desk))["datastore drops_landing"][0] == "ok"


async def test_no_datastore_is_wanted_for_what_is_never_frozen_by_a_list(desk: Any) -> None:
    for file in (desk.root / "jobs").rglob("*.yml"):
        file.write_text(file.read_text().replace("type: uri_folder", "type: uri_folder, mode: direct"))
    change(desk, "", "")
    desk.azureml.datastores.pop("landing")
    assert "datastore landing" not in await checks(desk)


async def test_a_channel_that_no_setting_has(desk: Any) -> None:
    change(desk, "inputs: {note", "notify: {on: [failed], to: [ops]}\ninputs: {note")
    state, said, mend = (await checks(desk))["channel ops"]
    assert (state, said) == ("wrong", "delay-train tells it: HUB_CHANNELS has no such channel")
    assert 'export \'HUB_CHANNELS={"ops"' in mend
    given = json.dumps({"ops": {"kind": "teams", "url-setting": "HUB_OPS_URL"}})
    change(desk, "", "", HUB_CHANNELS=given, HUB_OPS_URL="https://example.org/hook")
    assert (await checks(desk))["channels"][0] == "ok"


async def test_a_probe_is_waited_for_and_then_missed(desk: Any) -> None:
    assert (await checks(desk))["probe"][0] == "unknown"
    await desk.hub.probes.send(desk.now)
    assert (await checks(desk))["probe"][0] == "unknown"
    desk.now += timedelta(minutes=3)
    assert (await checks(desk))["probe"][0] == "wrong"


@pytest.mark.parametrize(
    ("what", "command"),
    [
        ("channel ops", "az functionapp config appsettings set --name hub-app --resource-group hub-group --settings"),
        ("prices", "az functionapp config appsettings set --name hub-app --resource-group hub-group --settings"),
        ("probe", "azd provision"),
    ],
)
async def test_in_azure_the_commands_name_the_app(desk: Any, what: str, command: str) -> None:
    more = "notify: {on: [failed], to: [ops]}\nlimits: {budget: {amount: 20, currency: USD, per: day}}\ninputs: {note"
    change(desk, "inputs: {note", more, **IN_AZURE)
    await desk.hub.probes.send(desk.now)
    desk.now += timedelta(hours=1)
    state, _, mend = (await checks(desk))[what]
    assert (state, mend.startswith(command)) == ("wrong", True)


async def test_a_role_that_is_missing(desk: Any) -> None:
    from shared.engine.outcomes import PermanentError

    async def refused(name: str) -> None:
        raise PermanentError(f"job {name}: 403 AuthorizationFailed")

    change(desk, "", "", **IN_AZURE)
    desk.azureml.job = refused
    state, _, mend = (await checks(desk))["workspace"]
    assert state == "wrong"
    assert mend.startswith("az role assignment create --role 'AzureML Data Scientist' --assignee-object-id")
    assert mend.endswith("/subscriptions/s/resourceGroups/rg/providers/Microsoft.MachineLearningServices/workspaces/ws")
