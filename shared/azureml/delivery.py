"""How the data of a job's input reaches it: the mode that goes with the type that the hub sets.

An mltable that lists files becomes a folder of those files by `eval_mount` and `eval_download`, which only mltable
has: https://learn.microsoft.com/azure/machine-learning/how-to-read-write-data-v2
"""

from typing import Final

from shared.engine.outcomes import PermanentError

_FOLDER: Final = {"": "eval_mount", "ro_mount": "eval_mount", "rw_mount": "eval_mount", "download": "eval_download"}
_PLAIN: Final = {"eval_mount": "ro_mount", "eval_download": "download"}


def delivery(name: str, kind: str, written: str, mode: str) -> str:
    """Give the mode of an input of type `kind` whose job file writes the type `written` and `mode`, "" for none.

    A job that was written for a folder gets a folder of the files of a table; one written for a table gets what it
    asks for. Raises PermanentError where it cannot have what it asks for.
    """
    if kind != "mltable":
        return _PLAIN.get(mode, mode)
    if written == "mltable":
        return mode
    if mode == "direct":
        raise PermanentError(
            f"input {name} is a list of files, and `mode: direct` gives the address of a folder: write ro_mount or "
            "download, or type: mltable"
        )
    return _FOLDER.get(mode, mode)
