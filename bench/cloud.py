"""How soon a laptop cloud is ready, in a test's fixture as in `make up`, and what memory its parts take."""

import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from bench.figures import Figure, at_most
from bench.processes import megabytes
from local.config import REPOSITORY
from local.testing import LaptopCloud

READY: Final = 15.0
AZUREML: Final = 150.0
_SETTLED: Final = 3.0


def figures() -> Iterator[Figure]:
    """Start a cloud in an empty folder, look at its parts, end it, and start it again where it left off."""
    with tempfile.TemporaryDirectory(prefix="bench-cloud-") as folder:
        laptop = LaptopCloud(Path(folder), REPOSITORY, {})
        try:
            yield at_most("a new cloud is ready", _start(laptop), "s", READY)
            time.sleep(_SETTLED)
            memory = {name: megabytes(int(part["pid"])) for name, part in laptop.parts().items()}
            yield at_most("Azure ML without jobs and MLflow", memory["azureml"], "MB", AZUREML)
            yield Figure("the whole cloud", sum(memory.values()), "MB")
            began = time.perf_counter()
            laptop.end()
            yield Figure("a cloud has ended", time.perf_counter() - began, "s")
            yield at_most("the same cloud is ready again", _start(laptop), "s", READY)
        finally:
            laptop.close()


def _start(laptop: LaptopCloud) -> float:
    began = time.perf_counter()
    laptop.start()
    return time.perf_counter() - began
