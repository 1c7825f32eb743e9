"""Builds the deployment package: the app's files and its dependencies by hash, compiled, always the same bytes.

`python tools/package.py` writes out/package.zip, out/package.json (what is in it, sizes, how fast it imports) and
out/sbom.json. The package is for the version of Python that compiles it: name it with --python.
"""

import argparse
import hashlib
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

import pathspec

if __package__ in {None, ""}:  # run as a file: its folder's parent is the project
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from shared.revision import PACKAGED, commit_of
from tools.sbom import bill_of_materials, licence_problems

ROOT: Final = Path(__file__).resolve().parent.parent
LOCK: Final = "infra/requirements.lock"
LIBRARIES: Final = ".python_packages/lib/site-packages"
PLATFORM: Final = "x86_64-manylinux_2_28"
_EPOCH: Final = (1980, 1, 1, 0, 0, 0)
_MINUTES: Final = 10 * 60.0
_IMPORT: Final = """
import os, sys, time
sys.path[:0] = sys.argv[1:]
def taken():
    # Not ru_maxrss: a process has that of the one which started it.
    if not os.path.exists("/proc/self/statm"):
        return 0
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
bare, began = taken(), time.perf_counter()
import function_app
names = [function.get_function_name() for function in function_app.app.get_functions()]
spent = time.perf_counter() - began
print(spent, len(names), taken() - bare)
"""


class PackageError(Exception):
    """The package cannot be built; the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class Report:
    """What was built. Sizes are bytes, times seconds in a fresh process (files in the disk's cache).

    `memory` is what the imported and indexed app takes over a bare Python (Linux).
    """

    python: str
    sha256: str
    files: int
    size: int
    unpacked: int
    app_files: int
    functions: int
    import_compiled: float
    import_uncompiled: float
    memory: int


def app_files(root: Path) -> list[Path]:
    """Give the files of the app, relative to `root`, that .funcignore leaves in."""
    ignore = pathspec.GitIgnoreSpec.from_lines((root / ".funcignore").read_text().splitlines())
    return sorted(_walk(root, Path(), ignore))


def _walk(root: Path, folder: Path, ignore: pathspec.GitIgnoreSpec) -> Iterator[Path]:
    for entry in sorted(os.scandir(root / folder), key=lambda one: one.name):
        path = folder / entry.name
        is_folder = entry.is_dir(follow_symlinks=False)
        if ignore.match_file(f"{path}/" if is_folder else str(path)):
            continue
        if is_folder:
            yield from _walk(root, path, ignore)
        elif entry.is_file(follow_symlinks=False):
            yield path


def version_of(python: str) -> str:
    """Give major.minor of an interpreter, or raise PackageError."""
    code = "import sys; print('%d.%d' % sys.version_info[:2])"
    try:
        done = subprocess.run([python, "-I", "-c", code], capture_output=True, text=True, timeout=60, check=True)
    except (OSError, subprocess.SubprocessError) as error:
        raise PackageError(f"{python} does not run ({error}): name a Python that does with --python") from None
    version = done.stdout.strip()
    if version not in {"3.11", "3.12", "3.13"}:
        raise PackageError(f"{python} is Python {version}: 3.11 to 3.13 is needed; name another with --python")
    return version


def stage(root: Path, folder: Path, python: str) -> str:
    """Lay out the package in an empty folder, compiled; give the version of Python it is for."""
    version = version_of(python)
    for path in app_files(root):
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(root / path, target)
    if commit := commit_of(root):
        (folder / PACKAGED.relative_to(ROOT)).write_text(f"{commit}\n")
    libraries = folder / LIBRARIES
    libraries.mkdir(parents=True)
    uv = shutil.which("uv", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}")
    if uv is None:
        raise PackageError("uv is not installed: run `make setup`")
    _run(
        [
            uv, "pip", "install", "--quiet", "--target", str(libraries), "--python", python,
            "--python-platform", PLATFORM, "--only-binary", ":all:", "--no-deps", "--require-hashes",
            "-r", str(root / LOCK),
        ],
        f"the dependencies of {LOCK} do not install",
    )  # fmt: skip
    shutil.rmtree(libraries / "bin", ignore_errors=True)
    (libraries / ".lock").unlink(missing_ok=True)
    # The host never rewrites the package, so a compiled file need not be compared with its source at each start.
    _run(
        [
            python, "-m", "compileall", "-q", "-j", "0", "--invalidation-mode", "unchecked-hash",
            "-s", str(folder), str(folder),
        ],
        "the package does not compile",
        {"PYTHONHASHSEED": "0", "PATH": os.environ.get("PATH", "")},
    )  # fmt: skip
    return version


def _run(command: Sequence[str], failure: str, environment: Mapping[str, str] | None = None) -> str:
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=_MINUTES, check=False, env=environment, cwd=ROOT
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise PackageError(f"{failure}: {error}") from None
    if done.returncode:
        raise PackageError(f"{failure}:\n{(done.stderr or done.stdout).strip()[-2000:]}")
    return done.stdout


def pack(folder: Path, target: Path) -> None:
    """Zip a folder so that the same files always give the same bytes."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED, compresslevel=6) as archive:
        for path in sorted(one for one in folder.rglob("*") if one.is_file()):
            entry = zipfile.ZipInfo(path.relative_to(folder).as_posix(), _EPOCH)
            entry.external_attr = (0o755 if os.access(path, os.X_OK) else 0o644) << 16
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, path.read_bytes())


def import_time(folder: Path, python: str, *, compiled: bool, rounds: int) -> tuple[float, int, int]:
    """Import and index the app of a package in fresh processes; give median seconds, number of functions, and bytes."""
    times, count, memory = [], 0, 0
    for _ in range(rounds):
        with tempfile.TemporaryDirectory() as elsewhere:
            prefix = [] if compiled else ["-X", f"pycache_prefix={elsewhere}"]
            command = [python, "-I", "-S", "-B", *prefix, "-c", _IMPORT, str(folder), str(folder / LIBRARIES)]
            seconds, functions, taken = _run(command, "the app does not import from the package alone").split()
        times.append(float(seconds))
        count, memory = int(functions), max(memory, int(taken))
    return statistics.median(times), count, memory


def build(root: Path, out: Path, python: str, rounds: int = 3) -> Report:
    """Build the package into `out`; raise PackageError where it cannot be, or must not be, built.

    `rounds` is how often its import is timed.
    """
    with tempfile.TemporaryDirectory(prefix="package-") as temporary:
        folder = Path(temporary)
        version = stage(root, folder, python)
        bill = bill_of_materials(folder / LIBRARIES)
        if problems := licence_problems(bill):
            raise PackageError("licences that may not go out:\n" + "\n".join(problems))
        files = [path for path in folder.rglob("*") if path.is_file()]
        compiled, functions, memory = import_time(folder, python, compiled=True, rounds=rounds)
        uncompiled, _, _ = import_time(folder, python, compiled=False, rounds=rounds)
        pack(folder, out / "package.zip")
        unpacked = sum(path.stat().st_size for path in files)
    content = (out / "package.zip").read_bytes()
    report = Report(
        version,
        hashlib.sha256(content).hexdigest(),
        len(files),
        len(content),
        unpacked,
        len(app_files(root)),
        functions,
        round(compiled, 3),
        round(uncompiled, 3),
        memory,
    )
    (out / "sbom.json").write_text(json.dumps(bill, indent=2, sort_keys=True) + "\n")
    (out / "package.json").write_text(json.dumps(asdict(report), indent=2) + "\n")
    return report


def main(arguments: Sequence[str] | None = None) -> int:
    """Build, and print what was built."""
    parser = argparse.ArgumentParser(prog="package", description="Builds out/package.zip, ready to deploy.")
    parser.add_argument("--python", default=sys.executable, help="the Python it is for and compiled by (3.11 to 3.13)")
    parser.add_argument("--out", type=Path, default=ROOT / "out", help="folder of the results")
    given = parser.parse_args(arguments)
    try:
        report = build(ROOT, given.out, given.python)
    except PackageError as error:
        print(f"package: {error}", file=sys.stderr)
        return 1
    print(
        f"{given.out / 'package.zip'}: Python {report.python}, {report.size / 1e6:.1f} MB "
        f"({report.unpacked / 1e6:.0f} MB unpacked, {report.files} files), {report.functions} functions, "
        f"imports in {report.import_compiled:.2f} s ({report.import_uncompiled:.2f} s uncompiled) "
        f"and takes {report.memory / 1e6:.0f} MB over bare Python"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
