"""Plays a script on a real server process: `run.py demo --script FILE` starts this instead of `run.py server`."""

import asyncio
from collections.abc import Sequence
from contextlib import AsyncExitStack, suppress

import uvloop
from tornado.routing import Router

from demo import script
from demo.acts import ACTS
from demo.script import ScriptError, Step
from demo.stage import Stage
from server.app import application
from server.context import Context
from server.main import serve
from workitems.errors import StoreUnavailableError
from workitems.log import configure, get_logger
from workitems.settings import Settings
from workitems.tasks import end

log = get_logger("play")


def run(settings: Settings) -> None:
    """Serve and play until SIGTERM or SIGINT. Raises ScriptError."""
    if not settings.demo.enabled:
        raise ScriptError(f"{script.VERB} is started by run.py demo --script FILE, and by nobody else")
    steps = script.read(settings.data / script.PLACE)
    configure(settings.log)

    def build(context: Context, stack: AsyncExitStack) -> Router:
        stage = Stage(context, application(context))
        tasks = [asyncio.create_task(work) for work in (_play(stage, steps), stage.keep_silent())]
        stack.push_async_callback(end, *tasks)
        return stage

    uvloop.run(serve(settings, build))


async def _play(stage: Stage, steps: Sequence[Step]) -> None:
    try:
        await stage.context.hub.ready.wait()
        await play(stage, steps)
        say("the script is played; the demo goes on")
    except Exception:
        log.exception("the script broke off")
        say("the script broke off; the reason is in the log of the server")


async def play(stage: Stage, steps: Sequence[Step]) -> None:
    """One step after another, and all of them again where `repeat` says so."""
    played, rounds = steps, 1.0
    if steps[-1].name == "repeat":
        played, rounds = steps[:-1], steps[-1].number or float("inf")
    done = 0
    while done < rounds:
        for step in played:
            say(f"line {step.line}: {step}")
            try:
                told = await ACTS[step.name](stage, step.number)
            except StoreUnavailableError as error:
                told = f"not done: {error}"
            if told:
                say(f"    {told}")
        done += 1


def say(text: str) -> None:
    """One line in the terminal. One that is gone is no reason to stop."""
    with suppress(OSError):
        print(f"script: {text}", flush=True)
