"""Collections whose members are only remembered: a look at one folds what is new, and reads nothing again."""

from datetime import datetime, timedelta

from shared.ledger.collections import Collections
from shared.ledger.gathered import Gathered, Member
from shared.ledger.protocol import Queue, Store
from shared.ledger.records import Head


class Remembering(Collections):
    """The collections of a pretended hub: heads, lists and messages as shipped, members as they are."""

    def __init__(self, store: Store, work: Queue) -> None:
        super().__init__(store, work)
        self._gathered: dict[tuple[str, int], Gathered] = {}
        self._parts: dict[tuple[str, int], set[str]] = {}

    async def _insert(self, name: str, generation: int, member: Member, part: str) -> None:
        parts = self._parts.setdefault((name, generation), set())
        if part not in parts:
            parts.add(part)
            self._gathered.setdefault((name, generation), Gathered()).add(member)

    async def gathered(self, name: str, generation: int) -> Gathered:
        """Give what a generation holds."""
        return self._gathered.get((name, generation)) or Gathered()

    async def advance(self, name: str, head: Head, etag: str, now: datetime, first_look: timedelta) -> None:
        """Begin the next generation, and let go of the one that is frozen."""
        await super().advance(name, head, etag, now, first_look)
        self._gathered.pop((name, head.generation), None)
        self._parts.pop((name, head.generation), None)
