"""Who sees the page and who may act: sessions, forms, and what other sites try."""

from datetime import timedelta
from typing import Any

import pytest


async def test_without_a_session_there_is_only_the_sign_in(browser: Any) -> None:
    for path in ("", "activities", "events/0", "nonsense"):
        page = await browser.get(path)
        assert page.status == 401
        assert "Sign in" in page.text
        assert "delay-train" not in page.text


async def test_a_key_signs_in_and_stays_out_of_cookie_page_and_address(browser: Any) -> None:
    answer = await browser.sign_in(back="activities?status=failed")
    assert (answer.status, answer.headers["Location"]) == (303, "/api/dashboard/activities?status=failed")
    cookie = answer.headers["Set-Cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=Strict" in cookie
    assert "Path=/api/dashboard" in cookie
    page = await browser.get()
    assert page.status == 200
    for text in (cookie, answer.headers["Location"], page.text):
        assert "key-all" not in text


async def test_the_cookie_is_for_https_where_the_page_is(browser: Any) -> None:
    answer = await browser.post("sign-in", {"key": "key-all"}, **{"X-Forwarded-Proto": "https"})
    assert answer.headers["Set-Cookie"].endswith("; Secure")


@pytest.mark.parametrize("key", ["", "wrong", "key-all ", "key-", "\x00", "a" * 10_000])
async def test_what_is_no_key_opens_nothing(browser: Any, key: str) -> None:
    answer = await browser.post("sign-in", {"key": key})
    assert answer.status == 401
    assert "Set-Cookie" not in answer.headers
    assert "no key of this hub" in answer.text


async def test_a_session_ends_after_an_hour_without_use_and_polls_do_not_prolong_it(browser: Any) -> None:
    await browser.sign_in()
    browser.desk.now += timedelta(minutes=40)
    assert (await browser.get(**{"X-Live": "1"})).headers.get("Set-Cookie") is None
    assert "Set-Cookie" in (await browser.get()).headers
    browser.desk.now += timedelta(minutes=50)
    assert (await browser.get(**{"X-Live": "1"})).status == 200
    browser.desk.now += timedelta(minutes=11)
    assert (await browser.get()).status == 401


async def test_a_session_lasts_twelve_hours_at_most(browser: Any) -> None:
    await browser.sign_in()
    for _ in range(25):
        browser.desk.now += timedelta(minutes=31)
        last = await browser.get()
    assert last.status == 401


async def test_changed_and_foreign_cookies_are_not_believed(browser: Any, tmp_path: Any, desk_of: Any) -> None:
    await browser.sign_in()
    name, _, good = browser.cookie.partition("=")
    body, _, signature = good.partition(".")
    for bad in (f"{body[:-2]}AA.{signature}", f"{body}.{signature[:-2]}AA", body, "", "x" * 5000, good + "é"):
        browser.cookie = f"{name}={bad}"
        assert (await browser.get()).status == 401, bad
    browser.desk = desk_of()
    browser.cookie = f"{name}={good}"
    assert (await browser.get()).status == 401


async def test_a_key_that_was_changed_ends_its_sessions(browser: Any) -> None:
    await browser.sign_in()
    desk = browser.desk
    settings = desk.hub.settings
    from dataclasses import replace

    keys = tuple(replace(key, digest="0" * 64) if key.name == "all" else key for key in settings.keys)
    desk.hub = replace(desk.hub, settings=replace(settings, keys=keys))
    assert (await browser.get()).status == 401


async def test_a_form_without_the_sessions_token_does_nothing(browser: Any) -> None:
    await browser.sign_in()
    for token in ("", "0" * 40, (await browser.get()).token[:-1]):
        answer = await browser.post("act/pause", {"token": token, "reason": "mine"})
        assert answer.status == 403
    assert await browser.desk.hub.switches.all() == {}


async def test_a_form_that_another_site_sends_does_nothing(browser: Any) -> None:
    await browser.sign_in()
    token = (await browser.get()).token
    for site in ("cross-site", "same-site"):
        answer = await browser.post("act/pause", {"token": token}, **{"Sec-Fetch-Site": site})
        assert answer.status == 403
        assert (await browser.post("sign-in", {"key": "key-all"}, **{"Sec-Fetch-Site": site})).status == 403
    assert await browser.desk.hub.switches.all() == {}


async def test_the_token_of_another_session_is_refused(browser: Any, browser_of: Any) -> None:
    other = browser_of(browser.desk)
    await browser.sign_in()
    await other.sign_in("operator")
    answer = await browser.post("act/pause", {"token": (await other.get()).token})
    assert answer.status == 403


async def test_nothing_acts_by_get(browser: Any) -> None:
    await browser.sign_in()
    assert (await browser.get("act/pause")).status == 404
    assert await browser.desk.hub.switches.all() == {}


async def test_a_reader_sees_and_may_not_act(browser: Any) -> None:
    await browser.sign_in("reader")
    page = await browser.get()
    assert page.status == 200
    assert "Pause the hub" not in page.text
    answer = await browser.post("act/pause", {"token": page.token, "reason": "I may not"})
    assert answer.status == 403
    assert "operator" in answer.text
    assert await browser.desk.hub.switches.all() == {}


async def test_a_publisher_sees_nothing(browser: Any) -> None:
    await browser.sign_in("publisher")
    assert (await browser.get()).status == 403


async def test_sign_out_removes_the_cookie(browser: Any) -> None:
    await browser.sign_in()
    answer = await browser.post("sign-out", {"token": (await browser.get()).token})
    assert answer.status == 303
    assert "Max-Age=0" in answer.headers["Set-Cookie"]
    assert (await browser.get()).status == 401


async def test_the_platforms_sign_in_is_believed_only_where_it_is_on(
    desk_of: Any, browser_of: Any, principal: Any
) -> None:
    header = {"X-MS-CLIENT-PRINCIPAL": principal("ann@example.org", "reader", "operator")}
    browser = browser_of(desk_of())
    assert (await browser.get(**header)).status == 401
    browser = browser_of(desk_of(WEBSITE_AUTH_ENABLED="true"))
    page = await browser.get(**header)
    assert page.status == 200
    assert "ann@example.org" in page.text
    answer = await browser.post("act/pause", {"token": page.text.split('name="token" value="')[1][:40]}, **header)
    assert answer.status == 303
    (pause,) = (await browser.desk.hub.switches.all()).values()
    assert pause.who == "person:ann@example.org"


@pytest.mark.parametrize(
    "back", ["//evil.example", "https://evil.example/", "/\\evil.example", "activities\r\nX: y", "sign-in", "a" * 9000]
)
async def test_a_form_never_leads_to_another_place(browser: Any, back: str) -> None:
    answer = await browser.sign_in(back=back)
    assert (answer.status, answer.headers["Location"]) == (303, "/api/dashboard")


async def test_pages_forbid_frames_scripts_of_others_and_keeping(browser: Any) -> None:
    await browser.sign_in()
    for page in (await browser.get(), await browser.get("nonsense"), await browser.get("activities")):
        policy = page.headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "frame-ancestors 'none'" in policy
        assert "unsafe" not in policy
        assert page.headers["X-Frame-Options"] == "DENY"
        assert page.headers["Cache-Control"] == "no-store"
        assert page.headers["Referrer-Policy"] == "no-referrer"
        assert "<script>" not in page.text
        assert " style=" not in page.text
        assert " onclick" not in page.text
