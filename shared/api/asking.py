"""What is asked of the past, and of what would be: why, simulate."""

from datetime import timedelta

from shared.api.models import BacktestRequest, SimulateRequest, WhyQuery
from shared.api.problems import ProblemError
from shared.api.routes import Call
from shared.api.sending import utc
from shared.automations.loading import Catalogue
from shared.backtest.answer import Backtest
from shared.backtest.run import SpanError, backtest
from shared.ledger.journal import TooMuchError
from shared.simulate.answer import Simulation
from shared.simulate.rules import RulesError, catalogue_of
from shared.simulate.run import TooLongError, simulate
from shared.why.answer import Why
from shared.why.explain import Explainer
from shared.why.places import UnknownPlaceError


async def why_event(call: Call) -> Why:
    """Explain an event."""
    return await _why(call, call.values["id"])


async def why(call: Call) -> Why:
    """Explain a blob, an activity, a collection, a model, a run."""
    return await _why(call, call.asked(WhyQuery).subject)


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
