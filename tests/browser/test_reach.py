"""Whoever looks, and with whatever: by keyboard alone, without scripts, on a phone, in the dark."""

from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.hosting import Loop, Site
from tests.browser.test_attacks import RULES, signed_in

PAGES = (
    *("", "activities", "automations", "collections", "holds", "endpoints", "models", "drift", "events"),
    *("why?subject=landing/flights/2013-01/a.csv", "dead-letters", "notifications", "audit"),
)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A hub with something on every page."""
    loop = Loop()
    try:
        made = Site(loop, tmp_path_factory.mktemp("hub"), RULES)
        desk = made.desk
        long = "a-very-long-folder-name-without-any-place-to-break-it-" * 4
        made.do(desk.send(desk.blob_event(f"flights/2013-01/{long}.csv", "0x1")))
        made.do(desk.send(desk.blob_event("flights/2013-01/_SUCCESS", "0x2", number=2)))
        made.do(desk.run(10))
        desk.azureml.fate = "Failed"
        made.do(desk.finish())
        for version in ("1", "2"):
            made.do(desk.send(desk.model_event("arrival-delay", version)))
            made.do(desk.run(5))
            newest = made.do(desk.activities())[0]
            made.do(desk.ask("activity_approve", {"reason": "good"}, id=newest.id))
            made.do(desk.run(60))
        made.do(desk.send(desk.blob_event("flights/2013-02/b.csv", "0x3")))
        made.do(desk.send(desk.model_event("arrival-delay", "3")))
        made.do(desk.hub.letters.record("quarantine", b"{" + b"x" * 900, desk.now, "no JSON", subject="s" * 300))
        yield made
    finally:
        loop.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_on_a_phone_no_page_is_wider_than_it(site: Site, chromium: Browser, scheme: Any) -> None:
    context = chromium.new_context(viewport={"width": 360, "height": 780}, color_scheme=scheme)
    page = context.new_page()
    signed_in(page, site)
    paths = [*PAGES, *(f"activities/{one.id}" for one in site.do(site.desk.activities()))]
    for path in paths:
        page.goto(f"{site.url}/{path}".rstrip("/"))
        expect(page.get_by_role("heading", level=1)).to_be_visible()
        assert page.evaluate("document.documentElement.scrollWidth") <= 360, path
        assert contrast(page) >= 4.5, path
    context.close()


def contrast(page: Page) -> float:
    """Give the least contrast of texts with what lies behind them (WCAG 2 wants 4.5)."""
    return float(
        page.evaluate(
            """() => {
            const light = (text) => {
                const parts = text.match(/[0-9.]+/g).map(Number);
                const linear = (c) => c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
                const [r, g, b] = parts.slice(0, 3).map((c) => linear(c / 255));
                return 0.2126 * r + 0.7152 * g + 0.0722 * b;
            };
            const behind = (node) => {
                for (let at = node; at; at = at.parentElement) {
                    const colour = getComputedStyle(at).backgroundColor;
                    if (!/, 0\\)$/.test(colour)) return colour;
                }
                return getComputedStyle(document.documentElement).backgroundColor;
            };
            let least = 21;
            const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
            while (walker.nextNode()) {
                const node = walker.currentNode.parentElement;
                if (!walker.currentNode.textContent.trim() || !node.checkVisibility()) continue;
                if (node.closest("svg, .sr, .skip")) continue;
                const [a, b] = [light(getComputedStyle(node).color), light(behind(node))].sort((x, y) => y - x);
                least = Math.min(least, (a + 0.05) / (b + 0.05));
            }
            return least;
        }"""
        )
    )


def test_by_keyboard_alone(site: Site, chromium: Browser) -> None:
    page = chromium.new_page()
    page.goto(site.url)
    page.keyboard.type("key-all")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_contain_text("need")
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("main")).to_be_focused()
    for _ in range(60):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.textContent") == "Pause the whole hub":
            break
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    page.keyboard.type("by keyboard")
    page.keyboard.press("Enter")
    expect(page.get_by_role("status")).to_contain_text("The hub is paused")
    (pause,) = site.do(site.desk.hub.switches.all()).values()
    assert pause.reason == "by keyboard"
    page.get_by_role("button", name="Resume").press("Enter")
    expect(page.get_by_role("status")).to_contain_text("The hub goes on")
    page.close()


def test_without_scripts_pages_are_read_and_forms_work(site: Site, chromium: Browser) -> None:
    context = chromium.new_context(java_script_enabled=False)
    page = context.new_page()
    signed_in(page, site)
    for path in PAGES:
        page.goto(f"{site.url}/{path}".rstrip("/"))
        expect(page.get_by_role("heading", level=1)).to_be_visible()
    page.goto(f"{site.url}/automations")
    card = page.locator("section.card").filter(has_text="delay-train")
    card.get_by_label("Reason to pause").fill("no scripts here")
    card.get_by_role("button", name="Pause").click()
    expect(page.get_by_role("status")).to_contain_text("Paused")
    expect(card).to_contain_text("no scripts here")
    card.get_by_role("button", name="Resume").click()
    expect(page.get_by_role("status")).to_contain_text("It goes on")
    context.close()


def test_what_is_being_typed_is_not_lost_while_the_page_renews_itself(site: Site, chromium: Browser) -> None:
    page = chromium.new_page()
    signed_in(page, site)
    page.goto(f"{site.url}/automations")
    field = page.get_by_label("Reason to pause").first
    field.press_sequentially("half a rea")
    with page.expect_response(lambda answer: answer.request.headers.get("x-live") == "1"):
        pass
    with page.expect_response(lambda answer: answer.request.headers.get("x-live") == "1"):
        pass
    expect(field).to_have_value("half a rea")
    page.close()


def test_a_hub_that_does_not_answer_is_said(site: Site, chromium: Browser) -> None:
    page = chromium.new_page()
    signed_in(page, site)
    page.route("**/api/dashboard", lambda route: route.abort())
    expect(page.locator("html[data-stale]")).to_be_attached(timeout=15_000)
    page.unroute("**/api/dashboard")
    expect(page.locator("html:not([data-stale])")).to_be_attached(timeout=20_000)
    page.close()


def test_what_comes_new_appears_by_itself(
    site: Site, chromium: Browser, tmp_path_factory: pytest.TempPathFactory
) -> None:
    quiet = Site(site.loop, tmp_path_factory.mktemp("quiet"), RULES)
    context = chromium.new_context()
    first, letters = context.new_page(), context.new_page()
    signed_in(first, quiet)
    letters.goto(f"{quiet.url}/dead-letters")
    expect(letters.locator("main")).to_contain_text("There are no dead letters.")
    desk = quiet.desk
    quiet.do(desk.send(desk.blob_event("flights/2013-01/a.csv", "0x1")))
    quiet.do(desk.hub.letters.record("quarantine", b"{]", desk.now, "no JSON"))
    expect(letters.locator("tbody")).to_contain_text("no JSON", timeout=20_000)
    first.bring_to_front()
    expect(first.locator("#gathering")).to_contain_text("1 file", timeout=20_000)
    expect(first).to_have_title("(1) Now · Automation hub", timeout=20_000)
    context.close()
