"""What others try in an operator's browser: scripts in names, forms of other sites, frames, links of others."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, Response, expect

from tests.browser.hosting import Loop, OtherSite, Site

HOSTILE = '"\'><img src=x onerror="window.pwned=1;alert(1)"><script>window.pwned=1</script><svg onload=alert(1)>{{7*7}}'
RULES = """
name: delay-train
on:
  - blob-created:
      container: landing
      path: "flights/{month}/**/*.csv"
      collect: {by: [month], quiet: 2m, max-wait: 2h, until: {marker: "flights/{month}/_SUCCESS"}}
do: {job: {job: jobs/train.yml}}
notify: {on: [failed], to: [ops]}
---
name: delay-release
on: [{model-registered: {model: "*"}}]
do:
  deploy:
    endpoint: endpoints/endpoint.yml
    deployment: endpoints/deployment.yml
    gates: [{approval: {roles: [approver], quorum: 1, expires: 72h}}]
    rollout: [{canary: {traffic: 10%, for: 10m}}]
    analysis: {error-rate: '< 1%', min-requests: 50}
"""


@pytest.fixture(scope="module")
def loop() -> Iterator[Loop]:
    made = Loop()
    try:
        yield made
    finally:
        made.close()


@pytest.fixture
def site(loop: Loop, tmp_path: Path) -> Site:
    return Site(loop, tmp_path, RULES)


@pytest.fixture
def other(loop: Loop) -> OtherSite:
    return OtherSite(loop)


@pytest.fixture
def operator(chromium: Browser, site: Site) -> Iterator[Page]:
    """The tab of somebody who is signed in, whose browser runs no script of others: dialogs fail the test."""
    context = chromium.new_context(reduced_motion="reduce")
    context.set_default_timeout(15_000)
    page = context.new_page()
    wrong: list[str] = []
    page.on("dialog", lambda dialog: (wrong.append(dialog.message), dialog.dismiss()))
    page.on("pageerror", lambda error: wrong.append(str(error)))
    signed_in(page, site)
    yield page
    context.close()
    assert wrong == []


def signed_in(page: Page, site: Site) -> None:
    page.goto(site.url)
    page.get_by_label("A key of the hub").fill("key-all")
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("need")


def went(page: Page, address: str) -> Response:
    answer = page.goto(address)
    assert answer is not None
    return answer


def test_no_script_runs_out_of_a_name_a_tag_a_reason_or_a_payload(site: Site, operator: Page) -> None:
    desk, name = site.desk, HOSTILE.replace("/", "")
    site.do(desk.send(desk.blob_event(f"flights/{name}/{name}.csv", "0x1")))
    collecting = operator.goto(f"{site.url}/collections")
    assert collecting is not None
    expect(operator.locator(".tag").first).to_contain_text("onerror")
    site.do(desk.send(desk.blob_event(f"flights/{name}/_SUCCESS", "0x2", number=2)))
    desk.azureml.fate = "Failed"
    site.do(desk.run(10))
    site.do(desk.finish())
    site.do(desk.send({**desk.blob_event("x", "0x9"), "id": HOSTILE, "subject": HOSTILE, "eventType": HOSTILE}))
    site.do(desk.send(desk.model_event(name, "1")))
    site.do(desk.hub.letters.record("quarantine", HOSTILE.encode(), desk.now, HOSTILE, subject=HOSTILE, type=HOSTILE))
    site.do(desk.ask("pause", {"reason": HOSTILE}))
    site.do(desk.run(5))
    activities = [one.id for one in site.do(desk.activities())]
    letter = site.do(desk.ask("dead_letters")).json["items"][0]["id"]
    claim = site.do(desk.ask("events")).json["items"][0]["id"]
    paths = ["", "activities", "automations", "collections", "holds", "endpoints", "models", "drift", "events"]
    paths += ["dead-letters", "notifications", "audit", f"dead-letters/{letter}", f"events/{claim}"]
    paths += [f"activities/{one}" for one in activities]
    seen = ""
    for path in paths:
        assert went(operator, f"{site.url}/{path}".rstrip("/")).status == 200, path
        for known in operator.locator("details").all():
            known.evaluate("details => { details.open = true; }")
        seen += operator.inner_text("body")
    operator.goto(f"{site.url}/why")
    operator.get_by_label("A file").fill(HOSTILE)
    operator.get_by_role("button", name="Explain").click()
    expect(operator.get_by_role("heading", name="Why")).to_be_visible()
    assert operator.evaluate("window.pwned === undefined")
    assert seen.count("onerror=") >= 12
    assert "49" not in operator.locator("h1").inner_text()


def test_a_script_that_got_into_a_page_would_not_run(site: Site, operator: Page) -> None:
    refused: list[str] = []
    operator.on("console", lambda message: refused.append(message.text))
    operator.evaluate(
        """() => {
            const script = document.createElement("script");
            script.textContent = "window.pwned = 1";
            document.body.append(script);
            document.body.insertAdjacentHTML("beforeend", "<img src=x onerror='window.pwned = 2'>");
        }"""
    )
    operator.wait_for_timeout(300)
    assert operator.evaluate("window.pwned === undefined")
    assert any("Content Security Policy" in text for text in refused)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_a_form_of_another_site_does_nothing(site: Site, operator: Page, other: OtherSite, host: str) -> None:
    token = operator.locator("input[name=token]").first.get_attribute("value")
    other.pages["win"] = (
        f"<form method=post action='{site.url}/act/pause'><input name=token value='{token}'>"
        "<input name=reason value=mine></form><script>document.forms[0].submit()</script>"
    )
    operator.goto(f"http://{host}:{other.port}/win")
    expect(operator.get_by_role("heading")).to_be_visible()
    assert operator.url == f"{site.url}/act/pause"
    assert operator.get_by_role("heading").inner_text() in {"Forbidden", "Unauthorized"}
    other.pages["fetch"] = (
        f"<script>fetch('{site.url}/act/pause', {{method: 'POST', credentials: 'include', mode: 'no-cors', "
        f"headers: {{'Content-Type': 'application/x-www-form-urlencoded'}}, body: 'token={token}'}})"
        ".catch(() => 0).finally(() => document.title = 'done')</script>"
    )
    operator.goto(f"http://{host}:{other.port}/fetch")
    expect(operator).to_have_title("done")
    assert site.asked.count(("POST", "/api/dashboard/act/pause")) == 2
    assert site.do(site.desk.hub.switches.all()) == {}


def test_another_site_cannot_read_the_pages(site: Site, operator: Page, other: OtherSite) -> None:
    other.pages["read"] = (
        f"<script>fetch('{site.url}', {{credentials: 'include'}}).then(a => a.text())"
        ".then(t => document.title = 'read ' + t.length, () => document.title = 'refused')</script>"
    )
    operator.goto(f"http://127.0.0.1:{other.port}/read")
    expect(operator).to_have_title("refused")


def test_no_page_can_be_framed(site: Site, operator: Page, other: OtherSite) -> None:
    address = site.url
    other.pages["frame"] = f"<title>nice</title><iframe src='{address}' width=900 height=700></iframe>"
    operator.goto(f"http://127.0.0.1:{other.port}/frame")
    operator.wait_for_load_state("networkidle")
    (frame,) = [one for one in operator.frames if one != operator.main_frame]
    assert "Automation hub" not in frame.content()


def release(site: Site) -> str:
    """Have a release wait for approval; give the link that a message would carry."""
    desk = site.desk
    site.do(desk.send(desk.model_event("arrival-delay", "1")))
    site.do(desk.run(5))
    (activity,) = site.do(desk.activities())
    from shared.notify.messages import about

    token = site.do(desk.hub.approvals.token(about(activity), "ops"))
    return f"http://127.0.0.1:{site.port}/api/approvals/{token}"


def waits(site: Site) -> bool:
    site.do(site.desk.run(5))
    return bool(site.do(site.desk.activities())[0].status == "waiting-approval")


def test_a_link_that_was_used_is_worth_nothing_to_who_finds_it(site: Site, chromium: Browser) -> None:
    link = release(site)
    page = chromium.new_page()
    assert went(page, link).status == 200
    page.reload()
    assert waits(site)
    page.get_by_role("button", name="Reject").click()
    expect(page.get_by_role("status")).to_contain_text("Rejected.")
    stolen = chromium.new_page()
    assert went(stolen, link).status == 404
    assert stolen.get_by_role("button").count() == 0
    page.go_back()
    assert not waits(site)
    page.close()
    stolen.close()


def test_a_link_that_has_expired_shows_and_decides_nothing(site: Site, chromium: Browser) -> None:
    link = release(site)
    page = chromium.new_page()
    assert went(page, link).status == 200
    site.desk.now += timedelta(hours=49)
    page.get_by_role("button", name="Approve").click()
    expect(page.get_by_role("heading")).to_contain_text("Not found")
    assert went(page, link).status == 404
    assert waits(site)
    page.close()


def test_a_page_that_knows_the_link_cannot_have_the_browser_decide(
    site: Site, chromium: Browser, other: OtherSite
) -> None:
    link = release(site)
    page = chromium.new_page()
    other.pages["win"] = (
        f"<form method=post action='{link}'><input name=decision value=approve></form>"
        "<script>document.forms[0].submit()</script>"
    )
    for host in ("127.0.0.1", "localhost"):
        page.goto(f"http://{host}:{other.port}/win")
        expect(page.get_by_role("heading")).to_have_text("Forbidden")
    assert waits(site)
    page.close()


def test_the_pages_tell_other_sites_nothing_and_ask_none(site: Site, operator: Page) -> None:
    addresses: list[str] = []
    operator.on("request", lambda request: addresses.append(request.url))
    for path in ("", "/activities", "/endpoints", "/events", "/audit"):
        operator.goto(f"{site.url}{path}")
    assert addresses
    assert all(address.startswith(site.url) for address in addresses)
    assert operator.evaluate("document.cookie") == ""
    assert operator.evaluate("localStorage.length + sessionStorage.length") == 0
