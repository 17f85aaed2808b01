"""A token provider on loopback with TLS: Microsoft's and Google's paths, with answers that a test can set.

with TokenEndpoint(folder) as endpoint:          # folder holds server.pem and server.key (make_certificate)
    endpoint.say(400, {"error": "invalid_grant"})  # the next answer of the token endpoint; otherwise tokens
    ...
    assert endpoint.asked[0]["grant_type"] == "refresh_token"

A client trusts it with REQUESTS_CA_BUNDLE = endpoint.ca_file.
"""

import contextlib
import json
import ssl
import threading
from collections import deque
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qsl

#: An answer: status, content (JSON unless it is bytes), headers.
Answer = tuple[int, "dict[str, Any] | bytes", dict[str, str]]


class TokenEndpoint:
    """`asked`: the forms that the token endpoint received. `tokens`: the number of access tokens that it gave.

    Each access token is `access-<n>`; with `rotates`, it comes with the refresh token `refresh-<n>`.
    """

    def __init__(self, folder: Path) -> None:
        self.ca_file = str(folder / "server.pem")
        self.asked: list[dict[str, str]] = []
        self.paths: list[str] = []
        self.tokens = 0
        self.life: Any = 3600
        self.scope: str | None = None
        self.rotates = False
        self.device: dict[str, Any] = {
            "device_code": "device-secret", "user_code": "ABCD-1234", "interval": 1, "expires_in": 900,
            "verification_uri": "https://microsoft.com/devicelogin", "message": "not shown",
        }  # fmt: skip
        self._next: deque[Answer | Callable[[], Answer]] = deque()
        self._lock = threading.Lock()
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(folder / "server.pem", folder / "server.key")
        self._server = _Server(("127.0.0.1", 0), type("Bound", (_Handler,), {"endpoint": self}))
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True, do_handshake_on_connect=False)
        self.address = f"https://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def say(self, status: int, content: "dict[str, Any] | bytes", **headers: str) -> None:
        """Set the answer to the next request for a token. Header names use `_` for `-`."""
        self._next.append((status, content, {name.replace("_", "-"): value for name, value in headers.items()}))

    def do(self, step: Callable[[], Answer]) -> None:
        """Answer the next request for a token with the result of *step*, once it returns."""
        self._next.append(step)

    def token(self, form: dict[str, str]) -> Answer:
        with self._lock:
            self.asked.append(form)
            answer = self._next.popleft() if self._next else self._granted
        return answer() if callable(answer) else answer

    def _granted(self) -> Answer:
        self.tokens += 1
        answer = {"token_type": "Bearer", "access_token": f"access-{self.tokens}", "expires_in": self.life}
        if self.rotates:
            answer["refresh_token"] = f"refresh-{self.tokens}"
        if self.scope is not None:
            answer["scope"] = self.scope
        return 200, answer, {}

    def configuration(self, tenant: str) -> dict[str, Any]:
        base = f"{self.address}/{tenant}"
        return {
            "issuer": f"{base}/v2.0",
            "authorization_endpoint": f"{base}/oauth2/v2.0/authorize",
            "token_endpoint": f"{base}/oauth2/v2.0/token",
            "device_authorization_endpoint": f"{base}/oauth2/v2.0/devicecode",
        }


class _Server(ThreadingHTTPServer):
    daemon_threads = True  # a test may leave a request unanswered

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Ignore clients that close the connection."""


class _Handler(BaseHTTPRequestHandler):
    endpoint: TokenEndpoint
    timeout = 10

    def do_GET(self) -> None:
        self.endpoint.paths.append(self.path)
        tenant, _, rest = self.path[1:].partition("/")
        if rest != "v2.0/.well-known/openid-configuration":
            return self._say(404, {"error": "not_found"})
        if tenant == "nobody.example":
            return self._say(400, {"error": "invalid_tenant", "error_description": "AADSTS90002: no such tenant"})
        return self._say(200, self.endpoint.configuration(tenant))

    def do_POST(self) -> None:
        self.endpoint.paths.append(self.path)
        form = dict(parse_qsl(self.rfile.read(int(self.headers["Content-Length"])).decode()))
        if self.path.endswith("/devicecode"):
            return self._say(200, self.endpoint.device)
        if self.path.endswith("/token"):
            return self._say(*self.endpoint.token(form))
        return self._say(404, {"error": "not_found"})

    def _say(self, status: int, content: "dict[str, Any] | bytes", headers: dict[str, str] | None = None) -> None:
        body = content if isinstance(content, bytes) else json.dumps(content).encode()
        with contextlib.suppress(OSError):
            self.send_response(status)
            for name, value in {"Content-Type": "application/json", **(headers or {})}.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Write no log."""
