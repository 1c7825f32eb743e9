"""Puts a record's text into the cells of a row: in pieces, compressed where it is large, in a blob else in a blob.

Cells d0, d1, ... (or usage, usage1, ...: by the name of the first) hold it in pieces; z0, z1, ... compressed; the cell
`blob` names the blob that holds it compressed.
"""

import hashlib
import zlib
from collections.abc import Mapping
from typing import Final

from shared.ledger.protocol import Blobs, Value

CELL: Final = 60_000
"""Bytes of a piece; a cell takes 64 KiB."""
_PLAIN: Final = 120_000
_INLINE: Final = 600_000
"""A row takes 1 MiB, and a transaction 4 MiB: what is larger when compressed goes to a blob."""


def pieces(text: bytes, first: str) -> dict[str, Value]:
    """Give the text as cells, one at least; `first` names the first of them."""
    return {_name(first, n // CELL): text[n : n + CELL] for n in range(0, max(1, len(text)), CELL)}


async def pack(text: bytes, blobs: Blobs, folder: str, first: str = "d0") -> dict[str, Value]:
    """Give the cells of a text; one that no row could hold goes to a blob of `folder` first, named by its digest."""
    if len(text) <= _PLAIN:
        return pieces(text, first)
    packed = zlib.compress(text, 1)
    if len(packed) <= _INLINE:
        return pieces(packed, "z0")
    name = f"{folder}/{hashlib.sha256(packed).hexdigest()[:32]}.z"
    await blobs.put(name, packed, content_type="application/octet-stream")
    return {"blob": name}


async def unpack(cells: Mapping[str, Value], blobs: Blobs, first: str = "d0") -> bytes:
    """Give the text of a row's cells; `first` names the first of those that hold it in pieces."""
    if "blob" in cells:
        return zlib.decompress(await blobs.get(str(cells["blob"])))
    if "z0" in cells:
        return zlib.decompress(_joined(cells, "z0"))
    return _joined(cells, first)


def _joined(cells: Mapping[str, Value], first: str) -> bytes:
    found: list[bytes] = []
    while isinstance(piece := cells.get(_name(first, len(found))), bytes):
        found.append(piece)
    return b"".join(found)


def _name(first: str, number: int) -> str:
    return f"{first.rstrip('0')}{number}" if number else first
