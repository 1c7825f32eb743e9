"""Azurite, Microsoft's storage emulator: how it is started here."""

import os
from collections.abc import Mapping
from pathlib import Path

from local.config import ACCOUNTS, AZURITE_KEY, REPOSITORY
from local.node import node


def command(folder: Path, *, blob: int, queue: int, table: int) -> list[str]:
    """Give the command; raises RuntimeError where Node.js or Azurite is not installed."""
    script = REPOSITORY / "node_modules" / "azurite" / "dist" / "src" / "azurite.js"
    if not script.is_file():
        raise RuntimeError("Azurite is not installed in node_modules: run `make setup`")
    ports = ["--blobPort", str(blob), "--queuePort", str(queue), "--tablePort", str(table)]
    hosts = ["--blobHost", "127.0.0.1", "--queueHost", "127.0.0.1", "--tableHost", "127.0.0.1"]
    quiet = ["--silent", "--disableTelemetry", "--skipApiVersionCheck"]
    return [str(node()), str(script), "--location", str(folder), *ports, *hosts, *quiet]


def environment(base: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Give the environment: the accounts, each with the public key."""
    return {**base, "AZURITE_ACCOUNTS": ";".join(f"{name}:{AZURITE_KEY}" for name in ACCOUNTS)}
