"""The blob endpoint: passes every byte between clients and Azurite unchanged, and raises the events of writes.

Nothing is buffered but the last piece of a write: writes of one blob take turns for that piece, so that their
sequencers have the order in which Azurite stored them. A client gets its success after the event is in the journal.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Sequence
from typing import Any, Protocol, Self

from local.eventgrid.batch import is_batch, responses_of, unchunked, whole_body, writes_of
from local.eventgrid.bearer import Bearer
from local.eventgrid.channel import Channel, Wake
from local.eventgrid.datalake import PathRequest, RefusedError, append, create, flush, path_request, write_of_path
from local.eventgrid.faults import Faults
from local.eventgrid.framing import Body, FramingError, Request, Response, read_request, stays_open, told
from local.eventgrid.journal import JournalError
from local.eventgrid.listing import listed
from local.eventgrid.moving import MOVES, check, move, paths
from local.eventgrid.operations import Looked, Write, account_of, write_of
from local.eventgrid.pair import GoneError, Pair, answer, refuse

logger = logging.getLogger("eventgrid.relay")


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

    def leave(self, number: int) -> None:
        """Note that a request broke off, so that nobody knows whether its write happened."""


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

    def __init__(self, port: int, recorder: Recorder, faults: Faults, bearer: Bearer | None = None) -> None:
        self._port = port
        self._bearer = bearer
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
        pair = Pair(client, self._port)
        try:
            while head := await pair.request_head():
                request = read_request(head)
                if request.target == "/healthz":
                    client.write(answer(200, "ok"))
                    if not stays_open(request.headers):
                        return
                elif not await self._admit(pair, request):
                    return
        except FramingError as error:
            logger.warning("a client sent what is no HTTP: %s", error)
            client.write(answer(400, str(error)))
        except (GoneError, TimeoutError):
            return
        except OSError as error:
            logger.error("a request broke off: %s", error)
            client.write(answer(503, f"the laptop's storage cannot go on: {error.strerror or error}", close=True))
        finally:
            pair.close()

    async def _admit(self, pair: Pair, request: Request) -> bool:
        """Answer one request, whose token is checked first; tells whether the connection can be used again."""
        body = Body.of_request(request)
        try:
            admitted = self._bearer.admit(request) if self._bearer else request
        except RefusedError as error:
            return await refuse(pair.client, request, body, error.status, str(error))
        return await self._exchange(pair, admitted, body)

    async def _exchange(self, pair: Pair, request: Request, body: Body) -> bool:
        write = write_of(request, self._recorder.accounts)
        fault = None
        if self._faults.any_storage:
            account, api = account_of(request.target), write.api if write else ""
            fault = self._faults.storage(account, request.method, api)
        if fault is not None and fault.kind == "latency":
            await asyncio.sleep(fault.seconds)
        if fault is not None and fault.kind == "status":
            return await refuse(pair.client, request, body, fault.status, "a fault that was set on demand")
        try:
            upstream = await pair.upstream()
        except OSError:
            return await refuse(pair.client, request, body, 503, "Azurite does not answer: is it running?")
        lost = fault is not None and fault.kind == "lost-response"
        if write is not None:
            return await self._write(pair, request, body, write, lost)
        try:
            asked = path_request(request)
            if asked is not None:
                return await self._path(pair, request, body, asked, lost)
        except RefusedError as error:
            return await refuse(pair.client, request, body, error.status, str(error))
        if is_batch(request, self._recorder.accounts):
            return await self._batch(pair, request, lost)
        response = await pair.pass_request(request, body, upstream)
        return False if lost else await pair.pass_response(request, body, upstream, response)

    async def _path(self, pair: Pair, request: Request, body: Body, asked: PathRequest, lost: bool) -> bool:
        """Answer a request to the Data Lake interface with the blob operation that does it."""
        if asked.kind == "list":
            pair.client.write(await listed(pair, asked, request))
            return not lost and stays_open(request.headers)
        if asked.kind in MOVES:
            return await self._move(pair, request, asked, lost)
        if asked.kind == "flush":
            found = await pair.look(asked.account, asked.path)
            query = {"comp": "blocklist", "blocklisttype": "all"}
            response, raw = await pair.ask("GET", asked.account, asked.path, query)
            made = flush(asked, request, unchunked(response, raw), found)
        else:
            made = (append if asked.kind == "append" else create)(asked, request)
        write = write_of_path(asked, request)
        if write is not None and asked.account in self._recorder.accounts:
            return await self._write(pair, made, body, write, lost, asked.status)
        upstream = await pair.upstream()
        response = await pair.pass_request(made, body, upstream)
        content = await pair.whole(made, upstream, response)
        if lost:
            return False
        pair.client.write((told(response, asked.status) if response.status < 300 else response.raw) + content)
        return body.done and stays_open(response.headers)

    async def _write(self, pair: Pair, request: Request, body: Body, write: Write, lost: bool, status: int = 0) -> bool:
        with _Doing(self._turns, self._recorder) as done:
            found = None
            if write.look == "before":
                await done.turn(write.path)
                found = await pair.look(write.account, write.path)
                done.begin(write, existed=found is not None)
                turn = None
            else:

                async def turn() -> None:
                    await done.turn(write.path)
                    done.begin(write, existed=True)

            upstream = await pair.upstream()
            response = await pair.pass_request(request, body, upstream, turn, must_end=True)
            if not 200 <= response.status < 300 or not body.done:
                done.end()
                done.give()
                return False if lost else await pair.pass_response(request, body, upstream, response)
            content = await pair.whole(request, upstream, response)
            if write.look == "after":
                found = await pair.look(write.account, write.path)
            event = self._recorder.event(write, response, found, body.size)
            done.give()
            head = told(response, status) if status else response.raw
            return await self._tell(pair, [event], done, b"" if lost else head + content, response)

    async def _move(self, pair: Pair, request: Request, asked: PathRequest, lost: bool) -> bool:
        """Rename or remove a file or folder; its events are those of the whole."""
        with _Doing(self._turns, self._recorder) as done:
            for path in paths(asked):
                await done.turn(path)
            write = await check(pair, asked, request)
            raises = asked.account in self._recorder.accounts
            if raises:
                done.begin(write, existed=True)
            try:
                response = await move(pair, asked, write)
            except RefusedError:
                done.end()
                raise
            events = [self._recorder.event(write, response, None, 0)] if raises else []
            done.give()
            return await self._tell(pair, events, done, b"" if lost else response.raw, response)

    async def _batch(self, pair: Pair, request: Request, lost: bool) -> bool:
        """Pass a batch on as a whole: its deletions and tier changes take their turns together."""
        raw = await pair.whole_request(whole_body(request))
        writes = writes_of(request, unchunked(request, raw), self._recorder.accounts)
        with _Doing(self._turns, self._recorder) as done:
            for path in sorted({write.path for write in writes.values()}):
                await done.turn(path)
            found = {number: await pair.look(write.account, write.path) for number, write in writes.items()}
            for number, write in writes.items():
                done.begin(write, existed=found[number] is not None)
            upstream = await pair.upstream()
            upstream.write(request.raw + raw)
            response = await pair.response(upstream)
            content = await pair.whole(request, upstream, response)
            answers = responses_of(response, unchunked(response, content))
            events = [
                self._recorder.event(write, answers[number], found[number], 0)
                for number, write in writes.items()
                if number in answers and 200 <= answers[number].status < 300
            ]
            done.give()
            return await self._tell(pair, events, done, b"" if lost else response.raw + content, response)

    async def _tell(
        self, pair: Pair, events: Sequence[Any], done: "_Doing", message: bytes, response: Response
    ) -> bool:
        """Store events, and then answer the client; without a message the answer is lost."""
        try:
            for event in events:
                await self._recorder.keep(event)
        except JournalError:
            logger.exception("an event is not stored: the client is told to try again")
            pair.client.write(answer(503, "the journal of events cannot be written: see the log of eventgrid"))
            return False
        done.end()
        if not message:
            return False
        pair.client.write(message)
        return stays_open(response.headers)


class _Doing:
    """The turns that a request holds, and the intents that it has noted."""

    def __init__(self, turns: Turns, recorder: Recorder) -> None:
        self._turns, self._recorder = turns, recorder
        self._held: list[str] = []
        self._begun: list[int] = []

    async def turn(self, path: str) -> None:
        """Wait for the turn of a blob."""
        await self._turns.take(path)
        self._held.append(path)

    def begin(self, write: Write, *, existed: bool) -> None:
        """Note what is about to happen."""
        self._begun.append(self._recorder.begin(write, existed=existed))

    def end(self) -> None:
        """Note that it is told of, or has not happened."""
        for number in self._begun:
            self._recorder.end(number)
        self._begun.clear()

    def give(self) -> None:
        """Let others have their turns."""
        for path in self._held:
            self._turns.give(path)
        self._held.clear()

    def __enter__(self) -> Self:
        """Begin."""
        return self

    def __exit__(self, *_: object) -> None:
        """Let others go on; what has begun and not ended broke off."""
        self.give()
        for number in self._begun:
            self._recorder.leave(number)
