"""The operators' page and approval links: all their addresses lead to one place."""

import azure.functions as func

from shared.dashboard.approving import handle_approval
from shared.dashboard.web import handle_page

dashboard = func.Blueprint()


@dashboard.function_name("dashboard")
@dashboard.route(route="dashboard", methods=["GET"], auth_level=func.AuthLevel.ANONYMOUS)
async def first_page(req: func.HttpRequest) -> func.HttpResponse:
    """Show what needs somebody."""
    return await handle_page(req)


@dashboard.function_name("dashboard_pages")
@dashboard.route(route="dashboard/{*path}", methods=["GET", "POST"], auth_level=func.AuthLevel.ANONYMOUS)
async def pages(req: func.HttpRequest) -> func.HttpResponse:
    """Show a page, or do what its form asks for."""
    return await handle_page(req)


@dashboard.function_name("approvals")
@dashboard.route(route="approvals/{token}", methods=["GET", "POST"], auth_level=func.AuthLevel.ANONYMOUS)
async def approvals(req: func.HttpRequest) -> func.HttpResponse:
    """Show what a notification's link asks, or take its decision."""
    return await handle_approval(req)
