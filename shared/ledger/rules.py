"""The rules of Azure Table storage, checked before anything is sent: the twin in memory and Azure refuse the same."""

import re
from collections.abc import Sequence
from datetime import datetime
from typing import Final

from shared.ledger.protocol import MAX_OPERATIONS, Delete, Operation, Row, Value

MAX_CELL_BYTES: Final = 64 * 1024
MAX_ROW_BYTES: Final = 1024 * 1024
MAX_TRANSACTION_BYTES: Final = 4 * 1024 * 1024
_MAX_KEY_BYTES: Final = 1024
_BAD_KEY: Final = re.compile(r"[/\\#?\x00-\x1f\x7f-\x9f]")
_INT64: Final = 2**63


def address(operation: Operation) -> tuple[str, str]:
    """Give partition and key that an operation touches."""
    if isinstance(operation, Delete):
        return operation.partition, operation.key
    return operation.row.partition, operation.row.key


def check(operations: Sequence[Operation]) -> None:
    """Raise ValueError, naming the rule and the row, where a transaction breaks a rule of the service."""
    if not 1 <= len(operations) <= MAX_OPERATIONS:
        raise ValueError(f"a transaction holds 1 to {MAX_OPERATIONS} operations, not {len(operations)}")
    addresses = [address(operation) for operation in operations]
    if len({partition for partition, _ in addresses}) != 1:
        raise ValueError(f"a transaction stays in one partition, not {sorted({p for p, _ in addresses})[:5]}")
    if len(set(addresses)) != len(addresses):
        raise ValueError("a transaction touches each row once")
    for text in (text for place in addresses for text in place):
        if _BAD_KEY.search(text) or len(text.encode()) > _MAX_KEY_BYTES:
            raise ValueError(f"key {text[:80]!r} holds a character or a length that table storage refuses")
    total = sum(_row_size(operation.row) for operation in operations if not isinstance(operation, Delete))
    if total > MAX_TRANSACTION_BYTES:
        raise ValueError(f"a transaction of {total} bytes is over {MAX_TRANSACTION_BYTES}")


def _row_size(row: Row) -> int:
    size = sum(_size(name, value) for name, value in row.cells.items())
    if size > MAX_ROW_BYTES:
        raise ValueError(f"row {row.key[:80]!r} has {size} bytes, over {MAX_ROW_BYTES}")
    return size


def _size(name: str, value: Value) -> int:
    if isinstance(value, str):
        size = len(value.encode("utf-16-le"))
    elif isinstance(value, bytes):
        size = len(value)
    elif isinstance(value, bool | float | datetime):
        size = 8
    elif isinstance(value, int):
        if not -_INT64 <= value < _INT64:
            raise ValueError(f"cell {name!r}: {value} does not fit 64 bits")
        size = 8
    else:
        raise TypeError(f"cell {name!r} holds a {type(value).__name__}, which a table cannot keep")
    if size > MAX_CELL_BYTES:
        raise ValueError(f"cell {name!r} has {size} bytes, over {MAX_CELL_BYTES}")
    return size + 2 * len(name)
