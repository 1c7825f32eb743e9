"""Memory of processes with all that they started, as the kernel counts it (Linux)."""

import contextlib
from pathlib import Path

from local.process import children


def megabytes(process: int) -> float:
    """Give the proportional memory of a process and its descendants in MB: what they share is counted once."""
    total = 0.0
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{process}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                total = int(line.split()[1]) / 1024
    return total + sum(megabytes(child) for child in children(process))
