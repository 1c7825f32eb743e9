"""The automation language: strict models of what a YAML document may say."""

from typing import Literal, Self

from pydantic import Field, model_validator

from shared.automations.base import (
    AssetName,
    Condition,
    Container,
    JobValue,
    Model,
    Name,
    Pattern,
    RepositoryFile,
    exactly_one,
)
from shared.automations.language_actions import Job, Notify, NotifyAction, Promote, Score, Webhook
from shared.automations.language_deploy import Deploy
from shared.automations.language_limits import Limits
from shared.automations.language_triggers import (
    AllOf,
    AnyEvent,
    BlobPlace,
    Drift,
    Missing,
    ModelDeployed,
    ModelRegistered,
    Part,
    RunCompleted,
    RunStatusChanged,
    Schedule,
)
from shared.automations.patterns import PathPattern
from shared.automations.values import Duration, Size


class Until(Model):
    """What says that a burst is whole: exactly one key."""

    marker: Pattern | None = Field(
        default=None, description="Path of a blob that is written last; captures of `path` may stand in it."
    )
    manifest: Pattern | None = Field(
        default=None,
        description="Path of a JSON list of the files, with sizes and etags where they are to be compared; all must "
        "be there. Captures of `path` may stand in it.",
    )

    @model_validator(mode="after")
    def _one(self) -> Self:
        exactly_one(self, "until has exactly one key")
        return self

    @property
    def pattern(self) -> str:
        """The path of whichever is given."""
        return self.marker or self.manifest or ""


class Collect(Model):
    """How the files of a burst become one activity."""

    by: tuple[str, ...] = Field(default=(), strict=False, description="Captures by which files are gathered apart.")
    quiet: Duration = Field(description="The burst is over when nothing arrived for so long.")
    max_wait: Duration = Field(description="It closes then in any case, counted from its first file.")
    max_files: int | None = Field(default=None, gt=0, le=100_000, description="It closes at so many files.")
    max_bytes: Size | None = Field(default=None, description="It closes at so many bytes.")
    until: Until | None = Field(default=None, description="It closes when this came, and not for quiet.")
    if_incomplete: Literal["hold", "run", "fail"] = Field(
        default="hold", description="What happens at max-wait when `until` has not come."
    )

    @model_validator(mode="after")
    def _waits_longer_than_quiet(self) -> Self:
        if self.max_wait < self.quiet:
            raise ValueError("max-wait is shorter than quiet: it would always close first")
        return self


class BlobCreated(Model):
    """Files that land in blob storage."""

    account: str | None = Field(
        default=None,
        pattern=r"^[a-z0-9]{3,24}$",
        description="Storage account; any that the hub listens to if left out.",
    )
    container: Container
    path: Pattern = Field(description="`**` is zero or more folders, `*` a part of a name, {name} captures.")
    collect: Collect | None = Field(default=None, description="Gather a burst; without it each file is an activity.")

    @model_validator(mode="after")
    def _captures_are_known(self) -> Self:
        known = PathPattern.parse(self.path).captures
        if self.collect:
            if unknown := set(self.collect.by) - known:
                raise ValueError(f"collect.by names {sorted(unknown)}, which `path` does not capture")
            if self.collect.until:
                what = "marker" if self.collect.until.marker else "manifest"
                marker = PathPattern.parse(self.collect.until.pattern).captures
                if strange := marker - known:
                    raise ValueError(f"the {what} has captures {sorted(strange)}, which `path` does not have")
                if missing := set(self.collect.by) - marker:
                    raise ValueError(f"the {what} lacks {sorted(missing)}, by which files are gathered")
        return self


class Trigger(Model):
    """One way to start: exactly one key."""

    blob_created: BlobCreated | None = None
    blob_deleted: BlobPlace | None = None
    model_registered: ModelRegistered | None = None
    model_deployed: ModelDeployed | None = None
    run_completed: RunCompleted | None = None
    run_status_changed: RunStatusChanged | None = None
    event: AnyEvent | None = None
    schedule: Schedule | None = None
    missing: Missing | None = None
    all_of: AllOf | None = None
    drift: Drift | None = None

    @model_validator(mode="after")
    def _one(self) -> Self:
        exactly_one(self, "a trigger has exactly one key")
        return self

    @property
    def kind(self) -> str:
        """Its name in the language."""
        return _kind(self)

    @property
    def parts(self) -> "tuple[Trigger | Part, ...]":
        """The single kinds of event that it names: of `all-of` each, of `missing` the expected one, else itself."""
        if self.all_of:
            return self.all_of.of
        return (self.missing.of,) if self.missing else (self,)


class Dataset(Model):
    """What training reads: the accepted files of a window, frozen as a version of a data asset."""

    name: Name
    source: Literal["accepted"] = Field(default="accepted", alias="from")
    window: Duration = Field(description="How far back, by the time of the files.")


class Check(Model):
    """A job that says whether new files are fit; those of a failing check are not accepted."""

    job: RepositoryFile
    inputs: dict[str, JobValue] = Field(default_factory=dict, description="`data` is ${{ files }} if left out.")


class Register(Model):
    """Which output of the job becomes a version of which model."""

    model: AssetName
    source: str = Field(
        alias="from", description="An output that the job names (outputs/model), or a path below its own outputs."
    )


class Train(Model):
    """Run a training job and register its model."""

    job: RepositoryFile
    inputs: dict[str, JobValue] = Field(default_factory=dict)
    register_as: Register | None = Field(default=None, alias="register")


class Action(Model):
    """What to do: exactly one key."""

    train: Train | None = None
    job: Job | None = None
    deploy: Deploy | None = None
    score: Score | None = None
    promote: Promote | None = None
    notify: NotifyAction | None = None
    webhook: Webhook | None = None

    @model_validator(mode="after")
    def _one(self) -> Self:
        exactly_one(self, "do has exactly one action")
        return self

    @property
    def kind(self) -> str:
        """Its name in the language."""
        return _kind(self)


class Input(Model):
    """An input that a person gives when starting by hand."""

    type: Literal["string", "number", "integer", "boolean"]
    default: str | int | float | bool | None = None
    description: str = ""


class Automation(Model):
    """One rule: on these events, when this holds, do that."""

    name: Name
    description: str = ""
    on: tuple[Trigger, ...] = Field(default=(), strict=False)
    when: Condition | None = Field(default=None, description="CEL; must be true for an activity to begin.")
    inputs: dict[str, Input] = Field(default_factory=dict)
    dataset: Dataset | None = None
    check: Check | None = None
    do: Action
    limits: Limits | None = Field(default=None, description="What holds activities back; held is not lost.")
    notify: Notify | None = Field(default=None, description="Whom to tell what becomes of its activities.")
    own_outputs: bool = Field(default=False, description="Let what the hub itself wrote start this automation.")


def _kind(model: Model) -> str:
    return next(name for name, value in model.__dict__.items() if value is not None).replace("_", "-")
