"""Scoring requests: key checked, deployment chosen by weight or by name, a share mirrored, the answer handed on."""

import asyncio
import logging
import random
import time
import uuid
from typing import Final

import aiohttp
from aiohttp import web

from local.azureml.commands import seconds
from local.azureml.deployments import OnlineDeployments
from local.azureml.metrics import Metrics
from local.azureml.online import OnlineEndpoints
from local.azureml.serving import Server
from local.azureml.wire import ArmError, Json, reply

_log = logging.getLogger("azureml.router")
_LARGEST: Final = 10 * 1024 * 1024
"""Bytes of a request that a managed online endpoint takes."""
_HOP: Final = frozenset({"host", "content-length", "connection", "transfer-encoding", "authorization", "keep-alive"})
_HEADER: Final = "azureml-model-deployment"


class Router:
    """Answers what comes in below /online/<endpoint>.

    Statuses as documented: https://learn.microsoft.com/azure/machine-learning/how-to-troubleshoot-online-endpoints
    (401, 404 without a deployment, 408 over the request timeout, 424 for a failing model, 429 over the concurrency).
    """

    def __init__(self, endpoints: OnlineEndpoints, deployments: OnlineDeployments, metrics: Metrics) -> None:
        self._endpoints, self._deployments, self._metrics = endpoints, deployments, metrics
        self._session: aiohttp.ClientSession | None = None
        self._running: dict[tuple[str, str], int] = {}
        self._mirrors: set[asyncio.Task[None]] = set()
        self._bags: dict[str, tuple[Json, list[str]]] = {}
        self._random = random.Random()  # noqa: S311 a share of traffic is no secret

    async def stop(self) -> None:
        """Close the connections."""
        for task in self._mirrors:
            task.cancel()
        await asyncio.gather(*self._mirrors, return_exceptions=True)
        if self._session is not None:
            await self._session.close()

    async def serve(self, request: web.Request, rest: str) -> web.StreamResponse:
        """Answer a request; `rest` is the path after /online/."""
        endpoint, _, path = rest.partition("/")
        try:
            stored = self._endpoints.stored(endpoint)
        except ArmError:
            return reply({"error": {"code": "NotFound", "message": f"There is no endpoint '{endpoint}'."}}, 404)
        if not self._endpoints.allowed(stored, request.headers.get("Authorization", "")):
            return web.Response(status=401, text="key_auth_access_denied")
        if request.content_length is not None and request.content_length > _LARGEST:
            return web.Response(status=413, text="Request payload is too large.")
        body = await request.read()
        live = stored["live"]
        name = request.headers.get(_HEADER) or self._chosen(endpoint, live["traffic"])
        found = self._deployments.find(endpoint, name) if name else None
        if found is None:
            return reply({"error": {"code": "NotFound", "message": _no_deployment(name)}}, 404)
        if _HEADER not in request.headers:
            self._mirror(endpoint, live["mirror"], request, path, body)
        return await self._send(endpoint, found, request, path, body)

    def _chosen(self, endpoint: str, traffic: Json) -> str:
        """Draw from a bag of a hundred that has the shares exactly: so a short step of a rollout can be measured."""
        shares, bag = self._bags.get(endpoint, ({}, []))
        if shares != traffic or not bag:
            bag = [name for name, share in traffic.items() for _ in range(int(share))]
            self._random.shuffle(bag)
            self._bags[endpoint] = dict(traffic), bag
        return bag.pop() if bag else ""

    def _mirror(self, endpoint: str, mirror: Json, request: web.Request, path: str, body: bytes) -> None:
        """Send a copy of a share of the requests; what comes back is counted and thrown away."""
        for name, share in mirror.items():
            found = self._deployments.find(endpoint, name)
            if found is None or self._random.random() * 100 >= share:
                continue

            async def send(found: Json = found) -> None:
                await self._send(endpoint, found, request, path, body)

            task = asyncio.create_task(send())
            self._mirrors.add(task)
            task.add_done_callback(self._mirrors.discard)

    async def _send(self, endpoint: str, found: Json, request: web.Request, path: str, body: bytes) -> web.Response:
        """Send a request to a deployment and count what became of it."""
        name, settings = found["name"], found["properties"]["requestSettings"]
        key = (endpoint.lower(), name.lower())
        server = self._deployments.server(*key)
        most = 2 * int(settings["maxConcurrentRequestsPerInstance"]) * int(found["sku"]["capacity"])
        began = time.monotonic()
        model_status = 0
        if server is None:
            response = reply({"error": {"code": "ServiceUnavailable", "message": f"'{name}' is not ready."}}, 503)
        elif self._running.get(key, 0) >= most:
            response = reply({"error": {"code": "TooManyRequests", "message": "Too many pending requests."}}, 429)
        else:
            self._running[key] = self._running.get(key, 0) + 1
            try:
                response, model_status = await self._forward(
                    server, request, path, body, seconds(settings["requestTimeout"])
                )
            finally:
                self._running[key] -= 1
        if path == "score":
            self._metrics.record(endpoint, name, response.status, model_status, time.monotonic() - began)
        response.headers[_HEADER] = name
        return response

    async def _forward(
        self, server: Server, request: web.Request, path: str, body: bytes, timeout: float
    ) -> tuple[web.Response, int]:
        self._session = self._session or aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0))
        headers = {key: value for key, value in request.headers.items() if key.lower() not in _HOP}
        headers.setdefault("x-ms-request-id", request.headers.get("x-request-id") or str(uuid.uuid4()))
        try:
            async with self._session.request(
                request.method,
                f"{server.address}/{path}",
                data=body or None,
                headers=headers,
                timeout=aiohttp.ClientTimeout(total=timeout),
            ) as answer:
                content = await answer.read()
                kept = {key: value for key, value in answer.headers.items() if key.lower() not in _HOP}
                kept.pop("Content-Encoding", None)
                status = answer.status
        except TimeoutError:
            return reply({"error": {"code": "RequestTimeout", "message": "The model did not answer in time."}}, 408), 0
        except aiohttp.ClientError as error:
            _log.warning("%s did not answer: %s", server.address, type(error).__name__)
            return reply({"error": {"code": "BadGateway", "message": "The container did not answer."}}, 502), 0
        if status >= 400 and path == "score":
            kept |= {"ms-azureml-model-error-reason": "model_error", "ms-azureml-model-error-statuscode": str(status)}
            return web.Response(status=424, body=content, headers=kept), status
        return web.Response(status=status, body=content, headers=kept), status


def _no_deployment(name: str) -> str:
    if name:
        return f"The endpoint has no deployment '{name}'."
    return "The endpoint doesn't have any valid deployment with positive weight."
