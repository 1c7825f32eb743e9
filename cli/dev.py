"""hub dev: the laptop cloud with a live view of events, decisions and jobs, and keys that make things go wrong."""

import argparse
import contextlib
import json
import select
import subprocess
import sys
import termios
import time
import tty
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final
from urllib.parse import urlsplit

from rich.console import Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from cli.client import REPOSITORY, Client, HubError, find
from cli.console import cell, place, when
from cli.verbs import DONE, Job, UsageError, Verb

_BETWEEN: Final = 1.0
_SHOWN: Final = 12
_START_SECONDS: Final = 600.0


class Cloud:
    """The controls of the laptop cloud, by its port base."""

    def __init__(self, url: str) -> None:
        self._base = urlsplit(url).port or 7071
        self._opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))

    def _ask(self, method: str, port: int, path: str, body: Any = None) -> str:
        data = None if body is None else json.dumps(body).encode()
        address = f"http://127.0.0.1:{self._base + port}{path}"
        request = urllib.request.Request(address, data=data, method=method)
        try:
            with self._opener.open(request, timeout=60) as answer:
                return bytes(answer.read()).decode("utf-8", "replace")
        except (OSError, urllib.error.URLError) as error:
            return f"not done: {error}"

    def redeliver(self) -> str:
        """Have every event delivered once more."""
        return self._ask("POST", 5, "/control/redeliver", {})

    def fault(self, fault: Mapping[str, Any]) -> str:
        """Have deliveries, storage or Azure ML go wrong."""
        return self._ask("POST", 9, "/faults", dict(fault))

    def clear(self) -> str:
        """End all faults."""
        return self._ask("DELETE", 9, "/faults")

    def faults(self) -> str:
        """Give the faults that are set, in short; "" for none."""
        try:
            found = json.loads(self._ask("GET", 9, "/faults"))
        except ValueError:
            return ""
        return ", ".join(str(one.get("kind") or one.get("fault")) for part in found.values() for one in part or ())

    def restart(self, part: str) -> str:
        """End a part in order and start it again."""
        return self._ask("POST", 9, f"/parts/{part}/restart") or "it is back"

    def kill(self, part: str) -> str:
        """Kill a part; the supervisor starts it again."""
        return self._ask("POST", 9, f"/parts/{part}/kill")

    def away(self, part: str) -> str:
        """Stop a part, or start it where it was stopped."""
        held = {one["name"]: one["held"] for one in json.loads(self._ask("GET", 9, "/parts"))["items"]}
        act = "start" if held[part] else "stop"
        return self._ask("POST", 9, f"/parts/{part}/{act}") or {"start": "back", "stop": "away"}[act]


def _sets(**fault: Any) -> Callable[[Cloud], str]:
    return lambda cloud: cloud.fault(fault)


KEYS: Final[Mapping[str, tuple[str, Callable[[Cloud], str]]]] = {
    "r": ("deliver all events again", Cloud.redeliver),
    "2": ("every delivery twice", _sets(kind="duplicate", copies=1)),
    "o": ("deliveries overtake each other", _sets(kind="reorder", seconds=15)),
    "d": ("deliveries a minute late", _sets(kind="delay", seconds=60)),
    "x": ("a third of deliveries is lost", _sets(kind="drop", share=0.33)),
    "s": ("storage answers 503 now and then", _sets(kind="status", share=0.1, times=50)),
    "l": ("storage writes, five answers are lost", _sets(kind="lost-response", times=5)),
    "y": ("storage is slow", _sets(kind="latency", seconds=2)),
    "a": ("Azure ML answers 429 ten times", _sets(fault="status", code=429, retryAfter=1, times=10)),
    "m": ("Azure ML does it, three answers are lost", _sets(fault="lost", match="^PUT", times=3)),
    "w": ("Azure ML is slow", _sets(fault="delay", seconds=2, times=-1)),
    "p": ("the next operation fails", _sets(fault="operation", error="on demand", seconds=2)),
    "j": ("the next job fails", _sets(fault="job", error="on demand", seconds=2)),
    "h": ("the host reads changed rules", lambda cloud: cloud.restart("host")),
    "k": ("kill the host", lambda cloud: cloud.kill("host")),
    "e": ("kill Event Grid", lambda cloud: cloud.kill("eventgrid")),
    "u": ("kill Azure ML", lambda cloud: cloud.kill("azureml")),
    "z": ("storage away, or back", lambda cloud: cloud.away("azurite")),
    "c": ("end all faults", Cloud.clear),
}


def picture(hub: Client, cloud: Cloud, note: str) -> Group:
    """Show the hub as it is now."""
    status = hub.get("status")
    events = hub.get("events", {"limit": _SHOWN})["items"][:_SHOWN]
    activities = hub.get("activities", {"limit": 8})["items"]
    collections = hub.get("collections")["items"]
    head = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
    queues = ", ".join(f"{name} {queue['messages']}" for name, queue in status["queues"].items())
    paused = f"paused by {status['paused']['who']}" if status["paused"] else "open"
    head.add_row(cell(hub.target.url), cell(paused), cell(queues), cell(f"{status['held']} held"))
    faults = cloud.faults()
    return Group(
        head,
        Text(f"faults: {faults}" if faults else "", style="yellow"),
        Text(note, style="cyan"),
        Text(
            "  ".join(f"[{key}] {what}" for key, (what, _) in KEYS.items()) + "  [q] quit",
            style="dim",
            no_wrap=False,
            overflow="fold",
        ),
        _table(
            ("event", "subject", "outcome", "automation"),
            [
                (when(one["received"]), place(one["subject"])[-60:], _words(one, "what"), _words(one, "automation"))
                for one in events
            ],
        ),
        _table(
            ("gathering", "by", "files"),
            [(one["id"], ", ".join(f"{k}={v}" for k, v in one["by"].items()), one["files"]) for one in collections[:5]],
        ),
        _table(
            ("activity", "automation", "status", "step", "job", "reason"),
            [(one["id"], one["automation"], one["status"], *_step(one), one["reason"][:60]) for one in activities],
        ),
    )


def _words(event: Mapping[str, Any], name: str) -> str:
    return ", ".join(sorted({outcome[name] for outcome in event["outcomes"] if outcome[name]}))


def _step(activity: Mapping[str, Any]) -> tuple[str, str]:
    step = next((one for one in activity["steps"] if one["state"] not in {"done", "skipped"}), None)
    return (f"{step['name']} {step['state']}", str(step["detail"].get("job", ""))) if step else ("", "")


def _table(columns: tuple[str, ...], rows: list[tuple[Any, ...]]) -> Table:
    table = Table(box=None, header_style="bold", padding=(0, 2, 0, 0), title_justify="left")
    for name in columns:
        table.add_column(name, no_wrap=True)
    for row in rows or [("-",) * len(columns)]:
        table.add_row(*(cell(value) for value in row))
    return table


@contextlib.contextmanager
def _keyboard() -> Iterator[Callable[[float], str]]:
    """Give a way to wait for a key, without Enter."""
    before = termios.tcgetattr(sys.stdin)
    tty.setcbreak(sys.stdin.fileno())

    def wait(seconds: float) -> str:
        ready, _, _ = select.select([sys.stdin], [], [], seconds)
        return sys.stdin.read(1) if ready else ""

    try:
        yield wait
    finally:
        termios.tcsetattr(sys.stdin, termios.TCSADRAIN, before)


def _started(job: Job) -> bool:
    """Start the laptop cloud where it does not run; say whether it was started here."""
    with contextlib.suppress(HubError):
        Client(find(None)).get("health", timeout=3)
        return False
    job.screen.say("starting the laptop cloud")
    done = subprocess.run(["make", "up", "DETACH=1"], cwd=REPOSITORY, timeout=_START_SECONDS, check=False)
    if done.returncode:
        raise HubError("the laptop cloud did not start: see above")
    return True


def dev(job: Job) -> int:
    """Show the laptop cloud live; keys make things go wrong."""
    live = job.screen.out.is_terminal and sys.stdin.isatty()
    if not (job.once or live):
        raise UsageError("hub dev needs a terminal; --once prints one picture")
    started = False if job.once else _started(job)
    target = find(None)
    if not target.laptop:
        raise UsageError(f"hub dev is for a laptop cloud, and HUB_URL names {target.url}")
    hub, cloud = Client(target), Cloud(target.url)
    try:
        if job.once:
            job.screen.out.print(picture(hub, cloud, ""))
            return DONE
        return _watch(job, hub, cloud)
    finally:
        if started:
            subprocess.run(["make", "down"], cwd=REPOSITORY, timeout=120, check=False)


def _watch(job: Job, hub: Client, cloud: Cloud) -> int:
    note = ""
    with _keyboard() as wait, Live(console=job.screen.out, screen=True, auto_refresh=False) as live:
        while True:
            try:
                live.update(picture(hub, cloud, note), refresh=True)
            except HubError as error:
                live.update(Text(f"{error}; looking again", style="red"), refresh=True)
                time.sleep(_BETWEEN)
            key = wait(_BETWEEN)
            if key == "q":
                return DONE
            if key in KEYS:
                what, act = KEYS[key]
                note = f"{what}: {act(cloud)}"[:300]


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--once", action="store_true", help="print one picture of a cloud that runs, and end")


VERBS: Final = (Verb("dev", "the laptop cloud, live, with keys for faults", _arguments, dev),)
