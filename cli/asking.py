"""Verbs that ask: why."""

import argparse
from typing import Any, Final

from rich.tree import Tree

from cli.console import cell, clean, when
from cli.verbs import DONE, REFUSED, Job, Verb


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


VERBS: Final = (Verb("why", "why something happened, or did not", _why_arguments, why),)
