"""What is sent again or brought in: replay and backfill; each says first what it would do."""

import hashlib
from datetime import UTC, datetime

from shared.api.problems import ProblemError
from shared.api.requests import BackfillRequest, ReplayRequest
from shared.api.routes import Call
from shared.backfill import Backfill, NoFilesError, TooManyFilesError, backfill, older_files
from shared.engine.outcomes import PermanentError
from shared.ledger.journal import TooMuchError
from shared.replay import Chosen, NothingToReplayError, Replay, Replayer


async def replay(call: Call) -> Replay:
    """Send events again, or say what would come of it."""
    asked = call.sent(ReplayRequest)
    replayer = Replayer(call.hub, call.caller.name, call.now)
    key = call.idempotency_key or call.now.isoformat()
    mark = hashlib.sha256(f"{call.caller.name}\0{key}".encode()).hexdigest()[:16] if asked.again else ""
    try:
        chosen = await _chosen(replayer, asked)
    except NothingToReplayError as error:
        raise ProblemError(404, "Nothing to replay", str(error)) from None
    except TooMuchError as error:
        raise ProblemError(422, "Too much at once", str(error)) from None
    if not asked.send:
        return await replayer.tell(chosen, mark)
    subject = asked.event or asked.dead_letter or (asked.refused_by.automation if asked.refused_by else "span")
    await call.record("replay", f"events/{subject}", mark=mark, events=len(chosen.events))
    return await replayer.send(chosen, mark)


async def _chosen(replayer: Replayer, asked: ReplayRequest) -> Chosen:
    if asked.event is not None:
        return await replayer.event(asked.event)
    if asked.dead_letter is not None:
        return await replayer.dead_letter(asked.dead_letter)
    if asked.span is not None:
        return await replayer.span(utc(asked.span.since), utc(asked.span.until), asked.span.outcome)
    if asked.refused_by is not None:
        return await replayer.refused_by(asked.refused_by.automation, utc(asked.refused_by.since))
    raise TypeError("the request names nothing")


def utc(moment: datetime) -> datetime:
    """Take a moment without a zone as UTC."""
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment


async def backfilled(call: Call) -> Backfill:
    """Bring older files in, or say what they would begin."""
    asked = call.sent(BackfillRequest)
    loaded = call.hub.rulebook.catalogue.automations.get(asked.automation)
    if loaded is None:
        raise ProblemError(404, "Not found", f"there is no valid automation {asked.automation!r}")
    since = utc(asked.since) if asked.since else None
    until = utc(asked.until) if asked.until else None
    try:
        events = await older_files(call.hub, loaded.automation, since, until, call.now)
    except (NoFilesError, TooManyFilesError) as error:
        raise ProblemError(422, "Nothing that can be brought in", str(error)) from None
    except PermanentError as error:
        raise ProblemError(409, "Files cannot be listed", str(error)) from None
    if asked.send:
        await call.record("backfill", f"automation/{asked.automation}", files=len(events))
    return await backfill(call.hub, loaded.automation, events, call.caller.name, call.now, do=asked.send)
