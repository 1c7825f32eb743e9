"""What a training learns, measures and leaves behind."""

import hashlib
import json
import subprocess
import sys
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from local.demo import flights
from tests.unit.jobs.conftest import PYTHON, ROOT, Bench, Ran

OUTCOME = {"dep_time", "dep_delay", "arr_time", "arr_delay", "air_time"}


def test_the_hashes_of_what_was_read_are_logged_and_kept(trained: Ran, week: flights.Files) -> None:
    expected = {path: hashlib.sha256(content).hexdigest() for path, content in week}

    logged = dict(reversed(line.split(" ", 2)[1:]) for line in trained.out.splitlines() if line.startswith("read "))
    kept = {file["path"]: file["sha256"] for file in trained.json("../report/files.json")}

    assert logged == expected
    assert kept == expected


def test_the_last_days_are_held_out_and_measured(trained: Ran) -> None:
    holdout, metrics = trained.json("../report/holdout.json"), trained.metrics()

    assert holdout["days"] == ["2013-01-08", "2013-01-09"]
    assert metrics["rows_holdout"] == holdout["rows"]
    assert metrics["rows_holdout"] < metrics["rows"] / 3
    assert {"mae", "rmse", "r2", "cost_per_flight", "baseline_mae", "bias", "p50_abs_error", "p90_abs_error"} <= set(
        metrics
    )
    assert 5 < metrics["mae"] < metrics["rmse"] < 60


def test_carriers_are_measured_apart(trained: Ran) -> None:
    metrics, slices = trained.metrics(), trained.json("../report/slices.json")

    assert slices["column"] == "carrier"
    assert sum(values["rows"] for values in slices["measures"].values()) == metrics["rows_holdout"]
    assert metrics["mae.carrier.UA"] == pytest.approx(slices["measures"]["UA"]["mae"])
    assert metrics["rows.carrier.UA"] == slices["measures"]["UA"]["rows"]


def test_nothing_that_is_known_only_after_departure_reaches_the_model(trained: Ran) -> None:
    model = YAML(typ="safe").load((trained.folder.parent / "model" / "MLmodel").read_text())

    columns = {column["name"] for column in YAML(typ="safe").load(model["signature"]["inputs"])}
    assert not columns & OUTCOME
    assert columns == set(trained.json("../report/importances.json"))
    assert columns == set(trained.json("../model/input_example.json")["columns"])


def test_the_model_answers_the_same_to_the_same_rows_and_copes_with_unknown_ones(trained: Ran, bench: Bench) -> None:
    code = (
        "import mlflow.pyfunc, pandas as pd, json, sys\n"
        "model = mlflow.pyfunc.load_model(sys.argv[1])\n"
        "rows = pd.DataFrame(**json.load(open(sys.argv[1] + '/input_example.json')))\n"
        "odd = rows.assign(carrier='??', dest=None, humid=float('nan'))\n"
        "print([float(value) for part in (rows, rows, odd) for value in model.predict(part)])\n"
    )
    (bench.folder / "load.py").write_text(code)
    ran = subprocess.run(
        [PYTHON, bench.folder / "load.py", trained.folder.parent / "model"],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
        cwd=bench.folder,
    )

    numbers = [float(text) for text in ran.stdout.strip().strip("[]").split(",")]
    assert numbers[:3] == numbers[3:6]
    assert len(numbers) == 9


def test_the_reference_describes_the_rows_that_were_learned_from(trained: Ran) -> None:
    reference = trained.json("../model/reference.json")

    assert reference["days"] == ["2013-01-01", "2013-01-09"]
    assert len(reference["features"]["humid"]["quantiles"]) == 101
    assert sum(reference["features"]["carrier"]["counts"].values()) == trained.metrics()["rows"]
    assert set(reference["importances"]) == set(reference["features"])
    assert reference["prediction"]["std"] > 0


def test_a_second_training_on_the_same_files_gives_the_same_metrics(
    trained: Ran, bench: Bench, week: flights.Files
) -> None:
    again = bench.run("train.py", "--data", bench.write(week))

    assert again.code == 0, again.err
    first, second = trained.metrics(), again.metrics()
    assert {name: value for name, value in first.items() if name != "seconds"} == {
        name: value for name, value in second.items() if name != "seconds"
    }
    assert (again.folder / "outputs" / "model" / "MLmodel").is_file()


def test_rows_that_occur_twice_are_learned_from_once(trained: Ran, bench: Bench, week: flights.Files) -> None:
    again = bench.run("train.py", "--data", bench.write([*week, ("again.csv", week[0][1])]))

    assert again.code == 0, again.err
    assert again.metrics()["rows"] == trained.metrics()["rows"]


@pytest.mark.parametrize(
    ("files", "reason"),
    [
        ([("_SUCCESS", b"")], "no .csv file lies below"),
        (flights.scoring_files("2013-01", ["2013-01-01"]), "no column arr_delay: these flights have no outcome yet"),
        (flights.month("2013-01", ["2013-01-01"]), "rows are of 2013-01-01: two days are needed"),
        ([("a.csv", b"x,y\n1,2\n")], "a.csv lacks carrier, origin"),
        ([("a.csv", b"")], "a.csv cannot be read as CSV"),
    ],
    ids=["nothing", "unlabelled", "one day", "other columns", "empty"],
)
def test_data_that_allows_no_training_is_refused_with_the_reason(
    bench: Bench, files: flights.Files, reason: str
) -> None:
    ran = bench.run("train.py", "--data", bench.write(files))

    assert ran.code == 2
    assert reason in ran.err
    assert "Traceback" not in ran.err
    assert not (ran.folder / "outputs" / "model").exists()


def test_the_environment_in_azure_has_the_pins_of_the_laptop() -> None:
    conda = YAML(typ="safe").load((ROOT / "jobs/delay/environment.yml").read_text())
    lines = (ROOT / "jobs/requirements.txt").read_text().splitlines()

    there = {pin for pin in conda["dependencies"][-1]["pip"] if not pin.startswith("azureml-mlflow")}
    assert there == {line for line in lines if line and not line.startswith("#")}


LOAD = """
import json, sys
from azure.ai.ml import load_job
jobs = {path: load_job(path) for path in sys.argv[1:]}
print(json.dumps({path: [job.compute, list(job.inputs), list(job.outputs)] for path, job in jobs.items()}))
"""


def test_the_real_client_loads_every_job_file_and_every_input_is_used() -> None:
    paths = [str(path) for path in sorted((ROOT / "jobs").rglob("*.yml")) if path.name != "environment.yml"]

    ran = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", LOAD, *paths], capture_output=True, text=True, timeout=60, check=True
    )

    for path, (compute, inputs, outputs) in json.loads(ran.stdout.splitlines()[-1]).items():
        text = Path(path).read_text()
        assert compute == "cpu-cluster"
        assert [name for name in inputs if f"${{{{inputs.{name}}}}}" not in text] == []
        assert [name for name in outputs if f"${{{{outputs.{name}}}}}" not in text] == []
