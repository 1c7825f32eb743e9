"""Champion and challenger on the same rows: the differences, and their confidence."""

import pytest

from local.demo import flights
from tests.unit.jobs.conftest import Bench, Ran

GOLDEN = [f"2013-02-{day:02}" for day in range(1, 13)]


@pytest.fixture
def golden(bench: Bench) -> str:
    return str(bench.write(flights.month("2013-02", GOLDEN), "golden"))


def test_a_first_model_is_measured_alone(trained: Ran, bench: Bench, golden: str) -> None:
    model = trained.folder.parent / "model"

    ran = bench.run("evaluate.py", "--data", golden, "--challenger", model)

    assert ran.code == 0, ran.err
    evaluation, metrics = ran.json("outputs/evaluation.json"), ran.metrics()
    assert evaluation["champion"] is None
    assert evaluation["differences"] == {}
    assert metrics["mae"] == pytest.approx(evaluation["challenger"]["measures"]["mae"])
    assert (
        metrics["rows"]
        == evaluation["data"]["rows"]
        == sum(metrics[n] for n in metrics if n.startswith("rows.carrier."))
    )
    assert evaluation["data"]["days"] == 12
    assert len(evaluation["data"]["files"]) == 36
    assert not [name for name in metrics if name.startswith(("champion.", "difference."))]


def test_a_challenger_that_learned_from_corrupted_labels_is_worse_beyond_chance(
    trained: Ran, bench: Bench, golden: str, week: flights.Files
) -> None:
    spoiled = bench.run(
        "train.py", "--data", bench.write(flights.corrupt_labels(week, share=1.0), "bad"), name="spoiled"
    )
    assert spoiled.code == 0, spoiled.err

    ran = bench.run(
        "evaluate.py",
        *("--data", golden, "--champion", trained.folder.parent / "model"),
        *("--challenger", spoiled.folder / "outputs" / "model"),
    )

    assert ran.code == 0, ran.err
    metrics, differences = ran.metrics(), ran.json("outputs/evaluation.json")["differences"]
    assert metrics["mae"] - metrics["champion.mae"] == pytest.approx(differences["mae"]["mean"])
    assert differences["mae"]["low"] > 0
    assert differences["cost_per_flight"]["low"] > 0
    assert metrics["difference.mae.high"] > metrics["difference.mae"] > metrics["difference.mae.low"]
    assert metrics["r2"] < metrics["champion.r2"]
    assert metrics["champion.rows.carrier.UA"] == metrics["rows.carrier.UA"]


def test_a_model_against_itself_is_no_comparison(trained: Ran, bench: Bench, golden: str) -> None:
    model = trained.folder.parent / "model"

    ran = bench.run("evaluate.py", "--data", golden, "--challenger", model, "--champion", model)

    assert ran.code == 0, ran.err
    assert ran.json("outputs/evaluation.json")["champion"] is None
    assert "no champion" in ran.out


def test_a_model_that_cannot_be_loaded_or_cannot_answer_is_named(
    trained: Ran, bench: Bench, golden: str, week: flights.Files
) -> None:
    model = trained.folder.parent / "model"
    strict = bench.run("train.py", "--data", bench.write(week, "week"), "--unknown", "error", name="strict")
    (bench.folder / "empty").mkdir()
    odd = bench.write([(p, c.replace(b",JFK,", b",ZZZ,")) for p, c in flights.month("2013-02", GOLDEN[:2])], "odd")

    missing = bench.run(
        "evaluate.py", "--data", golden, "--challenger", model, "--champion", bench.folder / "empty", name="a"
    )
    failing = bench.run("evaluate.py", "--data", odd, "--challenger", strict.folder / "outputs/model", name="b")

    assert missing.code == 2
    assert "model in" in missing.err
    assert "no file MLmodel below it (empty)" in missing.err
    assert failing.code == 2
    assert "the challenger model cannot answer: ValueError" in failing.err
    assert "ZZZ" in failing.err
