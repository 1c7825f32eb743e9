"""Files that are frozen by a list of their paths and etags: what can be, and whether they still are what was listed."""

import asyncio
import json
import re
from collections.abc import Mapping, Sequence
from time import monotonic
from typing import Any, Final

from shared.actions.context import Context
from shared.automations.loading import Loaded
from shared.data import Seen
from shared.engine.outcomes import PermanentError
from shared.ledger.records import Activity, File
from shared.mending import Mending

COPIES: Final = "copies"
LIST: Final = "list"
A_LOOK: int = 2000
"""Files looked at in one look, so that a step stays short."""
_AT_ONCE: Final = 64
_SECONDS: Final = 20.0
"""A look that took so long looks at no more: the next one goes on."""
_PLAIN: Final = re.compile(r"[A-Za-z0-9._=+,@~-]+(/[A-Za-z0-9._=+,@~-]+)*")
"""Names that mean the same in an address, in a pattern and in YAML."""
_NAMED: Final = 3


def copies_because(loaded: Loaded, members: Sequence[File]) -> str:
    """Give why these files are copied though they are more than is copied; "" where nothing speaks for it.

    What a list cannot do is copied, whatever the size: a folder that something else than a job's files reads.
    """
    do = loaded.automation.do
    if do.score is not None and do.score.endpoint:
        return f"the batch endpoint {do.score.endpoint} reads a folder"
    named = (loaded.automation.check, do.train, do.job)
    files = [one.job for one in named if one is not None] + ([do.score.job] if do.score and do.score.job else [])
    for job in (loaded.jobs[file] for file in files):
        if job.kind == "pipeline":
            return f"{job.path} is a pipeline, whose steps say themselves what they read"
        if job.direct:
            return f"{job.path} reads input {min(job.direct)} by its address (mode: direct)"
    odd = next((file.path for file in members if not _PLAIN.fullmatch(file.path) or _climbs(file.path)), "")
    if odd:
        return f"the name {odd!r} has characters that an MLTable may read as something else"
    return ""


def _climbs(path: str) -> bool:
    return any(part in {".", ".."} for part in path.split("/"))


class Lists:
    """Looks at the files of lists."""

    def __init__(self, context: Context) -> None:
        self._context = context

    async def datastores(self, members: Sequence[File]) -> dict[str, str]:
        """Give the workspace's datastore of each `account/container`; raises PermanentError where one has none."""
        settings, found = self._context.settings, {}
        for account, container in sorted({(file.account, file.container) for file in members}):
            place, name = f"{account}/{container}", settings.datastore_of(account, container)
            known = await self._context.azureml.datastore(name) if name else None
            if known is None or known[0] != account or known[1] not in {"", container}:
                wanted = name or settings.datastore_for(account, container)
                key = place if account != settings.data_account else container
                what = f"datastore {name!r} is {'not there' if known is None else '/'.join(known)}"
                raise PermanentError(
                    f"these files have more bytes than HUB_FREEZE_COPY_MOST ({settings.freeze_copy_most}), so they are "
                    f"frozen by a list, and for that the workspace needs a datastore of {place}: "
                    f"{what if name else 'HUB_DATASTORES names none'}. Make one "
                    f"({Mending(settings).datastore(wanted, container, account)}), name it in HUB_DATASTORES as "
                    f"{json.dumps({**settings.datastores, key: wanted})}, and retry; "
                    "or let the setting allow copies of so much"
                )
            found[place] = name
        return found

    async def look(self, members: Sequence[File]) -> list[Seen | None]:
        """Look at the first files of these, as many as a short look can: at least one of them, in order."""
        began, seen = monotonic(), list[Seen | None]()
        while len(seen) < min(len(members), A_LOOK) and monotonic() - began < _SECONDS:
            some = members[len(seen) : min(len(seen) + _AT_ONCE, A_LOOK)]
            seen += await asyncio.gather(*(self._context.data.look(file) for file in some))
        return seen

    async def changed(self, activity: Activity, steps: Sequence[str], start: int) -> tuple[int, int, str]:
        """Look whether files of what steps froze by lists are still the same, from one of them on.

        Gives how many were looked at by now, of how many, and what is wrong with some of them, "" for nothing.
        """
        files: dict[tuple[str, str, str], File] = {}
        for name in steps:
            step = activity.step(name)
            for file in await self._context.files(str(step.detail["frozen"])) if step else ():
                files.setdefault((file.account, file.container, file.path), file)
        some = list(files.values())[start:]
        seen = await self.look(some)
        wrong = [difference(file, now) for file, now in zip(some, seen, strict=False)]
        return start + len(seen), len(files), told([one for one in wrong if one])

    def table(self, members: Sequence[File], datastores: Mapping[str, str]) -> tuple[bytes, list[str]]:
        """Write the MLTable of these files, and give the addresses of the containers that they lie in.

        https://learn.microsoft.com/azure/machine-learning/reference-yaml-mltable
        """
        known = self._context.settings
        base = (
            f"azureml://subscriptions/{known.subscription}/resourcegroups/{known.resource_group}"
            f"/workspaces/{known.workspace}/datastores"
        )
        roots = {place: f"{base}/{name}/paths/" for place, name in datastores.items()}
        paths = (f"  - file: {json.dumps(f'{roots[_place(file)]}{file.path}')}\n" for file in members)
        head = "$schema: https://azuremlschemas.azureedge.net/latest/MLTable.schema.json\ntype: mltable\npaths:\n"
        return (head + "".join(paths)).encode(), sorted(roots.values())


def listed(members: Sequence[File]) -> bytes:
    """Write the exact list: where each file lies, its etag and its size, as JSON for whoever reads the table."""
    entries = [{"path": f"{_place(file)}/{file.path}", "etag": file.etag, "size": file.size} for file in members]
    return json.dumps({"files": entries}).encode()


def is_list(detail: Mapping[str, Any] | None) -> bool:
    """Tell whether a freezing step, by its detail, froze by a list."""
    return detail is not None and detail.get("frozen_as") == LIST


def difference(file: File, now: Seen | None) -> str:
    """Say what is wrong with a file that was listed, "" for nothing."""
    where = f"{_place(file)}/{file.path}"
    if now is None:
        return f"{where} is gone"
    return "" if now.etag == file.etag else f"{where} was rewritten (its etag is {now.etag}, it was {file.etag})"


def told(wrong: Sequence[str]) -> str:
    """Say which files are no longer what was listed, a few by name, and what to do; "" for none."""
    if not wrong:
        return ""
    more = f" and {len(wrong) - _NAMED} or more others" if len(wrong) > _NAMED else ""
    return (
        f"{', '.join(wrong[:_NAMED])}{more}. They are frozen by a list of paths and etags, without copies: "
        "what was frozen cannot be read any more, and a retry cannot succeed. Write these files anew, which starts an "
        "activity of their own, or start the automation again; HUB_FREEZE_COPY_MOST says how much is copied"
    )


def _place(file: File) -> str:
    return f"{file.account}/{file.container}"
