"""The page of an approval link: GET only shows what is asked, POST decides, once; any other token is not found."""

import logging
from typing import Any

import azure.functions as func
import msgspec

from shared.api.problems import ProblemError
from shared.api.views import activity_view
from shared.bootstrap import Hub, hub
from shared.dashboard import timeline
from shared.dashboard.sessions import check_origin
from shared.dashboard.web import fields_of, page, problem_page
from shared.engine.acts import NotPossibleError
from shared.ledger.protocol import StoreError
from shared.ledger.records import Activity
from shared.notify.approvals import Asked, Decision

logger = logging.getLogger(__name__)
_MOST: int = 1000
_GONE = "this link is not one of this hub's, has expired, or has decided already"


async def handle_approval(request: func.HttpRequest) -> func.HttpResponse:
    """Answer a request for /api/approvals/{token} by this process's hub."""
    return await respond(request, str(request.route_params.get("token") or ""), await hub())


async def respond(request: func.HttpRequest, token: str, this: Hub) -> func.HttpResponse:
    """Show what a link asks, or take the decision."""
    as_json = "application/json" in str(request.headers.get("Accept", ""))
    try:
        if request.method == "POST":
            decision, reason = _decision(request)
            decided = await this.approvals.decide(token, decision, reason, this.clock())
            if decided is None:
                raise ProblemError(404, "Not found", _GONE)
            logger.info("activity %s: %s by an approval link", decided.id, decision)
            return _shown(decided, None, decision, as_json)
        asked = await this.approvals.look(token, this.clock())
        if asked is None:
            raise ProblemError(404, "Not found", _GONE)
        return _shown(asked.activity, asked, "", as_json)
    except NotPossibleError as error:
        return problem_page(ProblemError(409, "Not possible now", str(error)), as_json=as_json)
    except ProblemError as problem:
        return problem_page(problem, as_json=as_json)
    except StoreError:
        logger.exception("approval link")
        return problem_page(ProblemError(503, "Storage does not answer", "try again in a few seconds"), as_json=as_json)


def _decision(request: func.HttpRequest) -> tuple[Decision, str]:
    check_origin(request)
    if "json" in str(request.headers.get("Content-Type", "")):
        try:
            given: Any = msgspec.json.decode(request.get_body())
        except ValueError:
            raise ProblemError(400, "Bad request", "the body is no JSON") from None
        given = given if isinstance(given, dict) else {}
    else:
        given = fields_of(request)
    decision, reason = given.get("decision"), " ".join(str(given.get("reason") or "").split())
    if decision not in {"approve", "reject"} or len(reason) > _MOST:
        detail = f"decision is approve or reject, a reason has at most {_MOST} letters"
        raise ProblemError(422, "This does not fit", detail)
    return decision, reason


def _shown(activity: Activity, asked: Asked | None, decision: str, as_json: bool) -> func.HttpResponse:
    view = activity_view(activity)
    if as_json:
        body = {
            "activity": activity.id,
            "automation": activity.automation,
            "status": activity.status,
            "reason": activity.reason,
            "open": bool(asked and asked.open),
            "decision": decision,
            "expires": asked.expires.isoformat() if asked else None,
        }
        return page("", {}, body=msgspec.json.encode(body))
    context = {
        "title": f"Decide: {activity.automation}",
        "menu": "",
        "activity": view,
        "asked": asked,
        "decision": decision,
        "now": activity.updated,
        **timeline.story(view, activity.updated),
    }
    return page("approval.html", context)
