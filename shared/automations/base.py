"""What every part of the automation language builds on: the strict model and the kinds of text it is made of."""

import re
from typing import Annotated, Any, Final

from pydantic import AfterValidator, BaseModel, ConfigDict

from shared.automations.patterns import PathPattern
from shared.expressions import Expression, ExpressionError, Template

_CONTAINER: Final = re.compile(r"[a-z0-9](-?[a-z0-9])*")
_NAME: Final = re.compile(r"[a-z][a-z0-9-]{0,62}")
_MODEL_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,254}")


class Model(BaseModel):
    """A part of the language: unknown keys are refused, nothing changes after it is read, keys are kebab-case."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        strict=True,
        alias_generator=lambda name: name.replace("_", "-"),
        validate_by_alias=True,
        validate_by_name=False,
        arbitrary_types_allowed=False,
    )


def exactly_one(model: BaseModel, message: str) -> None:
    """Raise ValueError with `message` unless exactly one field of the model is given."""
    if sum(value is not None for value in model.__dict__.values()) != 1:
        known = ", ".join(info.alias or name for name, info in type(model).model_fields.items())
        raise ValueError(f"{message}: {known}")


def _pattern(text: str) -> str:
    PathPattern.parse(text)
    return text


def _container(text: str) -> str:
    if not (3 <= len(text) <= 63 and _CONTAINER.fullmatch(text)):
        raise ValueError(f"{text!r} is no container name: 3 to 63 lower-case letters, digits and single hyphens")
    return text


def _name(text: str) -> str:
    if not _NAME.fullmatch(text):
        raise ValueError(f"{text!r}: a name begins with a letter and has up to 63 lower-case letters, digits, hyphens")
    return text


def _model_name(text: str) -> str:
    if not _MODEL_NAME.fullmatch(text):
        raise ValueError(
            f"{text!r} is no name in Azure ML: up to 255 letters, digits, '-', '_', '.', the first a letter or digit"
        )
    return text


def _expression(text: str) -> str:
    try:
        Expression.compile(text)
    except ExpressionError as error:
        raise ValueError(str(error)) from None
    return text


def _template(value: Any) -> Any:
    if isinstance(value, str):
        try:
            Template.parse(value)
        except ExpressionError as error:
            raise ValueError(str(error)) from None
    return value


def _file(text: str) -> str:
    if not text or text.startswith("/") or ".." in text.split("/") or "\\" in text:
        raise ValueError(f"{text!r}: a file is named from the project's root, without '..'")
    return text


Pattern = Annotated[str, AfterValidator(_pattern)]
Container = Annotated[str, AfterValidator(_container)]
Name = Annotated[str, AfterValidator(_name)]
AssetName = Annotated[str, AfterValidator(_model_name)]
Condition = Annotated[str, AfterValidator(_expression)]
RepositoryFile = Annotated[str, AfterValidator(_file)]
JobValue = Annotated[str | int | float | bool, AfterValidator(_template)]
TemplateText = Annotated[str, AfterValidator(_template)]
