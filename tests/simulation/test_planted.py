"""A bug for each invariant is planted, and found by a storm within 20 seeds: what finds nothing proves nothing."""

import pytest

from tests.simulation.planted import PLANTED
from tests.simulation.storms import simulate

SEEDS = range(20)


@pytest.mark.parametrize("invariant", PLANTED)
def test_a_planted_bug_is_found(invariant: str, monkeypatch: pytest.MonkeyPatch) -> None:
    PLANTED[invariant](monkeypatch)
    number = f"{invariant.partition(',')[0]}:"
    for seed in SEEDS:
        found = simulate(seed, 160, hours=4, faults=1 / 150, eager=True).wrong
        if any(sentence.startswith(number) for sentence in found):
            return
    pytest.fail(f"20 seeds found nothing against invariant {invariant}, only {found[:3]}")
