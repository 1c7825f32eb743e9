"""Where the hub sends: public addresses over https, whatever a name leads to."""

import asyncio
import ipaddress
import socket
from typing import Any

import aiohttp
import pytest

from shared.engine.outcomes import PermanentError, TransientError
from shared.notify.addresses import PublicResolver, check, internal
from shared.notify.sending import post

INSIDE = [
    "127.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "0.0.0.0", "224.0.0.1",
    "255.255.255.255", "::1", "::", "fe80::1", "fc00::1", "ff02::1", "::ffff:127.0.0.1", "::ffff:10.0.0.1",
    "64:ff9b::7f00:1", "2002:7f00:1::", "168.63.129.16",
]  # fmt: skip
OUTSIDE = ["93.184.216.34", "8.8.8.8", "2606:4700::1111"]


@pytest.mark.parametrize("address", INSIDE)
def test_internal_addresses_are_known(address: str) -> None:
    assert internal(ipaddress.ip_address(address))


@pytest.mark.parametrize("address", OUTSIDE)
def test_public_addresses_are_known(address: str) -> None:
    assert not internal(ipaddress.ip_address(address))


@pytest.mark.parametrize(
    "url",
    [
        "http://example.com/x", "ftp://example.com", "https://", "https://user:pass@example.com/", "https://10.0.0.1/x",
        "https://[::1]/x", "https://169.254.169.254/metadata", "https://[::ffff:7f00:1]/", "file:///etc/passwd", "",
        "https://exa mple.com:x/", "http://127.0.0.1/x", "https://127.0.0.1/x", "https://168.63.129.16/",
    ],
)  # fmt: skip
def test_other_addresses_are_refused(url: str) -> None:
    with pytest.raises(PermanentError):
        check(url, loopback=False)


def test_this_machine_is_sent_to_only_where_the_settings_say_so() -> None:
    check("http://127.0.0.1:9/x", loopback=True)
    check("https://example.com/x", loopback=True)
    for url in ("http://10.0.0.1/x", "https://10.0.0.1/x", "http://127.0.0.2/x", "http://example.com/"):
        with pytest.raises(PermanentError):
            check(url, loopback=True)


async def test_a_name_that_leads_inside_is_refused_at_the_moment_of_connecting(monkeypatch: pytest.MonkeyPatch) -> None:
    async def lies(host: str, port: int, **more: Any) -> Any:
        return [
            (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("93.184.216.34", port)),
            (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("169.254.169.254", port)),
        ]

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", lies)
    with pytest.raises(PermanentError, match=r"169\.254\.169\.254"):
        await PublicResolver(loopback=True).resolve("evil.example", 443)
    with pytest.raises(PermanentError, match="internal"):
        await post("https://evil.example/x", b"{}", number="1")


async def test_a_name_that_leads_nowhere_is_tried_again() -> None:
    with pytest.raises(TransientError, match="resolved"):
        await PublicResolver(loopback=False).resolve("no-such-name.invalid", 443)


async def test_a_slow_receiver_does_not_hold_the_hub() -> None:
    writers: list[asyncio.StreamWriter] = []

    async def listen(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)

    server = await asyncio.start_server(listen, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    began = asyncio.get_running_loop().time()
    with pytest.raises(TransientError, match="in time"):
        await post(
            f"http://127.0.0.1:{port}/", b"{}", number="1", loopback=True, timeout=aiohttp.ClientTimeout(total=0.3)
        )
    assert asyncio.get_running_loop().time() - began < 2
    server.close()
    for writer in writers:
        writer.close()
        await writer.wait_closed()


async def test_nobody_listening_is_tried_again_and_the_address_is_not_told() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with pytest.raises(TransientError) as caught:
        await post(f"http://127.0.0.1:{port}/secret-path", b"{}", number="1", loopback=True)
    assert "secret-path" not in str(caught.value)


async def test_the_environments_proxy_is_not_used(receiver: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    assert await post(receiver.url, b"{}", number="1", loopback=True) == 200
