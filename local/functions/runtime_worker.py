"""A worker over Microsoft's own worker library, azure-functions-runtime: the code that runs functions in Azure.

It takes the functions from the app and calls them by its protobuf-free entry (`native_invocation`). Only its index
wants the host's message classes; it copies values into them and nothing else, so plain namespaces serve.
"""

import json
import os
import types
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from local.functions.library_worker import app_of, retry_of, with_lower_directions
from local.functions.worker import FIRST, AppError, FunctionSpec, InvocationError, Result, Try, checked


class _Messages:
    """Stands for the host's generated message classes."""

    class BindingInfo(types.SimpleNamespace):
        """How a parameter is bound; the numbers are those of azure.functions.decorators.core."""

        undefined: Any = None
        out: Any = None
        inout: Any = None

    RpcFunctionMetadata = types.SimpleNamespace
    RpcRetryOptions = types.SimpleNamespace


class RuntimeWorker:
    """Runs functions by azure-functions-runtime."""

    name = "azure-functions-runtime"

    def __init__(self) -> None:
        from azure.functions.decorators.core import BindingDirection, DataType
        from azure_functions_runtime import native_invocation
        from azure_functions_runtime.bindings.datumdef import Datum
        from azure_functions_runtime.bindings.meta import load_binding_registry
        from azure_functions_runtime.utils.threadpool import start_threadpool_executor

        _Messages.BindingInfo.undefined = DataType.UNDEFINED.value
        setattr(_Messages.BindingInfo, "in", BindingDirection.IN.value)
        _Messages.BindingInfo.out = BindingDirection.OUT.value
        _Messages.BindingInfo.inout = BindingDirection.INOUT.value
        load_binding_registry()
        start_threadpool_executor()
        self._registry = vars(native_invocation)["_functions"]
        self._native, self._datum = native_invocation, Datum

    def load(self, folder: Path) -> list[FunctionSpec]:
        """Index the app of a folder as the runtime does, or raise AppError."""
        from azure_functions_runtime.loader import process_indexed_function

        functions = app_of(folder).get_functions()
        policies = {str(function.get_function_name()): retry_of(function) for function in functions}
        try:
            records, _ = process_indexed_function(_Messages, self._registry, functions, os.fspath(folder))
        except Exception as error:
            raise AppError(f"the functions do not index: {type(error).__name__}: {error}") from error
        specs = [
            FunctionSpec(
                record.name,
                record.function_id,
                [json.loads(text) for text in record.raw_bindings],
                retry=policies.get(record.name),
            )
            for record in records
        ]
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
        ok, returned, outputs, error, trace = await self._native.invocation_request_native(
            invocation,
            spec.identifier,
            [(spec.trigger["name"], self._own(value))],
            {name: self._own(item) for name, item in metadata.items()},
            trace_parent=traceparent,
            retry_count=attempt.count,
            max_retry_count=attempt.most,
            retry_exception=attempt.error or None,
        )
        if not ok:
            raise InvocationError(str(error), str(trace or ""))
        return Result(returned, outputs)

    def _own(self, datum: Any) -> Any:
        """Give the runtime's own kind of datum for the library's, which is the same in another class."""
        value = datum.value
        if datum.type == "http":
            value = {
                name: {key: self._own(item) for key, item in part.items()}
                if isinstance(part, dict)
                else self._own(part)
                for name, part in value.items()
            }
        return self._datum(value, datum.type)
