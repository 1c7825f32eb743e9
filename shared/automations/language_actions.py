"""Further actions of the language: score, register, promote, job, notify, webhook; and whom to tell of an activity."""

import re
from typing import Annotated, Final, Literal, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from shared.automations.base import AssetName, JobValue, Model, Name, RepositoryFile, TemplateText
from shared.automations.language_deploy import Evaluate, Gate, check_gates
from shared.automations.language_values import Percent, one_or_more

_LOOPBACK: Final = frozenset({"127.0.0.1", "localhost", "::1"})
_AUTHORITY: Final = re.compile(r"[A-Za-z0-9.:\[\]-]+")
_OUTPUT: Final = re.compile(r"[a-z0-9][a-z0-9-]{2,62}(/[A-Za-z0-9._-]+)*")
_HEADER: Final = re.compile(r"[A-Za-z0-9-]{1,64}")
_SECRET_HEADERS: Final = frozenset({"authorization", "x-functions-key", "api-key", "x-api-key", "cookie"})

Status = Literal[
    "collecting",
    "held",
    "queued",
    "running",
    "waiting-approval",
    "succeeded",
    "failed",
    "refused",
    "cancelled",
    "superseded",
]


def _url(text: str) -> str:
    try:
        parts = urlsplit(text)
        host, _ = parts.hostname, parts.port
    except ValueError as error:
        raise ValueError(f"{text!r} is no address: {error}") from None
    if not host or not (parts.scheme == "https" or (parts.scheme == "http" and host in _LOOPBACK)):
        raise ValueError(f"{text!r}: a webhook's address begins with https:// (http:// only on this machine)")
    if "@" in parts.netloc or not _AUTHORITY.fullmatch(parts.netloc):
        raise ValueError(f"{text!r}: the host of a webhook is fixed, without a name, password or expression in it")
    return text


def _output(text: str) -> str:
    if not _OUTPUT.fullmatch(text) or ".." in text:
        raise ValueError(f"{text!r}: an output is a container, or folders in one, such as scored or scored/flights")
    return text


Url = Annotated[str, AfterValidator(_url)]
Channels = Annotated[tuple[Name, ...], BeforeValidator(one_or_more)]


class Results(Model):
    """What batch results must keep; they are not taken for results otherwise."""

    max_errors: Percent = Field(default=0.0, description="Share of rows that may fail.")
    max_nulls: Percent = Field(default=0.0, description="Share of predictions that may be empty.")
    same_rows: bool = Field(default=True, description="Each row in gives one row out.")


class Score(Model):
    """Score files in a batch: by a batch endpoint, or by an Azure ML job."""

    endpoint: str | None = Field(
        default=None,
        min_length=3,
        max_length=32,
        description="Name of the batch endpoint; exactly one of endpoint, job.",
    )
    deployment: str | None = Field(
        default=None, max_length=32, description="One of its deployments; the default one else."
    )
    job: RepositoryFile | None = Field(default=None, description="Azure ML job file, from the project's root.")
    inputs: dict[str, JobValue] = Field(default_factory=dict, description="`data` is ${{ files }} if left out.")
    output: Annotated[str, AfterValidator(_output)] = Field(
        description="Container, or folders in one; results go under <output>/<activity>/<attempt>/."
    )
    results: Results = Results()

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if (self.endpoint is None) == (self.job is None):
            raise ValueError("score has exactly one of endpoint and job")
        if self.deployment and self.job:
            raise ValueError("a deployment belongs to an endpoint, not to a job")
        return self


class RegisterModel(Model):
    """Register a model that lies in files or in the outputs of a run."""

    model: AssetName
    source: TemplateText = Field(alias="from", min_length=1, description="${{ files }}, or a path azureml://jobs/….")
    type: Literal["mlflow_model", "custom_model", "triton_model"] = "custom_model"
    description: str = ""
    tags: dict[str, TemplateText] = Field(default_factory=dict)


class Target(Model):
    """Where a model is promoted to: a registry, or another workspace."""

    registry: str | None = Field(default=None, min_length=2, max_length=32, description="Name of the registry.")
    workspace: str | None = Field(default=None, min_length=2, max_length=260, description="Name of the workspace.")
    resource_group: str | None = Field(default=None, min_length=1, max_length=90, description="Of the workspace.")
    subscription: str | None = Field(default=None, min_length=36, max_length=36, description="Its id; this one else.")

    @model_validator(mode="after")
    def _one(self) -> Self:
        if (self.registry is None) == (self.workspace is None):
            raise ValueError("a model is promoted to exactly one of registry and workspace")
        if self.workspace and not self.resource_group:
            raise ValueError("a workspace is named with its resource-group")
        if self.registry and (self.resource_group or self.subscription):
            raise ValueError("a registry is named alone, without resource-group and subscription")
        return self


class Promote(Model):
    """Take the same model, with its lineage, to another workspace or a registry."""

    to: Target
    model: TemplateText | None = Field(
        default=None, description="azureml:name:version; the version that the event names if left out."
    )
    evaluate: Evaluate | None = None
    gates: tuple[Gate, ...] = Field(default=(), strict=False, max_length=20, description="All of them must pass.")
    tags: dict[str, TemplateText] = Field(default_factory=dict, description="Further tags of the promoted version.")

    @model_validator(mode="after")
    def _names_a_version(self) -> Self:
        check_gates(self.gates, self.evaluate)
        if self.tags and self.to.registry:
            raise ValueError("tags are put on a version in a workspace; a registry takes over those of the model")
        if self.model and "${{" not in self.model and ("@" in self.model or self.model.count(":") < 2):
            raise ValueError(f"{self.model!r}: a model is promoted by version, as in azureml:arrival-delay:3")
        return self


class Job(Model):
    """Run any Azure ML job."""

    job: RepositoryFile = Field(description="Azure ML job file, from the project's root.")
    inputs: dict[str, JobValue] = Field(default_factory=dict, description="Values of the job's inputs.")


class NotifyAction(Model):
    """Tell people."""

    to: Channels = Field(strict=False, min_length=1, description="Channels, by their names in the settings.")
    subject: TemplateText = Field(
        default="", max_length=500, description="One line; the automation's name if left out."
    )
    message: TemplateText = Field(default="", max_length=8000, description="Text; what happened if left out.")


class Webhook(Model):
    """Send what happened to an address, signed where a secret is named."""

    url: Url
    secret: Name | None = Field(default=None, description="Name of the setting that holds the key of the signature.")
    body: dict[str, JobValue] = Field(default_factory=dict, description="Sent as JSON; the activity if left out.")
    headers: dict[str, str] = Field(default_factory=dict, description="Further headers; no secrets.")

    @model_validator(mode="after")
    def _holds_no_secret(self) -> Self:
        for name, value in self.headers.items():
            if name.lower() in _SECRET_HEADERS:
                raise ValueError(f"header {name}: a secret does not belong here; name a setting under `secret`")
            if not _HEADER.fullmatch(name) or any(ord(character) < 32 for character in value):
                raise ValueError(f"header {name!r} cannot be sent: letters, digits and hyphens, without line breaks")
        return self


class Notify(Model):
    """Whom to tell when an activity of this automation comes to a status."""

    on: tuple[Status, ...] = Field(
        default=("failed", "refused"), strict=False, min_length=1, description="Statuses of an activity."
    )
    to: Channels = Field(strict=False, min_length=1, description="Channels, by their names in the settings.")
