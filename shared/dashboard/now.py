"""The first screen: whether anything needs somebody, and what goes on."""

import asyncio
from collections import Counter
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final, Literal

from shared.api import reading
from shared.api.models import AutomationView, CollectionView, DeadLetterView, HoldView, Page, Status
from shared.dashboard.asking import Desk
from shared.dashboard.telling import Shown, channels
from shared.dashboard.wording import length
from shared.ledger.records import Activity

Grade = Literal["bad", "warn", "ask"]
_MOST: Final = 1000
"""Activities of the last day that the first screen reads; beyond that its counts say so."""
_SHOWN: Final = 8
_QUEUE_LATE: Final = 300.0
_PROBE_LATE: Final = timedelta(minutes=12)
_DAY: Final = timedelta(hours=24)


@dataclass(frozen=True, slots=True)
class Need:
    """Something that needs somebody. `order`: bad first, then what asks for a decision, then what is kept back."""

    grade: Grade
    title: str
    why: str
    link: str
    at: Any = None
    act: str = ""
    target: str = ""


async def now(desk: Desk) -> dict[str, Any]:
    """Give all that the first screen shows."""
    (day, capped), (status, holds, gathering, letters, rules), told = await asyncio.gather(
        _last_day(desk),
        asyncio.gather(
            desk.ask("status", Status),
            desk.ask("holds", Page[HoldView]),
            desk.ask("collections", Page[CollectionView]),
            desk.ask("dead_letters", Page[DeadLetterView], query={"limit": "50"}),
            desk.ask("automations", Page[AutomationView]),
        ),
        channels(desk),
    )
    unfinished = await reading.unfinished(desk.hub)
    waiting = [one for one in unfinished if one.status == "waiting-approval"]
    under_way = [one for one in unfinished if one.status in {"running", "queued"}]
    failed = [one for one in day if one.status == "failed" and not one.asked("acknowledge")]
    fresh = [one for one in letters.items if one.replayed is None and desk.now - one.at < _DAY]
    needs = [
        *_of_hub(status, desk),
        *(_need_of_activity("bad", "failed", one, "acknowledge") for one in failed[:_SHOWN]),
        *_of_letters(fresh),
        *(_of_channel(one) for one in told if one.late),
        *(_need_of_activity("ask", "waits for approval", one) for one in waiting),
        *(_of_hold(one) for one in holds.items[:_SHOWN]),
    ]
    if len(failed) > _SHOWN:
        needs.append(
            Need("bad", f"{len(failed) - _SHOWN} more failed since yesterday", "", "/activities?status=failed")
        )
    if len(holds.items) > _SHOWN:
        needs.append(Need("warn", f"{len(holds.items) - _SHOWN} more are held", "", "/holds"))
    order = {"bad": 0, "ask": 1, "warn": 2}
    return {
        "needs": sorted(needs, key=lambda need: order[need.grade]),
        "status": status,
        "queues": _queues(status),
        "probe_late": _probe_late(status, desk),
        "running": sorted(under_way, key=lambda one: one.id, reverse=True)[:_SHOWN],
        "under_way": len(under_way),
        "waiting": len(waiting),
        "gathering": gathering.items,
        "recent": day[:_SHOWN],
        "unseen": len(failed),
        "counts": Counter(one.status for one in day),
        "capped": capped,
        "most": _MOST,
        "valid": sum(rule.valid for rule in rules.items),
    }


async def _last_day(desk: Desk) -> tuple[list[Activity], bool]:
    since = desk.now - _DAY
    found: list[Activity] = []
    async for activity in desk.hub.activities.newest(desk.now, until=since):
        if activity.created < since:
            break
        if len(found) == _MOST:
            return found, True
        found.append(activity)
    return found, False


def _queues(status: Status) -> list[dict[str, Any]]:
    return [
        {"name": name, "messages": queue.messages, "age": queue.oldest_seconds, "late": _late(queue.oldest_seconds)}
        for name, queue in status.queues.items()
    ]


def _late(seconds: float) -> bool:
    return seconds > _QUEUE_LATE


def _probe_late(status: Status, desk: Desk) -> bool:
    sent, came = status.probe.sent, status.probe.came
    return sent is not None and (came is None or came < sent) and desk.now - (came or sent) > _PROBE_LATE


def _of_hub(status: Status, desk: Desk) -> list[Need]:
    needs: list[Need] = []
    if status.storm.since:
        needs.append(
            Need(
                "bad",
                "The storm breaker holds everything",
                "more activities began than the settings allow; what comes is held until it is calm, or you resume",
                "/holds",
                status.storm.since,
                "resume",
            )
        )
    if status.paused:
        why = f"by {status.paused.who}{f': {status.paused.reason}' if status.paused.reason else ''}"
        needs.append(Need("warn", "The whole hub is paused", why, "/holds", status.paused.at, "resume"))
    for file, problems in status.automations.invalid.items():
        more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
        needs.append(Need("bad", f"Automation {file} is invalid", f"{problems[0]}{more}", "/automations"))
    for queue in _queues(status):
        if queue["late"]:
            why = f"its oldest message waits for {length(queue['age'])}; {queue['messages']} wait in all"
            needs.append(Need("bad", f"Queue {queue['name']} is late", why, "/"))
    if _probe_late(status, desk):
        needs.append(
            Need(
                "bad",
                "The last probe did not come back",
                "events from storage may not arrive: look at the event subscriptions",
                "/",
                status.probe.sent,
            )
        )
    return needs


def _of_letters(fresh: list[DeadLetterView]) -> list[Need]:
    if not fresh:
        return []
    what = "1 dead letter" if len(fresh) == 1 else f"{len(fresh)} dead letters"
    return [Need("bad", f"{what} since yesterday", fresh[0].reason, "/dead-letters", fresh[0].at)]


def _of_channel(one: Shown) -> Need:
    head, waiting = one.state.head, one.state.pending
    why = one.channel.problem or head.last_problem
    if waiting:
        why += f"; {waiting} wait, and are tried again"
    return Need("bad", f"Channel {one.channel.name} is not told", why, "/notifications", head.last_problem_at)


def _need_of_activity(grade: Grade, verb: str, activity: Activity, act: str = "") -> Need:
    event = activity.cause.event.get("subject", "") if activity.cause.event else ""
    why = "; ".join(text for text in (str(event), activity.reason) if text)
    link = f"/activities/{activity.id}"
    return Need(grade, f"{activity.automation} {verb}", why, link, activity.updated, act, activity.id)


def _of_hold(hold: HoldView) -> Need:
    link = f"/activities/{hold.id}" if hold.kind == "activity" else "/collections"
    what = f"{hold.automation} is held" if hold.kind == "activity" else f"A burst for {hold.automation} is held"
    return Need("warn", what, hold.reason.removeprefix("held: "), link, hold.since, "release", hold.id)
