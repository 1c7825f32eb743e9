"""What is meant to do harm: each kind is refused or quarantined with a reason, quickly, and nothing is fetched."""

import gzip
import json
import logging
import socket
import time
from typing import Any

import pytest

from shared.api.handlers import MOST_AT_ONCE
from shared.api.requests import SimulateRequest
from shared.api.routes import MAX_BODY

METADATA = "http://169.254.169.254/metadata/identity/oauth2/token"
PLACES = (
    METADATA,
    "http://127.0.0.1:10002/devstoreaccount1",
    "http://[::1]/landing/a.csv",
    "https://landing.blob.core.windows.net.evil.example/landing/a.csv",
    "https://evil.example/landing/a.csv",
    "https://user:pass@landing.blob.core.windows.net/landing/a.csv",
    "file:///etc/passwd",
    "gopher://127.0.0.1:1/x",
    "http://127.0.0.1:1@evil.example/landing/landing/a.csv",
    "http://2130706433/landing/a.csv",
)


@pytest.fixture
def no_network(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Notes every connection that is tried, and refuses it."""
    tried: list[Any] = []

    def refuse(self: socket.socket, address: Any) -> None:
        tried.append(address)
        raise ConnectionRefusedError(address)

    monkeypatch.setattr(socket.socket, "connect", refuse)
    return tried


def rules(**texts: str) -> dict[str, Any]:
    return {"events": [], "rules": {f"automations/{name}.yml": text for name, text in texts.items()}}


def blob_rule(path: str = "**/*.csv", more: str = "") -> str:
    return (
        f"name: a\non: [{{blob-created: {{container: landing, path: {json.dumps(path)}}}}}]\n"
        f"do: {{webhook: {{url: 'https://example.org/'}}}}\n{more}"
    )


async def simulated(desk: Any, body: dict[str, Any]) -> Any:
    answer = await desk.ask("simulate", body, key="reader")
    assert answer.status == 200, answer.text
    return answer.json


@pytest.mark.parametrize("address", PLACES)
async def test_an_address_of_another_place_is_never_fetched(desk: Any, no_network: list[Any], address: str) -> None:
    for answer in (
        await desk.ask("why", query={"subject": address}),
        await desk.ask("files_used_by", query={"url": address}),
    ):
        assert (answer.status, answer.kind) == (400, "application/problem+json")
        assert "landing" in answer.json["detail"] or "no address" in answer.json["detail"]
    assert no_network == []


async def test_an_event_s_url_is_never_fetched(desk: Any, no_network: list[Any]) -> None:
    event = desk.blob_event("flights/2013-01/a.csv", "0x1")
    event["data"]["url"] = METADATA
    assert (await desk.ask("events_post", [event])).json["broken"] == 0
    handshake = {
        **event,
        "eventType": "Microsoft.EventGrid.SubscriptionValidationEvent",
        "data": {"validationCode": "c", "validationUrl": METADATA},
    }
    assert (await desk.ask("events_post", [handshake])).json["validationResponse"] == "c"
    assert no_network == []


@pytest.mark.parametrize("address", [METADATA, "file:///etc/passwd", "gopher://127.0.0.1:1/x"])
async def test_a_webhook_into_the_inside_is_no_valid_rule(desk: Any, no_network: list[Any], address: str) -> None:
    text = blob_rule().replace("https://example.org/", address)
    problems = (await simulated(desk, rules(a=text)))["invalid"]["automations/a.yml"]
    assert "begins with https://" in problems[0], "whom a name leads to is looked at when it is sent to"
    assert no_network == []


@pytest.mark.parametrize("evil", ["a\r\nSet-Cookie: x=1", "a\nb", "a\x00b", "\x1b[31m", "k" * 201])
async def test_headers_cannot_be_smuggled_in(desk: Any, evil: str) -> None:
    run = await desk.ask("automation_run", headers={"Idempotency-Key": evil}, name="delay-train")
    assert (run.status, run.json["title"]) == (400, "Bad Idempotency-Key")
    shaken = await desk.ask("events_handshake", key="", headers={"WebHook-Request-Origin": evil})
    assert shaken.status in {200, 400}
    for name, value in {**run.headers, **shaken.headers}.items():
        assert "\r" not in f"{name}{value}"
        assert "\n" not in f"{name}{value}"


@pytest.mark.parametrize("key", ["key-all\r\nX: y", "\x00", "a" * 100_000, "\udcff"])
async def test_a_key_of_strange_letters_is_none(desk: Any, key: str) -> None:
    assert (await desk.ask("status", key="", headers={"x-functions-key": key})).status == 401


async def test_no_line_of_the_log_can_be_forged(desk: Any, caplog: pytest.LogCaptureFixture) -> None:
    forged = "x\n2013-01-01 INFO all is well\r\n\x1b[2J"
    event = desk.blob_event("flights/2013-01/a.csv", "0x1")
    with caplog.at_level(logging.DEBUG):
        await desk.ask("events_post", [{**event, "subject": event["subject"] + forged}, {**event, "id": forged}])
        await desk.ask("activity", id=forged)
        await desk.ask("why", query={"subject": forged})
        await desk.ask("pause", {"reason": forged})
        await desk.ask("automation_run", {"inputs": {forged: 1}}, name="delay-train")
    assert "all is well" not in caplog.text
    quarantined = (await desk.ask("dead_letters")).json["items"][0]
    assert "control characters" in quarantined["reason"]


@pytest.mark.parametrize(
    "name",
    [
        "automations/../../etc/passwd",
        "../automations/a.yml",
        "/etc/passwd",
        "automations/./a.yml",
        "automations\\a.yml",
        "shared/bootstrap.py",
        "automations/a\x00.yml",
        "automations//a.yml",
        "automations/" + "a" * 400,
        "jobs/../shared/x.py",
    ],
)
async def test_rules_stay_in_their_folder(desk: Any, name: str) -> None:
    answer = await desk.ask("simulate", {"events": [], "rules": {name: "x"}})
    assert (answer.status, answer.json["title"]) == (422, "Rules cannot be read")


@pytest.mark.parametrize("job", ["../../../../etc/passwd", "/etc/passwd", "jobs/../../secret.yml", "~/x.yml"])
async def test_a_rule_names_no_file_outside_the_project(desk: Any, job: str) -> None:
    text = f"name: a\non: [{{schedule: {{cron: '0 0 3 * * *'}}}}]\ndo: {{train: {{job: {job}}}}}\n"
    problems = (await simulated(desk, rules(a=text)))["invalid"]["automations/a.yml"]
    assert "root:" not in json.dumps(problems)


@pytest.mark.parametrize("path", ["landing/../secret/a.csv", "landing/./a", "landing/%2e%2e/x"])
async def test_a_path_does_not_climb(desk: Any, path: str) -> None:
    answer = await desk.ask("why", query={"subject": path})
    assert answer.status in {200, 400}
    assert "secret" not in [blob["path"] for blob in answer.json.get("blobs", ())]
    for route, values in (
        ("activity", {"id": "../../etc/passwd"}),
        ("receipt", {"name": "../x", "version": "1"}),
        ("collection_close", {"id": "a/../b"}),
        ("endpoint_rollback", {"name": ".."}),
    ):
        assert (await desk.ask(route, **values)).status == 404


EVIL_GLOBS = (
    "*a*a*a*a*a*a*a*a*a*a*b",
    "**/a/**/a/**/a/**/a/b",
    "{a}{b}{c}{d}{e}x",
    "?*?*?*?*?*?*?*?*z",
    "{x}a{y}a{z}ab",
)


@pytest.mark.parametrize("pattern", EVIL_GLOBS)
async def test_no_glob_takes_long(desk: Any, pattern: str) -> None:
    paths = ("a" * 1000, "a/" * 500 + "a", "aab" * 330)
    events = [desk.blob_event(path, f"0x{number}", number=number) for number, path in enumerate(paths)]
    began = time.perf_counter()
    said = await simulated(desk, {**rules(a=blob_rule(pattern)), "events": events})
    assert time.perf_counter() - began < 5
    assert said["invalid"] == {} or "automations/a.yml" in said["invalid"]


BOMB = "\n".join(
    ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    + [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 30)]
    + ["name: a", "do: *a29"]
)


@pytest.mark.parametrize(
    "text",
    [
        BOMB,
        "a: " + "[" * 50_000,
        "a: " + "{b: " * 20_000,
        "- " * 50_000,
        "&a [*a]",
        "!!python/object/apply:os.system ['true']",
        "name: a\n" + "# c\n" * 100_000,
        "\n---\n".join(["name: a"] * 1000),
    ],
    ids=["aliases", "lists", "maps", "dashes", "itself", "python", "long", "documents"],
)
async def test_no_yaml_bomb_goes_off(desk: Any, text: str) -> None:
    began = time.perf_counter()
    said = await simulated(desk, rules(a=text))
    assert time.perf_counter() - began < 20
    assert said["invalid"]


async def test_a_zip_bomb_stays_packed(desk: Any) -> None:
    packed = gzip.compress(b"[" + b" " * 50_000_000 + b"]")
    answer = await desk.ask("events_post", packed, headers={"Content-Encoding": "gzip"})
    assert (answer.status, answer.json["new"], answer.json["broken"]) == (200, 1, 1)


@pytest.mark.parametrize(
    "condition",
    [
        "1 == 1" + " && 1 == 1" * 100_000,
        "(" * 3000 + "true" + ")" * 3000,
        "files.all(a, files.all(b, files.all(c, files.all(d, true))))",
        '"a".matches("(a+)+$")',
        "[1,2,3].map(a, [1,2,3].map(b, [a,b,a,b])) == []",
    ],
    ids=["long", "deep", "loops", "regex", "growing"],
)
async def test_no_condition_costs_much(desk: Any, condition: str) -> None:
    text = blob_rule(more=f"when: {json.dumps(condition)}\n")
    event = desk.blob_event("flights/" + "a" * 900 + "!.csv", "0x1")
    began = time.perf_counter()
    await simulated(desk, {**rules(a=text), "events": [event]})
    assert time.perf_counter() - began < 5


async def test_what_is_too_large_is_413_before_it_is_read(desk: Any) -> None:
    for route in ("pause", "replay", "backfill", "automation_run"):
        values = {"name": "delay-train"} if route == "automation_run" else {}
        answer = await desk.ask(route, b"x" * (MAX_BODY + 1), **values)
        assert (answer.status, answer.json["title"]) == (413, "Too large")
    many = {f"automations/{number}.yml": "x" for number in range(501)}
    assert (await desk.ask("simulate", {"events": [], "rules": many})).status == 422
    assert (await desk.ask("simulate", {"events": [{}] * 5001})).status == 422
    assert SimulateRequest.model_config["extra"] == "forbid"
    assert MOST_AT_ONCE < 1000


@pytest.mark.parametrize(
    "body", [b"[" * 100_000, b'{"a":' * 100_000, b'{"reason":"\\ud800"}', b"\xff", b"NaN", b"1e999"]
)
async def test_bodies_that_break_readers_are_refused(desk: Any, body: bytes) -> None:
    for route in ("pause", "simulate", "replay"):
        assert (await desk.ask(route, body)).status in {400, 422}
