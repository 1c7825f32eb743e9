"""Wires the hub: the one place where services are made and joined. Nothing connects before `hub()` is awaited."""

import asyncio
import json
import os
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from shared.actions.admit import Admission
from shared.actions.context import Context
from shared.actions.deploying import Deploying
from shared.actions.freeze import Freeze
from shared.actions.jobs import Jobs
from shared.actions.judging import Judging
from shared.actions.keeping import Keeping
from shared.actions.measuring import Measuring
from shared.actions.promote import Promotion
from shared.actions.register import Registration
from shared.actions.release import Release
from shared.actions.retire import Retirements
from shared.actions.score import Scoring
from shared.actions.triage import Triage
from shared.automations.loading import Catalogue
from shared.azureml.batch import AzureBatch, Batch
from shared.azureml.client import AzureMLClient
from shared.azureml.endpoints import Endpoints
from shared.azureml.online import AzureEndpoints
from shared.azureml.protocol import AzureML
from shared.azureml.queries import LogQueries, NoQueries, Queries
from shared.azureml.targets import AzureTargets, Targets
from shared.contents import Contents
from shared.data import AzureData, Data
from shared.engine.acts import Acts
from shared.engine.gather import Gatherer
from shared.engine.outcomes import TransientError
from shared.engine.run import Engine, StepRunner
from shared.intake.accept import Intake
from shared.intake.probing import Probes
from shared.intake.ticking import Triggers
from shared.intake.undelivered import Undelivered
from shared.ledger.activities import Activities
from shared.ledger.audit import Audit
from shared.ledger.collections import Collections
from shared.ledger.deadletters import DeadLetters
from shared.ledger.journal import Journal, UndecidedError
from shared.ledger.marks import Marks
from shared.ledger.protocol import Store
from shared.ledger.records import Activity
from shared.ledger.retention import Retention
from shared.ledger.switches import Switches
from shared.ledger.unfinished import Unfinished
from shared.ledger.usage import Usages
from shared.notify.approvals import Approvals
from shared.notify.notifier import Notifier
from shared.notify.sending import Sender
from shared.notify.steps import Telling
from shared.revision import commit_of
from shared.rulebook import Rulebook
from shared.settings import Connection, Settings
from shared.sweep import Sweep
from shared.telemetry import starting as telemetry

ROOT = Path(__file__).resolve().parent.parent
"""The app's folder: what HUB_ROOT does not say otherwise."""
Clock = Callable[[], datetime]


@dataclass(frozen=True)
class Hub:
    """The hub, wired."""

    settings: Settings
    store: Store
    rulebook: Rulebook
    journal: Journal
    activities: Activities
    collections: Collections
    intake: Intake
    gatherer: Gatherer
    engine: Engine
    acts: Acts
    audit: Audit
    letters: DeadLetters
    undelivered: Undelivered
    triggers: Triggers
    probes: Probes
    switches: Switches
    admission: Admission
    sweep: Sweep
    retention: Retention
    azureml: AzureML
    endpoints: Endpoints
    retirements: Retirements
    data: Data
    approvals: Approvals
    notifier: Notifier
    clock: Clock

    async def work(self, message: str) -> None:
        """Do what a message of the work queue asks for: `activity:<id>:<due>` or `collection:<name>:<generation>`."""
        kind, _, rest = message.partition(":")
        name, _, mark = rest.rpartition(":")
        if kind == "activity":
            await self.engine.look(name, mark)
        elif kind == "collection":
            await self.gatherer.look(name, mark)
        else:
            raise ValueError(f"work message {message[:64]!r} is neither activity:… nor collection:…")


def wire(
    settings: Settings,
    store: Store,
    data: Data,
    azureml: AzureML,
    clock: Clock = lambda: datetime.now(UTC),
    *,
    endpoints: Endpoints,
    batch: Batch,
    queries: Queries | None = None,
    targets: Targets | None = None,
    catalogue: Catalogue | None = None,
    journal: Journal | None = None,
    collections: Collections | None = None,
    steps: Callable[[Mapping[str, StepRunner]], Mapping[str, StepRunner]] = lambda runners: runners,
) -> Hub:
    """Join the services given into a hub.

    `catalogue` are other automations than those of the settings' folder, `journal` and `collections` others than the
    store's; `steps` puts others in the place of the shipped steps. All of them are for simulation.
    """
    work, intake_queue = store.queue(settings.work_queue), store.queue(settings.events_queue)
    activities, collections = Activities(store, work), collections or Collections(store, work)
    contents, letters = Contents(store.blobs, commit_of(settings.root)), DeadLetters(store)
    journal = journal or Journal(store)
    rulebook = Rulebook(
        catalogue or Rulebook.read(settings.automations, settings.root),
        contents,
        activities,
        store.blobs,
        frozenset({(settings.data_account, settings.data_container)}),
        f"{settings.hub_id}-",
    )
    triggers = Triggers(Marks(store), rulebook)
    probes = Probes(store, data, settings.data_account, settings.data_container)
    intake = Intake(journal, collections, activities, rulebook, letters, triggers, probes, data, settings.hub_id, clock)
    context = Context(settings, store, data, azureml, contents)

    async def announce(model: str, version: str, tags: dict[str, str], now: datetime) -> None:
        try:
            await intake.accept(_registered(settings, model, version, tags, now), now, "hub")
        except UndecidedError as error:
            raise TransientError(f"the registration is being taken in at this moment: {error}") from None

    freeze, jobs, registration = Freeze(context), Jobs(context), Registration(context, announce)
    switches, usages, audit = Switches(store), Usages(store), Audit(store)
    retirements, triage = Retirements(store, endpoints), Triage(context, data)
    scoring = Scoring(context, jobs, batch, data)
    judging, deploying = Judging(context, endpoints, jobs), Deploying(context, endpoints, retirements)
    measuring = Measuring(endpoints, queries or NoQueries(), settings.metrics_grain)
    keeping = Keeping(endpoints, retirements, settings.price)
    release = Release(endpoints, deploying, measuring, keeping, usages)

    async def storm(number: str, at: datetime, title: str, text: str) -> None:
        await notifier.announce(number, at, title, text)

    admission = Admission(usages, switches, rulebook, activities, settings.price, settings.storm, storm)

    acts = Acts(activities, audit)
    approvals = Approvals(store, activities, acts)
    notifier = Notifier(context, letters, approvals, Sender(settings))
    telling = Telling(context, notifier)

    async def ended(activity: Activity) -> None:
        await admission.leave(activity, clock())
        await deploying.leave(activity, clock())
        for number in range(len(activity.acts)):
            await acts.record(activity, number)
        subject, once = f"activity/{activity.id}", f"end of attempt {activity.attempt} of {activity.id}"
        detail = decided(activity)
        await audit.record(activity.updated, "hub", activity.status, subject, activity.reason, detail, once=once)
        await notifier.tell(activity)

    engine = Engine(
        activities,
        steps(
            {
                "admit": admission.admit,
                "files": freeze.files,
                "dataset": freeze.dataset,
                "job": jobs.run,
                "metrics": jobs.metrics,
                "register": registration.register,
                "triage": triage.triage,
                "answer": triage.answer,
                "score": scoring.score,
                "results": scoring.results,
                "evaluate": judging.evaluate,
                "gates": judging.judge,
                "deployment": deploying.make,
                "rollout": release.roll,
                **({"promote": Promotion(context, targets, data).promote} if targets else {}),
                "notify": telling.notify,
                "webhook": telling.webhook,
            }
        ),
        clock,
        cancellers={
            "admit": admission.withdraw,
            "job": jobs.cancel,
            "score": jobs.cancel,
            "evaluate": jobs.cancel,
            "deployment": deploying.undo,
            "rollout": release.go_back,
        },
        finished=ended,
        told=notifier.tell,
    )
    undelivered = Undelivered(store, letters)
    gatherer = Gatherer(collections, rulebook, rulebook.open_for_collection, intake_queue, clock)
    sweep = Sweep(
        Unfinished(store),
        intake,
        undelivered,
        retirements,
        engine,
        gatherer,
        clock,
        timedelta(minutes=1),
        {settings.events_queue: intake_queue, settings.work_queue: work},
    )
    return Hub(
        settings=settings,
        store=store,
        rulebook=rulebook,
        journal=journal,
        activities=activities,
        collections=collections,
        intake=intake,
        gatherer=gatherer,
        engine=engine,
        acts=acts,
        audit=audit,
        letters=letters,
        undelivered=undelivered,
        triggers=triggers,
        probes=probes,
        switches=switches,
        admission=admission,
        sweep=sweep,
        retention=Retention(store, journal, collections, activities, letters, settings.retention),
        azureml=azureml,
        endpoints=endpoints,
        retirements=retirements,
        data=data,
        approvals=approvals,
        notifier=notifier,
        clock=clock,
    )


def decided(activity: Activity) -> dict[str, object]:
    """Give what the audit keeps of an activity's end: what it ran under, and what each step came to."""
    return {
        "automation": activity.automation,
        "content": activity.content,
        "attempt": activity.attempt,
        "files": activity.files.blob,
        "steps": {step.name: {"state": step.state, "detail": step.detail} for step in activity.steps},
    }


def _registered(settings: Settings, model: str, version: str, tags: dict[str, str], now: datetime) -> bytes:
    workspace = (
        f"/subscriptions/{settings.subscription}/resourceGroups/{settings.resource_group}"
        f"/providers/Microsoft.MachineLearningServices/workspaces/{settings.workspace}"
    )
    event = {
        "id": str(uuid.uuid5(uuid.NAMESPACE_URL, f"{workspace}/models/{model}/versions/{version}")),
        "topic": workspace,
        "subject": f"models/{model}:{version}",
        "eventType": "Microsoft.MachineLearningServices.ModelRegistered",
        "eventTime": now.isoformat(),
        "data": {"ModelName": model, "ModelVersion": version, "ModelTags": tags, "ModelProperties": {}},
        "dataVersion": "",
        "metadataVersion": "1",
    }
    return json.dumps([event]).encode()


_hubs: dict[asyncio.AbstractEventLoop, "asyncio.Future[Hub]"] = {}


async def hub() -> Hub:
    """Give the hub of this process, wired at the first call from the environment's settings."""
    loop = asyncio.get_running_loop()
    if loop not in _hubs:
        _hubs[loop] = loop.create_future()
        try:
            _hubs[loop].set_result(_from_environment())
        except BaseException:
            del _hubs[loop]
            raise
    return await _hubs[loop]


def _from_environment() -> Hub:
    import azure.core.settings

    from shared.ledger.azure import AzureStore

    root = Path(os.environ.get("HUB_ROOT") or ROOT).resolve()
    settings = Settings.read(os.environ, root)
    # Once OpenTelemetry is imported the storage clients would make a span of each request: too many, too dear.
    azure.core.settings.settings.tracing_enabled = False
    telemetry.start(os.environ, settings.hub_id)
    accounts = {name: _blob_client(connection) for name, connection in settings.accounts.items()}
    azureml = AzureMLClient(
        settings.subscription, settings.resource_group, settings.workspace, settings.mlflow_tracking_uri
    )
    arm = AzureEndpoints(azureml, settings.deployment_variables)
    return wire(
        settings,
        AzureStore(settings.storage),
        AzureData(accounts),
        azureml,
        endpoints=arm,
        batch=AzureBatch(azureml, arm),
        targets=AzureTargets(azureml),
        queries=LogQueries(azureml, settings.logs_workspace, settings.logs_endpoint)
        if settings.logs_workspace
        else None,
    )


def _blob_client(connection: Connection) -> object:
    from azure.storage.blob.aio import BlobServiceClient

    from shared.ledger.azure import client_options, credential

    if connection.connection_string:
        return BlobServiceClient.from_connection_string(connection.connection_string, **client_options())
    return BlobServiceClient(connection.uri("blob"), credential=credential(connection), **client_options())
