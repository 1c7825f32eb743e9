"""What is asked of the past and of what would be: why."""

from shared.api.models import WhyQuery
from shared.api.problems import ProblemError
from shared.api.routes import Call
from shared.why.answer import Why
from shared.why.explain import Explainer
from shared.why.places import UnknownPlaceError


async def why_event(call: Call) -> Why:
    """Explain an event."""
    return await _why(call, call.values["id"])


async def why(call: Call) -> Why:
    """Explain a blob, an activity, a collection, a model, a run."""
    return await _why(call, call.asked(WhyQuery).subject)


async def _why(call: Call, asked: str) -> Why:
    try:
        return await Explainer(call.hub, call.hub.data).why(asked)
    except UnknownPlaceError as error:
        raise ProblemError(400, "Nothing that can be explained", str(error)) from None
