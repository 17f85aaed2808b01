"""The processes of one host: two servers behind one socket, and a worker, as supervisord starts them."""

import asyncio
import json
import signal
import socket
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.support.exposition import Family, parse_exposition, values
from tests.support.program import Program

TOKEN = "a-token-for-tests"

#: Seconds until a condition must hold.
PATIENCE = 60.0

Metrics = dict[str, Family]


class Host:
    """The processes start at once. *name*: the name of the host, if several share the Redis at *redis_url*."""

    def __init__(self, folder: Path, redis_url: str, name: str = "") -> None:
        self.folder = folder
        self.mail = folder / "var" / "mail"
        self.socket = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.port: int = self.socket.getsockname()[1]
        settings = f"""
data = "{folder}/var"
log = "debug"
token = "{TOKEN}"
[redis]
url = "{redis_url}"
"""
        self.programs = {}
        for program in ("server_00", "server_01", "worker_00"):
            (folder / program).mkdir(parents=True)
            listening = self.socket if program.startswith("server") else None
            environment = {"SUPERVISOR_PROCESS_NAME": program} | ({"TUBEPOST_HOST_NAME": name} if name else {})
            made = Program(program.partition("_")[0], folder / program, settings, environment, listening)
            self.programs[program] = made.start()

    def close(self) -> None:
        for program in self.programs.values():
            if not program.ended:
                program.send(signal.SIGCONT)
            program.stop()
        self.socket.close()

    async def until_listening(self) -> None:
        """Wait until both servers accept clients."""
        for name in ("server_00", "server_01"):
            await asyncio.to_thread(self.programs[name].until_logged, "event=listening")

    def get(self, path: str, data: bytes | None = None) -> bytes:
        """Ask whichever process accepts the connection."""
        headers = {"Authorization": f"Bearer {TOKEN}", "Content-Type": "message/rfc822"}
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}", data, headers)
        with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
            found: bytes = answer.read()
            return found

    async def ask(self, path: str) -> Any:
        """Return the JSON at *path*."""
        return json.loads(await asyncio.to_thread(self.get, path))

    async def ask_until(self, path: str, condition: Callable[[Any], bool]) -> Any:
        """Ask for *path* until *condition* holds for the answer; return it."""
        async with asyncio.timeout(PATIENCE):
            while not condition(found := await self.ask(path)):
                await asyncio.sleep(0.05)
        return found

    async def scrape(self) -> Metrics:
        return parse_exposition((await asyncio.to_thread(self.get, "/metrics")).decode())

    async def scrape_until(self, condition: Callable[[Metrics], bool]) -> Metrics:
        async with asyncio.timeout(PATIENCE):
            while not condition(found := await self.scrape()):
                await asyncio.sleep(0.05)
        return found

    async def until_faulty(self, *parts: str) -> None:
        """Wait until exactly these parts of a server do not work."""

        def is_so(found: Any) -> bool:
            return [name for name, part in found["parts"].items() if not part["up"]] == list(parts)

        found = await self.ask_until("/readyz", is_so)
        assert found["status"] == ("degraded" if parts else "ready")

    def has_answered(self, name: str) -> bool:
        """Return whether this process answered a scrape."""
        return "path=/metrics" in self.programs[name].log.read_text()


def is_up(found: Metrics) -> dict[str, float]:
    """Return process → 1.0 if it answered the scrape, 0.0 if it runs and did not."""
    return {dict(labels)["process"]: value for labels, value in values(found, "tubepost_process_up").items()}
