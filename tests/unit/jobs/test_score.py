"""Batch scoring: every row in is a row out, and the manifest says what came of each file."""

import csv
import hashlib
import io
import os
import subprocess
from pathlib import Path

from local.demo import flights
from tests.unit.jobs.conftest import PYTHON, ROOT, Bench, Ran

DAYS = ["2013-04-01", "2013-04-02"]


def rows(path: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(path.read_text())))


def test_every_row_gets_a_prediction_and_the_manifest_counts_them(trained: Ran, bench: Bench) -> None:
    files = flights.scoring_files("2013-04", DAYS)

    ran = bench.run("score.py", "--data", bench.write(files), "--model", trained.folder.parent / "model")

    assert ran.code == 0, ran.err
    manifest = ran.json("outputs/scored/manifest.json")
    assert [file["path"] for file in manifest["files"]] == [path for path, _ in files]
    assert manifest["rows_in"] == manifest["rows_out"] == sum(content.count(b"\n") - 1 for _, content in files)
    assert manifest["errors"] == 0
    for file, (path, content) in zip(manifest["files"], files, strict=True):
        output = ran.folder / "outputs" / "scored" / file["output"]
        assert file["sha256"] == hashlib.sha256(content).hexdigest()
        assert file["output_sha256"] == hashlib.sha256(output.read_bytes()).hexdigest()
        given = list(csv.DictReader(io.StringIO(content.decode())))
        assert [row["flight"] for row in rows(output)] == [row["flight"] for row in given], path
        assert all(-120 < float(row["prediction"]) < 200 and row["error"] == "" for row in rows(output))


def test_the_same_files_give_the_same_bytes(trained: Ran, bench: Bench) -> None:
    data, model = bench.write(flights.scoring_files("2013-04", DAYS)), trained.folder.parent / "model"

    one, two = (bench.run("score.py", "--data", data, "--model", model, name=name) for name in ("one", "two"))

    assert one.json("outputs/scored/manifest.json") == two.json("outputs/scored/manifest.json")


def test_rows_that_cannot_be_scored_are_counted_with_their_reason(trained: Ran, bench: Bench) -> None:
    (path, content), *others = flights.scoring_files("2013-04", DAYS)
    lines = content.decode().splitlines()
    place = lines[0].split(",").index("distance")
    cells = lines[3].split(",")
    cells[place] = "far"
    files = [(path, "\n".join([*lines[:3], ",".join(cells), *lines[4:], ""]).encode()), *others]

    ran = bench.run("score.py", "--data", bench.write(files), "--model", trained.folder.parent / "model")

    assert ran.code == 0, ran.err
    manifest = ran.json("outputs/scored/manifest.json")
    assert manifest["errors"] == 1
    assert manifest["files"][0]["reasons"] == {"distance is no number": 1}
    scored = rows(ran.folder / "outputs" / "scored" / path)
    assert (scored[2]["prediction"], scored[2]["error"]) == ("", "distance is no number")
    assert manifest["rows_out"] == manifest["rows_in"]


def test_a_model_that_refuses_some_rows_costs_only_those(bench: Bench, week: flights.Files) -> None:
    strict = bench.run("train.py", "--data", bench.write(week, "week"), "--unknown", "error", name="strict")
    assert strict.code == 0, strict.err
    path, content = flights.scoring_files("2013-04", DAYS)[0]
    lines = content.decode().splitlines()
    known = [line for line in lines[1:] if line.split(",")[10] in {"IAH", "CLT", "ATL", "ORD", "MIA", "SFO", "BOS"}]
    odd = known[4].replace(f",EWR,{known[4].split(',')[10]},", ",EWR,QQQ,")
    data = bench.write([(path, "\n".join([lines[0], *known, odd, ""]).encode())])

    ran = bench.run("score.py", "--data", data, "--model", strict.folder / "outputs" / "model")

    assert ran.code == 0, ran.err
    (file,) = ran.json("outputs/scored/manifest.json")["files"]
    assert (file["rows_out"], file["errors"]) == (len(known) + 1, 1)
    assert "QQQ" in next(iter(file["reasons"]))


def test_too_many_rows_without_a_prediction_fail_the_job_after_the_manifest(trained: Ran, bench: Bench) -> None:
    data = bench.write([("a.csv", b"x\n1\n2\n"), *flights.scoring_files("2013-04", DAYS)[:0]])

    ran = bench.run("score.py", "--data", data, "--model", trained.folder.parent / "model")

    assert ran.code == 1
    assert "scoring failed: 2 of 2 rows (100.0%) have no prediction, more than 5.0%" in ran.err
    assert ran.json("outputs/scored/manifest.json")["files"][0]["output"] == ""


def test_the_batch_deployments_script_scores_as_the_job_does(trained: Ran, bench: Bench) -> None:
    data, model = bench.write(flights.scoring_files("2013-04", DAYS)), trained.folder.parent / "model"
    job = bench.run("score.py", "--data", data, "--model", model)
    (bench.folder / "out").mkdir()
    code = "import sys, batch_score as b; b.init(); print(b.run(sys.argv[1:4])); print(b.run(sys.argv[4:]))"
    environ = {
        "PATH": os.environ["PATH"],
        "AZUREML_MODEL_DIR": str(model),
        "AZUREML_BI_OUTPUT_PATH": str(bench.folder / "out"),
        "PYTHONPATH": str(ROOT / "jobs/delay/src"),
    }

    files = sorted(map(str, data.rglob("*.csv")))
    command = [str(PYTHON), "-c", code, *files]
    subprocess.run(command, env=environ, check=True, timeout=120, capture_output=True, cwd=bench.folder)

    (manifest,) = (bench.folder / "out").glob("manifest-*.json")
    assert manifest.read_text() == (job.folder / "outputs" / "scored" / "manifest.json").read_text()
