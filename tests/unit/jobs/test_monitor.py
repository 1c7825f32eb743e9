"""Drift and performance on real months: January teaches, April is another season, July another summer."""

from pathlib import Path
from typing import Any

import pytest

from local.demo import flights
from tests.unit.jobs.conftest import Bench, Ran

TAG = "azureml_modelmonitor_threshold_breached"
SENTENCE = "has failed due to one or more features violating metric thresholds"


def scored(bench: Bench, trained: Ran, month: str, days: int, name: str = "scored") -> Path:
    only = flights.days(month)[:days]
    data = bench.write(flights.scoring_files(month, only), f"{name}-in")
    model = trained.folder.parent / "model"
    ran = bench.run("score.py", "--data", data, "--model", model, "--scored", bench.folder / name, name=f"{name}-job")
    assert ran.code == 0, ran.err
    (bench.folder / name / "hub-manifest.json").write_text("{}")
    return bench.folder / name


def earlier(files: flights.Files) -> flights.Files:
    """The same flights, a year before."""
    return [(path.replace("2013-", "2012-"), content.replace(b"\n2013,", b"\n2012,")) for path, content in files]


def signal(ran: Ran, name: str) -> dict[str, Any]:
    return next(found for found in ran.json("outputs/signals.json")["signals"] if found["signal"] == name)


def test_another_season_drifts_and_the_run_is_tagged_as_model_monitors_do(trained: Ran, bench: Bench) -> None:
    data = scored(bench, trained, "2013-07", 9)

    ran = bench.run("monitor.py", "--data", data, "--model", trained.folder.parent / "model")

    assert ran.code == 0, ran.err
    found = signal(ran, "data-drift")
    assert found["breached"]
    assert "humid" in found["drifted"]
    assert ran.tags()[TAG].startswith(f"delay-monitor_data-drift {SENTENCE}.")
    humid = next(feature for feature in found["features"] if feature["name"] == "humid")
    assert humid["type"] == "number"
    assert humid["metrics"]["population_stability_index"]["breached"]
    carrier = next(feature for feature in found["features"] if feature["name"] == "carrier")
    assert set(carrier["metrics"]) == {
        *("population_stability_index", "jensen_shannon_distance", "missing_share_change"),
    }
    assert found["weighted_share"] == pytest.approx(sum(f["weight"] for f in found["features"] if f["breached"]))
    assert sum(feature["weight"] for feature in found["features"]) == pytest.approx(1)
    assert ran.metrics()["data-drift.weighted_share"] == pytest.approx(found["weighted_share"])
    pictures = ran.json("outputs/signals.json")["pictures"]
    assert len(pictures) == 12
    assert all((ran.folder / "outputs" / path).read_text().startswith("<svg") for path in pictures.values())


def test_what_it_learned_from_has_not_drifted_and_sets_no_tag(trained: Ran, bench: Bench) -> None:
    data = scored(bench, trained, "2013-01", 9)

    ran = bench.run("monitor.py", "--data", data, "--model", trained.folder.parent / "model")

    assert ran.code == 0, ran.err
    assert not signal(ran, "data-drift")["breached"]
    assert not signal(ran, "prediction-drift")["breached"]
    assert TAG not in ran.tags()


def test_a_reference_of_the_same_season_is_no_drift(trained: Ran, bench: Bench) -> None:
    data = scored(bench, trained, "2013-07", 9)
    season = bench.write(flights.month("2013-07", flights.days("2013-07")[:9]), "season")

    ran = bench.run(
        *("monitor.py", "--data", data, "--model", trained.folder.parent / "model", "--reference", season),
    )

    assert ran.code == 0, ran.err
    assert not signal(ran, "data-drift")["breached"]
    assert ran.json("outputs/signals.json")["reference"] == {"kind": "window", "days": ["2013-07-01", "2013-07-09"]}


def test_what_the_same_month_of_an_earlier_year_shows_too_is_told_beside_the_drift(trained: Ran, bench: Bench) -> None:
    data, model = scored(bench, trained, "2013-07", 9), trained.folder.parent / "model"
    july, june = (flights.month(month, flights.days(month)[:9]) for month in ("2013-07", "2013-06"))
    history = bench.write([*earlier(july), *june], "history")

    ran = bench.run("monitor.py", "--data", data, "--model", model, "--season", history)

    assert ran.code == 0, ran.err
    assert signal(ran, "data-drift")["breached"]
    seasonal = signal(ran, "seasonal-drift")
    assert (seasonal["kind"], seasonal["enough"], seasonal["drifted"]) == ("year", True, [])
    assert ran.json("outputs/signals.json")["season"]["days"] == ["2012-07-01", "2012-07-09"]
    assert "prediction" in {feature["name"] for feature in seasonal["features"]}
    assert ran.metrics()["seasonal.humid.population_stability_index"] < 0.2
    assert "seasonal-drift" not in ran.tags()[TAG]


def test_a_rolling_season_is_the_days_before_and_none_where_history_does_not_reach(trained: Ran, bench: Bench) -> None:
    data, model = scored(bench, trained, "2013-07", 3), trained.folder.parent / "model"
    history = bench.write(flights.month("2013-06", flights.days("2013-06")[-9:]), "history")
    given = ("monitor.py", "--data", data, "--model", model, "--season", history)

    rolling = bench.run(*given, "--season-kind", "rolling", "--rolling-days", "5", name="rolling")
    year = bench.run(*given, name="year")

    assert rolling.code == 0, rolling.err
    assert rolling.json("outputs/signals.json")["season"]["days"] == ["2013-06-26", "2013-06-30"]
    assert year.code == 0, year.err
    report = year.json("outputs/signals.json")
    assert report["season"] == {"kind": "year", "rows": 0, "days": []}
    assert "seasonal-drift" not in {one["signal"] for one in report["signals"]}


def test_rows_of_a_batch_run_that_failed_are_never_taken_for_results(trained: Ran, bench: Bench) -> None:
    good, failed = (scored(bench, trained, "2013-07", 1, name) for name in ("good", "failed"))
    attempts = bench.folder / "all" / "20130701t000000-0123456789"
    attempts.mkdir(parents=True)
    good.rename(attempts / "1")
    failed.rename(attempts / "2")
    (attempts / "2" / "hub-manifest.json").unlink()
    given = ("monitor.py", "--model", trained.folder.parent / "model", "--data")

    both = bench.run(*given, bench.folder / "all", "--unchecked", "yes", name="both")
    alone = bench.run(*given, attempts / "2", name="alone")

    assert both.code == 0, both.err
    report = both.json("outputs/signals.json")
    assert report["left_out"] == ["20130701t000000-0123456789/2"]
    assert all("/1/" in file["path"] for file in report["files"])
    assert alone.code == 2
    assert "rows of a run that failed count nothing" in alone.err


def test_too_few_rows_conclude_nothing(trained: Ran, bench: Bench) -> None:
    data = scored(bench, trained, "2013-07", 1)

    ran = bench.run(
        *("monitor.py", "--data", data, "--model", trained.folder.parent / "model", "--min-samples", "5000"),
    )

    assert ran.code == 0, ran.err
    assert not signal(ran, "data-drift")["breached"]
    assert "fewer than 5000: nothing is concluded" in ran.out
    assert TAG not in ran.tags()


def test_outcomes_that_come_late_change_the_month_of_their_flights(trained: Ran, bench: Bench) -> None:
    model = trained.folder.parent / "model"
    data = scored(bench, trained, "2013-06", 3)
    july = scored(bench, trained, "2013-07", 3, "july")
    for path in july.rglob("*.csv"):
        (data / path.name).write_bytes(path.read_bytes())
    labels = bench.write(flights.label_files("2013-06", flights.days("2013-06")[:3]), "labels")
    first = bench.run("monitor.py", "--data", data, "--model", model, "--labels", labels, name="first")
    bench.write(flights.label_files("2013-07", flights.days("2013-07")[:3]), "labels")

    second = bench.run("monitor.py", "--data", data, "--model", model, "--labels", labels, name="second")

    before = {window["window"]: window for window in signal(first, "performance")["windows"]}
    after = {window["window"]: window for window in signal(second, "performance")["windows"]}
    assert set(before) == {"2013-06", "2013-07"}
    assert (before["2013-07"]["rows"], before["2013-07"]["enough"]) == (0, False)
    assert (after["2013-07"]["first_day"], after["2013-07"]["last_day"]) == ("2013-07-01", "2013-07-03")
    assert set(after) == {"2013-06", "2013-07"}
    assert after["2013-06"] == before["2013-06"]
    assert after["2013-07"]["breached"] == (after["2013-07"]["mae_rise"] > 0.15)
    assert second.metrics()["performance.mae.2013-07"] == pytest.approx(after["2013-07"]["mae"])


def test_files_that_are_neither_scored_rows_nor_outcomes_are_refused_by_name(trained: Ran, bench: Bench) -> None:
    data = bench.write(flights.scoring_files("2013-07", ["2013-07-01"]))

    ran = bench.run("monitor.py", "--data", data, "--model", trained.folder.parent / "model")

    assert ran.code == 2
    assert "EWR-2013-07-01.csv has no column prediction and no arr_delay" in ran.err
