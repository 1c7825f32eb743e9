"""The operators' HTTP functions."""

import azure.functions as func

from shared.api.handlers import handle

operators = func.Blueprint()


@operators.function_name("health")
@operators.route(route="health", methods=["GET"], auth_level=func.AuthLevel.ANONYMOUS)
async def health(req: func.HttpRequest) -> func.HttpResponse:
    """Say that the app answers, and nothing else."""
    return func.HttpResponse('{"status": "ok"}', mimetype="application/json")


@operators.function_name("automations")
@operators.route(route="automations/{name?}", methods=["GET"])
async def automations(req: func.HttpRequest) -> func.HttpResponse:
    """List the automations, valid or not; or give one."""
    return await handle(req, "automations")


@operators.function_name("automation_run")
@operators.route(route="automations/{name}/run", methods=["POST"])
async def automation_run(req: func.HttpRequest) -> func.HttpResponse:
    """Start an automation by hand."""
    return await handle(req, "automation_run")


@operators.function_name("activities")
@operators.route(route="activities/{id?}", methods=["GET"])
async def activities(req: func.HttpRequest) -> func.HttpResponse:
    """List activities, newest first; or give one."""
    return await handle(req, "activities")


@operators.function_name("events_list")
@operators.route(route="events", methods=["GET"])
async def events_list(req: func.HttpRequest) -> func.HttpResponse:
    """List events with what became of them, newest first."""
    return await handle(req, "events")


@operators.function_name("events_post")
@operators.route(route="events", methods=["POST"])
async def events_post(req: func.HttpRequest) -> func.HttpResponse:
    """Take in events."""
    return await handle(req, "events_post")


@operators.function_name("collections")
@operators.route(route="collections", methods=["GET"])
async def collections(req: func.HttpRequest) -> func.HttpResponse:
    """List what is gathering."""
    return await handle(req, "collections")


@operators.function_name("collection_close")
@operators.route(route="collections/{id}/close", methods=["POST"])
async def collection_close(req: func.HttpRequest) -> func.HttpResponse:
    """Close a collection now."""
    return await handle(req, "collection_close")


@operators.function_name("status")
@operators.route(route="status", methods=["GET"])
async def status(req: func.HttpRequest) -> func.HttpResponse:
    """Give queue ages, backlog and invalid automations."""
    return await handle(req, "status")
