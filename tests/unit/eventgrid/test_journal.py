"""The journal: order, restarts, pruning."""

import asyncio
import sqlite3
from pathlib import Path

import pytest

from local.eventgrid.journal import Delivery, Journal, JournalError, Stored


def stored(journal: Journal, name: str) -> Stored:
    return Stored(journal.next_key(), "storage", "EventGridSchema", name, "T", f"/{name}", 1.0, b"{}")


async def test_what_was_added_is_there_after_a_restart(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    await asyncio.gather(*(journal.add(stored(journal, str(number)), ["a", "b"]) for number in range(100)))
    delivery = journal.waiting("a")[0]
    delivery.attempts, delivery.outcome = 3, "Busy"
    journal.change(delivery)
    journal.settle(journal.waiting("b")[0], "delivered")
    journal.close()
    again = Journal(tmp_path)
    assert [event.id for event in again.find()] == [str(number) for number in range(100)]
    assert (again.waiting("a")[0].attempts, again.waiting("a")[0].outcome) == (3, "Busy")
    assert len(again.waiting("b")) == 99
    assert again.counts("b") == {"delivered": 1}
    again.close()


def test_keys_only_grow(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    keys = [journal.next_key() for _ in range(1000)]
    journal.close()
    assert keys == sorted(set(keys))
    other = Journal(tmp_path / "lost")
    assert other.next_key() > keys[-1], "a journal that was lost does not set sequencers back"
    other.close()


async def test_pruning_keeps_the_newest_and_all_that_wait(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    for number in range(20):
        await journal.add(stored(journal, str(number)), ["a"])
    for delivery in journal.waiting("a")[1:]:
        journal.settle(delivery, "delivered")
    await asyncio.sleep(0.05)
    assert journal.prune(keep=5) == 14
    assert [event.id for event in journal.find()] == ["0", "15", "16", "17", "18", "19"]
    assert journal.prune(keep=5) == 0
    journal.close()


async def test_events_are_found_by_topic_type_and_beginning_of_the_subject(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    for name in ("a/1", "a/2", "b/%"):
        await journal.add(stored(journal, name), ["x"])
    assert [event.id for event in journal.find(subject="/a/")] == ["a/1", "a/2"]
    assert [event.id for event in journal.find(subject="/b/%")] == ["b/%"]
    assert [event.id for event in journal.find(last=1)] == ["b/%"]
    assert journal.find(topic="workspace") == []
    assert len(journal.find(topic="storage", kind="T")) == 3
    journal.close()


async def test_a_disk_that_takes_no_more_is_an_error_and_not_a_loss(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    database = sqlite3.connect(tmp_path / "journal.db", timeout=0)
    journal._db.execute("PRAGMA busy_timeout=0")
    database.execute("BEGIN IMMEDIATE")
    with pytest.raises(JournalError, match=r"journal\.db cannot be written"):
        await journal.add(stored(journal, "1"), ["a"])
    database.execute("ROLLBACK")
    database.close()
    await journal.add(stored(journal, "2"), ["a"])
    assert [event.id for event in journal.find()] == ["2"]
    journal.again([Delivery("a", journal.find()[0].key, 0.0, 0.0)])
    journal.close()
