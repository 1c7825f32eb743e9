"""Quota: what the service tells of sizes and usage, and what cannot be told."""

from typing import Any

import pytest

from shared.deciding.quota import shortage

SIZES: dict[str, Any] = {
    "value": [
        {"name": "Standard_DS2_v2", "family": "standardDSv2Family", "vCPUs": 2},
        {"name": "Standard_D2", "family": "standardDFamily", "vCPUs": 2},
    ]
}


def usages(used: int, limit: int) -> dict[str, Any]:
    """As https://learn.microsoft.com/rest/api/azureml/usages/list answers."""
    return {
        "value": [
            {"currentValue": 90, "limit": 100, "name": {"value": "Total Cluster Dedicated Regional vCPUs"}},
            {"currentValue": 0, "limit": 0, "name": {"value": "Standard D Family Cluster Dedicated vCPUs"}},
            {"currentValue": used, "limit": limit, "name": {"value": "Standard DSv2 Family Cluster Dedicated vCPUs"}},
        ]
    }


@pytest.mark.parametrize(
    ("kind", "instances", "used", "limit", "expected"),
    [
        ("Standard_DS2_v2", 1, 0, 4, ""),
        ("standard_ds2_v2", 5, 0, 12, ""),
        ("Standard_DS2_v2", 5, 1, 12, "needs 12 free cores of standardDSv2Family"),
        ("Standard_DS2_v2", 1, 3, 4, "and 1 of 4 are free"),
        ("Standard_DS2_v2", 1, 9, 4, "and 0 of 4 are free"),
        ("Standard_DS2_v2", 1, 9, -1, ""),
        ("Standard_D2", 1, 0, 4, "standardDFamily"),
        ("Standard_Unknown", 1, 9, 4, ""),
    ],
)
def test_whether_there_is_room(kind: str, instances: int, used: int, limit: int, expected: str) -> None:
    said = shortage(kind, instances, SIZES, usages(used, limit))
    assert bool(said) == bool(expected)
    assert expected in said


@pytest.mark.parametrize("usage", [{}, {"value": None}, {"value": ["x", {}]}, {"value": [{"name": "x"}]}])
def test_what_the_service_does_not_tell_passes(usage: dict[str, Any]) -> None:
    assert shortage("Standard_DS2_v2", 1, SIZES, usage) == ""
    assert shortage("Standard_DS2_v2", 1, usage, usages(9, 9)) == ""
