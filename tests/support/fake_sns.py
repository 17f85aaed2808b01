"""Amazon SNS on loopback: a real TLS server with its host name, and messages signed with a test key."""

import asyncio
import base64
import json
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.x509.oid import NameOID
from tornado.httpserver import HTTPServer
from tornado.netutil import BlockingResolver, OverrideResolver, bind_sockets
from tornado.web import Application, RequestHandler

from server.intake.sources.pinned_https import PinnedHttpsClient

HOST = "sns.eu-west-1.amazonaws.com"
TOPIC = "arn:aws:sns:eu-west-1:123456789012:mail"
CERTIFICATE_PATH = "/SimpleNotificationService-0123456789abcdef0123456789abcdef.pem"
CERTIFICATE_URL = f"https://{HOST}{CERTIFICATE_PATH}"
_SIGNED = ("Message", "MessageId", "SubscribeURL", "Subject", "Timestamp", "Token", "TopicArn", "Type")


@cache
def new_key(name: str = "") -> rsa.RSAPrivateKey:
    """Return the key for *name*; it is made once, since that is slow."""
    return rsa.generate_private_key(65537, 2048)


def certificate(key: rsa.RSAPrivateKey, name: str, *, since: timedelta = timedelta(days=-1), days: float = 30) -> bytes:
    """Make a self-signed certificate for *name*, in PEM form."""
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    start = datetime.now(UTC) + since
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(start + timedelta(days=days))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    return made.public_bytes(serialization.Encoding.PEM)


def signed(key: rsa.RSAPrivateKey, *, version: str = "1", at: datetime | None = None, **fields: Any) -> dict[str, Any]:
    """Make a signed SNS message as SNS posts it."""
    when = at or datetime.now(UTC)
    message = {
        "Type": "Notification",
        "MessageId": "22b80b92-fdea-4c2c-8f9d-bdfb0c7bf324",
        "TopicArn": TOPIC,
        "Message": "hello",
        "Timestamp": when.strftime("%Y-%m-%dT%H:%M:%S.") + f"{when.microsecond // 1000:03d}Z",
        "SignatureVersion": version,
        "SigningCertURL": CERTIFICATE_URL,
    } | fields
    text = "".join(f"{name}\n{message[name]}\n" for name in _SIGNED if name in message).encode()
    algorithm = hashes.SHA1() if version == "1" else hashes.SHA256()
    message["Signature"] = base64.b64encode(key.sign(text, padding.PKCS1v15(), algorithm)).decode()
    return message


def dumps(message: dict[str, Any]) -> str:
    return json.dumps(message)


class Sns:
    """Answers requests to `HOST`. A test may change `answers` and `answering`; `asked` has the requested paths."""

    def __init__(self, folder: Path, port: int, name: str) -> None:
        self.key = new_key("signing")
        self.asked: list[str] = []
        #: Cleared: no request is answered before it is set again.
        self.answering = asyncio.Event()
        self.answering.set()
        self.answers: dict[str, tuple[int, bytes]] = {
            CERTIFICATE_PATH: (200, certificate(self.key, HOST)),
            "/": (200, b""),
        }
        self._authorities = folder / f"{name}.pem"
        self.mapping = {(HOST, 443): ("127.0.0.1", port)}
        self._resolver = OverrideResolver(resolver=BlockingResolver(), mapping=self.mapping)

    def pinned(self) -> PinnedHttpsClient:
        """Make a client that resolves `HOST` to this server and trusts its certificate."""
        return PinnedHttpsClient(self._resolver, str(self._authorities))


class _Answer(RequestHandler):
    def initialize(self, sns: Sns) -> None:
        self.sns = sns

    async def get(self) -> None:
        self.sns.asked.append(self.request.uri or "")
        await self.sns.answering.wait()
        status, answer = self.sns.answers.get(self.request.path, (404, b""))
        self.set_status(status)
        if status in (301, 302):
            self.set_header("Location", answer.decode())
        self.write(answer)


@contextmanager
def serving(folder: Path, name: str = HOST) -> Iterator[Sns]:
    """Run the server inside the block. Its certificate is for *name*."""
    key = new_key("tls")
    (folder / f"{name}.pem").write_bytes(certificate(key, name))
    (folder / "key.pem").write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / f"{name}.pem", folder / "key.pem")
    sockets = bind_sockets(0, "127.0.0.1")
    sns = Sns(folder, sockets[0].getsockname()[1], name)
    server = HTTPServer(Application([(".*", _Answer, {"sns": sns})], log_function=lambda _: None), ssl_options=context)
    server.add_sockets(sockets)
    yield sns
    server.stop()
