"""Which exporter the settings choose: Application Insights, OTLP, the console, or none."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

Kind = Literal["none", "azure", "otlp", "console"]
_KINDS: Final = ("none", "azure", "otlp", "console")
APPLICATION_INSIGHTS: Final = "APPLICATIONINSIGHTS_CONNECTION_STRING"
_OTLP: Final = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")


@dataclass(frozen=True, slots=True)
class Choice:
    """What is exported where. `share`: what part of the spans of events that open nothing is kept."""

    kind: Kind
    hub_id: str
    share: float = 0.05
    connection: str = ""
    client_id: str = ""
    instance: str = ""


def read(environment: Mapping[str, str], hub_id: str) -> Choice:
    """Read the choice; raises ValueError that names the setting and what was expected."""
    kind = environment.get("HUB_TELEMETRY", "").strip().lower()
    connection = environment.get(APPLICATION_INSIGHTS, "")
    if not kind:
        kind = "azure" if connection else "otlp" if any(environment.get(name) for name in _OTLP) else "none"
    if kind not in _KINDS:
        raise ValueError(f"HUB_TELEMETRY is {kind!r}: one of {', '.join(_KINDS)} is expected, or nothing")
    if kind == "azure" and not connection:
        raise ValueError(f"HUB_TELEMETRY is azure, and {APPLICATION_INSIGHTS} is missing")
    text = environment.get("HUB_TELEMETRY_EVENTS", "") or "0.05"
    try:
        share = float(text)
    except ValueError:
        share = -1.0
    if not 0 <= share <= 1:
        raise ValueError(f"HUB_TELEMETRY_EVENTS is {text!r}: a number from 0 to 1 is expected")
    entra = "Authorization=AAD" in environment.get("APPLICATIONINSIGHTS_AUTHENTICATION_STRING", "")
    return Choice(
        kind=next(one for one in ("none", "azure", "otlp", "console") if one == kind),
        hub_id=hub_id,
        share=share,
        connection=connection,
        client_id=environment.get("AZURE_CLIENT_ID", "") if entra else "",
        instance=environment.get("WEBSITE_INSTANCE_ID", ""),
    )
