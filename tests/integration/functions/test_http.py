"""HTTP functions as the host routes, guards and answers them; one suite for both workers."""

import pytest

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"


def test_a_function_gets_its_request_whole_and_answers_as_it_wants(host) -> None:
    """https://learn.microsoft.com/azure/azure-functions/functions-bindings-http-webhook-trigger (its usage)."""
    answer = host.ask("/api/echo/a%20b/c?x=1&y=%C3%A9", "POST", "körper".encode(), {"x-test": "t"})
    assert (answer.status, answer.headers["x-answer"]) == (201, "1")
    assert answer.headers["content-type"].startswith("application/json")
    said = answer.json()
    assert said["route"] == {"name": "a b", "rest": "c"}
    assert (said["method"], said["query"], said["header"], said["body"]) == (
        "POST",
        {"x": "1", "y": "é"},
        "t",
        "körper",
    )
    assert said["function"] == "echo"


@pytest.mark.parametrize(
    ("path", "route"),
    [
        ("/api/echo/a", {"name": "a"}),
        ("/api/ECHO/A", {"name": "A"}),
        ("/api/echo/a/", {"name": "a"}),
        ("/api/echo/a%2Fb", {"name": "a%2Fb"}),
        ("/api/echo/100%2525", {"name": "100%25"}),
        ("/api/echo/%E6%97%A5/x", {"name": "日", "rest": "x"}),
    ],
)
def test_a_route_is_decoded_once_and_in_any_case_and_keeps_an_encoded_slash(
    host, path: str, route: dict[str, str]
) -> None:
    """ASP.NET Core's routing, which the host uses: routes have no case; the web server leaves %2F as it is."""
    assert host.ask(path).json()["route"] == route


@pytest.mark.parametrize(
    ("path", "text"),
    [("/api/number/10", "number 10"), ("/api/number/-3", "number -3"), ("/api/number/ten", "literal"),
     ("/api/files/a/b/c.txt", "GET a/b/c.txt"), ("/api/files/x", "GET x")],
)  # fmt: skip
def test_the_more_literal_route_wins_and_constraints_are_kept(host, path: str, text: str) -> None:
    """https://learn.microsoft.com/aspnet/core/fundamentals/routing (constraints, catch-all, precedence)."""
    assert (host.ask(path).status, host.ask(path).text) == (200, text)


def test_a_function_without_a_route_is_found_by_its_name(host) -> None:
    """https://learn.microsoft.com/azure/azure-functions/functions-bindings-http-webhook-trigger#customize-the-http-endpoint."""
    answer = host.ask("/api/by_name")
    assert (answer.status, answer.body) == (204, b"")


@pytest.mark.parametrize(
    ("path", "method"),
    [("/api/nothing", "GET"), ("/api/echo", "GET"), ("/echo/a", "GET"), ("/api/number/eleven", "GET"), ("/api", "GET"),
     ("/api/echo/a", "DELETE"), ("/api/echo/a/b/c", "GET"), ("/api/number/10", "POST")],
)  # fmt: skip
def test_what_no_route_meets_is_404(host, path: str, method: str) -> None:
    """FunctionsController of the host: a request that maps to no function is 404, another method too."""
    assert (host.ask(path, method).status, host.ask(path, method).body) == (404, b"")


def test_a_function_that_raises_is_500_and_tells_nothing(host) -> None:
    """Azure/azure-functions-host: an exception of the app is a 500 without its text; the log has it."""
    answer = host.ask("/api/raises")
    assert (answer.status, answer.body) == (500, b"")
    assert "a secret of the app" in host.log.read_text()


def keys(host, name: str) -> str:
    return {
        "": "",
        "unknown": "nonsense",
        "master": host.secrets["master"],
        "system": host.secrets["eventgrid"],
        "host": host.keys.host,
        "function": host.keys.function("keyed"),
        "another": host.keys.function("echo"),
    }[name]


@pytest.mark.parametrize(
    ("path", "statuses"),
    [
        (
            "/api/keyed",
            {"": 401, "unknown": 401, "another": 401, "system": 403, "function": 200, "host": 200},
        ),
        ("/api/for-admins", {"": 401, "unknown": 401, "function": 401, "system": 403, "host": 403, "master": 200}),
        ("/api/by_name", {"": 204, "unknown": 204, "master": 204}),
    ],
)
def test_a_level_asks_for_its_key(host, path: str, statuses: dict[str, int]) -> None:
    """https://learn.microsoft.com/azure/azure-functions/function-keys-how-to; AuthenticationLevelHandler."""
    by_header = {name: host.ask(path, key=keys(host, name)).status for name in statuses}
    by_query = {name: host.ask(f"{path}?code={keys(host, name)}").status for name in statuses}
    assert by_header == by_query == statuses


def test_the_header_goes_before_the_query(host) -> None:
    """AuthenticationLevelHandler: `code` is looked at only where there is no x-functions-key."""
    assert host.ask(f"/api/keyed?code={host.keys.host}", headers={"x-functions-key": "nonsense"}).status == 401


def test_a_call_is_a_span_in_the_caller_s_trace(host) -> None:
    """https://www.w3.org/TR/trace-context/: the trace goes on, the span is the host's own."""
    parent = f"00-{TRACE}-00f067aa0ba902b7-01"
    seen = host.ask("/api/echo/a", headers={"traceparent": parent}).json()["traceparent"]
    assert seen.split("-")[:2] == ["00", TRACE]
    assert seen.split("-")[3] == "01"
    assert seen.split("-")[2] != "00f067aa0ba902b7"
    fresh = [host.ask("/api/echo/a", headers=headers).json()["traceparent"] for headers in ({}, {"traceparent": "x"})]
    assert len({one.split("-")[1] for one in fresh}) == 2
    assert all(len(one) == 55 and TRACE not in one for one in fresh)


def test_each_call_has_an_invocation_of_its_own(host) -> None:
    """azure.functions.Context.invocation_id."""
    assert len({host.ask("/api/echo/a").json()["invocation"] for _ in range(3)}) == 3


def test_the_home_page_answers_without_a_key(host) -> None:
    """HomeController of the host."""
    assert host.ask("/").status == 200


def test_a_prefix_may_be_another_or_none(starts) -> None:
    """https://learn.microsoft.com/azure/azure-functions/functions-bindings-http-webhook#hostjson-settings."""
    bare = starts(host={"extensions": {"http": {"routePrefix": ""}}})
    assert (bare.ask("/number/10").text, bare.ask("/api/number/10").status) == ("number 10", 404)
    other = starts(host={"extensions": {"http": {"routePrefix": "v1/x"}}})
    assert (other.ask("/v1/x/number/10").text, other.ask("/number/10").status) == ("number 10", 404)


def test_a_switched_off_function_is_not_there(starts) -> None:
    """https://learn.microsoft.com/azure/azure-functions/disable-function."""
    host = starts(AzureWebJobs__keyed__Disabled="true", **{"AzureWebJobs.grid.Disabled": "1"})
    assert host.ask("/api/keyed", key=host.secrets["master"]).status == 404
    assert host.grid(b"[]").status == 404
    listed = {one["name"]: one["isDisabled"] for one in host.ask("/admin/functions", key=host.secrets["master"]).json()}
    assert {name for name, off in listed.items() if off} == {"keyed", "grid"}


def test_what_runs_longer_than_the_function_timeout_is_500(starts) -> None:
    """https://learn.microsoft.com/azure/azure-functions/functions-host-json#functiontimeout."""
    host = starts(host={"functionTimeout": "00:00:01"})
    assert host.ask("/api/slow").status == 500
    assert [one["step"] for one in host.seen("slow")] == ["began"]
    assert "longer than functionTimeout" in host.log.read_text()
