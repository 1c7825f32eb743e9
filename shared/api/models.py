"""What the API gives: the models from which answers and the OpenAPI document are made."""

from datetime import datetime
from typing import Annotated, Any, Final, Generic, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field

from shared.ledger.records import ActivityStatus, StepState

ACTIVITY: Final = r"^[0-9]{8}t[0-9]{6}-[0-9a-f]{10}$"
COLLECTION: Final = r"^[a-z][a-z0-9-]{0,62}-[0-9a-f]{10}$"
CLAIM: Final = r"^[0-9a-f]{32}$"
LETTER: Final = r"^[0-9]{13}-[0-9a-f]{12}$"
AUTOMATION: Final = r"^[a-z][a-z0-9-]{0,62}$"
_GO_ON: Final = r"^[A-Za-z0-9:_-]{0,200}$"
Text = Annotated[str, Field(max_length=1000)]
Item = TypeVar("Item")


class Given(BaseModel):
    """What the hub answers."""

    model_config = ConfigDict(frozen=True, defer_build=True)


class Page(Given, Generic[Item]):
    """A page of a list, newest first. `next` is the token of the page after it; null on the last one."""

    items: list[Item]
    next: str | None = None


class Problem(Given):
    """An error as a problem document (RFC 9457)."""

    model_config = ConfigDict(extra="allow", defer_build=True)

    type: str = "about:blank"
    title: str
    status: int
    detail: str | None = None


class Health(Given):
    """The app answers."""

    status: Literal["ok"] = "ok"


class Paused(Given):
    """A pause in force: who, why, since when."""

    name: str
    who: str
    reason: str
    at: datetime


class QueueView(Given):
    """A queue: messages in it, and the age of the oldest one that could be taken now."""

    messages: int
    oldest_seconds: float


class StormView(Given):
    """The storm breaker: since when it holds everything, null while it does not, and how often it ever tripped."""

    since: datetime | None
    trips: int


class ProbeView(Given):
    """The last probe that was sent and the last that came back, with the seconds that it took."""

    sent: datetime | None
    came: datetime | None
    latency_seconds: float | None


class AutomationCounts(Given):
    """How many automations are in force, and the problems of the others by file."""

    valid: int
    invalid: dict[str, list[str]]


class Status(Given):
    """How the hub is."""

    hub: str
    time: datetime
    paused: Paused | None = Field(description="The pause of the whole hub; null where there is none.")
    queues: dict[str, QueueView]
    open: dict[str, int] = Field(description="Unfinished activities and open collections.")
    automations: AutomationCounts
    paused_automations: list[Paused] = []
    storm: StormView
    probe: ProbeView
    held: int = Field(description="Activities that a limit or a pause keeps back.")


class Resumed(Given):
    """Whether a pause was in force."""

    name: str
    resumed: bool


class InputView(Given):
    """An input that a person gives."""

    type: str
    default: str | int | float | bool | None = None
    description: str = ""


class AutomationView(Given):
    """An automation; of an invalid one only its problems are known."""

    name: str
    valid: bool
    description: str = ""
    action: str = ""
    content: str = Field(default="", description="SHA-256 over all that it is made of.")
    file: str = ""
    inputs: dict[str, InputView] = {}
    problems: list[str] = []
    paused: Paused | None = None


class Started(Given):
    """The activity that was opened, or the one of the same Idempotency-Key."""

    id: str
    new: bool


class CauseView(Given):
    """Why an activity exists."""

    kind: str
    claims: list[str] = Field(default=[], description="Events that caused it, the first 20 of `count`.")
    count: int = 0
    who: str = ""
    event: dict[str, Any] = {}
    collection: str = ""
    generation: int = 0
    closed_by: str = ""


class FileView(Given):
    """One content of one blob."""

    account: str
    container: str
    path: str
    etag: str
    size: int
    time: datetime
    claim: str = ""


class FilesView(Given):
    """The frozen list of files; `items` holds at most 5,000, and only where one activity was asked for."""

    count: int
    size: int
    items: list[FileView] | None = None


class StepView(Given):
    """One step."""

    name: str
    kind: str
    state: StepState
    attempt: int
    started: datetime | None = None
    ended: datetime | None = None
    reason: str = ""
    detail: dict[str, Any] = {}


class ActView(Given):
    """What somebody asked of it."""

    kind: str
    who: str
    at: datetime
    reason: str = ""
    person: bool = False
    attempt: int = 1


class ActivityView(Given):
    """An activity."""

    id: str
    automation: str
    action: str
    status: ActivityStatus
    attempt: int
    cause: CauseView
    files: FilesView
    steps: list[StepView]
    created: datetime
    updated: datetime
    reason: str
    content: str = ""
    captures: dict[str, str] = {}
    inputs: dict[str, Any] = {}
    acts: list[ActView] = []
    trace: str = ""


class CollectionView(Given):
    """What is gathering."""

    id: str
    automation: str
    by: dict[str, str]
    generation: int
    state: str
    opened: datetime | None
    files: int
    size: int
    last: datetime | None
    marker: bool


class Closing(Given):
    """The collection that closes at its next look."""

    id: str


class HoldView(Given):
    """Work that is kept back: an activity, or a collection that waits for what should make it whole."""

    id: str
    kind: Literal["activity", "collection"]
    automation: str
    since: datetime | None
    reason: str


class OutcomeView(Given):
    """What became of an event at one automation."""

    what: str
    automation: str = ""
    target: str = ""
    generation: int = 0
    reason: str = ""


class EventView(Given):
    """An event as the ledger keeps it."""

    id: str
    received: datetime
    type: str
    subject: str
    via: str
    outcomes: list[OutcomeView]


class DeadLetterView(Given):
    """What could not be delivered, read or worked on; POST /api/replay sends it again."""

    id: str
    kind: Literal["event-grid", "events", "work", "quarantine", "notify"]
    at: datetime
    reason: str
    subject: str = ""
    type: str = ""
    attempts: int = 0
    replayed: datetime | None = None
    replayed_by: str = ""
    content: str | None = Field(default=None, description="What it holds; only where one was asked for.")


class AuditView(Given):
    """An entry of the audit trail, in its chain of hashes."""

    chain: str
    number: int
    at: datetime
    who: str
    what: str
    subject: str
    reason: str = ""
    detail: dict[str, Any] = {}
    hash: str


class FindingView(Given):
    """Something in the audit trail that is not as it was written."""

    chain: str
    number: int
    problem: str


class VerifiedView(Given):
    """What verifying the audit trail gave. `tail`: entries that no seal covers yet."""

    entries: int
    seals: int
    tail: int
    findings: list[FindingView]


class DeploymentShown(Given):
    """A deployment: its model, and its share of the traffic in per cent."""

    name: str
    state: str
    model: str = ""
    traffic: int = 0
    mirror: int = 0
    error: str = ""


class EndpointShown(Given):
    """An endpoint that automations deploy to. `release` is the activity that changes it now."""

    name: str
    state: str
    automations: list[str]
    release: str | None = None
    scoring_uri: str = ""
    deployments: list[DeploymentShown] = []
    reason: str = ""


class RolledBack(Given):
    """What a rollback does: which release ends, or the traffic that was set."""

    endpoint: str
    release: str
    how: str
    traffic: dict[str, int]


class EventsTaken(Given):
    """What a delivery came to."""

    new: int = 0
    known: int = 0
    broken: int = Field(default=0, description="Quarantined; GET /api/dead-letters lists them with their reasons.")
    validationResponse: str | None = Field(  # noqa: N815 Event Grid's name
        default=None, description="The code of a SubscriptionValidation event: the handshake of Event Grid's schema."
    )
