"""Which Python of this laptop stands for an Azure ML environment, and which computes there are."""

import json
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, Final

from local.azureml.wire import Json, invalid
from local.config import REPOSITORY, Cloud

ANONYMOUS: Final = "CliV2AnonymousEnvironment"
"""The name under which azure-ai-ml registers an environment that is written inline in a job."""


@dataclass(frozen=True)
class Environments:
    """The map of the laptop: `local/environments.json`, and over it `environments.json` in the cloud's folder.

    Keys are patterns (`*` and `?`) on a name, `name:version` or image; values name a folder of `.venvs` or are the
    absolute path of a Python.
    """

    names: dict[str, str]
    images: dict[str, str]
    computes: tuple[str, ...]
    cloud: Cloud

    @classmethod
    def load(cls, cloud: Cloud) -> "Environments":
        """Read both files; raises ValueError naming the file that cannot be read."""
        names: dict[str, str] = {}
        images: dict[str, str] = {}
        computes: list[str] = []
        for path in (REPOSITORY / "local" / "environments.json", cloud.local_dir / "environments.json"):
            if not path.exists():
                continue
            try:
                found: Any = json.loads(path.read_text())
                names = _over(found.get("environments", {}), names)
                images = _over(found.get("images", {}), images)
                computes += [name for name in found.get("computes", []) if name not in computes]
            except (ValueError, AttributeError, TypeError) as error:
                raise ValueError(f"{path} is not a map of environments: {error}") from error
        return cls(names, images, tuple(computes), cloud)

    def known(self, name: str, version: str | None) -> bool:
        """Tell whether the name alone says which Python it is, as with Azure's curated environments."""
        return _first(self.names, (f"{name}:{version}", name)) is not None

    def interpreter(self, name: str, version: str | None, resource: Json | None) -> Path:
        """Give the Python of an environment; raises ArmError where there is none for it."""
        properties = (resource or {}).get("properties", {})
        image = str(properties.get("image") or "")
        by_name = _first(self.names, (f"{name}:{version}", name))
        by_image = _first(self.images, (image,) if image else ())
        # An inline environment has a name that says nothing: its image says more.
        chosen = (by_image or by_name) if name == ANONYMOUS else (by_name or by_image)
        if chosen is None and properties.get("build"):
            raise invalid(
                f"The environment '{name}:{version}' is built from a Dockerfile, and images are not built on a laptop. "
                f"Add a pattern for its name to {self.cloud.local_dir / 'environments.json'}, with the Python that has "
                "what it needs, or use an environment with an image; known images are "
                f"{', '.join(self.images)}."
            )
        if chosen is None:
            raise invalid(
                f"The environment '{name}:{version}'{f' (image {image})' if image else ''} has no Python on this "
                "laptop: images and conda files are not built here. Add a pattern for its name or image to "
                f"{self.cloud.local_dir / 'environments.json'}; known are {', '.join([*self.names, *self.images])}."
            )
        path = Path(chosen) if chosen.startswith("/") else self.cloud.interpreter(chosen)
        if not path.exists():
            raise invalid(
                f"The environment '{name}:{version}' stands for {path}, which does not exist: run `make setup`, or "
                f"name another Python in {self.cloud.local_dir / 'environments.json'}."
            )
        return path

    def check_compute(self, name: str) -> None:
        """Raise ArmError where the workspace has no such compute."""
        if name not in self.computes:
            raise invalid(
                f"Compute '{name}' was not found in the workspace. Known on this laptop: {', '.join(self.computes)}.",
                "NotFoundError",
            )


def _over(first: dict[str, str], then: dict[str, str]) -> dict[str, str]:
    """Give both maps: those of `first` are tried first, and win where both have a pattern."""
    return {**first, **{pattern: value for pattern, value in then.items() if pattern not in first}}


def _first(patterns: dict[str, str], texts: tuple[str, ...]) -> str | None:
    for text in texts:
        if text in patterns:
            return patterns[text]
        for pattern, value in patterns.items():
            if fnmatchcase(text, pattern):
                return value
    return None
