"""Frozen contents: an automation with its job files and code, kept by hash, so that an activity ends as it began."""

import asyncio
import contextlib
import io
import shutil
import tempfile
import weakref
import zipfile
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

from shared.automations.loading import Loaded, content_hash, read_frozen
from shared.ledger.protocol import AlreadyExistsError, Blobs, NotFoundError

_EPOCH = (1980, 1, 1, 0, 0, 0)
_MOST_LOADED = 256


class Contents:
    """Keeps frozen contents in the ledger's blobs, and unpacks them into a folder of this process."""

    def __init__(self, blobs: Blobs, commit: str = "") -> None:
        self._blobs = blobs
        self._commit = commit
        self._kept: set[str] = set()
        self._loaded: dict[str, Loaded] = {}
        self._folder: Path | None = None
        self._lock = asyncio.Lock()

    async def keep(self, loaded: Loaded) -> str:
        """Keep the content of an automation; give its hash. Once a process, and once in the ledger."""
        if loaded.content not in self._kept:
            with contextlib.suppress(AlreadyExistsError):
                await self._blobs.put(_name(loaded.content), pack(loaded.files), absent=True)
            if self._commit:
                with contextlib.suppress(AlreadyExistsError):
                    await self._blobs.put(_commit_name(loaded.content), self._commit.encode(), absent=True)
            self._kept.add(loaded.content)
        return loaded.content

    async def folder(self, content: str) -> Path:
        """Give the folder that holds a content; raises NotFoundError where it was never kept."""
        async with self._lock:
            if self._folder is None:
                self._folder = Path(tempfile.mkdtemp(prefix="hub-content-"))
                weakref.finalize(self, shutil.rmtree, self._folder, ignore_errors=True)
            folder = self._folder / content
            if not folder.is_dir():
                packed = await self._blobs.get(_name(content))
                await asyncio.to_thread(unpack, packed, folder, content)
            return folder

    async def read(self, content: str) -> Loaded:
        """Give the automation of a content; the last ones that were read are kept, for a content never changes."""
        if content not in self._loaded:
            folder = await self.folder(content)
            loaded = await asyncio.to_thread(read_frozen, folder)
            while len(self._loaded) >= _MOST_LOADED:
                del self._loaded[next(iter(self._loaded))]
            self._loaded[content] = loaded
        return self._loaded[content]


def _name(content: str) -> str:
    return f"contents/{content}.zip"


def _commit_name(content: str) -> str:
    return f"contents/{content}.commit"


async def commit_of(blobs: Blobs, content: str) -> str:
    """Give the commit that a content was first seen in, "" where no commit was known."""
    try:
        return (await blobs.get(_commit_name(content))).decode()
    except NotFoundError:
        return ""


def pack(files: Mapping[str, bytes]) -> bytes:
    """Pack files so that the same ones always give the same bytes."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(files):
            archive.writestr(zipfile.ZipInfo(path, _EPOCH), files[path], zipfile.ZIP_DEFLATED)
    return stream.getvalue()


def unpack(packed: bytes, folder: Path, content: str) -> None:
    """Unpack into `folder`, all or nothing; raises ValueError where the bytes are not those of `content`."""
    with zipfile.ZipFile(io.BytesIO(packed)) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    if content_hash(files) != content:
        raise ValueError(f"the frozen content {content[:12]} in the ledger does not have that hash: it was altered")
    fresh = Path(tempfile.mkdtemp(prefix="new-", dir=folder.parent))
    for name, text in files.items():
        parts = PurePosixPath(name).parts
        if ".." in parts or PurePosixPath(name).is_absolute():
            raise ValueError(f"the frozen content {content[:12]} holds the path {name!r}")
        target = fresh.joinpath(*parts)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(text)
    try:
        fresh.rename(folder)
    except OSError:
        shutil.rmtree(fresh, ignore_errors=True)
        if not folder.is_dir():
            raise
