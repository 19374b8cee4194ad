"""The OpenAPI document: valid, complete, and true of what the server does."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Annotated, Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from jsonschema import Draft202012Validator
from openapi_spec_validator import validate
from pydantic import AfterValidator

from async_tasks import catalog, engine, task
from async_tasks.engine import App
from async_tasks.ledger.record import Record
from async_tasks.submission import Entry, submit_batch
from async_tasks.web import create_app, openapi
from async_tasks.web.openapi.names import component
from async_tasks.web.problems import KINDS
from tests.support.profiles import Profile
from tests.support.system import System

MODULES = ("tests.support.tasks", "tests.support.rich_tasks", "tests.support.form_tasks")
TOKEN = "a-long-and-random-token"
DOCUMENT = "/openapi.json"


@pytest.fixture
def app(store_profile: Profile) -> Iterator[App]:
    """An engine with every kind of task."""
    before = catalog.snapshot()
    catalog.restore({})
    app = engine.build(store_profile.settings(modules=MODULES))
    yield app
    app.close_connections()
    catalog.restore(before)


@pytest.fixture
def web(app: App) -> Flask:
    """The web application over it."""
    return create_app(engine=app)


@pytest.fixture
def client(web: Flask) -> FlaskClient:
    """A reader of the document."""
    return web.test_client()


@pytest.fixture
def document(client: FlaskClient) -> dict[str, Any]:
    """The document as it is served."""
    found: dict[str, Any] = client.get(DOCUMENT).json
    return found


def calls(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Every operation: method, path, and what is said of it."""
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield method.upper(), path, operation


def check(document: dict[str, Any], schema: dict[str, Any], value: Any) -> None:
    """Fail unless the value fits a schema of the document."""
    Draft202012Validator(
        {**schema, "components": document["components"]}, format_checker=Draft202012Validator.FORMAT_CHECKER
    ).validate(value)


def test_it_is_valid(document: dict[str, Any]) -> None:
    validate(document)  # type: ignore[arg-type]
    assert document["openapi"].startswith("3.1")
    assert document["servers"] == [{"url": "/"}]


def test_only_a_guarded_server_asks_for_a_credential(make: Callable[..., Flask]) -> None:
    open_document = make().test_client().get(DOCUMENT).json
    assert "security" not in open_document
    assert "securitySchemes" not in open_document["components"]
    assert "401" not in open_document["paths"]["/api/v1/tasks"]["get"]["responses"]

    guarded = make(admin_token=TOKEN).test_client()
    refused = guarded.get(DOCUMENT)
    assert (refused.status_code, refused.mimetype) == (401, "application/problem+json")
    closed_document = guarded.get(DOCUMENT, headers={"Authorization": f"Bearer {TOKEN}"}).json
    validate(closed_document)
    assert closed_document["components"]["securitySchemes"]["token"]["scheme"] == "bearer"
    assert closed_document["security"] == [{"token": []}]
    for _, path, operation in calls(closed_document):
        is_probe = path.startswith("/health/")
        assert (operation.get("security") == []) is is_probe
        assert ("401" in operation["responses"]) is not is_probe


def test_every_route_is_in_it_and_nothing_else(web: Flask, document: dict[str, Any]) -> None:
    routes = set()
    for rule in web.url_map.iter_rules():
        path = re.sub(r"<(?:\w+:)?\w+>", "{id}", rule.rule)
        if path.startswith(("/api/", "/health/", "/openapi")):
            routes |= {(method, path) for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}}
    tasks = {("POST", f"/api/v1/tasks/{spec.name}") for spec in catalog.specs()}
    assert ("POST", "/api/v1/tasks/{id}") in routes
    described = {(method, path.replace("{name}", "{id}")) for method, path, _ in calls(document)}
    assert described == routes - {("POST", "/api/v1/tasks/{id}")} | tasks


def test_every_query_parameter_is_in_it_and_nothing_else(client: FlaskClient, document: dict[str, Any]) -> None:
    parameters = document["components"]["parameters"]
    for method, path, operation in calls(document):
        if path.startswith("/health/"):
            continue
        named = [each["$ref"].rpartition("/")[2] for each in operation.get("parameters", ())]
        query = [name for name in named if parameters[name]["in"] == "query"]
        answer = client.open(f"{re.sub('{id}|{name}', 'x', path)}?nothing=1", method=method)
        assert answer.json["errors"][0]["field"] == "nothing"
        assert answer.json["detail"].endswith(f"there are: {', '.join(query) or 'none'}")


def test_operations_have_names_of_their_own(document: dict[str, Any]) -> None:
    names = [operation["operationId"] for _, _, operation in calls(document)]
    assert len(set(names)) == len(names)
    for link in document["components"]["links"].values():
        assert link["operationId"] in names


def test_a_task_has_its_own_path_and_schemas(document: dict[str, Any]) -> None:
    price = document["paths"]["/api/v1/tasks/price"]["post"]
    assert price["summary"] == "Take nested models and decimals"
    schemas = document["components"]["schemas"]
    assert price["requestBody"]["content"]["application/json"]["schema"] == {
        "$ref": "#/components/schemas/price--Arguments"
    }
    person = schemas["price--Arguments"]["properties"]["person"]
    assert person == {"$ref": "#/components/schemas/price--Arguments--Person"}
    for status in ("200", "202"):
        answer = price["responses"][status]
        assert answer["content"]["application/json"]["schema"] == {"$ref": "#/components/schemas/price--Record"}
        assert "Location" in answer["headers"]
    result = schemas["price--Record"]["allOf"][1]["properties"]["result"]
    assert result["anyOf"] == [{"$ref": "#/components/schemas/price--Result"}, {"type": "null"}]
    remind = document["paths"]["/api/v1/tasks/remind"]["post"]
    assert (remind["requestBody"]["required"], remind["operationId"]) == (True, "submit_remind")
    choose = document["paths"]["/api/v1/tasks/choose"]["post"]
    assert choose["requestBody"]["required"] is False
    assert "/api/v1/tasks/Odd.name-of_it" in document["paths"]
    assert "Odd.name-2Dof_it--Arguments" in schemas
    helped = document["paths"]["/api/v1/tasks/reverse_text"]["post"]
    assert helped["description"] == catalog.get("reverse_text").help


def test_a_name_that_is_a_path_is_encoded() -> None:
    @task
    def encoded() -> None:
        """Be replaced."""

    spec = catalog.get("encoded")
    odd = replace(spec, name="näh/50% {done}?")
    document = openapi.document((spec, odd), guarded=False)
    path = "/api/v1/tasks/n%C3%A4h%2F50%25%20%7Bdone%7D%3F"
    assert path in document["paths"]
    validate(document)  # type: ignore[arg-type]


def test_every_example_fits_its_schema_and_is_accepted(client: FlaskClient, document: dict[str, Any]) -> None:
    found = 0
    for method, path, operation in calls(document):
        content = operation.get("requestBody", {}).get("content", {})
        for media, described in content.items():
            for example in described.get("examples", {}).values():
                found += 1
                value = example["value"]
                check(document, described["schema"], value)
                lines = "\n".join(map(json.dumps, value)) if media == "application/x-ndjson" else json.dumps(value)
                answer = client.open(path, method=method, data=lines, content_type=media)
                assert answer.status_code == 202, (path, value, answer.json)
        for answer_described in operation["responses"].values():
            for described in answer_described.get("content", {}).values():
                for example in described.get("examples", {}).values():
                    check(document, described["schema"], example["value"])
    without = [
        path
        for method, path, operation in calls(document)
        if path.startswith("/api/v1/tasks/")
        and method == "POST"
        and "{" not in path
        and not operation["requestBody"]["content"]["application/json"].get("examples")
    ]
    assert found > len(catalog.specs())
    assert without == []


def test_what_tasks_return_fits_their_schema(
    running_system: Callable[..., System], store_profile: Profile, client: FlaskClient, document: dict[str, Any]
) -> None:
    system = running_system(modules=MODULES)
    system.start("worker")
    for name in ("remind", "price", "choose", "unite", "contact", "plot", "Odd.name-of_it", "reverse_text"):
        operation = document["paths"][f"/api/v1/tasks/{name}"]["post"]
        for example in operation["requestBody"]["content"]["application/json"]["examples"].values():
            answer = client.post(f"/api/v1/tasks/{name}?wait=20", json=example["value"])
            assert (answer.status_code, answer.json["state"]) == (200, "SUCCESS"), answer.json
            check(document, operation["responses"]["200"]["content"]["application/json"]["schema"], answer.json)
            check(document, document["components"]["schemas"][component(name, "Result")], answer.json["result"])


@pytest.fixture
def profile(store_profile: Profile) -> Profile:
    """The profile of ``running_system``."""
    return store_profile


def test_the_schemas_of_answers_are_those_of_the_code(app: App, client: FlaskClient, document: dict[str, Any]) -> None:
    schemas = document["components"]["schemas"]
    batch = submit_batch(app, [Entry("add", {"a": 1, "b": 2}, delay=60)])
    public = client.get(f"/api/v1/tasks/{batch.ids[0]}").json
    assert list(schemas["Record"]["properties"]) == list(public) == schemas["Record"]["required"]
    assert set(schemas["Record"]["properties"]) - {"links"} <= set(Record.__dataclass_fields__)
    for path, name in (
        ("/api/v1/tasks", "History"),
        ("/api/v1/catalog", "Catalog"),
        ("/health/live", "Alive"),
        ("/health/ready", "Readiness"),
    ):
        value = client.get(path).json
        check(document, schemas[name], value)
        assert set(value) == set(schemas[name]["properties"])
    entry = client.get("/api/v1/catalog").json["tasks"][0]
    assert set(entry) == set(schemas["CatalogEntry"]["properties"])


def test_problems_are_told_by_status(client: FlaskClient, document: dict[str, Any]) -> None:
    schemas, responses = document["components"]["schemas"], document["components"]["responses"]
    for _, _, operation in calls(document):
        for status, answer in operation["responses"].items():
            if "$ref" not in answer:
                continue
            content = responses[answer["$ref"].rpartition("/")[2]]["content"]
            schema = content["application/problem+json"]["schema"]
            names = [each["$ref"].rpartition("/")[2] for each in schema.get("oneOf", [schema])]
            for name in names:
                own = schemas[name]["allOf"][1]["properties"]
                slug = own["type"]["const"].removeprefix("/problems/")
                assert (KINDS[slug].status, own["status"]["const"]) == (int(status), int(status))
    for method, path, body in (
        ("POST", "/api/v1/tasks/add", {"a": 1}),
        ("POST", "/api/v1/tasks/add?delay=x", {"a": 1, "b": 2}),
        ("POST", "/api/v1/batches", [{"name": "x"}]),
        ("GET", "/api/v1/tasks?limit=0", None),
    ):
        answer = client.open(path, method=method, json=body)
        operation = document["paths"][path.partition("?")[0]][method.lower()]
        described = responses[operation["responses"][str(answer.status_code)]["$ref"].rpartition("/")[2]]
        check(document, described["content"]["application/problem+json"]["schema"], answer.json)


def test_it_is_made_once_for_a_catalog(web: Flask) -> None:
    specs = catalog.specs()
    assert openapi.document(specs, guarded=False) is openapi.document(catalog.specs(), guarded=False)
    assert openapi.document(specs[:3], guarded=False) is not openapi.document(specs, guarded=False)
    assert openapi.document(specs[:3], guarded=False)["servers"] == [{"url": "/"}]


def broken(value: Any) -> Any:
    """A validator with a bug."""
    raise KeyError(value)


Broken = Annotated[str, AfterValidator(broken)]


def test_a_task_whose_validator_breaks_has_no_example(app: App) -> None:
    @task(name="breaks_while_validating")
    def breaks(value: Broken) -> str:
        """Have a validator with a bug."""
        return value

    document = create_app(engine=app).test_client().get(DOCUMENT).json
    operation = document["paths"]["/api/v1/tasks/breaks_while_validating"]["post"]
    assert "examples" not in operation["requestBody"]["content"]["application/json"]
    assert "examples" not in operation["responses"]["200"]["content"]["application/json"]
