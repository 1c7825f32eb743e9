"""Approval links: what they show, that they decide once by POST, and what a stolen or old one is worth."""

from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

import azure.functions as func
import pytest

from shared.dashboard.approving import respond


class Link:
    """A link out of a message, opened by somebody's browser."""

    def __init__(self, desk: Any, url: str) -> None:
        self.desk = desk
        self.token = url.rpartition("/")[2]

    async def ask(self, method: str, token: str | None = None, headers: Any = None, **fields: str) -> func.HttpResponse:
        given = {"Content-Type": "application/x-www-form-urlencoded", **(headers or {})}
        token = self.token if token is None else token
        request = func.HttpRequest(
            method=method, url="http://127.0.0.1/api/approvals/x", headers=given, body=urlencode(fields).encode()
        )
        return await respond(request, token, self.desk.hub)


@pytest.fixture
async def link(desk_of: Any, receiver: Any, release_rule: str) -> Link:
    desk = desk_of(receiver.url, automation=release_rule)
    await desk.send(desk.model_event("arrival-delay", "1"))
    await desk.run(5)
    await desk.mail()
    (message,) = receiver.bodies[0]["messages"]
    assert message["severity"] == "decision"
    return Link(desk, message["links"]["approval"])


async def status(link: Link) -> str:
    return str((await link.desk.activities())[0].status)


async def test_a_preview_approves_nothing(link: Link) -> None:
    for method in ("GET", "GET", "HEAD"):
        answer = await link.ask(method)
        assert answer.status_code == 200
    text = answer.get_body().decode()
    assert "delay-release" in text
    assert 'value="approve"' in text
    await link.desk.run(5)
    assert await status(link) == "waiting-approval"


async def test_post_decides_once(link: Link) -> None:
    answer = await link.ask("POST", decision="approve", reason="numbers are right")
    assert answer.status_code == 200
    assert "Approved." in answer.get_body().decode()
    await link.desk.run(5)
    assert await status(link) != "waiting-approval"
    (activity,) = await link.desk.activities()
    assert (activity.acts[0].who, activity.acts[0].person) == ("link:ops", False)
    assert activity.acts[0].reason == "numbers are right"
    for method in ("GET", "POST"):
        assert (await link.ask(method, decision="approve")).status_code == 404
    assert len((await link.desk.activities())[0].acts) == 1


async def test_reject_refuses_the_release(link: Link) -> None:
    await link.ask("POST", decision="reject", reason="not in December")
    await link.desk.run(5)
    (activity,) = await link.desk.activities()
    assert activity.status == "refused"
    assert "not in December" in activity.reason


async def test_an_expired_link_is_not_found(link: Link) -> None:
    link.desk.now += timedelta(hours=49)
    for method in ("GET", "POST"):
        assert (await link.ask(method, decision="approve")).status_code == 404


async def test_any_other_token_is_not_found(link: Link) -> None:
    body, _, signature = link.token.partition(".")
    session = await link.desk.hub.approvals._sealer.seal("session", {"a": 1}, link.desk.now + timedelta(hours=1))
    for token in ("", "x", body, f"{body}.", f"{body}.{signature[:-2]}AA", f"A{link.token}", session, "é", "x" * 9000):
        for method in ("GET", "POST"):
            answer = await link.ask(method, token, decision="approve")
            assert answer.status_code == 404, token
    assert await status(link) == "waiting-approval"


async def test_a_link_of_an_earlier_attempt_decides_nothing(link: Link) -> None:
    (activity,) = await link.desk.activities()
    await link.desk.ask("activity_reject", {"reason": "no"}, id=activity.id)
    await link.desk.run(5)
    assert (await link.ask("GET")).status_code == 200
    assert "No decision is waited for now" in (await link.ask("GET")).get_body().decode()
    await link.desk.ask("activity_retry", {"reason": "again"}, id=activity.id)
    await link.desk.run(5)
    assert await status(link) == "waiting-approval"
    assert (await link.ask("POST", decision="approve")).status_code == 409
    await link.desk.run(5)
    assert await status(link) == "waiting-approval"


async def test_another_site_cannot_post_it(link: Link) -> None:
    answer = await link.ask("POST", headers={"Sec-Fetch-Site": "cross-site"}, decision="approve")
    assert answer.status_code == 403
    assert await status(link) == "waiting-approval"


@pytest.mark.parametrize(
    "fields", [{}, {"decision": ""}, {"decision": "yes"}, {"decision": "approve", "reason": "x" * 1001}]
)
async def test_what_is_no_decision_decides_nothing(link: Link, fields: dict[str, str]) -> None:
    assert (await link.ask("POST", **fields)).status_code == 422
    assert await status(link) == "waiting-approval"


async def test_two_clicks_at_once_are_one_decision(link: Link) -> None:
    import asyncio

    answers = await asyncio.gather(*(link.ask("POST", decision="approve") for _ in range(6)))
    assert sorted(answer.status_code for answer in answers) == [200] + [404] * 5
    assert len((await link.desk.activities())[0].acts) == 1


async def test_the_page_of_a_link_cannot_be_framed_and_tells_nobody_of_it(link: Link) -> None:
    answer = await link.ask("GET")
    assert "frame-ancestors 'none'" in answer.headers["Content-Security-Policy"]
    assert answer.headers["Referrer-Policy"] == "no-referrer"
    assert answer.headers["Cache-Control"] == "no-store"


async def test_no_dead_letter_holds_a_link(desk_of: Any, receiver: Any, release_rule: str) -> None:
    from aiohttp import web

    desk = desk_of(receiver.url, automation=release_rule)
    receiver.answers = [web.Response(status=403)]
    await desk.send(desk.model_event("arrival-delay", "1"))
    await desk.run(5)
    await desk.mail()
    (letter,) = (await desk.ask("dead_letters")).json["items"]
    content = (await desk.ask("dead_letter", id=letter["id"])).text
    assert "approvals/" not in content
    token = receiver.bodies[0]["messages"][0]["links"]["approval"].rpartition("/")[2]
    assert token not in content
