"""Requests to a provider that end: bounded in time and size, by TLS alone, and never redirected with a secret in them.

It is the HTTP client of msal (`get`, `post`) and of google-auth (`request`). Whatever does not help to decide is an
error before they see it, since msal logs answers that are no JSON and both wait and try again on their own.
Blocks: for threads. `REQUESTS_CA_BUNDLE` names other authorities, `HTTPS_PROXY` a proxy, as everywhere with requests.
"""

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

import requests
import urllib3

from worker.imap.errors import TokenUnavailableError

#: Seconds to connect, and without a byte; and for an answer as a whole.
QUIET, TOTAL = 10.0, 15.0

#: Bytes of an answer, at most.
LONGEST_ANSWER = 256 * 1024

#: The longest time in seconds that a provider may ask us to stay away.
LONGEST_WAIT = 600.0


@dataclass(frozen=True, slots=True)
class Answer:
    """What both libraries want of an answer. Its content is a JSON object."""

    status_code: int
    headers: Mapping[str, str]
    content: bytes

    @property
    def text(self) -> str:
        return self.content.decode("utf-8", "replace")

    def json(self) -> dict[str, Any]:
        """The content as data."""
        found: dict[str, Any] = json.loads(self.content)
        return found

    def raise_for_status(self) -> None:
        """Nothing: the status that is left says no more than the content."""


class Endpoint:
    """One conversation with a provider. TokenUnavailableError for what may pass by itself."""

    def __init__(self) -> None:
        self._session = requests.Session()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Give the connections back; may be called twice."""
        self._session.close()

    def get(self, url: str, **rest: Any) -> Answer:
        """As `request`."""
        return self.request("GET", url, **rest)

    def post(self, url: str, **rest: Any) -> Answer:
        """As `request`."""
        return self.request("POST", url, **rest)

    def request(self, method: str, url: str, **rest: Any) -> Answer:
        """Ask once; *rest* as in requests, but for the time-outs, which are ours."""
        host = urlsplit(url).netloc
        if not url.startswith("https://"):
            raise TokenUnavailableError(f"the provider names the address of {host or 'nobody'} without https")
        rest |= {"timeout": QUIET, "allow_redirects": False, "stream": True}
        ends = time.monotonic() + TOTAL
        try:
            with self._session.request(method, url, **rest) as response:
                _ready(host, response)
                return _object(host, Answer(response.status_code, response.headers, _body(host, response, ends)))
        except requests.exceptions.SSLError:
            raise TokenUnavailableError(
                f"{host} shows a certificate that is not trusted; REQUESTS_CA_BUNDLE names authorities of your own"
            ) from None
        except (requests.exceptions.Timeout, urllib3.exceptions.TimeoutError):
            raise TokenUnavailableError(f"{host} does not answer in time") from None
        except (requests.exceptions.RequestException, urllib3.exceptions.HTTPError) as error:
            raise TokenUnavailableError(f"{host} cannot be reached: {type(error).__name__}") from None
        except OSError as error:  # the file of authorities
            raise TokenUnavailableError(f"{host} cannot be asked: {str(error)[:200]}") from None


def _ready(host: str, response: Any) -> None:
    status = response.status_code
    if status == 429 or status >= 500:
        raise TokenUnavailableError(f"{host} is not ready: status {status}", _wait(response.headers))
    if 300 <= status < 400:
        raise TokenUnavailableError(f"{host} sends us elsewhere (status {status}), which is not followed")


def _wait(headers: Mapping[str, str]) -> float:
    said = headers.get("Retry-After", "")
    return min(float(said), LONGEST_WAIT) if said.isascii() and said.isdigit() else 0.0


def _body(host: str, response: Any, ends: float) -> bytes:
    body = bytearray()
    # What is there, at once: to wait for a whole part would take as long as a server that drips likes.
    while part := response.raw.read1(16 * 1024, decode_content=True):
        body += part
        if len(body) > LONGEST_ANSWER:
            raise TokenUnavailableError(f"{host} answers with more than {LONGEST_ANSWER} bytes")
        if time.monotonic() > ends:
            raise TokenUnavailableError(f"{host} does not answer in time")
    return bytes(body)


def _object(host: str, answer: Answer) -> Answer:
    try:
        sound = isinstance(answer.json(), dict)
    except (ValueError, RecursionError):
        sound = False
    if not sound:
        raise TokenUnavailableError(f"{host} answers with what is no JSON object: status {answer.status_code}")
    return answer
