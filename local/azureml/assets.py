"""Assets of the workspace: code, data, environment, model and component versions; immutable once made."""

import json
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import yaml
from aiohttp import web

from local.azureml.environments import Environments
from local.azureml.events import Events
from local.azureml.routes import Call, Routes
from local.azureml.state import State
from local.azureml.storage import Storage
from local.azureml.uris import AssetRef, Place, long_form, normalised
from local.azureml.wire import (
    WORKSPACE_GUID,
    ArmError,
    Json,
    checked_name,
    invalid,
    listing,
    not_found,
    reply,
    resource,
    text_map,
    touched,
)
from local.config import WORKSPACE_ACCOUNT, Cloud


@dataclass(frozen=True)
class Kind:
    """How versions of one kind look: their properties in an answer, and those that never change."""

    name: str
    word: str
    shape: Callable[[Json, str], Json]
    frozen: tuple[str, ...]


def _common(given: Json) -> Json:
    return {
        "description": given.get("description"),
        "tags": text_map(given.get("tags")),
        "properties": text_map(given.get("properties")),
        "isArchived": bool(given.get("isArchived", False)),
        "isAnonymous": bool(given.get("isAnonymous", False)),
    }


def _needed(given: Json, key: str, what: str) -> Any:
    if not given.get(key):
        raise invalid(f"The {what} has no '{key}'.")
    return given[key]


def _code(given: Json, _: str) -> Json:
    return {**_common(given), "codeUri": _needed(given, "codeUri", "code version"), "provisioningState": "Succeeded"}


_DATA_TYPES: Final = ("uri_file", "uri_folder", "mltable")


def _data(given: Json, workspace_id: str) -> Json:
    kind = given.get("dataType", "uri_file")
    if kind not in _DATA_TYPES:
        raise invalid(f"The data type '{kind}' is none of {', '.join(_DATA_TYPES)}.")
    uri = long_form(_needed(given, "dataUri", "data version"), workspace_id)
    more = {"referencedUris": given.get("referencedUris")} if kind == "mltable" else {}
    return {**_common(given), "dataUri": uri, "dataType": kind, **more}


def _model(given: Json, workspace_id: str) -> Json:
    uri = long_form(_needed(given, "modelUri", "model version"), workspace_id)
    return {
        **_common(given),
        "autoDeleteSetting": given.get("autoDeleteSetting"),
        "flavors": given.get("flavors") or {},
        "modelType": given.get("modelType") or "custom_model",
        "modelUri": uri.replace("/resourcegroups/", "/resourceGroups/"),
        "jobName": given.get("jobName"),
        "provisioningState": "Succeeded",
        "stage": given.get("stage"),
        "intellectualProperty": None,
    }


def _environment(given: Json, _: str) -> Json:
    shape = {**_common(given), "environmentType": "UserCreated", "image": given.get("image")}
    if given.get("condaFile"):
        shape["condaFile"] = _as_json(given["condaFile"])
    for key in ("build", "inferenceConfig"):
        if given.get(key):
            shape[key] = given[key]
    if not shape["image"] and "build" not in shape:
        raise invalid("The environment has neither an image nor a build context.")
    return {**shape, "osType": given.get("osType") or "Linux"}


def _as_json(conda: str) -> str:
    """Give a conda file as the service gives it back: indented JSON text."""
    try:
        return json.dumps(yaml.safe_load(conda), indent=2)
    except yaml.YAMLError as error:
        raise invalid(f"The conda file is not valid YAML: {error}") from None


def _component(given: Json, _: str) -> Json:
    return {
        **_common(given),
        "componentSpec": _needed(given, "componentSpec", "component version"),
        "provisioningState": "Succeeded",
    }


KINDS: Final = {
    kind.name: kind
    for kind in (
        Kind("codes", "code", _code, ("codeUri",)),
        Kind("data", "data", _data, ("dataUri", "dataType")),
        Kind("models", "model", _model, ("modelUri", "modelType", "jobName")),
        Kind("environments", "environment", _environment, ("image", "condaFile", "build", "osType")),
        Kind("components", "component", _component, ("componentSpec",)),
    )
}


class Assets:
    """The asset routes, and look-ups for jobs and endpoints."""

    def __init__(
        self, cloud: Cloud, state: State, storage: Storage, events: Events, environments: Environments
    ) -> None:
        self._environments = environments
        self._cloud, self._state, self._storage, self._events = cloud, state, storage, events

    def serve(self, arm: Routes) -> None:
        """Add the routes."""
        for kind in KINDS.values():
            base = kind.name
            arm.add("GET", base, self._bound(kind, self._containers))
            arm.add("GET", f"{base}/{{name}}", self._bound(kind, self._container))
            arm.add("PUT", f"{base}/{{name}}", self._bound(kind, self._put_container))
            arm.add("GET", f"{base}/{{name}}/versions", self._bound(kind, self._versions))
            arm.add("GET", f"{base}/{{name}}/versions/{{version}}", self._bound(kind, self._get))
            arm.add("PUT", f"{base}/{{name}}/versions/{{version}}", self._bound(kind, self._put))
            arm.add("DELETE", f"{base}/{{name}}/versions/{{version}}", self._bound(kind, self._delete))
            arm.add("POST", f"{base}/{{name}}/versions/{{version}}/startPendingUpload", self._pending_upload)

    @staticmethod
    def _bound(kind: Kind, handler: Callable[[Kind, Call], Any]) -> Callable[[Call], Any]:
        async def call(call: Call) -> web.StreamResponse:
            answer: web.StreamResponse = await handler(kind, call)
            return answer

        return call

    def find(self, ref: AssetRef, kind: str = "") -> Json:
        """Give the version that a reference names; raises ArmError (404) where there is none."""
        kind = ref.kind or kind
        if ref.version is not None:
            found = self._state.get(f"{kind}/versions", ref.version, ref.name)
            if found is None and self._is_curated(kind, ref.name, ref.version):
                found = self._curated(ref.name, ref.version)
        elif ref.label == "latest" or ref.label is None:
            found = next((v for v in self._live(kind, ref.name) if not v["properties"]["isArchived"]), None)
        else:
            raise invalid(f"The label '{ref.label}' is not known: only 'latest' is.")
        if found is None:
            raise not_found(f"{KINDS[kind].word.capitalize()} '{ref.name}:{ref.version or '@' + str(ref.label)}'")
        return found

    def next_version(self, kind: str, name: str) -> str:
        """Give the number after the highest version that is a number."""
        numbers = [int(item["name"]) for item in self._live(kind, name) if item["name"].isdecimal()]
        return str(max(numbers, default=0) + 1)

    def _live(self, kind: str, name: str) -> list[Json]:
        stored = self._state.documents(f"{kind}/versions", name)
        return stored or ([self._curated(name, "1")] if self._is_curated(kind, name, None) else [])

    def _is_curated(self, kind: str, name: str, version: str | None) -> bool:
        """Tell whether an environment is there without having been made, as Azure's curated ones are."""
        return kind == "environments" and self._environments.known(name, version)

    def _curated(self, name: str, version: str) -> Json:
        shape = _environment({"image": "laptop", "description": "A Python of this laptop"}, "")
        body = resource(self._id(KINDS["environments"], name, version), "environments/versions", shape)
        return {**body, "properties": {**shape, "environmentType": "Curated"}}

    def _id(self, kind: Kind, name: str, version: str | None = None) -> str:
        base = f"{self._cloud.workspace_id}/{kind.name}/{name}"
        return base if version is None else f"{base}/versions/{version}"

    async def _containers(self, kind: Kind, call: Call) -> web.Response:
        view = call.query.get("listviewtype", "ActiveOnly")
        found = [self._container_body(kind, item["name"]) for item in self._state.documents(kind.name)]
        return listing([item for item in found if _shown(item, view)])

    async def _container(self, kind: Kind, call: Call) -> web.Response:
        return reply(self._container_body(kind, call.name))

    async def _put_container(self, kind: Kind, call: Call) -> web.Response:
        stored = self._state.get(kind.name, call.name)
        given = call.properties()
        body = stored or self._new_container(kind, call.name, given)
        body["properties"].update(
            {key: given[key] for key in ("description", "tags", "properties", "isArchived") if key in given}
        )
        self._state.put(kind.name, call.name, body)
        return reply(self._container_body(kind, call.name), 200 if stored else 201)

    def _new_container(self, kind: Kind, name: str, given: Json) -> Json:
        more = {"dataType": given.get("dataType", "uri_file")} if kind.name == "data" else {}
        properties = {"description": None, "tags": {}, "properties": {}, "isArchived": False, **more}
        return resource(self._id(kind, name), kind.name, properties)

    def _container_body(self, kind: Kind, name: str) -> Json:
        """Give a container with its latest and next version, or with latest None where it has none."""
        body = self._state.get(kind.name, name)
        if body is None and self._is_curated(kind.name, name, None):
            body = self._new_container(kind, name, {})
        if body is None:
            raise not_found(f"{kind.word.capitalize()} container '{name}'")
        versions = [item["name"] for item in self._live(kind.name, name)]
        latest = versions[0] if versions else None
        return {
            **body,
            "properties": {
                **body["properties"],
                "latestVersion": latest,
                "nextVersion": self.next_version(kind.name, name),
            },
        }

    async def _versions(self, kind: Kind, call: Call) -> web.Response:
        wanted = call.query.get("hash")
        if kind.name == "codes" and wanted:
            # Recorded: the look-up by hash ignores the name in the path and gives another's version.
            everything = self._state.documents("codes/versions", None)
            hits = [item for item in everything if item["properties"]["properties"].get("hash_sha256") == wanted]
            return listing(hits[:1])
        if self._state.get(kind.name, call.name) is None and not self._is_curated(kind.name, call.name, None):
            # The evaluator check of models.create asks before anything is there and expects an empty page.
            return listing([])
        view = call.query.get("listviewtype", "ActiveOnly")
        found = [item for item in self._live(kind.name, call.name) if _shown(item, view)]
        if "asc" in call.query.get("$orderby", "").lower():
            found.reverse()
        top = call.query.get("$top", "")
        return listing(found[: int(top)] if top.isdecimal() else found)

    async def _get(self, kind: Kind, call: Call) -> web.Response:
        return reply(self.find(AssetRef(kind.name, call.name, call.params["version"], None)))

    async def _put(self, kind: Kind, call: Call) -> web.Response:
        body, created = self.create(kind.name, call.name, call.params["version"], call.properties())
        location = {"Location": str(call.request.url)} if created else {}
        return reply(body, 201 if created else 200, location)

    def create(self, kind_name: str, name: str, version: str, given: Json) -> tuple[Json, bool]:
        """Make a version, or change what may change of one that is there; raises ArmError (409, 400)."""
        kind = KINDS[kind_name]
        checked_name(name, kind.word)
        checked_name(version, f"version of the {kind.word}")
        shape = kind.shape(given, self._cloud.workspace_id)
        stored = self._state.get(f"{kind_name}/versions", version, name)
        if stored is not None:
            self._check_frozen(kind, name, version, stored["properties"], shape)
            body = {**stored, "properties": {**stored["properties"], **shape}}
            body["systemData"] = touched(stored["systemData"])
            self._state.put(f"{kind_name}/versions", version, body, name)
            return body, False
        body = resource(self._id(kind, name, version), f"{kind_name}/versions", shape)
        with self._state.transaction():
            if self._state.get(kind_name, name) is None:
                self._state.put(kind_name, name, self._new_container(kind, name, given))
            self._state.put(f"{kind_name}/versions", version, body, name)
            if kind_name == "models":
                self._events.model_registered(name, version, shape["tags"], shape["properties"])
        return body, True

    @staticmethod
    def _check_frozen(kind: Kind, name: str, version: str, old: Json, new: Json) -> None:
        for key in kind.frozen:
            before, after = old.get(key), new.get(key)
            if isinstance(before, str) and isinstance(after, str) and key.endswith("Uri"):
                before, after = normalised(before), normalised(after)
            if before == after or (key == "codeUri" and old["properties"].get("hash_sha256")):
                continue
            if kind.name == "models":
                raise ArmError(
                    409,
                    "UserError",
                    f"Model version {name}:{version} exists already: '{key}' cannot change. Register a new version.",
                    ("Conflict", "AssetVersionExists"),
                )
            raise ArmError(
                400 if kind.name == "data" else 409,
                "UserError",
                f"A {kind.word} version with this name and version already exists: {name}:{version}. '{key}' is "
                "immutable; only description, tags, properties and isArchived can be updated.",
                ("Immutable", "AssetPropertyImmutable"),
                property=key,
            )

    async def _delete(self, kind: Kind, call: Call) -> web.Response:
        found = self._state.delete(f"{kind.name}/versions", call.params["version"], call.name)
        return web.Response(status=200 if found else 204)

    async def _pending_upload(self, call: Call) -> web.Response:
        """Give a container of its own to upload to, as recorded: `<start of the workspace's id>-<guid>`."""
        upload = str(uuid.uuid4())
        container = f"{WORKSPACE_GUID[:8]}-{upload}"
        await self._storage.container(WORKSPACE_ACCOUNT, container)
        place = Place(WORKSPACE_ACCOUNT, container, "")
        answer = {
            "blobReferenceForConsumption": {
                "blobUri": self._storage.url(place),
                "storageAccountArmId": self._cloud.account_id(WORKSPACE_ACCOUNT),
                "credential": {"credentialType": "SAS", "sasUri": self._storage.signed(place, write=True, hours=2)},
            },
            "pendingUploadId": call.body.get("pendingUploadId") or upload,
            "pendingUploadType": "TemporaryBlobReference",
        }
        return reply(answer)


def _shown(item: Json, view: str) -> bool:
    archived = item["properties"]["isArchived"]
    return view == "All" or archived == (view == "ArchivedOnly")
