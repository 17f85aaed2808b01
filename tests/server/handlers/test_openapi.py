"""The API description agrees with the code."""

import re
from typing import Any

from tornado.web import RequestHandler

from server.app import routes
from server.context import Context
from server.http.json_body import parse_json_object
from server.http.openapi import SCHEMAS, openapi_document
from server.intake.json_mail import ACCEPTED_FIELDS
from tests.server.handlers.conftest import Call, body
from workitems.queue.item import MACHINE_DEFAULTS

_METHODS = ("get", "head", "post", "patch", "put", "delete")


def _plain(pattern: str) -> str:
    """Return a route's pattern with every group as `{}`, also optional and nested ones."""
    pattern = pattern.replace("\\.", ".").rstrip("$")
    while re.search(r"\([^()]*\)", pattern):
        pattern = re.sub(r"\([^()]*\)", "{}", pattern)
    return pattern


def _methods(handler: Any) -> set[str]:
    return {method for method in _METHODS if getattr(handler, method) is not getattr(RequestHandler, method)}


def test_exactly_the_existing_routes_and_methods_are_described(context: Context) -> None:
    served = {(_plain(pattern), method) for pattern, handler, _ in routes(context) for method in _methods(handler)}
    paths = openapi_document()["paths"]
    described = {
        (re.sub(r"\{\w+\}", "{}", path), method) for path, way in paths.items() for method in way.keys() & set(_METHODS)
    }
    assert described == served


def test_every_reference_resolves_and_every_path_names_its_parameters() -> None:
    whole = openapi_document()
    assert set(re.findall(r"#/components/schemas/(\w+)", str(whole))) == set(SCHEMAS)
    for path, way in whole["paths"].items():
        for method in way.keys() & set(_METHODS):
            named = [*way.get("parameters", []), *way[method].get("parameters", [])]
            assert set(re.findall(r"\{(\w+)\}", path)) == {p["name"] for p in named if p["in"] == "path"}


def test_schemas_name_the_values_that_the_code_accepts() -> None:
    assert set(SCHEMAS["Mail"]["properties"]) == ACCEPTED_FIELDS
    assert set(MACHINE_DEFAULTS) <= set(SCHEMAS["Item"]["properties"])
    for shape in ("Change", "TestItem", "Mail"):
        parse_json_object(b"{}", frozenset(SCHEMAS[shape]["properties"]))


async def test_responses_have_the_described_names(call: Call, publish: Any) -> None:
    item_id = await publish()
    page = body(await call("GET", "/api/workitems"))
    assert set(page) == set(SCHEMAS["Page"]["properties"])
    assert set(page["items"][0]) == set(SCHEMAS["Item"]["properties"])
    assert set(body(await call("GET", f"/api/workitems/{item_id}"))) == set(SCHEMAS["WholeItem"]["properties"])
    stats, described = body(await call("GET", "/api/stats")), SCHEMAS["Stats"]["properties"]
    assert set(SCHEMAS["Stats"]["required"]) <= set(stats)
    assert set(described["all"]["required"]) <= set(stats["all"])
    assert set(described["all"]["properties"]["processes"]["items"]["required"]) <= set(stats["all"]["processes"][0])
    assert set(body(await call("GET", "/api/session"))) == set(SCHEMAS["Session"]["properties"])


async def test_the_description_is_served_for_programs_and_for_people(call: Call) -> None:
    assert body(await call("GET", "/api/openapi.json", token=None))["openapi"].startswith("3.1")
    page = await call("GET", "/api/docs", token=None)
    assert page.code == 200
    assert b"/api/email/intake" in page.body
    assert page.body.count(b'class="method">DELETE<') == 3, "every method is shown"
    assert b"<script" not in page.body
    assert b"To <code>/login</code>." in page.body
    assert b"`" not in page.body, "backticks of descriptions become code"
