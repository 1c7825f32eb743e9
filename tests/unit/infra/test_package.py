"""The deployment package holds the app only, imports alone, indexes under Microsoft's worker; all in it is known."""

import json
import os
import re
import subprocess
import sys
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import azure_functions_runtime
import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from tools.package import LIBRARIES, LOCK, ROOT, Report, app_files, build, pack
from tools.sbom import bill_of_materials, licence_problems

TOP = {"automations", "endpoints", "function_app.py", "functions", "host.json", "jobs", "requirements.txt", "shared"}
"""All that may lie at the top of the package, beside the dependencies."""
INDEX = """
import sys, types, warnings
warnings.simplefilter("error")
sys.path[:0] = sys.argv[1:]
from azure.functions.decorators.core import BindingDirection, DataType
from azure_functions_runtime.bindings.meta import load_binding_registry
from azure_functions_runtime.functions import Registry
from azure_functions_runtime.loader import index_function_app, process_indexed_function

class Messages:
    class BindingInfo(types.SimpleNamespace):
        undefined = DataType.UNDEFINED.value
        out = BindingDirection.OUT.value
        inout = BindingDirection.INOUT.value
    RpcFunctionMetadata = types.SimpleNamespace
    RpcRetryOptions = types.SimpleNamespace

setattr(Messages.BindingInfo, "in", BindingDirection.IN.value)
load_binding_registry()
functions = index_function_app("function_app.py")
records, _ = process_indexed_function(Messages, Registry(), functions, sys.argv[1])
print(*(record.name for record in records))
late = ("azure.ai.ml", "azure.identity", "azure.monitor", "opentelemetry")
heavy = [name for name in late if name in sys.modules]
assert not heavy, heavy
"""


@dataclass(frozen=True)
class Built:
    report: Report
    out: Path
    folder: Path
    bill: Mapping[str, Any]


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    out, folder = tmp_path_factory.mktemp("out"), tmp_path_factory.mktemp("package")
    report = build(ROOT, out, sys.executable, rounds=1)
    with zipfile.ZipFile(out / "package.zip") as archive:
        archive.extractall(folder)
    return Built(report, out, folder, json.loads((out / "sbom.json").read_text()))


def test_it_holds_the_app_and_nothing_else(built: Built) -> None:
    top = {path.name for path in built.folder.iterdir()}
    assert top - TOP == {".python_packages", "__pycache__"}
    assert {"function_app.py", "functions", "host.json", "shared", "requirements.txt"} <= top
    platform = {"azure_functions_runtime", "azure_functions_worker", "pytest", "mypy", "mlflow"}
    assert not platform & {path.name for path in (built.folder / LIBRARIES).iterdir()}


def test_all_of_it_is_compiled(built: Built) -> None:
    for source in [*built.folder.glob("*.py"), *(built.folder / "shared").rglob("*.py")]:
        tag = sys.implementation.cache_tag
        compiled = source.parent / "__pycache__" / f"{source.stem}.{tag}.pyc"
        # Flags 0b01: named by the hash of its source, and never compared with it again.
        assert int.from_bytes(compiled.read_bytes()[4:8], "little") == 1, source


def test_it_indexes_under_the_platforms_worker_from_the_package_alone(built: Built, tmp_path: Path) -> None:
    worker = tmp_path / "azure_functions_runtime"
    worker.symlink_to(Path(str(azure_functions_runtime.__file__)).parent)
    paths = [built.folder, built.folder / LIBRARIES, tmp_path]
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-B", "-W", "error", "-c", INDEX, *map(str, paths)],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    names = done.stdout.split()
    assert len(names) == built.report.functions
    assert {"events_queue", "events_push", "work", "sweep", "health"} <= set(names)


def test_its_size_and_import_are_reported(built: Built) -> None:
    told = json.loads((built.out / "package.json").read_text())
    assert told["size"] == (built.out / "package.zip").stat().st_size
    assert told["size"] < told["unpacked"] < 1_000_000_000
    assert 0 < told["import_compiled"] < told["import_uncompiled"]
    assert 10_000_000 < told["memory"] < 90_000_000, "the budget of an app that is indexed and ready"


def test_the_same_files_give_the_same_bytes(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    (folder / "b").mkdir(parents=True)
    (folder / "b" / "c.txt").write_text("c")
    (folder / "a.txt").write_text("a")
    pack(folder, tmp_path / "one.zip")
    os.utime(folder / "a.txt", (0, 0))
    pack(folder, tmp_path / "two.zip")
    assert (tmp_path / "one.zip").read_bytes() == (tmp_path / "two.zip").read_bytes()


def test_a_new_folder_of_the_project_does_not_slip_in() -> None:
    assert {path.parts[0] for path in app_files(ROOT)} <= TOP


def test_no_settings_of_a_laptop_get_in(tmp_path: Path) -> None:
    (tmp_path / ".funcignore").write_text((ROOT / ".funcignore").read_text())
    for name in ("local.settings.json", ".env", ".local/keys", "shared/__pycache__/a.pyc", "shared/a.py"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("x")
    assert app_files(tmp_path) == [Path("shared/a.py")]


def test_the_bill_of_materials_is_cyclonedx_and_whole(built: Built) -> None:
    text = json.dumps(built.bill)
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(text) is None
    listed = {f"{one['name']}=={one['version']}" for one in built.bill["components"]}
    locked = set(re.findall(r"^([a-z0-9-]+==[^ ]+) .*\\$", (ROOT / LOCK).read_text(), re.MULTILINE))
    assert listed == locked


def test_every_licence_may_go_out(built: Built) -> None:
    assert licence_problems(built.bill) == []


def test_a_licence_that_may_not_go_out_is_found(tmp_path: Path) -> None:
    for name, line in (("bad", "License: GPL-3.0"), ("good", "License-Expression: MIT"), ("silent", "Summary: none")):
        info = tmp_path / f"{name}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n{line}\n")
    problems = licence_problems(bill_of_materials(tmp_path))
    assert [one.split()[0] for one in problems] == ["bad", "silent"]


def test_the_lock_is_of_these_requirements_with_a_hash_each_and_names_no_registry() -> None:
    lock = (ROOT / LOCK).read_text()
    wanted = [line for line in (ROOT / "requirements.txt").read_text().splitlines() if "==" in line]
    for line in wanted:
        name, _, version = line.partition("==")
        assert f"\n{name.replace('.', '-')}=={version} \\\n" in f"\n{lock}", f"{line}: make lock"
    for block in re.split(r"\n(?=[a-z])", lock.strip()):
        assert "--hash=sha256:" in block, block
    assert "://" not in lock
