"""The forms of a message: a Teams card, Slack blocks, a webhook's JSON, the hub's own CloudEvent."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from shared.notify.messages import Message

_COLOURS: Final = {"error": "attention", "warning": "warning", "decision": "accent", "info": "good"}
_MARKS: Final = {"error": "🔴", "warning": "🟠", "decision": "🟣", "info": "🟢"}
_LISTED: Final = 12
TYPE: Final = "AutomationHub."
"""Begins the types of the hub's own events, which start nothing here unless an automation says own-outputs: true."""


@dataclass(frozen=True, slots=True)
class Told:
    """A message with the addresses that go along: of the page, and of the decision ("" for none)."""

    message: Message
    page: str = ""
    approval: str = ""


def teams(told: Sequence[Told]) -> dict[str, Any]:
    """Give the body for a Teams workflow's webhook: an adaptive card 1.4 within a message.

    https://learn.microsoft.com/power-automate/teams/create-adaptive-cards
    """
    card: dict[str, Any] = {
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.4",
        "msteams": {"width": "Full"},
        "body": _card(told),
    }
    if actions := _actions(told):
        card["actions"] = actions
    attachment = {"contentType": "application/vnd.microsoft.card.adaptive", "contentUrl": None, "content": card}
    return {"type": "message", "attachments": [attachment]}


def _card(told: Sequence[Told]) -> list[dict[str, Any]]:
    if len(told) > 1:
        lines = [_block(_headline(told), weight="Bolder", size="Medium")]
        lines += [_block(f"{_MARKS[one.message.severity]} {_line(one.message)}") for one in told[:_LISTED]]
        if len(told) > _LISTED:
            lines.append(_block(f"and {len(told) - _LISTED} more"))
        return lines
    message = told[0].message
    body = [_block(message.title, weight="Bolder", size="Medium", color=_COLOURS[message.severity])]
    if message.text:
        body.append(_block(message.text))
    if message.facts:
        facts = [{"title": name, "value": _plain(value)} for name, value in message.facts.items()]
        body.append({"type": "FactSet", "facts": facts})
    return body


def _block(text: str, **more: str) -> dict[str, Any]:
    return {"type": "TextBlock", "text": _plain(text), "wrap": True, **more}


def _plain(text: str) -> str:
    """Keep a card's Markdown from reading a file's name as a link or an emphasis."""
    for mark in "\\[]*_`~#>!":
        text = text.replace(mark, f"\\{mark}")
    return text


def _actions(told: Sequence[Told]) -> list[dict[str, str]]:
    found = []
    for one in told[:4]:
        name = "" if len(told) == 1 else f" {one.message.automation}"
        if one.approval:
            found.append({"type": "Action.OpenUrl", "title": f"Decide{name}", "url": one.approval})
        if one.page and len(told) == 1:
            found.append({"type": "Action.OpenUrl", "title": "Open", "url": one.page})
    return found


def slack(told: Sequence[Told]) -> dict[str, Any]:
    """Give the body for a Slack incoming webhook (https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks)."""
    blocks: list[dict[str, Any]] = []
    if len(told) > 1:
        blocks.append(_section(f"*{_escaped(_headline(told))}*"))
    for one in told[:_LISTED]:
        text = f"{_MARKS[one.message.severity]} *{_escaped(one.message.title)}*"
        if one.message.text:
            text += f"\n{_escaped(one.message.text)}"
        links = [f"<{url}|{name}>" for name, url in (("Decide", one.approval), ("Open", one.page)) if url]
        if links:
            text += f"\n{' · '.join(links)}"
        blocks.append(_section(text[:2900]))
    if len(told) > _LISTED:
        blocks.append(_section(f"and {len(told) - _LISTED} more"))
    return {"text": _escaped(_headline(told)), "blocks": blocks}


def _section(text: str) -> dict[str, Any]:
    return {"type": "section", "text": {"type": "mrkdwn", "text": text}}


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def webhook(told: Sequence[Told]) -> dict[str, Any]:
    """Give the body for any webhook: `messages`, one or those of a digest."""
    return {"digest": len(told) > 1, "messages": [_record(one) for one in told]}


def _record(one: Told) -> dict[str, Any]:
    record: dict[str, Any] = msgspec.to_builtins(one.message)
    links = {name: url for name, url in (("page", one.page), ("approval", one.approval)) if url}
    return {**record, "links": links} if links else record


def cloud_event(message: Message, source: str) -> dict[str, Any]:
    """Give the attributes and data of the hub's own CloudEvent; addresses that decide are never in it."""
    kind = "".join(part.capitalize() for part in (message.status or "said").split("-"))
    event: dict[str, Any] = {
        "id": message.id,
        "source": source,
        "type": f"{TYPE}Activity{kind}",
        "subject": f"activities/{message.activity}",
        "time": message.at,
        "data": {
            "automation": message.automation,
            "activity": message.activity,
            "attempt": message.attempt,
            "status": message.status,
            "severity": message.severity,
            "reason": message.text,
            **message.data,
        },
    }
    if message.traceparent:
        event["extensions"] = {"traceparent": message.traceparent}
    return event


def _line(message: Message) -> str:
    return f"{message.title}{f': {message.text[:200]}' if message.text else ''}"


def _headline(told: Sequence[Told]) -> str:
    if len(told) == 1:
        return told[0].message.title
    counts: dict[str, int] = {}
    for one in told:
        counts[one.message.status or one.message.severity] = (
            counts.get(one.message.status or one.message.severity, 0) + 1
        )
    return f"{len(told)} things happened: {_counted(counts)}"


def _counted(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{count} {name.replace('-', ' ')}" for name, count in counts.items())
