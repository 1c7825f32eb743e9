"""No secret lies in the repository, and nothing in it depends on one registry's host."""

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.infra.scenarios import ROOT

AZURITE = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
"""The key of Azurite's development account, printed in Microsoft's documentation: no secret."""
PATTERNS = {
    "a storage or service key": r"(?<![A-Za-z0-9+/])(?<!sha512-)[A-Za-z0-9+/]{86}==",
    "a short service key": r"(?:AccountKey|SharedAccessKey|api[-_]?key|aeg-sas-key)\s*[=:]\s*[\"']?[A-Za-z0-9+/]{43}=",
    "a private key": r"-----BEGIN (?:[A-Z]+ )*PRIVATE KEY-----",
    "a shared access signature": r"[?&]sig=[A-Za-z0-9%+/]{40,}",
    "a token of GitHub": r"\bgh[pousr]_[A-Za-z0-9]{36,}",
    "a token of a chat": r"\bxox[abprs]-[A-Za-z0-9-]{20,}",
    "a key of another cloud": r"\b(?:AKIA|ASIA)[A-Z0-9]{16}\b",
    "a signed token": r"\beyJ[A-Za-z0-9_-]{20,}\.eyJ[A-Za-z0-9_-]{20,}\.[A-Za-z0-9_-]{20,}",
    "a client secret of Entra": r"\b[A-Za-z0-9_~.-]{3}8Q~[A-Za-z0-9_~.-]{34}\b",
}
REGISTRIES = ["pypi" + ".org", "python" + "hosted.org", "npm" + "js.org", "npm" + "js.com", "yarn" + "pkg.com"]


def tracked() -> Iterator[tuple[str, str]]:
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, timeout=60, check=True
    ).stdout.split("\0")
    for name in filter(None, listed):
        path = ROOT / name
        if path.is_file():
            yield name, path.read_bytes().decode("utf-8", "replace")


def secrets(text: str) -> list[str]:
    return [what for what, pattern in PATTERNS.items() if re.search(pattern, text.replace(AZURITE, ""))]


def test_no_file_holds_a_secret() -> None:
    found = {name: what for name, text in tracked() if (what := secrets(text))}
    assert found == {}


@pytest.mark.parametrize(
    ("what", "text"),
    [
        ("a storage or service key", "key = '" + "aB3+" * 21 + "aB=="),
        ("a short service key", "SharedAccess" + "Key=" + "aB3+" * 10 + "aB3="),
        ("a private key", "-----BEGIN RSA PRIVATE" + " KEY-----"),
        ("a shared access signature", "https://a.blob.example/b?sv=1&si" + "g=" + "aB3%" * 11),
        ("a token of GitHub", "gh" + "p_" + "a1B2" * 9),
        ("a token of a chat", "xo" + "xb-" + "123456789012-" * 2),
        ("a key of another cloud", "AK" + "IA" + "ABCDEFGH12345678"),
        ("a signed token", ".".join(["ey" + "J" + "a" * 24, "ey" + "J" + "b" * 24, "c" * 24])),
        ("a client secret of Entra", "abc" + "8Q~" + "aB3-" * 8 + "xY"),
    ],
)
def test_a_planted_secret_is_found(what: str, text: str) -> None:
    assert what in secrets(f"before\n{text}\nafter")


def test_files_name_no_registry_so_that_any_mirror_serves() -> None:
    found = [f"{name}: {host}" for name, text in tracked() for host in REGISTRIES if host in text]
    assert found == []


def test_the_lock_file_of_node_has_hashes() -> None:
    text = (ROOT / "package-lock.json").read_text()
    assert len(re.findall(r'"integrity": "sha512-', text)) > 50


def test_settings_of_a_laptop_are_not_tracked() -> None:
    names = {Path(name).name for name, _ in tracked()}
    assert not names & {"local.settings.json", ".env", "keys", "id_rsa"}
