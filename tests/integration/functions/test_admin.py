"""The admin API: who may, what it tells, and starting any function by hand."""

import json

import pytest

from tests.integration.functions.hosting import until


@pytest.mark.parametrize(
    "path", ["host/status", "functions", "functions/tick", "host/keys", "functions/work/keys", "nothing"]
)
def test_all_but_ping_asks_for_the_master_key(host, path: str) -> None:
    """https://learn.microsoft.com/azure/azure-functions/function-keys-how-to; PolicyNames.AdminAuthLevel."""
    assert host.ask(f"/admin/{path}").status == 401
    assert host.ask(f"/admin/{path}", key="nonsense").status == 401
    assert host.ask(f"/admin/{path}", key=host.keys.host).status == 403
    assert host.ask(f"/admin/{path}", key=host.secrets["master"]).status == (404 if path == "nothing" else 200)


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_ping_answers_without_a_key(host, method: str) -> None:
    """HostController.Ping."""
    assert host.ask("/admin/host/ping", method).status == 200


def test_the_status_says_that_it_runs(host) -> None:
    """HostController.GetHostStatus."""
    said = host.ask("/admin/host/status", key=host.secrets["master"]).json()
    assert said["state"] == "Running"
    assert said["processUptime"] > 0


def test_the_functions_are_listed_with_their_bindings(host) -> None:
    """FunctionsController.List and Get of the host."""
    listed = host.ask("/admin/functions", key=host.secrets["master"]).json()
    work = next(one for one in listed if one["name"] == "work")
    assert {"work", "grid", "tick", "seen"} <= {one["name"] for one in listed}
    assert work["config"]["bindings"][0]["type"] == "queueTrigger"
    assert host.ask("/admin/functions/work", key=host.secrets["master"]).json() == work
    assert host.ask("/admin/functions/nothing", key=host.secrets["master"]).status == 404


def test_the_keys_it_gives_open_what_they_are_for(host) -> None:
    """KeysController of the host: https://learn.microsoft.com/azure/azure-functions/function-keys-how-to."""

    def key(path: str) -> str:
        return str(host.ask(f"/admin/{path}", key=host.secrets["master"]).json()["keys"][0]["value"])

    assert host.ask("/api/keyed", key=key("functions/keyed/keys")).status == 200
    assert host.ask("/api/keyed", key=key("host/keys")).status == 200
    assert host.grid(b"[]", key=key("host/systemkeys")).status == 202


def start(host, name: str, given: object) -> int:
    body = json.dumps({"input": given}).encode()
    return int(host.ask(f"/admin/functions/{name}", "POST", body, key=host.secrets["master"]).status)


def test_any_function_is_started_by_hand(host) -> None:
    """https://learn.microsoft.com/azure/azure-functions/functions-manually-run-non-http."""
    host.forget()
    assert start(host, "work", "by hand") == 202
    assert start(host, "tick", "") == 202
    assert start(host, "grid", json.dumps({"id": "hand", "subject": "s", "data": {"n": 1}})) == 202
    assert until(lambda: [one["text"] for one in host.seen("work")])[0] == "by hand"
    assert until(lambda: host.seen("tick"))[0]["past_due"] is False
    assert until(lambda: host.seen("grid"))[0]["id"] == "hand"


def test_starting_answers_before_the_function_has_run_whatever_comes_of_it(host) -> None:
    """FunctionsController.Invoke of the host: it answers Accepted and runs the function beside."""
    assert start(host, "work", "fail by hand") == 202
    assert until(lambda: "fail by hand" in host.log.read_text())


@pytest.mark.parametrize("body", [b"", b"nonsense", b"5"])
def test_a_start_without_a_document_is_400(host, body: bytes) -> None:
    """FunctionsController.Invoke: BadRequest where there is no invocation in the body."""
    assert host.ask("/admin/functions/tick", "POST", body, key=host.secrets["master"]).status == 400
    assert host.ask("/admin/functions/nothing", "POST", b'{"input": ""}', key=host.secrets["master"]).status == 404
