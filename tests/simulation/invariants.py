"""What must hold all along a storm, and at its end: each check gives a sentence for everything that is wrong."""

from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Iterator

import msgspec

from shared.azureml.protocol import HUB_TAG
from shared.ledger.audit import Entry
from shared.ledger.records import Activity, FileList, Taken, decode
from shared.ledger.usage import Usage
from tests.simulation.sources import Expected
from tests.simulation.storm import Storm

MOST = {"delay-train": 2, "limited": 2, "each-file": 1, "delay-release": 1}
"""The limits of the automations: how many of their activities may run at the same moment."""
_LONGEST = 2.0
"""Seconds for which a function may wait: no more than it takes to write again where somebody was faster."""


async def along(storm: Storm) -> list[str]:
    """Look at what must hold at every moment."""
    wrong = [*storm.endpoints.wrong, *_limits(storm)]
    if storm.slowest > _LONGEST:
        wrong.append(f"6: a function waited for {storm.slowest:.0f} s")
    wrong += [sentence async for sentence in _usage(storm)]
    unfinished = {row.key.partition(":")[2] for row in await storm.rows("unfinished")}
    for row in await storm.rows("activities"):
        if row.cells["automation"] == "greedy":
            wrong.append(f"10: {row.key} began from what the hub wrote")
        if row.cells["status"] in {"held", "queued", "running", "waiting-approval"}:
            name = row.key.partition("-")[2]
            if name not in unfinished:
                wrong.append(f"4: {name} is {row.cells['status']} and not in the index of what is unfinished")
    verified = await storm.hub.audit.verify()
    wrong += [f"audit: {finding}" for finding in verified.findings]
    for endpoint, traffic in storm.endpoints.traffic.items():
        if traffic.total not in {0, 100}:
            wrong.append(f"8: {endpoint} has {traffic}")
    return wrong


def _limits(storm: Storm) -> Iterator[str]:
    for automation, most in MOST.items():
        seen = storm.azureml.at_once.get(automation, 0)
        if seen > most:
            yield f"5: {seen} activities of {automation} ran at once, at most {most} may"


async def _usage(storm: Storm) -> AsyncIterator[str]:
    for row in await storm.rows("limits"):
        usage = msgspec.json.decode(row.cells["usage"], type=Usage) if "usage" in row.cells else None
        name = row.key.partition(":")[2]
        if usage and row.key.startswith("automation:") and len(usage.running) > MOST.get(name, 99):
            yield f"5: {row.key} has reserved for {len(usage.running)}"


async def at_the_end(storm: Storm) -> list[str]:
    """Look at what must have come of it all."""
    wrong = await along(storm)
    if storm.poison:
        wrong.append(f"12: {len(storm.poison)} messages were given up, such as {storm.poison[0][:80]}")
    activities = [decode(Activity, await _text(storm, row)) for row in await storm.rows("activities")]
    wrong += [f"5: {one.id} is {one.status} at the end" for one in activities if not one.finished]
    wrong += [sentence async for sentence in _events(storm)]
    wrong += [sentence async for sentence in _files(storm, activities)]
    wrong += list(_models(storm, activities))
    wrong += list(_jobs(storm, activities))
    wrong += list(_releases(storm, activities))
    wrong += [sentence async for sentence in _audit(storm, activities)]
    wrong += [
        f"5: {one.id} of {one.automation} was refused, where the rule says hold: {one.reason}"
        for one in activities
        if one.automation in {"limited", "delay-train"} and one.status in {"refused", "superseded"}
    ]
    for row in await storm.rows("limits"):
        usage = msgspec.json.decode(row.cells["usage"], type=Usage)
        if usage.running or usage.waiting:
            wrong.append(f"5: {row.key} still holds {[*usage.running, *usage.waiting][:3]}")
    letters = Counter(letter.kind for letter in await storm.hub.letters.newest(limit=100_000))
    if letters["quarantine"] != storm.source.expected.broken:
        wrong.append(f"12: {letters} for {storm.source.expected.broken} broken events")
    return wrong


async def _text(storm: Storm, row: object) -> bytes:
    from shared.ledger.cells import unpack

    return await unpack(row.cells, storm.store.blobs)  # type: ignore[attr-defined]


async def _events(storm: Storm) -> AsyncIterator[str]:
    """Every event is in the ledger, decided, with a reason where nothing came of it."""
    missing = set(storm.source.expected.claims)
    silent = 0
    rows = await storm.rows("journal")
    undecided = sum(row.key.startswith("o:") for row in rows)
    for row in rows:
        if row.key.startswith("t:"):
            taken: tuple[Taken, ...] = await storm.hub.journal._events(row)
            for one in taken:
                if one.outcomes and one.outcomes[0].what != "folded":
                    missing.discard(one.claim)
                silent += not one.outcomes
                silent += any(outcome.what == "ignored" and not outcome.reason for outcome in one.outcomes)
    if missing:
        yield f"1: {len(missing)} events are not in the ledger"
    if undecided:
        yield f"1: {undecided} deliveries are not decided"
    if silent:
        yield f"7: of {silent} events nobody can say what became of them, and why"


async def _files(storm: Storm, activities: list[Activity]) -> AsyncIterator[str]:
    """Every newest content of a file is in exactly one activity, an older one in one at most."""
    found: dict[str, Counter[tuple[str, str]]] = defaultdict(Counter)
    for one in activities:
        if one.files.count and one.status != "superseded":
            files = decode(FileList, await storm.store.blobs.get(one.files.blob)).files
            found[one.automation].update((file.path, file.etag) for file in files)
    for automation, newest in storm.source.expected.files.items():
        twice = [content for content, count in found[automation].items() if count > 1]
        lost = [path for path, etag in newest.items() if not found[automation][path, etag]]
        if twice:
            yield f"2: {len(twice)} files are in several activities of {automation}, such as {twice[0]}"
        if lost:
            yield f"1: {len(lost)} files are in no activity of {automation}, such as {lost[0]}"


def _models(storm: Storm, activities: list[Activity]) -> Iterator[str]:
    """A model version that is registered begins one activity."""
    for automation, wanted in (
        ("limited", [f"m:{version}" for version in storm.source.expected.models]),
        ("delay-release", [f"{name}:{version}" for name, version in storm.azureml.models]),
    ):
        begun = Counter(_version(one) for one in activities if one.automation == automation)
        twice = [version for version, count in begun.items() if count > 1]
        lost = [version for version in wanted if not begun[version]]
        if twice:
            yield f"2: {len(twice)} models began {automation} more than once, such as {twice[0]}"
        if lost:
            yield f"1: {len(lost)} models did not begin {automation}, such as {lost[0]}"
    kinds = Counter(claim for one in activities if one.automation == "both" for claim in one.cause.claims)
    if twice := [claim for claim, count in kinds.items() if count > 1]:
        yield f"2: {len(twice)} events took part in several activities of an all-of"


def _version(activity: Activity) -> str:
    data = activity.cause.event.get("data") or {}
    return f"{data.get('ModelName')}:{data.get('ModelVersion')}"


def _jobs(storm: Storm, activities: list[Activity]) -> Iterator[str]:
    """A step makes one job an attempt, and each job belongs to an activity."""
    attempts = {one.id: one.attempt for one in activities}
    made: Counter[tuple[str, str]] = Counter()
    for name in storm.azureml.submitted:
        made[storm.azureml.jobs[name].tags[HUB_TAG], name.split("-")[3]] += 1
    many = [key for key, count in made.items() if count > attempts.get(key[0], 0)]
    if many:
        yield f"3: {len(many)} steps made more jobs than attempts, such as {many[0]}"
    if left := [name for name, job in storm.azureml.jobs.items() if not job.ended]:
        yield f"3: {len(left)} jobs run on, such as {left[0]}"


def _releases(storm: Storm, activities: list[Activity]) -> Iterator[str]:
    """A release acts on the version that its event names, and only on evidence."""
    for one in activities:
        deployed, judged = one.step("deployment"), one.step("evaluate")
        if one.automation != "delay-release" or deployed is None or not deployed.detail.get("model"):
            continue
        if deployed.detail["model"] != _version(one):
            yield f"9: {one.id} released {deployed.detail['model']}, its event names {_version(one)}"
        if judged is None or "mae" not in judged.detail.get("metrics", {}):
            yield f"11: {one.id} was released without the metric that its gate asks for"


async def _audit(storm: Storm, activities: list[Activity]) -> AsyncIterator[str]:
    """Each end of an attempt is one entry of the trail."""
    ends: Counter[str] = Counter()
    for row in await storm.rows("audit"):
        if row.key.startswith("e:"):
            entry = msgspec.json.decode(row.cells["entry"], type=Entry)
            ends[entry.subject] += entry.who == "hub"
    for one in activities:
        if ends[f"activity/{one.id}"] != one.attempt:
            yield f"audit: {ends[f'activity/{one.id}']} ends of {one.id}, which had {one.attempt} attempts"


__all__ = ["Expected", "along", "at_the_end"]
