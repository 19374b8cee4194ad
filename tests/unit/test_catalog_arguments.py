"""Arguments at the door, in the worker and in the record; results on their way back."""

from __future__ import annotations

import dataclasses
import enum
import json
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Literal
from uuid import UUID

import pytest
from pydantic import AfterValidator, AliasGenerator, BaseModel, ConfigDict, EmailStr, Field, HttpUrl, computed_field
from pydantic.alias_generators import to_camel

from async_tasks import catalog, task
from async_tasks.catalog import TaskSpec
from async_tasks.errors import InvalidArguments, ResultRefused


class Colour(enum.Enum):
    RED = "red"


class Item(BaseModel):
    name: str
    ratio: float = 1


class Camel(BaseModel):
    model_config = ConfigDict(alias_generator=AliasGenerator(to_camel), populate_by_name=True, extra="forbid")

    user_name: str

    @computed_field
    def greeting(self) -> str:
        return f"hello {self.user_name}"


class Cat(BaseModel):
    kind: Literal["cat"]
    lives: int


class Dog(BaseModel):
    kind: Literal["dog"]
    bones: int


@dataclasses.dataclass
class Size:
    width: int


class Arbitrary:
    def __repr__(self) -> str:
        return "<arbitrary>"


def _even(value: int) -> int:
    if value % 2:
        raise ValueError("must be even")
    return value


@pytest.fixture(autouse=True)
def _own_catalog() -> Iterator[None]:
    taken = catalog.snapshot()
    catalog.restore({})  # other tests' modules are loaded too, and take names
    yield
    catalog.restore(taken)


@pytest.fixture
def order() -> TaskSpec:
    @task
    def order(
        url: HttpUrl,
        count: Annotated[int, Field(ge=1, le=9)],
        day: date = date(2026, 1, 2),
        amount: Decimal = Decimal("1.10"),
        colour: Colour = Colour.RED,
        items: list[Item] = [],  # noqa: B006
        either: int | Item | None = None,
        pet: Annotated[Cat | Dog, Field(discriminator="kind")] | None = None,
        ages: dict[str, int] = {},  # noqa: B006
        even: Annotated[int, AfterValidator(_even)] = 2,
        *,
        dry: bool = False,
    ) -> None: ...

    return order.spec


GOOD: dict[str, Any] = {"url": "https://example.com", "count": 1}


def problems(spec: TaskSpec, arguments: Any) -> dict[str, str]:
    with pytest.raises(InvalidArguments) as caught:
        spec.validate(arguments)
    assert caught.value.name == spec.name
    assert not any("errors.pydantic.dev" in p["message"] for p in caught.value.problems)
    return {p["field"]: p["message"] for p in caught.value.problems}


def test_given_good_arguments_when_validated_then_json_values_with_defaults_come_back(order: TaskSpec) -> None:
    values = order.validate({**GOOD, "items": [{"name": "a"}], "pet": {"kind": "cat", "lives": 9}})
    assert values == {
        "url": "https://example.com/",
        "count": 1,
        "day": "2026-01-02",
        "amount": "1.10",
        "colour": "red",
        "items": [{"name": "a", "ratio": 1.0}],
        "either": None,
        "pet": {"kind": "cat", "lives": 9},
        "ages": {},
        "even": 2,
        "dry": False,
    }
    assert json.loads(json.dumps(values, allow_nan=False)) == values
    assert order.validate(values) == values


def test_given_text_where_a_number_is_wanted_when_validated_then_it_is_taken(order: TaskSpec) -> None:
    values = order.validate({**GOOD, "count": "5", "dry": "yes", "amount": 2})
    assert (values["count"], values["dry"], values["amount"]) == (5, True, "2")


def test_given_pythons_own_values_when_validated_then_they_are_taken(order: TaskSpec) -> None:
    given = {"url": HttpUrl("https://a.example"), "count": 2, "day": date(2027, 1, 1), "items": [Item(name="b")]}
    values = order.validate(given)
    assert (values["url"], values["day"], values["items"]) == (
        "https://a.example/",
        "2027-01-01",
        [{"name": "b", "ratio": 1.0}],
    )


def test_given_many_mistakes_when_validated_then_each_is_named_with_its_path(order: TaskSpec) -> None:
    found = problems(
        order,
        {
            "count": 10,
            "day": "yesterday",
            "items": [{"name": "a"}, {"ratio": "much"}],
            "pet": {"kind": "cat"},
            "ages": {"ada": "old"},
            "even": 3,
            "colour": "green",
        },
    )
    assert found["url"] == "is required"
    assert found["count"] == "Input should be less than or equal to 9"
    assert "valid date" in found["day"]
    assert found["items.1.name"] == "is required"
    assert "valid number" in found["items.1.ratio"]
    assert found["pet.lives"] == "is required"
    assert "valid integer" in found["ages.ada"]
    assert found["even"] == "must be even"
    assert found["colour"] == "Input should be 'red'"
    assert len(found) == 9


def test_given_no_branch_of_a_union_fits_when_validated_then_the_path_is_the_fields_own(order: TaskSpec) -> None:
    assert set(problems(order, {**GOOD, "either": "x"})) == {"either"}
    assert set(problems(order, {**GOOD, "either": {"ratio": 1}})) == {"either", "either.name"}
    assert set(problems(order, {**GOOD, "pet": {"kind": "cow"}})) == {"pet"}


def test_given_an_unknown_name_when_validated_then_near_ones_are_named(order: TaskSpec) -> None:
    assert problems(order, {**GOOD, "cuont": 1}) == {"cuont": "There is no parameter 'cuont'. Did you mean 'count'?"}
    assert problems(order, {**GOOD, "zzz": 1})["zzz"].startswith(
        "There is no parameter 'zzz'. The parameters are 'url'"
    )
    assert problems(order, {"uurl": "https://example.com"}) == {
        "uurl": "There is no parameter 'uurl'. Did you mean 'url'?",
        "url": "is required",
        "count": "is required",
    }


def test_given_a_very_long_unknown_name_when_validated_then_the_answer_is_short(order: TaskSpec) -> None:
    (message,) = problems(order, {**GOOD, "x" * 100_000: 1}).values()
    assert len(message) < 400


def test_given_a_task_without_parameters_when_something_is_passed_then_it_says_so() -> None:
    @task
    def nothing() -> None: ...

    assert nothing.spec.validate({}) == {}
    assert problems(nothing.spec, {"a": 1}) == {"a": "There is no parameter 'a'. The task takes none."}


@pytest.mark.parametrize("given", [[], "text", None, 5])
def test_given_no_object_when_validated_then_it_says_so(order: TaskSpec, given: Any) -> None:
    assert problems(order, given) == {"": "must be an object of parameters by name"}


@pytest.mark.parametrize("number", [float("nan"), float("inf"), "-Infinity", "nan"])
def test_given_a_number_that_json_has_not_when_validated_then_it_is_refused(number: Any) -> None:
    @task
    def numbers(ratio: float = 1, amount: Decimal = Decimal(1), items: list[Item] = [], free: Any = None) -> None: ...  # noqa: B006

    assert "finite" in problems(numbers.spec, {"ratio": number})["ratio"]
    assert "finite" in problems(numbers.spec, {"amount": number})["amount"]
    # Models of the user's own do not know of our rule.
    assert "finite" in problems(numbers.spec, {"items": [{"name": "a", "ratio": number}]})["items.0.ratio"]
    if isinstance(number, float):
        assert "finite" in problems(numbers.spec, {"free": {"a": [number]}})["free.a.0"]


def test_given_half_a_character_when_validated_then_it_is_refused() -> None:
    @task
    def texts(text: str = "", free: Any = None) -> None: ...

    assert "text" in problems(texts.spec, {"text": "\ud800"})
    assert "Unicode" in problems(texts.spec, {"free": ["\ud800"]})["free.0"]
    assert "cannot be written as JSON" in problems(texts.spec, {"free": {"\ud800": 1}})[""]


def test_given_what_is_no_json_at_all_when_validated_then_it_is_refused() -> None:
    @task
    def anything(free: Any) -> None: ...

    deep: list[Any] = []
    for _ in range(5000):
        deep = [deep]
    assert "cannot be written as JSON" in problems(anything.spec, {"free": Arbitrary()})[""]
    assert "cannot be written as JSON" in problems(anything.spec, {"free": deep})[""]


def test_given_an_address_when_validated_then_what_would_be_a_second_header_is_refused() -> None:
    @task
    def mail(to: EmailStr) -> None: ...

    assert "email" in problems(mail.spec, {"to": "a@example.com\nBcc: b@example.com"})["to"]


def test_given_a_model_with_aliases_when_validated_twice_then_both_readings_agree() -> None:
    @task
    def greet(user: Camel) -> Camel:
        return user

    at_the_door = greet.spec.validate({"user": {"userName": "ada"}})
    assert at_the_door == {"user": {"userName": "ada"}}
    assert greet.spec.validate(at_the_door) == at_the_door
    assert greet.spec.bind_call([], at_the_door)["user"] == Camel(user_name="ada")
    assert greet.spec.dump_result(Camel(user_name="ada")) == {"userName": "ada", "greeting": "hello ada"}


def test_given_a_message_when_bound_then_the_function_gets_its_types(order: TaskSpec) -> None:
    bound = order.bind_call(["https://example.com", 3, "2026-05-06"], {"items": [{"name": "a"}], "dry": True})
    assert isinstance(bound["url"], HttpUrl)
    assert bound["day"] == date(2026, 5, 6)
    assert bound["items"] == [Item(name="a")]
    assert bound["colour"] is Colour.RED
    assert bound["dry"] is True
    assert list(bound) == list(order.signature.fields)
    order.function(**bound)


def test_given_a_message_that_does_not_fit_when_bound_then_every_problem_is_named(order: TaskSpec) -> None:
    with pytest.raises(InvalidArguments) as caught:
        order.bind_call(["https://example.com", 0], {"url": "https://b.example", "dru": True})
    found = {p["field"]: p["message"] for p in caught.value.problems}
    assert found["url"] == "is given twice, by position and by name"
    assert found["dru"] == "There is no parameter 'dru'. Did you mean 'dry'?"
    assert "greater than" in found["count"]


def test_given_too_many_values_by_position_when_bound_then_it_says_how_many(order: TaskSpec) -> None:
    with pytest.raises(InvalidArguments, match="takes at most 10 values by position, and 12 were given"):
        order.bind_call(range(12), {})


def test_given_a_message_when_named_then_the_record_shows_what_was_given_unchecked(order: TaskSpec) -> None:
    at = datetime(2026, 1, 1, tzinfo=UTC)
    key = UUID(int=1)
    assert order.named(["no url", 99], {"day": at, "either": Item(name="a"), "ages": {1: key}}) == {
        "url": "no url",
        "count": 99,
        "day": "2026-01-01T00:00:00Z",
        "either": {"name": "a", "ratio": 1.0},
        "ages": {"1": str(key)},
    }
    assert order.named([], {}) == {}
    shown = order.named([float("nan"), Arbitrary()], {})
    assert shown == {"url": "nan", "count": "<arbitrary>"}
    assert json.dumps(shown, allow_nan=False)


def test_given_a_message_that_cannot_be_bound_when_named_then_there_are_no_names(order: TaskSpec) -> None:
    assert order.named(range(12), {}) is None
    assert order.named(["a"], {"url": "b"}) is None
    assert order.named([], {"unknown": 1}) is None


def test_given_results_that_fit_when_dumped_then_they_are_json() -> None:
    @task
    def many() -> dict[str, list[Item] | Decimal | Size | datetime]:
        raise NotImplementedError

    value = {
        "items": [Item(name="a")],
        "amount": Decimal("1.10"),
        "size": Size(3),
        "at": datetime(2026, 1, 1, tzinfo=UTC),
    }
    assert many.spec.dump_result(value) == {
        "items": [{"name": "a", "ratio": 1.0}],
        "amount": "1.10",
        "size": {"width": 3},
        "at": "2026-01-01T00:00:00Z",
    }


def test_given_a_dict_where_a_model_is_promised_when_dumped_then_it_is_checked_and_completed() -> None:
    @task
    def one() -> Item:
        raise NotImplementedError

    assert one.spec.dump_result({"name": "a"}) == {"name": "a", "ratio": 1.0}
    with pytest.raises(ResultRefused, match="'one' returned a value that its return annotation refuses: name: is req"):
        one.spec.dump_result({})
    with pytest.raises(ResultRefused, match="no JSON: ratio: must be a finite number"):
        one.spec.dump_result(Item(name="a", ratio=float("nan")))


def test_given_a_result_of_another_type_when_dumped_then_it_is_refused() -> None:
    @task
    def number() -> int:
        raise NotImplementedError

    @task
    def nothing() -> None: ...

    assert number.spec.dump_result(5) == 5
    with pytest.raises(ResultRefused, match="valid integer"):
        number.spec.dump_result("five")
    assert nothing.spec.dump_result(None) is None
    with pytest.raises(ResultRefused, match="refuses"):
        nothing.spec.dump_result(1)


def test_given_no_annotation_when_dumped_then_any_json_is_taken_and_nothing_else() -> None:
    @task
    def free():
        raise NotImplementedError

    circle: list[Any] = []
    circle.append(circle)
    assert free.spec.dump_result({"a": [1, date(2026, 1, 1), Item(name="x")]}) == {
        "a": [1, "2026-01-01", {"name": "x", "ratio": 1.0}]
    }

    @task
    def numbers() -> dict[str, Any]:
        raise NotImplementedError

    with pytest.raises(ResultRefused, match=r"no JSON: a\.0: must be a finite number: JSON has no nan"):
        numbers.spec.dump_result({"a": [float("nan")]})
    for odd in (Arbitrary(), circle, float("nan"), ["\ud800"]):
        with pytest.raises(ResultRefused, match="'free' returned a value that is no JSON"):
            free.spec.dump_result(odd)


def test_strictly_defaults_may_be_of_another_type_than_what_is_given():
    @task
    def plan(on: date = "2026-01-01", where: Path = Path("/tmp"), wait: timedelta = timedelta(seconds=3)) -> None: ...  # type: ignore[assignment]

    spec = catalog.get("plan")
    assert spec.validate({}, strict=True)["on"] == "2026-01-01"
    assert spec.validate({"on": "2026-02-03", "wait": "PT5S", "where": "/x"}, strict=True) == {
        "on": "2026-02-03",
        "where": "/x",
        "wait": "PT5S",
    }
    assert spec.validate({"wait": 5})["wait"] == "PT5S"
    with pytest.raises(InvalidArguments) as caught:
        spec.validate({"on": 5, "wait": 5}, strict=True)
    assert {problem["field"] for problem in caught.value.problems} == {"on", "wait"}
