"""Whether the quota of a region has room for a deployment's instances, by what Azure ML tells of sizes and usage."""

import math
import re
from collections.abc import Mapping
from typing import Any, Final

_SPARE: Final = 1.2
"""Azure ML keeps a fifth more for upgrades: ceil(1.2 x instances) x cores must be free
(https://learn.microsoft.com/azure/machine-learning/how-to-manage-quotas#virtual-machine-quota-allocation-for-deployment).
"""


def shortage(instance_type: str, instances: int, sizes: Mapping[str, Any], usages: Mapping[str, Any]) -> str:
    """Say what is missing for so many further instances, "" where nothing is, or the service does not tell.

    `sizes` and `usages` are the service's answers to
    `Microsoft.MachineLearningServices/locations/{location}/vmSizes` and `…/usages`.
    """
    wanted = _plain(instance_type)
    size = next((one for one in _values(sizes) if _plain(str(one.get("name"))) == wanted), None)
    if size is None:
        return ""
    family = str(size.get("family") or "")
    usage = next((one for one in _values(usages) if _is_of(one, family)), None) if family else None
    if usage is None:
        return ""
    needed = math.ceil(_SPARE * instances) * int(size.get("vCPUs") or 0)
    free = int(usage.get("limit") or 0) - int(usage.get("currentValue") or 0)
    if int(usage.get("limit") or 0) < 0 or needed <= free:  # -1: without a limit
        return ""
    return (
        f"{instances} x {instance_type} needs {needed} free cores of {family} (a fifth to spare, for upgrades), and "
        f"{max(0, free)} of {usage.get('limit')} are free: raise the quota, or remove a deployment, then retry"
    )


def _values(answer: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    found = answer.get("value") or []
    return [one for one in found if isinstance(one, Mapping)]


def _is_of(usage: Mapping[str, Any], family: str) -> bool:
    """Tell whether a usage counts dedicated cores of a family: `standardDSv2Family` is Standard DSv2 Family …"""
    name = usage.get("name")
    said = _plain(str(name.get("value") if isinstance(name, Mapping) else name))
    return said.startswith(_plain(family)) and "lowpriority" not in said


def _plain(text: str) -> str:
    return re.sub(r"[^a-z0-9]", "", text.lower())
