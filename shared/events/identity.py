"""What makes two events tell the same: the content's identity where the type has one, else source and id."""

from shared.events.model import (
    BlobCreated,
    BlobDeleted,
    BlobIncomplete,
    DatasetDriftDetected,
    Event,
    ModelRegistered,
    RunCompleted,
    RunStatusChanged,
)
from shared.ledger.journal import claim_name


def claim(event: Event) -> str:
    """Name the claim of an event; everything about one subject has claims that begin alike (20 hex digits)."""
    facts = event.facts
    kind = type(facts).__name__
    if isinstance(facts, BlobCreated):
        return claim_name(blob_subject(facts.account, facts.container, facts.path), f"{kind}\0{facts.etag}")
    if isinstance(facts, BlobIncomplete | BlobDeleted):
        subject = blob_subject(facts.account, facts.container, facts.path)
        return claim_name(subject, f"{kind}\0{getattr(facts, 'sequencer', '') or event.id}")
    if isinstance(facts, ModelRegistered):
        return model_claim(facts.workspace, facts.name, facts.version)
    if isinstance(facts, RunStatusChanged):
        return claim_name(run_subject(facts.workspace, facts.run), f"{kind}\0{facts.status}\0{facts.breach}")
    if isinstance(facts, RunCompleted):
        return claim_name(run_subject(facts.workspace, facts.run), kind)
    if isinstance(facts, DatasetDriftDetected):
        return claim_name(run_subject(facts.workspace, facts.run), f"{kind}\0{facts.monitor}")
    return claim_name(f"{event.source}\0{event.subject}", f"{event.type}\0{event.id}")


def model_claim(workspace: str, name: str, version: str) -> str:
    """Name the claim of a model version: the hub's own registration and the service's event of it are one."""
    return claim_name(f"model\0{workspace.lower()}\0{name}\0{version}", "ModelRegistered")


def blob_subject(account: str, container: str, path: str) -> str:
    """Name a blob, for claims and for looking up all that was ever told of it."""
    return f"blob\0{account}\0{container}\0{path}"


def run_subject(workspace: str, run: str) -> str:
    """Name a run. A workspace is the same in whatever case its name comes, as in every ARM id."""
    return f"run\0{workspace.lower()}\0{run}"
