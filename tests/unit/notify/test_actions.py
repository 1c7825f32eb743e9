"""The actions notify and webhook."""

import hashlib
import hmac
import json
from typing import Any

from aiohttp import web

NOTIFY = """
name: word
on: [{event: {type: Team.Code.Pushed}}]
do: {notify: {to: [ops], subject: "Pushed: ${{ event.subject }}", message: "see ${{ event.data.url }}"}}
"""
WEBHOOK = """
name: hook
on: [{event: {type: Team.Code.Pushed}}]
do: {webhook: {url: "URL", secret: erp-key, body: {what: "${{ event.subject }}", count: 3}, headers: {X-Team: blue}}}
"""


def pushed(desk: Any) -> dict[str, Any]:
    return {
        "specversion": "1.0",
        "id": "1",
        "source": "/team",
        "type": "Team.Code.Pushed",
        "subject": "main",
        "time": desk.now.isoformat(),
        "data": {"url": "https://example.com/1"},
    }


async def test_notify_tells_its_channels_and_is_done(desk_of: Any, receiver: Any) -> None:
    desk = desk_of(receiver.url, automation=NOTIFY)
    await desk.send(pushed(desk))
    await desk.run(5)
    await desk.mail()
    assert (await desk.activities())[0].status == "succeeded"
    (message,) = receiver.bodies[0]["messages"]
    assert (message["title"], message["text"]) == ("Pushed: main", "see https://example.com/1")


async def test_notify_to_nobody_fails_and_says_who_is_missing(desk_of: Any, receiver: Any) -> None:
    desk = desk_of(receiver.url, automation=NOTIFY.replace("[ops]", "[opps]"))
    await desk.send(pushed(desk))
    await desk.run(5)
    (activity,) = await desk.activities()
    assert (activity.status, activity.reason) == ("failed", "channel opps is not in HUB_CHANNELS")


async def test_webhook_sends_signed_and_tries_again_under_one_number(desk_of: Any, receiver: Any) -> None:
    desk = desk_of(receiver.url, automation=WEBHOOK.replace("URL", receiver.url), HUB_SECRET_ERP_KEY="s3")
    receiver.answers = [web.Response(status=503), web.Response(status=200)]
    await desk.send(pushed(desk))
    await desk.run(60)
    (activity,) = await desk.activities()
    assert activity.status == "succeeded", activity.reason
    assert receiver.bodies == [{"what": "main", "count": 3}] * 2
    headers, body = receiver.got[1]
    signed = hmac.new(b"s3", headers["X-Hub-Timestamp"].encode() + b"." + body, hashlib.sha256).hexdigest()
    assert headers["X-Hub-Signature"] == f"v1={signed}"
    assert headers["X-Team"] == "blue"
    assert {one["X-Hub-Delivery"] for one, _ in receiver.got} == {f"hub-{activity.id}-webhook-1"}


async def test_webhook_without_its_key_fails_and_sends_nothing(desk_of: Any, receiver: Any) -> None:
    desk = desk_of(receiver.url, automation=WEBHOOK.replace("URL", receiver.url))
    await desk.send(pushed(desk))
    await desk.run(60)
    (activity,) = await desk.activities()
    assert (activity.status, "HUB_SECRET_ERP_KEY" in activity.reason) == ("failed", True)
    assert receiver.got == []


async def test_webhook_to_this_machine_needs_the_setting(desk_of: Any, receiver: Any) -> None:
    rule = WEBHOOK.replace("URL", receiver.url).replace("secret: erp-key, ", "")
    desk = desk_of(receiver.url, automation=rule, HUB_LOOPBACK_WEBHOOKS="")
    await desk.send(pushed(desk))
    await desk.run(60)
    (activity,) = await desk.activities()
    assert activity.status == "failed"
    assert receiver.got == []


async def test_webhook_without_a_body_sends_the_activity(desk_of: Any, receiver: Any) -> None:
    rule = f"name: hook\non: []\ndo: {{webhook: {{url: '{receiver.url}'}}}}\n"
    desk = desk_of(receiver.url, automation=rule)
    await desk.ask("automation_run", name="hook")
    await desk.run(5)
    (body,) = receiver.bodies
    assert body["automation"] == "hook"
    assert body["cause"]["who"] == "key:all"
    assert "X-Hub-Signature" not in receiver.got[0][0]
    assert json.dumps(body)
