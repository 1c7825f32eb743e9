"""Talks to a hub over HTTP: finds which one and the key to it, and turns every refusal into what to do next."""

import json
import os
import shlex
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

REPOSITORY: Final = Path(__file__).resolve().parent.parent
TIMEOUT: Final = 60.0
"""Seconds a request may take; `backtest` and `simulate` take longer and say so themselves."""
_LOOPBACK: Final = frozenset({"127.0.0.1", "localhost", "::1"})
_TRIES: Final = 4


class HubError(Exception):
    """The hub refused or cannot be reached; the message says what to do. `problem` is its problem document."""

    def __init__(self, message: str, status: int = 0, problem: Mapping[str, Any] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.problem = dict(problem or {})


@dataclass(frozen=True, slots=True)
class Target:
    """A hub: its address, the key to it, and where both were found."""

    url: str
    key: str = field(repr=False)
    source: str

    @property
    def laptop(self) -> bool:
        """Whether it is a laptop cloud."""
        return urllib.parse.urlsplit(self.url).hostname in _LOOPBACK


def local_dir(environ: Mapping[str, str] = os.environ) -> Path:
    """Give the folder of the laptop cloud's state."""
    return Path(environ.get("HUB_LOCAL_DIR") or REPOSITORY / ".local").absolute()


def env_file(folder: Path) -> dict[str, str]:
    """Read the `export`s that the laptop cloud left; empty where it never ran."""
    path = folder / "env"
    if not path.is_file():
        return {}
    values: dict[str, str] = {}
    for line in path.read_text().splitlines():
        for word in shlex.split(line.removeprefix("export "), comments=True):
            name, equals, value = word.partition("=")
            if equals:
                values[name] = value
    return values


def find(url: str | None, environ: Mapping[str, str] = os.environ) -> Target:
    """Give the hub that is meant: `--url`, else HUB_URL, else the laptop cloud. Raises HubError where there is none.

    The laptop's key is never sent to another address.
    """
    wanted = url or environ.get("HUB_URL", "")
    known = env_file(local_dir(environ))
    if not wanted:
        if "HUB_URL" not in known:
            raise HubError(
                f"no hub is known: start the laptop cloud with `make up` (none runs in {local_dir(environ)}), "
                "or name one with --url or HUB_URL"
            )
        return Target(known["HUB_URL"], environ.get("HUB_KEY") or known.get("HUB_KEY", ""), str(local_dir(environ)))
    parts = urllib.parse.urlsplit(wanted)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise HubError(f"{wanted!r} is no address: https://<app>.azurewebsites.net is expected")
    if parts.scheme == "http" and parts.hostname not in _LOOPBACK:
        raise HubError(f"{wanted!r} would send the key in the clear: use https")
    key = environ.get("HUB_KEY", "")
    if not key and wanted.rstrip("/") == known.get("HUB_URL", "").rstrip("/"):
        key = known.get("HUB_KEY", "")
    if not key:
        raise HubError(f"no key for {wanted}: put one into the variable HUB_KEY")
    return Target(wanted.rstrip("/"), key, "--url" if url else "HUB_URL")


class Client:
    """A hub's API."""

    def __init__(self, target: Target) -> None:
        self.target = target
        handlers = [urllib.request.ProxyHandler({})] if target.laptop else []
        self._opener = urllib.request.build_opener(_NoRedirect(), *handlers)

    def get(self, path: str, query: Mapping[str, Any] | None = None, *, timeout: float = TIMEOUT) -> Any:
        """Give the JSON of a route."""
        return self._json("GET", path, query, None, {}, timeout)

    def post(
        self,
        path: str,
        body: Any = None,
        *,
        query: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        timeout: float = TIMEOUT,
    ) -> Any:
        """Post a body as JSON, and give the JSON of the answer."""
        return self._json("POST", path, query, {} if body is None else body, headers or {}, timeout)

    def text(self, path: str, query: Mapping[str, Any] | None = None, *, accept: str) -> str:
        """Give a route in another form than JSON."""
        return self._send("GET", path, query, None, {"Accept": accept}, TIMEOUT).decode()

    def pages(self, path: str, query: Mapping[str, Any], limit: int) -> Iterator[Any]:
        """Give the first `limit` items of a list, page by page."""
        token, left = "", limit
        while left > 0:
            page = self.get(path, {**query, "limit": min(left, 200), **({"token": token} if token else {})})
            yield from page["items"][:left]
            left -= len(page["items"])
            token = page["next"] or ""
            if not token:
                return

    def _json(
        self,
        method: str,
        path: str,
        query: Mapping[str, Any] | None,
        body: Any,
        headers: Mapping[str, str],
        timeout: float,
    ) -> Any:
        text = self._send(method, path, query, body, headers, timeout)
        try:
            return json.loads(text) if text else None
        except ValueError:
            raise HubError(f"{self.target.url} did not answer as a hub does: is the address right?") from None

    def _send(
        self,
        method: str,
        path: str,
        query: Mapping[str, Any] | None,
        body: Any,
        headers: Mapping[str, str],
        timeout: float,
    ) -> bytes:
        wanted = {name: value for name, value in (query or {}).items() if value not in {None, ""}}
        address = f"{self.target.url}/api/{path}" + (f"?{urllib.parse.urlencode(wanted)}" if wanted else "")
        data = None if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
        given = {"Accept": "application/json", "x-functions-key": self.target.key, **headers}
        if data is not None:
            given["Content-Type"] = "application/json"
        for attempt in range(_TRIES):
            request = urllib.request.Request(address, data=data, headers=given, method=method)  # noqa: S310 http(s) only
            try:
                with self._opener.open(request, timeout=timeout) as answer:
                    return bytes(answer.read())
            except urllib.error.HTTPError as error:
                busy = error.code in {429, 503} and attempt + 1 < _TRIES
                wait = _seconds(error.headers.get("Retry-After"))
                with error:
                    refused = _refused(error, self.target)
                if not busy or wait is None:
                    raise refused from None
                time.sleep(wait)
            except (urllib.error.URLError, TimeoutError, ConnectionError) as error:
                raise _unreachable(self.target, error) from None
        raise HubError(f"{self.target.url} is busy: try again later")


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """Follows nothing: the key goes to the address that was named and to no other."""

    def redirect_request(self, *_: Any) -> None:
        return None


def _seconds(text: str | None) -> float | None:
    return min(10.0, float(text)) if text and text.isdigit() else None


def _refused(error: urllib.error.HTTPError, target: Target) -> HubError:
    try:
        problem = json.loads(error.read())
    except ValueError:
        problem = {}
    if not isinstance(problem, dict):
        problem = {}
    detail = str(problem.get("detail") or problem.get("title") or error.reason)
    if problem.get("errors"):
        detail = f"{problem.get('title') or error.reason}:"
    for one in problem.get("errors") or ():
        detail += f"\n  {one.get('at') or 'body'}: {one.get('message')}"
    if error.code == 401:
        detail = f"the key was not accepted by {target.url} (from {target.source}): set HUB_KEY to one of its keys"
    if not problem and error.code == 404:
        detail = f"{target.url} has no such route: is it a hub of this version?"
    return HubError(detail, error.code, problem)


def _unreachable(target: Target, error: Exception) -> HubError:
    reason = getattr(error, "reason", error)
    if target.laptop:
        return HubError(f"no hub answers at {target.url} ({reason}): start it with `make up`")
    return HubError(f"{target.url} does not answer ({reason}): check the address, and that the app runs")
