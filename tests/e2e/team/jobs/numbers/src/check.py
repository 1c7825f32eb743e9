"""Refuses a folder in which a line is no number; every finding names its file and line."""

import sys
from pathlib import Path

from reading import lines

findings = []
for name, number, line in lines(Path(sys.argv[1])):
    try:
        float(line)
    except ValueError:
        findings.append(f"{name}:{number}: {line!r} is no number")
for finding in findings:
    print(finding)
if findings:
    sys.exit(f"{len(findings)} findings: the data is refused")
