"""Child processes that never outlive their parent: killed with it even where it is killed by force (Linux)."""

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

_PR_SET_PDEATHSIG: Final = 1
_PR_SET_CHILD_SUBREAPER: Final = 36


def _prctl(option: int, value: int) -> None:
    if sys.platform.startswith("linux"):
        ctypes.CDLL(None, use_errno=True).prctl(option, value, 0, 0, 0)


def adopt_orphans() -> None:
    """Make this process the parent of whatever its children leave behind, so that it can end that too."""
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)


def die_with_parent(death: int = signal.SIGKILL) -> None:
    """Have the kernel end this process when its parent ends."""
    _prctl(_PR_SET_PDEATHSIG, death)


def spawn(
    command: Sequence[str],
    *,
    log: Path,
    environ: Mapping[str, str] | None = None,
    folder: Path | None = None,
    death: int = signal.SIGKILL,
) -> "subprocess.Popen[bytes]":
    """Start a program in a process group of its own that ends when this process does; its output goes to `log`.

    The program is started through this module, which asks the kernel for that before it becomes the program. Where the
    parent has ended in between, it does not start. `death` is the signal that the kernel sends it when its parent ends:
    SIGTERM for a program that is sure to end and must write what it holds first.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as output:
        return subprocess.Popen(
            [sys.executable, "-S", "-E", str(Path(__file__)), str(os.getpid()), str(int(death)), *command],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=None if environ is None else dict(environ),
            cwd=folder,
            start_new_session=True,
        )


def spawn_detached(command: Sequence[str], *, log: Path) -> "subprocess.Popen[bytes]":
    """Start a program that outlives this one, in a session of its own; its output goes to `log`."""
    with log.open("ab") as output:
        return subprocess.Popen(
            list(command), stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, start_new_session=True
        )


def stop(process: "subprocess.Popen[bytes]", *, patience: float = 5.0) -> None:
    """End a program and its whole group: asked first, killed after `patience` seconds."""
    _signal_group(process.pid, signal.SIGTERM)
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(patience)
    _signal_group(process.pid, signal.SIGKILL)
    process.wait(patience)


def _signal_group(group: int, number: int) -> None:
    try:
        os.killpg(group, number)
    except (ProcessLookupError, PermissionError):
        return


def reap(deadline: float = 3.0) -> None:
    """Kill and reap every descendant that is left, for at most `deadline` seconds."""
    end = time.monotonic() + deadline
    while time.monotonic() < end:
        for child in children(os.getpid()):
            try:
                os.kill(child, signal.SIGKILL)
            except ProcessLookupError:
                continue
        try:
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        except ChildProcessError:
            return
        time.sleep(0.02)


def children(parent: int) -> list[int]:
    """Give the processes whose parent is `parent`."""
    found: list[int] = []
    for entry in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = entry.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[1]) == parent:
            found.append(int(entry.parent.name))
    return found


def _become(parent: int, death: int, command: Sequence[str]) -> None:
    die_with_parent(death)
    if os.getppid() != parent:
        raise SystemExit(1)
    os.execvp(command[0], list(command))  # noqa: S606 the command is the cloud's own


if __name__ == "__main__":
    _become(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3:])
