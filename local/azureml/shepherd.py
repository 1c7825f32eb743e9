"""Keeps a job's processes together: starts the command, hands on its exit code, and kills the whole group when the
emulator is gone, even where that was killed by force.

Run as a script, without the project on its path: `shepherd.py <parent's id> <command> ...`.
"""

import ctypes
import os
import signal
import subprocess
import sys


def _end(*_: object) -> None:
    os.killpg(0, signal.SIGKILL)


def main(parent: int, command: list[str]) -> int:
    """Run the command; gives its exit code, 128 + n where a signal n ended it."""
    signal.signal(signal.SIGUSR2, _end)
    # Asked to end (cancelled), the command decides how; the shepherd waits for it.
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if sys.platform.startswith("linux"):
        ctypes.CDLL(None).prctl(1, signal.SIGUSR2, 0, 0, 0)
    if os.getppid() != parent:
        return 1
    with subprocess.Popen(command, preexec_fn=_default_signals) as child:  # noqa: PLW1509 there are no threads here
        code = child.wait()
    return code if code >= 0 else 128 - code


def _default_signals() -> None:
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.signal(signal.SIGUSR2, signal.SIG_DFL)


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), sys.argv[2:]))
