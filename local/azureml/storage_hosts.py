"""Storage by the hosts that azure-ai-ml insists on, `https://<account>.blob.<suffix>`: handed on to the blob endpoint.

The suffix resolves nowhere; the CONNECT proxy beside this leads such hosts to the emulator's TLS port. Shared access
signatures stay valid, as they do not cover the host; account keys sign the path and would not.
"""

import re
from typing import Final

import aiohttp
from aiohttp import web
from yarl import URL

from local.azureml.uris import STORAGE_SUFFIX
from local.config import ACCOUNTS, Cloud

_HOST: Final = re.compile(rf"([a-z0-9]+)\.(?:blob|dfs)\.{re.escape(STORAGE_SUFFIX)}(?::\d+)?")
_HOP: Final = frozenset({"host", "connection", "transfer-encoding", "keep-alive", "expect"})
_TIMEOUT: Final = aiohttp.ClientTimeout(total=None, sock_connect=10, sock_read=120)
TLS_NAMES: Final = tuple(f"*.{kind}.{STORAGE_SUFFIX}" for kind in ("blob", "dfs"))
"""Names that the server's certificate is for, besides 127.0.0.1."""


class StorageHosts:
    """Answers requests whose host is a storage account's."""

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud
        self._session: aiohttp.ClientSession | None = None

    async def stop(self) -> None:
        """Close the connections."""
        if self._session is not None:
            await self._session.close()

    @staticmethod
    def owns(request: web.Request) -> bool:
        """Tell whether a request is for a storage account."""
        return bool(_HOST.fullmatch(request.host))

    async def serve(self, request: web.Request) -> web.StreamResponse:
        """Hand a request on and its answer back, both as streams."""
        found = _HOST.fullmatch(request.host)
        account = found[1] if found else ""
        if account not in ACCOUNTS:
            return web.Response(status=404, text=f"There is no storage account '{account}' on this laptop.")
        self._session = self._session or aiohttp.ClientSession(timeout=_TIMEOUT, auto_decompress=False)
        url = URL(f"http://127.0.0.1:{self._cloud.blob_port}/{account}{request.raw_path}", encoded=True)
        headers = {key: value for key, value in request.headers.items() if key.lower() not in _HOP}
        body = request.content if request.can_read_body else None
        try:
            async with self._session.request(
                request.method, url, headers=headers, data=body, allow_redirects=False
            ) as answer:
                kept = {key: value for key, value in answer.headers.items() if key.lower() not in _HOP}
                response = web.StreamResponse(status=answer.status, reason=answer.reason, headers=kept)
                await response.prepare(request)
                async for chunk in answer.content.iter_chunked(1024 * 1024):
                    await response.write(chunk)
                await response.write_eof()
                return response
        except aiohttp.ClientError as error:
            return web.Response(status=503, text=f"Storage did not answer: {type(error).__name__}")
