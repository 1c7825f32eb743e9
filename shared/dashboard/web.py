"""Answers the page's requests: static files, sign-in, pages and forms, with headers that let nothing foreign in."""

import hashlib
import logging
import re
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qsl, urlencode, urlsplit

import azure.functions as func
import jinja2
import msgspec

from shared.api.problems import ProblemError
from shared.bootstrap import Hub, hub
from shared.dashboard import acting, pages, wording
from shared.dashboard.asking import Desk
from shared.dashboard.sealing import Sealer
from shared.dashboard.sessions import PATH, Session, Sessions, check_form, check_origin, set_cookie
from shared.ledger.protocol import StoreError

logger = logging.getLogger(__name__)

_FOLDER: Final = Path(__file__).resolve().parent
_KINDS: Final = {"css": "text/css", "js": "text/javascript", "svg": "image/svg+xml"}
_MOST_FORM: Final = 16 * 1024
HEADERS: Final[Mapping[str, str]] = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; "
        "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "X-Frame-Options": "DENY",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Cache-Control": "no-store",
}

_OF_DOCUMENTS: Final[Mapping[str, str]] = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
}


async def handle_page(request: func.HttpRequest) -> func.HttpResponse:
    """Answer a request below /api/dashboard by this process's hub."""
    path = str(request.route_params.get("path") or "").strip("/")
    if path.startswith("static/"):
        return _static(path.removeprefix("static/"))
    return await respond(request, path, await hub())


async def respond(request: func.HttpRequest, path: str, this: Hub) -> func.HttpResponse:
    """Answer a request for a path below the page's address."""
    sessions = Sessions(Sealer(this.store.blobs), this.settings)
    session: Session | None = None
    try:
        session = await sessions.of(request, this.clock())
        if request.method == "POST":
            return await _posted(request, path, this, sessions, session)
        if session is None:
            return _page("sign_in.html", None, {"title": "Sign in", "menu": "", "wrong": False, "back": path}, 401)
        response = await _shown(request, path, Desk(this, session.caller), session)
        if session.cookie:
            response.headers["Set-Cookie"] = set_cookie(session.cookie, request)
        return response
    except ProblemError as problem:
        return _problem(problem, session)
    except StoreError:
        logger.exception("page %s", path)
        return _problem(ProblemError(503, "Storage does not answer", "try again in a few seconds"), session)
    except Exception:
        logger.exception("page %s", path)
        return _problem(ProblemError(500, "An error of the hub", "the log of the app has it"), session)


async def _shown(request: func.HttpRequest, path: str, desk: Desk, session: Session) -> func.HttpResponse:
    found = pages.find(path)
    if found is None:
        raise ProblemError(404, "Not found", f"there is no page {path[:128]!r}")
    route, maker, parts = found
    if not desk.may(route):
        raise ProblemError(403, "Forbidden", f"{desk.caller.name} has not the role that this page needs")
    made = await maker(desk, dict(request.params), parts)
    if made.document:
        return func.HttpResponse(made.document, mimetype="text/html", headers={**HEADERS, **_OF_DOCUMENTS})
    query = urlencode({name: value for name, value in request.params.items() if name != "did"})
    context = {
        "title": made.title,
        "menu": made.menu,
        "now": desk.now,
        "hub_id": desk.hub.settings.hub_id,
        "may": desk.may,
        "here": f"{path}?{query}" if query else path,
        "did": acting.DONE.get(request.params.get("did", ""), ""),
        **made.context,
    }
    return _page(made.template, session, context)


async def _posted(
    request: func.HttpRequest, path: str, this: Hub, sessions: Sessions, session: Session | None
) -> func.HttpResponse:
    fields = fields_of(request)
    if path == "sign-in":
        check_origin(request)
        cookie = await sessions.sign_in(fields.get("key", ""), this.clock())
        if cookie is None:
            logger.warning("sign-in to the page was refused")
            context = {"title": "Sign in", "menu": "", "wrong": True, "back": _back(fields)}
            return _page("sign_in.html", None, context, 401)
        return _redirect(_back(fields), set_cookie(cookie, request))
    if session is None:
        raise ProblemError(401, "Unauthorized", "sign in first")
    check_form(session, request, fields.get("token", ""))
    if path == "sign-out":
        return _redirect("", set_cookie("", request))
    name = path.removeprefix("act/")
    await acting.act(Desk(this, session.caller), name, fields)
    back = _back(fields)
    return _redirect(f"{back}{'&' if '?' in back else '?'}did={name}")


def fields_of(request: func.HttpRequest) -> dict[str, str]:
    """Give a form's fields; raises ProblemError."""
    body = request.get_body()
    kind = request.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    if len(body) > _MOST_FORM or kind != "application/x-www-form-urlencoded":
        raise ProblemError(400, "Bad form", f"a form of at most {_MOST_FORM} bytes is expected")
    try:
        return dict(parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=64))
    except ValueError:
        raise ProblemError(400, "Bad form", "it cannot be read") from None


def _back(fields: Mapping[str, str]) -> str:
    """Give where a form leads back to: a page of ours, never another address."""
    parts = urlsplit(fields.get("back", "").lstrip("/"))
    known = not parts.scheme and not parts.netloc and pages.find(parts.path) is not None
    text = f"{parts.path}?{parts.query}" if parts.query else parts.path
    return text if known and re.fullmatch(r"[\x21-\x7e]*", text) and "\\" not in text else ""


def _redirect(path: str, cookie: str = "") -> func.HttpResponse:
    headers = {**HEADERS, "Location": f"{PATH}/{path}" if path and not path.startswith("?") else f"{PATH}{path}"}
    if cookie:
        headers["Set-Cookie"] = cookie
    return func.HttpResponse(b"", status_code=303, headers=headers)


def _problem(problem: ProblemError, session: Session | None) -> func.HttpResponse:
    context = {"title": problem.body["title"], "menu": "", "problem": problem.body}
    return _page("problem.html", session, context, problem.status)


def page(template: str, context: Mapping[str, Any], *, body: bytes = b"") -> func.HttpResponse:
    """Give a page for somebody who is not signed in, or JSON with the same headers."""
    if body:
        return func.HttpResponse(body, mimetype="application/json", headers=dict(HEADERS))
    return _page(template, None, context)


def problem_page(problem: ProblemError, *, as_json: bool) -> func.HttpResponse:
    """Give an error to somebody who is not signed in."""
    if not as_json:
        return _problem(problem, None)
    return func.HttpResponse(
        msgspec.json.encode(problem.body),
        status_code=problem.status,
        mimetype="application/problem+json",
        headers=dict(HEADERS),
    )


def _page(template: str, session: Session | None, context: Mapping[str, Any], status: int = 200) -> func.HttpResponse:
    text = environment().get_template(template).render(session=session, **context)
    content = text.encode("utf-8", "replace")
    return func.HttpResponse(content, status_code=status, mimetype="text/html", headers=dict(HEADERS))


@lru_cache(maxsize=1)
def environment() -> jinja2.Environment:
    """Give the templates, which escape everything that they are given."""
    made = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_FOLDER / "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.globals |= {"base": PATH, "asset": _asset, "shows": pages.shows}
    made.filters |= {
        "size": wording.size,
        "lasting": wording.length,
        "ago": wording.ago,
        "clock": wording.clock,
        "number": wording.number,
        "between": wording.between,
        "plainly": plainly,
    }
    return made


def plainly(value: Any) -> str:
    """Write a value as people read it; what has parts as indented JSON."""
    if isinstance(value, str):
        return value
    return msgspec.json.format(msgspec.json.encode(value, enc_hook=str), indent=2).decode()


@lru_cache(maxsize=8)
def _asset(name: str) -> str:
    """Give the address of a static file, which changes with its content."""
    digest = hashlib.sha256((_FOLDER / "static" / name).read_bytes()).hexdigest()[:12]
    return f"{PATH}/static/{name}?v={digest}"


def _static(name: str) -> func.HttpResponse:
    file = _FOLDER / "static" / name
    kind = _KINDS.get(name.rpartition(".")[2])
    if kind is None or not re.fullmatch(r"[a-z]+\.[a-z]+", name) or not file.is_file():
        return func.HttpResponse(b"", status_code=404, headers=dict(HEADERS))
    headers = {**HEADERS, "Cache-Control": "public, max-age=86400"}
    return func.HttpResponse(file.read_bytes(), mimetype=kind, headers=headers)
