"""The journal: every event that a subscription waits for, and how far its deliveries have come, on disk.

SQLite in WAL mode: what is committed outlives SIGKILL of the process; events of one turn of the loop share a commit.
"""

import asyncio
import logging
import sqlite3
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

logger = logging.getLogger("eventgrid.journal")

KEPT_EVENTS: Final = 100_000
"""Events kept for redelivery after all their deliveries; older ones go."""
_LAZY: Final = 0.02
"""Seconds that the end of a delivery may wait for its commit: a crash in between delivers once more."""
_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS events (
  key INTEGER PRIMARY KEY, topic TEXT NOT NULL, schema TEXT NOT NULL, id TEXT NOT NULL, type TEXT NOT NULL,
  subject TEXT NOT NULL, published REAL NOT NULL, body BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS deliveries (
  subscription TEXT NOT NULL, key INTEGER NOT NULL, due REAL NOT NULL, since REAL NOT NULL,
  attempts INTEGER NOT NULL DEFAULT 0, last REAL NOT NULL DEFAULT 0, outcome TEXT NOT NULL DEFAULT '',
  dead TEXT NOT NULL DEFAULT '', PRIMARY KEY (subscription, key)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS counts (
  subscription TEXT NOT NULL, what TEXT NOT NULL, number INTEGER NOT NULL, PRIMARY KEY (subscription, what)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS notes (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
"""


class JournalError(Exception):
    """The journal cannot be written; the text says where and why."""


@dataclass(frozen=True, slots=True)
class Stored:
    """An event of the journal. `body` is its JSON in `schema`, `published` in seconds since the epoch."""

    key: int
    topic: str
    schema: str
    id: str
    type: str
    subject: str
    published: float
    body: bytes


@dataclass(slots=True)
class Delivery:
    """How far the delivery of an event to a subscription has come; times in seconds since the epoch.

    `since` is when it was asked for, `dead` why no more is tried ("" while it is).
    """

    subscription: str
    key: int
    due: float
    since: float
    attempts: int = 0
    last: float = 0.0
    outcome: str = ""
    dead: str = ""


class Journal:
    """Keeps events and deliveries; `folder` is made where it is missing."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._path = folder / "journal.db"
        self._db = sqlite3.connect(self._path, isolation_level=None)
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute("PRAGMA synchronous=NORMAL")
        self._db.executescript(_SCHEMA)
        row = self._db.execute("SELECT max(key) FROM events").fetchone()
        self._last = int(row[0] or 0)
        self._added: list[tuple[Stored, list[str]]] = []
        self._settled: list[Delivery] = []
        self._changed: list[Delivery] = []
        self._counted: dict[tuple[str, str], int] = {}
        self._committed: asyncio.Future[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._closed = False

    def next_key(self) -> int:
        """Give a number above all before it, also after a restart or the loss of the journal: microseconds."""
        self._last = max(self._last + 1, time.time_ns() // 1000)
        return self._last

    async def add(self, event: Stored, subscriptions: list[str]) -> None:
        """Store an event and its deliveries; when this returns they are on disk. Raises JournalError."""
        self._added.append((event, subscriptions))
        loop = asyncio.get_running_loop()
        if self._committed is None:
            self._committed = loop.create_future()
            if self._timer is not None:
                self._timer.cancel()
            self._timer = None
            loop.call_soon(self._flush)
        await self._committed

    def settle(self, delivery: Delivery, what: str) -> None:
        """Forget a delivery that has ended as `what` (delivered, deadLettered or dropped); written soon."""
        self._settled.append(delivery)
        self.count(delivery.subscription, what)

    def change(self, delivery: Delivery) -> None:
        """Write how far a delivery has come; written soon."""
        self._changed.append(delivery)
        self._later()

    def count(self, subscription: str, what: str, number: int = 1) -> None:
        """Count something; written soon."""
        self._counted[subscription, what] = self._counted.get((subscription, what), 0) + number
        self._later()

    def _later(self) -> None:
        if self._committed is None and self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(_LAZY, self._flush)

    def _flush(self) -> None:
        done, self._committed, self._timer = self._committed, None, None
        added, self._added = self._added, []
        if self._closed:
            return
        try:
            self._write(added)
        except sqlite3.Error as error:
            logger.error("%s cannot be written: %s", self._path, error)
            if done is not None and not done.done():
                done.set_exception(JournalError(f"{self._path} cannot be written: {error}"))
            return
        if done is not None and not done.done():
            done.set_result(None)

    def _write(self, added: Sequence[tuple[Stored, list[str]]]) -> None:
        database = self._db
        database.execute("BEGIN IMMEDIATE")
        try:
            for event, subscriptions in added:
                row = (event.key, event.topic, event.schema, event.id, event.type, event.subject, event.published)
                database.execute("INSERT INTO events VALUES (?,?,?,?,?,?,?,?)", (*row, event.body))
                for name in subscriptions:
                    due = (name, event.key, event.published, event.published)
                    database.execute("INSERT INTO deliveries (subscription, key, due, since) VALUES (?,?,?,?)", due)
            database.executemany(
                "UPDATE deliveries SET due=?, since=?, attempts=?, last=?, outcome=?, dead=? "
                "WHERE subscription=? AND key=?",
                [(d.due, d.since, d.attempts, d.last, d.outcome, d.dead, d.subscription, d.key) for d in self._changed],
            )
            database.executemany(
                "DELETE FROM deliveries WHERE subscription=? AND key=?",
                [(d.subscription, d.key) for d in self._settled],
            )
            database.executemany(
                "INSERT INTO counts VALUES (?,?,?) ON CONFLICT DO UPDATE SET number = number + excluded.number",
                [(*name, number) for name, number in self._counted.items()],
            )
            database.execute("COMMIT")
        except sqlite3.Error:
            if database.in_transaction:
                database.execute("ROLLBACK")
            raise
        self._changed.clear()
        self._settled.clear()
        self._counted.clear()

    def waiting(self, subscription: str) -> list[Delivery]:
        """Give the deliveries of a subscription that have not ended, oldest first."""
        rows = self._db.execute("SELECT * FROM deliveries WHERE subscription=? ORDER BY key", (subscription,))
        return [Delivery(*row) for row in rows]

    def events(self, keys: Iterable[int]) -> list[Stored]:
        """Give events by their keys; what is no longer kept is left out."""
        found = []
        for key in keys:
            row = self._db.execute("SELECT * FROM events WHERE key=?", (key,)).fetchone()
            if row is not None:
                found.append(Stored(*row))
        return found

    def find(self, topic: str = "", kind: str = "", subject: str = "", last: int = KEPT_EVENTS) -> list[Stored]:
        """Give the `last` newest kept events that match, oldest first; `subject` is what it begins with."""
        rows = self._db.execute(
            "SELECT * FROM events WHERE (?1='' OR topic=?1) AND (?2='' OR type=?2) "
            "AND substr(subject, 1, length(?3))=?3 ORDER BY key DESC LIMIT ?4",
            (topic, kind, subject, last),
        )
        return [Stored(*row) for row in rows][::-1]

    def again(self, deliveries: Iterable[Delivery]) -> None:
        """Ask for deliveries anew; on disk when this returns."""
        self._db.execute("BEGIN IMMEDIATE")
        self._db.executemany(
            "INSERT OR REPLACE INTO deliveries VALUES (?,?,?,?,?,?,?,?)",
            [(d.subscription, d.key, d.due, d.since, d.attempts, d.last, d.outcome, d.dead) for d in deliveries],
        )
        self._db.execute("COMMIT")

    def counts(self, subscription: str) -> dict[str, int]:
        """Give what was counted for a subscription."""
        rows = self._db.execute("SELECT what, number FROM counts WHERE subscription=?", (subscription,))
        return {str(what): int(number) for what, number in rows}

    def note(self, name: str, value: str | None = None) -> str:
        """Read a note, "" where there is none; with `value`, write it first."""
        if value is not None:
            self._db.execute("INSERT OR REPLACE INTO notes VALUES (?,?)", (name, value))
        row = self._db.execute("SELECT value FROM notes WHERE name=?", (name,)).fetchone()
        return str(row[0]) if row else ""

    def prune(self, keep: int = KEPT_EVENTS) -> int:
        """Drop the oldest events whose deliveries have all ended, beyond the `keep` newest; gives how many."""
        row = self._db.execute("SELECT key FROM events ORDER BY key DESC LIMIT 1 OFFSET ?", (keep,)).fetchone()
        if row is None:
            return 0
        cursor = self._db.execute(
            "DELETE FROM events WHERE key IN (SELECT key FROM events WHERE key <= ? "
            "AND key NOT IN (SELECT key FROM deliveries) LIMIT 10000)",
            (row[0],),
        )
        return cursor.rowcount

    def close(self) -> None:
        """Write what is left and close; what comes later is not written."""
        if self._timer is not None:
            self._timer.cancel()
        self._flush()
        self._closed = True
        self._db.close()
