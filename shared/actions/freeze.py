"""Steps that freeze data: copies under a path of the hub's own, or a list of much data; each a data asset version."""

import asyncio
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Final

import msgspec

from shared.actions.context import Context
from shared.actions.lists import COPIES, LIST, Lists, copies_because, difference, listed, told
from shared.data import Seen
from shared.deciding.files import newest_contents
from shared.engine.outcomes import Again, Answer, Done, Failed, PermanentError
from shared.engine.run import Work
from shared.ledger.protocol import NotFoundError, Row, Upsert, Value
from shared.ledger.records import SCHEMA, Activity, File, FileList, decode, encode

A_LOOK: Final = 500
"""Files copied in one look, so that a step stays short."""


class Freeze:
    """Freezes the files of an activity, and the dataset that training reads."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._lists = Lists(context)

    async def files(self, work: Work) -> Answer:
        """Freeze the new files, under names that say where they lay, and make a data version of them."""
        activity = work.activity
        members = await self._context.files(activity.files.blob)
        return await self._freeze(work, members, "files", f"{activity.automation}-files")

    async def dataset(self, work: Work) -> Answer:
        """Accept the new files (their check has passed), and freeze all accepted ones of the window as a version."""
        activity = work.activity
        loaded, _ = await self._context.automation(activity)
        dataset = loaded.automation.dataset
        if dataset is None:
            return Done()
        listed = str(work.step.detail.get("list", ""))
        if not listed:
            new = await self._new(activity)
            await self._accept(dataset.name, activity)
            members = await self._window(dataset.name, activity, new, dataset.window, _since(activity))
            if not members:
                return Failed(
                    f"dataset {dataset.name} is empty: no file was accepted within {dataset.window.days} days; "
                    "drop files first"
                )
            listed = f"datasets/{activity.id}.json"
            await self._context.store.blobs.put(listed, encode(FileList(files=members)))
            return Again(timedelta(0), {"list": listed})
        members = decode(FileList, await self._context.store.blobs.get(listed)).files
        return await self._freeze(work, members, "dataset", dataset.name)

    async def _new(self, activity: Activity) -> tuple[File, ...]:
        step = activity.step("files")
        frozen = str(step.detail.get("frozen", "")) if step else ""
        return await self._context.files(frozen) if frozen else ()

    async def _accept(self, name: str, activity: Activity) -> None:
        step = activity.step("files")
        if step is None or not step.detail.get("frozen"):
            return
        table = self._context.store.table("accepted")
        cells: dict[str, Value] = {
            "schema": SCHEMA,
            "list": str(step.detail["frozen"]),
            "newest": str(step.detail["newest"]),
        }
        await table.apply([Upsert(Row(name, activity.id, cells))])

    async def _window(
        self, name: str, activity: Activity, new: Sequence[File], window: timedelta, since: datetime | None
    ) -> tuple[File, ...]:
        """Give the accepted files of the window before the newest one, from `since` on if that is earlier.

        Of each path the newest content.
        """
        rows = await self._context.store.table("accepted").scan(name, before=activity.id + "~", limit=10_000)
        lists = [await self._read(str(row.cells["list"])) for row in rows]
        members = newest_contents(file for files in [*lists, new] for file in files)
        if not members:
            return ()
        start = max(file.time for file in members) - window
        return tuple(file for file in members if file.time >= (min(start, since) if since else start))

    async def _read(self, name: str) -> tuple[File, ...]:
        try:
            return await self._context.files(name)
        except NotFoundError:
            return ()

    async def _freeze(self, work: Work, members: Sequence[File], kind: str, asset: str) -> Answer:
        """Freeze the next portion. How is decided once, and saved before anything is made: what goes on stays so."""
        detail, settings = dict(work.step.detail), self._context.settings
        if detail.get("frozen_as") == LIST:
            return await self._list(work, members, kind, asset, detail)
        if not detail.get("copied"):
            size = sum(file.size for file in members)
            if size > settings.freeze_copy_most:
                loaded, _ = await self._context.automation(work.activity)
                because = copies_because(loaded, members)
                if not because:
                    stores = await self._lists.datastores(members)
                    return Again(timedelta(0), {**detail, "frozen_as": LIST, "datastores": stores})
                detail["copied_because"] = because
            detail["frozen_as"] = COPIES
        return await self._copy(work, members, kind, asset, detail)

    async def _copy(self, work: Work, members: Sequence[File], kind: str, asset: str, detail: dict[str, Any]) -> Answer:
        """Copy a portion; after the last one, register the folder of the copies."""
        activity, settings = work.activity, self._context.settings
        folder = f"frozen/{activity.id}/{kind}"
        start = int(detail.get("copied", 0))
        portion = members[start : start + A_LOOK]
        several = len({file.place[:2] for file in members}) > 1
        copies = await asyncio.gather(
            *(
                self._context.data.copy(
                    file, settings.data_account, settings.data_container, f"{folder}/{_place(file, several=several)}"
                )
                for file in portion
            )
        )
        if kind == "dataset":
            now = [Seen(copied.etag, copied.size) for copied in copies]
            if wrong := _no_longer(portion, now):
                return Failed(f"the dataset cannot be frozen: {wrong}", detail)
        part = tuple(
            File(
                account=settings.data_account,
                container=settings.data_container,
                path=f"{folder}/{_place(file, several=several)}",
                etag=copied.etag,
                size=copied.size,
                time=file.time,
                sequencer=file.sequencer,
                claim=file.claim,
                origin="/".join(file.place),
            )
            for file, copied in zip(portion, copies, strict=True)
        )
        rewritten = [file.path for file, copied in zip(portion, copies, strict=True) if copied.rewritten]
        detail |= await self._save(work, kind, start, part, rewritten)
        detail["copied"] = done = start + len(portion)
        if done < len(members):
            return Again(timedelta(0), detail)
        uri = f"azureml://datastores/{settings.data_datastore}/paths/{folder}/"
        await self._context.azureml.create_data(asset, activity.id, uri, self._context.tags(activity))
        return Done(detail | _made(asset, activity, uri, members, sum(file.size for file in members)))

    async def _list(self, work: Work, members: Sequence[File], kind: str, asset: str, detail: dict[str, Any]) -> Answer:
        """List a portion by path and etag; after the last one, register the table of all of them."""
        activity, settings = work.activity, self._context.settings
        start = int(detail.get("listed", 0))
        seen = await self._lists.look(members[start:])
        portion = members[start : start + len(seen)]
        if kind == "dataset" and (wrong := _no_longer(portion, seen)):
            return Failed(f"the dataset cannot be frozen: {wrong}", detail)
        part = []
        for file, now in zip(portion, seen, strict=True):
            if now is None:
                raise PermanentError(
                    f"{file.account}/{file.container}/{file.path} was deleted before it could be frozen: "
                    "write it again, and the file starts a new collection"
                )
            part.append(msgspec.structs.replace(file, etag=now.etag, size=now.size))
        rewritten = [file.path for file, now in zip(portion, part, strict=True) if file.etag != now.etag]
        detail |= await self._save(work, kind, start, part, rewritten)
        detail["listed"] = done = start + len(portion)
        if done < len(members):
            return Again(timedelta(0), detail)
        found = await self._context.files(str(detail["frozen"]))
        folder = f"frozen/{activity.id}/{kind}-list"
        table, roots = self._lists.table(found, detail["datastores"])
        for name, content in (("files.json", listed(found)), ("MLTable", table)):
            await self._context.data.write(settings.data_account, settings.data_container, f"{folder}/{name}", content)
        uri = f"azureml://datastores/{settings.data_datastore}/paths/{folder}/"
        await self._context.azureml.create_table(asset, activity.id, uri, roots, self._context.tags(activity))
        return Done(detail | _made(asset, activity, uri, found, sum(file.size for file in found)))

    async def _save(
        self, work: Work, kind: str, start: int, part: Sequence[File], rewritten: Sequence[str]
    ) -> dict[str, Any]:
        """Add a portion to the list of what is frozen; doing it again gives the same list."""
        name = f"frozen/{work.activity.id}/{kind}.json"
        already = (await self._context.files(name))[:start] if start else ()
        await self._context.store.blobs.put(name, encode(FileList(files=(*already, *part))))
        return {"frozen": name, "rewritten": [*work.step.detail.get("rewritten", []), *rewritten][:50]}


def _made(asset: str, activity: Activity, uri: str, members: Sequence[File], size: int) -> dict[str, Any]:
    return {
        "asset": asset,
        "version": activity.id,
        "uri": uri,
        "files": len(members),
        "size": size,
        "newest": max(file.time for file in members).isoformat(),
    }


def _no_longer(members: Sequence[File], seen: Sequence[Seen | None]) -> str:
    """Say which files of a dataset are no longer what was accepted: those that lists froze, and of which no copy is."""
    wrong = [difference(file, now) for file, now in zip(members, seen, strict=True) if not file.origin]
    return told([one for one in wrong if one])


def _since(activity: Activity) -> datetime | None:
    """Give the begin of the windows that drifted, where triage names one: training reads from there at least."""
    step = activity.step("triage")
    text = str(step.detail.get("since", "")) if step else ""
    return datetime.fromisoformat(text) if text else None


def _place(file: File, *, several: bool) -> str:
    return "/".join(file.place) if several else file.place[2]


def asset_of(activity: Activity, step: str) -> dict[str, Any] | None:
    """Give what a freezing step made: asset, version, uri, files, size; None where it did not run."""
    found = activity.step(step)
    return found.detail if found and found.state == "done" and "asset" in found.detail else None
