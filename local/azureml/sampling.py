"""Points of a search space: every combination, or drawn at random with a seed.

Expressions: https://learn.microsoft.com/azure/machine-learning/reference-yaml-job-sweep
"""

import itertools
import math
import random
from collections.abc import Callable, Iterator
from typing import Any, Final

from local.azureml.wire import Json, invalid

Values = dict[str, str]
_GRID: Final = frozenset({"choice"})


def check_space(space: Json, algorithm: Json) -> None:
    """Raise ArmError where the space or the algorithm is not known here."""
    kind = _kind(algorithm)
    if kind not in {"grid", "random"}:
        raise invalid(f"The sampling algorithm '{kind}' is not run on a laptop: grid and random are.")
    for name, expression in space.items():
        word = _word(name, expression)
        if word not in _DRAW:
            raise invalid(f"The search space of '{name}' is '{word}': known are {', '.join(_DRAW)}.")
        if kind == "grid" and word not in _GRID:
            raise invalid(f"Grid sampling takes choices only; '{name}' is '{word}'.")


def samples(space: Json, algorithm: Json, most: int) -> list[Values]:
    """Give at most `most` points; the same for the same space and seed. A seed that is not given is 0."""
    if _kind(algorithm) == "grid":
        names = list(space)
        everything = itertools.product(*(space[name][1][0] for name in names))
        return [
            {name: _text(value) for name, value in zip(names, point, strict=True)}
            for point in itertools.islice(everything, most)
        ]
    source = random.Random(int(algorithm.get("seed") or 0))  # noqa: S311 a search is no secret
    if str(algorithm.get("rule") or "random").lower() == "sobol":
        draws = _halton(len(space), most)
    else:
        draws = ([source.random() for _ in space] for _ in range(most))
    return [
        {
            name: _text(_DRAW[_word(name, space[name])](_arguments(space[name]), at))
            for name, at in zip(space, row, strict=True)
        }
        for row in draws
    ]


def _kind(algorithm: Json) -> str:
    return str(algorithm.get("samplingAlgorithmType") or "Random").lower()


def _word(name: str, expression: Any) -> str:
    if not isinstance(expression, list) or len(expression) != 2:
        raise invalid(f"The search space of '{name}' is not [expression, arguments].")
    return str(expression[0]).lower()


def _arguments(expression: list[Any]) -> list[Any]:
    return list(expression[1])


def _text(value: Any) -> str:
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        return str(int(value))
    return str(value)


def _normal(at: float, mean: float, deviation: float) -> float:
    from statistics import NormalDist

    return NormalDist(mean, deviation).inv_cdf(min(max(at, 1e-9), 1 - 1e-9))


def _rounded(value: float, step: float) -> float:
    return round(value / step) * step


_DRAW: Final[dict[str, Callable[[list[Any], float], Any]]] = {
    "choice": lambda given, at: given[0][min(int(at * len(given[0])), len(given[0]) - 1)],
    "randint": lambda given, at: int(at * given[0]),
    "uniform": lambda given, at: given[0] + at * (given[1] - given[0]),
    "quniform": lambda given, at: _rounded(given[0] + at * (given[1] - given[0]), given[2]),
    "loguniform": lambda given, at: math.exp(given[0] + at * (given[1] - given[0])),
    "qloguniform": lambda given, at: _rounded(math.exp(given[0] + at * (given[1] - given[0])), given[2]),
    "normal": lambda given, at: _normal(at, given[0], given[1]),
    "qnormal": lambda given, at: _rounded(_normal(at, given[0], given[1]), given[2]),
    "lognormal": lambda given, at: math.exp(_normal(at, given[0], given[1])),
    "qlognormal": lambda given, at: _rounded(math.exp(_normal(at, given[0], given[1])), given[2]),
}
"""From the arguments of an expression and a number from 0 to 1 to a value."""


def _halton(width: int, count: int) -> Iterator[list[float]]:
    """Give evenly spread points (a Halton sequence, which spreads as the service's Sobol points do)."""
    primes: list[int] = []
    number = 2
    while len(primes) < width:
        if all(number % prime for prime in primes):
            primes.append(number)
        number += 1
    for index in range(1, count + 1):
        yield [_radical_inverse(index, prime) for prime in primes]


def _radical_inverse(index: int, base: int) -> float:
    value, fraction = 0.0, 1.0
    while index:
        fraction /= base
        value += fraction * (index % base)
        index //= base
    return value
