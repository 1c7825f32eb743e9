"""The functions of the app: it gives them once in a process."""

from functools import lru_cache
from typing import Any


@lru_cache
def functions() -> tuple[Any, ...]:
    """Give the functions as the platform indexes them."""
    import function_app

    return tuple(function_app.app.get_functions())
