"""A front end on another port, in Chromium: our client and the React hook of docs/stream.md."""

import json
import shutil
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Browser, Page
from tornado.httpserver import HTTPServer
from tornado.ioloop import IOLoop
from tornado.testing import bind_unused_port
from tornado.web import Application, RequestHandler

from server.context import Context
from server.handlers.page import STATIC
from tests.browser.conftest import browser, chromium, io_loop
from tests.docs.conftest import PATIENCE
from tests.docs.examples import block
from tests.server.conftest import TOKEN, make_settings
from tests.support.items import publish
from tests.support.program import PROJECT
from tests.support.waiting import eventually
from workitems.queue.change import ItemChange
from workitems.settings import Settings

__all__ = ["browser", "chromium", "io_loop"]

REACT = PROJECT / "tests/react/node_modules"

#: Name of a module → its file, as `require` finds it.
MODULES = {
    "scheduler": "scheduler/cjs/scheduler.development.js",
    "react": "react/cjs/react.development.js",
    "react-dom": "react-dom/cjs/react-dom.development.js",
    "react-dom/client": "react-dom/cjs/react-dom-client.development.js",
}

#: Without an icon in the page the browser would request one.
HEAD = "<!doctype html><title>Front end</title><link rel=icon href=data:,>"

needs_react = pytest.mark.skipif(
    not REACT.is_dir() and shutil.which("npm") is None, reason="React comes by npm, which is not here"
)

Files = dict[str, tuple[str, str]]


@pytest.fixture
def dev_socket() -> Iterator[socket.socket]:
    listening, _ = bind_unused_port()
    yield listening
    listening.close()


@pytest.fixture
def origin(dev_socket: socket.socket) -> str:
    """Return the front end's origin; `localhost` with the same port is another one, which the server does not know."""
    return f"http://127.0.0.1:{dev_socket.getsockname()[1]}"


@pytest.fixture
def settings(redis_url: str, tmp_path: Path, origin: str) -> Settings:
    return make_settings(redis_url, tmp_path, server={"allowed_origins": [origin]}, stream={"heartbeat_seconds": 0.5})


@pytest.fixture
def files(dev_socket: socket.socket, io_loop: IOLoop) -> Iterator[Files]:
    """Return what the dev server serves: path → type and text; a test adds to it."""
    served: Files = {"/": ("text/html", f"{HEAD}<main></main>")}

    class File(RequestHandler):
        def get(self, path: str) -> None:
            kind, text = served[path]
            self.set_header("Content-Type", kind)
            self.finish(text)

    async def up() -> HTTPServer:
        server = HTTPServer(Application([(r"(/.*)", File)], log_function=lambda _: None))
        server.add_sockets([dev_socket])
        return server

    server = io_loop.run_sync(up)
    yield served
    server.stop()
    io_loop.run_sync(server.close_all_connections)


@pytest.fixture
def api(http_server: Any, http_server_port: Any) -> str:
    return f"http://127.0.0.1:{http_server_port[1]}"


async def visit(browser: Browser, address: str) -> Page:
    page = await browser.new_page()
    page.set_default_timeout(1_000 * PATIENCE)
    await page.goto(address)
    return page


#: Import our client from the API's own address and record what it reports.
CLIENT = """async ([api, token]) => {
  const { WorkItemStream } = await import(`${api}/static/js/stream.js`);
  window.seen = [];
  window.stream = new WorkItemStream({ url: `${api}/sse/workitems`, getToken: () => token, random: () => 0.1 });
  stream.addEventListener("event", ({ detail }) => seen.push(detail));
  stream.start();
}"""
SUBJECTS = "seen.filter((each) => each.event === 'new_workitem').map((each) => each.data.subject)"


async def test_our_client_streams_and_resumes_from_another_port(
    browser: Browser, files: Files, api: str, origin: str, context: Context
) -> None:
    page = await visit(browser, origin)
    asked: list[tuple[str, str | None]] = []
    page.on("request", lambda request: asked.append((request.method, request.headers.get("last-event-id"))))
    await page.evaluate(CLIENT, [api, TOKEN])
    await page.wait_for_function("stream.state.name === 'live'")
    await publish(context, 1)
    await page.wait_for_function(f"{SUBJECTS}.length === 1")
    cursor = await page.evaluate("stream.cursor")
    for stream in context.hub.joined_streams:
        stream.abort("test")
    await publish(context, 2)
    await page.wait_for_function(f"{SUBJECTS}.length === 2")
    assert await page.evaluate(SUBJECTS) == ["item 1", "item 2"]
    resumed = "seen.filter((each) => each.event === 'connected').map((each) => each.resumed)"
    assert await page.evaluate(resumed) == [False, True]
    assert ("GET", cursor) in asked, "the header was sent, so the preflight allowed it"


async def test_the_example_of_our_client_shows_items_reloads_and_reports_its_states(
    browser: Browser, files: Files, api: str, origin: str, context: Context
) -> None:
    before = "window.seen = []; window.show = (item) => seen.push(item.subject); window.reload = () => seen.push('!');"
    before += "window.tell = (name) => seen.push(name === 'live' ? name : '');"
    before += f"window.token = {TOKEN!r}; window.page = {{ head: {str(context.hub.replay_buffer.head)!r} }};"
    files["/own.js"] = ("text/javascript", block("Our client", "js").replace("http://127.0.0.1:8888", api))
    files["/own"] = ("text/html", f"{HEAD}<script>{before}</script><script type=module src=/own.js></script>")
    page = await visit(browser, f"{origin}/own")
    await page.wait_for_function("seen.includes('live')")
    await publish(context, 1)
    await page.wait_for_function("seen.includes('item 1')")
    await context.hub.reset("trimmed", context.hub.replay_buffer.head)
    await page.wait_for_function("seen.includes('!')")
    assert [each for each in await page.evaluate("seen") if each not in ("", "live")] == ["item 1", "!"]


async def test_another_sites_page_sees_why_it_is_refused(browser: Browser, files: Files, api: str, origin: str) -> None:
    page = await visit(browser, origin)
    await page.evaluate(CLIENT, [api, "tp_wrong"])
    await page.wait_for_function("stream.state.name === 'signed_out'")
    assert await page.evaluate("stream.state.reason") == "you are signed out"


async def test_an_origin_that_the_settings_do_not_name_gets_nothing(
    browser: Browser, files: Files, api: str, origin: str, context: Context
) -> None:
    page = await visit(browser, origin.replace("127.0.0.1", "localhost"))
    with pytest.raises(Exception, match="Failed to fetch dynamically imported module"):
        await page.evaluate(CLIENT, [api, TOKEN])
    fetched = "([api, token]) => fetch(`${api}/api/workitems`, { headers: { Authorization: `Bearer ${token}` } })"
    with pytest.raises(Exception, match="Failed to fetch"):
        await page.evaluate(fetched, [api, TOKEN])


def react() -> str:
    """React's development build as one ES module: its own files are CommonJS."""
    sources = {name: (REACT / file).read_text(encoding="utf-8") for name, file in MODULES.items()}
    return f"""
const sources = {json.dumps(sources)}, loaded = {{}}, process = {{ env: {{ NODE_ENV: "development" }} }};
function require(name) {{
  if (!loaded[name]) {{
    loaded[name] = {{ exports: {{}} }};
    const run = new Function("module", "exports", "require", "process", sources[name]);
    run(loaded[name], loaded[name].exports, require, process);
  }}
  return loaded[name].exports;
}}
export const {{ StrictMode, createElement, useEffect, useState }} = require("react");
export const {{ createRoot }} = require("react-dom/client");
"""


def front_end(api: str) -> str:
    """Return the document's hook and its component, without JSX, which no browser reads."""
    used = block("A React hook", "jsx").partition("function Queue()")[0].replace("http://127.0.0.1:8888", api)
    return f"""
import {{ StrictMode, createElement, createRoot }} from "react";
{block("A React hook", "js")}
{used}
window.effects = 0;
const counted = async () => {{ window.effects += 1; return list(); }};
function Queue() {{
  const {{ items, state }} = useWorkItems({{ url: `${{api}}/sse/workitems`, getToken, list: counted }});
  const each = (name) => items.map((item) => item[name]);
  window.queue = {{ state: state.name, subjects: each("subject"), statuses: each("status") }};
  return createElement("ul", null, items.map((item) => createElement("li", {{ key: item.id }}, item.subject)));
}}
const root = createRoot(document.querySelector("main"));
window.unmount = () => root.unmount();
root.render(createElement(StrictMode, null, createElement(Queue)));
"""


@needs_react
async def test_the_react_hook_keeps_one_stream_in_strict_mode_and_shows_what_happens(
    browser: Browser, files: Files, api: str, origin: str, context: Context
) -> None:
    for name in ("stream.js", "event-stream.js"):
        files[f"/tubepost/{name}"] = ("text/javascript", (STATIC / "js/client" / name).read_text(encoding="utf-8"))
    files["/react.js"] = ("text/javascript", react())
    files["/app.js"] = ("text/javascript", front_end(api))
    page = await visit(browser, origin)
    faults: list[str] = []
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on("console", lambda message: faults.append(message.text) if message.type == "error" else None)
    first, second = await publish(context, 1, 2)
    await page.evaluate(f"sessionStorage.setItem('token', {json.dumps(TOKEN)})")
    imports = '{"imports": {"react": "/react.js"}}'
    scripts = f'<script type="importmap">{imports}</script><script type="module" src="/app.js"></script>'
    files["/"] = ("text/html", f"{HEAD}<main></main>{scripts}")
    await page.reload()
    await page.wait_for_function("window.queue?.state === 'live' && queue.subjects.length === 2")
    assert await page.evaluate("effects") == 2, "StrictMode ran the effect twice"
    await eventually(lambda: len(context.hub.joined_streams) == 1, PATIENCE)

    await publish(context, 3)
    await page.wait_for_selector("li:text('item 3')")
    await context.store.change(second, ItemChange(status="done"), who="ann")
    await page.wait_for_function("queue.statuses.includes('done')")
    await context.removal.remove(first, who="ann", why="a test")
    await page.wait_for_function("queue.subjects.length === 2")
    assert sorted(await page.evaluate("queue.subjects")) == ["item 2", "item 3"]

    await context.hub.reset("trimmed", context.hub.replay_buffer.head)
    await page.wait_for_function("effects === 3")
    await page.wait_for_function("queue.state === 'live'")
    await publish(context, 4)
    await page.wait_for_selector("li:text('item 4')")
    await page.evaluate("unmount()")
    await eventually(lambda: not context.hub.joined_streams, PATIENCE)
    assert faults == []
