"""Measures challenger and champion on the same rows, by carrier too."""

import json
import sys
from pathlib import Path

from rows import mae, read
from tracking import log

rows = read(Path(sys.argv[1]))
found = {"rows": float(len(rows))}
for prefix, folder in (("", sys.argv[2]), ("champion.", sys.argv[3])):
    told = json.loads(next(Path(folder).rglob("model.json")).read_text())["delay"]
    found[f"{prefix}mae"] = mae(rows, told)
    for carrier in sorted({name for name, _ in rows}):
        part = [row for row in rows if row[0] == carrier]
        found[f"{prefix}mae.carrier.{carrier}"] = mae(part, told)
        found[f"{prefix}rows.carrier.{carrier}"] = len(part)
log(found)
