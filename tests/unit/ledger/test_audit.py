"""The audit trail: whatever is done to it afterwards is found, and named."""

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

from shared.ledger.audit import CONTAINER, Audit, Entry
from shared.ledger.memory import MemoryStore
from shared.ledger.protocol import Delete, Row, Upsert

NOW = datetime(2026, 3, 1, 10, 0, tzinfo=UTC)


async def trail() -> tuple[MemoryStore, Audit, str]:
    """Ten entries in one chain, sealed, and one more."""
    store = MemoryStore(lambda: NOW)
    audit = Audit(store)
    for number in range(10):
        await audit.record(NOW + timedelta(seconds=number), "ann", "approve", "activity/1", f"reason {number}")
    await audit.seal(NOW + timedelta(minutes=1))
    await audit.record(NOW + timedelta(minutes=2), "bob", "cancel", "activity/1")
    (row,) = await store.table("audit").scan("chains")
    return store, audit, row.key


async def changed(store: MemoryStore, chain: str, number: int, **fields: Any) -> None:
    row = await store.table("audit").get(chain, f"e:{number:08}")
    assert row is not None
    entry = msgspec.json.decode(row.cells["entry"], type=Entry)  # type: ignore[arg-type]
    entry = msgspec.structs.replace(entry, **fields)
    await store.table("audit").apply([Upsert(Row(chain, row.key, {**row.cells, "entry": msgspec.json.encode(entry)}))])


async def test_a_whole_trail_verifies_and_names_its_unsealed_tail() -> None:
    _, audit, _ = await trail()
    verified = await audit.verify()
    assert (verified.entries, verified.seals, verified.tail, verified.findings) == (11, 1, 1, ())


async def test_a_changed_entry_is_named() -> None:
    store, audit, chain = await trail()
    await changed(store, chain, 4, reason="another")
    (finding,) = (await audit.verify()).findings
    assert (finding.number, finding.problem) == (4, "was changed: its hash is another")


async def test_a_removed_entry_is_named() -> None:
    store, audit, chain = await trail()
    await store.table("audit").apply([Delete(chain, "e:00000004")])
    findings = (await audit.verify()).findings
    assert (findings[0].number, findings[0].problem) == (4, "entry 4 was removed")


async def test_an_inserted_entry_is_named() -> None:
    store, audit, chain = await trail()
    row = await store.table("audit").get(chain, "e:00000004")
    assert row is not None
    await store.table("audit").apply([Upsert(Row(chain, "e:00000004x", row.cells))])
    findings = (await audit.verify()).findings
    assert (findings[0].number, findings[0].problem) == (5, "entry 5 was inserted")


@pytest.mark.parametrize("left", [3, 9])
async def test_a_cut_off_end_is_found_by_the_seal(left: int) -> None:
    store, audit, chain = await trail()
    for number in range(left + 1, 12):
        await store.table("audit").apply([Delete(chain, f"e:{number:08}")])
    (finding,) = (await audit.verify()).findings
    assert finding.problem == "cut off: the seal says 10 entries"


async def test_a_chain_that_is_written_anew_as_a_whole_is_found_by_the_seal() -> None:
    store, _, _ = await trail()
    await store.drop("audit")
    audit = Audit(store)
    for number in range(10):
        await audit.record(NOW + timedelta(seconds=number), "eve", "approve", "activity/1", f"reason {number}")
    (finding,) = (await audit.verify()).findings
    assert (finding.number, finding.problem) == (10, "is not the entry that was sealed")


async def test_a_chain_that_is_written_anew_and_sealed_again_is_found_by_the_seal_before() -> None:
    store, audit, chain = await trail()
    assert (await audit.verify()).seals == 1
    await store.drop("audit")
    forged = Audit(store)
    for number in range(12):
        await forged.record(NOW + timedelta(seconds=number), "eve", "approve", "activity/1", f"reason {number}")
    await forged.seal(NOW + timedelta(minutes=5))
    (finding,) = (await forged.verify()).findings
    assert (finding.chain, finding.number, finding.problem) == (chain, 10, "is not the entry that was sealed")


async def test_what_was_cut_off_after_the_last_seal_is_found_by_the_head() -> None:
    store, audit, chain = await trail()
    await store.table("audit").apply([Delete(chain, "e:00000011")])
    (finding,) = (await audit.verify()).findings
    assert (finding.number, finding.problem) == (11, "cut off: the chain's head says 11 entries")


async def test_several_removed_entries_are_one_finding_and_no_cut() -> None:
    store, audit, chain = await trail()
    await store.table("audit").apply([Delete(chain, f"e:{number:08}") for number in (3, 4, 5)])
    (finding,) = (await audit.verify()).findings
    assert (finding.number, finding.problem) == (3, "entries 3 to 5 were removed")


async def test_an_entry_or_a_seal_that_cannot_be_read_is_named_and_the_rest_is_checked() -> None:
    store, audit, chain = await trail()
    await store.table("audit").apply([Upsert(Row(chain, "e:00000004", {"entry": b"{"}))])
    await changed(store, chain, 7, reason="another")
    await store.container(CONTAINER).put("2026/03/01/broken.json", b"no seal")
    findings = [
        (one.chain == chain, one.number, one.problem.partition(":")[0]) for one in (await audit.verify()).findings
    ]
    assert findings == [
        (False, 0, "the seal cannot be read"),
        (True, 4, "was changed"),
        (True, 7, "was changed"),
    ]


async def test_one_fact_is_one_entry_however_often_it_is_recorded() -> None:
    store = MemoryStore(lambda: NOW)
    audit = Audit(store)
    first = await audit.record(NOW, "hub", "failed", "activity/1", "it broke", once="end of attempt 1")
    await audit.record(NOW, "ann", "retry", "activity/1")
    again = await audit.record(NOW, "hub", "failed", "activity/1", "it broke", once="end of attempt 1")
    other = await audit.record(NOW, "hub", "failed", "activity/1", "it broke", once="end of attempt 2")
    assert again == first
    assert (first.number, other.number) == (1, 3)
    verified = await audit.verify()
    assert (verified.entries, verified.findings) == (3, ())
