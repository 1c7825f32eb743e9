"""When a schedule fires next: cron expressions and recurrences in their time zone, between start and end."""

from datetime import UTC, date, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from croniter import croniter

from local.azureml.wire import Json, invalid

_DAYS: Final = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_STEPS: Final = {"minute": timedelta(minutes=1), "hour": timedelta(hours=1), "day": timedelta(days=1)}
_WINDOWS: Final = {"UTC": "UTC", "Coordinated Universal Time": "UTC"}
_HORIZON: Final = 366 * 5


def check_trigger(trigger: Json) -> None:
    """Raise ArmError for a trigger that says nothing that can be understood."""
    next_time(trigger, datetime.now(UTC), datetime.now(UTC))


def next_time(trigger: Json, after: datetime, created: datetime) -> datetime | None:
    """Give the first time after a moment (UTC), or None where the schedule is over.

    `created` is where a recurrence without a start time begins to count.
    """
    zone = _zone(str(trigger.get("timeZone") or "UTC"))
    start, end = _moment(trigger.get("startTime"), zone), _moment(trigger.get("endTime"), zone)
    since = max(after, start - timedelta(microseconds=1)) if start else after
    if trigger.get("triggerType") == "Cron":
        expression = str(trigger.get("expression") or "")
        if len(expression.split()) != 5 or not croniter.is_valid(expression):
            raise invalid(f"'{expression}' is not a cron expression of five fields.")
        found = croniter(expression, since.astimezone(zone)).get_next(datetime)
    elif trigger.get("triggerType") == "Recurrence":
        found = _recurrence(trigger, since, start or created, zone)
    else:
        raise invalid(f"The trigger type '{trigger.get('triggerType')}' is neither Cron nor Recurrence.")
    moment: datetime = found.astimezone(UTC)
    return None if end is not None and moment > end else moment


def _recurrence(trigger: Json, after: datetime, start: datetime, zone: ZoneInfo) -> datetime:
    frequency, interval = str(trigger.get("frequency") or "").lower(), int(trigger.get("interval") or 1)
    if interval < 1:
        raise invalid("The interval of a recurrence is at least 1.")
    pattern = trigger.get("schedule") or {}
    if frequency in {"minute", "hour"} or (frequency == "day" and not pattern.get("hours")):
        step = _STEPS[frequency] * interval
        if after < start:
            return start
        return start + step * ((after - start) // step + 1)
    if frequency not in {"day", "week", "month"}:
        raise invalid(f"The frequency '{frequency}' is none of minute, hour, day, week, month.")
    hours, minutes = pattern.get("hours") or [start.astimezone(zone).hour], pattern.get("minutes") or [0]
    first = start.astimezone(zone).date()
    day = max(after, start).astimezone(zone).date()
    for _ in range(_HORIZON):
        if _fits(day, first, frequency, interval, pattern):
            for hour in sorted(hours):
                for minute in sorted(minutes):
                    moment = datetime(day.year, day.month, day.day, hour, minute, tzinfo=zone)
                    if moment > after and moment >= start:
                        return moment
        day += timedelta(days=1)
    raise invalid("The recurrence never fires.")


def _fits(day: date, first: date, frequency: str, interval: int, pattern: Json) -> bool:
    if frequency == "day":
        return (day - first).days % interval == 0
    if frequency == "week":
        names = [str(name).lower() for name in pattern.get("weekDays") or [_DAYS[first.weekday()]]]
        weeks = ((day - timedelta(days=day.weekday())) - (first - timedelta(days=first.weekday()))).days // 7
        return weeks % interval == 0 and _DAYS[day.weekday()] in names
    months = (day.year - first.year) * 12 + day.month - first.month
    return months % interval == 0 and day.day in (pattern.get("monthDays") or [first.day])


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(_WINDOWS.get(name, name))
    except (ZoneInfoNotFoundError, ValueError):
        raise invalid(f"The time zone '{name}' is not known here: use UTC or a name such as Europe/Berlin.") from None


def _moment(text: object, zone: ZoneInfo) -> datetime | None:
    if not text:
        return None
    try:
        moment = datetime.fromisoformat(str(text))
    except ValueError:
        raise invalid(f"'{text}' is not a time in ISO 8601.") from None
    return (moment if moment.tzinfo else moment.replace(tzinfo=zone)).astimezone(UTC)
