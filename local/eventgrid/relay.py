"""The blob endpoint: passes every byte between clients and Azurite unchanged, and raises the events of writes.

Nothing is buffered but the last piece of a write: writes of one blob take turns for that piece, so that their
sequencers have the order in which Azurite stored them. A client gets its success after the event is in the journal.
"""

import asyncio
import logging
from collections import deque
from typing import Any, Final, Protocol

from local.eventgrid.channel import Channel, Wake
from local.eventgrid.faults import Faults
from local.eventgrid.framing import Body, FramingError, Request, Response, read_request, read_response, stays_open
from local.eventgrid.journal import JournalError
from local.eventgrid.operations import Looked, Write, account_of, looked, write_of
from local.eventgrid.storage import signed

logger = logging.getLogger("eventgrid.relay")

PATIENCE: Final = 300.0
"""Seconds without a byte after which an exchange is given up."""
IDLE: Final = 600.0
"""Seconds that a client may keep an unused connection."""
CONNECT: Final = 10.0
_MAX_ANSWER: Final = 1024 * 1024


class GoneError(Exception):
    """One side has gone in the middle of an exchange."""


class Recorder(Protocol):
    """Keeps the events of writes."""

    accounts: frozenset[str]

    def event(self, write: Write, response: Response, found: Looked | None, size: int) -> Any:
        """Make the event of a successful write; events of one blob are made in the order of its writes."""

    async def keep(self, event: Any) -> None:
        """Store an event; on disk when this returns."""

    def begin(self, write: Write, *, existed: bool) -> int:
        """Note that a write is about to happen; gives its number."""

    def end(self, number: int) -> None:
        """Note that a write is told of, or has not happened."""


class Turns:
    """Gives the writers of one blob their turns."""

    def __init__(self) -> None:
        self._waiting: dict[str, deque[asyncio.Future[None]]] = {}

    async def take(self, name: str) -> None:
        """Wait for the turn; whoever has it calls `give`."""
        queue = self._waiting.get(name)
        if queue is None:
            self._waiting[name] = deque()
            return
        turn = asyncio.get_running_loop().create_future()
        queue.append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self.give(name)
            raise

    def give(self, name: str) -> None:
        """Let the next one have its turn."""
        queue = self._waiting[name]
        while queue:
            turn = queue.popleft()
            if not turn.done():
                turn.set_result(None)
                return
        del self._waiting[name]


class Relay:
    """Serves clients in front of the Azurite that listens on `port`."""

    def __init__(self, port: int, recorder: Recorder, faults: Faults) -> None:
        self._port = port
        self._recorder = recorder
        self._faults = faults
        self._turns = Turns()
        self._tasks: set[asyncio.Task[None]] = set()

    def connection(self) -> Channel:
        """Give the protocol of a new client."""
        client = Channel(Wake())
        task = asyncio.get_running_loop().create_task(self._serve(client))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return client

    async def close(self) -> None:
        """End all connections."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _serve(self, client: Channel) -> None:
        pair = _Pair(client, self._port)
        try:
            while head := await pair.request_head():
                request = read_request(head)
                if request.target == "/healthz":
                    client.write(answer(200, "ok"))
                    if not stays_open(request.headers):
                        return
                elif not await self._exchange(pair, request):
                    return
        except FramingError as error:
            logger.warning("a client sent what is no HTTP: %s", error)
            client.write(answer(400, str(error)))
        except (GoneError, TimeoutError):
            return
        finally:
            pair.close()

    async def _exchange(self, pair: "_Pair", request: Request) -> bool:
        """Answer one request; tells whether the connection can be used again."""
        body = Body.of_request(request)
        write = write_of(request, self._recorder.accounts)
        fault = None
        if self._faults.any_storage:
            account, api = account_of(request.target), write.api if write else ""
            fault = self._faults.storage(account, request.method, api)
        if fault is not None and fault.kind == "latency":
            await asyncio.sleep(fault.seconds)
        if fault is not None and fault.kind == "status":
            return await _refuse(pair.client, request, body, fault.status, "a fault that was set on demand")
        try:
            upstream = await pair.upstream()
        except OSError:
            return await _refuse(pair.client, request, body, 503, "Azurite does not answer: is it running?")
        lost = fault is not None and fault.kind == "lost-response"
        if write is None:
            response = await pair.pass_request(request, body, upstream)
            if lost:
                return False
            return await pair.pass_response(request, body, upstream, response)
        return await self._write(pair, request, body, write, lost)

    async def _write(self, pair: "_Pair", request: Request, body: Body, write: Write, lost: bool) -> bool:
        name = write.path
        upstream = await pair.upstream()
        intent = 0

        async def turn() -> None:
            nonlocal intent
            await self._turns.take(name)
            intent = self._recorder.begin(write, existed=True)

        try:
            found = None
            if write.look == "before":
                await self._turns.take(name)
                intent = -1
                found = await pair.look(write)
                upstream = await pair.upstream()
                intent = self._recorder.begin(write, existed=found is not None)
            response = await pair.pass_request(request, body, upstream, None if intent else turn, must_end=True)
            if not 200 <= response.status < 300 or not body.done:
                self._recorder.end(intent)
                return False if lost else await pair.pass_response(request, body, upstream, response)
            content = await pair.whole(request, upstream, response)
            if write.look == "after":
                found = await pair.look(write)
            event = self._recorder.event(write, response, found, body.size)
        finally:
            if intent:
                self._turns.give(name)
        try:
            await self._recorder.keep(event)
        except JournalError:
            logger.exception("the event of %s is not stored: the client is told to try again", name)
            pair.client.write(answer(503, "the journal of events cannot be written: see the log of eventgrid"))
            return False
        self._recorder.end(intent)
        if lost:
            return False
        pair.client.write(response.raw + content)
        return stays_open(response.headers)


class _Pair:
    """A client and the connection to Azurite that serves it; made anew where Azurite closed it while idle."""

    def __init__(self, client: Channel, port: int) -> None:
        self.client = client
        self._port = port
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
                    lambda: Channel(self.client.wake), "127.0.0.1", self._port
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
        client.write(response.raw)
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

    async def look(self, write: Write) -> Looked | None:
        """Look at a blob of Azurite, over the same connection."""
        upstream = await self.upstream()
        headers = signed("HEAD", write.account, write.path)
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        upstream.write(f"HEAD {write.path} HTTP/1.1\r\nhost: 127.0.0.1:{self._port}\r\n{lines}\r\n".encode())
        while True:
            if head := upstream.take_head():
                response = read_response(head)
                return looked(response)
            if upstream.closed:
                raise GoneError
            await self.client.wake.wait(PATIENCE)

    def close(self) -> None:
        """Close both."""
        self.client.close()
        if self._upstream is not None:
            self._upstream.close()


class Turn(Protocol):
    """Waits for a turn."""

    async def __call__(self) -> None: ...


async def _refuse(client: Channel, request: Request, body: Body, status: int, reason: str) -> bool:
    if "100-continue" in request.headers.get("expect", "").lower():
        client.write(answer(status, reason, close=True))
        return False
    while not body.done:
        if not client.take(body):
            if client.closed:
                return False
            await client.wake.wait(PATIENCE)
    client.write(answer(status, reason))
    return stays_open(request.headers)


_CODES: Final = {
    400: "InvalidInput",
    408: "OperationTimedOut",
    409: "Conflict",
    412: "ConditionNotMet",
    429: "TooManyRequests",
    500: "InternalError",
    503: "ServerBusy",
}


def answer(status: int, text: str, *, close: bool = False) -> bytes:
    """Give a whole answer: plain for 200, else an error as storage writes it."""
    body, kind, more = text.encode(), "text/plain", ""
    if status != 200:
        code = _CODES.get(status, "InternalError")
        plain = text.replace("&", "&amp;").replace("<", "&lt;")
        error = f"<Error><Code>{code}</Code><Message>{plain}</Message></Error>"
        body = f'<?xml version="1.0" encoding="utf-8"?>{error}'.encode()
        kind, more = "application/xml", f"x-ms-error-code: {code}\r\n"
    more += "connection: close\r\n" if close else ""
    head = f"HTTP/1.1 {status} {'OK' if status == 200 else 'Error'}\r\ncontent-type: {kind}\r\n"
    return f"{head}content-length: {len(body)}\r\n{more}\r\n".encode() + body
