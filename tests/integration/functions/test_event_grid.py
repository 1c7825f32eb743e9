"""The Event Grid webhook: every status, both handshakes, one call an event, and a whole batch failing with one of them.

Sources: EventGridExtensionConfigProvider and HttpRequestProcessor (Azure/azure-sdk-for-net, sdk/eventgrid) and
HostController (Azure/azure-functions-host); each test names the part.
"""

import json
from typing import Any

import pytest


@pytest.fixture(autouse=True)
def clean(host) -> None:
    host.forget()


def event(number: int, subject: str = "s") -> dict[str, Any]:
    return {
        "id": str(number),
        "topic": "t",
        "subject": subject,
        "eventType": "x",
        "eventTime": "2013-01-01T00:00:00Z",
        "data": {"n": number},
        "dataVersion": "1",
    }


def cloud(number: int) -> dict[str, Any]:
    return {"id": str(number), "source": "t", "subject": "s", "type": "x", "specversion": "1.0", "data": {"n": number}}


def body(*events: Any) -> bytes:
    return json.dumps(list(events)).encode()


def test_a_batch_is_taken_with_202_and_each_event_is_a_call_of_its_own(host) -> None:
    """EventGridExtensionConfigProvider.ProcessEventsAsync: single dispatch, 202 when all succeeded."""
    assert host.grid(body(event(1), event(2), event(3))).status == 202
    seen = host.seen("grid")
    assert sorted(one["id"] for one in seen) == ["1", "2", "3"]
    assert sorted(one["data"]["n"] for one in seen) == [1, 2, 3]


def test_one_failing_event_fails_the_whole_batch_and_the_others_ran_all_the_same(host) -> None:
    """ProcessEventsAsync: 500 if at least one failed, so that Event Grid resends the entire payload."""
    answer = host.grid(body(event(1), event(2, "fail"), event(3)))
    assert answer.status == 500
    assert "this event fails" in answer.text
    assert sorted(one["id"] for one in host.seen("grid")) == ["1", "2", "3"]


@pytest.mark.parametrize("content", [event(1), cloud(1)], ids=["event grid", "cloud event"])
def test_a_single_object_is_a_batch_of_one(host, content: dict[str, Any]) -> None:
    """HttpRequestProcessor: JTokenType.Object becomes an array of one; single CloudEvents do arrive so."""
    assert host.grid(json.dumps(content).encode()).status == 202
    assert [one["id"] for one in host.seen("grid")] == ["1"]


def test_an_empty_batch_is_taken(host) -> None:
    """ProcessEventsAsync: no execution, none failed."""
    assert host.grid(b"[]").status == 202
    assert host.seen("grid") == []


@pytest.mark.parametrize("content", [b"", b"nonsense", b"5", b'"text"', b"null"])
def test_a_body_that_is_no_json_of_events_is_500(host, content: bytes) -> None:
    """HttpRequestProcessor: JToken.Parse, or ArgumentOutOfRangeException for another kind; the host answers 500."""
    assert host.grid(content).status == 500


@pytest.mark.parametrize("kind", ["", "Other", "SubscriptionDeletion"])
@pytest.mark.parametrize("content", [event(1), cloud(1)], ids=["event grid", "cloud event"])
def test_without_a_known_event_type_header_it_is_400(host, kind: str, content: dict[str, Any]) -> None:
    """HttpRequestProcessor: anything but SubscriptionValidation, Notification, Unsubscribe is BadRequest."""
    assert host.grid(body(content), kind=kind).status == 400
    assert host.seen("grid") == []


def test_unsubscribing_is_taken(host) -> None:
    """HttpRequestProcessor: Unsubscribe is Accepted."""
    assert host.grid(b"[]", kind="Unsubscribe").status == 202


@pytest.mark.parametrize("kind", ["SubscriptionValidation", "subscriptionvalidation"])
@pytest.mark.parametrize(
    "content",
    [
        [
            {
                "id": "1",
                "eventType": "Microsoft.EventGrid.SubscriptionValidationEvent",
                "data": {"validationCode": "512d38b6"},
            }
        ],
        {
            "id": "1",
            "type": "Microsoft.EventGrid.SubscriptionValidationEvent",
            "data": '{"validationCode": "512d38b6"}',
        },
    ],
    ids=["list", "object with data as text"],
)
def test_a_validation_event_is_answered_with_its_code(host, kind: str, content: Any) -> None:
    """https://learn.microsoft.com/azure/event-grid/end-point-validation-event-grid-events-schema."""
    answer = host.grid(json.dumps(content).encode(), kind=kind)
    assert (answer.status, answer.json()) == (200, {"validationResponse": "512d38b6"})
    assert host.seen("grid") == []


@pytest.mark.parametrize("content", [b"[]", b"{}", b'[{"data": {}}]', b'[{"data": null}]', b"x", b"5"])
def test_a_broken_validation_event_is_500(host, content: bytes) -> None:
    """HttpRequestProcessor: reading the code throws."""
    assert host.grid(content, kind="SubscriptionValidation").status == 500


def test_options_is_the_handshake_of_cloud_events(host) -> None:
    """https://github.com/cloudevents/spec/blob/v1.0/http-webhook.md#4-abuse-protection, which Event Grid uses."""
    url = f"/runtime/webhooks/eventgrid?functionName=grid&code={host.secrets['eventgrid']}"
    answer = host.ask(url, "OPTIONS", headers={"WebHook-Request-Origin": "eventgrid.azure.net"})
    assert (answer.status, answer.headers["webhook-allowed-origin"]) == (200, "eventgrid.azure.net")
    assert host.ask("/runtime/webhooks/eventgrid?functionName=grid", "OPTIONS").status == 401


@pytest.mark.parametrize("name", ["", "nothing", "GRID", "work", "echo"])
def test_an_unknown_function_is_404(host, name: str) -> None:
    """EventGridExtensionConfigProvider.ProcessAsync: only listeners of the extension are found, by their exact name."""
    answer = host.grid(body(event(1)), name=name)
    assert (answer.status, answer.text) == (404, f"cannot find function: '{name}'")


@pytest.mark.parametrize(
    ("key", "status"), [("", 401), ("unknown", 401), ("host", 403), ("master", 202), ("eventgrid", 202)]
)
def test_the_webhook_asks_for_the_extension_s_key(host, key: str, status: int) -> None:
    """HostController.ExtensionWebHookHandler: the policy SystemKeyAuthLevel."""
    given = {"": "", "unknown": "nonsense", "host": host.keys.host}.get(key, host.secrets.get(key, ""))
    assert host.grid(body(event(1)), key=given).status == status
    assert len(host.seen("grid")) == (status == 202)


def test_a_missing_key_is_told_before_anything_else(host) -> None:
    """HostController: authorisation comes before the extension."""
    assert host.grid(b"nonsense", kind="", name="nothing", key="").status == 401


@pytest.mark.parametrize("method", ["PUT", "PATCH"])
def test_another_verb_is_405(host, method: str) -> None:
    """HostController: AcceptVerbs GET, POST, DELETE, OPTIONS."""
    url = f"/runtime/webhooks/eventgrid?functionName=grid&code={host.secrets['eventgrid']}"
    assert host.ask(url, method, b"[]").status == 405
