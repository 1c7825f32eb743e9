"""What the pages say of a hub in each of its states."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

HOSTILE = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)>${{7*7}}{{7*7}}"


async def train(desk: Any, path: str = "flights/2013-01/EWR/a.csv") -> str:
    await desk.send(
        desk.blob_event(path, "0x1"),
        desk.blob_event("flights/2013-01/_SUCCESS", "0xFF", number=99),
    )
    await desk.run(10)
    (found,) = await desk.activities()
    return str(found.id)


async def test_a_quiet_hub_needs_nobody(browser: Any) -> None:
    await browser.sign_in()
    page = await browser.get()
    assert "Nothing needs you" in page.text
    assert "<title>Now" in page.text


async def test_a_failure_is_the_first_thing_one_sees(browser: Any) -> None:
    await browser.sign_in()
    browser.desk.azureml.fate = "Failed"
    identifier = await train(browser.desk)
    await browser.desk.finish()
    page = await browser.get()
    assert "1 thing needs somebody" in page.text
    assert page.text.index("delay-train failed") < page.text.index("Vital signs")
    assert "it broke" in page.text
    assert f"/activities/{identifier}" in page.text
    browser.desk.now += timedelta(hours=25)
    await browser.sign_in()
    assert "Nothing needs you" in (await browser.get()).text


async def test_a_failure_that_somebody_has_seen_to_needs_nobody_until_it_fails_again(browser: Any) -> None:
    await browser.sign_in()
    browser.desk.azureml.fate = "Failed"
    identifier = await train(browser.desk)
    assert (await browser.act("acknowledge", identifier)).status == 409
    await browser.desk.finish()
    assert ">Acknowledge<" in (await browser.get()).text
    await browser.act("acknowledge", identifier, reason="the disk was full")
    page = await browser.get()
    assert "Nothing needs you" in page.text
    assert "1 acknowledged" in page.text
    page = await browser.get(f"activities/{identifier}")
    assert ">Acknowledge<" not in page.text
    assert ">Retry<" in page.text
    assert "the disk was full" in page.text
    (entry, *_) = (await browser.desk.ask("audit")).json["items"]
    assert (entry["what"], entry["subject"]) == ("acknowledge", f"activity/{identifier}")
    (activity,) = await browser.desk.activities()
    assert activity.status == "failed"
    await browser.act("retry", identifier)
    await browser.desk.finish()
    assert "delay-train failed" in (await browser.get()).text


async def test_what_is_held_says_why_and_can_be_released(browser: Any) -> None:
    await browser.sign_in()
    await browser.act("pause", reason="the disk is full")
    identifier = await train(browser.desk)
    page = await browser.get()
    assert "The whole hub is paused" in page.text
    assert "the disk is full" in page.text
    assert "delay-train is held" in page.text
    answer = await browser.act("release", identifier, reason="it is urgent", back="holds")
    assert answer.headers["Location"] == "/api/dashboard/holds?did=release"
    assert "Released." in (await browser.get("holds?did=release")).text
    await browser.desk.run(1)
    (activity,) = await browser.desk.activities()
    assert activity.status == "running"
    assert (activity.acts[0].kind, activity.acts[0].reason) == ("release", "it is urgent")


async def test_an_invalid_automation_is_named_with_its_problem(desk_of: Any, browser_of: Any) -> None:
    browser = browser_of(desk_of("name: broken\non: []\ndo: {train: {jobb: x}}\n"))
    await browser.sign_in()
    page = await browser.get()
    assert "is invalid" in page.text
    assert "jobb" in (await browser.get("automations")).text


async def test_a_burst_is_seen_while_it_gathers_and_can_be_closed(browser: Any) -> None:
    await browser.sign_in()
    desk = browser.desk
    await desk.send(*(desk.blob_event(f"flights/2013-01/EWR/{n}.csv", f"0x{n}", number=n) for n in range(7)))
    page = await browser.get("collections")
    assert "<b>7</b> files" in page.text
    assert "when its marker comes" in page.text
    assert "<b>7 files</b>" in (await browser.get()).text
    (name,) = [entry.name for entry in await desk.hub.sweep._unfinished.all("collection")]
    await browser.act("close", name)
    await desk.run(5)
    assert len(await desk.activities()) == 1


async def test_an_activity_is_told_from_cause_to_end(browser: Any) -> None:
    await browser.sign_in()
    identifier = await train(browser.desk)
    page = await browser.get(f"activities/{identifier}")
    assert "Cause" in page.text
    assert "1 event" in page.text
    assert "marker came" in page.text
    assert 'class="t-waiting"' in page.text
    assert ">Cancel<" in page.text
    await browser.desk.finish()
    page = await browser.get(f"activities/{identifier}")
    assert "Model <b>arrival-delay</b> version" in page.text
    assert "17.5" in page.text
    assert ">Cancel<" not in page.text
    listed = await browser.get("activities?automation=delay-train&status=succeeded")
    assert identifier in listed.text
    assert identifier not in (await browser.get("activities?status=failed")).text


async def test_cancel_and_retry_keep_their_reasons(browser: Any) -> None:
    await browser.sign_in()
    identifier = await train(browser.desk)
    await browser.act("cancel", identifier, reason="wrong month")
    await browser.desk.finish()
    page = await browser.get(f"activities/{identifier}")
    assert "cancelled by key:all: wrong month" in page.text
    assert ">Retry<" in page.text
    await browser.act("retry", identifier, reason="it was right")
    await browser.desk.run(5)
    (activity,) = await browser.desk.activities()
    assert activity.attempt == 2
    page = await browser.get(f"activities/{identifier}")
    assert "it was right" in page.text
    assert (await browser.act("retry", identifier)).status == 409


async def test_events_say_what_became_of_them_and_why(browser: Any) -> None:
    await browser.sign_in()
    await browser.desk.send(browser.desk.blob_event("elsewhere/a.csv", "0x1"))
    page = await browser.get("events")
    assert "ignored" in page.text
    assert "elsewhere/a.csv" in page.text
    claim = page.text.split("/dashboard/events/")[1][:32]
    why = await browser.get(f"events/{claim}")
    assert why.status == 200
    assert "does not fire" in why.text
    assert (await browser.get("why?subject=landing/elsewhere/a.csv")).status == 200
    assert 'role="alert"' in (await browser.get("why?subject=https://other.blob.core.windows.net/c/x")).text


async def test_dead_letters_are_told_on_the_first_page(browser: Any) -> None:
    await browser.sign_in()
    await browser.desk.hub.intake.accept(b"[{]", browser.desk.now, "queue")
    page = await browser.get()
    assert "1 dead letter since yesterday" in page.text
    listed = await browser.get("dead-letters")
    identifier = listed.text.split("/dashboard/dead-letters/")[1].split('"')[0]
    assert "{]" in (await browser.get(f"dead-letters/{identifier}")).text


async def test_what_is_not_there_is_said_so(browser: Any) -> None:
    await browser.sign_in()
    assert (await browser.get("activities/20130201t093000-3f9a1c7b2e")).status == 404
    assert (await browser.get("activities/nonsense")).status == 404
    assert (await browser.get("activities?status=nonsense")).status == 422
    assert (await browser.get("events/nonsense")).status in {404, 422}


@pytest.mark.parametrize("where", ["path", "reason", "event", "query"])
async def test_hostile_text_stays_text(browser: Any, where: str) -> None:
    await browser.sign_in()
    desk = browser.desk
    identifier = await train(
        desk, f"flights/2013-01/{HOSTILE.replace('/', '')}.csv" if where == "path" else "flights/2013-01/a.csv"
    )
    if where == "reason":
        await browser.act("pause", reason=HOSTILE)
        await browser.act("cancel", identifier, reason=HOSTILE)
    if where == "event":
        event = desk.blob_event("x", "0x9")
        await desk.send({**event, "id": HOSTILE, "subject": HOSTILE, "eventType": HOSTILE})
    await desk.finish()
    paths = ["", "activities", f"activities/{identifier}", "events", "automations", "dead-letters", "holds"]
    if where == "query":
        paths = [f"why?subject={HOSTILE.replace('&', '')}", f"activities?did={HOSTILE}", f"no/{HOSTILE}"]
    seen = ""
    for path in paths:
        seen += (await browser.get(path)).text
    assert "<script>alert" not in seen
    assert "<img src=x" not in seen
    assert "onerror=alert(2)>" not in seen
    if where != "query":
        assert "alert(1)" in seen


def test_templates_escape_and_hold_no_script_of_their_own() -> None:
    folder = Path(__file__).resolve().parents[3] / "shared" / "dashboard"
    for file in sorted((folder / "templates").iterdir()):
        text = file.read_text()
        assert "|safe" not in text, file
        assert "autoescape false" not in text, file
        assert " style=" not in text, file
        assert "http:" not in text, file
        assert "https:" not in text, file
    assert "http" not in (folder / "static" / "hub.js").read_text()
    assert "url(" not in (folder / "static" / "hub.css").read_text()


async def test_models_and_their_receipts(browser: Any) -> None:
    await browser.sign_in()
    identifier = await train(browser.desk)
    await browser.desk.finish()
    listed = await browser.get("models")
    address = listed.text.split('href="/api/dashboard/models/')[1].split('"')[0]
    receipt = await browser.get(f"models/{address}")
    assert receipt.status == 200
    assert identifier in receipt.text
    assert "flights/2013-01/EWR/a.csv" in receipt.text
    sheet = await browser.get(f"models/{address}/sheet")
    assert sheet.status == 200
    assert identifier in sheet.text
    assert "script-src" not in sheet.headers["Content-Security-Policy"]
    assert "default-src 'none'" in sheet.headers["Content-Security-Policy"]
    for path in ("models/none/versions/1", "models/none/versions/1/sheet"):
        assert (await browser.get(path)).status == 404


async def test_the_audit_names_who_and_why(browser: Any) -> None:
    await browser.sign_in()
    await browser.act("pause", reason="a fair")
    page = await browser.get("audit")
    assert "key:all" in page.text
    assert "a fair" in page.text


async def test_a_dead_letter_is_sent_again_from_its_page(browser: Any) -> None:
    await browser.sign_in()
    desk = browser.desk
    body = b'[{"id": "1"}]'
    letter = await desk.hub.letters.record("quarantine", body, desk.now, "no type")
    answer = await browser.act("replay", letter.id, back=f"dead-letters/{letter.id}")
    assert answer.status == 303, answer.text
    assert "Sent again" in (await browser.get(f"dead-letters/{letter.id}")).text


async def test_endpoints_show_traffic_and_analysis_and_can_go_back(desk_of: Any, browser_of: Any) -> None:
    rule = (
        "name: delay-release\non: [{model-registered: {model: arrival-delay}}]\ndo:\n  deploy:\n"
        "    endpoint: endpoints/endpoint.yml\n    deployment: endpoints/deployment.yml\n"
        "    gates: [{approval: {roles: [approver], quorum: 1, expires: 48h}}]\n"
        "    rollout: [{canary: {traffic: 10%, for: 10m}}]\n"
        "    analysis: {error-rate: '< 1%', min-requests: 50}\n"
    )
    desk = desk_of(rule)
    browser = browser_of(desk)
    await browser.sign_in()
    for version in ("1", "2"):
        await desk.send(desk.model_event("arrival-delay", version))
        await desk.run(5)
        page = await browser.get()
        assert "delay-release waits for approval" in page.text
        identifier = page.text.split("/dashboard/activities/")[1][:26]
        answer = await browser.act("approve", identifier, reason="it looks good")
        assert answer.status == 303
        await desk.run(300)
    page = await browser.get("endpoints")
    assert "release under way" in page.text
    assert 'class="share c' in page.text
    assert "traffic is set" in page.text
    assert 'aria-label="Traffic over time by deployment"' in page.text
    assert "10 %" in page.text
    answer = await browser.act("roll-back", "delay", reason="people complain", back="endpoints")
    assert answer.headers["Location"].endswith("endpoints?did=roll-back")
    await desk.run(300)
    page = await browser.get("endpoints")
    assert "key:all asked to go back" in page.text
    assert "10 %" not in page.text.split("Released to by")[0]


async def test_the_picture_of_traffic_goes_on_to_who_went_back(desk_of: Any, browser_of: Any) -> None:
    rule = (
        "name: delay-release\non: [{model-registered: {model: arrival-delay}}]\ndo:\n  deploy:\n"
        "    endpoint: endpoints/endpoint.yml\n    deployment: endpoints/deployment.yml\n    keep-previous: 24h\n"
    )
    desk = desk_of(rule)
    browser = browser_of(desk)
    await browser.sign_in()
    for version in ("1", "2"):
        await desk.send(desk.model_event("arrival-delay", version))
        await desk.run(300)
    page = (await browser.get("endpoints")).text
    kept = page.split("Kept for going back until ")[1].split("</p>")[0]
    assert "1 x Standard_DS2_v2: HUB_COMPUTE_PRICES has no price for it" in kept
    await browser.act("roll-back", "delay", reason="people complain")
    page = (await browser.get("endpoints")).text
    assert "key:all</b> went back" in page
    picture = page.split('aria-label="Traffic over time by deployment"')[1].split("</svg>")[0]
    names = [part.split(" 100 %")[0] for part in picture.split("<title>")[1:]]
    assert len(names) == 3
    assert names[0] == names[2] != names[1]


DRIFT = """
name: delay-train
on:
  - drift:
      monitor: delay-monitor
      model: arrival-delay
      persists: 2 of 3
      then: {minor: notify, major: notify, performance: notify}
do:
  train: {job: jobs/train.yml, inputs: {data: "azureml:flights:1"}, register: {model: arrival-delay, from: model}}
"""


async def test_drift_is_drawn_by_monitor_window_and_feature(desk_of: Any, browser_of: Any, breach: Any) -> None:
    desk = desk_of(DRIFT)
    browser = browser_of(desk)
    await browser.sign_in()
    assert "No monitor told of drift" in (await browser.get("drift")).text
    for run in ("m1", "m2"):
        await desk.send(breach(desk, run, {"hour": (0.8, 0.6, 0.2), HOSTILE: (0.2, 0.1, 0.2)}))
        await desk.run(5)
    await browser.sign_in()
    page = (await browser.get("drift")).text
    assert "delay-monitor" in page
    assert "model arrival-delay" in page
    assert "3.00 ×" in page
    assert "0.50 ×" in page
    assert "80 %" in page
    assert '<rect width="75.0" height="8"/>' in page
    assert "1 before" in page
    assert "<img src=x" not in page
    identifier = page.split("/dashboard/activities/")[1][:26]
    assert "Features of the newest window" in (await browser.get(f"activities/{identifier}")).text


async def test_a_channel_that_takes_nothing_is_on_the_first_page(desk_of: Any, browser_of: Any) -> None:
    channels = '{"ops": {"kind": "slack", "url-setting": "NOT_THERE", "routes": [{"on": ["succeeded"]}]}}'
    desk = desk_of(HUB_CHANNELS=channels)
    browser = browser_of(desk)
    await browser.sign_in()
    page = await browser.get()
    assert "Channel ops is not told" in page.text
    shown = (await browser.get("notifications")).text
    assert "setting NOT_THERE, which it names, is not there" in shown
    assert "delay-*" not in shown
    assert "*: succeeded" in shown


async def test_no_address_of_a_channel_is_shown(desk_of: Any, browser_of: Any) -> None:
    desk = desk_of(
        HUB_CHANNELS='{"ops": {"kind": "slack", "url-setting": "OPS_URL"}}', OPS_URL="https://hooks.example/T0/s3cret"
    )
    browser = browser_of(desk)
    await browser.sign_in()
    page = await browser.get("notifications")
    assert "hooks.example" in page.text
    assert "s3cret" not in page.text


async def test_an_automation_is_run_by_hand_once_with_its_inputs(browser: Any) -> None:
    await browser.sign_in()
    page = await browser.get("automations")
    once = page.text.split('name="once" value="')[1].split('"')[0]
    for _ in range(2):
        answer = await browser.act("run", "delay-train", **{"once": once, "input.note": "a try", "back": "activities"})
        assert answer.status == 303, answer.text
    (activity,) = await browser.desk.activities()
    assert activity.inputs == {"note": "a try"}
    assert activity.cause.who == "key:all"
    assert (await browser.act("run", "nonsense")).status == 404
