"""The language's limits and triggers: the contract's spelling is read, all else refused with what is expected."""

import io
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from pydantic import BaseModel, ValidationError
from ruamel.yaml import YAML

from shared.automations.language_limits import Limits, limits_of
from shared.automations.language_triggers import (
    AllOf,
    AnyEvent,
    BlobPlace,
    Drift,
    Missing,
    ModelDeployed,
    ModelRegistered,
    RunCompleted,
    RunStatusChanged,
    Schedule,
    expectation_of,
    gathering_of,
    rule_of,
    schedule_of,
    triage_of,
)
from shared.automations.language_values import Persists
from shared.deciding import gathering, limits, triggers
from shared.deciding.drift import Rule
from shared.deciding.windows import Window


def read(text: str) -> Any:
    return YAML(typ="safe", pure=True).load(io.StringIO(text))


def refused(model: type[BaseModel], text: str) -> str:
    with pytest.raises(ValidationError) as caught:
        model.model_validate(read(text))
    return str(caught.value)


CONTRACT = """
concurrency: {group: arrival-delay, max: 1, when-busy: hold}    # hold | merge | skip
cooldown: {for: 6h, from: end}
rate: 4 per 24h                                                 # sliding
budget: {amount: 20, currency: USD, per: day}                   # by the price of a compute hour in the settings
windows: [{deny: "Sun 00:00-06:00", tz: UTC}]
"""


def test_the_limits_of_the_contract_mean_what_they_say() -> None:
    assert limits_of(Limits.model_validate(read(CONTRACT))) == limits.Limits(
        limits.Concurrency("arrival-delay", 1, "hold"),
        limits.Cooldown(timedelta(hours=6), "end"),
        limits.Rate(4, timedelta(hours=24)),
        limits.Budget(Decimal(20), "USD", "day"),
        (Window.parse("deny", "Sun 00:00-06:00"),),
    )
    assert limits_of(None) == limits_of(Limits.model_validate({})) == limits.Limits()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("concurrency: {group: g, when-busy: wait}", "'hold', 'merge' or 'skip'"),
        ("concurrency: {group: g, max: 0}", "greater than or equal to 1"),
        ("concurrency: {group: g, when_busy: hold}", "Extra inputs"),
        ("rate: 4 a day", "4 per 24h"),
        ("rate: 0 per 24h", "no rate"),
        ("rate: 4 per day", "such as 4 per 24h"),
        ("cooldown: {for: 6}", "no duration"),
        ("budget: {amount: 20, currency: usd, per: day}", "pattern"),
        ("budget: {amount: 20, currency: USD, per: year}", "'day', 'week' or 'month'"),
        ("windows: [{deny: 'Sun 00:00-06:00', allow: 'Mon 00:00-06:00'}]", "exactly one of allow and deny"),
        ("windows: [{deny: 'Sonntag 00:00-06:00'}]", "is no day"),
        ("windows: [{deny: 'Sun 00:00-06:00', tz: Mars}]", "no time zone"),
    ],
)
def test_limits_that_cannot_be_meant_are_refused(text: str, expected: str) -> None:
    assert expected in refused(Limits, text)


def test_drift_of_the_contract() -> None:
    drift = Drift.model_validate(
        read(
            "{monitor: delay-monitor, model: arrival-delay, persists: 2 of 3, min-samples: 200,"
            " then: {minor: notify, major: shadow-train, performance: retrain}}"
        )
    )
    assert drift.persists == Persists(2, 3)
    assert triage_of(drift) == Rule(
        {"minor": "notify", "major": "shadow-train", "performance": "retrain"}, 2, 3, 200, 0.5, season=False
    )


def test_without_outcomes_drift_only_notifies() -> None:
    drift = Drift.model_validate(read("{monitor: m, model: d}"))
    assert set(triage_of(drift).then.values()) == {"notify"}
    assert str(drift.persists) == "1 of 1"


def test_schedule_of_the_contract() -> None:
    schedule = schedule_of(Schedule.model_validate(read('{cron: "0 0 3 * * 1", tz: UTC, if-missed: once}')))
    assert (str(schedule.cron), schedule.if_missed) == ("0 0 3 * * 1 UTC", "once")


def test_all_of_gathers_kinds_by_their_place() -> None:
    rule = AllOf.model_validate(
        read("""
within: 6h
of:
  - blob-created: {container: landing, path: "flights/{month}/_SUCCESS"}
  - model-registered: {model: arrival-delay, tags: {stage: "*"}}
  - event: {type: Team.Ready}
""")
    )
    assert gathering_of(rule) == gathering.Rule(3, timedelta(hours=6))
    created, registered, other = (rule_of(part) for part in rule.of)
    assert isinstance(created, triggers.Created)
    assert created.path.captures == {"month"}
    assert registered == triggers.Registered("arrival-delay", {"stage": "*"})
    assert other == triggers.AnyEvent("Team.Ready")


def test_missing_is_expected_by_a_clock_or_since_the_last_one() -> None:
    of = "of: {blob-deleted: {container: landing, path: '**'}}"
    by_clock = expectation_of(Missing.model_validate(read(f'{{{of}, cron: "0 0 6 * * *", grace: 2h}}')))
    assert by_clock.cron is not None
    assert by_clock.grace == timedelta(hours=2)
    since = expectation_of(Missing.model_validate(read(f"{{{of}, every: 24h, grace: 2h}}")))
    assert since.every == timedelta(hours=24)


@pytest.mark.parametrize(
    ("model", "text"),
    [
        (ModelRegistered, "{model: arrival-delay}"),
        (ModelDeployed, "{service: delay, model: 'arrival-*'}"),
        (RunCompleted, "{experiment: delay, run-type: azureml.PipelineRun, tags: {team: ops}}"),
        (RunStatusChanged, "{status: failed}"),
        (RunStatusChanged, "{status: [failed, canceled], experiment: 'delay*'}"),
        (BlobPlace, "{container: landing, path: 'flights/**/*.csv'}"),
        (AnyEvent, "{type: Microsoft.Insights.*, source: '/subscriptions/*'}"),
    ],
)
def test_other_triggers_are_read(model: type[BaseModel], text: str) -> None:
    assert model.model_validate(read(text))


@pytest.mark.parametrize(
    ("model", "text", "expected"),
    [
        (Drift, "{monitor: m, model: d, persists: 3 of 2}", "2 of 3"),
        (Drift, "{monitor: m, model: d, then: {minor: retrain-now}}", "'ignore', 'notify'"),
        (Drift, "{monitor: m, model: d, major-share: 120%}", "no share"),
        (Schedule, "{cron: '0 0 3 * * 8'}", "never strikes"),
        (Schedule, "{cron: '0 3 * * 1', tz: Nowhere}", "no time zone"),
        (Missing, "{of: {event: {type: a}}, grace: 2h}", "exactly one of cron and every"),
        (Missing, "{of: {}, every: 1h, grace: 2h}", "exactly one key"),
        (AllOf, "{within: 1h, of: [{event: {type: a}}]}", "at least 2"),
        (AllOf, "{within: 1h, of: [{event: {type: a}}, {event: {type: a}, model-registered: {model: a}}]}", "one key"),
        (AnyEvent, "{}", "at least one of type"),
        (BlobPlace, "{container: Landing, path: a}", "no container name"),
        (ModelRegistered, "{model: arrival-delay, version: latest}", "Extra inputs"),
    ],
)
def test_triggers_that_cannot_be_meant_are_refused(model: type[BaseModel], text: str, expected: str) -> None:
    assert expected in refused(model, text)


@pytest.mark.parametrize("model", [Limits, AllOf, Missing, Drift, Schedule, RunStatusChanged])
def test_editors_get_a_schema_with_a_word_on_every_key(model: type[BaseModel]) -> None:
    schema = model.model_json_schema(by_alias=True)
    for part in (schema, *schema.get("$defs", {}).values()):
        assert part["additionalProperties"] is False
        assert part["description"]
        assert not any("_" in key for key in part["properties"])
