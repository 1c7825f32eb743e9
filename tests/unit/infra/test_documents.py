"""The pages on deploying and security tell the truth: settings, parameters, roles, alerts, and tests that exist."""

import hashlib
import json
import os
import re
import subprocess
import sys
import warnings
from pathlib import Path

from shared.settings import ROLES, _keys
from shared.telemetry.names import METRICS
from tests.unit.infra.bicep import parse
from tests.unit.infra.contract import sample_of
from tests.unit.infra.scenarios import AZD, INFRA, ROOT, scenarios
from tests.unit.infra.security import grants

DEPLOYING = (ROOT / "docs" / "deploying.md").read_text()
OPERATING = (ROOT / "docs" / "operating.md").read_text()
SECURITY = (ROOT / "docs" / "security.md").read_text()


def test_every_setting_is_explained() -> None:
    listed = sample_of((ROOT / "local.settings.sample.json").read_text())
    assert [name for name in listed if f"`{name}`" not in DEPLOYING] == []


def test_every_parameter_is_explained() -> None:
    main = INFRA / "main.bicep"
    names = [one.name for one in parse(main.read_text(), main).all("param")]
    assert [name for name in names if f"`{name}`" not in DEPLOYING] == []


def test_what_azd_is_told_is_what_its_parameters_file_reads() -> None:
    path = INFRA / "main.bicepparam"
    read = {
        (variable, parameter, "json(" in line)
        for line in path.read_text().splitlines()
        for parameter, variable in re.findall(r"^param (\w+) = .*readEnvironmentVariable\('(\w+)'", line)
        if variable not in {"AZURE_ENV_NAME", "AZURE_LOCATION"}
    }
    told = re.findall(r"`([A-Z_]+)`( \*)? \| `(\w+)` \|", DEPLOYING)
    assert {(variable, parameter, bool(star)) for variable, star, parameter in told} == read
    assert {variable for variable, _, _ in read} == set(AZD["azd-everything"]) - {"AZURE_ENV_NAME", "AZURE_LOCATION"}
    assert set(re.findall(r"azd env set (\w+)", DEPLOYING)) <= {variable for variable, _, _ in read}


def test_no_output_comes_back_as_what_somebody_set() -> None:
    main = INFRA / "main.bicep"
    outputs = {one.name for one in parse(main.read_text(), main).all("output")}
    assert not outputs & set(AZD["azd-everything"]), "azd keeps outputs where the parameters come from"
    assert set(re.findall(r"azd env get-value (\w+)", DEPLOYING)) <= outputs


def test_the_key_that_the_page_makes_is_one_that_the_hub_reads() -> None:
    (line,) = re.findall(r"^azd env set HASHED_KEYS .*$", DEPLOYING, re.MULTILINE)
    told = subprocess.run(
        ["bash", "-c", f'azd() {{ printf %s "$4"; }}; {line}'],
        env={"HUB_KEY": "abc", "PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    ).stdout
    (key,) = _keys(told)
    assert (key.name, key.digest, key.roles <= ROLES) == ("me", hashlib.sha256(b"abc").hexdigest(), True)


def test_the_first_day_names_what_there_is() -> None:
    for path in re.findall(r"az ml .*--file (\S+/\S+)", DEPLOYING):
        assert (ROOT / path).is_file(), path
    name, version = re.findall(r"az ml data create --name (\S+) --version (\S+)", DEPLOYING)[0]
    assert f"azureml:{name}:{version}" in (ROOT / "automations" / "delay-release.yml").read_text()
    (first, *_) = [one for one in scenarios() if one.name == "azd"]
    stores = first.deployment.of("Microsoft.MachineLearningServices/workspaces/datastores")
    (named,) = re.findall(r"--path azureml://datastores/(\w+)/", DEPLOYING)
    assert named in {one.name.rpartition("/")[2] for one in stores}


def test_the_cluster_of_the_page_is_one_that_azure_ml_reads_and_that_the_jobs_name(tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # azure-ai-ml imports marshmallow in a way that marshmallow warns of
        from azure.ai.ml import load_compute

        (text,) = re.findall(r"^cat > cluster.yml <<END\n(.*?)^END$", DEPLOYING, re.MULTILINE | re.DOTALL)
        identity = "/subscriptions/1/resourceGroups/2/providers/Microsoft.ManagedIdentity/userAssignedIdentities/3"
        (tmp_path / "cluster.yml").write_text(re.sub(r"\$\(.*\)", identity, text))
        cluster = load_compute(tmp_path / "cluster.yml")
    assert f"compute: azureml:{cluster.name}\n" in (ROOT / "jobs" / "delay" / "train.yml").read_text()
    assert (cluster.min_instances, cluster.ssh_public_access_enabled) == (0, False)
    assert [one.resource_id for one in cluster.identity.user_assigned_identities] == [identity]


def test_every_template_is_named() -> None:
    assert [path.name for path in INFRA.rglob("*.bicep") if path.name not in DEPLOYING] == []


def test_the_table_of_roles_is_that_of_the_templates() -> None:
    written = set(re.findall(r"^\| (app|delivery|compute) \| ([\w ]+) \|", DEPLOYING, re.MULTILINE))
    assigned = {(who, role) for scenario in scenarios() for (who, role, _), _ in grants(scenario)}
    assert written == assigned


def test_every_alert_is_explained() -> None:
    deployed = {
        one.name.removeprefix("alert-hub-")
        for scenario in scenarios()
        for kind in ("metricAlerts", "scheduledQueryRules")
        for one in scenario.deployment.of(f"Microsoft.Insights/{kind}")
        if one.name.startswith("alert-hub-")
    }
    explained = set(re.findall(r"^### ([\w-]+)$", OPERATING.partition("## Runbooks")[2], re.MULTILINE))
    assert {re.sub(r"^(dead-letters)-.*", r"\1", name) for name in deployed} == explained


def test_every_command_of_the_pages_is_there_with_its_options() -> None:
    def told(*arguments: str) -> str:
        command = [sys.executable, "-m", "cli", *arguments, "--help"]
        return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=True).stdout

    listed = told()
    commands = re.findall(r"\./hub\s+([a-z-]+)((?: --?[a-z-]+| <[a-z]+>)*)", OPERATING + DEPLOYING)
    assert len(commands) > 8
    for verb, rest in sorted(set(commands)):
        assert re.search(rf"^    {verb}\b", listed, re.MULTILINE), verb
        if options := re.findall(r"--[a-z-]+", rest):
            assert [option for option in options if option not in told(verb)] == [], verb


def test_every_metric_is_explained_as_it_is() -> None:
    rows = [line.split("|")[1:4] for line in OPERATING.splitlines() if line.startswith("| `hub.")]
    kinds = {"counter": "counter", "seconds": "histogram", "gauge": "gauge"}
    written = {
        name: (kinds[kind.strip()], tuple(filter(None, attributes.strip().split(", "))))
        for names, kind, attributes in rows
        for name in re.findall(r"`([\w.]+)`", names)
    }
    assert written == {name: (metric.kind, metric.attributes) for name, metric in METRICS.items()}


def test_the_host_keeps_no_more_than_the_page_says() -> None:
    logging = json.loads((ROOT / "host.json").read_text())["logging"]
    assert logging["logLevel"] == {"default": "Warning", "Host.Results": "Error", "Host.Aggregator": "Warning"}
    sampling = logging["applicationInsights"]["samplingSettings"]
    assert (sampling["isEnabled"], sampling["maxTelemetryItemsPerSecond"]) == (True, 5)
    assert "telemetryMode" not in json.loads((ROOT / "host.json").read_text())


def test_every_test_that_the_threat_model_names_exists() -> None:
    named = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", SECURITY)
    assert len(named) > 20
    missing = []
    for path, name in named:
        text = (ROOT / path).read_text() if (ROOT / path).is_file() else ""
        if not re.search(rf"def {name}\(", text):
            missing.append(f"{path}::{name}")
    assert missing == []


def test_every_threat_has_a_control_and_a_test_or_says_not_yet() -> None:
    rows = [line for line in SECURITY.splitlines() if line.startswith("| ") and not line.startswith("| threat")]
    assert len(rows) > 20
    for row in rows:
        _, threat, control, test, _ = re.split(r"(?<!\\)\|", row)
        assert threat.strip()
        assert control.strip()
        assert "`tests/" in test or "*not yet*" in test, threat
