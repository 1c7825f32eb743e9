"""Routes of HTTP functions: literal parts, `{name}`, `{name?}`, `{*rest}`; the more literal route wins."""

import re
from collections.abc import Sequence
from urllib.parse import unquote

from local.functions.worker import FunctionSpec


class Router:
    """Finds the function for a method and path."""

    def __init__(self, specs: Sequence[FunctionSpec], prefix: str) -> None:
        self._routes = sorted(
            ((_weight(route), _compile(prefix, route), spec) for spec in specs for route in [_route(spec)]),
            key=lambda item: item[0],
        )

    def find(self, method: str, path: str) -> tuple[FunctionSpec, dict[str, str]] | None:
        """Give the function and the values of its route, or None."""
        for _, pattern, spec in self._routes:
            match = pattern.fullmatch(path)
            methods = [str(name).upper() for name in spec.trigger.get("methods") or ()]
            if match and (not methods or method in methods):
                values = match.groupdict()
                return spec, {name: unquote(value) for name, value in values.items() if value is not None}
        return None


def _route(spec: FunctionSpec) -> str:
    route = spec.trigger.get("route")
    return str(spec.name if route is None else route).strip("/")


def _weight(route: str) -> tuple[int, int, str]:
    parts = route.split("/")
    return sum("{*" in part for part in parts), sum(part.startswith("{") for part in parts), route


def _compile(prefix: str, route: str) -> re.Pattern[str]:
    text = f"/{prefix}" if prefix else ""
    for part in route.split("/"):
        if not part:
            continue
        match = re.fullmatch(r"\{(\*?)(\w+)(?::\w+)?(\??)\}", part)
        if match is None:
            text += "/" + re.escape(part)
        elif match[1]:
            text += rf"/(?P<{match[2]}>.*)"
        else:
            text += rf"(?:/(?P<{match[2]}>[^/]+))" + ("?" if match[3] else "")
    return re.compile(text + "/?", re.IGNORECASE)
