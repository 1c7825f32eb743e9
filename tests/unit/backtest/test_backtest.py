"""Rules are compared over what the ledger holds: nothing differs on the same rules, and what differs is named."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from shared.backtest.run import backtest
from shared.ledger.journal import TooMuchError


async def history(desk: Any, months: int = 3) -> datetime:
    """Given months of files, one an hour apart, each trained on: when it began."""
    began: datetime = desk.now - timedelta(minutes=1)
    for month in range(1, months + 1):
        for number in range(4):
            await desk.send(
                desk.blob_event(f"flights/2013-{month:02}/{number}.csv", f"0x{month}{number}", number=number)
            )
            await desk.run(30)
        await desk.send(desk.blob_event(f"other/{month}.csv", f"0xA{month}"))
        await desk.send(desk.blob_event(f"flights/2013-{month:02}/_SUCCESS", f"0xF{month}", number=99))
        await desk.send(desk.blob_event(f"flights/2013-{month:02}/0.csv", f"0x{month}0", number=0))
        for _ in range(4):
            await desk.run(200)
            desk.azureml.end_jobs()
        await desk.run(1800)
    return began


def rules(desk: Any, *changes: tuple[str, str], more: str = "") -> dict[str, str]:
    text = (desk.root / "automations" / "train.yml").read_text()
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    return {"automations/train.yml": text + more}


async def compare(desk: Any, since: datetime, given: dict[str, str] | None = None) -> Any:
    body = {"since": since.isoformat(), **({"rules": given} if given is not None else {})}
    answer = await desk.ask("backtest", body, key="reader")
    assert answer.status == 200, answer.text
    return answer.json


async def test_on_the_same_rules_nothing_differs(desk: Any) -> None:
    since = await history(desk)
    for given in (None, rules(desk)):
        said = await compare(desk, since, given)
        assert said["differences"] == []
        assert said["unexplained"] == []
        assert (said["before"]["activities"], said["happened"]["activities"]) == (3, 3)
        assert said["before"] == said["after"]
        assert said["events"] == 21


async def test_nothing_is_done_by_it(desk: Any) -> None:
    since = await history(desk, 1)
    before = (len(desk.azureml.requests), len(desk.data.copies), len((await desk.ask("events")).json["items"]))
    await compare(
        desk,
        since,
        rules(
            desk, ("flights/{month}/**/*.csv", "*/{month}.csv"), (', until: {marker: "flights/{month}/_SUCCESS"}', "")
        ),
    )
    assert before == (len(desk.azureml.requests), len(desk.data.copies), len((await desk.ask("events")).json["items"]))


async def test_what_does_not_begin_any_more_says_what_became_of_it(desk: Any) -> None:
    since = await history(desk)
    said = await compare(desk, since, rules(desk, ("container: landing", "container: elsewhere")))
    assert [one["kind"] for one in said["differences"]] == ["does not begin"] * 3
    first = said["differences"][0]
    assert first["reason"] == "ignored: no automation listens to container landing"
    assert len(first["happened"]) == 1
    assert first["before"]["files"] == 4
    assert (said["after"]["activities"], said["after"]["hours"]) == (0, 0)
    assert said["before"]["hours"] > 0


async def test_what_begins_anew(desk: Any) -> None:
    since = await history(desk)
    more = """---
name: other-train
on: [{blob-created: {container: landing, path: "other/*.csv"}}]
do: {train: {job: jobs/train.yml, inputs: {data: "${{ files }}"}}}
"""
    said = await compare(desk, since, rules(desk, more=more))
    assert [(one["kind"], one["automation"]) for one in said["differences"]] == [("begins", "other-train")] * 3
    assert said["differences"][0]["happened"] == []


async def test_bursts_that_are_gathered_otherwise(desk: Any) -> None:
    since = await history(desk)
    marker = ', until: {marker: "flights/{month}/_SUCCESS"}'
    said = await compare(desk, since, rules(desk, ("quiet: 2m,", "quiet: 20s,"), (marker, "")))
    assert [one["kind"] for one in said["differences"]] == ["other files"] * 12
    assert said["differences"][0]["reason"] == "1 of 4 files before, 1 after"
    assert said["differences"][0]["happened"] == said["differences"][1]["happened"]


async def test_limits_that_hold_longer(desk: Any) -> None:
    since = await history(desk)
    said = await compare(desk, since, rules(desk, more="limits: {cooldown: {for: 6h, from: end}}\n"))
    assert [one["kind"] for one in said["differences"]] == ["other time"] * 2
    assert "6h from the end" in said["differences"][0]["after"]["held"][0]
    assert (said["before"]["held"], said["after"]["held"]) == (0, 2)


async def test_a_condition_that_refuses(desk: Any) -> None:
    since = await history(desk, 1)
    said = await compare(desk, since, rules(desk, more="when: size(files) > 100\n"))
    (one,) = said["differences"]
    assert one["kind"] == "other outcome"
    assert one["reason"] == "succeeded before, refused after: when is false: size(files) > 100"
    assert said["after"]["refused"] == 1


async def test_runs_of_history_wake_nothing_that_is_not_there(desk: Any) -> None:
    since = await history(desk, 1)
    workspace = "/subscriptions/s/resourceGroups/rg/providers/Microsoft.MachineLearningServices/workspaces/ws"
    (activity,) = await desk.activities()
    await desk.send(
        {
            "id": "r",
            "topic": workspace,
            "subject": "experiments/x/runs/y",
            "eventType": "Microsoft.MachineLearningServices.RunCompleted",
            "eventTime": desk.now.isoformat(),
            "data": {"experimentName": "x", "runId": "hub-20130101t000000-0123456789-train-1", "runType": "x"},
            "dataVersion": "",
        }
    )
    desk.store.queue("hub-work").messages.clear()
    desk.now += timedelta(seconds=5)
    said = await compare(desk, since)
    assert (said["differences"], said["unexplained"], activity.status) == ([], [], "succeeded")


async def test_what_people_started_is_counted_apart(desk: Any) -> None:
    since = await history(desk, 1)
    await desk.ask("automation_run", name="delay-train")
    said = await compare(desk, since)
    assert (said["by_hand"], said["differences"], said["unexplained"]) == (1, [], [])


async def test_what_the_rules_of_today_do_not_explain_is_said_apart(desk: Any) -> None:
    since = await history(desk, 1)
    text = (desk.root / "automations" / "train.yml").read_text()
    (desk.root / "automations" / "train.yml").write_text(text.replace("container: landing", "container: elsewhere"))
    desk.hub = desk.start()
    said = await compare(desk, since)
    assert said["differences"] == []
    assert "happened, and the rules do not begin it" in said["unexplained"][0]


@pytest.mark.parametrize(
    ("since", "until"),
    [
        ("2013-02-01T00:00:00Z", "2013-01-01T00:00:00Z"),
        ("1999-01-01T00:00:00Z", "2013-01-01T00:00:00Z"),
        ("0001-01-01T00:00:00+14:00", "9999-12-31T00:00:00-14:00"),
    ],
)
async def test_a_span_that_is_none(desk: Any, since: str, until: str) -> None:
    answer = await desk.ask("backtest", {"since": since, "until": until})
    assert (answer.status, answer.json["title"]) == (422, "Not this span")


async def test_more_events_than_fit_are_refused(desk: Any) -> None:
    since = await history(desk, 1)
    with pytest.raises(TooMuchError, match="5"):
        await backtest(desk.hub, desk.hub.rulebook.catalogue, since, desk.now, most=5)
