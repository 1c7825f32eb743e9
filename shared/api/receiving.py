"""Events by HTTP: both schemas and both handshakes; what names a place that is not configured is quarantined."""

from typing import Any, Final

import msgspec

from shared.api.models import EventsTaken
from shared.api.problems import ProblemError
from shared.api.routes import Call, Reply
from shared.events.model import Broken, Event
from shared.events.parsing import MAX_KEPT, parse
from shared.settings import Settings

MAX_EVENTS: Final = 5000
MAX_BODY: Final = 8 * 1024 * 1024
_VALIDATION: Final = "Microsoft.EventGrid.SubscriptionValidationEvent"
_ORIGIN: Final = "WebHook-Request-Origin"


async def handshake(call: Call) -> Reply:
    """Agree to be sent CloudEvents (https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/http-webhook.md).

    It grants nothing: every delivery needs its credential.
    """
    origin = str(call.request.headers.get(_ORIGIN, ""))
    if not origin:
        raise ProblemError(400, "No handshake", f"the header {_ORIGIN} is missing")
    if len(origin) > 255 or not all(letter.isalnum() or letter in "-.:/*" for letter in origin) or not origin.isascii():
        raise ProblemError(400, "Bad origin", f"{_ORIGIN} is no host name")
    return Reply(None, headers={"WebHook-Allowed-Origin": origin, "WebHook-Allowed-Rate": "*"})


async def receive(call: Call) -> EventsTaken:
    """Take events in; answered once all of them are in the ledger, decided."""
    events = parse(call.request.get_body(), call.now)
    if len(events) > MAX_EVENTS:
        raise ProblemError(413, "Too many events", f"a request has at most {MAX_EVENTS} events, not {len(events)}")
    for event in events:
        if isinstance(event, Event) and event.type == _VALIDATION:
            code = event.data.get("validationCode")
            if not isinstance(code, str) or not 1 <= len(code) <= 512:
                raise ProblemError(400, "Bad handshake", "data.validationCode is missing")
            return EventsTaken(validationResponse=code)
    checked = [event if isinstance(event, Broken) else _checked(event, call.hub.settings) for event in events]
    accepted = await call.hub.intake.take(checked, call.now, call.caller.name)
    return EventsTaken(new=accepted.new, known=accepted.known, broken=accepted.broken)


def _checked(event: Event, settings: Settings) -> Event | Broken:
    reason = strange_source(event, settings)
    return Broken(reason, _kept(event.raw)) if reason else event


def strange_source(event: Event, settings: Settings) -> str:
    """Give why an event's source is not one that this hub is configured for, "" where it is.

    An account is known by its name, which is unique in all of Azure, and its subscription; a workspace by its whole
    id. Events of other types have sources of their own: whoever may publish may name any.
    """
    area = event.type.rpartition(".")[0].lower()
    parts = [part.lower() for part in event.source.strip("/").split("/")]
    if area == "microsoft.storage":
        known = len(parts) == 8 and parts[0] == "subscriptions" and parts[6] == "storageaccounts"
        subscriptions = {settings.subscription.lower(), *settings.other_subscriptions}
        if known and parts[7] in settings.accounts and parts[1] not in subscriptions:
            return (
                f"source {event.source[:256]!r} is of a subscription that this hub does not know: "
                "name it in HUB_SUBSCRIPTIONS"
            )
        if not known or parts[7] not in settings.accounts:
            return (
                f"source {event.source[:256]!r} is no storage account of this hub "
                f"({', '.join(sorted(settings.accounts)) or 'it has none'}): "
                "configure it as HUB_ACCOUNT_<NAME>__blobServiceUri"
            )
    if area == "microsoft.machinelearningservices":
        wanted = workspace_parts(settings)
        if parts != wanted:
            return f"source {event.source[:256]!r} is not this hub's workspace /{'/'.join(wanted)}"
    return ""


def workspace_parts(settings: Settings) -> list[str]:
    """Give the parts of the workspace's ARM id, in lower case."""
    return [
        "subscriptions",
        settings.subscription.lower(),
        "resourcegroups",
        settings.resource_group.lower(),
        "providers",
        "microsoft.machinelearningservices",
        "workspaces",
        settings.workspace.lower(),
    ]


def _kept(raw: Any) -> Any:
    text = msgspec.json.encode(raw)
    return raw if len(text) <= MAX_KEPT else text[:MAX_KEPT].decode("utf-8", "replace")
