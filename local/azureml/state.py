"""What the emulator remembers: documents and the events that wait to be delivered, in one SQLite file."""

import json
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from local.azureml.wire import Json


class State:
    """Documents by kind, parent and name; survives a crash after any change. For one thread (the event loop's)."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._db = sqlite3.connect(path, isolation_level=None)
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute("PRAGMA synchronous=NORMAL")
        self._db.executescript(
            "CREATE TABLE IF NOT EXISTS documents (seq INTEGER PRIMARY KEY AUTOINCREMENT, kind TEXT NOT NULL,"
            " parent TEXT NOT NULL, name TEXT NOT NULL, body TEXT NOT NULL, UNIQUE (kind, parent, name));"
            "CREATE TABLE IF NOT EXISTS outbox (seq INTEGER PRIMARY KEY AUTOINCREMENT, body TEXT NOT NULL);"
        )
        self._depth = 0

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Make what is written inside one change: all or nothing."""
        if self._depth == 0:
            self._db.execute("BEGIN IMMEDIATE")
        self._depth += 1
        try:
            yield
        except BaseException:
            self._depth -= 1
            if self._depth == 0:
                self._db.execute("ROLLBACK")
            raise
        self._depth -= 1
        if self._depth == 0:
            self._db.execute("COMMIT")

    def get(self, kind: str, name: str, parent: str = "") -> Json | None:
        """Give a document, or None."""
        row = self._db.execute(
            "SELECT body FROM documents WHERE kind = ? AND parent = ? AND name = ?", (kind, parent, name)
        ).fetchone()
        return json.loads(row[0]) if row else None

    def put(self, kind: str, name: str, body: Json, parent: str = "") -> None:
        """Write a document, new or in the place of the old one."""
        self._db.execute(
            "INSERT INTO documents (kind, parent, name, body) VALUES (?, ?, ?, ?)"
            " ON CONFLICT (kind, parent, name) DO UPDATE SET body = excluded.body",
            (kind, parent, name, json.dumps(body)),
        )

    def delete(self, kind: str, name: str, parent: str = "") -> bool:
        """Remove a document; tell whether it was there."""
        found = self._db.execute(
            "DELETE FROM documents WHERE kind = ? AND parent = ? AND name = ?", (kind, parent, name)
        )
        return found.rowcount > 0

    def documents(self, kind: str, parent: str | None = "") -> list[Json]:
        """Give the documents of a kind and parent (None: of all parents), newest first."""
        if parent is None:
            rows = self._db.execute("SELECT body FROM documents WHERE kind = ? ORDER BY seq DESC", (kind,))
        else:
            rows = self._db.execute(
                "SELECT body FROM documents WHERE kind = ? AND parent = ? ORDER BY seq DESC", (kind, parent)
            )
        return [json.loads(row[0]) for row in rows]

    def named(self, kind: str, parent: str = "") -> list[tuple[str, Json]]:
        """Give name and document of those of a kind and parent, newest first."""
        rows = self._db.execute(
            "SELECT name, body FROM documents WHERE kind = ? AND parent = ? ORDER BY seq DESC", (kind, parent)
        )
        return [(row[0], json.loads(row[1])) for row in rows]

    def count(self, kind: str) -> int:
        """Give how many documents of a kind there are, of all parents."""
        return int(self._db.execute("SELECT COUNT(*) FROM documents WHERE kind = ?", (kind,)).fetchone()[0])

    def enqueue(self, event: Json) -> None:
        """Add an event to the outbox."""
        self._db.execute("INSERT INTO outbox (body) VALUES (?)", (json.dumps(event),))

    def waiting(self, limit: int) -> list[tuple[int, Json]]:
        """Give the oldest events that wait, each with its number."""
        rows = self._db.execute("SELECT seq, body FROM outbox ORDER BY seq LIMIT ?", (limit,))
        return [(row[0], json.loads(row[1])) for row in rows]

    def delivered(self, upto: int) -> None:
        """Forget the events up to a number: they were accepted."""
        self._db.execute("DELETE FROM outbox WHERE seq <= ?", (upto,))
