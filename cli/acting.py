"""Verbs that do: run, approve, reject, cancel, retry, acknowledge, rollback, pause, resume."""

import argparse
import json
import time
from collections.abc import Callable
from typing import Any, Final
from urllib.parse import quote

from cli.looking import show_activity
from cli.verbs import DONE, REFUSED, Job, UsageError, Verb

FINISHED: Final = frozenset({"succeeded", "failed", "refused", "cancelled", "superseded"})
_BETWEEN_LOOKS: Final = 1.0


def _run_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", help="the automation")
    parser.add_argument(
        "inputs", nargs="*", metavar="input=value", help="inputs that it declares; value is JSON or text"
    )
    parser.add_argument("--key", default="", help="Idempotency-Key: the same one starts it once")
    parser.add_argument("--wait", action="store_true", help="follow it to its end; 1 unless it succeeds")


def run(job: Job) -> int:
    """Start an automation by hand."""
    hub = job.hub
    declared = hub.get(f"automations/{quote(job.name, safe='')}")["inputs"]
    inputs = dict(_input(text, declared) for text in job.inputs)
    headers = {"Idempotency-Key": job.key} if job.key else {}
    started = hub.post(f"automations/{quote(job.name, safe='')}/run", {"inputs": inputs}, headers=headers)
    if job.wait:
        return follow(job, started["id"])
    if job.screen.as_json:
        job.screen.json(started)
    else:
        again = "" if started["new"] else " (started before with this key)"
        job.screen.say(f"{started['id']}{again}; follow it with: hub activities {started['id']}")
    return DONE


def _input(text: str, declared: dict[str, Any]) -> tuple[str, Any]:
    name, equals, value = text.partition("=")
    if not equals or not name:
        raise UsageError(f"{text!r} is no input: write name=value")
    if declared.get(name, {}).get("type") == "string":
        return name, value
    try:
        return name, json.loads(value)
    except ValueError:
        return name, value


def follow(job: Job, identifier: str) -> int:
    """Follow an activity to its end."""
    from rich.live import Live
    from rich.table import Table

    from cli.console import cell

    def picture(activity: dict[str, Any]) -> Table:
        table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), show_header=False)
        table.add_row(cell(identifier), cell(activity["status"]), cell(activity["reason"]))
        for step in activity["steps"]:
            table.add_row(cell(f"  {step['name']}"), cell(step["state"]), cell(step["reason"]))
        return table

    hub = job.hub
    found = hub.get(f"activities/{identifier}")
    if job.screen.as_json or not job.screen.out.is_terminal:
        while found["status"] not in FINISHED:
            time.sleep(_BETWEEN_LOOKS)
            found = hub.get(f"activities/{identifier}")
    else:
        with Live(picture(found), console=job.screen.out, auto_refresh=False, transient=True) as live:
            while found["status"] not in FINISHED:
                time.sleep(_BETWEEN_LOOKS)
                found = hub.get(f"activities/{identifier}")
                live.update(picture(found), refresh=True)
    show_activity(job, found)
    return DONE if found["status"] == "succeeded" else REFUSED


def _act_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("id", help="the activity")
    parser.add_argument("--reason", default="", help="why; it is kept with the activity")


_ASKED: Final = {
    "approve": "your approval is kept with",
    "reject": "your rejection is kept with",
    "cancel": "cancelling",
    "retry": "a new attempt begins of",
    "acknowledge": "it is noted that somebody has seen to",
}


def _act(kind: str) -> Callable[[Job], int]:
    def ask(job: Job) -> int:
        body = {"reason": job.reason} if job.reason else {}
        found = job.hub.post(f"activities/{quote(job.id, safe='')}/{kind}", body)
        if job.screen.as_json:
            job.screen.json(found)
        else:
            job.screen.say(f"{_ASKED[kind]} {found['id']}; follow it with: hub activities {found['id']}")
        return DONE

    return ask


def _switch_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", nargs="?", help="one automation; the whole hub if left out")
    parser.add_argument("--reason", default="", help="why; everybody sees it")


def _place(job: Job, verb: str) -> str:
    return f"automations/{quote(job.name, safe='')}/{verb}" if job.name else verb


def pause(job: Job) -> int:
    """Pause the hub or an automation."""
    made = job.hub.post(_place(job, "pause"), {"reason": job.reason} if job.reason else {})
    what = job.name or "the hub"
    job.screen.json(made) if job.screen.as_json else job.screen.say(f"{what} is paused: what would begin is held")
    return DONE


def resume(job: Job) -> int:
    """End a pause; 1 where there was none."""
    made = job.hub.post(_place(job, "resume"))
    what = job.name or "the hub"
    if job.screen.as_json:
        job.screen.json(made)
    else:
        job.screen.say(f"{what} goes on" if made["resumed"] else f"{what} was not paused")
    return DONE if made["resumed"] else REFUSED


def rollback(job: Job) -> int:
    """Go back: end the release under way, or undo the last one."""
    body = {"reason": job.reason} if job.reason else {}
    made = job.hub.post(f"endpoints/{quote(job.endpoint, safe='')}/rollback", body)
    if job.screen.as_json:
        job.screen.json(made)
    else:
        traffic = ", ".join(f"{name} {share}%" for name, share in made["traffic"].items())
        job.screen.say(f"{made['endpoint']}: {made['how']}" + (f"; traffic is {traffic}" if traffic else ""))
        job.screen.say(f"follow it with: hub activities {made['release']}", "dim")
    return DONE


def _rollback_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("endpoint", help="the endpoint; hub endpoints lists them")
    parser.add_argument("--reason", default="", help="why; it is kept in the audit trail")


def _resume_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", nargs="?", help="one automation; the whole hub if left out")


VERBS: Final = (
    Verb("run", "start an automation by hand", _run_arguments, run),
    Verb("approve", "approve what waits for it", _act_arguments, _act("approve")),
    Verb("reject", "reject what waits for approval", _act_arguments, _act("reject")),
    Verb("cancel", "cancel an activity; its job is ended", _act_arguments, _act("cancel")),
    Verb("retry", "a new attempt with the same frozen inputs", _act_arguments, _act("retry")),
    Verb("acknowledge", "note that somebody has seen to a failed one", _act_arguments, _act("acknowledge")),
    Verb("rollback", "end the release under way, or undo the last one", _rollback_arguments, rollback),
    Verb("pause", "hold what would begin: all of it, or one automation's", _switch_arguments, pause),
    Verb("resume", "end a pause; without a name a storm too", _resume_arguments, resume),
)
