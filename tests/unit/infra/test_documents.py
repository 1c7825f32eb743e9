"""The pages on deploying and security tell the truth: settings, parameters, roles, alerts, and tests that exist."""

import json
import re
import subprocess
import sys

from shared.telemetry.names import METRICS
from tests.unit.infra.bicep import parse
from tests.unit.infra.contract import sample_of
from tests.unit.infra.scenarios import INFRA, ROOT, scenarios
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


def test_every_command_of_the_runbooks_is_there_with_its_options() -> None:
    def told(*arguments: str) -> str:
        command = [sys.executable, "-m", "cli", *arguments, "--help"]
        return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=True).stdout

    listed = told()
    commands = re.findall(r"\./hub\s+([a-z-]+)((?: --?[a-z-]+| <[a-z]+>)*)", OPERATING)
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
