"""The description tells the truth."""

import re
from typing import Any

from server.app import routes
from server.body import read_object
from server.context import Context
from server.letter import ACCEPTED
from server.openapi import description
from server.schemas import SCHEMAS
from tests.server.handlers.conftest import Call, body
from workitems.item import MACHINE

_METHODS = ("get", "head", "post", "patch", "put", "delete")


def _plain(pattern: str) -> str:
    """A route's pattern with every group as `{}`; optional and nested ones included."""
    pattern = pattern.replace("\\.", ".").rstrip("$")
    while re.search(r"\([^()]*\)", pattern):
        pattern = re.sub(r"\([^()]*\)", "{}", pattern)
    return pattern


def _methods(handler: Any) -> set[str]:
    missing = handler.__mro__[-2]._unimplemented_method
    return {method for method in _METHODS if getattr(handler, method) is not missing}


def test_every_route_and_method_is_described_and_nothing_else(context: Context) -> None:
    served = {(_plain(pattern), method) for pattern, handler, _ in routes(context) for method in _methods(handler)}
    paths = description()["paths"]
    told = {
        (re.sub(r"\{\w+\}", "{}", path), method) for path, way in paths.items() for method in way.keys() & set(_METHODS)
    }
    assert told == served


def test_every_reference_leads_somewhere_and_every_path_names_its_parameters() -> None:
    whole = description()
    assert set(re.findall(r"#/components/schemas/(\w+)", str(whole))) == set(SCHEMAS)
    for path, way in whole["paths"].items():
        for method in way.keys() & set(_METHODS):
            named = [*way.get("parameters", []), *way[method].get("parameters", [])]
            assert set(re.findall(r"\{(\w+)\}", path)) == {p["name"] for p in named if p["in"] == "path"}


def test_shapes_name_what_the_code_accepts() -> None:
    assert set(SCHEMAS["Letter"]["properties"]) == ACCEPTED
    assert set(MACHINE) <= set(SCHEMAS["Item"]["properties"])
    for shape in ("Change", "TestItem", "Letter"):
        read_object(b"{}", frozenset(SCHEMAS[shape]["properties"]))


async def test_answers_have_the_described_names(call: Call, publish: Any) -> None:
    item_id = await publish()
    page = body(await call("GET", "/api/workitems"))
    assert set(page) == set(SCHEMAS["Page"]["properties"])
    assert set(page["items"][0]) == set(SCHEMAS["Item"]["properties"])
    assert set(body(await call("GET", f"/api/workitems/{item_id}"))) == set(SCHEMAS["WholeItem"]["properties"])
    assert set(body(await call("GET", "/api/session"))) == set(SCHEMAS["Session"]["properties"])


async def test_the_description_comes_for_programs_and_for_people(call: Call) -> None:
    assert body(await call("GET", "/api/openapi.json", token=None))["openapi"].startswith("3.1")
    page = await call("GET", "/api/docs", token=None)
    assert page.code == 200
    assert b"/api/email/intake" in page.body
    assert b"<script" not in page.body
