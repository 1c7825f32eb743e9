"""hub doctor: looks at a laptop or a deployment from outside and inside, and names what mends each thing."""

import argparse
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from cli.client import REPOSITORY, Client, HubError, find, local_dir
from cli.laptop import control, parts, read_anew, unread
from cli.subscriptions import Finding, findings
from cli.verbs import DONE, REFUSED, Job, Verb

_SKEW: Final = 30.0
_PYTHONS: Final = ((3, 11), (3, 14))


def doctor(job: Job) -> int:
    """Check everything; 1 where something is wrong."""
    with job.screen.waiting("looking"):
        found = [*_here(), *_files(), *_hub(job)]
    wrong = sum(state == "wrong" for _, state, _, _ in found)
    if job.screen.as_json:
        names = ("what", "state", "said", "mend")
        job.screen.json({"wrong": wrong, "checks": [dict(zip(names, one, strict=True)) for one in found]})
        return REFUSED if wrong else DONE
    job.screen.table(("what", "", "seen"), [(what, state, said) for what, state, said, _ in found])
    job.screen.say()
    for what, state, _, mend in found:
        if state != "ok" and mend:
            job.screen.say(f"{what}: {mend}", "red" if state == "wrong" else "yellow")
    job.screen.say(f"{wrong} wrong" if wrong else "nothing is wrong", "red" if wrong else "green")
    return REFUSED if wrong else DONE


def _here() -> Iterator[Finding]:
    version = sys.version_info
    text = f"{version.major}.{version.minor}.{version.micro}"
    known = _PYTHONS[0] <= version[:2] < _PYTHONS[1]
    yield ("python", "ok" if known else "wrong", text, "" if known else "make clean setup PYTHON=python3.12")


def _files() -> Iterator[Finding]:
    from shared.automations.loading import load

    catalogue = load(REPOSITORY / "automations", REPOSITORY)
    for problems in catalogue.invalid.values():
        for problem in problems:
            yield ("automations here", "wrong", str(problem), f"edit {problem.file}, then: ./hub validate")
    if not catalogue.invalid:
        yield ("automations here", "ok", f"{len(catalogue.automations)} valid", "")
    yield from findings()


def _hub(job: Job) -> Iterator[Finding]:
    try:
        target = find(job.url if hasattr(job.options, "url") else None)
    except HubError as error:
        yield ("hub", "wrong", str(error), "make up DETACH=1")
        return
    if target.laptop:
        yield from _parts(target.url)
    hub = Client(target)
    try:
        before = datetime.now(UTC)
        status = hub.get("status")
        after = datetime.now(UTC)
    except HubError as error:
        mend = (
            "make up DETACH=1"
            if target.laptop
            else f"az functionapp list --query \"[?contains('{target.url}', name)]\""
        )
        if error.status in {401, 403}:
            mend = f". {local_dir()}/env" if target.laptop else "export HUB_KEY=<a key with the role reader>"
        elif error.status == 503 and "log of the app" in str(error):
            # A setting that is missing or wrong is named where only the app's owners read.
            name = (urlsplit(target.url).hostname or "").partition(".")[0]
            mend = (
                f"grep SettingsError {local_dir()}/logs/host.log | tail -1"
                if target.laptop
                else f"az webapp log tail --name {name} --resource-group <its group>"
            )
        yield ("hub", "wrong", str(error), mend)
        return
    yield ("hub", "ok", f"{status['hub']} answers at {target.url}", "")
    yield _clock(status["time"], before, after)
    if changed := unread(target, hub.get("automations")["items"]):
        yield ("rules of the hub", "wrong", f"changed since it began: {', '.join(changed)}", read_anew(target.url))
    try:
        for check in hub.get("checkup")["checks"]:
            yield (check["what"], check["state"], check["said"], check["mend"])
    except HubError as error:
        yield ("checkup", "unknown", str(error), "")


def _clock(text: str, before: datetime, after: datetime) -> Finding:
    there = datetime.fromisoformat(text)
    skew = max((before - there).total_seconds(), (there - after).total_seconds(), 0.0)
    if skew > _SKEW:
        return (
            "clock",
            "wrong",
            f"this machine's clock is {skew:.0f} s apart from the hub's",
            "timedatectl set-ntp true",
        )
    return ("clock", "ok", "this machine and the hub agree", "")


def _parts(url: str) -> Iterator[Finding]:
    """Ask the laptop's supervisor for its parts."""
    address = f"{control(url)}/parts"
    try:
        items = parts(url)["items"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        yield ("laptop cloud", "wrong", f"its supervisor does not answer at {address}: {error}", "make up DETACH=1")
        return
    for part in items:
        name, starts, running = str(part["name"]), int(part["starts"]), bool(part["running"])
        log = Path(local_dir()) / "logs" / f"{name}.log"
        if not running or part["held"]:
            yield (f"part {name}", "wrong", "it does not run", f"curl -X POST {address}/{name}/start; tail {log}")
        elif starts > 3:
            yield (
                f"part {name}",
                "wrong",
                f"it was started {starts} times: it dies again and again",
                f"tail -50 {log}",
            )
        else:
            yield (f"part {name}", "ok", "runs", "")


def _arguments(parser: argparse.ArgumentParser) -> None:
    """Take no arguments."""


VERBS: Final = (Verb("doctor", "what is wrong with this laptop or deployment, and what mends it", _arguments, doctor),)
