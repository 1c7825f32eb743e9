"""Points of search spaces, and policies that give trials up."""

from itertools import pairwise

import pytest

from local.azureml.sampling import samples
from local.azureml.stopping import policy

SPACE = {
    "rate": ["uniform", [0.1, 0.9]],
    "depth": ["choice", [[1, 2, 3]]],
    "steps": ["quniform", [10, 100, 10]],
    "scale": ["loguniform", [-4.0, 0.0]],
    "seed": ["randint", [5]],
    "width": ["normal", [10, 2]],
}


@pytest.mark.parametrize("rule", ["random", "sobol"])
def test_random_points_lie_in_their_space_and_come_again_with_the_same_seed(rule: str) -> None:
    given = {"samplingAlgorithmType": "Random", "seed": 7, "rule": rule}
    points = samples(SPACE, given, 50)
    assert points == samples(SPACE, given, 50)
    for point in points:
        assert 0.1 <= float(point["rate"]) <= 0.9
        assert point["depth"] in {"1", "2", "3"}
        assert float(point["steps"]) % 10 == 0
        assert 0.018 <= float(point["scale"]) <= 1
        assert 0 <= int(point["seed"]) < 5
        assert 0 < float(point["width"]) < 25
    assert len({point["rate"] for point in points}) > 40


def test_sobol_points_are_spread_more_evenly_than_any_two_neighbours_are_far() -> None:
    given = {"samplingAlgorithmType": "Random", "rule": "sobol"}
    values = sorted(float(point["rate"]) for point in samples({"rate": ["uniform", [0, 1]]}, given, 15))
    assert max(after - before for before, after in pairwise(values)) < 0.13


def test_a_grid_is_every_combination_up_to_the_limit() -> None:
    space = {"a": ["choice", [[1, 2]]], "b": ["choice", [["x", "y", "z"]]]}
    assert len(samples(space, {"samplingAlgorithmType": "Grid"}, 100)) == 6
    assert samples(space, {"samplingAlgorithmType": "Grid"}, 2) == [{"a": "1", "b": "x"}, {"a": "1", "b": "y"}]


@pytest.mark.parametrize(
    ("given", "maximize", "logged", "ended"),
    [
        ({"policyType": "Bandit", "slackFactor": 0.1}, True, {0: [1.0], 1: [0.92], 2: [0.8]}, [2]),
        ({"policyType": "Bandit", "slackFactor": 0.1}, False, {0: [10.0], 1: [10.9], 2: [11.5]}, [2]),
        ({"policyType": "Bandit", "slackAmount": 5, "delayEvaluation": 2}, True, {0: [9.0] * 3, 1: [1.0] * 2}, []),
        ({"policyType": "MedianStopping", "evaluationInterval": 2}, False, {0: [1, 1], 1: [2, 2], 2: [9, 9]}, [2]),
        ({"policyType": "TruncationSelection", "truncationPercentage": 34}, True, {0: [1], 1: [2], 2: [3]}, [0]),
    ],
)
def test_policies_give_up_what_lags_behind(
    given: dict[str, object], maximize: bool, logged: dict[int, list[float]], ended: list[int]
) -> None:
    judge = policy(given, maximize=maximize)
    assert judge is not None
    assert judge.given_up(logged, list(logged)) == ended
