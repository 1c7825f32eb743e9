"""Reads an alert of Azure Monitor as a webhook gets it: the common alert schema, which is no event schema.

https://learn.microsoft.com/azure/azure-monitor/alerts/alerts-common-schema
"""

from collections.abc import Mapping
from typing import Any, Final

SCHEMA: Final = "azureMonitorCommonAlertSchema"
TYPE: Final = "Microsoft.AlertsManagement.Alert"


def is_alert(item: Mapping[str, Any]) -> bool:
    """Say whether a body is an alert by itself, outside of any event."""
    return item.get("schemaId") == SCHEMA and isinstance(item.get("data"), dict) and "specversion" not in item


def as_event(item: Mapping[str, Any]) -> dict[str, Any]:
    """Give the alert as a CloudEvent: one that fires and one that is resolved are two events, each however often sent.

    Its data holds `essentials`, `alertContext` and `customProperties` as they came, and the schema's name.
    """
    data = item["data"]
    essentials = data.get("essentials")
    told: Mapping[str, Any] = essentials if isinstance(essentials, dict) else {}
    condition = _text(told, "monitorCondition") or "Fired"
    time = _text(told, "resolvedDateTime" if condition.lower() == "resolved" else "firedDateTime")
    alert = _text(told, "alertId") or _text(told, "originAlertId")
    targets = told.get("alertTargetIDs")
    source = next((one for one in targets if isinstance(one, str) and one), "") if isinstance(targets, list) else ""
    event: dict[str, Any] = {
        "specversion": "1.0",
        "type": TYPE,
        "source": source or alert or "alert",
        "subject": _text(told, "alertRule"),
        "id": f"{alert}:{condition}:{time}" if alert else "",
        "data": {"schemaId": SCHEMA, **data},
    }
    return event | ({"time": time} if time else {})


def _text(told: Mapping[str, Any], name: str) -> str:
    value = told.get(name)
    return value if isinstance(value, str) else ""
