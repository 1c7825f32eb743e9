"""A made-up span of history for backtests: bursts, duplicates, rewrites, markers, single files, models, runs, times."""

import random
from datetime import datetime, timedelta
from typing import Any

from shared.events.identity import claim
from shared.events.model import Event
from shared.events.parsing import parse_one
from shared.ledger.journal import Journal, Part, Stored, shard_of
from shared.ledger.protocol import Store
from shared.ledger.records import Outcome, Taken

_RUN = "do: {job: {job: jobs/train.yml, inputs: {data: 'azureml:x:1'}}}\n"
_FILES = "do: {job: {job: jobs/train.yml, inputs: {data: '${{ files }}'}}}\n"


def _gathers(name: str, path: str, collect: str, more: str = "") -> str:
    on = f'on: [{{blob-created: {{container: landing, path: "{path}", collect: {{{collect}}}}}}}]\n'
    return f"name: {name}\n{on}{_FILES}{more}"


BEFORE = "---\n".join(
    (
        _gathers(
            "marked",
            "flights/{month}/**/*.csv",
            'by: [month], quiet: 2m, max-wait: 2h, max-files: 40, until: {marker: "flights/{month}/_SUCCESS"}, '
            "if-incomplete: run",
        ),
        _gathers("quiet", "flights/{month}/{port}/*.csv", "by: [month, port], quiet: 1m, max-wait: 1h"),
        _gathers(
            "sized",
            "flights/**",
            "quiet: 90s, max-wait: 30m, max-bytes: 4 MB",
            "limits: {cooldown: {for: 10m, from: end}}\n",
        ),
        _gathers(
            "listed",
            "flights/{month}/**/*.csv",
            'by: [month], quiet: 2m, max-wait: 1h, until: {manifest: "flights/{month}/list.json"}, if-incomplete: fail',
        ),
        "name: each\non: [{blob-created: {container: landing, path: 'in/*.csv'}}]\n"
        + _FILES
        + "limits: {concurrency: {group: g, max: 1, when-busy: merge}}\n",
        "name: hasty\non: [{blob-created: {container: landing, path: 'in/*.csv'}}]\nwhen: files[0].size > 2000\n"
        + _FILES
        + "limits: {rate: 4 per 1h, concurrency: {group: h, max: 1, when-busy: skip}}\n",
        "name: model\non: [{model-registered: {model: 'm*'}}]\n"
        + _RUN
        + "limits: {windows: [{deny: 'daily 06:30-07:00', tz: UTC}]}\n",
        "name: both\non: [{all-of: {within: 2h, of: [{model-registered: {model: m1}}, "
        "{blob-created: {container: landing, path: 'in/*'}}]}}]\n" + _RUN,
        "name: clock\non: [{schedule: {cron: '0 10,40 * * * *'}}]\n" + _RUN,
        "name: absent\non: [{missing: {every: 40m, grace: 5m, of: {model-registered: {model: m2}}}}]\n" + _RUN,
        "name: gone\non: [{blob-deleted: {container: landing, path: 'in/**'}}]\n" + _RUN,
    )
)
"""Rules in force of a made-up span: of each kind one."""
CHANGES = (
    ("quiet: 1m,", "quiet: 20s,"),
    (', until: {marker: "flights/{month}/_SUCCESS"}', ""),
    ("max-bytes: 4 MB", "max-files: 60"),
    ("rate: 4 per 1h", "rate: 2 per 1h"),
    ("for: 10m, from: end", "for: 30m, from: start"),
    ("model: 'm*'", "model: 'm1'"),
)
"""Of what the asked rules differ from those in force."""


def asked() -> str:
    """Give the rules that are compared with them."""
    text = BEFORE
    for old, new in CHANGES:
        assert old in text, old
        text = text.replace(old, new)
    return text


class Span(Journal):
    """A journal that holds a made-up span; `events` counts what is in it."""

    def __init__(self, store: Store, began: datetime, seed: int, count: int) -> None:
        super().__init__(store)
        self._random = random.Random(seed)
        self._began = began
        self._wanted = count
        self.parts: list[Stored] = []
        self.ended = began

    async def span(self, since: datetime, until: datetime, *, most: int) -> list[Stored]:
        """Give it."""
        return self.parts

    async def write(self) -> None:
        """Make it."""
        chance, now, made, number = self._random, self._began, 0, 0
        sent: list[dict[str, Any]] = []
        while made < self._wanted:
            now += timedelta(seconds=chance.choice((0.1, 1, 2, 2, 5, 20, 70, 400)))
            delivery: list[dict[str, Any]] = []
            for _ in range(chance.choice((1, 1, 2, 10, 60))):
                if sent and chance.random() < 0.1:
                    delivery.append(chance.choice(sent[-500:]))
                    continue
                number += 1
                delivery.append(self._event(number, now))
            chance.shuffle(delivery)
            sent += delivery
            made += len(delivery)
            await self._keep(delivery, now)
        self.ended = now

    async def _keep(self, delivery: list[dict[str, Any]], now: datetime) -> None:
        shards: dict[str, dict[str, Taken]] = {}
        for raw in delivery:
            event = parse_one(raw, now)
            assert isinstance(event, Event), event
            one = Taken(claim=claim(event), event=raw, via="queue", outcomes=(Outcome(what="collected"),))
            shards.setdefault(shard_of(one.claim), {})[one.claim] = one
        for shard, members in shards.items():
            key = f"{int(now.timestamp() * 1000):013}:{len(self.parts):032}"
            part = Part(shard, key, now, tuple(members.values()))
            self.parts.append(Stored(now, await self._part_row(part, part.events, decided=True)))

    def _event(self, number: int, now: datetime) -> dict[str, Any]:
        chance = self._random
        kind, moment = chance.random(), now - timedelta(milliseconds=chance.randrange(3000))
        if kind < 0.03:
            return _model(chance.choice(("m1", "m2", "other")), number, moment)
        month = f"2013-{1 + number // 150 % 12:02}"
        if kind < 0.85:
            port, name = chance.choice(("EWR", "JFK", "LGA")), chance.randrange(80)
            path = f"flights/{month}/{port}/{name}.{chance.choice(('csv', 'csv', 'csv', 'txt'))}"
        elif kind < 0.87:
            path = f"flights/{month}/{chance.choice(('_SUCCESS', 'list.json'))}"
        elif kind < 0.92:
            path = f"in/{chance.randrange(20)}.csv"
        else:
            path = f"elsewhere/{number}.csv"
        return _blob(path, number, moment, size=chance.randrange(200_000), gone=chance.random() < 0.02)


def _blob(path: str, number: int, moment: datetime, *, size: int, gone: bool) -> dict[str, Any]:
    return {
        "topic": "/subscriptions/s/resourceGroups/rg/providers/Microsoft.Storage/storageAccounts/landing",
        "subject": f"/blobServices/default/containers/landing/blobs/{path}",
        "eventType": f"Microsoft.Storage.Blob{'Deleted' if gone else 'Created'}",
        "id": f"event-{number}",
        "eventTime": moment.isoformat(),
        "data": {
            "api": "DeleteBlob" if gone else "PutBlob",
            "eTag": f"0x{number:X}",
            "contentLength": size,
            **({} if number % 97 == 0 else {"sequencer": f"{number:X}"}),
        },
        "dataVersion": "",
    }


def _model(name: str, number: int, moment: datetime) -> dict[str, Any]:
    return {
        "topic": "/subscriptions/s/resourceGroups/rg/providers/Microsoft.MachineLearningServices/workspaces/ws",
        "subject": f"models/{name}:{number}",
        "eventType": "Microsoft.MachineLearningServices.ModelRegistered",
        "id": f"event-{number}",
        "eventTime": moment.isoformat(),
        "data": {"modelName": name, "modelVersion": str(number), "modelTags": {}, "modelProperties": {}},
        "dataVersion": "",
    }
