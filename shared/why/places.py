"""What somebody asks about: a claim, an activity, a collection, a blob by address or path, a model, a run."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import unquote, urlsplit

from shared.settings import Connection, Settings

_CLAIM: Final = re.compile(r"[0-9a-f]{32}")
_ACTIVITY: Final = re.compile(r"[0-9]{8}t[0-9]{6}-[0-9a-f]{10}")
_COLLECTION: Final = re.compile(r"[a-z][a-z0-9-]{0,62}-[0-9a-f]{10}")
_SUBJECT: Final = re.compile(r"/blobServices/default/containers/([^/]+)/blobs/(.+)", re.DOTALL)
_MODEL: Final = re.compile(r"models/([^/:]+):([^/:]+)")
_RUN: Final = re.compile(r"experiments/[^/]+/runs/([^/]+)")
_PATH: Final = re.compile(r"([a-z0-9](?:-?[a-z0-9]){2,62})/(.+)", re.DOTALL)
MOST: Final = 2048


class UnknownPlaceError(ValueError):
    """What was asked about cannot be read, or is not this hub's; the message says what is expected."""


@dataclass(frozen=True, slots=True)
class Blob:
    """A blob; `account` is "" where any of the hub's may be meant."""

    container: str
    path: str
    account: str = ""


@dataclass(frozen=True, slots=True)
class Claim:
    """An event by its claim."""

    name: str


@dataclass(frozen=True, slots=True)
class ActivityPlace:
    """An activity."""

    name: str


@dataclass(frozen=True, slots=True)
class CollectionPlace:
    """A collection."""

    name: str


@dataclass(frozen=True, slots=True)
class Model:
    """A model version."""

    name: str
    version: str


@dataclass(frozen=True, slots=True)
class Run:
    """A run of Azure ML."""

    name: str


Place = Blob | Claim | ActivityPlace | CollectionPlace | Model | Run


def place(text: str, settings: Settings) -> Place:
    """Read what somebody asks about; nothing is fetched by it. Raises UnknownPlaceError."""
    if not 1 <= len(text) <= MOST or not text.isprintable():
        raise UnknownPlaceError(f"1 to {MOST} printable characters are expected")
    if _CLAIM.fullmatch(text):
        return Claim(text)
    if _ACTIVITY.fullmatch(text):
        return ActivityPlace(text)
    if "://" in text:
        return blob_of_address(text, settings)
    if match := _SUBJECT.fullmatch(text):
        return _blob(match[1], match[2], "")
    if match := _MODEL.fullmatch(text):
        return Model(match[1], match[2])
    if match := _RUN.fullmatch(text):
        return Run(match[1])
    if _COLLECTION.fullmatch(text):
        return CollectionPlace(text)
    if match := _PATH.fullmatch(text):
        return _blob(match[1], match[2], "")
    return Run(text)


def blob_of_address(text: str, settings: Settings) -> Blob:
    """Read a blob's address; only addresses of the hub's own data accounts are known. Raises UnknownPlaceError."""
    try:
        parts = urlsplit(text)
        host = (parts.hostname or "").lower() + (f":{parts.port}" if parts.port else "")
    except ValueError:
        raise UnknownPlaceError(f"{text[:128]!r} is no address") from None
    if parts.scheme not in {"http", "https"} or parts.username or parts.password:
        raise UnknownPlaceError(
            f"{text[:128]!r} is no address of a blob: https://<account>.blob.core…/<container>/<path>"
        )
    for account, prefix in endpoints(settings.accounts).items():
        known = urlsplit(prefix)
        base = known.path.rstrip("/") + "/"
        if host == known.netloc.lower() and parts.path.startswith(base):
            container, _, path = parts.path.removeprefix(base).partition("/")
            if container and path:
                return _blob(unquote(container), unquote(path), account)
            raise UnknownPlaceError(f"{text[:128]!r} names no blob in a container")
    accounts = ", ".join(sorted(settings.accounts)) or "it has none"
    raise UnknownPlaceError(f"{host[:128]!r} is none of this hub's data accounts ({accounts})")


def _blob(container: str, path: str, account: str) -> Blob:
    if ".." in path.split("/") or "." in path.split("/") or len(path) > 1024:
        raise UnknownPlaceError(f"{path[:128]!r} is no path of a blob")
    return Blob(container, path, account)


def endpoints(accounts: Mapping[str, Connection]) -> dict[str, str]:
    """Give where the blobs of each account are reached."""
    found: dict[str, str] = {}
    for name, connection in accounts.items():
        if connection.uris.get("blob"):
            found[name] = connection.uris["blob"]
            continue
        parts = dict(part.partition("=")[::2] for part in connection.connection_string.split(";"))
        suffix = parts.get("EndpointSuffix", "core.windows.net")
        default = f"https://{parts.get('AccountName', name)}.blob.{suffix}"
        found[name] = parts.get("BlobEndpoint") or default
    return found
