"""Artifacts of MLflow's runs by its artifact protocol, kept where Azure ML keeps a run's files."""

import tempfile
from pathlib import Path
from typing import Final

from aiohttp import web

from local.azureml.storage import Storage
from local.azureml.uris import Place
from local.azureml.wire import Json, reply
from local.azureml.workspace import ARTIFACT_STORE, Workspace

_BASE: Final = "/api/2.0/mlflow-artifacts/artifacts"
_CHUNK: Final = 1024 * 1024


class Artifacts:
    """The routes below /api/2.0/mlflow-artifacts/artifacts."""

    def __init__(self, storage: Storage, workspace: Workspace) -> None:
        self._storage, self._workspace = storage, workspace

    @staticmethod
    def owns(path: str) -> bool:
        """Tell whether a path is answered here."""
        return path == _BASE or path.startswith(_BASE + "/")

    async def serve(self, request: web.Request, path: str) -> web.StreamResponse:
        """List, give, take or remove."""
        name = path[len(_BASE) :].strip("/")
        if not name and request.method == "GET":
            return reply({"files": await self._files(self._place(request.query.get("path", "")))})
        if ".." in Path(name).parts or not name:
            return reply({"error_code": "INVALID_PARAMETER_VALUE", "message": "Invalid path"}, 400)
        place = self._place(name)
        if request.method == "PUT":
            return await self._take(request, place)
        if request.method == "GET":
            return await self._give(request, place)
        if request.method == "DELETE":
            for blob in [blob async for blob, _ in self._storage.names(place)] or [place.path]:
                await self._storage.delete(Place(place.account, place.container, blob))
            return reply({})
        return reply({"error_code": "ENDPOINT_NOT_FOUND", "message": f"{request.method} is not served"}, 405)

    async def listed(self, root: str, path: str) -> list[Json]:
        """Give the files below `path` of a run whose artifact_uri is `root`, with paths as runs have them."""
        place = self._place(root.removeprefix("mlflow-artifacts:").strip("/"))
        files = await self._files(place.under(path))
        prefix = f"{path.strip('/')}/" if path.strip("/") else ""
        return [{**file, "path": prefix + file["path"]} for file in files]

    def _place(self, path: str) -> Place:
        return self._workspace.datastore(ARTIFACT_STORE).under(path)

    async def _files(self, place: Place) -> list[Json]:
        """Give what lies directly in a folder: files with their size, folders."""
        skip = len(f"{place.path}/") if place.path else 0
        files: dict[str, Json] = {}
        async for name, size in self._storage.names(place):
            head, _, rest = name[skip:].partition("/")
            files[head] = {"path": head, "is_dir": True} if rest else {"path": head, "is_dir": False, "file_size": size}
        return [files[name] for name in sorted(files)]

    async def _take(self, request: web.Request, place: Place) -> web.Response:
        with tempfile.NamedTemporaryFile(prefix="artifact-") as file:
            async for chunk in request.content.iter_chunked(_CHUNK):
                file.write(chunk)
            file.flush()
            await self._storage.upload_file(Path(file.name), place)
        return reply({})

    async def _give(self, request: web.Request, place: Place) -> web.StreamResponse:
        if not await self._storage.is_blob(place):
            return reply({"error_code": "RESOURCE_DOES_NOT_EXIST", "message": f"No such artifact: {place.path}"}, 404)
        with tempfile.NamedTemporaryFile(prefix="artifact-") as file:
            await self._storage.download_file(place, Path(file.name))
            response = web.StreamResponse(headers={"Content-Type": "application/octet-stream"})
            response.content_length = Path(file.name).stat().st_size  # noqa: ASYNC240 a local temporary file
            await response.prepare(request)
            with open(file.name, "rb") as content:  # noqa: ASYNC230, PTH123 a local temporary file
                while chunk := content.read(_CHUNK):
                    await response.write(chunk)
            await response.write_eof()
            return response
