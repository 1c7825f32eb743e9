"""Who listens where: finds the port of a cloud that another program holds, and that program."""

import contextlib
import socket
from collections.abc import Iterable
from pathlib import Path
from typing import Final

_LISTENING: Final = "0A"


class PortInUseError(Exception):
    """Another program listens on a port of this cloud; the text names both and says what to do."""


def is_free(port: int) -> bool:
    """Tell whether nothing listens on a loopback port."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        with contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return True
    return False


def check_free(ports: Iterable[int]) -> None:
    """Raise PortInUseError for the first port that is taken."""
    for port in ports:
        if not is_free(port):
            holder = _holder(port)
            raise PortInUseError(
                f"port {port} is in use{f' by {holder}' if holder else ''}: stop it (`make down` stops another laptop "
                "cloud), or choose other ports, for instance with HUB_PORT_BASE=8071"
            )


def free_base(count: int) -> int:
    """Give the first of `count` neighbouring ports that are free now; raises PortInUseError where there are none."""
    for _ in range(200):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            base: int = probe.getsockname()[1]
        if base + count < 60_000 and all(is_free(port) for port in range(base, base + count)):
            return base
    raise PortInUseError(f"no {count} neighbouring ports are free")


def _holder(port: int) -> str:
    """Give "process 123 (its command)" of the program that listens, or nothing where that cannot be seen (Linux)."""
    inodes = set()
    for table in (Path("/proc/net/tcp"), Path("/proc/net/tcp6")):
        with contextlib.suppress(OSError):
            for line in table.read_text().splitlines()[1:]:
                fields = line.split()
                if fields[3] == _LISTENING and int(fields[1].rpartition(":")[2], 16) == port:
                    inodes.add(f"socket:[{fields[9]}]")
    for descriptor in Path("/proc").glob("[0-9]*/fd/*") if inodes else ():
        with contextlib.suppress(OSError):
            if str(descriptor.readlink()) in inodes:
                process = descriptor.parent.parent
                command = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
                return f"process {process.name} ({command[:80]})"
    return ""
