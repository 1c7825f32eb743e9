"""Learns the mean of the petals."""

import sys
from pathlib import Path

rows = (Path(sys.argv[1]) / "rows.csv").read_text().splitlines()[1:]
petals = [float(row.partition(",")[0]) for row in rows]
(Path(sys.argv[2]) / "mean.txt").write_text(str(sum(petals) / len(petals)))
