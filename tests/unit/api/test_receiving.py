"""Events by HTTP: schemas, handshakes, sizes, and places that are not configured."""

import json
from typing import Any

import pytest

WORKSPACE = "/subscriptions/s/resourceGroups/rg/providers/Microsoft.MachineLearningServices/workspaces/ws"


def registered(topic: str = WORKSPACE) -> dict[str, Any]:
    return {
        "specversion": "1.0",
        "id": "1",
        "source": topic,
        "type": "Microsoft.MachineLearningServices.ModelRegistered",
        "subject": "models/m:1",
        "data": {"modelName": "m", "modelVersion": 1},
    }


async def test_both_schemas_in_one_request(desk: Any) -> None:
    blob = desk.blob_event("flights/2013-01/a.csv", "0x1")
    answer = await desk.ask("events_post", [blob, registered(), blob], key="publisher")
    assert (answer.status, answer.json["new"], answer.json["known"], answer.json["broken"]) == (200, 2, 1, 0)
    page = (await desk.ask("events")).json["items"]
    assert {item["outcomes"][0]["what"] for item in page} == {"collected", "ignored"}
    assert [item["via"] for item in page] == ["key:publisher"] * 2
    only = (await desk.ask("events", query={"outcome": "collected"})).json["items"]
    assert [item["outcomes"][0]["automation"] for item in only] == ["delay-train"]


async def test_one_bad_event_costs_the_others_nothing(desk: Any) -> None:
    events = [{"nonsense": 1}, desk.blob_event("flights/2013-01/a.csv", "0x1"), 7]
    answer = await desk.ask("events_post", events)
    assert (answer.json["new"], answer.json["broken"]) == (3, 2)


async def test_what_is_broken_is_a_dead_letter(desk: Any) -> None:
    await desk.ask("events_post", [{"nonsense": 1}, {"nonsense": 2}])
    page = (await desk.ask("dead_letters", query={"limit": "1"})).json
    rest = (await desk.ask("dead_letters", query={"limit": "5", "token": page["next"]})).json
    assert [item["kind"] for item in page["items"] + rest["items"]] == ["quarantine", "quarantine"]
    assert rest["next"] is None
    one = (await desk.ask("dead_letter", id=page["items"][0]["id"])).json
    assert "nonsense" in one["content"]
    assert (await desk.ask("dead_letter", id="0" * 13 + "-" + "0" * 12)).status == 404


@pytest.mark.parametrize(
    "topic",
    [
        "/subscriptions/s/resourceGroups/rg/providers/Microsoft.Storage/storageAccounts/elsewhere",
        "/storageAccounts/landing",
        "/subscriptions/another/resourceGroups/rg/providers/Microsoft.Storage/storageAccounts/landing",
        "http://169.254.169.254/storageAccounts/landing",
    ],
)
async def test_an_account_that_is_not_configured_is_quarantined(desk: Any, topic: str) -> None:
    event = {**desk.blob_event("flights/2013-01/a.csv", "0x1"), "topic": topic}
    answer = await desk.ask("events_post", [event])
    assert (answer.status, answer.json["broken"]) == (200, 1)
    (item,) = (await desk.ask("events")).json["items"]
    reason = item["outcomes"][0]["reason"]
    assert "no storage account of this hub (landing, other)" in reason or "HUB_SUBSCRIPTIONS" in reason
    assert (await desk.ask("collections")).json["items"] == []


async def test_another_workspace_is_quarantined(desk: Any) -> None:
    assert (await desk.ask("events_post", registered(WORKSPACE + "2"))).json["broken"] == 1
    assert (await desk.ask("events_post", registered(WORKSPACE.upper()))).json["broken"] == 0


async def test_the_handshake_of_event_grid_s_schema(desk: Any) -> None:
    event = {
        "id": "v",
        "topic": "/subscriptions/s",
        "subject": "",
        "eventType": "Microsoft.EventGrid.SubscriptionValidationEvent",
        "eventTime": "2013-01-01T00:00:00Z",
        "data": {"validationCode": "512d38b6"},
        "dataVersion": "1",
    }
    answer = await desk.ask("events_post", [event])
    assert (answer.status, answer.json["validationResponse"]) == (200, "512d38b6")
    assert (await desk.ask("events_post", [{**event, "data": {}}])).status == 400


async def test_the_handshake_of_cloud_events(desk: Any) -> None:
    answer = await desk.ask("events_handshake", key="", headers={"WebHook-Request-Origin": "eventgrid.azure.net"})
    assert (answer.status, answer.headers["WebHook-Allowed-Origin"]) == (200, "eventgrid.azure.net")
    assert (await desk.ask("events_handshake", key="")).status == 400
    forged = {"WebHook-Request-Origin": "a\r\nSet-Cookie: b"}
    assert (await desk.ask("events_handshake", key="", headers=forged)).status == 400


async def test_too_much_is_413(desk: Any) -> None:
    assert (await desk.ask("events_post", [7] * 5001)).status == 413
    assert (await desk.ask("events_post", b"[" + b" " * (8 * 1024 * 1024) + b"]")).status == 413
    assert (await desk.ask("pause", {"reason": "x" * 2_000_000})).status == 413


async def test_five_thousand_events_in_one_request(desk: Any) -> None:
    events = [desk.blob_event(f"flights/2013-01/{n}.csv", f"0x{n}", number=n) for n in range(5000)]
    answer = await desk.ask("events_post", events)
    assert (answer.status, answer.json["new"]) == (200, 5000)


@pytest.mark.parametrize(
    "body", [b"", b"{", b"\xff\xfe", b"null", b"[[[[", b"[" * 100_000, b'{"a":' * 50_000, b'"\\ud800"', b"[]"]
)
async def test_what_is_no_event_is_quarantined_or_refused_never_an_error(desk: Any, body: bytes) -> None:
    answer = await desk.ask("events_post", body)
    assert answer.status == 200
    json.loads(answer.text)
