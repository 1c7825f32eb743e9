"""Why something happened, and why something did not: the condition, the value it saw, the guard, what it became."""

from datetime import timedelta
from typing import Any

import pytest

from shared.ledger.records import File
from shared.settings import Settings
from shared.why.conditions import difference
from shared.why.places import Blob, UnknownPlaceError, place


async def why(desk: Any, subject: str) -> Any:
    answer = await desk.ask("why", query={"subject": subject})
    assert answer.status == 200, answer.text
    return answer.json


async def test_a_file_that_became_a_training(desk: Any) -> None:
    await desk.send(
        desk.blob_event("flights/2013-01/a.csv", "0x1"), desk.blob_event("flights/2013-01/_SUCCESS", "0xF", number=2)
    )
    await desk.run(10)
    (activity,) = await desk.activities()
    said = await why(desk, "landing/flights/2013-01/a.csv")
    became = said["events"][0]["became"][0]
    assert (became["what"], became["automation"]) == ("collected", "delay-train")
    assert (became["collection"]["state"], became["collection"]["files"]) == ("closed", 1)
    assert (became["activity"]["id"], became["activity"]["status"]) == (activity.id, "running")
    assert any(f"which became activity {activity.id}" in line for line in said["said"])
    conditions = said["events"][0]["triggers"][0]["conditions"]
    assert [(one["what"], one["holds"]) for one in conditions] == [
        ("type", True),
        ("own outputs", True),
        ("container", True),
        ("path", True),
    ]
    assert conditions[-1]["reason"] == "month is '2013-01'"


async def test_the_same_by_subject_address_and_id(desk: Any) -> None:
    await desk.send(desk.blob_event("flights/2013-01/a.csv", "0x1"))
    identifier = (await desk.ask("events")).json["items"][0]["id"]
    for asked in (
        "/blobServices/default/containers/landing/blobs/flights/2013-01/a.csv",
        "http://127.0.0.1:1/landing/landing/flights/2013-01/a.csv",
        identifier,
    ):
        said = await why(desk, asked)
        assert [event["id"] for event in said["events"]] == [identifier]
    assert (await desk.ask("event_why", id=identifier)).json["events"][0]["id"] == identifier
    assert (await desk.ask("event_why", id="0" * 32)).status == 404


async def test_what_a_collection_waits_for(desk: Any) -> None:
    await desk.send(desk.blob_event("flights/2013-01/a.csv", "0x1"))
    said = await why(desk, "landing/flights/2013-01/a.csv")
    collection = said["events"][0]["became"][0]["collection"]
    assert (collection["state"], collection["waits_for"]) == ("open", "its marker has not come")
    assert (await why(desk, collection["id"]))["said"] == [
        f"collection {collection['id']} generation 1 is open with 1 files, its marker has not come"
    ]


async def test_a_file_that_did_nothing_says_at_which_part(desk: Any) -> None:
    await desk.send(
        desk.blob_event("flights/2013-01/a.parquet", "0x1"), desk.blob_event("b.csv", "0x2", container="other")
    )
    said = await why(desk, "landing/flights/2013-01/a.parquet")
    assert said["events"][0]["became"][0]["what"] == "ignored"
    assert any("its end has 'a.parquet', '*.csv' is expected" in line for line in said["said"])
    elsewhere = await why(desk, "other/b.csv")
    assert any("container is 'other', 'landing' is expected" in line for line in elsewhere["said"])


async def test_no_event_and_the_blob_is_there(desk: Any) -> None:
    async def files(account: str, container: str, prefix: str) -> Any:
        yield File(account=account, container=container, path=prefix, etag="0x9", size=5, time=desk.now)

    desk.data.files = files
    said = await why(desk, "landing/flights/2013-01/lost.csv")
    assert said["said"][0] == "no such event was received"
    assert "the blob landing/landing/flights/2013-01/lost.csv is there, written 2013-02-01" in said["said"][1]
    assert said["triggers"][0]["fires"] is True
    assert said["blobs"][0]["exists"] is True


async def test_no_event_of_a_blob_that_is_older_than_what_is_kept(desk: Any) -> None:
    async def files(account: str, container: str, prefix: str) -> Any:
        written = desk.now - timedelta(days=200)
        yield File(account=account, container=container, path=prefix, etag="0x9", size=5, time=written)

    desk.data.files = files
    said = await why(desk, "landing/flights/2013-01/old.csv")
    assert (
        "what was received then is no longer kept, it goes back to 2012-08-05 (HUB_RETENTION_DAYS)" in said["said"][1]
    )


async def test_no_event_and_no_blob(desk: Any) -> None:
    said = await why(desk, "landing/flights/2013-01/never.csv")
    assert said["said"][:2] == [
        "no such event was received",
        "there is no blob landing/landing/flights/2013-01/never.csv",
    ]


async def test_a_pause_is_named_as_what_holds_it(desk: Any) -> None:
    await desk.ask("automation_pause", {"reason": "bad month"}, name="delay-train")
    await desk.send(desk.blob_event("flights/2013-01/a.csv", "0x1"))
    said = await why(desk, "landing/flights/2013-01/a.csv")
    assert "delay-train is paused by key:all" in said["events"][0]["triggers"][0]["guard"]
    assert said["events"][0]["triggers"][0]["guard"].endswith("bad month")


async def test_an_activity_shows_its_condition_with_the_values_it_saw(tmp_path: Any, desk: Any) -> None:
    text = (desk.root / "automations" / "train.yml").read_text()
    (desk.root / "automations" / "train.yml").write_text(text + "when: size(files) > 5\n")
    desk.hub = desk.start()
    await desk.send(
        desk.blob_event("flights/2013-01/a.csv", "0x1"), desk.blob_event("flights/2013-01/_SUCCESS", "0xF", number=2)
    )
    await desk.run(10)
    (activity,) = await desk.activities()
    said = await why(desk, activity.id)
    (condition,) = said["activity"]["conditions"]
    assert (condition["holds"], condition["expected"]) == (False, "size(files) > 5")
    assert [file["path"] for file in condition["seen"]["files"]] == ["flights/2013-01/a.csv"]
    assert said["events"][0]["subject"].endswith("a.csv")


async def test_a_failed_activity_says_at_which_step(desk: Any) -> None:
    started = (await desk.ask("automation_run", name="delay-train")).json["id"]
    await desk.run(60)
    said = await why(desk, started)
    assert any("step dataset failed: dataset flights is empty" in line for line in said["said"])


async def test_a_model_version_that_was_registered(desk: Any) -> None:
    workspace = "/subscriptions/s/resourceGroups/rg/providers/Microsoft.MachineLearningServices/workspaces/ws"
    await desk.ask(
        "events_post",
        {
            "id": "1",
            "topic": workspace,
            "subject": "models/m:7",
            "eventType": "Microsoft.MachineLearningServices.ModelRegistered",
            "eventTime": "2013-01-01T00:00:00Z",
            "data": {"ModelName": "m", "ModelVersion": 7},
            "dataVersion": "",
        },
    )
    said = await why(desk, "models/m:7")
    assert said["events"][0]["type"].endswith("ModelRegistered")
    assert (await why(desk, "models/m:8"))["said"] == ["no event about models/m:8 was received"]
    assert (await why(desk, "some-run"))["said"] == ["no event about some-run was received"]


async def test_a_quarantined_event_says_why(desk: Any) -> None:
    await desk.ask("events_post", [{"nonsense": True}])
    identifier = (await desk.ask("events")).json["items"][0]["id"]
    said = (await desk.ask("event_why", id=identifier)).json
    assert said["events"][0]["became"][0]["what"] == "quarantined"


@pytest.mark.parametrize(
    "asked",
    [
        "http://169.254.169.254/latest/meta-data",
        "http://127.0.0.1:9/landing/landing/a.csv",
        "https://landing.blob.core.windows.net.evil.example/landing/a.csv",
        "http://user:pass@127.0.0.1:1/landing/landing/a.csv",
        "http://127.0.0.1:1/landing/landing/../../secret",
        "file:///etc/passwd",
        "landing/a/../../b",
        "http://[::1",
        "a\nb",
    ],
)
async def test_only_places_of_this_hub_are_read(desk: Any, asked: str) -> None:
    async def files(account: str, container: str, prefix: str) -> Any:
        raise AssertionError("nothing may be looked for")
        yield

    desk.data.files = files
    assert (await desk.ask("why", query={"subject": asked})).status == 400


def test_an_address_in_azure_is_known_by_its_account() -> None:
    class Known:
        from shared.settings import Connection

        accounts = {"data": Connection("D", "", {"blob": "https://data.blob.core.windows.net"})}  # noqa: RUF012

    known: Settings = Known()  # type: ignore[assignment]
    found = place("https://DATA.blob.core.windows.net/landing/a%20b.csv?sv=1", known)
    assert found == Blob("landing", "a b.csv", "data")
    with pytest.raises(UnknownPlaceError, match=r"none of this hub's data accounts \(data\)"):
        place("https://other.blob.core.windows.net/landing/a.csv", known)


@pytest.mark.parametrize(
    ("pattern", "path", "said"),
    [
        ("flights/{month}/*.csv", "flights/1/2/a.csv", "part 3 is '2', '*.csv' is expected"),
        ("flights/{month}/a.csv", "flights/1", "it has 2 parts, 3 are expected"),
        ("flights/**/*.csv", "flight/a.csv", "part 1 is 'flight', 'flights' is expected"),
        ("flights/**/x/*.csv", "flights/y/a.csv", "its end has 'y', 'x' is expected"),
        ("flights/{month}/**/*.csv", "flights/a.csv", "it has 2 parts, at least 3 are expected"),
        ("a/**/b/**/c", "a/x/c", "its middle parts do not fit between the '**'"),
    ],
)
def test_where_a_path_differs(pattern: str, path: str, said: str) -> None:
    assert difference(pattern, path) == said


async def test_it_stays_as_it_was_decided_when_the_rules_change(desk: Any) -> None:
    await desk.send(desk.blob_event("flights/2013-01/a.csv", "0x1"))
    desk.now += timedelta(days=1)
    text = (desk.root / "automations" / "train.yml").read_text().replace("container: landing", "container: elsewhere")
    (desk.root / "automations" / "train.yml").write_text(text)
    desk.hub = desk.start()
    said = await why(desk, "landing/flights/2013-01/a.csv")
    assert said["events"][0]["became"][0]["what"] == "collected"
    assert said["events"][0]["triggers"][0]["fires"] is False
