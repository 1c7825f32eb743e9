"""Runs one bench in a process of its own, so that it inherits neither memory nor clients of those before it."""

import importlib
import multiprocessing
from concurrent.futures import ProcessPoolExecutor

from bench.figures import Figure


def alone(name: str) -> list[Figure]:
    """Give the figures of a bench; raises what it raised."""
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as process:
        return process.submit(_measure, name).result()


def _measure(name: str) -> list[Figure]:
    return list(importlib.import_module(f"bench.{name}").figures())
