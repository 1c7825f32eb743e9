"""Routes of HTTP functions: literal parts, `{name}`, `{name?}`, `{*rest}`; the more literal route wins."""

import re
from collections.abc import Sequence
from urllib.parse import unquote

from local.functions.worker import AppError, FunctionSpec

# Of https://learn.microsoft.com/aspnet/core/fundamentals/routing#route-constraints those that stand for themselves.
_CONSTRAINTS = {
    "": "[^/]+",
    "alpha": "[A-Za-z]+",
    "bool": "true|false",
    "double": r"-?[0-9]+(?:\.[0-9]+)?",
    "guid": "[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}",
    "int": "-?[0-9]{1,10}",
    "long": "-?[0-9]{1,19}",
}


class Router:
    """Finds the function for a method and path."""

    def __init__(self, specs: Sequence[FunctionSpec], prefix: str) -> None:
        self._routes = sorted(
            ((_weight(route), _compile(prefix, route), spec) for spec in specs for route in [_route(spec)]),
            key=lambda item: item[0],
        )

    def find(self, method: str, path: str) -> tuple[FunctionSpec, dict[str, str]] | None:
        """Give the function and the values of its route, or None; `path` is as it stands in the request line."""
        plain = unquote(re.sub("%2f", "%252F", path, flags=re.IGNORECASE))  # the web server leaves a slash encoded
        for _, pattern, spec in self._routes:
            match = pattern.fullmatch(plain)
            methods = [str(name).upper() for name in spec.trigger.get("methods") or ()]
            if match and (not methods or method in methods):
                return spec, {name: value for name, value in match.groupdict().items() if value is not None}
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
        match = re.fullmatch(r"\{(\*?)(\w+)(?::(\w+))?(\??)\}", part)
        if match is None and "{" in part:
            raise AppError(f"route {route!r}: {part!r} is no `{{name}}`, `{{name?}}`, `{{name:int}}` or `{{*rest}}`")
        if match is None:
            text += "/" + re.escape(part)
        elif match[1]:
            text += rf"(?:/(?P<{match[2]}>.*))?"
        elif match[3] and match[3] not in _CONSTRAINTS:
            known = ", ".join(sorted(_CONSTRAINTS))
            raise AppError(f"route {route!r}: the constraint {match[3]!r} is not known here; known: {known}")
        else:
            text += rf"(?:/(?P<{match[2]}>{_CONSTRAINTS[match[3] or '']}))" + ("?" if match[4] else "")
    return re.compile(text + "/?", re.IGNORECASE)
