"""Verbs that try without acting: simulate, backtest."""

import argparse
from typing import Any, Final

from cli.console import place, span, when
from cli.rules import default_root, events_of, rules_of
from cli.verbs import DONE, REFUSED, Job, Verb, moment

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
        (place(event["subject"]), outcome["what"], outcome["automation"], outcome["activity"] or outcome["reason"])
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


def _backtest_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--since", required=True, help="the span's begin: an ISO 8601 time, or 30d, 12h")
    parser.add_argument("--until", help="its end; now if left out")
    parser.add_argument("--rules", metavar="FOLDER", help="a project whose automations are compared (where ./hub is)")


def backtest(job: Job) -> int:
    """Show what other rules would have begun, held or left alone; 1 where an automation is invalid."""
    body = {"since": moment(job.since), "rules": rules_of(job.rules or default_root())}
    if job.until:
        body["until"] = moment(job.until)
    with job.screen.waiting("comparing"):
        found = job.hub.post("backtest", body, timeout=_LONG)
    if job.screen.as_json:
        job.screen.json(found)
        return REFUSED if found["invalid"] else DONE
    rows = [
        (
            one["kind"],
            one["automation"],
            when((one["after"] or one["before"])["created"]),
            _side(one["before"]),
            _side(one["after"]),
            one["reason"],
            ", ".join(one["happened"]),
        )
        for one in found["differences"]
    ]
    columns = ("difference", "automation", "when", "before", "after", "why", "happened as")
    job.screen.table(columns, rows, "no difference")
    job.screen.say()
    totals = [(name, *_totals(found[name])) for name in ("before", "after", "happened")]
    job.screen.table(("", "activities", "held", "merged", "refused", "node hours", "cost"), totals)
    job.screen.say(f"{found['events']} events; {found['by_hand']} activities were started by hand", "dim")
    for line in found["unexplained"][:20]:
        job.screen.say(f"not explained by the rules in force: {line}", "yellow")
    for problems in found["invalid"].values():
        for problem in problems:
            job.screen.say(problem, "red")
    return REFUSED if found["invalid"] else DONE


def _side(fired: dict[str, Any] | None) -> str:
    if fired is None:
        return ""
    held = f", held {span(fired['held_seconds'])}" if fired["held"] else ""
    return f"{fired['status']}, {fired['files']} files{held}"


def _totals(totals: dict[str, Any]) -> tuple[Any, ...]:
    cost = ", ".join(f"{amount:.2f} {currency}" for currency, amount in totals["cost"].items())
    return totals["activities"], totals["held"], totals["merged"], totals["refused"], totals["hours"], cost


VERBS: Final = (
    Verb("simulate", "what events would do, without doing it", _simulate_arguments, simulate),
    Verb("backtest", "what other rules would have begun over a span of history", _backtest_arguments, backtest),
)
