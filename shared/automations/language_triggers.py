"""Triggers of the language other than new files, and what they mean to the decisions."""

from typing import Annotated, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from shared.automations.base import AssetName, Container, Model, Pattern, exactly_one
from shared.automations.language_values import CronText, Percent, Persists, PersistsText, Zone, one_or_more
from shared.automations.patterns import PathPattern
from shared.automations.values import Duration
from shared.deciding import drift, gathering, missing, schedules, triggers
from shared.deciding.cron import Cron

Tags = dict[str, str]


class BlobPlace(Model):
    """Blobs by where they lie."""

    account: str | None = Field(default=None, description="Storage account; any that the hub listens to if left out.")
    container: Container
    path: Pattern = Field(description="`**` is zero or more folders, `*` a part of a name, {name} captures.")


class ModelRegistered(Model):
    """A version of a model was registered."""

    model: str = Field(min_length=1, max_length=255, description="Name of the model; `*` and `?` may stand in it.")
    tags: Tags = Field(default_factory=dict, description="Tags it must have; `*` may stand in a value.")


class ModelDeployed(Model):
    """A model was deployed."""

    service: str = Field(default="", max_length=255, description="Name of the service; `*` may stand in it.")
    model: str = Field(default="", max_length=255, description="Name of a model; `*` may stand in it.")


class RunCompleted(Model):
    """A run of Azure ML ended well."""

    experiment: str = Field(default="", max_length=255, description="Its experiment; `*` may stand in it.")
    run_type: str = Field(default="", max_length=255, description="Its type, such as azureml.PipelineRun.")
    tags: Tags = Field(default_factory=dict, description="Tags it must have; `*` may stand in a value.")


class RunStatusChanged(Model):
    """A run of Azure ML has another status. Azure raises no event for many failures: see `missing`."""

    status: Annotated[tuple[str, ...], BeforeValidator(one_or_more)] = Field(
        default=(), strict=False, description="One status or several, such as failed; any if left out."
    )
    experiment: str = Field(default="", max_length=255, description="Its experiment; `*` may stand in it.")
    run_type: str = Field(default="", max_length=255, description="Its type, such as azureml.PipelineRun.")
    tags: Tags = Field(default_factory=dict, description="Tags it must have; `*` may stand in a value.")


class AnyEvent(Model):
    """Any event, by globs; at least one of them is given."""

    type: str = Field(default="", max_length=512, description="Its type; `*` may stand in it; case is ignored.")
    source: str = Field(default="", max_length=1024, description="Its source or topic; case is ignored.")
    subject: str = Field(default="", max_length=1024, description="Its subject.")

    @model_validator(mode="after")
    def _names_something(self) -> Self:
        if not (self.type or self.source or self.subject):
            raise ValueError("an event is named by at least one of type, source, subject")
        return self


class Schedule(Model):
    """Times of a clock."""

    cron: CronText = Field(description="Six fields, seconds first ('0 0 3 * * 1'), or five without seconds.")
    tz: Zone = Field(default="UTC", description="IANA zone whose clock is meant; summer time is followed.")
    if_missed: Literal["once", "skip"] = Field(
        default="once", description="What was missed while the hub was away runs once, or not."
    )

    @model_validator(mode="after")
    def _strikes(self) -> Self:
        Cron.parse(self.cron, self.tz)
        return self


class Part(Model):
    """One kind of event: exactly one key."""

    blob_created: BlobPlace | None = None
    blob_deleted: BlobPlace | None = None
    model_registered: ModelRegistered | None = None
    model_deployed: ModelDeployed | None = None
    run_completed: RunCompleted | None = None
    run_status_changed: RunStatusChanged | None = None
    event: AnyEvent | None = None

    @model_validator(mode="after")
    def _one(self) -> Self:
        exactly_one(self, "one kind of event has exactly one key")
        return self


class AllOf(Model):
    """Fires when an event of every kind came within a time, with every event of each kind."""

    within: Duration = Field(description="How far apart the first and the last may be.")
    of: tuple[Part, ...] = Field(strict=False, min_length=2, max_length=20, description="The kinds.")


class Missing(Model):
    """Fires once for each time at which an expected event did not come: exactly one of cron and every."""

    of: Part = Field(description="The event that is expected.")
    cron: CronText | None = Field(default=None, description="Expected at these times; six fields, seconds first.")
    every: Duration | None = Field(default=None, description="Expected so long after the one before.")
    tz: Zone = Field(default="UTC", description="IANA zone of cron.")
    grace: Duration = Field(description="How late it may come.")

    @model_validator(mode="after")
    def _is_expected(self) -> Self:
        if (self.cron is None) == (self.every is None):
            raise ValueError("an event is expected by exactly one of cron and every")
        expectation_of(self)
        return self


class DriftOutcomes(Model):
    """What follows from drift, by how bad it is."""

    minor: drift.Outcome = Field(default="notify", description="Some features drift.")
    major: drift.Outcome = Field(default="notify", description="Features of much importance drift.")
    performance: drift.Outcome = Field(default="notify", description="The model does worse, by labels that came later.")


class Drift(Model):
    """A monitor reports drift, and it deserves an answer."""

    monitor: str = Field(min_length=1, max_length=255, description="Name of the monitor; `*` may stand in it.")
    model: AssetName = Field(description="The model that it watches.")
    persists: PersistsText = Field(
        default=Persists(1, 1),
        description="In so many of the last windows, such as 2 of 3.",
        json_schema_extra={"default": "1 of 1"},
    )
    min_samples: int = Field(default=0, ge=0, description="A window with fewer rows says nothing.")
    major_share: Percent = Field(
        default=0.5, description="It is major when features of at least this share of all importance drift."
    )
    season: Literal["year", "rolling"] | None = Field(
        default=None,
        description="What agrees with the same month of an earlier year, or with a rolling reference, is no drift.",
    )
    then: DriftOutcomes = Field(default=DriftOutcomes())


def rule_of(part: Part) -> triggers.Rule:
    """Give the rule that decides whether an event is of this kind."""
    if part.blob_created:
        place = part.blob_created
        return triggers.Created(place.container, PathPattern.parse(place.path), place.account or "")
    if part.blob_deleted:
        return deleted_rule(part.blob_deleted)
    if part.model_registered:
        return triggers.Registered(part.model_registered.model, part.model_registered.tags)
    if part.model_deployed:
        return triggers.Deployed(part.model_deployed.service, part.model_deployed.model)
    if part.run_completed:
        run = part.run_completed
        return triggers.RunEnded(run.experiment, run.run_type, run.tags)
    if part.run_status_changed:
        change = part.run_status_changed
        statuses = frozenset(status.lower() for status in change.status)
        return triggers.RunChanged(statuses, change.experiment, change.run_type, change.tags)
    if part.event:
        return triggers.AnyEvent(part.event.type, part.event.source, part.event.subject)
    raise ValueError("a kind of event has exactly one key")


def deleted_rule(place: BlobPlace) -> triggers.Deleted:
    """Give the rule of a `blob-deleted` trigger."""
    return triggers.Deleted(place.container, PathPattern.parse(place.path), place.account or "")


def schedule_of(schedule: Schedule) -> schedules.Schedule:
    """Give the schedule to decide by."""
    return schedules.Schedule(Cron.parse(schedule.cron, schedule.tz), schedule.if_missed)


def expectation_of(rule: Missing) -> missing.Expectation:
    """Give the expectation to decide by."""
    cron = Cron.parse(rule.cron, rule.tz) if rule.cron else None
    return missing.Expectation(rule.grace, cron, rule.every)


def gathering_of(rule: AllOf) -> gathering.Rule:
    """Give the rule by which the kinds are gathered; their numbers are their places in `of`."""
    return gathering.Rule(len(rule.of), rule.within)


def triage_of(rule: Drift) -> drift.Rule:
    """Give the rule by which drift is weighed."""
    then = {"minor": rule.then.minor, "major": rule.then.major, "performance": rule.then.performance}
    return drift.Rule(
        then, rule.persists.k, rule.persists.n, rule.min_samples, rule.major_share, season=rule.season is not None
    )
