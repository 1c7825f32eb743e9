"""Reads events: Event Grid's schema and CloudEvents, one or many. A broken one never costs the others."""

import base64
import binascii
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

import msgspec

from shared.events import alerts
from shared.events.facts import CONTROL, BrokenError, read_facts
from shared.events.model import Broken, Event
from shared.events.salvage import pieces

MAX_KEPT: Final = 32_000
"""Characters that are kept of what is broken."""
MAX_EVENT: Final = 1024 * 1024
"""Bytes of an event, and of a batch (https://learn.microsoft.com/azure/event-grid/quotas-limits)."""
MAX_NESTING: Final = 64
"""Levels of an event: what nests deeper could be read here and not be written again elsewhere."""
_decode = msgspec.json.Decoder().decode


def parse(body: bytes | str, received: datetime) -> list[Event | Broken]:
    """Read what was delivered: one event or a list of them, in either schema; or an alert of Azure Monitor.

    Raises nothing: what cannot be read is a Broken with its reason. `received` stands in for a missing time.
    """
    raw = body.encode("utf-8", "surrogatepass") if isinstance(body, str) else bytes(body)
    raw = raw.removeprefix(b"\xef\xbb\xbf")
    try:
        items = _decode(raw)
    except (ValueError, RecursionError):
        return _salvaged(raw, received)
    if not isinstance(items, list):
        return [_sized(items, len(raw), received)]
    if len(raw) <= MAX_EVENT:
        return [parse_one(item, received) for item in items]
    return [_sized(item, len(_written(item).encode()), received) for item in items]


def parse_one(item: Any, received: datetime) -> Event | Broken:
    """Read one event that is JSON already."""
    try:
        if isinstance(item, dict | list) and _nests(item, MAX_NESTING):
            return Broken(f"the event nests deeper than {MAX_NESTING} levels", _written(item)[:MAX_KEPT])
        return _event(item, received)
    except BrokenError as error:
        return Broken(str(error), _kept(item))
    except (ValueError, OverflowError) as error:
        return Broken(f"the event holds a value that cannot be used: {error}", _kept(item))


def _salvaged(raw: bytes, received: datetime) -> list[Event | Broken]:
    """Read what can be read of a body that is no JSON as a whole."""
    return [_piece(piece, received) for piece in pieces(raw)] or [Broken("there is no event in it", "")]


def _piece(piece: bytes, received: datetime) -> Event | Broken:
    try:
        item = _decode(piece)
    except (ValueError, RecursionError) as error:
        reason = "it nests too deeply" if isinstance(error, RecursionError) else str(error)
        return Broken(f"this is no JSON: {reason}", piece[:MAX_KEPT].decode("utf-8", "replace"))
    return _sized(item, len(piece), received)


def _sized(item: Any, size: int, received: datetime) -> Event | Broken:
    if size > MAX_EVENT:
        return Broken(f"the event has {size} bytes; Event Grid delivers at most {MAX_EVENT}", _kept(item))
    return parse_one(item, received)


def _nests(value: Mapping[str, Any] | list[Any], left: int) -> bool:
    """Tell whether lists and objects stand in one another more than `left` times."""
    if left == 0:
        return True
    for item in value if isinstance(value, list) else value.values():
        if (type(item) is dict or type(item) is list) and _nests(item, left - 1):
            return True
    return False


def _kept(item: Any) -> Any:
    text = _written(item)
    return item if len(text) <= MAX_KEPT else text[:MAX_KEPT]


def _written(item: Any) -> str:
    """Give the JSON of what was read, as far as there is one."""
    try:
        return json.dumps(item, ensure_ascii=False, default=str)
    except (ValueError, RecursionError):
        return ""


def _event(item: Any, received: datetime) -> Event:
    if not isinstance(item, dict):
        raise BrokenError(f"an event is a JSON object, not {type(item).__name__}")
    if alerts.is_alert(item):
        item = alerts.as_event(item)
    cloud = "specversion" in item or ("eventType" not in item and "source" in item)  # a dead letter has no specversion
    names = ("source", "type", "time") if cloud else ("topic", "eventType", "eventTime")
    identifier, subject = _text(item, "id"), _text(item, "subject", needed=not cloud)
    source, kind = _text(item, names[0], needed=cloud), _text(item, names[1])
    data = item.get("data")
    if data is None:
        data = _binary(item["data_base64"]) if cloud and item.get("data_base64") is not None else {}
    if not isinstance(data, dict):
        data = {"value": data}
    if len(identifier) > 512 or len(kind) > 512 or len(subject) > 4096 or len(source) > 1024:
        raise BrokenError("id, type, source or subject is longer than any service makes it")
    if CONTROL.search(f"{identifier}{kind}{subject}{source}"):
        raise BrokenError("id, type, source or subject has control characters")
    facts = read_facts(kind, source, subject, data)
    return Event(identifier, source, kind, subject, _time(item.get(names[2]), received), data, facts, item)


def _text(item: Mapping[str, Any], name: str, *, needed: bool = True) -> str:
    value = item.get(name)
    if value is None or value == "":
        if needed and not (name == "subject" and value == ""):
            raise BrokenError(f"the event has no {name!r}")
        return ""
    if not isinstance(value, str):
        raise BrokenError(f"{name!r} is a {type(value).__name__}, not text")
    return value


def _binary(value: Any) -> Any:
    """Read `data_base64` of a CloudEvent: its JSON, or the text as it stands for any other content."""
    if not isinstance(value, str):
        raise BrokenError(f"'data_base64' is a {type(value).__name__}, not text")
    try:
        content = base64.b64decode(value, validate=True)
    except binascii.Error as error:
        raise BrokenError(f"'data_base64' is no base64: {error}") from None
    try:
        data = _decode(content)
    except (ValueError, RecursionError):
        return {"base64": value}
    return {"base64": value} if isinstance(data, dict | list) and _nests(data, MAX_NESTING) else data


def _time(value: Any, received: datetime) -> datetime:
    if value is None:
        return received
    if not isinstance(value, str):
        raise BrokenError(f"the time is a {type(value).__name__}, not text")
    try:
        moment = datetime.fromisoformat(value)
        if moment.tzinfo is UTC:
            return moment
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError):
        raise BrokenError(f"the time {value[:64]!r} is no ISO 8601 time") from None
