"""Google's way for installed applications: a person consents in a browser, which brings the code to us (RFC 8252 §7.3).

With PKCE (RFC 7636) and a `state`, so that nobody else's code is taken and ours is of no use to others. Google's device
flow does not give the scope for mail: it is limited to a short list.
"""

import asyncio
import base64
import contextlib
import hashlib
import hmac
import secrets
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

from worker.imap.errors import LoginRefusedError
from worker.oauth.endpoint import Endpoint
from worker.oauth.google import SCOPE, consent_address, token_address
from workitems.settings import MailboxSettings

#: Seconds that a person has to consent, and a browser to say what it wants.
LONGEST_WAIT, BROWSER = 600.0, 5.0

#: Bytes of a browser's request, at most.
LONGEST_REQUEST = 16 * 1024

#: The longest code or error that is taken, in characters.
_LONGEST_VALUE = 2048


class Visit:
    """Waits for the browser to come back with the answer to our `state`. Everything else is sent away."""

    def __init__(self) -> None:
        self.state = secrets.token_urlsafe(32)
        self.answer: asyncio.Future[dict[str, str]] = asyncio.get_running_loop().create_future()

    async def receive(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection of a browser, or of whoever found the port."""
        try:
            with contextlib.suppress(OSError, EOFError, ValueError, asyncio.LimitOverrunError):
                async with asyncio.timeout(BROWSER):
                    head = await reader.readuntil(b"\r\n\r\n")
                    writer.write(_page(*self.told(head.split(b"\r\n", 1)[0])))
                    await writer.drain()
        finally:
            writer.close()

    def told(self, line: bytes) -> tuple[str, str]:
        """Read a request's first *line*; the status and the words that it gets."""
        parts = line.decode("latin-1").split(" ")
        target = urlsplit(parts[1]) if len(parts) == 3 and parts[1].startswith("/") else None
        if target is None or parts[0] != "GET" or target.path != "/":
            return "404 Not Found", "There is nothing here."
        said = {name: values[0][:_LONGEST_VALUE] for name, values in parse_qs(target.query, max_num_fields=20).items()}
        if not hmac.compare_digest(said.get("state", "").encode(), self.state.encode()):
            return "400 Bad Request", "This is not the answer to the link that Tubepost printed."
        if not self.answer.done():
            self.answer.set_result(said)
        return "200 OK", "Tubepost has the answer. You can close this page and go back to the terminal."


def _page(status: str, words: str) -> bytes:
    return (
        f"HTTP/1.1 {status}\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: {len(words)}\r\n"
        f"Cache-Control: no-store\r\nReferrer-Policy: no-referrer\r\nConnection: close\r\n\r\n{words}"
    ).encode()


async def by_loopback(mailbox: MailboxSettings, say: Callable[[str], object]) -> Mapping[str, Any]:
    """The token endpoint's answer, an error's too. LoginRefusedError when nobody consents in time."""
    visit, verifier = Visit(), secrets.token_urlsafe(64)
    server = await asyncio.start_server(visit.receive, "127.0.0.1", 0, limit=LONGEST_REQUEST)
    async with server:
        port = server.sockets[0].getsockname()[1]
        back = f"http://127.0.0.1:{port}/"
        say(
            f"Open this link in a browser of this machine:\n\n    {_link(mailbox, back, visit.state, verifier)}\n\n"
            f"and sign in as {mailbox.user}. A browser of another machine needs a way here first:\n\n"
            f"    ssh -L {port}:127.0.0.1:{port} THIS-MACHINE\n\n"
            f"This waits for {LONGEST_WAIT / 60:.0f} minutes; Ctrl-C ends it."
        )
        try:
            async with asyncio.timeout(LONGEST_WAIT):
                said = await visit.answer
        except TimeoutError:
            raise LoginRefusedError("nobody consented in time", advice="To try again, start anew") from None
    if "code" not in said:
        return {"error": said.get("error", "no code")}
    return await asyncio.to_thread(_exchanged, mailbox, said["code"], back, verifier)


def _link(mailbox: MailboxSettings, back: str, state: str, verifier: str) -> str:
    challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
    return f"{consent_address(mailbox)}?" + urlencode(
        {
            "response_type": "code",
            "client_id": mailbox.client_id,
            "redirect_uri": back,
            "scope": SCOPE,
            "state": state,
            "code_challenge": challenge,
            "code_challenge_method": "S256",
            "access_type": "offline",
            "prompt": "consent",  # without it a second sign-in brings no refresh token
            "login_hint": mailbox.user,
        }
    )


def _exchanged(mailbox: MailboxSettings, code: str, back: str, verifier: str) -> Mapping[str, Any]:
    form = {
        "grant_type": "authorization_code",
        "code": code,
        "client_id": mailbox.client_id,
        "client_secret": mailbox.application_secret(),
        "redirect_uri": back,
        "code_verifier": verifier,
    }
    with Endpoint() as endpoint:
        return endpoint.post(token_address(mailbox), data=form).json()
