"""A storm of events with a fresh seed, printed where it finds something: nothing is lost, nothing happens twice."""

import os
import random

from tests.simulation.storms import simulate

SEED = int(os.environ.get("SEED") or random.SystemRandom().randrange(10**6))


def test_a_storm_loses_nothing_and_doubles_nothing() -> None:
    told = simulate(SEED, 2000)
    print(told.figures())
    assert not told.wrong, f"make simulate SEED={SEED} EVENTS=2000: {told.wrong[:3]}"
    assert told.storm.crashes + told.storm.refusals > 0


def test_the_same_seed_gives_the_same_storm() -> None:
    one, two = simulate(7, 400), simulate(7, 400)
    assert one.storm.digest.hexdigest() == two.storm.digest.hexdigest()
    assert one.storm.writes == two.storm.writes
