"""Learns the usual delay: the mean of all rows."""

import json
import sys
import time
from pathlib import Path

from rows import mae, read
from tracking import log

rows = read(Path(sys.argv[1]))
time.sleep(len(rows) / 20)  # so that somebody can watch
usual = sum(delay for _, delay in rows) / len(rows)
log({"rows": len(rows), "usual_delay": usual, "mae": mae(rows, usual)})
folder = Path(sys.argv[2])
folder.mkdir(parents=True, exist_ok=True)
(folder / "model.json").write_text(json.dumps({"delay": usual}))
