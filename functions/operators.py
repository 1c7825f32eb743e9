"""The operators' HTTP functions: one for each route of the API's table."""

from collections.abc import Awaitable, Callable

import azure.functions as func

from shared.api.handlers import handle
from shared.api.routes import Route
from shared.api.table import ROUTES

operators = func.Blueprint()


def _function(route: Route) -> Callable[[func.HttpRequest], Awaitable[func.HttpResponse]]:
    async def answer(req: func.HttpRequest) -> func.HttpResponse:
        return await handle(req, route.name)

    answer.__name__, answer.__doc__ = route.name, route.summary
    return answer


for _route in ROUTES.values():
    operators.function_name(_route.name)(
        operators.route(route=_route.path, methods=[_route.method], auth_level=func.AuthLevel.ANONYMOUS)(
            _function(_route)
        )
    )
