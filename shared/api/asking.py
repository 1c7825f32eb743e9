"""What is asked of the past, and of what would be: why, simulate."""

from datetime import timedelta

from shared.api.problems import ProblemError
from shared.api.requests import BacktestRequest, SimulateRequest, UsedByQuery, WhyQuery
from shared.api.routes import Call, Reply
from shared.api.sending import utc
from shared.automations.loading import Catalogue
from shared.backtest.answer import Backtest
from shared.backtest.run import BusyError, SpanError, backtest
from shared.checkup import Checkup, checkup
from shared.ledger.journal import TooMuchError
from shared.receipt import Receipt, page, receipt
from shared.simulate.answer import Simulation
from shared.simulate.rules import RulesError, catalogue_of
from shared.simulate.run import TooLongError, simulate
from shared.usedby import UsedBy, used_by
from shared.why.answer import Why
from shared.why.explain import Explainer
from shared.why.places import Blob, UnknownPlaceError, place


async def why_event(call: Call) -> Why:
    """Explain an event."""
    return await _why(call, call.values["id"])


async def why(call: Call) -> Why:
    """Explain a blob, an activity, a collection, a model, a run."""
    return await _why(call, call.asked(WhyQuery).subject)


async def received(call: Call) -> Receipt | Reply:
    """Give the receipt of a model version, as JSON or as a page."""
    made = await receipt(call.hub, call.values["name"], call.values["version"])
    accepted = str(call.request.headers.get("Accept", ""))
    if "text/html" in accepted and not accepted.startswith("application/json"):
        headers = {"Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'", "Vary": "Accept"}
        return Reply(page(made), headers=headers, kind="text/html")
    return made


async def files_used_by(call: Call) -> UsedBy:
    """Say which models a file went into."""
    url = call.asked(UsedByQuery).url
    try:
        found = place(url, call.hub.settings)
    except UnknownPlaceError as error:
        raise ProblemError(400, "No file of this hub", str(error)) from None
    if not isinstance(found, Blob):
        raise ProblemError(400, "No file of this hub", "a blob's address or container/path is expected")
    return await used_by(call.hub, url, found, call.now)


async def checked_up(call: Call) -> Checkup:
    """Look at all that the hub needs."""
    return await checkup(call.hub, call.now)


async def simulated(call: Call) -> Simulation:
    """Decide events without acting."""
    asked = call.sent(SimulateRequest)
    catalogue = await catalogue_asked(call, asked.rules)
    try:
        return await simulate(call.hub.settings, catalogue, asked.events, call.now, timedelta(hours=asked.hours))
    except TooLongError as error:
        raise ProblemError(422, "Too long", str(error)) from None


async def backtested(call: Call) -> Backtest:
    """Compare rules over a span of history."""
    asked = call.sent(BacktestRequest)
    catalogue = await catalogue_asked(call, asked.rules)
    try:
        return await backtest(call.hub, catalogue, utc(asked.since), utc(asked.until or call.now))
    except (SpanError, TooMuchError) as error:
        raise ProblemError(422, "Not this span", str(error)) from None
    except BusyError as error:
        raise ProblemError(429, "Too many requests", str(error), headers={"Retry-After": "60"}) from None


async def catalogue_asked(call: Call, rules: dict[str, str] | None) -> Catalogue:
    """Give the rules that were sent along, or those in force."""
    if rules is None:
        return call.hub.rulebook.catalogue
    try:
        return await catalogue_of(rules, call.hub.settings.root)
    except RulesError as error:
        raise ProblemError(422, "Rules cannot be read", str(error)) from None


async def _why(call: Call, asked: str) -> Why:
    try:
        return await Explainer(call.hub, call.hub.data).why(asked)
    except UnknownPlaceError as error:
        raise ProblemError(400, "Nothing that can be explained", str(error)) from None
