"""Requests to a provider that end: bounded in time and size, by TLS alone, and never redirected with a secret in them.

It is the HTTP client of msal and of google-auth. An answer that does not help to decide is an error before they see
it, since msal logs answers that are not JSON, and both wait and retry on their own.
Blocks: for threads. `REQUESTS_CA_BUNDLE` names other authorities, `HTTPS_PROXY` a proxy, as everywhere with requests.
"""

import io
import time
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import requests
import urllib3

from worker.imap.errors import TokenUnavailableError

#: Seconds to connect, and without a byte; and for an answer as a whole.
READ_TIMEOUT, TOTAL = 10.0, 15.0

#: Bytes of an answer, at most.
LONGEST_ANSWER = 256 * 1024

#: The longest time in seconds that a provider may ask us to stay away.
LONGEST_WAIT = 600.0


class ProviderClient(requests.Session):
    """A session with one provider. Every request raises TokenUnavailableError for what may pass by itself."""

    def request(self, method: str, url: str, **rest: Any) -> requests.Response:  # type: ignore[override]
        """Send one request. *rest* is as in requests, except for the time-outs, which are ours.

        The content of the answer is a JSON object.
        """
        host = urlsplit(url).netloc
        if not url.startswith("https://"):
            raise TokenUnavailableError(f"the provider names the address of {host or 'nobody'} without https")
        rest |= {"timeout": READ_TIMEOUT, "allow_redirects": False, "stream": True}
        ends = time.monotonic() + TOTAL
        try:
            with super().request(method, url, **rest) as response:
                _require_ready(host, response)
                body = _read_body(host, response, ends)
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
        response.raw, response.encoding = io.BytesIO(body), "utf-8"
        _require_object(host, response)
        return response


def _require_ready(host: str, response: requests.Response) -> None:
    status = response.status_code
    if status == 429 or status >= 500:
        raise TokenUnavailableError(f"{host} is not ready: status {status}", _retry_after(response.headers))
    if 300 <= status < 400:
        raise TokenUnavailableError(f"{host} sends us elsewhere (status {status}), which is not followed")


def _retry_after(headers: Mapping[str, str]) -> float:
    value = headers.get("Retry-After", "")
    return min(float(value), LONGEST_WAIT) if value.isascii() and value.isdigit() else 0.0


def _read_body(host: str, response: requests.Response, ends: float) -> bytes:
    body = bytearray()
    # Take what is there at once: to wait for a whole part would take as long as a slow server likes.
    while part := response.raw.read1(16 * 1024, decode_content=True):
        body += part
        if len(body) > LONGEST_ANSWER:
            raise TokenUnavailableError(f"{host} answers with more than {LONGEST_ANSWER} bytes")
        if time.monotonic() > ends:
            raise TokenUnavailableError(f"{host} does not answer in time")
    return bytes(body)


def _require_object(host: str, response: requests.Response) -> None:
    try:
        is_object = isinstance(response.json(), dict)
    except (ValueError, RecursionError):
        is_object = False
    if not is_object:
        raise TokenUnavailableError(f"{host} answers with what is not a JSON object: status {response.status_code}")
