"""Keeps a share of the rows."""

import sys
from pathlib import Path

raw, share, target = Path(sys.argv[1]), float(sys.argv[2]), Path(sys.argv[3])
head, *rows = (raw / "flowers.csv").read_text().splitlines()
(target / "rows.csv").write_text("\n".join([head, *rows[: int(len(rows) * share)]]))
