"""Jobs as documents with a history: statuses, times, errors, children; each change raises its event."""

import uuid
from typing import Final

from local.azureml.events import Events
from local.azureml.state import State
from local.azureml.wire import Json, not_found, now, text_map

ENDED: Final = frozenset({"Completed", "Failed", "Canceled", "NotResponding"})
_ORDER: Final = ("NotStarted", "Starting", "Preparing", "Queued", "Running", "Finalizing")


class Runs:
    """Everything that jobs and the run history share."""

    def __init__(self, state: State, events: Events) -> None:
        self._state, self._events = state, events

    def create(self, body: Json, frozen: Json, run_type: str, parent: str) -> None:
        """Keep a new job; its run is NotStarted. `frozen` is what a second PUT may not change."""
        experiment = body["properties"]["experimentName"]
        document = {
            "job": body,
            "frozen": frozen,
            "run": {
                "experimentId": str(uuid.uuid5(uuid.NAMESPACE_URL, f"azureml://laptop/experiments/{experiment}")),
                "runType": run_type,
                "parent": parent,
                "number": self._state.count("jobs") + 1,
                "created": now(),
                "started": None,
                "ended": None,
                "error": None,
                "hidden": False,
            },
        }
        with self._state.transaction():
            self._state.put("jobs", body["name"], document)
            self._raise(document)

    def find(self, name: str) -> Json | None:
        """Give a job's document (job, frozen, run), or None."""
        return self._state.get("jobs", name)

    def job(self, name: str) -> Json:
        """Give a job as a resource; raises ArmError (404)."""
        return self.document(name)["job"]  # type: ignore[no-any-return]

    def document(self, name: str) -> Json:
        """Give a job's document; raises ArmError (404)."""
        document = self.find(name)
        if document is None:
            raise not_found(f"Job '{name}'")
        return document

    def status(self, name: str) -> str:
        """Give a job's status."""
        return str(self.job(name)["properties"]["status"])

    def jobs(self, parent: str = "") -> list[Json]:
        """Give the jobs of a parent (none: those at the top), newest first."""
        return [item["job"] for item in self._state.documents("jobs") if item["run"]["parent"] == parent]

    def everything(self) -> list[Json]:
        """Give all jobs, children too, newest first."""
        return [item["job"] for item in self._state.documents("jobs")]

    def unfinished(self) -> list[Json]:
        """Give the documents of jobs that have not ended, oldest first."""
        return [d for d in reversed(self._state.documents("jobs")) if d["job"]["properties"]["status"] not in ENDED]

    def update(self, name: str, changes: Json) -> Json:
        """Change properties of a job, and give it."""
        document = self.document(name)
        document["job"]["properties"].update(changes)
        self._state.put("jobs", name, document)
        return document["job"]  # type: ignore[no-any-return]

    def update_run(self, name: str, changes: Json) -> None:
        """Change a job's run."""
        document = self.document(name)
        document["run"].update(changes)
        self._state.put("jobs", name, document)

    def add_tags(self, name: str, tags: Json) -> None:
        """Add tags to a job."""
        document = self.document(name)
        document["job"]["properties"]["tags"].update(text_map(tags))
        self._state.put("jobs", name, document)

    def delete(self, name: str) -> None:
        """Forget a job."""
        self._state.delete("jobs", name)

    def set_status(self, name: str, status: str, error: str = "", code: str = "UserError") -> bool:
        """Move a job on and tell whether it moved: an ended job never does, one that is being cancelled only ends."""
        document = self.document(name)
        properties, run = document["job"]["properties"], document["run"]
        before = properties["status"]
        if before in ENDED or before == status or (before == "CancelRequested" and status in _ORDER):
            return False
        properties["status"] = status
        if status == "Running":
            run["started"] = run["started"] or now()
        if status in ENDED:
            run["ended"] = now()
        if error:
            run["error"] = {"error": {"code": code, "message": error}}
        with self._state.transaction():
            self._state.put("jobs", name, document)
            self._raise(document)
        return True

    def _raise(self, document: Json) -> None:
        properties, run = document["job"]["properties"], document["run"]
        self._events.run_status(
            {
                "experimentId": run["experimentId"],
                "experimentName": properties["experimentName"],
                "runId": document["job"]["name"],
                "runType": run["runType"],
                "tags": properties["tags"],
                "properties": properties["properties"],
                "status": properties["status"],
            }
        )
