"""Which addresses the hub may send to: no name that leads into the network it runs in, by whatever way it resolves."""

import asyncio
import ipaddress
import socket
from typing import Final
from urllib.parse import urlsplit

from aiohttp.abc import AbstractResolver, ResolveResult

from shared.engine.outcomes import PermanentError, TransientError

_LOOPBACK: Final = frozenset({"127.0.0.1", "localhost", "::1"})
_WIRE_SERVER: Final = ipaddress.ip_address("168.63.129.16")
"""A public number that leads to the platform inside every Azure network
(https://learn.microsoft.com/azure/virtual-network/what-is-ip-address-168-63-129-16)."""
_NAT64: Final = ipaddress.ip_network("64:ff9b::/96")
_SLOWEST: Final = 5.0


def check(url: str, *, loopback: bool) -> None:
    """Raise PermanentError where the address itself tells that it is not to be sent to.

    `loopback`: whether this machine may be sent to, by http too; never any other internal address.
    """
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname or "", parts.port
    except ValueError as error:
        raise PermanentError(f"the address is none: {error}") from None
    ours = host in _LOOPBACK
    if parts.scheme != "https" and not (parts.scheme == "http" and ours and loopback):
        raise PermanentError("only https:// is sent to (http:// on this machine, where the settings allow it)")
    if not host or "@" in parts.netloc:
        raise PermanentError("the address has no host, or a name and password in it")
    try:
        numbers = [ipaddress.ip_address(host)]
    except ValueError:
        return
    for number in numbers:
        if internal(number) and not (ours and loopback):
            raise PermanentError(f"{host} is an internal address: the hub sends to public ones only")


def internal(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
    """Tell whether an address is not one of the public internet, or holds one inside that is not."""
    if isinstance(address, ipaddress.IPv6Address):
        held = address.ipv4_mapped or address.sixtofour or (address.teredo[1] if address.teredo else None)
        if address in _NAT64:
            held = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
        if held is not None and internal(held):
            return True
    return address == _WIRE_SERVER or not address.is_global or address.is_multicast or address.is_reserved


class PublicResolver(AbstractResolver):
    """Resolves names for a connection, and gives public addresses only: what is checked is what is connected to."""

    def __init__(self, *, loopback: bool) -> None:
        self._loopback = loopback

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """Give the addresses; raises PermanentError where the name leads inside, TransientError where to nothing."""
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(_SLOWEST):
                infos = await loop.getaddrinfo(host, port, family=family, type=socket.SOCK_STREAM)
        except (OSError, TimeoutError) as error:
            raise TransientError(f"{host} cannot be resolved: {error}") from None
        found: list[ResolveResult] = []
        for kind, _, protocol, _, place in infos:
            number = str(place[0])
            if internal(ipaddress.ip_address(number)) and not (self._loopback and host in _LOOPBACK):
                raise PermanentError(
                    f"{host} leads to the internal address {number}: the hub sends to public ones only"
                )
            found.append(
                ResolveResult(
                    hostname=host, host=number, port=port, family=kind, proto=protocol, flags=socket.AI_NUMERICHOST
                )
            )
        return found

    async def close(self) -> None:
        """Nothing is kept open."""
