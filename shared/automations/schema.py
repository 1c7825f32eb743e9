"""The JSON schema of the automation language, made from its models: editors complete and check by it.

`python -m shared.automations.schema` prints it; `make schema` keeps it in schema/automation.schema.json.
"""

import json
import sys
from collections.abc import Iterator
from typing import Any, Final

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import core_schema

from shared.automations.language_values import one_or_more
from shared.automations.models import Automation

DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"


class _Language(GenerateJsonSchema):
    """Says of a list that may be written as its one item that it may."""

    def function_before_schema(self, schema: core_schema.BeforeValidatorFunctionSchema) -> JsonSchemaValue:
        made = super().function_before_schema(schema)
        if schema["function"]["function"] is one_or_more and made.get("type") == "array":
            return {"anyOf": [made["items"], made]}
        return made


def schema() -> dict[str, Any]:
    """Give the schema of one YAML document, in draft 2020-12.

    It says what the models say of keys, types, values and of models that have exactly one key. What needs more than one
    look (captures, expressions, files) is checked at load only.
    """
    made = Automation.model_json_schema(by_alias=True, schema_generator=_Language)
    definitions = made.pop("$defs", {})
    one_of = {model.__name__ for model in _models(Automation) if _has_one_key(model)}
    kept = {name: _tidied(definition, one=name in one_of) for name, definition in sorted(definitions.items())}
    body = _tidied(made, one=False)
    return {"$schema": DIALECT, "title": "Automation", **body, "$defs": kept}


def _tidied(part: Any, *, one: bool) -> Any:
    """Leave out what only means "may be left out" (null, titles), and say where exactly one key is expected."""
    if isinstance(part, list):
        return [_tidied(item, one=False) for item in part]
    if not isinstance(part, dict):
        return part
    if one:
        choices = [{"required": [name]} for name in part["properties"]]
        part = {**part, "minProperties": 1, "maxProperties": 1, "oneOf": choices}
    kept = {key: value for key, value in part.items() if not (key == "default" and value is None)}
    if isinstance(kept.get("title"), str):
        kept.pop("title")
    if isinstance(kept.get("anyOf"), list):
        choices = [choice for choice in kept["anyOf"] if choice != {"type": "null"}]
        kept["anyOf"] = choices
        if len(choices) == 1:
            kept.pop("anyOf")
            kept = {**choices[0], **kept}
    named = ("properties", "$defs")
    return {
        key: {name: _tidied(inner, one=False) for name, inner in value.items()}
        if key in named and isinstance(value, dict)
        else value
        if key in {"default", "examples", "enum", "const"}
        else _tidied(value, one=False)
        for key, value in kept.items()
    }


def _has_one_key(model: type[BaseModel]) -> bool:
    """Tell whether a model takes exactly one of its keys: it says so, and refuses to have none."""
    return "exactly one key" in (model.__doc__ or "") and not _empty(model)


def _empty(model: type[BaseModel]) -> bool:
    try:
        model.model_validate({})
    except ValueError:
        return False
    return True


def _models(model: type[BaseModel], seen: set[type[BaseModel]] | None = None) -> Iterator[type[BaseModel]]:
    """Give a model and all that it is made of."""
    known = set() if seen is None else seen
    if model in known:
        return
    known.add(model)
    yield model
    for field in model.model_fields.values():
        for inner in _inside(field.annotation):
            yield from _models(inner, known)


def _inside(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in getattr(annotation, "__args__", ()):
        yield from _inside(argument)


if __name__ == "__main__":
    sys.stdout.write(json.dumps(schema(), indent=2, ensure_ascii=False) + "\n")
