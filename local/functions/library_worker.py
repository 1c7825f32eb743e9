"""A worker over the azure-functions library alone, for Pythons on which Microsoft's own worker library is missing."""

import asyncio
import functools
import importlib
import inspect
import json
import os
import sys
import threading
import traceback
import types
import typing
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

from azure.functions import FunctionRegister, meta

from local.functions.worker import FIRST, AppError, FunctionSpec, InvocationError, Result, Try, checked


class _Out:
    """What a function writes an output to."""

    def __init__(self) -> None:
        self.value: Any = None

    def set(self, value: Any) -> None:
        self.value = value

    def get(self) -> Any:
        return self.value


class _Context:
    """What a function sees of its call where it has a parameter `context` (azure.functions.Context)."""

    def __init__(self, name: str, invocation: str, folder: Path, traceparent: str, attempt: Try) -> None:
        self.function_name = name
        self.invocation_id = invocation
        self.function_directory = os.fspath(folder)
        self.trace_context = types.SimpleNamespace(
            trace_parent=traceparent, Traceparent=traceparent, trace_state="", Tracestate="", attributes={}
        )
        self.retry_context = types.SimpleNamespace(
            retry_count=attempt.count, max_retry_count=attempt.most, exception=attempt.error or None
        )
        self.thread_local_storage = threading.local()


class LibraryWorker:
    """Runs functions by the azure-functions library: async ones on the loop, sync ones in threads, as Azure does."""

    name = "azure-functions"

    def __init__(self) -> None:
        self._functions: dict[str, Any] = {}
        self._folder = Path()
        # The size of Azure's pool: https://learn.microsoft.com/azure/azure-functions/python-scale-performance-reference
        self._threads = ThreadPoolExecutor(min(32, (os.cpu_count() or 1) + 4), thread_name_prefix="function")

    def load(self, folder: Path) -> list[FunctionSpec]:
        """Import function_app.py of a folder and give its functions, or raise AppError."""
        functions = app_of(folder).get_functions()
        self._folder = folder
        specs = []
        for function in functions:
            name = str(function.get_function_name())
            self._functions[name] = function
            bindings = json.loads(function.get_function_json())["bindings"]
            specs.append(FunctionSpec(name, name, bindings, retry=retry_of(function)))
        return checked([with_lower_directions(spec) for spec in specs])

    async def invoke(
        self,
        spec: FunctionSpec,
        invocation: str,
        value: Any,
        metadata: Mapping[str, Any],
        traceparent: str,
        attempt: Try = FIRST,
    ) -> Result:
        """Call a function with its trigger's datum and metadata, or raise InvocationError."""
        try:
            context = _Context(spec.name, invocation, self._folder, traceparent, attempt)
            return await self._invoke(spec, value, metadata, context)
        except Exception as error:
            raise InvocationError(f"{type(error).__name__}: {error}", traceback.format_exc()) from error

    async def _invoke(self, spec: FunctionSpec, value: Any, metadata: Mapping[str, Any], context: "_Context") -> Result:
        function = self._functions[spec.identifier].get_user_function()
        registry = meta.get_binding_registry()
        trigger = spec.trigger
        arguments = {trigger["name"]: registry.get(trigger["type"]).decode(value, trigger_metadata=metadata)}
        outputs = {b["name"]: (b, _Out()) for b in spec.outputs if b["name"] != "$return"}
        arguments |= {name: out for name, (_, out) in outputs.items()}
        if "context" in inspect.signature(function).parameters:
            arguments["context"] = context
        if inspect.iscoroutinefunction(function):
            returned = await function(**arguments)
        else:
            call = functools.partial(function, **arguments)
            returned = await asyncio.get_running_loop().run_in_executor(self._threads, call)
        encoded = [
            (name, registry.get(binding["type"]).encode(out.get(), expected_type=None))
            for name, (binding, out) in outputs.items()
            if out.get() is not None
        ]
        answer = next((b for b in spec.bindings if b["name"] == "$return"), None)
        if answer is None:
            if returned is not None:
                raise RuntimeError(f"function {spec.name!r} without a $return binding returned a value")
            return Result(None, encoded)
        hints = typing.get_type_hints(function)
        return Result(registry.get(answer["type"]).encode(returned, expected_type=hints.get("return")), encoded)


def app_of(folder: Path) -> FunctionRegister:
    """Import function_app.py of a folder and give its one app, or raise AppError."""
    script = folder / "function_app.py"
    if not script.is_file():
        raise AppError(f"there is no function_app.py in {folder}")
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))
    try:
        module = importlib.import_module("function_app")
    except Exception as error:
        raise AppError(f"function_app.py does not load: {type(error).__name__}: {error}") from error
    apps = [value for value in vars(module).values() if isinstance(value, FunctionRegister)]
    if len(apps) != 1:
        raise AppError(f"function_app.py has {len(apps)} apps at its top level; exactly one is expected")
    return apps[0]


def with_lower_directions(spec: FunctionSpec) -> FunctionSpec:
    """Give the spec with directions as function.json has them: in, out."""
    bindings = [{**binding, "direction": str(binding["direction"]).lower()} for binding in spec.bindings]
    return replace(spec, bindings=bindings)


def retry_of(function: Any) -> Mapping[str, Any] | None:
    """Give the retry policy that a function declares, as it stands there."""
    policy: Mapping[str, Any] | None = function.get_settings_dict("retry_policy")
    return policy
