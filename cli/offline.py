"""Verbs that need no hub: validate and schema, on the files of this folder."""

import argparse
import json
import sys
from pathlib import Path
from typing import Final

from cli.client import REPOSITORY
from cli.verbs import DONE, REFUSED, Job, UsageError, Verb


def _validate_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("path", nargs="?", help="a folder of automations, or one file (automations/ if left out)")
    parser.add_argument("--root", help="the project that names of job files are looked up from (where ./hub is)")


def validate(job: Job) -> int:
    """Check automations; 1 where one is invalid."""
    from shared.automations.loading import load

    root = Path(job.root).resolve() if job.root else REPOSITORY
    path = Path(job.path).resolve() if job.path else root / "automations"
    if not path.exists():
        raise UsageError(f"{path} does not exist: name a folder of automations or one file")
    single = path.name if path.is_file() else ""
    catalogue = load(path.parent if single else path, root)
    valid = [one for one in catalogue.automations.values() if not single or Path(one.file).name == single]
    invalid = {
        name: problems
        for name, problems in catalogue.invalid.items()
        if not single or Path(problems[0].file).name == single
    }
    if job.screen.as_json:
        job.screen.json(
            {
                "valid": [
                    {"name": one.automation.name, "file": one.file, "line": one.line, "content": one.content}
                    for one in valid
                ],
                "invalid": {
                    name: [
                        {"file": one.file, "line": one.line, "column": one.column, "message": one.message}
                        for one in problems
                    ]
                    for name, problems in invalid.items()
                },
            }
        )
        return REFUSED if invalid else DONE
    rows = [(one.automation.name, one.automation.do.kind, f"{one.file}:{one.line}") for one in valid]
    job.screen.table(("automation", "action", "file"), rows, "no valid automation was found")
    for problems in invalid.values():
        for problem in problems:
            job.screen.say(str(problem), "red")
    said = f"{len(valid)} valid, {len(invalid)} invalid"
    job.screen.say(said, "red" if invalid else "green")
    return REFUSED if invalid else DONE


def _schema_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--out", help="a file to write it to; the output if left out")


def schema(job: Job) -> int:
    """Print the JSON schema of automations, for editors."""
    from shared.automations.schema import schema as automation_schema

    text = json.dumps(automation_schema(), indent=2, ensure_ascii=False) + "\n"
    if job.out:
        Path(job.out).write_text(text, encoding="utf-8")
        job.screen.say(f"written to {job.out}")
    else:
        sys.stdout.write(text)
    return DONE


VERBS: Final = (
    Verb("validate", "check automations: file, line, column, and what would be right", _validate_arguments, validate),
    Verb("schema", "the JSON schema of automations, for editors", _schema_arguments, schema),
)
