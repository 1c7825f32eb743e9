"""Where data lies: every form of address that Azure ML takes, read into account, container and path."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import unquote, urlsplit

from local.azureml.wire import invalid

STORAGE_SUFFIX: Final = "core.laptop.test"
"""Suffix of the storage hosts that azure-ai-ml builds, as the cloud's metadata name it."""
_DATASTORE: Final = re.compile(
    r"azureml://(?:subscriptions/[^/]+/resourcegroups/[^/]+/(?:providers/[^/]+/)?)?(?:workspaces/[^/]+/)?"
    r"datastores/(?P<store>[^/]+)(?:/paths)?(?:/(?P<path>.*))?",
    re.IGNORECASE,
)
_JOB: Final = re.compile(
    r"azureml://jobs/(?P<job>[^/]+)/outputs/(?P<output>[^/]+)(?:/paths(?:/(?P<path>.*))?)?/?", re.IGNORECASE
)
_ASSET_SHORT: Final = re.compile(r"(?:azureml:)?(?P<name>[^:/@]+)(?::(?P<version>[^:/@]+)|@(?P<label>[^:/@]+))")
_ASSET_LONG: Final = re.compile(
    r"(?:azureml:/{0,2})?/?(?:subscriptions/[^/]+/resourcegroups/[^/]+/providers/Microsoft\.MachineLearningServices/"
    r"|locations/[^/]+/)?workspaces/[^/]+/(?P<kind>data|models|codes|environments|components)/(?P<name>[^/]+)"
    r"(?:/versions/(?P<version>[^/]+)|/labels/(?P<label>[^/]+))/?",
    re.IGNORECASE,
)
_REGISTRY: Final = re.compile(
    r"azureml://registries/[^/]+/environments/(?P<name>[^/]+)(?:/versions/(?P<version>[^/]+)|/labels/(?P<label>[^/]+))/?",
    re.IGNORECASE,
)
_COMPUTE: Final = re.compile(r"(?:.*/computes/)?(?:azureml:)?(?P<name>[^/]+)", re.IGNORECASE)
_WASB: Final = re.compile(r"(?:wasbs?|abfss?)://(?P<container>[^@]+)@(?P<account>[^./]+)\.[^/]+/?(?P<path>.*)")


@dataclass(frozen=True, slots=True)
class Place:
    """A blob, or the folder of blobs whose names begin with `path` and a slash."""

    account: str
    container: str
    path: str

    def under(self, path: str) -> "Place":
        """Give the place below this one."""
        return Place(self.account, self.container, "/".join(p for p in (self.path.rstrip("/"), path.strip("/")) if p))


@dataclass(frozen=True, slots=True)
class AssetRef:
    """An asset that is named, not addressed. `kind` is empty where the text does not tell it."""

    kind: str
    name: str
    version: str | None
    label: str | None


@dataclass(frozen=True, slots=True)
class JobOutputRef:
    """What a job wrote: an output by name (`artifacts` and `default` are the run's own folder), and a path in it."""

    job: str
    output: str
    path: str


def asset_ref(text: str, kind: str = "") -> AssetRef | None:
    """Read `azureml:name:version`, `name@label` or an ARM id; None where it is neither."""
    long = _ASSET_LONG.fullmatch(text)
    if long:
        return AssetRef(long["kind"].lower(), unquote(long["name"]), long["version"], long["label"])
    short = _ASSET_SHORT.fullmatch(text)
    if short and not text.startswith(("http:", "https:")) and "//" not in text:
        return AssetRef(kind, short["name"], short["version"], short["label"])
    return None


def environment_ref(text: str) -> AssetRef | None:
    """Read the environment of a job: an asset of the workspace, or one of a registry by its name."""
    registry = _REGISTRY.fullmatch(text)
    if registry:
        return AssetRef("environments", registry["name"], registry["version"], registry["label"])
    return asset_ref(text, "environments")


def job_output_ref(text: str) -> JobOutputRef | None:
    """Read `azureml://jobs/<job>/outputs/<output>/paths/<path>`, or `runs:/<job>/<path>`."""
    found = _JOB.fullmatch(text)
    if found:
        return JobOutputRef(found["job"], found["output"], (found["path"] or "").strip("/"))
    if text.startswith("runs:/"):
        job, _, path = text.removeprefix("runs:/").strip("/").partition("/")
        return JobOutputRef(job, "artifacts", path)
    return None


def compute_name(text: str) -> str:
    """Give the name of a compute from its name or ARM id."""
    found = _COMPUTE.fullmatch(text)
    return found["name"] if found else text


def datastore_path(text: str) -> tuple[str, str] | None:
    """Read a datastore address, short or long, into datastore and path; None where it is none."""
    found = _DATASTORE.fullmatch(text)
    return (found["store"], found["path"] or "") if found else None


def place_of(text: str, datastores: Callable[[str], Place], accounts: Mapping[str, int]) -> Place:
    """Read an address of storage.

    `datastores` gives the root of a datastore; `accounts` are those of this laptop, each with its blob port. Raises
    ArmError where the address is of no storage of this laptop.
    """
    store = datastore_path(text)
    if store:
        return datastores(store[0]).under(unquote(store[1]))
    wasb = _WASB.fullmatch(text)
    if wasb and wasb["account"] in accounts:
        return Place(wasb["account"], wasb["container"], unquote(wasb["path"]).strip("/"))
    parts = urlsplit(text)
    if parts.scheme in {"http", "https"}:
        path = unquote(parts.path).strip("/")
        host = parts.hostname or ""
        account = host.partition(".")[0]
        if host in {"127.0.0.1", "localhost"}:
            account, _, path = path.partition("/")
        if account in accounts and (host in {"127.0.0.1", "localhost"} or ".blob." in host or ".dfs." in host):
            container, _, blob = path.partition("/")
            return Place(account, container, blob)
    raise invalid(
        f"The address '{text}' is of no storage that this laptop has. Expected "
        f"azureml://datastores/<name>/paths/<path>, a blob URL of {', '.join(accounts)}, or azureml:<name>:<version>."
    )


def long_form(text: str, workspace_id: str) -> str:
    """Give the long form of a short datastore address, as the service stores it; other addresses as they are."""
    if not text.lower().startswith("azureml://datastores/"):
        return text
    parts = workspace_id.strip("/").split("/")
    workspace = f"azureml://subscriptions/{parts[1]}/resourcegroups/{parts[3]}/workspaces/{parts[7]}"
    return f"{workspace}/{text[len('azureml://') :]}"


def normalised(text: str) -> str:
    """Give an address to compare with: the workspace left out, the fixed parts in one spelling."""
    store = datastore_path(text)
    return f"azureml://datastores/{store[0]}/paths/{store[1].strip('/')}" if store else text.rstrip("/")
