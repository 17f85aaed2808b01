"""The private names of Tornado that we use: an update that lacks one must fail here, with a sentence that says so."""

import ast
import configparser
import socket
from collections.abc import Iterator
from pathlib import Path
from unittest.mock import Mock

import pytest
import tornado
from tornado.http1connection import HTTP1Connection
from tornado.httputil import HTTPHeaders, HTTPServerRequest, RequestStartLine
from tornado.ioloop import IOLoop
from tornado.iostream import IOStream
from tornado.web import Application, RequestHandler

from tests.support.program import PROJECT

#: Class and private name → where we use it, and why no public name does.
PRIVATE_NAMES = {
    ("HTTP1Connection", "_disconnect_on_finish"): "server/connections/http_server.py: closes after the present answer",
    ("HTTP1Connection", "_parse_headers"): "server/connections/http_server.py: refuses a head of too many lines",
    ("IOStream", "_read_buffer_size"): "server/stream/client_socket.py: whether a client sent more than its request",
    # Also in server/connections/exchange.py: whether a part of a request has come in.
    ("IOStream", "_total_write_done_index"): "server/connections/exchange.py: whether a client takes its answer",
    ("RequestHandler", "_break_cycles"): "server/handlers/stream.py: frees a detached request without the collector",
    ("RequestHandler", "_finished"): "server/handlers/upload_base.py: whether the answer was given already",
    ("RequestHandler", "_headers"): "server/handlers/stream.py: the Date that was made already; making it costs 7 µs",
    ("RequestHandler", "_write_buffer"): "server/handlers/upload_base.py: the length of an answer before it is sent",
}


@pytest.fixture
def instances(io_loop: IOLoop) -> Iterator[dict[str, object]]:
    """One object of each class, since some names exist only in instances."""
    line, headers = RequestStartLine("GET", "/", "HTTP/1.1"), HTTPHeaders({"Host": "localhost"})
    request = HTTPServerRequest(start_line=line, headers=headers, connection=Mock())

    async def make_stream() -> IOStream:
        return IOStream(socket.socket())

    stream = io_loop.run_sync(make_stream)
    connection = HTTP1Connection(stream, is_client=False)
    yield {
        "HTTP1Connection": connection,
        "IOStream": stream,
        "RequestHandler": RequestHandler(Application(), request),
    }
    stream.close()


async def test_tornado_has_every_private_name_that_we_use(instances: dict[str, object]) -> None:
    for (kind, name), use in PRIVATE_NAMES.items():
        assert hasattr(instances[kind], name), (
            f"Tornado {tornado.version} has no {kind}.{name}, which is used in {use}. "
            "Find what replaced it before you change Tornado's version in setup.cfg and constraints.txt."
        )


async def test_every_private_name_that_we_use_is_listed(instances: dict[str, object]) -> None:
    known = {name for each in instances.values() for name in dir(each) if name.startswith("_") and name[1] != "_"}
    used = {name for path in (PROJECT / "server").rglob("*.py") for name in _private_names_used(path)}
    assert used & known == {name for _, name in PRIVATE_NAMES}


def test_the_pinned_tornado_is_the_one_that_is_tested() -> None:
    config = configparser.ConfigParser()
    config.read(PROJECT / "setup.cfg", encoding="utf-8")
    assert f"tornado=={tornado.version}" in config["options"]["install_requires"].splitlines()


def _private_names_used(path: Path) -> Iterator[str]:
    """Private attributes that a file of the handlers, or one that imports Tornado, reads or sets."""
    text = path.read_text(encoding="utf-8")
    if path.parent.name == "handlers" or "tornado" in text:
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.Attribute) and node.attr.startswith("_"):
                yield node.attr
