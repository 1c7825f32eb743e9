"""A hub in memory whose messages are read by the test, and receivers on this machine."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from tests.unit.api import desk as _desk

SECRET = "a key that both sides know"
RULE = _desk.world.AUTOMATION + "notify: {on: [failed, held, waiting-approval, succeeded], to: [ops]}\n"
RELEASE = """
name: delay-release
on: [{model-registered: {model: arrival-delay}}]
notify: {on: [waiting-approval], to: [ops]}
do:
  deploy:
    endpoint: endpoints/endpoint.yml
    deployment: endpoints/deployment.yml
    gates: [{approval: {roles: [approver], quorum: 1, expires: 48h}}]
    rollout: [{canary: {traffic: 10%, for: 10m}}]
    analysis: {error-rate: '< 1%', min-requests: 50}
"""


class Receiver:
    """A receiver on this machine that keeps what it got, and answers as the test says."""

    def __init__(self) -> None:
        self.got: list[tuple[dict[str, str], bytes]] = []
        self.answers: list[web.Response] = []
        self.url = ""

    async def take(self, request: web.Request) -> web.Response:
        self.got.append((dict(request.headers), await request.read()))
        return self.answers.pop(0) if self.answers else web.Response(status=200)

    @property
    def bodies(self) -> list[Any]:
        return [json.loads(body) for _, body in self.got]


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    made = Receiver()
    application = web.Application()
    application.router.add_post("/hook", made.take)
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    made.url = f"http://127.0.0.1:{runner.addresses[0][1]}/hook"
    try:
        yield made
    finally:
        await runner.cleanup()


@pytest.fixture
def desk_of(tmp_path: Path) -> Any:
    """Makes a hub with a channel `ops` of a kind at an address; further settings may be given."""

    def make(url: str, kind: str = "webhook", automation: str = RULE, **settings: str) -> Any:
        environment = {
            "HUB_CHANNELS": json.dumps({"ops": {"kind": kind, "url-setting": "OPS_URL", "secret-setting": "OPS_KEY"}}),
            "OPS_URL": url,
            "OPS_KEY": SECRET,
            "HUB_PUBLIC_URL": "http://127.0.0.1:7071",
            "HUB_LOOPBACK_WEBHOOKS": "true",
            **settings,
        }
        kind_of = type("Set", (Desk,), {"environment": environment})
        return kind_of(tmp_path, automation)

    return make


class Desk(_desk.Desk):  # type: ignore[misc,name-defined]
    """A desk whose queue of messages is worked on too."""

    async def mail(self, seconds: float = 0.0) -> None:
        """Let messages go out, those too that become visible within a time."""
        from datetime import timedelta

        end = self.now + timedelta(seconds=seconds)
        queue = self.store.queue("hub-notify")
        for _ in range(1000):
            received = queue.receive(60)
            if received is not None:
                await self.hub.notifier.look(received[0].text, self.now)
                queue.delete(*received)
                continue
            following = queue.next_visible()
            if following is None or following > end:
                break
            self.now = max(self.now, following)
        self.now = max(self.now, end)

    async def train(self, month: str = "2013-01") -> str:
        """Have a burst become an activity."""
        await self.send(
            self.blob_event(f"flights/{month}/EWR/a.csv", f"0x{month}"),
            self.blob_event(f"flights/{month}/_SUCCESS", f"0xF{month}", number=99),
        )
        await self.run(10)
        return str((await self.activities())[0].id)


@pytest.fixture
def release_rule() -> str:
    return RELEASE


@pytest.fixture
def secret() -> str:
    return SECRET
