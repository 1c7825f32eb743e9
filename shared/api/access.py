"""Who may: named keys, stored as hashes, each with its roles."""

import hashlib
import hmac
from collections.abc import Iterable
from dataclasses import dataclass

from shared.settings import Key


@dataclass(frozen=True, slots=True)
class Caller:
    """Who calls. `person` is false for a key: it never counts in a quorum of more than one."""

    name: str
    roles: frozenset[str]
    person: bool = False


def caller_of_key(text: str, keys: Iterable[Key]) -> Caller | None:
    """Give the caller that a key's text belongs to, or None; every key is compared, in constant time."""
    digest = hashlib.sha256(text.encode()).hexdigest()
    found: Caller | None = None
    for key in keys:
        if hmac.compare_digest(digest, key.digest.lower()):
            found = Caller(f"key:{key.name}", key.roles)
    return found
