"""All checks of the templates in one: what is wrong, as lines of text; nothing where all is well."""

from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

from tests.unit.infra import access, contract, schemas, security
from tests.unit.infra.bicep import parse
from tests.unit.infra.code import Code
from tests.unit.infra.scenarios import INFRA, ROOT, Scenario, scenarios
from tests.unit.infra.tree import BicepError
from tests.unit.infra.values import Reader


def problems(code: Code, read: Reader = Path.read_text) -> list[str]:
    """Give everything that is wrong, each once. `read` gives the text of a file (a test may alter it)."""
    found: list[str] = []
    try:
        found.extend(_problems(code, read))  # what was found before a template breaks off is kept
    except BicepError as error:
        found.append(str(error))
    return list(dict.fromkeys(found))


def _problems(code: Code, read: Reader) -> Iterator[str]:
    for path in sorted(INFRA.rglob("*.bicep")):
        text = read(path)
        yield from security.clean(parse(text, path), text)
    found = scenarios(read)
    sample = contract.sample_of(read(ROOT / "local.settings.sample.json"))
    for scenario in found:
        yield from (*_shapes(scenario), *security.safe(scenario), *contract.agree(scenario, code, sample))
        yield from access.allowed(scenario)
    yield from _versions(found)


def _shapes(scenario: Scenario) -> Iterator[str]:
    for one in scenario.deployment.resources:
        for fault in schemas.faults(one.type, one.name, one.body):
            yield f"{one.file}:{one.line}: {fault}"
    for read in scenario.deployment.reads:
        if not schemas.readable(read.type, read.path):
            yield f"{read.where}: {read.type} has no {'.'.join(read.path)}"


def _versions(found: list[Scenario]) -> Iterator[str]:
    versions: dict[str, set[str]] = defaultdict(set)
    for scenario in found:
        for one in scenario.deployment.resources:
            provider, kind = one.type.split("/")[:2]
            versions[f"{provider}/{kind}"].add(one.version)
            if one.version.endswith("-preview"):
                yield f"{one.file}:{one.line}: {one.version} is a preview"
    for kind, several in versions.items():
        if len(several) > 1:
            yield f"{kind} is asked for in several versions: {', '.join(sorted(several))}"
