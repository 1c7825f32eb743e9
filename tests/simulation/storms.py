"""Runs a storm of so many events from a seed, and says what came of it: figures, and what was wrong."""

import resource
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from tests.simulation import invariants
from tests.simulation.loop import run
from tests.simulation.storm import FAULTS, Storm


@dataclass
class Told:
    """What came of a storm."""

    seed: int
    storm: Storm
    wrong: list[str] = field(default_factory=list)
    activities: Counter[str] = field(default_factory=Counter)
    seconds: float = 0.0

    def figures(self) -> str:
        """Say in figures what happened."""
        expected, storm = self.source, self.storm
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
        statuses = ", ".join(f"{count} {status}" for status, count in sorted(self.activities.items()))
        return (
            f"SEED={self.seed}: {expected.sent} events, {expected.duplicates} told twice, {expected.reordered} late, "
            f"{expected.dropped} told by nobody, {expected.broken} broken; {storm.crashes} crashes and "
            f"{storm.refusals} refusals in {storm.writes} writes; activities: {statuses}; "
            f"{len(storm.azureml.submitted)} jobs; {len(self.wrong)} wrong; "
            f"fingerprint {storm.digest.hexdigest()[:16]}; {self.seconds:.1f} s of CPU, {memory} MiB"
        )

    @property
    def source(self) -> "invariants.Expected":
        """What was sent."""
        return self.storm.source.expected


def simulate(
    seed: int,
    events: int,
    say: Callable[[str], None] = lambda line: None,
    *,
    hours: float = 48,
    faults: float = FAULTS,
    eager: bool = False,
) -> Told:
    """Let a storm blow, and `hours` to come to an end; the same seed and number of events always give the same.

    `eager` looks after every block and stops where something is wrong.
    """
    size = min(500, max(40, events // 200))
    blocks = max(1, events // size)
    began = time.process_time()
    with tempfile.TemporaryDirectory() as folder:
        told = Told(seed, Storm(Path(folder), seed=seed, faults=faults))

        async def look() -> None:
            told.wrong += await invariants.along(told.storm)
            sent = told.source.sent
            if eager and told.wrong:
                raise AssertionError("stopped: something is wrong already")
            say(f"{sent} events, {time.process_time() - began:.0f} s, {len(told.wrong)} wrong")

        async def whole() -> None:
            try:
                await told.storm.blow(blocks, size, look, hours, every=1 if eager else max(5, blocks // 20))
            except AssertionError as error:
                told.wrong.append(f"5: {error}")
            told.wrong += await invariants.at_the_end(told.storm)
            rows = await told.storm.rows("activities")
            told.activities = Counter(str(row.cells["status"]) for row in rows)

        run(whole())
    told.wrong = list(dict.fromkeys(told.wrong))
    told.seconds = time.process_time() - began
    return told
