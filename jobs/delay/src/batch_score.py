"""The scoring script of the batch deployment: Azure ML calls init() once a process, then run() with files.

https://learn.microsoft.com/azure/machine-learning/how-to-batch-scoring-script
"""

import hashlib
import os
import socket
from pathlib import Path
from typing import Any

from models import load
from reading import DataFile
from scoring import Scored, score_file, write_manifest

_state: dict[str, Any] = {}
_done: list[Scored] = []
_sources: dict[str, str] = {}
"""Which file an output is of: two files of one name do not overwrite each other."""


def init() -> None:
    """Load the model, and find where the input begins and the output goes."""
    _state["model"] = load(Path(os.environ["AZUREML_MODEL_DIR"]))
    _state["output"] = Path(os.environ["AZUREML_BI_OUTPUT_PATH"])
    given = os.environ.get("AZUREML_BI_INPUT_PATH", "")
    _state["input"] = Path(given) if given else None


def run(mini_batch: list[str]) -> list[str]:
    """Score files; gives one line for each, as the service counts results. Every process has a manifest."""
    lines = []
    for name in mini_batch:
        path = Path(name)
        if path.suffix != ".csv":
            lines.append(f"{path.name} is no CSV file")
            continue
        content = path.read_bytes()
        sha256 = hashlib.sha256(content).hexdigest()
        relative = _relative(path)
        if _sources.setdefault(relative, name) != name:
            relative = f"{sha256[:12]}/{relative}"
        file = DataFile(relative, content, sha256)
        print(f"read {file.sha256} {file.path}", flush=True)
        found = score_file(_state["model"], file, _state["output"])
        _done.append(found)
        lines.append(f"{found.path} rows {found.rows_out} errors {found.errors}")
    if _done:
        write_manifest(_state["output"] / f"manifest-{socket.gethostname()}-{os.getpid()}.json", _done)
    return lines


def _relative(path: Path) -> str:
    """Give the path within the input: below its folder where that is known, else below `flights`, else the name."""
    folder = _state["input"]
    if folder is not None and path.is_relative_to(folder):
        return path.relative_to(folder).as_posix()
    parts = path.parts
    return "/".join(parts[parts.index("flights") :]) if "flights" in parts else path.name
