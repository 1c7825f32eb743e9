"""Checks a folder of flights files before anything learns from them: every finding with its file and rows."""

import argparse
import csv
import datetime as dt
import io
import json
import re
import sys
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from columns import KEY, KNOWN, OUTCOME, Column
from reading import DataError, DataFile, files
from tracking import run

FEWEST: Final = 200
"""Below so many rows a share of empty cells says nothing; then only a column without any value is a finding."""


@dataclass
class Findings:
    """What was found, gathered by file, rule and column, so that a broken column of a month stays readable."""

    grouped: dict[tuple[str, str, str, str], dict[str, list]] = field(default_factory=dict)

    def add(self, rule: str, file: str, row: int | None, column: str, found: str, expected: str) -> None:
        """Add a finding. `row` is the line in the file (the header is line 1), None for the whole file."""
        group = self.grouped.setdefault((rule, file, column, expected), {"rows": [], "found": []})
        if row is not None:
            group["rows"].append(row)
        if found not in group["found"] and len(group["found"]) < 5:
            group["found"].append(found)

    def listing(self) -> list[dict]:
        """Give all findings: rule, file, column, expected, rows (as ranges), count, found (5 at most)."""
        return [
            {
                "rule": rule,
                "file": file,
                "column": column,
                "rows": _ranges(group["rows"]),
                "count": max(len(group["rows"]), 1),
                "found": group["found"],
                "expected": expected,
            }
            for (rule, file, column, expected), group in self.grouped.items()
        ]


@dataclass
class Totals:
    """What is counted over all files."""

    rows: int = 0
    nulls: Counter = field(default_factory=Counter)
    extremes: dict[str, tuple[float, float]] = field(default_factory=dict)
    seen: dict[tuple, tuple[tuple, str, int]] = field(default_factory=dict)
    duplicates: Findings = field(default_factory=Findings)
    duplicate_rows: int = 0


def check_file(file: DataFile, columns: tuple[Column, ...], findings: Findings, totals: Totals) -> int:
    """Check one file; gives its rows."""
    try:
        text = file.content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        findings.add("encoding", file.path, None, "", f"byte {error.start} is no UTF-8", "a CSV file in UTF-8")
        return 0
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    rows = 0
    try:
        header = next(reader, None)
        if not header:
            findings.add("schema", file.path, 1, "", "an empty file", "a header and rows")
            return 0
        if not _check_header(file, header, columns, findings):
            return sum(1 for _ in reader)
        places = [(column, header.index(column.name), re.compile(column.pattern)) for column in columns]
        key = [header.index(name) for name in KEY]
        for cells in reader:
            if not cells:
                continue
            rows += 1
            _check_row(file.path, reader.line_num, cells, len(header), places, findings, totals)
            if len(cells) == len(header):
                _check_repeats(file.path, reader.line_num, cells, key, findings, totals)
    except csv.Error as error:
        findings.add("schema", file.path, reader.line_num, "", str(error), "well-formed CSV")
    if rows == 0:
        findings.add("rows", file.path, None, "", "no row", "at least one row")
    totals.rows += rows
    return rows


def _check_header(file: DataFile, header: list[str], columns: tuple[Column, ...], findings: Findings) -> bool:
    names = {column.name for column in columns}
    for name in sorted(names - set(header)):
        findings.add("schema", file.path, 1, name, "no such column", "a column of this name")
    for name, count in Counter(header).items():
        if name not in names:
            findings.add("schema", file.path, 1, name, "an unknown column", "only columns of the schema")
        elif count > 1:
            findings.add("schema", file.path, 1, name, f"{count} columns of this name", "one")
    return names <= set(header)


def _check_row(
    path: str,
    line: int,
    cells: list[str],
    width: int,
    places: list[tuple[Column, int, re.Pattern]],
    findings: Findings,
    totals: Totals,
) -> None:
    if len(cells) != width:
        findings.add("schema", path, line, "", f"{len(cells)} cells", f"{width} cells")
        return
    for column, place, pattern in places:
        cell = cells[place]
        if cell in {"", "NA"}:
            totals.nulls[column.name] += 1
            if column.nulls == 0.0:
                findings.add("null", path, line, column.name, "an empty cell", column.expected)
        elif column.pattern:
            if not pattern.fullmatch(cell):
                findings.add("format", path, line, column.name, cell[:40], column.expected)
        else:
            _check_number(path, line, column, cell, findings, totals)
    given = {column.name: cells[place] for column, place, _ in places if column.name in {"year", "month", "day"}}
    try:
        dt.date(int(given["year"]), int(given["month"]), int(given["day"]))
    except ValueError:
        shown = "-".join(given[name][:10] for name in ("year", "month", "day"))
        findings.add("date", path, line, "day", shown, "year, month and day of a real date")


def _check_number(path: str, line: int, column: Column, cell: str, findings: Findings, totals: Totals) -> None:
    try:
        number = float(cell)
    except ValueError:
        findings.add("type", path, line, column.name, cell[:40], column.expected)
        return
    if column.whole and not number.is_integer():
        findings.add("type", path, line, column.name, cell[:40], column.expected)
    elif column.low is None or column.high is None or not column.low <= number <= column.high:
        findings.add("range", path, line, column.name, cell[:40], column.expected)
    else:
        low, high = totals.extremes.get(column.name, (number, number))
        totals.extremes[column.name] = min(low, number), max(high, number)


def _check_repeats(path: str, line: int, cells: list[str], key: list[int], findings: Findings, totals: Totals) -> None:
    flight, whole = tuple(cells[place] for place in key), tuple(cells)
    before = totals.seen.setdefault(flight, (whole, path, line))
    if before[1:] == (path, line):
        return
    where = f"as in {before[1]} row {before[2]}"
    if before[0] == whole:
        totals.duplicate_rows += 1
        totals.duplicates.add("duplicate", path, line, "", where, "each flight once")
    else:
        findings.add("conflict", path, line, "", f"another row of a flight, {where}", "one row a flight")


def check(folder: Path, *, labels: bool, largest_duplicates: float) -> dict:
    """Check all CSV files below a folder; gives the report. Raises DataError where there is no file."""
    columns = (*KNOWN, *OUTCOME) if labels else KNOWN
    findings, totals = Findings(), Totals()
    listed = [
        {"path": file.path, "sha256": file.sha256, "rows": check_file(file, columns, findings, totals)}
        for file in files(folder)
    ]
    for column in columns:
        share = totals.nulls[column.name] / totals.rows if totals.rows else 0.0
        limit = column.nulls if totals.rows >= FEWEST else 0.999
        if 0.0 < column.nulls < 1.0 and share > limit:
            findings.add("nulls", "", None, column.name, f"{share:.1%} empty", f"at most {limit:.1%} of all rows empty")
    share = totals.duplicate_rows / totals.rows if totals.rows else 0.0
    if share > largest_duplicates:
        for (rule, file, column, expected), group in totals.duplicates.grouped.items():
            findings.grouped[rule, file, column, expected] = group
        expected = f"at most {largest_duplicates:.1%} of all rows"
        findings.add("duplicates", "", None, "", f"{share:.1%} of rows occur again", expected)
    listing = findings.listing()
    return {
        "passed": not listing,
        "files": listed,
        "rows": totals.rows,
        "findings": listing,
        "duplicates": {
            "rows": totals.duplicate_rows,
            "share": share,
            "tolerated": largest_duplicates,
            "where": totals.duplicates.listing(),
        },
        "columns": {
            column.name: {
                "nulls": totals.nulls[column.name],
                **dict(zip(("min", "max"), totals.extremes.get(column.name, ()), strict=False)),
            }
            for column in columns
        },
    }


def summary(report: dict) -> str:
    """Say in one line why a check failed."""
    findings = report["findings"]
    by_rule: dict[str, int] = defaultdict(int)
    for finding in findings:
        by_rule[finding["rule"]] += finding["count"]
    broken = {finding["file"] for finding in findings if finding["file"]}
    counts = ", ".join(f"{rule} {count}" for rule, count in sorted(by_rule.items()))
    return (
        f"check failed: {sum(by_rule.values())} findings ({counts}) in {len(broken)} of {len(report['files'])} files; "
        f"first: {line(findings[0])}; all are in outputs/check.json"
    )


def line(finding: dict) -> str:
    """Say a finding in one line."""
    where = finding["file"] or "all files together"
    rows = f" row {finding['rows']}" if finding["rows"] else ""
    column = f" column {finding['column']}" if finding["column"] else ""
    found = " | ".join(finding["found"])
    return f"{where}{rows}{column}: {finding['rule']}: found {found}, expected {finding['expected']}"


def _ranges(rows: list[int]) -> str:
    parts: list[list[int]] = []
    for row in sorted(rows):
        if parts and row <= parts[-1][1] + 1:
            parts[-1][1] = row
        else:
            parts.append([row, row])
    return ", ".join(str(low) if low == high else f"{low}-{high}" for low, high in parts)


def main() -> int:
    """Run the check; 0 passed, 1 failed, 2 nothing to check."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--labels", choices=("required", "absent"), default="required")
    parser.add_argument("--largest-duplicates", type=float, default=0.02, help="share of all rows")
    parser.add_argument("--report", type=Path, default=Path("outputs"))
    given = parser.parse_args()
    with run("check") as tracked:
        try:
            report = check(given.data, labels=given.labels == "required", largest_duplicates=given.largest_duplicates)
        except DataError as error:
            print(f"check failed: {error}", file=sys.stderr)
            return 2
        given.report.mkdir(parents=True, exist_ok=True)
        (given.report / "check.json").write_text(json.dumps(report, indent=1))
        for finding in report["duplicates"]["where"]:
            print(f"tolerated {line(finding)}" if report["passed"] else f"note {line(finding)}")
        for finding in report["findings"]:
            print(f"finding {line(finding)}")
        tracked.metrics(
            {
                "passed": int(report["passed"]),
                "files": len(report["files"]),
                "rows": report["rows"],
                "findings": sum(finding["count"] for finding in report["findings"]),
                "duplicate_share": report["duplicates"]["share"],
            }
        )
        if not report["passed"]:
            print(summary(report), file=sys.stderr)
            return 1
        print(f"check passed: {len(report['files'])} files, {report['rows']} rows")
        return 0


if __name__ == "__main__":
    sys.exit(main())
