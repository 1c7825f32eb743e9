"""Tables over HTTP: how requests are signed, sent again and refused; what rows do is in the suite of the store."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import pytest
from aiohttp import web

from shared.ledger import wire as module
from shared.ledger.protocol import AlreadyExistsError, ChangedError, Insert, NotFoundError, Row, StoreError, Upsert
from shared.ledger.wire import Access, NoTableError, Wire

ROW = Row("p", "it's", {"text": "ü"})


@dataclass
class Token:
    token: str
    expires_on: float


class Identity:
    """Gives tokens, and counts how often it was asked."""

    def __init__(self, expires_on: float) -> None:
        self.asked = 0
        self.expires_on = expires_on

    async def get_token(self, *scopes: str) -> Token:
        self.asked += 1
        assert scopes == ("https://storage.azure.com/.default",)
        return Token(f"token-{self.asked}", self.expires_on)


class Service:
    """A table service that answers what the test says, and remembers what it was asked."""

    def __init__(self) -> None:
        self.answers: list[tuple[int, str, dict[str, str]]] = []
        self.seen: list[web.Request] = []
        self.url = ""

    async def answer(self, request: web.Request) -> web.Response:
        await request.read()
        self.seen.append(request)
        status, text, headers = self.answers.pop(0) if self.answers else (204, "", {"ETag": 'W/"1"'})
        return web.Response(status=status, text=text, headers=headers)


@pytest.fixture
async def service() -> AsyncIterator[Service]:
    made = Service()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", made.answer)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    made.url = f"http://127.0.0.1:{runner.addresses[0][1]}/account"
    yield made
    await runner.cleanup()


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Waits for nothing, and notes for how long it would have."""
    waited: list[float] = []
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep

    async def note(seconds: float, *_: Any) -> None:
        waited.append(seconds)
        await sleep(0)

    monkeypatch.setattr(module.asyncio, "sleep", note)
    return waited


def refusal(code: str, said: str = "") -> str:
    return json.dumps({"odata.error": {"code": code, "message": {"lang": "en-US", "value": said}}})


async def test_an_identity_is_asked_for_a_token_once_until_it_ends(service: Service) -> None:
    identity = Identity(expires_on=4e9)
    wire = Wire(service.url, Access(identity=identity))
    await asyncio.gather(*(wire.apply("t", [Upsert(ROW)]) for _ in range(5)))
    await wire.close()
    assert identity.asked == 1
    assert {request.headers["Authorization"] for request in service.seen} == {"Bearer token-1"}
    ending = Identity(expires_on=0)
    wire = Wire(service.url, Access(identity=ending))
    for _ in range(2):
        await wire.apply("t", [Upsert(ROW)])
    await wire.close()
    assert ending.asked == 2


async def test_a_shared_access_signature_is_part_of_the_address(service: Service) -> None:
    wire = Wire(service.url, Access(signature="sv=2019-02-02&sig=a%2Fb"))
    await wire.apply("t", [Insert(ROW)])
    await wire.close()
    (request,) = service.seen
    assert request.path_qs == "/account/t?sv=2019-02-02&sig=a%2Fb"
    assert "Authorization" not in request.headers


async def test_a_key_signs_and_names_are_quoted(service: Service) -> None:
    wire = Wire(service.url, Access(account="account", key=b"key"))
    await wire.apply("t", [Upsert(ROW)])
    await wire.close()
    (request,) = service.seen
    assert request.headers["Authorization"].startswith("SharedKeyLite account:")
    assert request.raw_path == "/account/t(PartitionKey='p',RowKey='it%27%27s')"


async def test_later_is_waited_for_as_long_as_it_says(service: Service, at_once: list[float]) -> None:
    service.answers = [(503, "", {"Retry-After": "3"}), (500, "", {})]
    wire = Wire(service.url, Access())
    assert await wire.apply("t", [Upsert(ROW)]) == ['W/"1"']
    await wire.close()
    assert len(service.seen) == 3
    assert at_once[0] >= 3 * 0.75


async def test_what_never_answers_is_an_error_of_the_store(service: Service) -> None:
    service.answers = [(503, "", {})] * 4
    wire = Wire(service.url, Access())
    with pytest.raises(StoreError, match="503"):
        await wire.apply("t", [Upsert(ROW)])
    await wire.close()
    nobody = Wire("http://127.0.0.1:1/account", Access())
    with pytest.raises(StoreError, match="storage did not answer"):
        await nobody.apply("t", [Upsert(ROW)])
    await nobody.close()


@pytest.mark.parametrize(
    ("status", "code", "error"),
    [
        (404, "TableNotFound", NoTableError),
        (404, "ResourceNotFound", NotFoundError),
        (409, "EntityAlreadyExists", AlreadyExistsError),
        (409, "TableBeingDeleted", StoreError),
        (412, "UpdateConditionNotSatisfied", ChangedError),
        (403, "AuthenticationFailed", StoreError),
    ],
)
async def test_each_refusal_has_its_error(service: Service, status: int, code: str, error: type[StoreError]) -> None:
    service.answers = [(status, refusal(code), {})]
    wire = Wire(service.url, Access())
    with pytest.raises(error, match=code if code != "TableNotFound" else "no such table") as caught:
        await wire.apply("t", [Upsert(ROW)])
    await wire.close()
    assert type(caught.value) is error


async def test_a_transaction_says_which_operation_was_refused(service: Service) -> None:
    part = f"--b\r\n\r\nHTTP/1.1 409 Conflict\r\n\r\n{refusal('EntityAlreadyExists', '1:The entity exists.')}\r\n--b--"
    service.answers = [(202, part, {})]
    wire = Wire(service.url, Access())
    with pytest.raises(AlreadyExistsError) as caught:
        await wire.apply("t", [Insert(ROW), Insert(Row("p", "b", {}))])
    await wire.close()
    assert caught.value.index == 1
