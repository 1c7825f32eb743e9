"""Sends: one short request over https, signed, without following redirects; or events to the hub's own topic."""

import asyncio
import hmac
import time
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any, Final

import aiohttp
import msgspec

from shared.engine.outcomes import PermanentError, TransientError
from shared.notify.addresses import PublicResolver, check
from shared.notify.channels import Channel
from shared.notify.rendering import Told, cloud_event, slack, teams, webhook
from shared.settings import Settings

_TIMEOUT: Final = aiohttp.ClientTimeout(total=15, connect=6)
_READ: Final = 2048
_LONGEST_WAIT: Final = 3600
_AGAIN: Final = frozenset({408, 425, 429})


def signature(secret: str, timestamp: str, body: bytes) -> str:
    """Give the signature of a request: HMAC-SHA256 over `<timestamp>.<body>`, in hex, after `v1=`."""
    return f"v1={hmac.digest(secret.encode(), timestamp.encode() + b'.' + body, 'sha256').hex()}"


async def post(
    url: str,
    body: bytes,
    *,
    number: str,
    secret: str = "",
    headers: Mapping[str, str] | None = None,
    loopback: bool = False,
    timeout: aiohttp.ClientTimeout = _TIMEOUT,
) -> int:
    """Send JSON and give the status. `number` is the same for the same delivery, so that the receiver can fold.

    Raises TransientError where trying again may help, PermanentError where not. The address, which may hold a secret,
    is in neither.
    """
    check(url, loopback=loopback)
    given = {
        **(headers or {}),
        "Content-Type": "application/json",
        "User-Agent": "azureml-automation-hub",
        "X-Hub-Delivery": number,
    }
    if secret:
        timestamp = str(int(time.time()))
        given |= {"X-Hub-Timestamp": timestamp, "X-Hub-Signature": signature(secret, timestamp, body)}
    connector = aiohttp.TCPConnector(resolver=PublicResolver(loopback=loopback), use_dns_cache=False, limit=1)
    try:
        async with (
            aiohttp.ClientSession(connector=connector, timeout=timeout, trust_env=False) as session,
            session.post(url, data=body, headers=given, allow_redirects=False) as answer,
        ):
            said = (await answer.content.read(_READ)).decode("utf-8", "replace").strip()
            _judge(answer.status, said, answer.headers.get("Retry-After", ""))
            return answer.status
    except (aiohttp.ClientError, TimeoutError, OSError) as error:
        what = "no answer in time" if isinstance(error, TimeoutError) else type(error).__name__
        raise TransientError(f"the receiver cannot be reached: {what}") from None


def _judge(status: int, said: str, retry_after: str) -> None:
    if status < 300:
        return
    told = f"the receiver answered {status}{f': {said[:300]}' if said else ''}"
    if status < 400:
        raise PermanentError(f"{told}; redirects are not followed: give the address itself")
    if status >= 500 or status in _AGAIN:
        asked = min(int(retry_after), _LONGEST_WAIT) if retry_after.isdecimal() else 0
        raise TransientError(told, timedelta(seconds=asked) if asked else None)
    raise PermanentError(told)


class Sender:
    """Sends messages to channels of any kind."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    async def send(self, channel: Channel, told: Sequence[Told], number: str) -> None:
        """Send what is told as one delivery; raises TransientError or PermanentError."""
        if channel.problem:
            raise PermanentError(f"channel {channel.name}: {channel.problem}")
        if channel.kind == "events":
            await self._publish(channel, told)
            return
        bodies: dict[str, Any] = {"teams": teams, "slack": slack, "webhook": webhook}
        body = msgspec.json.encode(bodies[channel.kind](told))
        secret = channel.secret if channel.kind == "webhook" else ""
        await post(channel.url, body, number=number, secret=secret, loopback=self._settings.loopback_webhooks)

    async def _publish(self, channel: Channel, told: Sequence[Told]) -> None:
        from azure.core.credentials import AzureKeyCredential
        from azure.core.exceptions import AzureError, HttpResponseError
        from azure.core.messaging import CloudEvent
        from azure.eventgrid.aio import EventGridPublisherClient

        source = f"/hubs/{self._settings.hub_id}"
        events = [CloudEvent(**cloud_event(one.message, source)) for one in told]
        identity = None if channel.secret else self._identity()
        credential: Any = identity or AzureKeyCredential(channel.secret)
        try:
            async with EventGridPublisherClient(
                channel.url, credential, connection_timeout=5, read_timeout=15, retry_total=1
            ) as client:
                async with asyncio.timeout(30):
                    await client.send(events)
        except HttpResponseError as error:
            text = f"Event Grid answered {error.status_code}: {error.reason}"
            if error.status_code and error.status_code < 500 and error.status_code not in _AGAIN:
                raise PermanentError(text) from None
            raise TransientError(text) from None
        except (AzureError, TimeoutError, OSError) as error:
            raise TransientError(f"Event Grid cannot be reached: {type(error).__name__}") from None
        finally:
            if identity is not None:
                await identity.close()

    def _identity(self) -> Any:
        from shared.ledger.azure import credential

        return credential(self._settings.storage)
