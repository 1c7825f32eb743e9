"""Verbs that try without acting: simulate, backtest."""

import argparse
from typing import Final

from cli.console import when
from cli.rules import events_of, rules_of
from cli.verbs import DONE, Job, Verb

_LONG: Final = 230.0
"""Seconds after which Azure cuts an answer off."""


def _simulate_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("events", help="a file of events: one, a list, or one a line; - reads the input")
    parser.add_argument("--rules", metavar="FOLDER", help="a project whose automations decide, not the hub's own")
    parser.add_argument("--hours", type=float, default=24.0, help="time that passes after the last event (24)")


def simulate(job: Job) -> int:
    """Show what events would do; nothing is done."""
    body = {"events": events_of(job.options.events), "hours": job.hours}
    if job.rules:
        body["rules"] = rules_of(job.rules)
    found = job.hub.post("simulate", body, timeout=_LONG)
    if job.screen.as_json:
        job.screen.json(found)
        return DONE
    rows = [
        (event["subject"], outcome["what"], outcome["automation"], outcome["activity"] or outcome["reason"])
        for event in found["events"][:200]
        for outcome in event["outcomes"]
    ]
    job.screen.table(("event", "outcome", "automation", "what"), rows, "no events")
    if len(found["events"]) > 200:
        job.screen.say(f"… {len(found['events']) - 200} more events; --json gives all", "dim")
    job.screen.say()
    begun = [
        (
            one["id"],
            one["automation"],
            one["status"],
            one["files"],
            "; ".join(one["held"]),
            one["reason"] or one["closed_by"],
        )
        for one in found["activities"]
    ]
    job.screen.table(("activity", "automation", "would be", "files", "held", "why"), begun, "no activity would begin")
    for one in found["open"]:
        job.screen.say(f"{one['id']} would still gather {one['files']} files: {one['waits_for']}", "yellow")
    for problems in found["invalid"].values():
        for problem in problems:
            job.screen.say(problem, "red")
    job.screen.say(f"from {when(found['began'])} to {when(found['ended'])}; nothing was done", "dim")
    return DONE


VERBS: Final = (Verb("simulate", "what events would do, without doing it", _simulate_arguments, simulate),)
