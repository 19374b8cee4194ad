"""``TaskSpec``: one task of the catalog, and every passage of its arguments and its result."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import to_jsonable_python

from async_tasks.catalog import problems
from async_tasks.catalog.options import TaskOptions
from async_tasks.catalog.signature import Signature
from async_tasks.errors import InvalidArguments, Problem, ResultRefused


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TaskSpec:
    """What the catalog knows of a task."""

    name: str
    title: str  # one line, for forms and lists
    help: str  # the rest of the docstring; may be empty
    arguments: type[BaseModel]  # a field each parameter; read names through the schema, which has the public ones
    options: TaskOptions
    function: Callable[..., Any]  # the plain function; with ``bind`` its first argument is the Celery task
    bind: bool
    signature: Signature = field(repr=False)
    place: str  # "path:line", where it was declared

    def arguments_schema(self) -> dict[str, Any]:
        """JSON Schema of the arguments, an object by parameter name; a copy of the caller's own."""
        return copy.deepcopy(self.signature.arguments_schema)

    def result_schema(self) -> dict[str, Any] | None:
        """JSON Schema of the result, or None where the function does not say; a copy of the caller's own."""
        return copy.deepcopy(self.signature.result_schema)

    def validate(self, arguments: Mapping[str, Any], *, strict: bool = False) -> dict[str, Any]:
        """Check arguments at the door.

        Args:
            arguments: JSON values by parameter name. Python's own (a date, a model) are taken too.
            strict: take JSON values of the types that the schema says only; else "5" is taken for an int, as
                forms and commands send text.

        Returns:
            Values ready for JSON by parameter name, defaults filled in.

        Raises:
            InvalidArguments: with every problem.
        """
        model = self._checked(arguments, strict=strict)
        try:
            # By alias, as the schema has it; without computed fields, which could not be passed again.
            values: dict[str, Any] = model.model_dump(mode="json", by_alias=True, round_trip=True, warnings=False)
        except ValueError as exc:  # a value of type Any that is none of JSON's, or too deep
            raise self._refused([Problem(field="", message=f"cannot be written as JSON: {exc}")]) from exc
        if found := list(problems.of_json(values)):
            raise self._refused(found)
        return values

    def bind_call(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> dict[str, Any]:
        """Check what a message carries, in a worker.

        Args:
            args: values by position; a chain puts the result of the task before in front.
            kwargs: values by name.

        Returns:
            Values of the annotated types by parameter name, defaults filled in, to call ``function`` with.

        Raises:
            InvalidArguments: with every problem.
        """
        given, wrong = self._bound(args, kwargs)
        model = self._checked(given, wrong)
        return {name: getattr(model, attribute) for name, attribute in self.signature.fields.items()}

    def named(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> dict[str, Any] | None:
        """Arguments by parameter name for the record, unchecked and without defaults.

        Returns:
            Values ready for JSON, or None where ``args`` and ``kwargs`` do not match the parameters.
        """
        given, wrong = self._bound(args, kwargs)
        if wrong or not given.keys() <= self.signature.fields.keys():
            return None
        return {name: _shown(value) for name, value in given.items()}

    def dump_result(self, value: Any) -> Any:
        """Turn what the function returned into a value ready for JSON.

        Raises:
            ResultRefused: if it does not fit the function's return annotation or is no JSON.
        """
        adapter = self.signature.result
        try:
            if adapter is None:
                dumped = to_jsonable_python(value)
            else:
                checked = adapter.validate_python(value, by_alias=True, by_name=True)
                dumped = adapter.dump_python(checked, mode="json", by_alias=True, warnings=False)
        except ValidationError as exc:
            listed = problems.listed(problems.of_validation(exc, value))
            raise ResultRefused(
                f"Task {self.name!r} returned a value that its return annotation refuses: {listed}"
            ) from exc
        except (ValueError, RecursionError) as exc:
            raise ResultRefused(f"Task {self.name!r} returned a value that is no JSON: {exc}") from exc
        if found := list(problems.of_json(dumped)):
            raise ResultRefused(f"Task {self.name!r} returned a value that is no JSON: {problems.listed(found)}")
        return dumped

    def _checked(
        self, arguments: Mapping[str, Any], wrong: Iterable[Problem] = (), *, strict: bool = False
    ) -> BaseModel:
        if not isinstance(arguments, Mapping):
            raise self._refused([Problem(field="", message="must be an object of parameters by name")])
        fields = self.signature.fields
        known = {name: value for name, value in arguments.items() if name in fields}
        found = [
            *wrong,
            *problems.of_unknown((name for name in arguments if name not in fields), list(fields)),
            *(self._other_types(known) if strict else ()),
        ]
        try:
            model = self.arguments.model_validate(known, by_alias=True, by_name=True)
        except ValidationError as exc:
            said = {problem["field"] for problem in found}
            more = [problem for problem in problems.of_validation(exc, known) if problem["field"] not in said]
            raise self._refused([*found, *more]) from None
        if found:
            raise self._refused(found)
        return model

    def _other_types(self, known: Mapping[str, Any]) -> list[Problem]:
        # What was given only: strictly, even a default may be of another type, such as "2026-01-01" of a date.
        try:
            self.arguments.model_validate_json(json.dumps(known), strict=True, by_alias=True, by_name=True)
        except ValidationError as exc:
            return [p for p in problems.of_validation(exc, known) if p["field"].partition(".")[0] in known]
        return []

    def _bound(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> tuple[dict[str, Any], list[Problem]]:
        positional = self.signature.positional
        wrong = [
            Problem(field=name, message="is given twice, by position and by name")
            for name in positional[: len(args)]
            if name in kwargs
        ]
        if len(args) > len(positional):
            message = f"takes at most {len(positional)} values by position, and {len(args)} were given"
            wrong.append(Problem(field="", message=message))
        return {**dict(zip(positional, args, strict=False)), **kwargs}, wrong

    def _refused(self, found: list[Problem]) -> InvalidArguments:
        return InvalidArguments(self.name, found)


def portable(value: Any) -> Any:
    """A value of an argument as a message carries it: models, dates and the like as JSON has them.

    What is none of Pydantic's business is left as it is, for Celery to take or refuse.
    """
    if type(value) in {str, int, float, bool, type(None)}:
        return value
    try:
        return to_jsonable_python(value, by_alias=True)
    except ValueError:
        return value


def _shown(value: Any) -> Any:
    try:
        shown = to_jsonable_python(value, by_alias=True, fallback=repr)
    except ValueError:
        return repr(value)
    return repr(value) if any(problems.of_json(shown)) else shown
