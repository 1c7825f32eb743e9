"""Verbs that ask where something came from and went: why, receipt, used-by."""

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from rich.tree import Tree

from cli.console import cell, clean, size, when
from cli.verbs import DONE, REFUSED, Job, UsageError, Verb


def _why_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "subject",
        help="an event's subject or id, a blob's address or container/path, models/name:version, a run, an activity",
    )


def why(job: Job) -> int:
    """Say why something happened, or did not; 1 where nothing is known of it."""
    found = job.hub.get("why", {"subject": job.subject})
    known = bool(found["events"] or found["activity"] or found["collection"])
    if job.screen.as_json:
        job.screen.json(found)
        return DONE if known else REFUSED
    for number, line in enumerate(found["said"]):
        job.screen.say(line, "bold" if number == 0 else "")
    tree = Tree(cell(found["asked"]), guide_style="dim")
    for event in found["events"]:
        branch = tree.add(cell(f"event {event['id']} received {when(event['received'])} by {event['via']}"))
        for became in event["became"]:
            node = branch.add(cell(" ".join(filter(None, (became["what"], became["automation"], became["reason"])))))
            if became["collection"]:
                one = became["collection"]
                text = f"collection {one['id']}/{one['generation']} {one['state']}, {one['files']} files"
                node.add(cell(f"{text}{', ' + one['waits_for'] if one['waits_for'] else ''}"))
            if became["activity"]:
                _activity(node, became["activity"])
        _triggers(branch, event["triggers"])
    if found["activity"]:
        _activity(tree, found["activity"])
    _triggers(tree, found["triggers"])
    job.screen.say()
    job.screen.out.print(tree)
    return DONE if known else REFUSED


def _activity(tree: Tree, activity: dict[str, Any]) -> None:
    node = tree.add(
        cell(f"activity {activity['id']} of {activity['automation']}: {activity['status']} {activity['reason']}")
    )
    for condition in activity["conditions"]:
        _condition(node, condition)
    for step in activity["steps"]:
        node.add(cell(f"step {step}"))


def _triggers(tree: Tree, triggers: list[dict[str, Any]]) -> None:
    for trigger in triggers:
        fires = "fires" if trigger["fires"] else "does not fire"
        node = tree.add(cell(f"{trigger['automation']}, trigger {trigger['trigger'] + 1} ({trigger['kind']}) {fires}"))
        for condition in trigger["conditions"]:
            _condition(node, condition)
        if trigger["guard"]:
            node.add(cell(f"held: {trigger['guard']}"))


def _condition(tree: Tree, condition: dict[str, Any]) -> None:
    from rich.text import Text

    mark, style = {True: ("✓", "green"), False: ("✗", "red"), None: ("·", "dim")}[condition["holds"]]
    text = f"{mark} {condition['what']}: expected {condition['expected']}, seen {condition['seen']}"
    tree.add(Text(clean(text + (f" ({condition['reason']})" if condition["reason"] else "")), style=style))


def _receipt_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", help="the model's name, or name:version")
    parser.add_argument("version", nargs="?", help="its version")
    parser.add_argument("--html", metavar="FILE", help="write it as a page")


def receipt(job: Job) -> int:
    """Show what led to a model version."""
    name, _, version = job.model.partition(":") if not job.version else (job.model, "", job.version)
    if not version:
        raise UsageError("name the version too: hub receipt NAME VERSION, or NAME:VERSION")
    path = f"models/{quote(name, safe='')}/versions/{quote(version, safe='')}/receipt"
    if job.html:
        Path(job.html).write_text(job.hub.text(path, accept="text/html"), encoding="utf-8")
        job.screen.say(f"written to {job.html}")
        return DONE
    found = job.hub.get(path)
    if job.screen.as_json:
        job.screen.json(found)
        return DONE
    job.screen.out.print(_receipt(found))
    return DONE


def _receipt(found: dict[str, Any]) -> Tree:
    tree = Tree(cell(f"{found['model']} version {found['version']}, registered {when(found['registered'])}"))
    for label in ("dataset", "new_files"):
        if found[label]:
            _data(tree, label.replace("_", " "), found[label])
    for line in _facts(found):
        tree.add(cell(line))
    for label, activity in [("made by", found["made_by"]), *(("release", one) for one in found["releases"])]:
        if activity:
            node = tree.add(cell(f"{label} {activity['id']} of {activity['automation']}: {activity['status']}"))
            for step in activity["steps"]:
                node.add(cell(" ".join(filter(None, (step["name"], step["state"], step["detail"].get("job", ""))))))
            for act in activity["acts"]:
                node.add(cell(f"{act['kind']} by {act['who']} {when(act['at'])} {act['reason']}".rstrip()))
    events = tree.add(cell(f"{len(found['events'])} events"))
    for event in found["events"][:5]:
        events.add(cell(f"{event['subject']} received {when(event['received'])}"))
    for line in found["missing"]:
        tree.add(cell(f"missing: {line}"))
    tree.add(cell(f"digest {found['digest']}"))
    return tree


def _facts(found: dict[str, Any]) -> Iterator[str]:
    """Give what a receipt says beyond its activities, a line each."""
    if run := found["run"]:
        commit = f", commit {run['commit'][:12]}" if run["commit"] else ""
        yield f"run {run['job']} in {run['environment'] or 'an environment that is not named'}{commit}"
    if found["metrics"]:
        yield "metrics " + ", ".join(f"{name} {value:.4g}" for name, value in list(found["metrics"].items())[:8])
    for gate in found["gates"]:
        yield f"gate {gate['gate']} {gate['result']}: {gate['reason']}"
    for rollout in found["rollouts"]:
        for act in rollout["traffic"]:
            if act["act"] != "Confirm":
                yield f"{when(act['at'])} {rollout['endpoint']} {act['traffic']}: {act['act']} {act['reason']}".rstrip()
    for one in found["live"]:
        yield f"live on {one['endpoint']}/{one['deployment']} with {one['traffic']}% of the requests"
    if found["scored"]:
        yield f"scored {sum(one['rows'] for one in found['scored'])} rows in {len(found['scored'])} batch runs"
    known = [one for one in found["cost"] if one["amount"] is not None]
    for currency in sorted({one["currency"] for one in known}):
        amount = sum(one["amount"] for one in known if one["currency"] == currency)
        yield f"cost {amount:.4f} {currency} for {len(known)} of {len(found['cost'])} jobs"


def _data(tree: Tree, label: str, data: dict[str, Any]) -> None:
    node = tree.add(cell(f"{label} {data['asset']}:{data['version']}, {data['files']} files, {size(data['size'])}"))
    for file in data["listed"][:5]:
        node.add(cell(f"{file['container']}/{file['path']} {file['etag']}"))
    if data["files"] > 5:
        node.add(cell(f"… {data['files'] - 5} more"))


def _used_by_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("blob", metavar="url", help="a blob's address, or container/path")


def used_by(job: Job) -> int:
    """Show which models and predictions a file went into, and where copies of it lie."""
    found = job.hub.get("files/used-by", {"url": job.blob})
    if job.screen.as_json:
        job.screen.json(found)
        return DONE
    rows = [
        (
            f"{use['model']}:{use['version']}" if use["model"] else "",
            use["activity"],
            use["status"],
            " and ".join(use["read_as"]),
            use["dataset"],
            use["etag"],
        )
        for use in found["uses"]
    ]
    job.screen.table(("model", "activity", "status", "read as", "dataset", "content"), rows, "no activity read it")
    if found["predictions"]:
        told = [
            (
                one["output"],
                f"{one['model']}:{one['version']}" if one["model"] else "",
                one["because"] if one["counted"] else f"{one['because']}, by a run that does not count",
            )
            for one in found["predictions"]
        ]
        job.screen.table(("predictions", "model", "because"), told, "")
    if found["serving"]:
        lines = [
            (
                f"{one['endpoint']}/{one['deployment']}",
                f"{one['model']}:{one['version']}",
                one["release"],
                one["status"],
            )
            for one in found["serving"]
        ]
        job.screen.table(("released to", "model", "release", "status"), lines, "")
    copies = [copy for use in found["uses"] for copy in use["copies"]]
    if copies:
        job.screen.table(("copies of the file",), [(copy,) for copy in copies], "")
    if not found["complete"]:
        job.screen.say("there are more activities than were looked through", "yellow")
    return DONE


VERBS: Final = (
    Verb("receipt", "what led to a model version", _receipt_arguments, receipt),
    Verb("used-by", "which models and predictions a file went into", _used_by_arguments, used_by),
    Verb("why", "why something happened, or did not", _why_arguments, why),
)
