"""When schedules fire."""

from datetime import UTC, datetime

import pytest

from local.azureml.triggers import next_time
from local.azureml.wire import ArmError

NOW = datetime(2026, 3, 4, 10, 2, 30, tzinfo=UTC)  # a Wednesday


@pytest.mark.parametrize(
    ("trigger", "expected"),
    [
        ({"triggerType": "Cron", "expression": "*/5 * * * *"}, "2026-03-04T10:05:00+00:00"),
        ({"triggerType": "Cron", "expression": "0 3 * * 1", "timeZone": "Europe/Berlin"}, "2026-03-09T02:00:00+00:00"),
        (
            {"triggerType": "Cron", "expression": "0 3 * * *", "startTime": "2026-05-01T00:00:00"},
            "2026-05-01T03:00:00+00:00",
        ),
        ({"triggerType": "Cron", "expression": "0 3 * * *", "endTime": "2026-03-04T12:00:00"}, None),
        ({"triggerType": "Recurrence", "frequency": "minute", "interval": 7}, "2026-03-04T10:09:30+00:00"),
        (
            {
                "triggerType": "Recurrence",
                "frequency": "day",
                "interval": 1,
                "schedule": {"hours": [1, 22], "minutes": [5]},
            },
            "2026-03-04T22:05:00+00:00",
        ),
        (
            {
                "triggerType": "Recurrence",
                "frequency": "week",
                "interval": 1,
                "schedule": {"hours": [6], "minutes": [0], "weekDays": ["Tuesday"]},
            },
            "2026-03-10T06:00:00+00:00",
        ),
        (
            {
                "triggerType": "Recurrence",
                "frequency": "month",
                "interval": 1,
                "schedule": {"hours": [0], "minutes": [0], "monthDays": [1]},
            },
            "2026-04-01T00:00:00+00:00",
        ),
    ],
)
def test_the_next_time_of_a_trigger(trigger: dict[str, object], expected: str | None) -> None:
    found = next_time(trigger, NOW, NOW)
    assert (found.isoformat() if found else None) == expected


@pytest.mark.parametrize(
    "trigger",
    [
        {"triggerType": "Cron", "expression": "every day"},
        {"triggerType": "Cron", "expression": "0 3 * * *", "timeZone": "Nowhere/Land"},
        {"triggerType": "Recurrence", "frequency": "century"},
        {"triggerType": "Moon"},
    ],
)
def test_a_trigger_that_makes_no_sense_is_refused(trigger: dict[str, object]) -> None:
    with pytest.raises(ArmError):
        next_time(trigger, NOW, NOW)
