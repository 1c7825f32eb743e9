"""A hub in memory behind a real HTTP server: a browser meets the shipped pages without a cloud; and other sites."""

import asyncio
import threading
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, TypeVar

import azure.functions as func
from aiohttp import web

from shared.dashboard import approving
from shared.dashboard import web as pages
from tests.unit.api import desk as _desk

T = TypeVar("T")


class Loop:
    """An event loop in a thread of its own: Playwright has one in the test's."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._runners: list[web.AppRunner] = []

    def do(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(60)

    def serve(self, application: web.Application) -> int:
        """Serve on a free port of this machine; give it."""

        async def begin() -> int:
            runner = web.AppRunner(application, access_log=None)
            await runner.setup()
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            self._runners.append(runner)
            return int(runner.addresses[0][1])

        return self.do(begin())

    def close(self) -> None:
        for runner in self._runners:
            self.do(runner.cleanup())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()


class Site:
    """A hub in memory with its pages at `url`."""

    def __init__(self, loop: Loop, folder: Path, automation: str, **settings: str) -> None:
        self.loop = loop
        kind = type("Set", (_desk.Desk,), {"environment": settings})
        self.desk = kind(folder, automation)
        self.asked: list[tuple[str, str]] = []
        application = web.Application()
        application.router.add_route("*", "/api/dashboard", self._page)
        application.router.add_route("*", "/api/dashboard/{path:.*}", self._page)
        application.router.add_route("*", "/api/approvals/{token:.*}", self._approval)
        self.port = loop.serve(application)
        self.url = f"http://127.0.0.1:{self.port}/api/dashboard"

    async def _request(self, request: web.Request) -> func.HttpRequest:
        self.asked.append((request.method, request.path))
        return func.HttpRequest(
            method=request.method,
            url=str(request.url),
            headers=dict(request.headers),
            params=dict(request.query),
            route_params=dict(request.match_info),
            body=await request.read(),
        )

    async def _page(self, request: web.Request) -> web.Response:
        asked, path = await self._request(request), request.match_info.get("path", "")
        if path.startswith("static/"):
            return _answer(await pages.handle_page(asked))
        return _answer(await pages.respond(asked, path.strip("/"), self.desk.hub))

    async def _approval(self, request: web.Request) -> web.Response:
        return _answer(
            await approving.respond(await self._request(request), request.match_info["token"], self.desk.hub)
        )

    def do(self, work: Coroutine[Any, Any, T]) -> T:
        return self.loop.do(work)


def _answer(response: func.HttpResponse) -> web.Response:
    return web.Response(
        status=response.status_code,
        body=response.get_body(),
        headers={**dict(response.headers), "Content-Type": f"{response.mimetype}; charset=utf-8"},
    )


class OtherSite:
    """Somebody else's site: any page by its path, and what came to it."""

    def __init__(self, loop: Loop) -> None:
        self.pages: dict[str, str] = {}
        self.asked: list[str] = []
        application = web.Application()
        application.router.add_route("*", "/{path:.*}", self._page)
        self.port = loop.serve(application)

    async def _page(self, request: web.Request) -> web.Response:
        self.asked.append(request.path_qs)
        found = self.pages.get(request.match_info["path"])
        return web.Response(status=200 if found else 404, text=found or "", content_type="text/html")
