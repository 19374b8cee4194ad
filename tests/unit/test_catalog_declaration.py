"""What can be declared a task, what is refused, and what the catalog then says of it."""

from __future__ import annotations

import dataclasses
import enum
import re
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from datetime import date, datetime
from decimal import Decimal
from typing import IO, TYPE_CHECKING, Annotated, Any, Literal
from uuid import UUID

import pytest
from pydantic import BaseModel, EmailStr, Field, HttpUrl, SecretStr
from typing_extensions import TypedDict  # Pydantic wants this one before Python 3.12

from async_tasks import catalog, task
from async_tasks.errors import DeclarationError

if TYPE_CHECKING:
    from somewhere import Elsewhere

HERE = re.escape(__file__)


class Colour(enum.Enum):
    RED = "red"
    BLUE = "blue"


class Point(TypedDict):
    x: int
    y: int


@dataclasses.dataclass
class Size:
    width: int
    height: int = 1


class Item(BaseModel):
    name: str
    price: Annotated[Decimal, Field(ge=0)] = Decimal("0.00")


class Arbitrary:
    pass


@pytest.fixture(autouse=True)
def _own_catalog() -> Iterator[None]:
    taken = catalog.snapshot()
    catalog.restore({})  # other tests' modules are loaded too, and take names
    yield
    catalog.restore(taken)


def refused(function: Any, **options: Any) -> str:
    with pytest.raises(DeclarationError) as caught:
        task(**options)(function)
    message = str(caught.value)
    assert re.match(rf"{HERE}:\d+: ", message)
    assert f"{function.__qualname__}() cannot be a task: " in message
    assert function.__name__ not in catalog.snapshot()
    return message


def test_given_a_typed_function_when_declared_then_the_catalog_has_its_schemas() -> None:
    @task
    def thumbnail(url: HttpUrl, width: Annotated[int, Field(ge=16, le=4096)] = 256) -> Item:
        """Make a thumbnail.

        It is stored beside the original.
        Twice as sharp as needed.

        Args:
            url: Where the picture is,
                by http or https.
            width: In pixels.

        Returns:
            What it costs.
        """
        return Item(name=str(url))

    spec = catalog.get("thumbnail")
    assert spec is thumbnail.spec
    assert (spec.name, spec.title, spec.bind) == ("thumbnail", "Make a thumbnail", False)
    assert spec.help == "It is stored beside the original.\nTwice as sharp as needed.\n\nReturns:\n    What it costs."
    assert spec.arguments.__name__ == "ThumbnailArguments"
    schema = spec.arguments_schema()
    assert schema["title"] == "Make a thumbnail"
    assert schema["required"] == ["url"]
    assert schema["additionalProperties"] is False
    assert schema["properties"]["url"]["description"] == "Where the picture is, by http or https."
    assert schema["properties"]["url"]["format"] == "uri"
    assert schema["properties"]["width"] == {
        "default": 256,
        "description": "In pixels.",
        "maximum": 4096,
        "minimum": 16,
        "title": "Width",
        "type": "integer",
    }
    result = spec.result_schema()
    assert result is not None
    assert result["properties"]["price"]["type"] == "string"


def test_given_a_schema_when_a_caller_changes_it_then_the_catalog_is_not_changed() -> None:
    @task
    def copied(text: str) -> str:
        return text

    copied.spec.arguments_schema()["properties"].clear()
    (copied.spec.result_schema() or {}).clear()
    assert copied.spec.arguments_schema()["properties"]
    assert copied.spec.result_schema() == {"type": "string"}


def test_given_every_promised_type_when_declared_then_each_has_a_schema() -> None:
    @task
    def everything(
        line: str,
        email: EmailStr,
        url: HttpUrl,
        count: int,
        ratio: float,
        amount: Decimal,
        yes: bool,
        colour: Colour,
        size_name: Literal["s", "m"],
        day: date,
        at: datetime,
        key: UUID,
        maybe: int | None,
        either: int | list[str],
        names: list[str],
        ages: dict[str, int],
        item: Item,
        items: list[Item],
        size: Size,
        point: Point,
        anything: Any,
        *,
        keyword: str = "x",
    ) -> None:
        pass

    properties = everything.spec.arguments_schema()["properties"]
    assert len(properties) == 22
    assert everything.spec.result_schema() == {"type": "null"}


def test_given_no_docstring_when_declared_then_the_title_is_the_name_made_readable() -> None:
    @task(name="reports.send_all-now")
    def report() -> None:
        pass

    assert catalog.get("reports.send_all-now").title == "Reports send all now"
    assert report.spec.help == ""
    assert "description" not in report.spec.arguments_schema()
    assert report.spec.arguments.__name__ == "ReportsSendAllNowArguments"


def test_given_no_return_annotation_when_declared_then_there_is_no_result_schema() -> None:
    @task
    def untold(a: int):
        return a

    assert untold.spec.result_schema() is None


@pytest.mark.filterwarnings("error")
def test_given_names_that_pydantic_keeps_to_itself_when_declared_then_they_work_as_any() -> None:
    @task
    def shadows(
        json: str,
        schema: int,
        copy: bool,
        model_config: str,
        model_name: str,
        _private: int,
        __dunder: int,
        parameter_json: str = "mine",
    ) -> None:
        """Shadow.

        Args:
            json: Described.
        """

    given = {
        "json": "{}", "schema": 1, "copy": True, "model_config": "a", "model_name": "b", "_private": 2, "__dunder": 3
    }  # fmt: skip
    assert shadows.spec.validate(given) == {**given, "parameter_json": "mine"}
    assert shadows.spec.bind_call([], given) == {**given, "parameter_json": "mine"}
    properties = shadows.spec.arguments_schema()["properties"]
    assert list(properties) == [*given, "parameter_json"]
    assert properties["json"]["title"] == "Json"
    assert properties["json"]["description"] == "Described."
    assert properties["_private"]["title"] == "Private"


def test_given_the_authors_own_title_and_description_when_declared_then_they_stay() -> None:
    @task
    def titled(width: Annotated[int, Field(title="Breadth", description="Own")]) -> None:
        """Do.

        Args:
            width: From the docstring.
        """

    assert titled.spec.arguments_schema()["properties"]["width"] == {
        "description": "Own",
        "title": "Breadth",
        "type": "integer",
    }


def test_given_parameters_of_refused_kinds_when_declared_then_the_parameter_is_named() -> None:
    def many(*values: int) -> None: ...
    def named(**values: int) -> None: ...
    def positional(a: int, /, b: int) -> None: ...

    assert "'*values: 'int''" in refused(many).replace('"', "'")
    assert "list type" in refused(many)
    assert "'**values" in refused(named).replace('"', "'")
    assert "dict type" in refused(named)
    assert "positional-only" in refused(positional)


def test_given_no_annotation_when_declared_then_it_says_what_to_write() -> None:
    def bare(text) -> None: ...
    def method(self, text: str) -> None: ...

    assert "parameter 'text' has no annotation: say what it takes, for example `text: str`" in refused(bare)
    assert "add bind=True" in refused(method)


@pytest.mark.parametrize(
    "annotation", [Callable[[], int], Arbitrary, IO[str], type, list[Arbitrary], Arbitrary | None, dict[str, IO[str]]]
)
def test_given_a_type_without_a_schema_when_declared_then_the_parameter_is_named(annotation: Any) -> None:
    def unfit(fine: int, odd) -> None: ...

    unfit.__annotations__["odd"] = annotation
    assert "parameter 'odd' has a type that JSON cannot carry: use str" in refused(unfit)

    def untold(fine: int): ...

    untold.__annotations__["return"] = annotation
    assert "the return annotation has a type that JSON cannot carry" in refused(untold)


def test_given_a_renamed_parameter_without_a_schema_when_declared_then_its_own_name_is_named() -> None:
    def unfit(json: Arbitrary) -> None: ...

    assert "parameter 'json' has a type" in refused(unfit)


def test_given_an_iterator_when_declared_then_a_list_is_asked_for() -> None:
    def lazy(rows: Iterable[int]) -> None: ...
    def lazy_result() -> Iterator[int]: ...

    assert "parameter 'rows' is an iterator" in refused(lazy)
    assert "the return annotation is an iterator" in refused(lazy_result)


def test_given_a_secret_when_declared_then_it_is_refused_because_it_would_arrive_masked() -> None:
    class _Login(BaseModel):
        password: SecretStr

    def direct(user: str, password: SecretStr) -> None: ...
    def nested(user: str, login: Any) -> None: ...

    nested.__annotations__["login"] = list[_Login]
    assert "parameter 'password' is a secret" in refused(direct)
    assert "parameter 'login' is a secret" in refused(nested)


def test_given_a_default_of_another_type_when_declared_then_the_parameter_is_named() -> None:
    def wrong(width: Annotated[int, Field(ge=16)] = 3) -> None: ...
    def none(name: str, width: int = None) -> None: ...  # type: ignore[assignment]  # noqa: RUF013
    def infinite(ratio: float = float("inf")) -> None: ...

    assert "parameter 'width' has a default that its own type refuses" in refused(wrong)
    assert "write `… | None`" in refused(none)
    assert "parameter 'ratio'" in refused(infinite)


def test_given_a_field_as_default_when_declared_then_annotated_is_asked_for() -> None:
    def old_style(width: int = Field(5, ge=1)) -> None: ...

    assert "write `width: Annotated[…, Field(…)]`" in refused(old_style)


def test_given_an_alias_when_declared_then_it_is_refused() -> None:
    def aliased(width: Annotated[int, Field(alias="w")]) -> None: ...

    assert "parameter 'width' has an alias" in refused(aliased)


def test_given_a_name_that_cannot_be_resolved_when_declared_then_it_says_why() -> None:
    def unresolved(where: Elsewhere) -> None: ...
    def unresolved_result() -> Elsewhere: ...

    assert "the annotation of parameter 'where', 'Elsewhere', cannot be resolved" in refused(unresolved)
    assert "outside `if TYPE_CHECKING:`" in refused(unresolved)
    assert "the return annotation, 'Elsewhere', cannot be resolved" in refused(unresolved_result)


def test_given_a_bound_task_when_declared_then_the_annotation_of_self_is_never_looked_at() -> None:
    @task(bind=True)
    def bound(self: Elsewhere, text: str) -> str:
        return text

    assert list(bound.spec.arguments_schema()["properties"]) == ["text"]
    assert bound.spec.bind


def test_given_bind_without_a_first_parameter_when_declared_then_it_is_refused() -> None:
    def nothing() -> None: ...
    def keyword(*, text: str) -> None: ...

    assert "add `self` before the others" in refused(nothing, bind=True)
    assert "add `self` before the others" in refused(keyword, bind=True)


def test_given_async_functions_and_generators_when_declared_then_it_says_what_to_do_instead() -> None:
    async def coroutine(a: int) -> int:
        return a

    def generator(a: int) -> Iterator[int]:
        yield a

    async def both(a: int) -> AsyncIterator[int]:
        yield a

    assert "asyncio.run(" in refused(coroutine)
    assert "return a list" in refused(generator)
    assert "return a list" in refused(both)


@pytest.mark.parametrize("given", [Arbitrary, "reverse", 5, len, str.upper])
def test_given_no_function_when_declared_then_it_is_refused(given: Any) -> None:
    with pytest.raises(DeclarationError, match="@task is for functions"):
        task(given)


def test_given_a_task_when_declared_again_then_it_is_refused() -> None:
    @task
    def once() -> None: ...

    with pytest.raises(DeclarationError, match="applied twice to 'once'"):
        task(once)


@pytest.mark.parametrize("name", ["", "1st", "a b", "ü", "a/b", "x" * 101, 5, None])
def test_given_an_unfit_name_when_declared_then_it_is_refused(name: Any) -> None:
    def plain() -> None: ...

    assert "is no name for a task" in refused(plain, name=name)


def test_given_a_lambda_when_declared_then_a_name_is_asked_for() -> None:
    with pytest.raises(DeclarationError, match="'<lambda>' is no name for a task"):
        task(lambda: None)


def test_given_a_default_as_text_when_it_is_bound_then_the_function_gets_its_type() -> None:
    @task
    def dated(day: date = "2026-01-02") -> None:  # type: ignore[assignment]
        pass

    assert dated.spec.bind_call([], {}) == {"day": date(2026, 1, 2)}
    assert dated.spec.validate({}) == {"day": "2026-01-02"}
