"""Approval links: signed, for one attempt of one activity, each decides once and expires."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Literal

from shared.dashboard.sealing import Sealer
from shared.engine.acts import Acts, NotPossibleError
from shared.ledger.activities import Activities
from shared.ledger.protocol import AlreadyExistsError, Delete, Insert, NotFoundError, Row, Store, StoreError, Value
from shared.ledger.records import SCHEMA, Act, Activity
from shared.notify.messages import Message

VALID: Final = timedelta(hours=48)
_PURPOSE: Final = "approval"
Decision = Literal["approve", "reject"]


@dataclass(frozen=True, slots=True)
class Asked:
    """What a link asks: to decide this attempt. `open` is false where nothing waits for a decision any more."""

    activity: Activity
    channel: str
    expires: datetime
    open: bool


class Approvals:
    """Makes links, shows what they ask, and takes their decision."""

    def __init__(self, store: Store, activities: Activities, acts: Acts) -> None:
        self._sealer = Sealer(store.blobs)
        self._table = store.table("approvals")
        self._activities = activities
        self._acts = acts

    async def token(self, message: Message, channel: str) -> str:
        """Give the token of a message's link for a channel; the same message gives the same."""
        content = {"activity": message.activity, "attempt": message.attempt, "to": channel, "id": message.id}
        return await self._sealer.seal(_PURPOSE, content, message.at + VALID)

    async def look(self, token: str, now: datetime) -> Asked | None:
        """Give what a link asks; None for a token that is not ours, has expired, or has decided already."""
        opened = await self._sealer.open(_PURPOSE, token, now)
        if opened is None:
            return None
        content, expires = opened
        if await self._table.get(*_address(content)) is not None:
            return None
        try:
            activity, _ = await self._activities.load(str(content["activity"]))
        except NotFoundError:
            return None
        waits = activity.status == "waiting-approval" and activity.attempt == content["attempt"]
        return Asked(activity, str(content["to"]), expires, waits)

    async def decide(self, token: str, decision: Decision, reason: str, now: datetime) -> Activity | None:
        """Decide, once; None as for `look`. Raises NotPossibleError where nothing waits for it any more."""
        asked = await self.look(token, now)
        opened = await self._sealer.open(_PURPOSE, token, now)
        if asked is None or opened is None:
            return None
        if not asked.open:
            raise NotPossibleError(
                f"activity {asked.activity.id} is {asked.activity.status}: no decision of this link is waited for"
            )
        partition, key = _address(opened[0])
        cells: dict[str, Value] = {"schema": SCHEMA, "at": now.isoformat(), "decision": decision}
        try:
            await self._table.apply([Insert(Row(partition, key, cells))])
        except AlreadyExistsError:
            return None
        act = Act(kind=decision, who=f"link:{asked.channel}", at=now, reason=reason, roles=("approver",))
        try:
            return await self._acts.ask(asked.activity.id, act)
        except StoreError:
            await self._table.apply([Delete(partition, key)])
            raise


def _address(content: dict[str, object]) -> tuple[str, str]:
    return str(content["activity"]), f"{content['to']}:{content['id']}"
