"""Events are decided without acting: the shipped code on a store in memory, and nothing outside is touched."""

from datetime import timedelta
from typing import Any

import pytest


def burst(desk: Any, count: int = 3) -> list[Any]:
    return [
        *(desk.blob_event(f"flights/2013-01/{n}.csv", f"0x{n}", number=n) for n in range(count)),
        desk.blob_event("flights/2013-01/_SUCCESS", "0xFF", number=99),
    ]


async def test_a_burst_would_become_one_training(desk: Any) -> None:
    events = burst(desk)
    answer = await desk.ask("simulate", {"events": [*events, events[0], {"nonsense": 1}]}, key="reader")
    assert answer.status == 200, answer.text
    said = answer.json
    (activity,) = said["activities"]
    assert (activity["automation"], activity["files"], activity["status"]) == ("delay-train", 3, "succeeded")
    assert activity["closed_by"] == "marker came"
    assert activity["paths"][0] == "landing/flights/2013-01/0.csv"
    assert {event["outcomes"][0]["activity"] for event in said["events"][:4]} == {activity["id"]}
    assert said["events"][-1]["outcomes"][0]["what"] == "quarantined"


async def test_nothing_is_done(desk: Any) -> None:
    await desk.ask("simulate", {"events": burst(desk)})
    assert (await desk.ask("events")).json["items"] == []
    assert await desk.activities() == []
    assert desk.azureml.requests == []
    assert desk.data.copies == []


async def test_what_waits_says_for_what(desk: Any) -> None:
    said = (await desk.ask("simulate", {"events": burst(desk)[:1], "hours": 1})).json
    assert said["activities"] == []
    (waiting,) = said["open"]
    assert (waiting["by"], waiting["files"], waiting["waits_for"]) == (
        {"month": "2013-01"},
        1,
        "its marker has not come",
    )


async def test_other_rules_than_those_in_force(desk: Any) -> None:
    text = (desk.root / "automations" / "train.yml").read_text()
    rules = {
        "automations/a.yml": text.replace("flights/{month}/**/*.csv", "flights/{month}/*.txt"),
        "automations/b.yml": "name: broken\n",
    }
    said = (await desk.ask("simulate", {"events": burst(desk), "rules": rules})).json
    assert said["activities"] == []
    assert {event["outcomes"][0]["what"] for event in said["events"]} == {"ignored", "marked"}
    assert list(said["invalid"]) == ["automations/b.yml"]


async def test_a_condition_that_refuses_and_a_limit_that_holds_are_told(desk: Any) -> None:
    text = (desk.root / "automations" / "train.yml").read_text()
    rules = {"automations/a.yml": text + "when: size(files) > 5\n"}
    said = (await desk.ask("simulate", {"events": burst(desk), "rules": rules})).json
    assert (said["activities"][0]["status"], said["activities"][0]["reason"]) == (
        "refused",
        "when is false: size(files) > 5",
    )
    rules = {"automations/a.yml": text + "limits: {cooldown: {for: 6h, from: end}}\n"}
    first = burst(desk)
    desk.now += timedelta(minutes=30)
    second = [
        desk.blob_event("flights/2013-02/a.csv", "0x1"),
        desk.blob_event("flights/2013-02/_SUCCESS", "0x2", number=2),
    ]
    said = (await desk.ask("simulate", {"events": [*first, *second], "rules": rules})).json
    held = said["activities"][1]["held"]
    assert len(held) == 1
    assert "6h from the end of the last one" in held[0]
    assert said["activities"][1]["status"] == "succeeded"


async def test_a_schedule_strikes_while_time_passes(desk: Any) -> None:
    text = (desk.root / "automations" / "train.yml").read_text()
    rules = {"automations/a.yml": text.replace("on:", 'on:\n  - schedule: {cron: "0 0 3 * * *"}', 1)}
    said = (await desk.ask("simulate", {"events": burst(desk), "rules": rules, "hours": 48})).json
    assert [activity["cause"] for activity in said["activities"]] == ["events", "schedule", "schedule"]


@pytest.mark.parametrize(
    "path",
    [
        "../x.yml",
        "automations/../../x.yml",
        "/etc/passwd",
        "automations",
        "a/b.yml",
        "jobs\\x.yml",
        "jobs//x",
        "jobs/a\nb",
    ],
)
async def test_rules_stay_in_their_folders(desk: Any, path: str) -> None:
    answer = await desk.ask("simulate", {"events": [], "rules": {path: "x"}})
    assert (answer.status, answer.json["title"]) == (422, "Rules cannot be read")


@pytest.mark.parametrize(
    "text",
    [
        "a: &a [x,x,x,x,x,x,x,x,x]\n"
        + "".join(f"{chr(98 + n)}: &{chr(98 + n)} [{','.join(['*' + chr(97 + n)] * 9)}]\n" for n in range(9)),
        "[" * 50_000,
        "name: " + "x" * 300_000,
        "name: x\nwhen: '" + "(" * 3000 + "'\ndo: {notify: {}}",
        "name: x\nwhen: '" + "1+" * 30_000 + "1'\ndo: {train: {job: jobs/train.yml}}",
        "\x00",
        "!!python/object/apply:os.system ['true']",
    ],
    ids=["aliases", "nesting", "long", "brackets", "huge-cel", "nul", "tag"],
)
async def test_hostile_rules_are_invalid_and_cost_no_time(desk: Any, text: str) -> None:
    answer = await desk.ask("simulate", {"events": burst(desk), "rules": {"automations/x.yml": text}})
    assert answer.status == 200, answer.text
    assert list(answer.json["invalid"]) == ["automations/x.yml"]
    assert answer.json["activities"] == []


async def test_a_glob_that_would_take_for_ever_does_not(desk: Any) -> None:
    text = (desk.root / "automations" / "train.yml").read_text()
    pattern = "flights/{month}/" + "*a" * 200 + "/**/**x/*.csv".replace("**x", "*x*x*x*x*")
    rules = {"automations/a.yml": text.replace("flights/{month}/**/*.csv", pattern)}
    events = [desk.blob_event("flights/2013-01/" + "a" * 255 + "/" + "x" * 255 + "/b", "0x1")] * 50
    answer = await desk.ask("simulate", {"events": events, "rules": rules})
    assert answer.status == 200


async def test_events_of_different_ages_are_refused_with_the_reason(desk: Any) -> None:
    old = {**burst(desk)[0], "eventTime": "1999-01-01T00:00:00Z"}
    answer = await desk.ask("simulate", {"events": [old, *burst(desk)]})
    assert (answer.status, answer.json["title"]) == (422, "Too long")


async def test_more_than_fits_is_refused(desk: Any) -> None:
    assert (await desk.ask("simulate", {"events": [{}] * 5001})).status == 422
    assert (await desk.ask("simulate", {"events": [], "hours": 0})).status == 422
    assert (await desk.ask("simulate", {})).status == 422


async def test_what_is_pretended_is_neither_logged_nor_measured(
    desk: Any, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    from shared.telemetry import recording

    buffer = recording.Buffer()
    monkeypatch.setattr(recording, "_buffer", buffer)
    files = [desk.blob_event(f"flights/2013-01/{n}.csv", f"0x{n}", number=n) for n in range(3)]
    with caplog.at_level("INFO"):
        answer = await desk.ask("simulate", {"events": [*files, desk.blob_event("flights/2013-01/_SUCCESS", "0xFF")]})
        assert answer.json["activities"][0]["status"] == "succeeded"
        assert caplog.records == []
        assert buffer.take() == []
        await desk.send(*files, desk.blob_event("flights/2013-01/_SUCCESS", "0xFF"))
        await desk.run(20)
    assert any("closed" in record.getMessage() for record in caplog.records)
    assert buffer.take()
