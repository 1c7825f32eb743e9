"""What the check of flights files finds, and how it says so."""

import hashlib

from local.demo import flights
from tests.unit.jobs.conftest import Bench


def edited(files: flights.Files, place: int, change: dict[int, tuple[str, str]]) -> flights.Files:
    """Give the files with cells of one of them changed: by line (the header is 1), column and value."""
    path, content = files[place]
    lines = [line.split(",") for line in content.decode().splitlines()]
    for line, (column, value) in change.items():
        lines[line - 1][lines[0].index(column)] = value
    return [*files[:place], (path, ("\n".join(map(",".join, lines)) + "\n").encode()), *files[place + 1 :]]


def test_real_flights_pass_and_the_hash_of_every_file_that_was_read_is_logged(
    bench: Bench, week: flights.Files
) -> None:
    ran = bench.run("check.py", "--data", bench.write(week))

    assert ran.code == 0, ran.err
    read = {line.split(" ", 2)[2]: line.split(" ", 2)[1] for line in ran.out.splitlines() if line.startswith("read ")}
    assert read == {path: hashlib.sha256(content).hexdigest() for path, content in week}
    report = ran.json("outputs/check.json")
    assert report["passed"]
    assert {file["path"]: file["sha256"] for file in report["files"]} == read
    assert report["rows"] == sum(content.count(b"\n") - 1 for _, content in week)
    metrics = ran.metrics()
    assert (metrics["passed"], metrics["files"], metrics["rows"]) == (1, 27, report["rows"])


def test_every_finding_is_listed_with_file_and_rows(bench: Bench, week: flights.Files) -> None:
    files = edited(week, 0, {2: ("arr_delay", "99999"), 3: ("arr_delay", "88888"), 7: ("carrier", "united")})
    files = edited(files, 4, {5: ("distance", "far"), 6: ("day", "31"), 9: ("origin", "")})
    files = edited(files, 5, {5: ("month", "2"), 6: ("month", "2")})
    files = edited(files, 5, {5: ("day", "30"), 6: ("day", "30")})

    ran = bench.run("check.py", "--data", bench.write(files))

    assert ran.code == 1
    findings = {
        (finding["rule"], finding["file"], finding["column"]): (finding["rows"], finding["found"])
        for finding in ran.json("outputs/check.json")["findings"]
    }
    assert findings == {
        ("range", week[0][0], "arr_delay"): ("2-3", ["99999", "88888"]),
        ("format", week[0][0], "carrier"): ("7", ["united"]),
        ("type", week[4][0], "distance"): ("5", ["far"]),
        ("null", week[4][0], "origin"): ("9", ["an empty cell"]),
        ("date", week[5][0], "day"): ("5-6", ["2013-2-30"]),
    }
    assert f"finding {week[0][0]} row 2-3 column arr_delay: range: found 99999 | 88888, expected a whole" in ran.out
    assert "check failed: 7 findings (date 2, format 1, null 1, range 2, type 1) in 3 of 27 files" in ran.err
    assert ran.metrics()["passed"] == 0


def test_files_that_are_no_flights_files_are_named_and_the_others_still_checked(
    bench: Bench, week: flights.Files
) -> None:
    header, rest = week[1][1].split(b"\n", 1)
    files = [
        ("a-empty.csv", b""),
        ("b-header.csv", header + b"\n"),
        ("c-binary.csv", b"\xff\xfe\x00"),
        ("d-short.csv", header + b"\n2013,1,1\n" + rest),
        ("e-columns.csv", week[2][1].replace(b"carrier", b"airline", 1)),
        ("f-quotes.csv", header + b'\n"2013,1,1\n'),
        *edited(week[:1], 0, {2: ("humid", "101")}),
    ]

    ran = bench.run("check.py", "--data", bench.write(files))

    assert ran.code == 1
    found = [(f["rule"], f["file"], f["found"][0]) for f in ran.json("outputs/check.json")["findings"]]
    assert found == [
        ("schema", "a-empty.csv", "an empty file"),
        ("rows", "b-header.csv", "no row"),
        ("encoding", "c-binary.csv", "byte 0 is no UTF-8"),
        ("schema", "d-short.csv", "3 cells"),
        ("schema", "e-columns.csv", "no such column"),
        ("schema", "e-columns.csv", "an unknown column"),
        ("schema", "f-quotes.csv", "unexpected end of data"),
        ("rows", "f-quotes.csv", "no row"),
        ("range", week[0][0], "101"),
    ]


def test_few_repeated_rows_are_tolerated_and_many_are_not(bench: Bench, week: flights.Files) -> None:
    few = [*week, ("again.csv", b"\n".join(week[0][1].split(b"\n")[:20]) + b"\n")]
    many = [*week, ("again.csv", week[0][1])]

    tolerated = bench.run("check.py", "--data", bench.write(few, "few"), name="a")
    refused = bench.run("check.py", "--data", bench.write(many, "many"), name="b")

    assert tolerated.code == 0, tolerated.err
    assert tolerated.json("outputs/check.json")["duplicates"]["rows"] == 19
    assert refused.code == 1
    assert "duplicates" in {finding["rule"] for finding in refused.json("outputs/check.json")["findings"]}
    assert "at most 2.0% of all rows" in refused.out


def test_two_different_rows_of_one_flight_are_a_conflict(bench: Bench, week: flights.Files) -> None:
    path, content = week[0]
    lines = content.split(b"\n")
    changed = lines[1].rsplit(b",", 1)[0] + b",1"

    ran = bench.run("check.py", "--data", bench.write([(path, b"\n".join([lines[0], lines[1], changed, *lines[2:]]))]))

    assert ran.code == 1
    assert f"{path} row 3: conflict: found another row of a flight, as in {path} row 2" in ran.err


def test_a_column_that_is_mostly_empty_is_found_over_all_files(bench: Bench, week: flights.Files) -> None:
    lines = dict.fromkeys(range(2, 200), ("arr_delay", ""))

    ran = bench.run("check.py", "--data", bench.write(edited(week[:1], 0, lines)))

    assert ran.code == 1
    assert "all files together column arr_delay: nulls: found" in ran.out


def test_flights_to_score_need_no_outcome(bench: Bench) -> None:
    files = flights.scoring_files("2013-04", ["2013-04-01"])

    wanted = bench.run("check.py", "--data", bench.write(files), name="a")
    absent = bench.run("check.py", "--data", bench.write(files), "--labels", "absent", name="b")

    assert wanted.code == 1
    assert "column arr_delay: schema: found no such column" in wanted.out
    assert absent.code == 0, absent.err


def test_a_folder_without_files_fails_with_the_folder_named(bench: Bench) -> None:
    ran = bench.run("check.py", "--data", bench.write([("_SUCCESS", b"")]))

    assert ran.code == 2
    assert f"no .csv file lies below {bench.folder / 'data'}" in ran.err
