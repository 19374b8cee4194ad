"""A function's signature -> the Pydantic model of its arguments and the adapter of its result."""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterable, AsyncIterator, Callable, Generator, Iterable, Iterator, Mapping
from dataclasses import dataclass
from inspect import Parameter
from types import SimpleNamespace
from typing import Annotated, Any, Final, get_args, get_origin, get_type_hints

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, create_model
from pydantic.errors import PydanticUserError
from pydantic.fields import FieldInfo
from pydantic.json_schema import GenerateJsonSchema
from pydantic_core.core_schema import DecimalSchema

from async_tasks.catalog import docstring
from async_tasks.errors import DeclarationError

_REFUSED_KINDS: Final = {
    Parameter.VAR_POSITIONAL: "collects any number of values: take one parameter of a list type instead",
    Parameter.VAR_KEYWORD: "collects any names: take one parameter of a dict type, or name each one",
    Parameter.POSITIONAL_ONLY: "is positional-only: arguments travel by name, so remove the '/'",
}

#: Pydantic reads these while they are consumed, so that nothing could be said of them at the door.
_LAZY: Final = (Iterable, Iterator, Generator, AsyncIterable, AsyncIterator)


@dataclass(frozen=True, slots=True, kw_only=True)
class Signature:
    """What can be passed to a task, and what it returns."""

    fields: Mapping[str, str]  # parameter -> field of the model: they differ where Pydantic keeps a name to itself
    positional: tuple[str, ...]  # the parameters that may be given by position
    arguments: type[BaseModel]
    arguments_schema: dict[str, Any]
    result: TypeAdapter[Any] | None  # None: the function does not say, so any JSON value
    result_schema: dict[str, Any] | None


class _Schemas(GenerateJsonSchema):
    """Pydantic's schemas, which by default take any text for a decimal."""

    def get_decimal_pattern(self, schema: DecimalSchema) -> str:  # noqa: ARG002 - Pydantic's signature
        return r"^[+\-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+\-]?[0-9]+)?$"


def read(function: Callable[..., Any], name: str, *, bind: bool, docs: docstring.Docs) -> Signature:
    """Make the models of a function's signature.

    Raises:
        DeclarationError: naming the parameter that cannot be submitted as JSON, and what to do about it.
    """
    parameters = _parameters(function, bind=bind)
    definitions: dict[str, tuple[Any, Any]] = {}
    fields: dict[str, str] = {}
    for parameter in parameters:
        _check_kind(parameter)
        field = _field_name(parameter.name, parameters)
        fields[parameter.name] = field
        annotation = _hint(function, parameter.name, parameter.annotation)
        default = ... if parameter.default is Parameter.empty else parameter.default
        description = docs.parameters.get(parameter.name)
        definitions[field] = (_described(annotation, parameter.name, field, description), default)
    arguments, schema = _model(name, docs, definitions, function.__module__)
    _check_defaults(arguments)
    result, result_schema = _result(function)
    return Signature(
        fields=fields,
        positional=tuple(p.name for p in parameters if p.kind is Parameter.POSITIONAL_OR_KEYWORD),
        arguments=arguments,
        arguments_schema=schema,
        result=result,
        result_schema=result_schema,
    )


def _parameters(function: Callable[..., Any], *, bind: bool) -> list[Parameter]:
    try:
        parameters = list(inspect.signature(function).parameters.values())
    except NameError as exc:  # from Python 3.14 on, annotations are evaluated when they are read
        raise DeclarationError(f"an annotation cannot be resolved: {exc}. {_FORWARD}") from None
    if not bind:
        return parameters
    if not parameters or parameters[0].kind not in {
        Parameter.POSITIONAL_ONLY,
        Parameter.POSITIONAL_OR_KEYWORD,
    }:
        raise DeclarationError("bind=True passes the Celery task as the first parameter: add `self` before the others")
    return parameters[1:]


def _check_kind(parameter: Parameter) -> None:
    if parameter.kind in _REFUSED_KINDS:
        raise DeclarationError(f"parameter {str(parameter)!r} {_REFUSED_KINDS[parameter.kind]}")
    if parameter.annotation is Parameter.empty:
        if parameter.name == "self":
            raise DeclarationError("parameter 'self' has no annotation. If it is to be the Celery task, add bind=True")
        raise DeclarationError(
            f"parameter {parameter.name!r} has no annotation: say what it takes, for example `{parameter.name}: str`"
        )
    if isinstance(parameter.default, FieldInfo):
        raise DeclarationError(
            f"parameter {parameter.name!r} has a Field(…) as its default, which a direct call would receive: "
            f"write `{parameter.name}: Annotated[…, Field(…)]`, and the plain default after it"
        )


_FORWARD: Final = (
    "Its names must be known in the module when @task runs: define them above the function, "
    "and import them outside `if TYPE_CHECKING:`"
)


def _hint(function: Callable[..., Any], name: str, annotation: Any) -> Any:
    # One at a time, so that the one at fault is named, and a bound task's `self` is left alone.
    holder = SimpleNamespace(__annotations__={name: annotation})
    try:
        names = getattr(inspect.unwrap(function), "__globals__", {})
        hint = get_type_hints(holder, globalns=names, include_extras=True)[name]
    except Exception as exc:  # annotations are expressions: anything may be raised
        what = "the return annotation" if name == "return" else f"the annotation of parameter {name!r}"
        raise DeclarationError(f"{what}, {annotation!r}, cannot be resolved: {exc}. {_FORWARD}") from exc
    if hint in _LAZY or get_origin(hint) in _LAZY:
        what = "the return annotation" if name == "return" else f"the annotation of parameter {name!r}"
        raise DeclarationError(f"{what} is an iterator, which can be read once only: use a list")
    return hint


def _field_name(name: str, parameters: list[Parameter]) -> str:
    if not name.startswith("_") and not hasattr(BaseModel, name):
        return name
    taken = {parameter.name for parameter in parameters}
    field = f"parameter_{name.lstrip('_')}"
    while field in taken:
        field += "_"
    return field


def _described(annotation: Any, name: str, field: str, description: str | None) -> Any:
    declared = [extra for extra in get_args(annotation) if isinstance(extra, FieldInfo)]
    if get_origin(annotation) is not Annotated:
        declared = []
    if any(info.alias or info.validation_alias or info.serialization_alias for info in declared):
        raise DeclarationError(f"parameter {name!r} has an alias: callers use the parameter's own name, so rename it")
    added: dict[str, Any] = {}
    if not any(info.title for info in declared):
        added["title"] = docstring.readable(name)
    if description and not any(info.description for info in declared):
        added["description"] = description
    if field != name:
        added["alias"] = name
    return Annotated[annotation, Field(**added)] if added else annotation


def _model(
    name: str, docs: docstring.Docs, definitions: dict[str, tuple[Any, Any]], module: str
) -> tuple[type[BaseModel], dict[str, Any]]:
    config = ConfigDict(
        title=docs.title,
        extra="forbid",
        allow_inf_nan=False,  # JSON has neither
        ser_json_inf_nan="constants",  # nor may one become null: what is left of them is refused by name
        validate_default=True,  # so that the function gets a date where its default is "2026-01-01"
        protected_namespaces=(),
        validate_by_name=True,
        validate_by_alias=True,
    )

    def build(fields: dict[str, tuple[Any, Any]]) -> tuple[type[BaseModel], dict[str, Any]]:
        title = "".join(word[:1].upper() + word[1:] for word in docstring.readable(name).split())
        model: type[BaseModel] = create_model(  # type: ignore[call-overload]  # its fields are known at run time only
            f"{title}Arguments", __config__=config, __module__=module, __doc__=docs.help or None, **fields
        )
        schema = model.model_json_schema(mode="validation", schema_generator=_Schemas)
        if _has_secret(schema):
            raise DeclarationError(
                "is a secret, which is masked when it is written down, so that no worker would get it: "
                "pass a name under which the task finds it"
            )
        model.model_json_schema(mode="serialization")
        return model, schema

    try:
        return build(definitions)
    except Exception:
        # The whole says only that something is wrong: each by itself says which.
        for field, definition in definitions.items():
            try:
                build({field: definition})
            except Exception as exc:
                reason = str(exc) if isinstance(exc, DeclarationError) else _no_schema(exc)
                raise DeclarationError(f"parameter {_public(definition, field)!r} {reason}") from exc
        raise


def _has_secret(schema: Any) -> bool:
    if isinstance(schema, dict):
        if schema.get("writeOnly") is True and schema.get("format") == "password":
            return True
        return any(_has_secret(part) for part in schema.values())
    return isinstance(schema, list) and any(_has_secret(part) for part in schema)


def _public(definition: tuple[Any, Any], field: str) -> str:
    aliases = [extra.alias for extra in get_args(definition[0]) if isinstance(extra, FieldInfo) and extra.alias]
    return aliases[0] if aliases else field


def _no_schema(error: Exception) -> str:
    reason = error.message if isinstance(error, PydanticUserError) else str(error)
    return (
        "has a type that JSON cannot carry: use str, int, float, bool, Decimal, an Enum, a Literal, date, "
        f"datetime, UUID, list, dict, a Pydantic model, a dataclass or a TypedDict ({reason.splitlines()[0]})"
    )


def _check_defaults(arguments: type[BaseModel]) -> None:
    try:
        arguments.model_validate({})
    except ValidationError as exc:
        for found in exc.errors(include_url=False, include_context=False):
            if found["type"] != "missing" or len(found["loc"]) > 1:
                hint = "; write `… | None` if it may be left out" if found["input"] is None else ""
                raise DeclarationError(
                    f"parameter {found['loc'][0]!r} has a default that its own type refuses: {found['msg']}{hint}"
                ) from exc


def _result(function: Callable[..., Any]) -> tuple[TypeAdapter[Any] | None, dict[str, Any] | None]:
    # Not inspect.signature: a wrapper that changes what is returned says so by its own annotation.
    annotations = getattr(function, "__annotations__", {})
    if "return" not in annotations:
        return None, None
    hint = _hint(function, "return", annotations["return"])
    try:
        adapter = _adapter(hint)
        return adapter, adapter.json_schema(mode="serialization")
    except Exception as exc:
        raise DeclarationError(f"the return annotation {_no_schema(exc)}, or None where nothing is returned") from exc


def _adapter(hint: Any) -> TypeAdapter[Any]:
    try:
        # NaN must not become null on its way: it is refused afterwards.
        return TypeAdapter(hint, config=ConfigDict(ser_json_inf_nan="constants"))
    except PydanticUserError as exc:
        if exc.code != "type-adapter-config-unused":
            raise
        return TypeAdapter(hint)  # a model, which decides for itself
