"""Verbs that look: status, automations, activities, collections, holds, events."""

import argparse
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from cli.console import place, size, span, when
from cli.laptop import unread_said
from cli.verbs import DONE, REFUSED, Job, Verb, moment, nothing

STATUSES: Final = (
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
)
OUTCOMES: Final = ("collected", "opened", "woke", "marked", "folded", "ignored", "quarantined")


def status(job: Job) -> int:
    """Show how the hub is; 1 where an automation is invalid."""
    found = job.hub.get("status")
    invalid = found["automations"]["invalid"]
    if job.screen.as_json:
        job.screen.json(found)
        return REFUSED if invalid else DONE
    pause = found["paused"]
    rows: list[tuple[str, str]] = [("hub", f"{found['hub']} at {job.hub.target.url}")]
    rows += [
        (f"paused {one['name']}", f"by {one['who']} {when(one['at'])}: {one['reason'] or 'no reason given'}")
        for one in (*([pause] if pause else []), *found["paused_automations"])
    ]
    for name, queue in found["queues"].items():
        waiting = f"{queue['messages']} messages, the oldest {span(queue['oldest_seconds'])} old"
        rows.append((f"queue {name}", waiting if queue["messages"] else "empty"))
    rows += [(f"open {kind}", str(count)) for kind, count in found["open"].items()]
    rows.append(("automations", f"{found['automations']['valid']} valid, {len(invalid)} invalid"))
    storm, probe = found["storm"], found["probe"]
    rows.append(("held", str(found["held"])))
    rows.append(
        ("storms", f"holding since {when(storm['since'])}" if storm["since"] else f"none ({storm['trips']} ever)")
    )
    seen = f"came {when(probe['came'])} after {probe['latency_seconds']:.1f}s" if probe["came"] else "none came yet"
    seen += f"; last sent {when(probe['sent'])}" if probe["sent"] else "; none was sent yet"
    rows.append(("probe", seen))
    known = {"held", "storm", "probe", "hub", "time", "paused", "paused_automations", "queues", "open", "automations"}
    rows += [(name, str(value)) for name, value in found.items() if name not in known and value not in (None, [], {})]
    job.screen.table(("", ""), rows)
    for problems in invalid.values():
        for problem in problems:
            job.screen.say(str(problem), "red")
    return REFUSED if invalid else DONE


def automations(job: Job) -> int:
    """List automations, or show one."""
    if job.name:
        found = job.hub.get(f"automations/{_quoted(job.name)}")
        if job.screen.as_json:
            job.screen.json(found)
        else:
            job.screen.table(
                ("", ""), [(name, value) for name, value in found.items() if value not in ("", None, {}, [])]
            )
        return DONE
    page = job.hub.get("automations")
    if job.screen.as_json:
        job.screen.json(page)
        return DONE
    rows = [
        (
            item["name"],
            "yes" if item["valid"] else "no",
            item["action"],
            "paused" if item["paused"] else "",
            item["description"] or "\n".join(item["problems"]),
        )
        for item in page["items"]
    ]
    job.screen.table(("automation", "valid", "action", "", "description"), rows, "there is no automation yet")
    if changed := unread_said(job.hub.target, page["items"]):
        job.screen.say(changed, "yellow")
    return DONE


def _activities_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("id", nargs="?", help="one activity, with its steps and files")
    parser.add_argument("--automation", help="only of this automation")
    parser.add_argument("--status", choices=STATUSES, help="only in this status")
    parser.add_argument("--since", help="not older than that: an ISO 8601 time, or 30d, 12h")
    parser.add_argument("--limit", type=_count, default=20, help="how many (20)")


def activities(job: Job) -> int:
    """List activities, newest first, or show one."""
    if job.id:
        show_activity(job, job.hub.get(f"activities/{_quoted(job.id)}"))
        return DONE
    query = {"automation": job.automation, "status": job.status, "since": moment(job.since)}
    found = list(job.hub.pages("activities", query, job.limit))
    if job.screen.as_json:
        job.screen.json({"items": found})
        return DONE
    rows = [
        (
            item["id"],
            item["automation"],
            item["status"],
            _step(item),
            item["files"]["count"],
            when(item["created"]),
            item["reason"],
        )
        for item in found
    ]
    job.screen.table(
        ("activity", "automation", "status", "step", "files", "created", "reason"), rows, "no activity yet"
    )
    return DONE


def _step(activity: dict[str, Any]) -> str:
    present = next((step for step in activity["steps"] if step["state"] not in {"done", "skipped"}), None)
    return f"{present['name']} {present['state']}" if present else ""


def show_activity(job: Job, found: dict[str, Any]) -> None:
    """Show one activity."""
    if job.screen.as_json:
        job.screen.json(found)
        return
    cause = found["cause"]
    why = cause["who"] if cause["kind"] == "manual" else f"{cause['count']} {cause['kind']}"
    facts = [
        ("activity", found["id"]),
        ("automation", f"{found['automation']} ({found['action']})"),
        ("status", found["status"]),
        ("reason", found["reason"]),
        ("attempt", found["attempt"]),
        ("cause", f"{cause['kind']}: {why}" + (f", {cause['closed_by']}" if cause["closed_by"] else "")),
        ("captures", ", ".join(f"{name}={value}" for name, value in found["captures"].items())),
        ("inputs", ", ".join(f"{name}={value}" for name, value in found["inputs"].items())),
        ("files", f"{found['files']['count']}, {size(found['files']['size'])}"),
        *_made(found["steps"]),
        ("created", when(found["created"])),
        ("updated", when(found["updated"])),
    ]
    job.screen.table(("", ""), [fact for fact in facts if fact[1] != ""])
    job.screen.say()
    rows = [
        (
            step["name"],
            step["state"],
            step["attempt"],
            when(step["started"]),
            step["detail"].get("job", ""),
            step["reason"],
        )
        for step in found["steps"]
    ]
    job.screen.table(("step", "state", "attempt", "started", "job", "reason"), rows, "no steps")
    for act in found["acts"]:
        job.screen.say(f"{act['kind']} by {act['who']} {when(act['at'])} {act['reason']}".rstrip())
    if found["status"] in _NEXT:
        job.screen.say(_NEXT[found["status"]].format(id=found["id"]), "dim")


def _made(steps: Sequence[Mapping[str, Any]]) -> Iterator[tuple[str, str]]:
    """Give what the steps made, as far as people look for it: data, metrics, the model version."""
    for step in steps:
        detail = step["detail"]
        if step["state"] != "done":
            continue
        if detail.get("asset"):
            yield step["name"] + " as", f"{detail['asset']}:{detail.get('version', '')}"
        if metrics := detail.get("metrics"):
            shown = [f"{name} {value:.6g}" for name, value in sorted(metrics.items()) if "." not in name]
            yield "metrics", ", ".join(shown[:_MOST_METRICS]) + (", …" if len(shown) > _MOST_METRICS else "")
        if step["name"] == "register" and detail.get("model"):
            yield "model", f"{detail['model']}:{detail.get('version', '')}"


_MOST_METRICS: Final = 12
_NEXT: Final = {
    "waiting-approval": "it waits for a person: hub approve {id}, or: hub reject {id}",
    "held": "it goes on by itself once it may; to let it go now: hub holds --release {id}",
    "failed": "once the reason is mended: hub retry {id}; where nothing is to be done: hub acknowledge {id}",
}


def collections(job: Job) -> int:
    """List what is gathering, or close one now."""
    if job.close:
        answer = job.hub.post(f"collections/{_quoted(job.close)}/close")
        job.screen.json(answer) if job.screen.as_json else job.screen.say(f"{answer['id']} closes at its next look")
        return DONE
    page = job.hub.get("collections")
    if job.screen.as_json:
        job.screen.json(page)
        return DONE
    rows = [
        (
            item["id"],
            item["automation"],
            ", ".join(f"{name}={value}" for name, value in item["by"].items()),
            item["state"],
            item["files"],
            size(item["size"]),
            "marker came" if item["marker"] else "",
            when(item["last"]),
        )
        for item in page["items"]
    ]
    columns = ("collection", "automation", "by", "state", "files", "size", "marker", "last file")
    job.screen.table(columns, rows, "nothing is gathering")
    return DONE


def _collections_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--close", metavar="ID", help="close this one now, with what it has")


def holds(job: Job) -> int:
    """List what is kept back, or let one go."""
    if job.release:
        body = {"reason": job.reason} if job.reason else {}
        answer = job.hub.post(f"holds/{_quoted(job.release)}/release", body)
        job.screen.json(answer) if job.screen.as_json else job.screen.say(f"{answer['id']} is released")
        return DONE
    page = job.hub.get("holds")
    if job.screen.as_json:
        job.screen.json(page)
        return DONE
    rows = [
        (item["id"], item["kind"], item["automation"], when(item["since"]), item["reason"]) for item in page["items"]
    ]
    job.screen.table(("id", "kind", "automation", "since", "reason"), rows, "nothing is held")
    return DONE


def _holds_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--release", metavar="ID", help="let this one go")
    parser.add_argument("--reason", default="", help="why; it is kept with the activity")


def endpoints(job: Job) -> int:
    """List what serves which model."""
    page = job.hub.get("endpoints")
    if job.screen.as_json:
        job.screen.json(page)
        return DONE
    rows = []
    for item in page["items"]:
        rows.append((item["name"], item["state"], "", "", "", item["reason"] or (item["release"] or "")))
        for one in item["deployments"]:
            note = f"mirrors {one['mirror']}%" if one["mirror"] else one["error"]
            rows.append(("", one["state"], one["name"], one["model"], f"{one['traffic']}%", note))
    columns = ("endpoint", "state", "deployment", "model", "traffic", "")
    job.screen.table(columns, rows, "no automation deploys to an endpoint")
    return DONE


def audit(job: Job) -> int:
    """List who did what, or check that the trail is as it was written; 1 where it is not."""
    if job.verify or job.what == "verify":
        found = job.hub.get("audit/verify")
        if job.screen.as_json:
            job.screen.json(found)
        else:
            broken = [(one["chain"], one["number"], one["problem"]) for one in found["findings"]]
            job.screen.table(("chain", "entry", "problem"), broken, "the trail is as it was written")
            said = f"{found['entries']} entries, {found['seals']} seals, {found['tail']} entries not sealed yet"
            job.screen.say(said, "red" if found["findings"] else "green")
        return REFUSED if found["findings"] else DONE
    items = list(job.hub.pages("audit", {}, job.limit))
    if job.screen.as_json:
        job.screen.json({"items": items})
        return DONE
    rows = [(when(item["at"]), item["who"], item["what"], item["subject"], item["reason"]) for item in items]
    job.screen.table(("at", "who", "what", "subject", "reason"), rows, "nobody did anything yet")
    return DONE


def _audit_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("what", nargs="?", choices=["verify"], help="verify: check every hash, link and seal")
    parser.add_argument("--verify", action="store_true", help="the same")
    parser.add_argument("--limit", type=_count, default=20, help="how many (20)")


def events(job: Job) -> int:
    """List events with what became of them."""
    found = list(job.hub.pages("events", {"outcome": job.outcome}, job.limit))
    if job.screen.as_json:
        job.screen.json({"items": found})
        return DONE
    rows = []
    for item in found:
        for number, outcome in enumerate(item["outcomes"] or [{}]):
            first = (when(item["received"]), item["id"], item["type"].rpartition(".")[2], place(item["subject"]))
            said = (outcome.get("what"), outcome.get("automation"), outcome.get("target") or outcome.get("reason"))
            rows.append((*(first if number == 0 else ("",) * 4), *said))
    job.screen.table(("received", "event", "type", "subject", "outcome", "automation", "what"), rows, "no event yet")
    return DONE


def _events_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--outcome", choices=OUTCOMES, default="", help="only with an outcome of this kind")
    parser.add_argument("--limit", type=_count, default=20, help="how many (20)")


def _count(text: str) -> int:
    if not text.isdigit() or not 1 <= int(text) <= 100_000:
        raise argparse.ArgumentTypeError(f"{text!r} is no number from 1 to 100000")
    return int(text)


def _quoted(name: str) -> str:
    from urllib.parse import quote

    return quote(name, safe="")


def _name(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", nargs="?", help="one automation")


VERBS: Final = (
    Verb("status", "queues, backlog, pauses, invalid automations", nothing, status),
    Verb("automations", "the automations, valid or not", _name, automations),
    Verb("activities", "activities, newest first; or one", _activities_arguments, activities),
    Verb("collections", "what is gathering", _collections_arguments, collections),
    Verb("holds", "what is kept back, and why", _holds_arguments, holds),
    Verb("endpoints", "what serves which model", nothing, endpoints),
    Verb("audit", "who did what, newest first; or whether the trail is intact", _audit_arguments, audit),
    Verb("events", "events with what became of them, newest first", _events_arguments, events),
)
