"""Verbs that send: emit, replay, backfill, and dead-letters, which says what could be sent again."""

import argparse
import json
import re
import uuid
from datetime import UTC, datetime
from typing import Any, Final

from cli.console import place, size, when
from cli.rules import events_of
from cli.verbs import DONE, REFUSED, Job, UsageError, Verb, moment

_LONG: Final = 230.0
_BATCH: Final = 500
OUTCOMES: Final = ("ignored", "quarantined", "collected", "opened")
_EVENT: Final = re.compile(r"[0-9a-f]{32}")
_LETTER: Final = re.compile(r"[0-9]{13}-[0-9a-f]{12}")


def _emit_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", nargs="?", help="a file of events: one, a list, or one a line; - reads the input")
    parser.add_argument("--type", help="instead of a file: one CloudEvent of this type")
    parser.add_argument("--source", default="hub/command-line", help="its source")
    parser.add_argument("--subject", default="", help="its subject")
    parser.add_argument("--data", default="{}", help="its data, as JSON")


def emit(job: Job) -> int:
    """Send events to the hub; 1 where one of them is broken."""
    if (job.file is None) == (job.type is None):
        raise UsageError("name a file of events, or --type for one event")
    events = events_of(job.file) if job.file else [_event(job)]
    total = {"new": 0, "known": 0, "broken": 0}
    hub = job.hub
    for start in range(0, len(events), _BATCH):
        answer = hub.post("events", events[start : start + _BATCH])
        total = {name: total[name] + answer[name] for name in total}
    if job.screen.as_json:
        job.screen.json(total)
    else:
        job.screen.say(f"{total['new']} new, {total['known']} known, {total['broken']} broken")
        if total["broken"]:
            job.screen.say("what is wrong with them: hub dead-letters", "yellow")
    return REFUSED if total["broken"] else DONE


def _event(job: Job) -> dict[str, Any]:
    try:
        data = json.loads(job.data)
    except ValueError as error:
        raise UsageError(f"--data is no JSON: {error}") from None
    return {
        "specversion": "1.0",
        "id": str(uuid.uuid4()),
        "source": job.source,
        "type": job.type,
        "subject": job.subject,
        "time": datetime.now(UTC).isoformat(),
        "data": data,
    }


def _dead_letters_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("id", nargs="?", help="one, with its content")
    parser.add_argument("--limit", type=int, default=20, help="how many (20)")


def dead_letters(job: Job) -> int:
    """List what could not be delivered, read or worked on."""
    if job.id:
        found = job.hub.get(f"dead-letters/{job.id}")
        if job.screen.as_json:
            job.screen.json(found)
        else:
            job.screen.table(("", ""), [(name, value) for name, value in found.items() if value not in ("", None, 0)])
        return DONE
    items = list(job.hub.pages("dead-letters", {}, job.limit))
    if job.screen.as_json:
        job.screen.json({"items": items})
        return DONE
    rows = [
        (
            item["id"],
            item["kind"],
            when(item["at"]),
            place(item["subject"]) or item["type"],
            item["reason"],
            f"replayed by {item['replayed_by']}" if item["replayed"] else "",
        )
        for item in items
    ]
    job.screen.table(("dead letter", "kind", "at", "subject", "reason", ""), rows, "there are no dead letters")
    return DONE


def _replay_arguments(parser: argparse.ArgumentParser) -> None:
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("id", nargs="?", help="an event's or a dead letter's id")
    what.add_argument("--refused-by", metavar="AUTOMATION", help="all that this automation refused since --since")
    what.add_argument("--span", action="store_true", help="what was received from --since to --until")
    parser.add_argument("--since", help="an ISO 8601 time, or 30d, 12h")
    parser.add_argument("--until", help="the same; now if left out")
    parser.add_argument("--outcome", default="", choices=OUTCOMES, help="only what became that")
    parser.add_argument("--again", action="store_true", help="decide once more what was decided before")
    parser.add_argument("--yes", action="store_true", help="send; without it, only what would come of it is told")


def replay(job: Job) -> int:
    """Send events again; without --yes say what the duplicate check would say."""
    body: dict[str, Any] = {"again": job.again, "send": job.yes}
    if (job.refused_by or job.span) and not job.since:
        raise UsageError("--since is needed here")
    if job.refused_by:
        body["refused_by"] = {"automation": job.refused_by, "since": moment(job.since)}
    elif job.span:
        until = moment(job.until) or datetime.now(UTC).isoformat()
        body["span"] = {"since": moment(job.since), "until": until, "outcome": job.outcome}
    elif _EVENT.fullmatch(job.id) or _LETTER.fullmatch(job.id):
        body["dead_letter" if "-" in job.id else "event"] = job.id
    else:
        raise UsageError(f"{job.id!r} is no id: hub events lists those of events, hub dead-letters the others")
    found = job.hub.post("replay", body, headers={"Idempotency-Key": str(uuid.uuid4())}, timeout=_LONG)
    if job.screen.as_json:
        job.screen.json(found)
        return DONE
    rows = [(place(one["subject"]) or one["id"], one["became"], one["says"]) for one in found["told"]]
    job.screen.table(("event", "became", "now"), rows, "no events")
    if found["woken"]:
        job.screen.say(f"{found['woken']} messages of the hub's own work")
    if found["done"]:
        job.screen.say(f"sent: {found['new']} new, {found['folded']} known, {found['broken']} broken", "green")
    else:
        job.screen.say(f"{found['events']} events, {found['known']} known; nothing was sent: add --yes", "yellow")
    return DONE


def _backfill_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("automation", help="whose files are brought in")
    parser.add_argument("--since", help="not older than that: an ISO 8601 time, or 30d, 12h")
    parser.add_argument("--until", help="older than that, written in the same way")
    parser.add_argument("--yes", action="store_true", help="bring them in; without it, only what would begin is told")


def backfill(job: Job) -> int:
    """Bring older files in; without --yes say what that would begin."""
    given = {"automation": job.automation, "since": moment(job.since), "until": moment(job.until)}
    body = {**{name: value for name, value in given.items() if value}, "send": job.yes}
    found = job.hub.post("backfill", body, timeout=_LONG)
    if job.screen.as_json:
        job.screen.json(found)
        return DONE
    job.screen.say(
        f"{found['files']} files, {size(found['size'])}, from {when(found['oldest'])} to {when(found['newest'])}"
        if found["files"]
        else "no file matches"
    )
    if found["again"]:
        job.screen.say(f"{found['again']} of them did nothing when they came: they are decided again")
    if found["known"] and not found["done"]:
        job.screen.say(f"{found['known']} of them were taken before: they begin nothing again")
    rows = [
        (one["automation"], one["files"], one["status"], "; ".join(one["held"]), one["reason"] or one["closed_by"])
        for one in found["activities"]
    ]
    job.screen.table(("automation", "files", "would be", "held", "why"), rows, "no activity would begin")
    for one in found["open"]:
        job.screen.say(f"{one['id']} would gather {one['files']} files: {one['waits_for']}", "yellow")
    if found["done"]:
        job.screen.say(f"brought in: {found['new']} new, {found['known']} known", "green")
    else:
        job.screen.say("nothing was brought in: add --yes", "yellow")
    return DONE


VERBS: Final = (
    Verb("emit", "send events to the hub", _emit_arguments, emit),
    Verb("dead-letters", "what could not be delivered, read or worked on", _dead_letters_arguments, dead_letters),
    Verb("replay", "send events again; what would come of it is told first", _replay_arguments, replay),
    Verb("backfill", "bring in older files; what they would begin is told first", _backfill_arguments, backfill),
)
