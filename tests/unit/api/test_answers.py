"""Every error is a problem document, overload asks to come again, and nothing hostile gets into headers or logs."""

import json
import logging
from typing import Any

import azure.functions as func
import pytest

from shared.api import handlers
from shared.api.handlers import Gate, handle, respond
from shared.api.problems import ProblemError
from shared.api.routes import Call, Reply
from shared.api.table import ROUTES
from shared.ledger.journal import UndecidedError
from shared.ledger.protocol import ChangedError, NotFoundError, StoreError


def test_more_than_fits_at_once_is_asked_to_come_again() -> None:
    gate = Gate(most=2)
    with gate.enter(), gate.enter():
        with pytest.raises(ProblemError, match="Too many requests") as caught, gate.enter():
            pass
        assert (caught.value.status, caught.value.headers) == (429, {"Retry-After": "5"})
    assert gate.under_way == 0


async def test_overload_is_a_problem_with_retry_after(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(handlers, "gate", Gate(most=0))
    request = func.HttpRequest(method="GET", url="/api/status", body=b"")
    answer = await handle(request, "status")
    assert (answer.status_code, answer.headers["Retry-After"]) == (429, "5")
    health = await handle(func.HttpRequest(method="GET", url="/api/health", body=b""), "health")
    assert health.status_code == 200


async def test_a_hub_without_settings_says_so_and_stays_alive(monkeypatch: pytest.MonkeyPatch) -> None:
    from shared.settings import SettingsError

    async def hub() -> Any:
        raise SettingsError("setting HUB_STORAGE is missing")

    monkeypatch.setattr(handlers, "hub", hub)
    answer = await handle(func.HttpRequest(method="GET", url="/api/status", body=b""), "status")
    assert answer.status_code == 503
    assert b"HUB_STORAGE" not in answer.get_body()


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (NotFoundError("no such thing"), 404),
        (UndecidedError("busy"), 503),
        (ChangedError("busy"), 503),
        (StoreError("secret address"), 503),
        (RuntimeError("secret address"), 500),
    ],
)
async def test_every_error_is_a_problem_and_keeps_secrets(desk: Any, error: Exception, status: int) -> None:
    import dataclasses

    async def fails(call: Call) -> Reply:
        raise error

    route = dataclasses.replace(ROUTES["status"], handler=fails)
    request = func.HttpRequest(method="GET", url="/", headers={"x-functions-key": "key-all"}, body=b"")
    answer = await respond(request, route, desk.hub)
    body = json.loads(answer.get_body())
    assert (answer.status_code, answer.mimetype, body["status"]) == (status, "application/problem+json", status)
    assert "secret" not in body.get("detail", "")


async def test_what_is_asked_wrongly_names_the_field(desk: Any) -> None:
    answer = await desk.ask("activities", query={"limit": "0", "colour": "red", "since": "yesterday"})
    assert answer.status == 400
    assert {one["at"] for one in answer.json["errors"]} == {"limit", "colour", "since"}


@pytest.mark.parametrize("value", ["a\r\nSet-Cookie: x=1", "a\nERROR forged line", "\x1b[31m", "\u202e", "a" * 500])
async def test_keys_and_names_from_outside_stay_out_of_headers_and_logs(
    desk: Any, caplog: pytest.LogCaptureFixture, value: str
) -> None:
    caplog.set_level(logging.DEBUG)
    key = await desk.ask("automation_run", headers={"Idempotency-Key": value}, name="delay-train")
    assert key.status == 400
    name = await desk.ask("automation_run", name=value)
    assert name.status == 404
    etag = await desk.ask("activity_cancel", headers={"If-Match": value}, id="20130201t060000-0123456789")
    assert etag.status in {404, 412}
    for answer in (key, name, etag):
        assert all("\n" not in text and "\r" not in text for text in answer.headers.values())
    assert not any(line.startswith("ERROR forged") for line in caplog.text.splitlines())


@pytest.mark.parametrize("identifier", ["../../secret", "..%2f..", "a/b", "\x00", "20130201t060000-0123456789\n", "'"])
async def test_no_path_leads_out(desk: Any, identifier: str) -> None:
    for route in ("activity", "activity_cancel", "collection_close", "hold_release", "event_why", "dead_letter"):
        assert (await desk.ask(route, id=identifier)).status == 404
    assert (await desk.ask("receipt", name=identifier, version="1")).status == 404


@pytest.mark.parametrize("body", [b"{", b"[" * 100_000, b'{"a":' * 100_000, b"\xff", b"NaN", b"1", b'"x"', b"[]"])
async def test_a_body_that_is_none_is_400_or_422(desk: Any, body: bytes) -> None:
    for route, values in (("pause", {}), ("replay", {}), ("simulate", {}), ("automation_run", {"name": "delay-train"})):
        assert (await desk.ask(route, body, **values)).status in {400, 422}


async def test_deep_and_wide_events_are_decided_in_time(desk: Any) -> None:
    deep: Any = 1
    for _ in range(60):
        deep = {"a": deep}
    event = {"specversion": "1.0", "id": "1", "source": "s", "type": "t", "subject": "x", "data": deep}
    wide = {**event, "id": "2", "data": {str(number): "x" * 50 for number in range(5000)}}
    assert (await desk.ask("events_post", [event, wide])).json["new"] == 2
    assert (await desk.ask("simulate", {"events": [event, wide]})).status == 200


async def test_nothing_is_kept_by_caches_or_guessed_by_browsers(desk: Any) -> None:
    answer = await desk.ask("status")
    assert (answer.headers["Cache-Control"], answer.headers["X-Content-Type-Options"]) == ("no-store", "nosniff")
