"""What the page's forms do: each is one route of the API, with the values that its fields give."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from shared.api.models import AutomationView
from shared.api.problems import ProblemError
from shared.api.table import ROUTES
from shared.dashboard.asking import Desk


@dataclass(frozen=True, slots=True)
class Form:
    """A form: its route, what the path or the body takes from its field `target`, and whether it carries a reason."""

    route: str
    value: str = ""
    reason: bool = True
    body: str = ""
    done: str = "Done."


FORMS: Final[Mapping[str, Form]] = {
    "approve": Form("activity_approve", "id", done="Approved. It goes on at its next look."),
    "reject": Form("activity_reject", "id", done="Rejected."),
    "cancel": Form("activity_cancel", "id", done="Cancelling: what runs is being ended."),
    "retry": Form("activity_retry", "id", done="A new attempt begins with the same frozen inputs."),
    "acknowledge": Form("activity_acknowledge", "id", done="Acknowledged: it needs nobody any more."),
    "release": Form("hold_release", "id", done="Released."),
    "close": Form("collection_close", "id", reason=False, done="It closes at its next look."),
    "pause": Form("pause", done="The hub is paused: what would begin is held."),
    "resume": Form("resume", reason=False, done="The hub goes on."),
    "pause-automation": Form("automation_pause", "name", done="Paused: what would begin is held."),
    "resume-automation": Form("automation_resume", "name", reason=False, done="It goes on."),
    "roll-back": Form("endpoint_rollback", "name", done="Going back: traffic first, then the deployment."),
    "replay": Form("replay", reason=False, body="dead_letter", done="Sent again: what came of it is in the events."),
    "run": Form("automation_run", "name", reason=False, done="Started."),
}
DONE: Final[Mapping[str, str]] = {name: form.done for name, form in FORMS.items()}
_MOST_REASON: Final = 1000


async def act(desk: Desk, name: str, fields: Mapping[str, str]) -> None:
    """Do what a form asks for; raises ProblemError."""
    form = FORMS.get(name)
    if form is None or form.route not in ROUTES:
        raise ProblemError(404, "Not found", f"there is no act {name[:64]!r}")
    body: dict[str, Any] = {}
    if form.reason:
        reason = " ".join(fields.get("reason", "").split())
        if len(reason) > _MOST_REASON:
            raise ProblemError(422, "This does not fit", f"a reason has at most {_MOST_REASON} characters")
        body["reason"] = reason
    if name == "run":
        body["inputs"] = await _inputs(desk, fields)
    if form.body:
        body |= {form.body: fields.get("target", ""), "send": True}
    headers = {"Idempotency-Key": fields.get("once", "")} if name == "run" else {}
    values = {form.value: fields.get("target", "")} if form.value else {}
    await desk.do(form.route, values, body=body, headers=headers)


async def _inputs(desk: Desk, fields: Mapping[str, str]) -> dict[str, str | int | float | bool]:
    """Read the inputs of a start by hand, each as its automation declares it; what is left empty is left out."""
    rule = await desk.ask("automation", AutomationView, {"name": fields.get("target", "")})
    found: dict[str, str | int | float | bool] = {}
    for name, declared in rule.inputs.items():
        text = fields.get(f"input.{name}", "").strip()
        if not text:
            continue
        try:
            found[name] = _READ.get(declared.type, str)(text)
        except (ValueError, KeyError):
            raise ProblemError(422, "This does not fit", f"{name}: {text[:64]!r} is no {declared.type}") from None
    return found


_READ: Final[Mapping[str, Callable[[str], str | int | float | bool]]] = {
    "integer": int,
    "number": float,
    "boolean": lambda text: {"true": True, "false": False}[text],
}
