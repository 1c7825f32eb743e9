"""The bill of materials (CycloneDX 1.6) of installed Python distributions, and what their licences allow."""

import re
import uuid
from collections.abc import Mapping
from importlib.metadata import Distribution, distributions
from pathlib import Path
from typing import Any, Final

_FREE: Final[tuple[tuple[str, str], ...]] = (
    ("Apache-2.0", r"apache"),
    ("MPL-2.0", r"mpl[- ]?2|mozilla public license 2"),
    ("PSF-2.0", r"psf|python software foundation"),
    ("BSD-3-Clause", r"bsd[- ]3|3-clause|new bsd|modified bsd"),
    ("BSD-2-Clause", r"bsd[- ]2|2-clause|simplified bsd"),
    ("BSD-3-Clause", r"bsd"),
    ("ISC", r"\bisc\b"),
    ("Unlicense", r"unlicense"),
    ("MIT", r"\bmit\b"),
)
"""SPDX id and how packages name it; the first that fits counts. All may go out with a product under MIT."""
_NOT_FREE: Final = re.compile(r"\b(a?gpl|lgpl|gnu|sspl|busl|commons clause|proprietary)\b", re.IGNORECASE)


def bill_of_materials(folder: Path) -> dict[str, Any]:
    """Give the bill of what is installed in a folder, the same for the same content."""
    components = [_component(one) for one in distributions(path=[str(folder)])]
    components.sort(key=lambda one: one["purl"])
    text = "\n".join(one["purl"] for one in components)
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_URL, text)}",
        "version": 1,
        "metadata": {"component": {"type": "application", "name": "azureml-automation-hub", "bom-ref": "hub"}},
        "components": components,
    }


def _component(one: Distribution) -> dict[str, Any]:
    name = re.sub(r"[-_.]+", "-", one.metadata["Name"]).lower()
    purl = f"pkg:pypi/{name}@{one.version}"
    component: dict[str, Any] = {
        "type": "library",
        "name": name,
        "version": one.version,
        "purl": purl,
        "bom-ref": purl,
    }
    if licence := licence_of(one):
        component["licenses"] = [{"license": {"id": licence}}]
    return component


def licence_of(one: Distribution) -> str:
    """Give the SPDX id of a distribution's licence, or "" where its metadata does not tell."""
    said = " ".join(one.metadata.get_all("License-Expression") or ())
    classified = " ".join(
        value.rpartition("::")[2]
        for value in one.metadata.get_all("Classifier") or ()
        if value.startswith("License ::")
    )
    free_text = "\n".join(one.metadata.get_all("License") or ())
    for words in (said, classified, free_text.partition("\n")[0]):
        if _NOT_FREE.search(words) and not re.search(r"\bOR\b", words):
            return ""
        for identifier, pattern in _FREE:
            if re.search(pattern, words, re.IGNORECASE):
                return identifier
    return ""


def licence_problems(bill: Mapping[str, Any]) -> list[str]:
    """Give the components whose licence is unknown, or none of those that may go out."""
    return [
        f"{one['name']} {one['version']}: its licence is unknown or may not go out: look at it (tools/sbom.py)"
        for one in bill["components"]
        if not one.get("licenses")
    ]
