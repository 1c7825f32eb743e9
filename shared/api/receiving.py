"""Events by HTTP: both schemas and both handshakes; what names a place that is not configured is quarantined."""

from typing import Any, Final

import msgspec

from shared.api.models import EventsTaken
from shared.api.problems import ProblemError
from shared.api.routes import Call, Reply
from shared.events.model import Broken, Event
from shared.events.parsing import MAX_KEPT, parse
from shared.settings import Settings
from shared.sources import strange_source

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


def _kept(raw: Any) -> Any:
    text = msgspec.json.encode(raw)
    return raw if len(text) <= MAX_KEPT else text[:MAX_KEPT].decode("utf-8", "replace")
