"""`make simulate`: crashes at each write of every path (CRASHES=all), or a storm of events (SEED, EVENTS)."""

import asyncio
import os
import random
import sys
import tempfile
import time
from pathlib import Path

from tests.simulation import storms
from tests.simulation.crashes import enumerate_crashes
from tests.simulation.paths import PATHS
from tests.simulation.stage import staged


async def crashes(seed: int) -> int:
    """Try every fault at every write of every path whose name holds CRASHES (`all` for all of them)."""
    wanted = os.environ["CRASHES"]
    failed = 0
    for name, path in PATHS.items():
        if wanted not in {"all", name} and wanted not in name:
            continue
        began = time.process_time()
        with tempfile.TemporaryDirectory() as folder:
            count, wrong = await enumerate_crashes(Path(folder), path, seed=seed, all_of_them=True)
        print(f"{name}: {count} faults, {len(wrong)} wrong, {time.process_time() - began:.1f} s", flush=True)
        for sentence in wrong[:5]:
            print(f"    {sentence[:2000]}", flush=True)
        failed += len(wrong)
    return failed


def main() -> int:
    """Run what the environment asks for; 0 where nothing is wrong."""
    seed = int(os.environ.get("SEED") or random.SystemRandom().randrange(10**6))
    print(f"SEED={seed}", flush=True)
    if os.environ.get("CRASHES"):
        return 1 if asyncio.run(crashes(seed)) else 0
    told = storms.simulate(seed, int(os.environ.get("EVENTS") or 20_000), lambda line: print(line, flush=True))
    for sentence in told.wrong[:20]:
        print(f"WRONG {sentence[:1000]}")
    print(told.figures())
    return 1 if told.wrong else 0


if __name__ == "__main__":
    with staged():
        sys.exit(main())
