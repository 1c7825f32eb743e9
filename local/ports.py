"""Who listens where: finds the port of a cloud that another program holds, and that program."""

import contextlib
import fcntl
import os
import random
import socket
import tempfile
import time
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


def check_free(ports: Iterable[int], patience: float = 0.0) -> None:
    """Raise PortInUseError for the first port that is taken and stays so for `patience` seconds."""
    end = time.monotonic() + patience
    for port in ports:
        while not is_free(port):
            if time.monotonic() < end:
                time.sleep(0.05)
                continue
            holder = _holder(port)
            raise PortInUseError(
                f"port {port} is in use{f' by {holder}' if holder else ''}: stop it (`make down` stops another laptop "
                "cloud), or choose other ports, for instance with HUB_PORT_BASE=8071"
            )


def free_base(count: int) -> int:
    """Give the first of `count` neighbouring ports that are free; raises PortInUseError where there are none.

    They stay this process's own until it ends: no other process that asks here gets them, many tests at once included.
    They lie below the ports that the kernel gives to outgoing connections.
    """
    folder = Path(tempfile.gettempdir()) / f"laptop-cloud-ports-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    bases = list(range(_LOWEST, _HIGHEST - count, _BLOCK))
    random.shuffle(bases)
    for base in bases:
        blocks = [_reserved(folder / str(block)) for block in range(base, base + count, _BLOCK)]
        if all(block is not None for block in blocks) and all(is_free(port) for port in range(base, base + count)):
            return base
        for descriptor in blocks:
            if descriptor is not None:
                os.close(descriptor)
    raise PortInUseError(f"no {count} neighbouring ports from {_LOWEST} to {_HIGHEST} are free")


_LOWEST: Final = 20_000
_HIGHEST: Final = 32_000
_BLOCK: Final = 30


def _reserved(path: Path) -> int | None:
    """Lock a block of ports for the life of this process; None where another process has it."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        return None
    return descriptor


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
