"""A client and the connection to Azurite that serves it: passes requests and answers on, byte by byte."""

import asyncio
from collections.abc import Mapping
from typing import Final, Protocol
from urllib.parse import quote

from local.config import TENANT
from local.eventgrid.channel import Channel
from local.eventgrid.framing import Body, FramingError, Request, Response, read_response, stays_open
from local.eventgrid.operations import Looked, looked
from local.eventgrid.storage import VERSION, signed

PATIENCE: Final = 300.0
"""Seconds without a byte after which an exchange is given up."""
IDLE: Final = 600.0
"""Seconds that a client may keep an unused connection."""
CONNECT: Final = 10.0
_MAX_ANSWER: Final = 4 * 1024 * 1024


class GoneError(Exception):
    """One side has gone in the middle of an exchange."""


class Turn(Protocol):
    """Waits for a turn."""

    async def __call__(self) -> None: ...


class Pair:
    """A client and the connection to Azurite that serves it; made anew where Azurite closed it while idle."""

    def __init__(self, client: Channel, port: int) -> None:
        self.client = client
        self.port = port
        self._upstream: Channel | None = None

    async def request_head(self) -> bytes:
        """Wait for the next request; nothing where the client has gone."""
        client = self.client
        while True:
            if head := client.take_head():
                return head
            if client.closed:
                return b""
            await client.wake.wait(IDLE)

    async def upstream(self) -> Channel:
        """Give the connection to Azurite; raises OSError."""
        if self._upstream is None or self._upstream.closed:
            loop = asyncio.get_running_loop()
            async with asyncio.timeout(CONNECT):
                _, self._upstream = await loop.create_connection(
                    lambda: Channel(self.client.wake), "127.0.0.1", self.port
                )
        return self._upstream

    async def pass_request(
        self,
        request: Request,
        body: Body,
        upstream: Channel,
        turn: "Turn | None" = None,
        *,
        must_end: bool = False,
    ) -> Response:
        """Send a request on as it comes, and give the head of the answer.

        `turn` is waited for before the last piece. `must_end`: the answer is waited for though the client has gone.
        """
        client, piece = self.client, request.raw
        while True:
            if not body.done and client.data:
                piece += client.take(body)
            if piece:
                if body.done and turn is not None:
                    await turn()
                upstream.write(piece)
                await upstream.drain(PATIENCE)
                piece = b""
            if response := self._response(upstream):
                return response
            if upstream.closed or (client.closed and not (must_end and body.done)):
                raise GoneError
            if not client.data or body.done:
                await client.wake.wait(PATIENCE)

    def _response(self, upstream: Channel) -> Response | None:
        while head := upstream.take_head():
            response = read_response(head)
            if response.status >= 200:
                return response
            self.client.write(head)
        return None

    async def pass_response(self, request: Request, sent: Body, upstream: Channel, response: Response) -> bool:
        """Send an answer on as it comes, and the rest of the request; tells whether both connections stay."""
        client, body = self.client, Body.of_response(response, request.method)
        client.write(response.raw + upstream.take(body))  # one packet, where it has come in one
        try:
            return await self._pass_both(body, sent, upstream, response, request)
        finally:
            upstream.pipe(None, client)

    async def _pass_both(self, body: Body, sent: Body, upstream: Channel, response: Response, request: Request) -> bool:
        client = self.client
        while not (body.done and sent.done):
            moved = False
            if not body.done and (data := upstream.take(body)):
                client.write(data)
                moved = True
            if client.is_full:
                await client.drain(PATIENCE)
                moved = True
            upstream.pipe(None if body.done else body, client)
            if not sent.done and (data := client.take(sent)):
                upstream.write(data)
                await upstream.drain(PATIENCE)
                moved = True
            if moved:
                continue
            if client.closed or (upstream.closed and body.done):
                return False
            if upstream.closed and not upstream.data:
                return False
            before = body.size
            try:
                await client.wake.wait(PATIENCE)
            except TimeoutError:
                if body.size == before:  # what is piped wakes nobody
                    raise
        return stays_open(response.headers) and stays_open(request.headers)

    async def whole_request(self, body: Body) -> bytes:
        """Read the body of a short request, framed as it came; raises GoneError."""
        pieces = []
        while not body.done:
            if data := self.client.take(body):
                pieces.append(data)
            elif self.client.closed:
                raise GoneError
            else:
                await self.client.wake.wait(PATIENCE)
            if body.size > _MAX_ANSWER:
                raise FramingError(f"a request that must be read as a whole has at most {_MAX_ANSWER} bytes")
        return b"".join(pieces)

    async def response(self, upstream: Channel) -> Response:
        """Wait for the head of an answer; raises GoneError."""
        while True:
            if response := self._response(upstream):
                return response
            if upstream.closed:
                raise GoneError
            await self.client.wake.wait(PATIENCE)

    async def whole(self, request: Request, upstream: Channel, response: Response) -> bytes:
        """Read the body of a short answer, framed as it came."""
        body, pieces, size = Body.of_response(response, request.method), [], 0
        while not body.done:
            if data := upstream.take(body):
                pieces.append(data)
                size += len(data)
                if size > _MAX_ANSWER:
                    raise GoneError
            elif upstream.closed:
                break
            else:
                await self.client.wake.wait(PATIENCE)
        return b"".join(pieces)

    async def look(self, account: str, path: str) -> Looked | None:
        """Look at a blob of Azurite, over the same connection."""
        response, _ = await self.ask("HEAD", account, path, {})
        return looked(response)

    async def ask(
        self,
        method: str,
        account: str,
        path: str,
        query: Mapping[str, str],
        more: Mapping[str, str] | None = None,
        sas: str = "",
    ) -> tuple[Response, bytes]:
        """Ask Azurite something over the same connection; the body is as it was framed.

        It is signed with the public key, or shows the client's own signature `sas`; `more` are further headers.
        """
        upstream = await self.upstream()
        given = {"x-ms-version": VERSION, **(more or {})} if sas else signed(method, account, path, query, more)
        headers = {**given, "content-length": "0"} if method == "PUT" else given
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        asked = "&".join(
            [*(f"{name}={quote(value, safe='')}" for name, value in query.items()), *([sas] if sas else [])]
        )
        target = f"{path}?{asked}" if asked else path
        raw = f"{method} {target} HTTP/1.1\r\nhost: 127.0.0.1:{self.port}\r\n{lines}\r\n".encode()
        upstream.write(raw)
        response = await self.response(upstream)
        return response, await self.whole(Request(method, target, {}, raw), upstream, response)

    def close(self) -> None:
        """Close both."""
        self.client.close()
        if self._upstream is not None:
            self._upstream.close()


async def refuse(client: Channel, request: Request, body: Body, status: int, reason: str) -> bool:
    """Answer with an error once the request is read; tells whether the connection can be used again."""
    if "100-continue" in request.headers.get("expect", "").lower():
        client.write(answer(status, reason, close=True))
        return False
    while not body.done:
        if not client.take(body):
            if client.closed:
                return False
            await client.wake.wait(PATIENCE)
    whole = answer(status, reason)
    client.write(whole.partition(b"\r\n\r\n")[0] + b"\r\n\r\n" if request.method == "HEAD" else whole)
    return stays_open(request.headers)


_CODES: Final = {
    400: "InvalidInput",
    401: "InvalidAuthenticationInfo",
    403: "AuthenticationFailed",
    404: "PathNotFound",
    408: "OperationTimedOut",
    409: "Conflict",
    412: "ConditionNotMet",
    429: "TooManyRequests",
    500: "InternalError",
    503: "ServerBusy",
}


_AUTHORITY: Final = f"https://login.microsoftonline.com/{TENANT}/oauth2/authorize"


def answer(status: int, text: str, *, close: bool = False) -> bytes:
    """Give a whole answer: plain for 200, else an error as storage writes it."""
    body, kind, more = text.encode(), "text/plain", ""
    if status != 200:
        code = _CODES.get(status, "InternalError")
        plain = text.replace("&", "&amp;").replace("<", "&lt;")
        error = f"<Error><Code>{code}</Code><Message>{plain}</Message></Error>"
        body = f'<?xml version="1.0" encoding="utf-8"?>{error}'.encode()
        kind, more = "application/xml", f"x-ms-error-code: {code}\r\n"
    if status == 401:
        more += f"www-authenticate: Bearer authorization_uri={_AUTHORITY} resource_id=https://storage.azure.com\r\n"
    more += "connection: close\r\n" if close else ""
    head = f"HTTP/1.1 {status} {'OK' if status == 200 else 'Error'}\r\ncontent-type: {kind}\r\n"
    return f"{head}content-length: {len(body)}\r\n{more}\r\n".encode() + body
