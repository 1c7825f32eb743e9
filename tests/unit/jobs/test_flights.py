"""The demo's files: real flights, the same bytes each time."""

import csv
import io

import pytest

from local.demo import flights


def rows(content: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(content.decode())))


def test_a_month_is_a_file_a_day_and_airport() -> None:
    files = flights.month("2013-01")

    assert len(files) == 93
    assert files[0][0] == "flights/2013-01/EWR-2013-01-01.csv"
    assert sum(len(rows(content)) for _, content in files) == 27004
    assert files == sorted(flights.month("2013-01"))


def test_a_row_is_a_flight_with_the_weather_of_its_hour() -> None:
    first = rows(flights.month("2013-01", ["2013-01-01"])[0][1])[0]

    assert (first["carrier"], first["flight"], first["dest"], first["arr_delay"]) == ("UA", "1545", "IAH", "11")
    assert (first["weekday"], first["temp"], first["wind_speed"], first["wind_gust"]) == ("2", "39.02", "12.66", "")


def test_flights_to_score_have_no_outcome_and_labels_nothing_else() -> None:
    scored = rows(flights.scoring_files("2013-04", ["2013-04-02"])[0][1])
    labels = flights.label_files("2013-04", ["2013-04-02"])

    assert not {"dep_time", "dep_delay", "arr_time", "arr_delay", "air_time"} & set(scored[0])
    assert labels[0][0] == "labels/2013-04/EWR-2013-04-02.csv"
    assert set(rows(labels[0][1])[0]) == {*flights.KEY, "arr_delay"}
    assert all(row["arr_delay"] for row in rows(labels[0][1]))


def test_corrupted_labels_turn_their_sign_and_nothing_else_changes() -> None:
    files = flights.month("2013-01", ["2013-01-03"])

    spoiled = flights.corrupt_labels(files, share=0.5)

    pairs = [pair for (_, a), (_, b) in zip(files, spoiled, strict=True) for pair in zip(rows(a), rows(b), strict=True)]
    changed = [(a, b) for a, b in pairs if a != b]
    assert all(int(a["arr_delay"]) == -int(b["arr_delay"]) for a, b in changed)
    assert all({**a, "arr_delay": ""} == {**b, "arr_delay": ""} for a, b in changed)
    assert 0.4 < len(changed) / len(pairs) < 0.6
    assert spoiled == flights.corrupt_labels(files, share=0.5)


def test_the_golden_set_is_of_winter_and_summer_days_that_no_training_sees() -> None:
    golden = flights.golden_files()

    seen = {(int(row["month"]), int(row["day"])) for _, content in golden for row in rows(content)}
    assert seen == {*((2, day) for day in range(1, 29)), *((7, day) for day in range(21, 32))}
    assert golden[0][0] == "golden/EWR-2013-02-01.csv"
    assert sum(len(rows(content)) for _, content in golden) == 33_746


def test_a_month_that_is_not_there_is_refused() -> None:
    with pytest.raises(ValueError, match="no flights of '2014-01'"):
        flights.month("2014-01")
    with pytest.raises(ValueError, match="2013-02 has no day 2013-02-30"):
        flights.month("2013-02", ["2013-02-30"])
