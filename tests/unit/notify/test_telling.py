"""Who is told of what, in which form, once, and what happens when the receiver does not take it."""

import hashlib
import hmac
import json
from datetime import timedelta
from typing import Any

import pytest
from aiohttp import web

from shared.settings import Settings, SettingsError


async def test_an_end_is_told_once_signed_and_with_a_link(desk_of: Any, receiver: Any, secret: str) -> None:
    desk = desk_of(receiver.url)
    desk.azureml.fate = "Failed"
    identifier = await desk.train()
    await desk.finish()
    await desk.mail()
    ((headers, body),) = receiver.got
    told = json.loads(body)
    (message,) = told["messages"]
    assert told["digest"] is False
    assert (message["title"], message["severity"], message["activity"]) == ("delay-train failed", "error", identifier)
    assert "it broke" in message["text"]
    assert message["links"]["page"].endswith(f"/api/dashboard/activities/{identifier}")
    signed = hmac.new(secret.encode(), headers["X-Hub-Timestamp"].encode() + b"." + body, hashlib.sha256)
    assert headers["X-Hub-Signature"] == f"v1={signed.hexdigest()}"
    (activity,) = await desk.activities()
    for _ in range(3):
        await desk.hub.notifier.tell(activity)
        await desk.mail(120)
    assert len(receiver.got) == 1


async def test_who_did_not_ask_is_not_told(desk_of: Any, receiver: Any) -> None:
    desk = desk_of(receiver.url, automation=desk_of.__globals__["_desk"].world.AUTOMATION)
    await desk.train()
    await desk.finish()
    await desk.mail(300)
    assert receiver.got == []


async def test_a_route_of_the_settings_takes_what_no_automation_names(desk_of: Any, receiver: Any) -> None:
    routes = [{"automations": ["delay-*"], "severities": ["error"]}]
    channels = {"ops": {"kind": "slack", "url": receiver.url, "routes": routes}}
    automation = desk_of.__globals__["_desk"].world.AUTOMATION
    desk = desk_of(receiver.url, automation=automation, HUB_CHANNELS=json.dumps(channels))
    desk.azureml.fate = "Failed"
    await desk.train()
    await desk.finish()
    await desk.mail()
    (body,) = receiver.bodies
    assert body["text"] == "delay-train failed"


async def test_what_is_held_is_told_once_however_often_it_is_looked_at(desk_of: Any, receiver: Any) -> None:
    desk = desk_of(receiver.url)
    await desk.ask("pause", {"reason": "fair"})
    await desk.train()
    await desk.run(3600)
    await desk.mail(300)
    assert [body["messages"][0]["status"] for body in receiver.bodies] == ["held"]
    assert "fair" in receiver.bodies[0]["messages"][0]["text"]


async def test_a_teams_card_cannot_be_written_by_a_files_name(desk_of: Any, receiver: Any) -> None:
    desk = desk_of(receiver.url, "teams")
    await desk.train("[x](https:evil.example)")
    await desk.finish()
    await desk.mail()
    card = receiver.bodies[0]["attachments"][0]["content"]
    assert (card["type"], card["version"]) == ("AdaptiveCard", "1.4")
    texts = json.dumps(card["body"])
    assert "evil.example" in texts
    assert "[x](" not in texts.replace("\\\\", "\\").replace("\\[", "").replace("\\]", "")
    assert [action["title"] for action in card["actions"]] == ["Open"]


async def test_a_slack_text_cannot_be_written_by_a_files_name(desk_of: Any, receiver: Any) -> None:
    desk = desk_of(receiver.url, "slack")
    await desk.train("<!channel>")
    desk.azureml.fate = "Failed"
    await desk.ask(
        "activity_cancel", {"reason": "<!here> <https://evil.example|x>"}, id=(await desk.activities())[0].id
    )
    await desk.finish()
    await desk.mail()
    assert "<!" not in json.dumps(receiver.bodies)


async def test_a_burst_of_messages_is_one_digest(desk_of: Any, receiver: Any) -> None:
    desk = desk_of(receiver.url, automation=BIG)
    for number in range(30):
        await desk.ask("automation_run", headers={"Idempotency-Key": str(number)}, name="many")
        desk.now += timedelta(seconds=1)
    await desk.run(5)
    await desk.mail(120)
    sizes = [len(body["messages"]) for body in receiver.bodies]
    assert sum(sizes) == 30
    assert len(sizes) <= 3
    assert receiver.bodies[-1]["digest"] is True


BIG = 'name: many\non: []\nwhen: "false"\nnotify: {on: [refused], to: ops}\ndo: {job: {job: jobs/train.yml}}\n'


@pytest.mark.parametrize("status", [500, 503, 429, 408])
async def test_a_receiver_that_is_down_is_tried_again(desk_of: Any, receiver: Any, status: int) -> None:
    desk = desk_of(receiver.url)
    receiver.answers = [web.Response(status=status) for _ in range(3)]
    await desk.train()
    await desk.finish()
    await desk.mail(300)
    assert len(receiver.got) == 4
    assert len({headers["X-Hub-Delivery"] for headers, _ in receiver.got}) == 1
    state = await desk.hub.notifier.outbox.state("ops")
    assert (state.pending, state.head.sent, state.head.tries) == (0, 1, 0)
    assert str(status) in state.head.last_problem


async def test_a_receiver_that_stays_down_ends_as_a_dead_letter_that_can_be_sent_again(
    desk_of: Any, receiver: Any
) -> None:
    desk = desk_of(receiver.url)
    receiver.answers = [web.Response(status=500, text="out of order") for _ in range(10)]
    await desk.train()
    await desk.finish()
    await desk.mail(7200)
    (letter,) = (await desk.ask("dead_letters")).json["items"]
    assert letter["kind"] == "notify"
    assert "gave up after 10 tries" in letter["reason"]
    assert "out of order" in letter["reason"]
    assert receiver.url not in json.dumps(letter)
    answer = await desk.ask("replay", {"dead_letter": letter["id"], "send": True})
    assert answer.status == 200, answer.text
    await desk.mail(300)
    assert receiver.bodies[-1]["messages"][0]["title"] == "delay-train succeeded"
    assert len(receiver.got) == 11


async def test_a_refusal_is_not_repeated(desk_of: Any, receiver: Any) -> None:
    desk = desk_of(receiver.url)
    receiver.answers = [web.Response(status=404)]
    await desk.train()
    await desk.finish()
    await desk.mail(600)
    assert len(receiver.got) == 1
    assert len((await desk.ask("dead_letters")).json["items"]) == 1


async def test_a_redirect_is_not_followed(desk_of: Any, receiver: Any) -> None:
    desk = desk_of(receiver.url)
    receiver.answers = [web.Response(status=302, headers={"Location": receiver.url})]
    await desk.train()
    await desk.finish()
    await desk.mail(600)
    assert len(receiver.got) == 1
    (letter,) = (await desk.ask("dead_letters")).json["items"]
    assert "redirects are not followed" in letter["reason"]


async def test_an_unknown_channel_is_a_dead_letter_and_stops_nothing(desk_of: Any, receiver: Any) -> None:
    desk = desk_of(receiver.url, automation=BIG.replace("to: ops", "to: nobody"))
    await desk.ask("automation_run", name="many")
    await desk.run(5)
    await desk.mail(60)
    (letter,) = (await desk.ask("dead_letters")).json["items"]
    assert "channel nobody: it is not in HUB_CHANNELS" in letter["reason"]
    assert (await desk.activities())[0].status == "refused"


async def test_a_lost_message_of_the_queue_is_made_good_by_the_sweep(desk_of: Any, receiver: Any) -> None:
    desk = desk_of(receiver.url)
    await desk.train()
    await desk.finish()
    queue = desk.store.queue("hub-notify")
    queue.delete(*queue.receive(60))
    await desk.hub.notifier.outbox.sweep(desk.now)
    await desk.mail()
    assert len(receiver.got) == 1


async def test_two_instances_send_once(desk_of: Any, receiver: Any) -> None:
    import asyncio

    desk = desk_of(receiver.url)
    other = desk.start()
    await desk.train()
    await desk.finish()
    await asyncio.gather(desk.hub.notifier.look("ops", desk.now), other.notifier.look("ops", desk.now))
    await desk.mail(300)
    assert len(receiver.got) == 1


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("{", "JSON"),
        ("[]", "form"),
        ('{"Ops": {"kind": "teams", "url": "x"}}', "Ops"),
        ('{"ops": {"kind": "mail", "url": "x"}}', "kind"),
        ('{"ops": {"kind": "teams", "address": "x"}}', "address"),
        ('{"ops": {"kind": "teams", "url": "x", "routes": [{"on": ["broken"]}]}}', "routes"),
    ],
)
def test_channels_that_cannot_be_read_say_where(tmp_path: Any, desk_of: Any, text: str, word: str) -> None:
    environment = {**desk_of.__globals__["_desk"].world.ENVIRONMENT, "HUB_CHANNELS": text}
    with pytest.raises(SettingsError, match=word):
        Settings.read(environment, tmp_path)


def test_settings_show_no_secret(desk_of: Any, receiver: Any, secret: str) -> None:
    desk = desk_of(
        receiver.url, HUB_SECRET_ERP="an other key", HUB_TOPIC_ENDPOINT="https://t.example", HUB_TOPIC_KEY="k3y"
    )
    text = repr(desk.hub.settings)
    assert secret not in text
    assert receiver.url not in text
    assert "an other key" not in text
    assert "k3y" not in text


async def test_a_channel_on_this_machine_needs_the_setting(desk_of: Any, receiver: Any) -> None:
    desk = desk_of(receiver.url, HUB_LOOPBACK_WEBHOOKS="")
    await desk.train()
    await desk.finish()
    await desk.mail(600)
    assert receiver.got == []
    (letter,) = (await desk.ask("dead_letters")).json["items"]
    assert "https" in letter["reason"]


@pytest.mark.parametrize("url", ["https://169.254.169.254/x", "https://10.1.2.3/x", "https://[fd00::1]/x"])
async def test_a_channel_never_leads_inside(desk_of: Any, receiver: Any, url: str) -> None:
    desk = desk_of(url)
    await desk.train()
    await desk.finish()
    await desk.mail(600)
    (letter,) = (await desk.ask("dead_letters")).json["items"]
    assert "internal address" in letter["reason"]
