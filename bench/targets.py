"""What holds the streams in the fan-out: Tubepost, the C limit, and nchan; each takes events in its own way."""

import asyncio
import http.client
import json
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from bench.machine import SERVER_CORE, pin
from bench.streams import TIMEOUT, compiled
from bench.tubepost import HEADER, STREAM, TOKEN, Tubepost
from server.handlers.test_item import machine_part, new_item_id
from tests.support.program import free_port
from workitems.base.redis import connect
from workitems.queue.store import ItemStore

_NCHAN = Path("/usr/lib/nginx/modules/ngx_nchan_module.so")

#: Bytes of JSON in one event of the peers: as many as the item below has in Tubepost.
EVENT_BYTES = 464

#: The item that is posted to Tubepost. The program that holds the streams counts the '~'.
ITEM = {"subject": "Fan-out", "extracted_fields": {"mark": "~"}}

#: The path at which nchan begins with the oldest message that it has.
FROM_OLDEST = "/oldest"

#: Connections to a peer over which a burst waits.
_CONNECTIONS = 10

_NGINX = """
load_module {module};
daemon off; worker_processes 1; worker_rlimit_nofile 20000;
pid {place}/nginx.pid; error_log {place}/error.log;
events {{ worker_connections 19000; }}
http {{
  access_log off; nchan_max_reserved_memory 512M;
  server {{
    listen 127.0.0.1:{port} backlog=4096;
    location = /stream {{ nchan_subscriber eventsource; nchan_channel_id all; nchan_subscriber_first_message newest; }}
    location = {oldest} {{ nchan_subscriber eventsource; nchan_channel_id all; nchan_subscriber_first_message oldest; }}
    location = /event {{ nchan_publisher; nchan_channel_id all; nchan_message_buffer_length 1000; }}
  }}
}}
"""


@dataclass(frozen=True)
class Target:
    """A running server. `publish` sends one event through it. `publish_many` puts many where it will find them.

    `has_feed`: that is a feed, to which other processes write while the server runs.
    """

    pid: int
    port: int
    path: str
    header: str
    has_feed: bool
    publish: Callable[[], None]
    publish_many: Callable[[int], None]


@contextmanager
def tubepost(place: Path) -> Iterator[Target]:
    """Run Tubepost: an HTTP request, an item in Redis, the feed, the hub."""
    with Tubepost(place) as running:
        headers = {"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/json"}

        with _poster(running.port, "/api/test/workitem", json.dumps(ITEM).encode(), headers) as publish:
            yield Target(
                running.pid, running.port, STREAM, HEADER, True, publish, partial(publish_many, running.redis.url)
            )


def publish_many(url: str, count: int) -> None:
    """Publish *count* items as a worker does, without a server."""
    asyncio.run(_publish_many(url, count))


async def _publish_many(url: str, count: int) -> None:
    redis = connect(url)
    store = ItemStore(redis, max_events=10_000)
    for _ in range(count):
        await store.publish(new_item_id(), "intake", machine_part(dict(ITEM)))
    await redis.aclose()


@contextmanager
def limit(_: Path) -> Iterator[Target]:
    """Run `limit.c`."""
    port = free_port()
    with _peer([compiled("limit"), str(port)], port) as target:
        yield target


@contextmanager
def nchan(place: Path) -> Iterator[Target]:
    """Run nginx with nchan: one worker process, one channel."""
    port = free_port()
    config = place / "nginx.conf"
    config.write_text(_NGINX.format(module=_NCHAN, place=place, port=port, oldest=FROM_OLDEST))
    command = ["nginx", "-p", str(place), "-e", str(place / "error.log"), "-c", str(config)]
    with _peer(command, port) as target:
        yield target


def has_nchan() -> bool:
    return _NCHAN.exists() and shutil.which("nginx") is not None


@contextmanager
def _peer(command: list[str], port: int) -> Iterator[Target]:
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    connections: list[socket.socket] = []
    try:
        pin(process.pid, SERVER_CORE)
        _wait_for_port(port)
        body = b'{"event":"new_workitem","mark":"~"}'.ljust(EVENT_BYTES)
        request = b"POST /event HTTP/1.1\r\nHost: peer\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)

        def send_many(count: int) -> None:
            for number in range(_CONNECTIONS):
                connections.append(socket.create_connection(("127.0.0.1", port), TIMEOUT))
                connections[-1].sendall(request * len(range(number, count, _CONNECTIONS)))

        with _poster(port, "/event", body) as publish:
            yield Target(process.pid, port, "/stream", "", False, publish, send_many)
    finally:
        for each in connections:
            each.close()
        process.terminate()
        process.wait(TIMEOUT)


def _wait_for_port(port: int) -> None:
    deadline = time.monotonic() + TIMEOUT
    while time.monotonic() < deadline:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            time.sleep(0.02)
        else:
            return
    raise RuntimeError(f"no program listens on port {port}")


@contextmanager
def _poster(port: int, path: str, body: bytes, headers: dict[str, str] | None = None) -> Iterator[Callable[[], None]]:
    """Keep one connection open, over which every call posts the same."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=TIMEOUT)

    def publish() -> None:
        connection.request("POST", path, body, headers or {})
        answer = connection.getresponse()
        text = answer.read()
        if answer.status >= 300:
            raise RuntimeError(f"POST {path} was answered {answer.status}: {text[:200]!r}")

    with closing(connection):
        yield publish
