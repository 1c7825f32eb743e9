"""Point 6, first half: a challenger that is really worse is refused, and one that fails live rolls back by itself."""

import random
from typing import Any, Final

from local.config import REPOSITORY, Cloud
from local.demo import burst, flights, pictures, release
from local.demo.clients import HubClient, azure_ml
from local.demo.telling import Telling
from local.demo.traffic import Load, shares

BROKEN_VERSION: Final = "by-hand-1"


def refused(telling: Telling, cloud: Cloud, hub: HubClient, month: str) -> None:
    """A feed tells minutes early for minutes late: the model learns it, and the gates see that it is worse."""
    spoiled = flights.corrupt_labels(flights.month(month))
    trained = burst.month(telling, cloud, hub, month, spoiled, f"The flights of {month} land, and their feed is wrong")
    with telling.point("6", "A worse challenger") as point:
        version = release.step(trained, "register")["version"]
        activity = release.watch(telling, hub, version)
        telling.claim("the worse model is refused", activity["status"] == "refused", activity["reason"])
        release.gates(activity, point)
        view = azure_ml(cloud).online_endpoints.get(release.ENDPOINT)
        telling.claim("nothing changed at the endpoint", sum(view.traffic.values()) == 100, str(dict(view.traffic)))


def broken(telling: Telling, cloud: Cloud, hub: HubClient, load: Load, new: list[dict[str, str]]) -> None:
    """A person trains and registers by hand: good on the golden set, raising on destinations it never saw.

    Nobody asks for such destinations before the canary: then `new` rows begin to be asked for, too.
    """
    with telling.point("6b", "A release that passes its gates and fails live") as point:
        client = azure_ml(cloud)
        run = _train_by_hand(telling, client)
        _register_by_hand(client, run)
        before = _live(client)
        began = load.answers[-1].at
        known = load.rows

        def season_begins(text: str) -> None:
            if "canary" in text and load.rows is known:
                load.rows = [*known[: 9 * len(new)], *new]
                random.Random(6).shuffle(load.rows)  # noqa: S311 (an order, no secret)
                telling.note("flights to destinations of the summer begin to be asked for, one row of ten")

        activity = release.watch(telling, hub, BROKEN_VERSION, on_look=season_begins)
        passed = [gate["result"] for gate in release.gates(activity, point)]
        telling.claim("its gates passed", bool(passed) and "refused" not in passed, f"{len(passed)} gates")
        telling.claim("it rolled back by itself", activity["reason"].startswith("rolled back"), activity["reason"])
        after = _live(client)
        telling.claim("the traffic is as before", after == before, str(after))
        seen = load.between(began, load.answers[-1].at)
        failed = [answer for answer in seen if answer.status != 200]
        challenger = release.step(activity, "rollout")["deployment"]
        outside = [answer for answer in failed if answer.deployment != challenger]
        live = shares(seen).get(challenger, 0.0)
        telling.claim(
            "its failures stayed within the canary's share",
            bool(failed) and not outside,
            f"{len(failed)} of {len(seen)} requests failed; it had {live:.1f}% of them",
        )
        stages = [(stage.start - began, stage.name) for stage in release.stages(activity, load)]
        moved = [release.shifted(answer, began) for answer in seen]
        point.pictures.append(
            {"title": "Its failures over the steps", "svg": pictures.rollout(moved, stages, "failures")}
        )


def _live(client: Any) -> dict[str, int]:
    return {name: share for name, share in client.online_endpoints.get(release.ENDPOINT).traffic.items() if share}


def _train_by_hand(telling: Telling, client: Any) -> str:
    from azure.ai.ml import load_job

    newest = max(client.data.list(name="flights"), key=lambda one: one.creation_context.created_at)
    job = load_job(
        REPOSITORY / "jobs" / "delay" / "train.yml",
        params_override=[
            {"inputs.unknown": "error"},
            {"experiment_name": "by-hand"},
            {"inputs.data": {"type": "uri_folder", "path": f"azureml:flights:{newest.version}"}},
        ],
    )
    name = str(client.jobs.create_or_update(job).name)

    def ended() -> tuple[str, str]:
        status = str(getattr(client.jobs.get(name).status, "value", ""))
        return (name if status == "Completed" else ""), status

    return str(telling.watch("somebody trains by hand", ended, 240))


def _register_by_hand(client: Any, run: str) -> None:
    from azure.ai.ml.entities import Model

    path = f"azureml://jobs/{run}/outputs/model"
    model = Model(name=burst.MODEL, version=BROKEN_VERSION, path=path, type="mlflow_model")
    client.models.create_or_update(model)
