"""Says what was learnt, and from how many rows."""

import sys
from pathlib import Path

mean = float((Path(sys.argv[1]) / "mean.txt").read_text())
rows = len((Path(sys.argv[2]) / "rows.csv").read_text().splitlines()) - 1
(Path(sys.argv[3]) / "report.txt").write_text(f"{rows} rows, mean {mean:.2f}")
