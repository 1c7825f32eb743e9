"""Who is signed in to the page: by a key once, then by a signed cookie; or by the platform. And that a form is ours."""

import hmac
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from http.cookies import CookieError, SimpleCookie
from typing import Final

import azure.functions as func

from shared.api.access import Caller, caller_of_key, caller_of_principal
from shared.api.problems import ProblemError
from shared.dashboard.sealing import Sealer
from shared.settings import Key, Settings

COOKIE: Final = "hub-session"
PATH: Final = "/api/dashboard"
IDLE: Final = timedelta(hours=1)
"""A session ends when nobody opened a page for so long; a page that renews itself does not count."""
LONGEST: Final = timedelta(hours=12)
_DIGITS: Final = 16


@dataclass(frozen=True, slots=True)
class Session:
    """Somebody who is signed in. `token` goes into every form; `cookie` is to be set anew, "" where not."""

    caller: Caller
    token: str
    cookie: str = ""
    by_platform: bool = False


class Sessions:
    """Opens sessions and knows them again. The cookie names a key and a part of its hash, never the key."""

    def __init__(self, sealer: Sealer, settings: Settings) -> None:
        self._sealer = sealer
        self._settings = settings

    async def sign_in(self, text: str, now: datetime) -> str | None:
        """Give the cookie's text for a key, or None where it is no key of the hub."""
        caller = caller_of_key(text, self._settings.keys)
        key = self._key(caller.name.removeprefix("key:")) if caller else None
        return await self._cookie(key, secrets.token_hex(8), now, now) if key else None

    async def _cookie(self, key: Key, number: str, began: datetime, now: datetime) -> str:
        content = {"key": key.name, "hash": key.digest[:_DIGITS], "id": number, "began": int(began.timestamp())}
        return await self._sealer.seal("session", content, min(now + IDLE, began + LONGEST))

    def _key(self, name: str) -> Key | None:
        return next((key for key in self._settings.keys if key.name == name), None)

    async def of(self, request: func.HttpRequest, now: datetime) -> Session | None:
        """Give the session of a request, or None where nobody is signed in."""
        principal = request.headers.get("X-MS-CLIENT-PRINCIPAL", "") if self._settings.platform_authentication else ""
        if principal:
            caller = caller_of_principal(principal)
            if caller is None:
                return None
            return Session(caller, await self._sealer.mark("form", f"platform\0{caller.name}"), by_platform=True)
        found = await self._sealer.open("session", _cookie_of(request), now)
        if found is None:
            return None
        content, until = found
        key = self._key(str(content.get("key")))
        if key is None or not hmac.compare_digest(key.digest[:_DIGITS], str(content.get("hash"))):
            return None
        number = str(content["id"])
        cookie = ""
        if until - now < IDLE / 2 and not request.headers.get("X-Live"):
            began = datetime.fromtimestamp(int(content["began"]), now.tzinfo)
            cookie = await self._cookie(key, number, began, now)
        token = await self._sealer.mark("form", f"{key.name}\0{number}")
        return Session(Caller(f"key:{key.name}", key.roles), token, cookie)


def check_form(session: Session, request: func.HttpRequest, token: str) -> None:
    """Raise ProblemError 403 unless the form came from a page of this session."""
    check_origin(request)
    if not hmac.compare_digest(session.token, token):
        raise ProblemError(403, "Forbidden", "this form is not of your session: open the page again and repeat it")


def check_origin(request: func.HttpRequest) -> None:
    """Raise ProblemError 403 where the browser says that another site sends this."""
    if request.headers.get("Sec-Fetch-Site", "same-origin") not in {"same-origin", "none"}:
        raise ProblemError(403, "Forbidden", "another site sent this form")


def set_cookie(text: str, request: func.HttpRequest) -> str:
    """Give the Set-Cookie header; an empty text removes the cookie."""
    secure = request.url.startswith("https:") or request.headers.get("X-Forwarded-Proto", "") == "https"
    age = int(LONGEST.total_seconds()) if text else 0
    return f"{COOKIE}={text}; Path={PATH}; Max-Age={age}; HttpOnly; SameSite=Strict{'; Secure' if secure else ''}"


def _cookie_of(request: func.HttpRequest) -> str:
    try:
        morsel = SimpleCookie(request.headers.get("Cookie", "")).get(COOKIE)
    except CookieError:
        return ""
    return morsel.value if morsel else ""
