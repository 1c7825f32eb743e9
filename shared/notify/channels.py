"""The channels of HUB_CHANNELS: where messages go, and which ones go there without an automation saying so."""

import fnmatch
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, TypeAdapter, ValidationError

from shared.automations.language_actions import Status
from shared.ledger.records import Activity

Kind = Literal["teams", "slack", "webhook", "events"]
Severity = Literal["info", "warning", "decision", "error"]
EVENTS: Final = "events"
"""The channel of the hub's own events; it is there wherever HUB_TOPIC_ENDPOINT is set."""
SEVERITIES: Final[Mapping[str, Severity]] = {
    "failed": "error",
    "refused": "warning",
    "held": "warning",
    "waiting-approval": "decision",
}
FORM: Final = (
    'HUB_CHANNELS is not of the form {"ops": {"kind": "teams", "url-setting": "HUB_OPS_URL", "routes": '
    '[{"automations": ["delay-*"], "on": ["failed", "held"]}]}}'
)


def severity_of(status: str) -> Severity:
    """Give how much a status matters to people."""
    return SEVERITIES.get(status, "info")


class _Model(BaseModel):
    model_config = ConfigDict(
        extra="forbid", frozen=True, alias_generator=lambda name: name.replace("_", "-"), validate_by_alias=True
    )


class Route(_Model):
    """What goes to a channel: automations by pattern, and the statuses or severities of which it is told."""

    automations: tuple[str, ...] = ("*",)
    on: tuple[Status, ...] = ()
    severities: tuple[Severity, ...] = ()

    def takes(self, activity: Activity) -> bool:
        """Tell whether it takes what became of an activity."""
        named = any(fnmatch.fnmatchcase(activity.automation, pattern) for pattern in self.automations)
        return named and (activity.status in self.on or severity_of(activity.status) in self.severities)


class _Given(_Model):
    kind: Literal["teams", "slack", "webhook"]
    url: str = ""
    url_setting: str = ""
    secret_setting: str = ""
    routes: tuple[Route, ...] = ()


@dataclass(frozen=True, slots=True)
class Channel:
    """One channel. `problem` is why nothing can be sent to it, "" where it can."""

    name: str
    kind: Kind
    url: str = field(default="", repr=False)
    secret: str = field(default="", repr=False)
    routes: tuple[Route, ...] = ()
    problem: str = ""


_NAME = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9-]{0,62}$")]
_TABLE: Final = TypeAdapter(dict[_NAME, Annotated[_Given, Field()]])


def read(text: str, environment: Mapping[str, str], topic: str) -> Mapping[str, Channel]:
    """Read the channels; a secret is given by the name of the setting that holds it. Raises ValueError."""
    try:
        given: dict[str, _Given] = _TABLE.validate_python(_lists_to_tuples(json.loads(text)))
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        raise ValueError(f"{FORM}: at {'.'.join(map(str, first['loc']))}: {first['msg']}") from None
    except ValueError:
        raise ValueError(f"{FORM}: it is no JSON") from None
    found = {name: _channel(name, one, environment) for name, one in given.items()}
    if topic:
        everything = Route(severities=("info", "warning", "decision", "error"))
        found[EVENTS] = Channel(EVENTS, "events", topic, environment.get("HUB_TOPIC_KEY", ""), (everything,))
    return found


def _channel(name: str, given: _Given, environment: Mapping[str, str]) -> Channel:
    problem = ""
    if name == EVENTS:
        problem = f"the name {EVENTS} is kept for the hub's own topic: choose another"
    if bool(given.url) == bool(given.url_setting):
        problem = "it has exactly one of url and url-setting"
    for setting in (given.url_setting, given.secret_setting):
        if setting and not environment.get(setting):
            problem = f"setting {setting}, which it names, is not there"
    if given.kind == "webhook" and not given.secret_setting:
        problem = problem or "a webhook needs secret-setting: the receiver cannot know who sends otherwise"
    url = given.url or environment.get(given.url_setting, "")
    secret = environment.get(given.secret_setting, "") if given.secret_setting else ""
    return Channel(name, given.kind, url, secret, given.routes, problem)


def _lists_to_tuples(value: Any) -> Any:
    if isinstance(value, list):
        return tuple(_lists_to_tuples(item) for item in value)
    if isinstance(value, dict):
        return {key: _lists_to_tuples(item) for key, item in value.items()}
    return value
