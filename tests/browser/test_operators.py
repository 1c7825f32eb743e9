"""An operator's day in Chromium, before a whole laptop cloud: one story, told in the order in which it happens."""

import hmac
import re
from typing import Any

import pytest
import requests
from playwright.sync_api import Browser, Page, expect

LONG = 120_000
"""Milliseconds for what a job, a deployment or a receiver takes."""


@pytest.fixture(autouse=True, scope="module")
def first_month(town: Any) -> None:
    """A month has landed before anybody looks."""
    town.upload(town.flights("2013-01", range(1, 16), 25))
    town.upload({"flights/2013-01/_SUCCESS": b""})


@pytest.fixture(autouse=True, scope="module")
def said(page: Page) -> list[str]:
    """What the browser refused, and the scripts' errors."""
    found: list[str] = []
    page.on("console", lambda message: found.append(message.text) if "Policy" in message.text else None)
    page.on("pageerror", lambda error: found.append(str(error)))
    page.on("dialog", lambda dialog: found.append(dialog.message))
    return found


def opened(page: Page, name: str) -> None:
    """Go to a page by the menu."""
    page.get_by_role("navigation").get_by_role("link", name=name, exact=True).click()
    expect(page.get_by_role("heading", level=1)).to_be_visible()


def test_nobody_sees_anything_before_signing_in(town: Any, page: Page, pictures: Any) -> None:
    page.goto(f"{town.base}/activities")
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
    page.get_by_label("A key of the hub").fill("wrong")
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert")).to_have_text("This is no key of this hub.")
    page.get_by_label("A key of the hub").fill(town.key)
    page.keyboard.press("Enter")
    expect(page).to_have_url(f"{town.base}/activities")
    assert page.evaluate("document.cookie") == ""
    opened(page, "Now")
    expect(page.get_by_role("heading", level=1)).to_contain_text("Nothing needs you")
    pictures.take("quiet")


def test_a_burst_is_seen_collecting(town: Any, page: Page, pictures: Any) -> None:
    opened(page, "Collections")
    town.upload(town.flights("2013-02", range(1, 13), 14))
    card = page.locator("section.card").filter(has_text="month 2013-02")
    expect(card).to_contain_text("12 files", timeout=LONG)
    town.upload(town.flights("2013-02", range(13, 29), 14))
    expect(card).to_contain_text("28 files", timeout=LONG)
    expect(card).to_contain_text("closes when its marker comes")
    pictures.take("collections")


def test_a_link_in_a_message_approves_once_and_its_preview_nothing(
    town: Any, page: Page, chromium: Browser, receivers: Any, pictures: Any
) -> None:
    told = receivers.wait("/erp", lambda body: body["messages"][0]["status"] == "waiting-approval")["messages"][0]
    headers, body = receivers.got["/erp"][0]
    signed = hmac.digest(b"a key that both sides know", headers["X-Hub-Timestamp"].encode() + b"." + body, "sha256")
    assert headers["X-Hub-Signature"] == f"v1={signed.hex()}"
    link = told["links"]["approval"]
    for agent in ("Slackbot-LinkExpanding 1.0", "SkypeUriPreview Preview/0.5"):
        assert requests.get(link, headers={"User-Agent": agent}, timeout=20).status_code == 200
    assert town.laptop.activity("delay-release", "waiting-approval")["id"] == told["activity"]
    elsewhere = chromium.new_context()
    phone = elsewhere.new_page()
    phone.goto(link)
    expect(phone.get_by_role("heading")).to_contain_text("delay-release")
    expect(phone.locator("table.gates")).to_contain_text("passed with note")
    phone.get_by_label("Reason (is kept in the audit)").fill("the first one")
    phone.get_by_role("button", name="Approve").click()
    expect(phone.get_by_role("status")).to_contain_text("Approved.")
    again = phone.goto(link)
    assert again is not None
    assert again.status == 404
    elsewhere.close()
    opened(page, "Endpoints")
    expect(page.locator("#endpoint-delay")).to_contain_text("100 %", timeout=LONG)
    town.laptop.activity("delay-release", "succeeded")


def test_the_burst_becomes_a_model_step_by_step(town: Any, page: Page, pictures: Any) -> None:
    town.upload({"flights/2013-02/_SUCCESS": b""})
    opened(page, "Activities")
    newest = page.locator("tbody tr").filter(has_text="28 files").get_by_role("link").first
    newest.click(timeout=LONG)
    expect(page.locator("#timeline .t-running, #timeline .t-waiting")).to_contain_text("train")
    expect(page.locator("#timeline")).to_contain_text("it closed because: marker came")
    expect(page.locator("#head")).to_contain_text("succeeded", timeout=LONG)
    expect(page.locator("#head progress")).to_have_attribute("value", "100")
    expect(page.locator("#timeline")).to_contain_text("usual_delay")
    pictures.take("activity", dark=True, height=1000)
    page.get_by_role("link", name="receipt").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("arrival-delay")
    expect(page.locator("main")).to_contain_text("What training read")
    pictures.take("receipt")
    page.get_by_role("link", name="Datasheet").click()
    expect(page.locator("body")).to_contain_text("arrival-delay")
    page.go_back()


def test_a_release_is_approved_and_traffic_moves(town: Any, page: Page, pictures: Any, receivers: Any) -> None:
    opened(page, "Now")
    need = page.locator("#needs li").filter(has_text="delay-release waits for approval")
    expect(need).to_be_visible(timeout=LONG)
    expect(page.get_by_role("heading", level=1)).to_contain_text("1 thing needs somebody")
    pictures.take("now")
    pictures.take("now-phone", narrow=True, dark=True, height=844)
    need.get_by_role("link", name="Decide").click()
    expect(page.locator("table.gates")).to_contain_text("champion")
    pictures.take("approval")
    receivers.answers["/erp"] = [404]
    with town.travellers() as statuses:
        page.get_by_label("Reason", exact=True).fill("better on the golden set")
        page.get_by_role("button", name="Approve").click()
        expect(page.get_by_role("status")).to_contain_text("Approved.")
        opened(page, "Endpoints")
        shown = page.locator("#endpoint-delay")
        for share in ("10 %", "50 %"):
            expect(shown.locator("td b").get_by_text(share, exact=True).first).to_be_visible(timeout=LONG)
        pictures.take("rollout", dark=True)
        expect(page.locator("#releases-delay details").first).to_contain_text("succeeded", timeout=LONG)
    expect(page.locator("#releases-delay details").first).to_contain_text("error rate")
    assert set(statuses) == {200}


def test_four_things_at_once_flood_nobody(page: Page) -> None:
    opened(page, "Automations")
    card = page.locator("section.card").filter(has_text="announce")
    for number in range(1, 5):
        card.get_by_text("Run by hand").click()
        card.get_by_label("text").fill(f"Item {number} of the day")
        card.get_by_role("button", name="Run").click()
        expect(page.get_by_role("status")).to_contain_text("Started.")
    opened(page, "Endpoints")


def test_a_person_rolls_back(page: Page, pictures: Any) -> None:
    rows = page.locator("#endpoint-delay tbody tr")
    shares = [text.split() for text in rows.all_inner_texts()]
    page.get_by_label("Reason to roll back").fill("travellers complain")
    page.get_by_role("button", name="Roll back").click()
    expect(page.get_by_role("status")).to_contain_text("Going back")
    expect(page.locator("#endpoint-delay")).to_contain_text("travellers complain", timeout=LONG)
    before = next(words[0] for words in shares if "0" in words)
    expect(rows.filter(has_text=before)).to_contain_text("100 %", timeout=LONG)
    pictures.take("endpoints")


def test_what_was_not_delivered_is_sent_again(page: Page, pictures: Any) -> None:
    opened(page, "Now")
    expect(page.locator("#needs")).to_contain_text("1 dead letter", timeout=LONG)
    pictures.take("needs")
    opened(page, "Notifications")
    expect(page.locator("#channel-erp")).to_contain_text("1 given up")
    expect(page.locator("#channel-erp")).to_contain_text("the receiver answered 404")
    pictures.take("notifications")
    opened(page, "Dead letters")
    page.locator("tbody").get_by_role("link").first.click()
    pictures.take("dead-letter")
    page.get_by_role("button", name="Send again").click()
    expect(page.get_by_role("status")).to_contain_text("Sent again")
    expect(page.locator("main")).to_contain_text("by key:hub")
    opened(page, "Now")
    expect(page.get_by_role("heading", level=1)).to_contain_text("Nothing needs you", timeout=LONG)


def test_drift_is_drawn(town: Any, page: Page, pictures: Any) -> None:
    opened(page, "Automations")
    card = page.locator("section.card").filter(has_text="delay-monitor").first
    card.get_by_text("Run by hand").click()
    card.get_by_role("button", name="Run").click()
    expect(page.get_by_role("status")).to_contain_text("Started.")
    pictures.take("automations")
    opened(page, "Drift")
    expect(page.locator("#drift")).to_contain_text("dep_delay", timeout=LONG)
    expect(page.locator("#drift")).to_contain_text("3.05 ×")
    pictures.take("drift")
    pictures.take("drift-phone", narrow=True, dark=True, height=844)


def test_why_a_file_did_nothing(town: Any, page: Page, pictures: Any) -> None:
    town.upload({"elsewhere/flights.csv": b"x"})
    opened(page, "Events")
    row = page.locator("tbody tr").filter(has_text="elsewhere/flights.csv")
    expect(row).to_contain_text("ignored", timeout=LONG)
    pictures.take("events")
    row.get_by_role("link").first.click()
    expect(page.locator("main")).to_contain_text("does not fire")
    pictures.take("why")


def test_the_audit_knows_who_did_what_and_why(page: Page, pictures: Any) -> None:
    opened(page, "Audit")
    for text in ("better on the golden set", "travellers complain", "link:erp", "the first one"):
        expect(page.locator("tbody")).to_contain_text(text)
    pictures.take("audit")


def test_every_channel_was_told_in_its_own_form(town: Any, page: Page, receivers: Any) -> None:
    card = receivers.wait("/teams", lambda body: "delay-train succeeded" in str(body))["attachments"][0]
    assert card["contentType"] == "application/vnd.microsoft.card.adaptive"
    assert card["content"]["type"] == "AdaptiveCard"
    receivers.wait("/teams", lambda body: "Item 4 of the day" in str(body))
    assert "things happened" in str(receivers.bodies("/teams"))
    assert len(receivers.got["/teams"]) < 6
    text = receivers.wait("/slack", lambda body: "waits for approval" in body["text"])
    assert re.search(r"<http://127\.0\.0\.1:\d+/api/approvals/[^|]+\|Decide>", str(text["blocks"]))
    (first, _), (second, _) = receivers.got["/slack"][:2]
    assert first["X-Hub-Delivery"] == second["X-Hub-Delivery"]
    own = [item for item in town.laptop.hub.get("events", limit="200")["items"] if "AutomationHub." in item["type"]]
    kinds = {item["type"] for item in own}
    assert {"AutomationHub.ActivitySucceeded", "AutomationHub.ActivityWaitingApproval"} <= kinds
    assert all(outcome["what"] == "ignored" for item in own for outcome in item["outcomes"])
    (refused,) = receivers.refused["/erp"]
    receivers.wait("/erp", lambda body: receivers.bodies("/erp").count(refused) == 2)
    opened(page, "Notifications")
    for name in ("events", "team-chat", "ops-chat", "erp"):
        expect(page.locator(f"#channel-{name}")).to_contain_text("works")


def test_nothing_was_against_the_policy_of_the_pages(said: list[str]) -> None:
    assert said == []
