"""Play a script in a real server process: `run.py demo --script FILE` starts this instead of `run.py server`."""

import asyncio
from collections.abc import Sequence
from contextlib import AsyncExitStack, suppress

import uvloop
from tornado.routing import Router

from demo import script
from demo.fault_router import FaultRouter
from demo.script import ScriptError, ScriptStep
from demo.step_actions import STEP_ACTIONS
from server.app import make_application
from server.context import Context
from server.main import serve
from workitems.base.errors import StoreUnavailableError
from workitems.base.log import configure, get_logger
from workitems.base.tasks import cancel_and_wait
from workitems.settings import Settings

log = get_logger("script")


def run(settings: Settings) -> None:
    """Serve and play the script until SIGTERM or SIGINT. Raises ScriptError."""
    if not settings.demo.enabled:
        raise ScriptError(f"{script.VERB} is started by run.py demo --script FILE only")
    steps = script.read(settings.data / script.FILE_NAME)
    configure(settings.log)

    def build(context: Context, stack: AsyncExitStack) -> Router:
        router = FaultRouter(context, make_application(context))
        playing = asyncio.create_task(_play(router, steps))
        playing.add_done_callback(_report_failure)
        stack.push_async_callback(cancel_and_wait, playing, asyncio.create_task(router.hold_back_heartbeats()))
        return router

    uvloop.run(serve(settings, build))


async def _play(router: FaultRouter, steps: Sequence[ScriptStep]) -> None:
    await router.context.hub.ready.wait()
    await play(router, steps)
    say("the script has been played; the demo runs on")


def _report_failure(playing: "asyncio.Task[None]") -> None:
    if not playing.cancelled() and (error := playing.exception()):
        log.error("the script failed", exc_info=error)
        say("the script failed; the reason is in the log of the server")


async def play(router: FaultRouter, steps: Sequence[ScriptStep]) -> None:
    """Do one step after another, and all of them again as `repeat` says."""
    played, rounds = steps, 1.0
    if steps[-1].name == "repeat":
        played, rounds = steps[:-1], steps[-1].number or float("inf")
    done = 0
    while done < rounds:
        for step in played:
            say(f"line {step.line}: {step}")
            try:
                outcome = await STEP_ACTIONS[step.name](router, step.number)
            except StoreUnavailableError as error:
                outcome = f"not done: {error}"
            if outcome:
                say(f"    {outcome}")
        done += 1


def say(text: str) -> None:
    """Print one line to the terminal. A closed terminal is no reason to stop."""
    with suppress(OSError):
        print(f"script: {text}", flush=True)
