"""Replay and backfill: what would come of it is said first; then it goes the way that all events go."""

from datetime import timedelta
from typing import Any

import pytest

from shared.engine.outcomes import PermanentError
from shared.ledger.records import File


async def train(desk: Any, month: str = "2013-01") -> None:
    await desk.send(
        *(desk.blob_event(f"flights/{month}/{n}.csv", f"0x{n}", number=n) for n in range(3)),
        desk.blob_event(f"flights/{month}/_SUCCESS", "0xFF", number=9),
    )
    await desk.run(10)


def change(desk: Any, old: str, new: str) -> None:
    """Given that the automation was changed and the hub started anew."""
    path = desk.root / "automations" / "train.yml"
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new))
    desk.hub = desk.start()


async def test_one_known_event_folds_and_that_is_said_first(desk: Any) -> None:
    await train(desk)
    event = (await desk.ask("events", query={"outcome": "marked"})).json["items"][0]
    told = (await desk.ask("replay", {"event": event["id"]})).json
    assert (told["events"], told["known"], told["done"]) == (1, 1, False)
    assert "it folds" in told["told"][0]["says"]
    sent = (await desk.ask("replay", {"event": event["id"], "send": True})).json
    assert (sent["done"], sent["new"], sent["folded"]) == (True, 0, 1)
    await desk.run(20)
    assert len(await desk.activities()) == 1


async def test_what_did_nothing_is_decided_again_by_new_rules(desk: Any) -> None:
    change(desk, "container: landing", "container: elsewhere")
    began = desk.now
    await train(desk)
    assert await desk.activities() == []
    change(desk, "container: elsewhere", "container: landing")
    span = {"since": began.isoformat(), "until": (desk.now + timedelta(seconds=1)).isoformat(), "outcome": "ignored"}
    told = (await desk.ask("replay", {"span": span, "again": True})).json
    assert (told["events"], told["known"]) == (4, 0)
    sent = (
        await desk.ask("replay", {"span": span, "again": True, "send": True}, headers={"Idempotency-Key": "k"})
    ).json
    assert (sent["new"], sent["folded"]) == (4, 0)
    await desk.run(20)
    (activity,) = await desk.activities()
    assert activity.files.count == 3
    twice = (
        await desk.ask("replay", {"span": span, "again": True, "send": True}, headers={"Idempotency-Key": "k"})
    ).json
    assert (twice["new"], twice["folded"]) == (0, 4)
    why = (await desk.ask("why", query={"subject": "landing/flights/2013-01/0.csv"})).json
    assert sorted(event["via"] for event in why["events"]) == ["queue", "replay:key:all"]


async def test_all_that_an_automation_refused(desk: Any) -> None:
    change(desk, "inputs: {note", "when: size(files) > 5\ninputs: {note")
    await train(desk)
    assert [activity.status for activity in await desk.activities()] == ["refused"]
    since = (desk.now - timedelta(hours=1)).isoformat()
    nothing = await desk.ask("replay", {"refused_by": {"automation": "other", "since": since}})
    assert (nothing.status, nothing.json["title"]) == (404, "Nothing to replay")
    told = (await desk.ask("replay", {"refused_by": {"automation": "delay-train", "since": since}, "again": True})).json
    assert (told["events"], told["known"]) == (3, 0)


async def test_a_dead_letter_is_sent_again_and_says_so(desk: Any) -> None:
    import json

    event = desk.blob_event("flights/2013-01/a.csv", "0x1")
    lost = {**event, "deadLetterReason": "MaxDeliveryAttemptsExceeded", "deliveryAttempts": 30}
    letter = await desk.hub.letters.record("event-grid", json.dumps(lost).encode(), desk.now, "Event Grid gave up")
    told = (await desk.ask("replay", {"dead_letter": letter.id})).json
    assert (told["known"], told["told"][0]["says"]) == (0, "it is new: it is decided")
    sent = (await desk.ask("replay", {"dead_letter": letter.id, "send": True})).json
    assert sent["new"] == 1
    assert (await desk.ask("collections")).json["items"][0]["files"] == 1
    shown = (await desk.ask("dead_letter", id=letter.id)).json
    assert shown["replayed_by"] == "key:all"
    assert (await desk.ask("replay", {"dead_letter": "0" * 13 + "-" + "0" * 12})).status == 404


async def test_a_poison_message_of_the_hub_s_work_is_put_back(desk: Any) -> None:
    await train(desk)
    (activity,) = await desk.activities()
    letter = await desk.hub.letters.record("work", f"activity:{activity.id}:".encode(), desk.now, "it failed")
    sent = (await desk.ask("replay", {"dead_letter": letter.id, "send": True})).json
    assert sent["woken"] == 1
    await desk.run(1)


async def test_exactly_one_thing_is_named(desk: Any) -> None:
    assert (await desk.ask("replay", {})).status == 422
    assert (await desk.ask("replay", {"event": "0" * 32, "dead_letter": "0" * 13 + "-" + "0" * 12})).status == 422
    assert (await desk.ask("replay", {"event": "0" * 32})).status == 404


async def test_older_files_are_simulated_then_brought_in(desk: Any) -> None:
    old = desk.now - timedelta(days=900)

    async def files(account: str, container: str, prefix: str) -> Any:
        if account != "landing":
            raise PermanentError(f"{account} has no container {container!r}")
        names = [f"flights/2010-0{n}/{name}" for n in (1, 2) for name in ("a.csv", "b.csv", "c.txt", "_SUCCESS")]
        for number, name in enumerate(names):
            if name.startswith(prefix):
                time = old + timedelta(days=number)
                yield File(account=account, container=container, path=name, etag=f"0x{number}", size=7, time=time)

    desk.data.files = files
    told = (await desk.ask("backfill", {"automation": "delay-train"})).json
    assert (told["files"], told["done"], told["new"]) == (6, False, 0)
    assert [activity["files"] for activity in told["activities"]] == [2, 2]
    assert await desk.activities() == []
    until = (old + timedelta(days=3, hours=1)).isoformat()
    sent = (await desk.ask("backfill", {"automation": "delay-train", "until": until, "send": True})).json
    assert (sent["files"], sent["new"]) == (3, 3)
    await desk.run(10)
    (activity,) = await desk.activities()
    assert activity.files.count == 2
    again = (await desk.ask("backfill", {"automation": "delay-train", "until": until, "send": True})).json
    assert (again["new"], again["known"]) == (0, 3)
    await desk.send(desk.blob_event("flights/2010-01/a.csv", "0x0"))
    page = (await desk.ask("events", query={"limit": "1"})).json
    assert page["items"][0]["outcomes"][0]["what"] == "folded"
    assert (await desk.ask("backfill", {"automation": "nothing"})).status == 404


async def test_files_that_came_before_are_told_and_begin_nothing(desk: Any) -> None:
    await train(desk)

    async def files(account: str, container: str, prefix: str) -> Any:
        if account != "landing":
            raise PermanentError(f"{account} has no container {container!r}")
        for number, name in enumerate(("0.csv", "1.csv", "new.csv")):
            etag = f"0x{number}" if name != "new.csv" else "0xEE"
            path = f"flights/2013-01/{name}"
            yield File(account="landing", container="landing", path=path, etag=etag, size=1, time=desk.now)

    desk.data.files = files
    told = (await desk.ask("backfill", {"automation": "delay-train"})).json
    assert (told["files"], told["known"], told["done"]) == (3, 2, False)
    assert sum(one["files"] for one in told["activities"]) + sum(one["files"] for one in told["open"]) == 1


async def test_files_that_no_rule_wanted_are_brought_in_once_by_one_that_does(desk: Any) -> None:
    change(desk, "container: landing", "container: elsewhere")
    await train(desk)
    assert await desk.activities() == []
    why = (await desk.ask("why", query={"subject": "landing/flights/2013-01/0.csv"})).json
    assert not any("hub backfill" in line for line in why["said"])
    change(desk, "container: elsewhere", "container: landing")
    why = (await desk.ask("why", query={"subject": "landing/flights/2013-01/0.csv"})).json
    assert why["said"][-1] == "`hub backfill delay-train` has it decided again"

    async def files(account: str, container: str, prefix: str) -> Any:
        if account != "landing":
            raise PermanentError(f"{account} has no container {container!r}")
        for name, etag in (("0.csv", "0x0"), ("1.csv", "0x1"), ("2.csv", "0x2"), ("_SUCCESS", "0xFF")):
            path = f"flights/2013-01/{name}"
            yield File(account="landing", container="landing", path=path, etag=etag, size=1, time=desk.now)

    desk.data.files = files
    told = (await desk.ask("backfill", {"automation": "delay-train"})).json
    assert (told["files"], told["again"], told["known"], told["done"]) == (4, 4, 0, False)
    assert [one["files"] for one in told["activities"]] == [3]
    sent = (await desk.ask("backfill", {"automation": "delay-train", "send": True})).json
    assert (sent["new"], sent["known"]) == (4, 0)
    await desk.run(20)
    (activity,) = await desk.activities()
    assert activity.files.count == 3
    once = (await desk.ask("backfill", {"automation": "delay-train", "send": True})).json
    assert (once["new"], once["again"], once["known"]) == (0, 0, 4)
    await desk.run(20)
    assert len(await desk.activities()) == 1


async def test_a_file_that_did_nothing_names_the_rules_that_could_not_be_asked(desk: Any) -> None:
    (desk.root / "automations" / "broken.yml").write_text("name: broken\nwhen: site == 1\n")
    change(desk, "container: landing", "container: elsewhere")
    await train(desk)
    for subject in ("landing/flights/2013-01/0.csv", "landing/flights/never.csv"):
        why = (await desk.ask("why", query={"subject": subject})).json
        assert any(
            line.startswith("automations/broken.yml is invalid, and takes nothing: automations/broken.yml:")
            for line in why["said"]
        ), why["said"]


@pytest.mark.parametrize("days", [-400, 30])
async def test_what_begins_by_an_event_of_another_time_is_listed_today(desk: Any, days: int) -> None:
    (desk.root / "automations" / "each.yml").write_text(
        "name: each\non: [{blob-created: {container: landing, path: 'each/*.csv'}}]\n"
        "do: {train: {job: jobs/train.yml}}\n"
    )
    desk.hub = desk.start()
    event = desk.blob_event("each/a.csv", "0x1") | {"eventTime": (desk.now + timedelta(days=days)).isoformat()}
    for _ in range(2):
        await desk.send(event)
        (activity,) = (await desk.ask("activities")).json["items"]
        assert activity["created"] == desk.now.isoformat().replace("+00:00", "Z")


async def test_what_is_still_unreadable_stays_one_dead_letter(desk: Any) -> None:
    strange = {**desk.blob_event("flights/2013-01/a.csv", "0x1"), "topic": "/storageAccounts/elsewhere"}
    await desk.ask("events_post", [{"nonsense": 1}, strange])
    letters = (await desk.ask("dead_letters")).json["items"]
    assert len(letters) == 2
    for letter in letters:
        told = (await desk.ask("replay", {"dead_letter": letter["id"]})).json
        assert "cannot be taken" in told["told"][0]["says"]
        sent = (await desk.ask("replay", {"dead_letter": letter["id"], "send": True})).json
        assert (sent["new"], sent["folded"], sent["broken"]) == (0, 0, 1)
    after = (await desk.ask("dead_letters")).json["items"]
    assert [letter["replayed_by"] for letter in after] == ["key:all", "key:all"]
    assert (await desk.ask("collections")).json["items"] == []
