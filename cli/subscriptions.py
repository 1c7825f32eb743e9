"""Checks the event subscriptions of infra/subscriptions.json against the automations and the functions there are."""

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from cli.client import REPOSITORY

Finding = tuple[str, str, str, str]
"""What, state, what was seen, and what mends it."""
_BLOB_KINDS: Final = {"blob_created": "Microsoft.Storage.BlobCreated", "blob_deleted": "Microsoft.Storage.BlobDeleted"}
_WORKSPACE: Final = "Microsoft.MachineLearningServices."
_KINDS: Final = {
    **_BLOB_KINDS,
    "model_registered": f"{_WORKSPACE}ModelRegistered",
    "model_deployed": f"{_WORKSPACE}ModelDeployed",
    "run_completed": f"{_WORKSPACE}RunCompleted",
    "run_status_changed": f"{_WORKSPACE}RunStatusChanged",
    "drift": f"{_WORKSPACE}RunStatusChanged",
}
_PROBE: Final = "/blobServices/default/containers/hub-data/blobs/probe/"
_FUNCTION: Final = re.compile(r'function_name\("([A-Za-z0-9_-]+)"\)')
_MEND: Final = "make subscriptions (or edit infra/subscriptions.json), then: azd provision (a laptop: make down up)"


def findings(root: Path = REPOSITORY) -> Iterator[Finding]:
    """Give what is right and wrong with the subscriptions."""
    path = root / "infra" / "subscriptions.json"
    try:
        subscriptions = json.loads(path.read_text(encoding="utf-8"))["subscriptions"]
    except (OSError, ValueError, KeyError) as error:
        yield ("subscriptions", "wrong", f"infra/subscriptions.json cannot be read: {error}", _MEND)
        return
    functions = set(_FUNCTION.findall((root / "functions" / "events.py").read_text(encoding="utf-8")))
    for one in subscriptions:
        yield from _one(one, functions)
    yield from _coverage(subscriptions, root)


def _one(one: Mapping[str, Any], functions: set[str]) -> Iterator[Finding]:
    what = f"subscription {one['name']}"
    destination = one["destination"]
    wrong: list[str] = []
    if destination["type"] == "AzureFunction" and destination["function"] not in functions:
        known = ", ".join(sorted(functions))
        wrong.append(
            f"it names function {destination['function']!r}, which does not exist ({known}): Azure answers 202"
        )
    if not one.get("deadLetter", {}).get("container"):
        wrong.append("it has no dead-letter container: what cannot be delivered is dropped")
    types = set(one["filter"].get("includedEventTypes") or ())
    if f"{_WORKSPACE}DatasetDriftDetected" in types and f"{_WORKSPACE}RunStatusChanged" not in types:
        wrong.append("DatasetDriftDetected is of the first monitors; today's report by RunStatusChanged")
    if wrong:
        for reason in wrong:
            yield (what, "wrong", reason, _MEND)
    else:
        yield (what, "ok", f"to {destination.get('queue') or destination.get('function')}", "")


def _coverage(subscriptions: list[Mapping[str, Any]], root: Path) -> Iterator[Finding]:
    """Look whether every trigger's events come through a filter."""
    from shared.automations.loading import load

    by_topic: dict[str, list[Mapping[str, Any]]] = {}
    for one in subscriptions:
        by_topic.setdefault(one["topic"], []).append(one["filter"])
    if any(_lets(one, _BLOB_KINDS["blob_created"], _PROBE) for one in by_topic.get("storage", [])):
        yield ("events of the probe", "ok", "blob-created comes through", "")
    else:
        seen = f"no subscription lets blobs of {_PROBE} through: the probe would never come back"
        yield ("events of the probe", "wrong", seen, _MEND)
    for loaded in load(root / "automations", root).automations.values():
        for part in (part for trigger in loaded.automation.on for part in trigger.parts):
            name, kind = next(((name, _KINDS[name]) for name in _KINDS if getattr(part, name, None)), ("", ""))
            if not kind:
                continue
            place = getattr(part, name) if name in _BLOB_KINDS else None
            subject = f"/blobServices/default/containers/{place.container}/" if place else ""
            filters = by_topic.get("storage" if place else "workspace", [])
            what = f"events of {loaded.automation.name}"
            if any(_lets(one, kind, subject) for one in filters):
                yield (what, "ok", f"{name.replace('_', '-')} comes through", "")
            else:
                seen = f"no subscription lets {kind} {f'of {subject} ' if subject else ''}through"
                yield (what, "wrong", seen, _MEND)


def _lets(one: Mapping[str, Any], kind: str, subject: str) -> bool:
    types = one.get("includedEventTypes") or []
    begins = str(one.get("subjectBeginsWith") or "")
    if (types and kind not in types) or (subject and not (subject.startswith(begins) or begins.startswith(subject))):
        return False
    if not subject:
        return True
    return all(
        any(subject.startswith(value) or value.startswith(subject) for value in advanced.get("values", ()))
        for advanced in one.get("advancedFilters") or ()
        if advanced.get("key") == "subject" and advanced.get("operatorType") == "StringBeginsWith"
    )
