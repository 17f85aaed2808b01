"""Google's sign-in for installed applications: a browser brings the code of a person's consent to us (RFC 8252 §7.3).

With PKCE (RFC 7636) and a `state`, so that a stranger's code is refused and ours is of no use to others. Google's
device flow does not give the scope for mail. google-auth-oauthlib is not used: its server ends with the first request,
even one for /favicon.ico, sets a stranger's connection no time limit, and cannot be stopped by Ctrl-C.
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
from worker.oauth.google import SCOPE, authorization_url, token_url
from worker.oauth.provider_client import ProviderClient
from workitems.base.threads import run_alone
from workitems.settings import MailboxSettings

#: Seconds that a person has to consent, and that a browser has to send its request.
LONGEST_WAIT, BROWSER = 600.0, 5.0

#: The longest request of a browser in bytes.
LONGEST_REQUEST = 16 * 1024

#: The longest code or error that is taken, in characters.
_LONGEST_VALUE = 2048


class RedirectReceiver:
    """Waits until the browser comes back with our `state`. Every other request gets an error."""

    def __init__(self) -> None:
        self.state = secrets.token_urlsafe(32)
        self.answer: asyncio.Future[dict[str, str]] = asyncio.get_running_loop().create_future()

    async def receive(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one connection, of a browser or of a stranger who found the port."""
        try:
            with contextlib.suppress(OSError, EOFError, ValueError, asyncio.LimitOverrunError):
                async with asyncio.timeout(BROWSER):
                    head = await reader.readuntil(b"\r\n\r\n")
                    status, text = self.handle_request_line(head.split(b"\r\n", 1)[0])
                    writer.write(
                        f"HTTP/1.1 {status}\r\nContent-Length: {len(text)}\r\n"
                        "Content-Type: text/plain; charset=utf-8\r\nCache-Control: no-store\r\n"
                        "Referrer-Policy: no-referrer\r\nConnection: close\r\n\r\n"
                        f"{text}".encode()
                    )
                    await writer.drain()
        finally:
            writer.close()

    def handle_request_line(self, line: bytes) -> tuple[str, str]:
        """Take the answer from a request's first *line*. Returns the status and the text of our response."""
        parts = line.decode("latin-1").split(" ")
        target = urlsplit(parts[1]) if len(parts) == 3 and parts[1].startswith("/") else None
        if target is None or parts[0] != "GET" or target.path != "/":
            return "404 Not Found", "There is nothing here."
        query = {name: values[0][:_LONGEST_VALUE] for name, values in parse_qs(target.query, max_num_fields=20).items()}
        if not hmac.compare_digest(query.get("state", "").encode(), self.state.encode()):
            return "400 Bad Request", "This is not the answer to the link that Tubepost printed."
        if not self.answer.done():
            self.answer.set_result(query)
        return "200 OK", "Tubepost has the answer. You can close this page and go back to the terminal."


async def sign_in_by_loopback(mailbox: MailboxSettings, echo: Callable[[str], object]) -> Mapping[str, Any]:
    """Return the answer of the token endpoint, or an error. LoginRefusedError when nobody consents in time."""
    receiver, verifier = RedirectReceiver(), secrets.token_urlsafe(64)
    async with await asyncio.start_server(receiver.receive, "127.0.0.1", 0, limit=LONGEST_REQUEST) as server:
        port = server.sockets[0].getsockname()[1]
        redirect_uri = f"http://127.0.0.1:{port}/"
        echo(
            f"Open this link in a browser of this machine:\n\n"
            f"    {_consent_link(mailbox, redirect_uri, receiver.state, verifier)}\n\n"
            f"and sign in as {mailbox.user}. A browser of another machine needs a way here first:\n\n"
            f"    ssh -L {port}:127.0.0.1:{port} THIS-MACHINE\n\n"
            f"This waits for {LONGEST_WAIT / 60:.0f} minutes; Ctrl-C ends it."
        )
        try:
            async with asyncio.timeout(LONGEST_WAIT):
                query = await receiver.answer
        except TimeoutError:
            raise LoginRefusedError("nobody consented in time", advice="To try again, repeat the command") from None
    if "code" not in query:
        return {"error": query.get("error", "no code")}
    return await run_alone(_exchange_code, mailbox, query["code"], redirect_uri, verifier)


def _consent_link(mailbox: MailboxSettings, redirect_uri: str, state: str, verifier: str) -> str:
    challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
    return f"{authorization_url(mailbox)}?" + urlencode(
        {
            "response_type": "code",
            "client_id": mailbox.client_id,
            "redirect_uri": redirect_uri,
            "scope": SCOPE,
            "state": state,
            "code_challenge": challenge,
            "code_challenge_method": "S256",
            "access_type": "offline",
            "prompt": "consent",  # without it a second sign-in gives no refresh token
            "login_hint": mailbox.user,
        }
    )


def _exchange_code(mailbox: MailboxSettings, code: str, redirect_uri: str, verifier: str) -> Mapping[str, Any]:
    form = {
        "grant_type": "authorization_code",
        "code": code,
        "client_id": mailbox.client_id,
        "client_secret": mailbox.read_client_secret(),
        "redirect_uri": redirect_uri,
        "code_verifier": verifier,
    }
    with ProviderClient() as client:
        answer: Mapping[str, Any] = client.post(token_url(mailbox), data=form).json()
    return answer
