"""One server that stands for Azure ML: every request goes to the part whose path it names, or is told it is unknown."""

import asyncio
import logging
import time
import uuid
from collections.abc import Awaitable, Callable
from typing import Final

from aiohttp import web

from local.azureml.assets import Assets
from local.azureml.batch import Batch
from local.azureml.command_runner import CommandRunner, Nodes
from local.azureml.deployments import OnlineDeployments
from local.azureml.environments import Environments
from local.azureml.events import Events
from local.azureml.faults import Faults
from local.azureml.history import History
from local.azureml.inputs import Resolver
from local.azureml.invocations import Invocations
from local.azureml.job_outputs import JobOutputs
from local.azureml.jobs import Jobs
from local.azureml.metrics import Metrics
from local.azureml.monitors import Monitors
from local.azureml.neighbours import Neighbours
from local.azureml.node import Node
from local.azureml.online import OnlineEndpoints
from local.azureml.operations import Operations
from local.azureml.pipelines import PipelineRunner
from local.azureml.region import Region
from local.azureml.router import Router
from local.azureml.routes import Routes, read_call
from local.azureml.runs import Runs
from local.azureml.schedules import Schedules
from local.azureml.serving import Serving
from local.azureml.state import State
from local.azureml.storage import Storage, StorageError
from local.azureml.storage_hosts import StorageHosts
from local.azureml.sweeps import SweepRunner
from local.azureml.tracking import Tracking
from local.azureml.wire import PROVIDER, ArmError, reply
from local.azureml.workspace import Workspace
from local.config import Cloud

_log = logging.getLogger("azureml")
_BODY: Final = 512 * 1024 * 1024
_PATIENCE: Final = 30.0
"""Seconds that storage has to answer when the emulator starts."""


class Emulator:
    """The parts, wired."""

    def __init__(self, cloud: Cloud) -> None:
        self.cloud = cloud
        self.state = State(cloud.local_dir / "azureml" / "state.db")
        self.environments = Environments.load(cloud)
        self.storage = Storage(cloud)
        self.events = Events(cloud, self.state)
        self.workspace = Workspace(cloud, self.state, self.storage, self.environments)
        self.assets = Assets(cloud, self.state, self.storage, self.events, self.environments)
        self.runs = Runs(self.state, self.events)
        self.resolver = Resolver(cloud, self.workspace, self.assets, self.runs)
        self.tracking = Tracking(cloud, self.runs, self.storage, self.workspace, self.assets)
        self.jobs = Jobs(cloud, self.runs, self.environments)
        self.nodes = Nodes()
        node = Node(cloud, self.runs, self.assets, self.storage, self.resolver, self.environments, self.workspace)
        self.faults, self.hosts = Faults(), StorageHosts(cloud)
        self.commands = CommandRunner(self.runs, node, self.nodes, self.tracking, self.faults)
        self.pipelines = PipelineRunner(self.runs, self.jobs, self.assets, self.resolver)
        self.sweeps = SweepRunner(self.runs, self.jobs, node, self.tracking)
        for kind, runner in (("Command", self.commands), ("Pipeline", self.pipelines), ("Sweep", self.sweeps)):
            self.jobs.register(kind, runner)
        self.job_outputs = JobOutputs(self.runs)
        self.history = History(self.runs, self.storage, self.resolver, self.job_outputs)
        self.operations = Operations(cloud, self.state, self.faults)
        self.endpoints = OnlineEndpoints(cloud, self.state, self.operations, self.workspace.tokens)
        serving = Serving(cloud, self.assets, self.storage, self.resolver, self.environments, self.workspace)
        self.deployments = OnlineDeployments(cloud, self.state, self.endpoints, self.operations, serving, self.events)
        self.batch = Batch(cloud, self.state, self.assets, self.operations, self.environments)
        self.invocations = Invocations(cloud, self.batch, self.assets, self.jobs, self.runs, self.resolver)
        self.schedules = Schedules(cloud, self.state, self.jobs, Monitors(self.assets, self.resolver))
        self.metrics = Metrics(self.state, self.endpoints)
        self.router = Router(self.endpoints, self.deployments, self.metrics)
        self.neighbours = Neighbours(cloud, self.assets, self.state, self.storage, self.environments, self.operations)
        self.region = Region(self.state, self.metrics)
        self.arm, self.subscription, self.plain, self.run_history, self.data = (Routes() for _ in range(5))
        self.job_outputs.serve(self.data)
        self.workspace.serve(self.arm, self.plain)
        self.assets.serve(self.arm)
        self.jobs.serve(self.arm, self.subscription)
        self.history.serve(self.run_history)
        self.faults.serve(self.plain)
        self.events.serve(self.plain)
        self.operations.serve(self.subscription)
        self.endpoints.serve(self.arm)
        self.deployments.serve(self.arm)
        self.batch.serve(self.arm)
        self.schedules.serve(self.arm)
        self.scoring, self.management = Routes(), Routes()
        self.invocations.serve(self.scoring, self.management)
        self.metrics.serve(self.arm)
        self.region.serve(self.subscription, self.plain)
        self._tasks: list[asyncio.Task[None]] = []

    def application(self) -> web.Application:
        """Give the web application; it is for both ports."""
        app = web.Application(client_max_size=_BODY, middlewares=[_answered])
        app.router.add_route("*", "/{path:.*}", self._handle)
        return app

    async def start(self) -> None:
        """Make what storage needs, and take up the jobs that had not ended."""
        await self._storage_ready()
        forever = (self.events.deliver(), self.metrics.save(), self.schedules.run(), self.deployments.watch())
        self._tasks += [asyncio.create_task(work) for work in forever]
        for document in self.runs.unfinished():
            name, properties = document["job"]["name"], document["job"]["properties"]
            self.jobs.runner(properties["jobType"]).start(name)
        self.endpoints.resume()
        self.deployments.resume()
        self.batch.resume()

    async def _storage_ready(self) -> None:
        """Make the containers of the datastores; storage may start at the same time as this does."""
        end = time.monotonic() + _PATIENCE
        while True:
            try:
                await self.workspace.ready()
                return await self.neighbours.ready()
            except StorageError:
                if time.monotonic() > end:
                    raise
                await asyncio.sleep(0.2)

    async def stop(self) -> None:
        """End jobs' processes and servers; what had not ended is taken up by the next start."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.operations.stop()
        await self.router.stop()
        await self.hosts.stop()
        await self.deployments.stop()
        await asyncio.gather(self.pipelines.stop(), self.sweeps.stop(), self.commands.stop())
        self.metrics.flush()
        await self.tracking.stop()
        await self.storage.close()
        self.neighbours.close()
        self.state.close()

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        """Answer, unless a fault that was set loses the answer after the effect."""
        if self.hosts.owns(request):
            return await self.hosts.serve(request)
        response = await self._dispatch(request)
        own = request.path == "/healthz" or request.path.startswith("/control/")
        if not own and self.faults.strike("lost", f"{request.method} {request.path}") and request.transport is not None:
            request.transport.abort()
        return response

    async def _dispatch(self, request: web.Request) -> web.StreamResponse:
        path = request.path
        lower = path.lower()
        workspace = self.cloud.workspace_id.lower()
        if lower == "/healthz":
            return reply({"status": "ready"})
        found = self.plain.find(request.method, request.raw_path.partition("?")[0])
        if found:
            return await found[0](await read_call(request, found[1]))
        struck = await self.faults.before(f"{request.method} {path}")
        if struck is not None:
            return struck
        service, _, rest = lower.strip("/").partition("/")
        if service == "online":
            return await self.router.serve(request, path.strip("/").partition("/")[2])
        if service == "mlflow":
            version, _, rest = rest.partition("/")
            if f"/{rest}".startswith(workspace + "/"):
                return await self.tracking.serve(request, path[len(f"/mlflow/{version}{workspace}") :])
            return self._unknown(request)
        self.workspace.tokens.check(request.headers.get("Authorization", ""))
        routes, skip = self._routes(lower, workspace)
        found = routes.find(request.method, request.raw_path.partition("?")[0][skip:]) if routes else None
        if found is None:
            return self._unknown(request)
        return await found[0](await read_call(request, found[1]))

    def _routes(self, lower: str, workspace: str) -> tuple[Routes | None, int]:
        history = f"/history/v1.0{workspace}"
        subscription = f"{'/'.join(workspace.split('/')[:3])}/providers/{PROVIDER.lower()}"
        for prefix, routes in (
            (workspace, self.arm),
            (history, self.run_history),
            (f"/data/v1.0{workspace}", self.data),
            (subscription, self.subscription),
            (f"/mferp/managementfrontend{workspace}", self.management),
            ("/batch", self.scoring),
            *self.neighbours.tables(),
            ("/v1/workspaces", self.region.logs),
        ):
            if lower == prefix or lower.startswith(prefix + "/"):
                return routes, len(prefix)
        return None, 0

    @staticmethod
    def _unknown(request: web.Request) -> web.Response:
        _log.error("NOT KNOWN HERE: %s %s - answered 404", request.method, request.path_qs)
        problem = ArmError(
            404,
            "UserError",
            f"There is no route {request.method} {request.path} in the workspace of this laptop.",
            ("NotFoundError",),
        )
        return reply(problem.body(), 404)


@web.middleware
async def _answered(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    """Turn errors into the service's envelope, add the headers that every answer has, and log the request."""
    began = time.monotonic()
    try:
        response = await handler(request)
    except ArmError as error:
        response = reply(error.body(), error.status, error.headers)
    except StorageError as error:
        _log.error("%s %s: %s", request.method, request.path, error)
        response = reply(ArmError(503, "ServiceError", f"Storage failed: {error}").body(), 503)
    except web.HTTPException:
        raise
    except Exception:  # noqa: BLE001 whatever it is, the client is told as by the service, and the log has the rest
        _log.exception("%s %s failed", request.method, request.path)
        response = reply(ArmError(500, "ServiceError", "InternalServerError").body(), 500)
    if not response.prepared:
        response.headers.setdefault("x-request-time", f"{time.monotonic() - began:.3f}")
        response.headers.setdefault("x-ms-request-id", str(uuid.uuid4()))
    _log.info("%s %s %d %.0f ms", request.method, request.path, response.status, 1000 * (time.monotonic() - began))
    return response
