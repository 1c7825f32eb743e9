"""Finds uses of what a trigger cannot give: each expression is tried on what each trigger of its automation brings.

A condition that guards its uses (`has(captures.month)`, `event.type == "blob-created" && …`) gives an answer on every
trigger, for CEL lets a false side stand for an unknown one. One that does not would refuse each activity of that
trigger for a missing key; that is said when the rule is loaded. What an event's data holds is not known beforehand.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from shared.automations.models import Automation, Trigger
from shared.automations.patterns import PathPattern
from shared.expressions import Expression, ExpressionError, Template

Place = tuple[str | int, ...]
_USE: Final = re.compile(r"\b(captures|inputs|event)\s*(?:\.\s*(\w+)|\[\s*['\"]([^'\"]+)['\"]\s*\])")
_KEY: Final = re.compile(r"KeyError: '?([^']*)'?$")
_EVENT: Final = ("id", "type", "source", "subject", "time", "data")
_TYPES: Final = {"drift": "run-status-changed", "all_of": "", "event": ""}
_ADVICE: Final = {
    "captures": "guard it, such as has(captures.{0}) && …",
    "inputs": "give it a default, or guard it: has(inputs.{0}) && …",
    "event": "guard it: has(event.{0}) && …",
}


def check_guards(automation: Automation) -> Iterator[tuple[Place, str]]:
    """Give each place that uses what one of the automation's triggers cannot give, and what would be right."""
    for place, text in _expressions(automation):
        for index, trigger in enumerate(automation.on):
            problem = _problem(text, trigger, automation)
            if problem:
                yield place, f"`{text}` {problem} (trigger {index + 1}, {trigger.kind})"
                break


def hands_files_on(automation: Automation) -> str:
    """Give the place where it hands on the files that began it, such as do.job.inputs.data; "" where it does not."""
    return next((".".join(map(str, place)) for place, text in _expressions(automation) if text == "files"), "")


def _problem(text: str, trigger: Trigger, automation: Automation) -> str:
    if text == "files" and trigger.blob_created is None:
        return "hands files on, and there are none: use dataset, or an automation of its own"
    try:
        expression = Expression.compile(text)
        expression.evaluate(_brought(trigger, automation))
    except ExpressionError as error:
        return _said(str(error), text, trigger)
    return ""


def _said(error: str, text: str, trigger: Trigger) -> str:
    """Give what is wrong, "" where the error is of what cannot be known yet."""
    if "IndexError" in error and trigger.blob_created is None and re.search(r"\bfiles\s*\[", text):
        return "takes one of the files, and there are none: guard it, such as size(files) > 0 && …"
    key = _KEY.search(error)
    for name, plain, quoted in _USE.findall(text):
        if key and key[1] == (plain or quoted) and not re.search(rf"\bdata\s*(?:\.|\[.)\s*{re.escape(key[1])}\b", text):
            return f"uses {name}.{key[1]}, which is not there: {_ADVICE[name].format(key[1])}"
    return ""


def _brought(trigger: Trigger, automation: Automation) -> Mapping[str, Any]:
    """Give what an activity of this trigger sees at least."""
    blob, gone = trigger.blob_created, trigger.blob_deleted
    kind = next(name for name, value in trigger.__dict__.items() if value is not None)
    event: dict[str, Any] = {**dict.fromkeys(_EVENT, ""), "data": {}}
    event["type"] = _TYPES.get(kind, trigger.kind)
    files: list[dict[str, Any]] = []
    names: frozenset[str] | set[str] = frozenset()
    if blob:
        names = set(blob.collect.by) if blob.collect else PathPattern.parse(blob.path).captures
        files = [{"account": "", "container": "", "path": "", "etag": "", "size": 1}]
        event = {"type": event["type"]} if blob.collect else event
    elif gone:
        names = PathPattern.parse(gone.path).captures
    values: dict[str, Any] = {"string": "", "number": 0.5, "integer": 1, "boolean": True}
    inputs = {name: values[one.type] for name, one in automation.inputs.items() if one.default is not None}
    return {
        "event": event,
        "events": [event],
        "files": files,
        "dataset": {},
        "captures": dict.fromkeys(names, ""),
        "inputs": inputs,
        "activity": {"id": "", "automation": automation.name, "attempt": 1},
    }


def _expressions(automation: Automation) -> Iterator[tuple[Place, str]]:
    """Give what is evaluated whatever the trigger; a check runs only where there are files."""
    if automation.when:
        yield ("when",), automation.when
    do = automation.do
    for name, action in (("train", do.train), ("job", do.job), ("score", do.score)):
        if action is not None:
            yield from _templates(("do", name, "inputs"), action.inputs)
    if do.notify:
        yield from _templates(("do", "notify"), {"subject": do.notify.subject, "message": do.notify.message})


def _templates(place: Place, values: Mapping[str, Any]) -> Iterator[tuple[Place, str]]:
    for name, value in values.items():
        if isinstance(value, str):
            for text in Template(value).expressions:
                yield (*place, name), text
