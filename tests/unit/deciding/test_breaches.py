"""Which events tell of drift, and of which monitor's."""

from datetime import UTC, datetime
from typing import Any

import pytest

from shared.deciding.breaches import Breach, meets, read
from shared.deciding.triggers import Met, Unmet
from shared.events.model import Broken
from shared.events.parsing import parse_one

NOW = datetime(2013, 6, 1, tzinfo=UTC)
TEXT = "delay-monitor_data-drift has failed due to one or more features violating metric thresholds."
ALERT = {
    "schemaId": "azureMonitorCommonAlertSchema",
    "essentials": {
        "alertRule": "delay-monitor",
        "originAlertId": "alert-1",
        "monitorCondition": "Fired",
        "signalType": "Metric",
        "firedDateTime": "2013-06-01T00:00:00Z",
    },
}


def told(kind: str, data: dict[str, Any]) -> Breach | None:
    event = parse_one(
        {
            "id": "7",
            "eventType": kind,
            "subject": "s",
            "eventTime": "2013-06-01T00:00:00Z",
            "topic": "/subscriptions/s/resourceGroups/r/providers/Microsoft.MachineLearningServices/workspaces/w",
            "data": data,
        },
        NOW,
    )
    assert not isinstance(event, Broken)
    breach = read(event)
    met = meets("delay-monitor", event)
    assert isinstance(met, Met if breach else Unmet)
    return breach


AZUREML = "Microsoft.MachineLearningServices."


@pytest.mark.parametrize(
    ("kind", "data", "run", "signal", "feature"),
    [
        (
            f"{AZUREML}RunStatusChanged",
            {
                "ExperimentName": "exp",
                "RunId": "r1",
                "RunStatus": "Failed",
                "RunTags": {"azureml_modelmonitor_threshold_breached": TEXT},
            },
            "r1",
            "delay-monitor_data-drift",
            "",
        ),
        (
            f"{AZUREML}RunStatusChanged",
            {
                "experimentName": "delay-monitor",
                "runId": "r1",
                "runStatus": "Failed",
                "runTags": {"azureml_modelmonitor_threshold_breached": "something else"},
            },
            "r1",
            "",
            "",
        ),
        (
            f"{AZUREML}DatasetDriftDetected",
            {"DataDriftName": "delay-monitor", "RunId": "r2", "DriftCoefficient": 0.9},
            "r2",
            "data-drift",
            "",
        ),
        ("Microsoft.Insights.Alert", ALERT, "alert-1@2013-06-01T00:00:00Z", "Metric", ""),
        (
            "Team.Drift",
            {"monitor": "delay-monitor", "run": "r3", "signal": "psi", "feature": "hour"},
            "r3",
            "psi",
            "hour",
        ),
        ("Team.Drift", {"monitor": "delay-monitor"}, "7", "", ""),
    ],
)
def test_what_tells_of_drift(kind: str, data: dict[str, Any], run: str, signal: str, feature: str) -> None:
    breach = told(kind, data)
    assert breach is not None
    assert (breach.run, breach.signal, breach.feature) == (run, signal, feature)
    assert breach.key == (run.lower(), signal.lower(), feature)


POSTED = {
    "schemaId": "azureMonitorCommonAlertSchema",
    "data": {
        "essentials": {
            "alertId": "/subscriptions/s/providers/Microsoft.AlertsManagement/alerts/b9569717",
            "alertRule": "delay-monitor",
            "severity": "Sev3",
            "signalType": "Metric",
            "monitorCondition": "Fired",
            "monitoringService": "Platform",
            "alertTargetIDs": ["/subscriptions/s/resourcegroups/r/providers/microsoft.machinelearningservices/x"],
            "originAlertId": "s_r_microsoft.insights_metricAlerts_delay-monitor_1234",
            "firedDateTime": "2013-06-01T13:58:24.3713213Z",
            "description": "",
            "essentialsVersion": "1.0",
            "alertContextVersion": "1.0",
        },
        "alertContext": {"properties": None, "conditionType": "MultipleResourceMultipleMetricCriteria"},
    },
}


def posted(**changed: Any) -> Any:
    data = {**POSTED["data"], "essentials": {**POSTED["data"]["essentials"], **changed.pop("essentials", {})}}  # type: ignore[dict-item,index]
    return parse_one({**POSTED, "data": {**data, **changed}}, NOW)


def test_an_alert_that_azure_monitor_posts_is_an_event_and_a_breach() -> None:
    event = posted()
    assert not isinstance(event, Broken)
    assert (event.type, event.subject) == ("Microsoft.AlertsManagement.Alert", "delay-monitor")
    assert event.time == datetime(2013, 6, 1, 13, 58, 24, 371321, tzinfo=UTC)
    breach = read(event)
    assert breach is not None
    assert breach.run == "s_r_microsoft.insights_metricAlerts_delay-monitor_1234@2013-06-01T13:58:24.3713213Z"
    assert meets("delay-monitor", event) == Met()
    again = parse_one(dict(event.raw), NOW)
    assert (again, read(again)) == (event, breach)  # type: ignore[arg-type]


def test_an_alerts_custom_properties_name_the_monitor_and_its_run() -> None:
    event = posted(customProperties={"monitor": "carrier-monitor", "run": "m7", "signal": "data-drift"})
    breach = read(event)
    assert breach is not None
    assert (breach.monitors, breach.run, breach.signal) == (("carrier-monitor", "delay-monitor"), "m7", "data-drift")


def test_one_that_is_resolved_is_another_event_and_no_breach() -> None:
    fired, resolved = posted(), posted(essentials={"monitorCondition": "Resolved", "resolvedDateTime": NOW.isoformat()})
    assert fired.id != resolved.id
    assert read(resolved) is None
    nothing = parse_one({**POSTED, "data": {}}, NOW)
    assert isinstance(nothing, Broken)
    assert "no 'id'" in nothing.reason


@pytest.mark.parametrize(
    ("kind", "data"),
    [
        (f"{AZUREML}RunStatusChanged", {"ExperimentName": "e", "RunId": "r", "RunStatus": "Failed", "RunTags": {}}),
        ("Microsoft.Insights.Alert", {**ALERT, "essentials": {"monitorCondition": "Resolved"}}),
        ("Microsoft.Insights.Alert", {**ALERT, "essentials": "none"}),
        ("Team.Drift", {"monitor": 7}),
        ("Team.Ready", {}),
    ],
)
def test_what_does_not(kind: str, data: dict[str, Any]) -> None:
    assert told(kind, data) is None


def test_another_monitors_breach_is_not_met_and_says_whose_it_is() -> None:
    event = parse_one(
        {"id": "1", "specversion": "1.0", "type": "T", "source": "s", "data": {"monitor": "carrier-monitor"}}, NOW
    )
    assert not isinstance(event, Broken)
    result = meets("delay-monitor", event)
    assert isinstance(result, Unmet)
    assert "carrier-monitor" in result.reason
    assert meets("*-monitor", event) == Met()
