"""A script on a real server process: clients see what each step does."""

import asyncio
import json
import re
import urllib.error
import urllib.request
from asyncio.subprocess import PIPE
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from time import monotonic
from typing import Any

import pytest

from tests.support.program import PROJECT, Program
from tests.support.sse_client import EventStream
from tests.support.waiting import eventually

TOKEN = "a-token-for-the-demo"

ORIGIN = "http://localhost:5173"

#: Seconds between heartbeats.
BEAT = 0.2

Begin = Callable[[str], Program]


@pytest.fixture
def begin(redis_url: str, tmp_path: Path) -> Iterator[Begin]:
    """Start the server that plays a script."""
    started: list[Program] = []

    def make(script: str, verb: str = "demo-server") -> Program:
        settings = f'data = "{tmp_path}"\n[redis]\nurl = "{redis_url}"\n[demo]\nenabled = true\n'
        settings += f'[server]\nallowed_origins = ["{ORIGIN}"]\n'
        settings += f"[stream]\ndrain_seconds = 0\nheartbeat_seconds = {BEAT}\n"
        (tmp_path / "script.txt").write_text(script)
        program = Program(verb, tmp_path, settings, {"TUBEPOST_TOKEN": TOKEN})
        started.append(program)
        return program.start().ready()

    yield make
    for program in started:
        program.stop()


def subjects(stream: EventStream) -> list[str]:
    return [m.json["data"]["subject"] for m in stream.messages if m.json["event"] == "new_workitem"]


def ask(port: int, path: str, method: str = "GET") -> tuple[int, dict[str, str], Any]:
    """Return status, headers and JSON of a response to a page of another origin. Blocks."""
    headers = {"Authorization": f"Bearer {TOKEN}", "Origin": ORIGIN}
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", headers=headers, method=method)
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.status, dict(answer.headers), json.loads(answer.read() or b"null")
    except urllib.error.HTTPError as error:
        with error:
            return error.code, dict(error.headers), json.loads(error.read())


async def until_answered(status: int, port: int, **headers: str) -> EventStream:
    """Open streams until one is answered with *status*; return it."""
    async with asyncio.timeout(50):
        while True:
            async with EventStream(port, TOKEN, headers=headers) as tried:
                if tried.status == status:
                    return tried
            await asyncio.sleep(0.02)


async def test_items_a_burst_changes_and_removals_arrive_in_order(begin: Begin) -> None:
    program = begin("streams 1\nitems 2\nburst 200\nupdate 2\nremove\n")
    async with EventStream(program.port, TOKEN) as stream:
        await stream.next("workitem_removed", within=20)
    events = [m.json["event"] for m in stream.messages if m.json["event"].startswith(("new_", "workitem_"))]
    assert events == ["new_workitem"] * 202 + ["workitem_updated"] * 2 + ["workitem_removed"]
    changed = [m.json["data"] for m in stream.messages if m.json["event"] == "workitem_updated"]
    assert {(item["status"], item["assignee"], item["test"]) for item in changed} == {("in_progress", "demo", True)}
    assert len(set(subjects(stream))) == 202


async def test_a_reset_keeps_the_stream_and_a_rotation_or_a_cut_ends_it(begin: Begin) -> None:
    program = begin("streams 1\nreset\nitems\nrotate\nitems\nstreams 1\ncut\n")
    async with EventStream(program.port, TOKEN) as stream:
        reset = await stream.next("reset")
        # Items come by way of Redis, so that one may arrive after `rotate`.
        await stream.until(lambda seen: len(subjects(stream)) == 2 and any(m.json["event"] == "rotate" for m in seen))
        async with EventStream(program.port, TOKEN):  # a cut would drop bytes that were not read: it waits for this
            with pytest.raises((EOFError, ConnectionError)):
                await stream.next("nothing")
    assert reset.json["head"] == reset.id
    assert not stream.whole, "closed without a proper end"
    async with EventStream(program.port, TOKEN, headers={"Last-Event-ID": stream.last_event_id}) as back:
        assert (await back.next("connected")).json["resumed"] is True


async def test_signed_out_streams_end_and_everything_answers_401_for_a_while(begin: Begin) -> None:
    program = begin("streams 1\nunauthorized 8\nitems\n")
    async with EventStream(program.port, TOKEN) as stream:
        await stream.next("connected")
        with pytest.raises((EOFError, ConnectionError)):
            await stream.next("nothing")
    for path in ("/sse/workitems", "/api/workitems"):
        status, headers, body = await asyncio.to_thread(ask, program.port, path)
        assert (status, body["error"]["code"]) == (401, "unauthorized")
        assert headers["Access-Control-Allow-Origin"] == ORIGIN, "a page of another origin can read it"
        assert (await asyncio.to_thread(ask, program.port, path, "OPTIONS"))[0] == 204
    assert (await asyncio.to_thread(ask, program.port, "/healthz"))[0] == 200
    await until_answered(200, program.port)
    async with EventStream(program.port, TOKEN, headers={"Last-Event-ID": stream.last_event_id}) as back:
        await back.next("new_workitem")
    assert subjects(back) == ["Item 1 of the script"]


@pytest.mark.parametrize(("step", "status", "reason"), [("busy", 503, "process"), ("limited", 429, "user")])
async def test_a_busy_server_refuses_each_client_in_its_own_way_and_keeps_the_streams_that_are_open(
    begin: Begin, step: str, status: int, reason: str
) -> None:
    program = begin(f"streams 1\n{step} 8\nwait 8.2\nitems\n")
    async with EventStream(program.port, TOKEN) as stream:
        refused = await until_answered(status, program.port, **{"X-Tubepost-Client": "1"})
        assert int(refused.answered["retry-after"]) >= 2
        async with EventStream(program.port, TOKEN) as plain:
            assert (await plain.next()).json == {"event": "busy", "reason": reason}
            assert plain.status == 200
        assert (await asyncio.to_thread(ask, program.port, "/api/workitems"))[0] == 200
        await stream.next("new_workitem")
        async with EventStream(program.port, TOKEN) as later:
            await later.next("connected")


async def test_no_heartbeat_comes_while_it_is_silent_on_old_streams_and_new(begin: Begin) -> None:
    program = begin("streams 1\nsilence 6\nitems\nwait 0.2\nitems\n")
    async with EventStream(program.port, TOKEN) as stream:
        await stream.next("new_workitem")
        begun = monotonic()
        async with EventStream(program.port, TOKEN) as later:
            beats = await asyncio.gather(*(each.next("heartbeat") for each in (stream, later)))
        assert monotonic() - begun > 5 * BEAT
        assert all(beats)
        await stream.next("heartbeat", within=20)


#: Our client in Node. It prints its states line by line, and reconnects soon, also where the server asks it to wait.
CLIENT = """
import { WorkItemStream } from "%s";
const stream = new WorkItemStream({ url: "http://127.0.0.1:%d/sse/workitems", getToken: () => "%s" });
const tell = (name, reason) => console.log(JSON.stringify([name, reason]));
stream.addEventListener("state", ({ detail: { name, reason } }) => {
  tell(name, reason);
  if (name === "reconnecting") setTimeout(() => stream.state.name === name && stream.reconnect(), 400);
});
stream.addEventListener("event", ({ detail }) => tell(detail.event, ""));
stream.start();
setInterval(() => {}, 1000);
"""


async def test_our_own_client_reports_each_step_correctly(begin: Begin) -> None:
    steps = ["items", "rotate", "wait 2", "cut", "streams 1", "busy 3", "cut", "streams 1", "limited 3", "cut",
             "streams 1", "silence 3", "wait 3", "streams 1", "reset", "unauthorized 60"]  # fmt: skip
    program = begin("\n".join(["streams 1", *steps]))
    source = CLIENT % (PROJECT / "server/static/js/client/stream.js", program.port, TOKEN)
    node = await asyncio.create_subprocess_exec("node", "--input-type=module", "-e", source, stdout=PIPE)
    states: list[tuple[str, str]] = []
    try:
        assert node.stdout is not None
        async with asyncio.timeout(55):
            while states[-1:] != [("signed_out", "you are signed out")]:
                name, reason = json.loads(await node.stdout.readline())
                states.append((name, re.sub(r"\d+ s$", "", reason)))
    finally:
        node.kill()
        await node.wait()
    rest = iter(states)
    for expected in [
        "rotate", "connected", "reconnecting", "live", "the server is busy", "live",
        "too many connections", "live", "nothing was heard for ", "live", "reset", "signed_out",
    ]:  # fmt: skip
        assert any(expected in each for each in rest), f"{expected} is missing, or out of its order, in {states}"
    assert ("new_workitem", "") in states  # it comes by way of Redis, before or after `rotate`


async def test_a_script_is_played_as_often_as_it_says_and_printed_line_by_line(begin: Begin) -> None:
    program = begin("streams 1\n# twice\nitems\nremove 2\nremove\nwait 0.1\nrepeat 2\n")
    async with EventStream(program.port, TOKEN) as stream:
        await stream.until(lambda _: subjects(stream) == ["Item 1 of the script", "Item 2 of the script"])
        await said(program, "script: the script has been played; the demo runs on")
    printed = [line for line in program.log.read_text().splitlines() if line.startswith("script:")]
    once = ["line 1: streams 1", "line 3: items 1", "line 4: remove 2", "    items: 1", "line 5: remove 1",
            "    there is no item; put the step items before it", "line 6: wait 0.1"]  # fmt: skip
    assert printed == [f"script: {line}" for line in (*once, *once, "the script has been played; the demo runs on")]


async def test_it_ends_in_the_middle_of_a_script_that_never_ends(begin: Begin) -> None:
    program = begin("items\nsilence 100\nwait 1000\nrepeat\n")
    await said(program, "script: line 3: wait 1000")
    program.stop()
    assert program.wait() == 0


async def test_a_normal_server_plays_nothing(begin: Begin) -> None:
    program = begin("items 3\n", verb="server")
    async with EventStream(program.port, TOKEN) as stream:
        await stream.next("heartbeat")
        await stream.next("heartbeat")
    assert subjects(stream) == []
    assert "script" not in program.log.read_text()


def said(program: Program, words: str) -> Awaitable[None]:
    return eventually(lambda: words in program.log.read_text(), within=50)
