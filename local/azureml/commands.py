"""What a job's command line says once its placeholders are filled in: inputs, outputs, optional groups, durations."""

import re
from collections.abc import Mapping
from typing import Final

from local.azureml.wire import invalid

_PLACEHOLDER: Final = re.compile(r"\$\{\{\s*(inputs|outputs|search_space)\.([A-Za-z0-9_.\-]+)\s*\}\}")
_OPTIONAL: Final = re.compile(r"\$\[\[(.*?)\]\]", re.DOTALL)
_DURATION: Final = re.compile(
    r"P(?:(?P<days>\d+)D)?(?:T(?:(?P<hours>\d+)H)?(?:(?P<minutes>\d+)M)?(?:(?P<seconds>\d+(?:\.\d+)?)S)?)?"
)


def filled(command: str, inputs: Mapping[str, str], outputs: Mapping[str, str]) -> str:
    """Fill in `${{inputs.x}}`, `${{outputs.y}}`, `${{search_space.z}}`; `$[[ ]]` goes where an input of it is absent.

    Raises ArmError naming the first placeholder that has no value. See
    https://learn.microsoft.com/azure/machine-learning/reference-yaml-job-command (optional inputs).
    """
    values = {"inputs": inputs, "search_space": inputs, "outputs": outputs}

    def optional(match: re.Match[str]) -> str:
        used = _PLACEHOLDER.findall(match[1])
        return match[1] if all(name in values[kind] for kind, name in used) else ""

    def value(match: re.Match[str]) -> str:
        kind, name = match[1], match[2]
        if name not in values[kind]:
            known = ", ".join(values[kind]) or "none"
            raise invalid(f"The command uses ${{{{{kind}.{name}}}}}, which the job does not have; its {kind}: {known}.")
        return values[kind][name]

    return _PLACEHOLDER.sub(value, _OPTIONAL.sub(optional, command))


def placeholders(command: str) -> set[tuple[str, str]]:
    """Give kind and name of the placeholders outside optional groups: those must have a value."""
    return set(_PLACEHOLDER.findall(_OPTIONAL.sub("", command)))


def seconds(duration: str) -> float:
    """Read an ISO 8601 duration such as PT30M; raises ArmError where it is none."""
    found = _DURATION.fullmatch(duration.strip())
    if not found or not any(found.groups()):
        raise invalid(f"'{duration}' is not an ISO 8601 duration such as PT30M.")
    parts = {key: float(text or 0) for key, text in found.groupdict().items()}
    return parts["days"] * 86400 + parts["hours"] * 3600 + parts["minutes"] * 60 + parts["seconds"]
