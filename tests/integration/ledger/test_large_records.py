"""Records that no row could hold, in memory and on real Azurite: they are kept, found and listed all the same."""

import random
import uuid
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from shared.ledger.activities import Activities
from shared.ledger.collections import Collections
from shared.ledger.gathered import Member
from shared.ledger.journal import Journal, claim_name
from shared.ledger.marks import Mark, Marks, Waiting
from shared.ledger.protocol import Store
from shared.ledger.records import Activity, Cause, File, Head, Outcome, Taken, activity_id
from shared.ledger.usage import Spent, Usages

NOW = datetime(2027, 3, 1, 10, 0, tzinfo=UTC)


def text_of(size: int) -> str:
    """Give a text that does not become smaller than half when it is compressed."""
    return random.Random(size).randbytes(size // 2).hex()


async def test_an_event_of_a_megabyte_is_kept_with_its_activity(store: Store) -> None:
    name = uuid.uuid4().hex
    event = {"id": name, "type": "t", "source": "s", "data": {"text": text_of(1_400_000)}}
    journal = Journal(store)
    claim = claim_name(name, "")
    (claimed,) = await journal.claim([Taken(claim=claim, event=event)], NOW)
    assert claimed.part is not None
    await journal.decide(claimed.part, [(Outcome(what="opened"),)])
    found = await journal.get(claim)
    assert found is not None
    assert (found[0].event, found[2]) == (event, True)
    activities = Activities(store, store.queue("large-work"))
    one = Activity(
        id=activity_id(NOW, name),
        automation="a",
        content="c",
        action="job",
        cause=Cause(kind="events", event=event),
        created=NOW,
        updated=NOW,
    )
    assert await activities.open(one)
    read, etag = await activities.load(one.id)
    read.reason = "changed"
    await activities.save(read, etag)
    listed = [item async for item in activities.newest(NOW, until=NOW)]
    assert read in listed


async def test_hundreds_of_the_longest_names_are_one_delivery_s_member(store: Store) -> None:
    name = f"large-{uuid.uuid4().hex}"
    files = tuple(
        File(account="a", container="c", path=f"{text_of(1000)}{n}", etag=f"{n}", size=1, time=NOW) for n in range(2000)
    )
    collections = Collections(store, store.queue("large-work"))
    wanted = Head(automation="a", content="c", trigger=0)
    assert await collections.put(name, Member(arrived=NOW, files=files), "p", wanted, NOW, timedelta(1)) == 1
    assert len((await collections.gathered(name, 1)).files) == 2000


async def test_what_limits_and_triggers_remember_may_be_large(store: Store) -> None:
    name = f"a{uuid.uuid4().hex}"
    parts = (Waiting(claim=f"{n}", time=NOW, kinds=(0,), event={"t": text_of(9000 + 2 * n)}) for n in range(400))
    mark = Mark(waiting=tuple(parts))
    etag = await Marks(store).write(name, 0, mark, "")
    assert await Marks(store).read(name, 0) == (mark, etag)
    row = await Usages(store).read(f"automation:{name}")
    row.usage.spent = [Spent(activity=f"{name}-{n}", at=NOW, estimated=Decimal(1), currency="USD") for n in range(4000)]
    row.usage.openings = [NOW + timedelta(milliseconds=n) for n in range(10_000)]
    await Usages(store).write([row])
    read = (await Usages(store).read(f"automation:{name}")).usage
    assert (len(read.spent), read.openings) == (4000, row.usage.openings)
