"""Form data as services post it."""

import base64
import hashlib
import hmac
from io import BytesIO
from typing import Any
from urllib.parse import urlencode

from server.intake.sources.form import Form, read_form

BOUNDARY = "xYzZY"

#: A field is a name and bytes, or a name, bytes, file name and type.
Field = tuple[Any, ...]


def multipart(*fields: Field) -> tuple[str, bytes]:
    """Make Content-Type and body of a multipart form."""
    parts = []
    for name, value, *file in fields:
        head = f'Content-Disposition: form-data; name="{name}"'
        if file:
            head += f'; filename="{file[0]}"\r\nContent-Type: {file[1]}'
        parts.append(f"--{BOUNDARY}\r\n{head}\r\n\r\n".encode() + value + b"\r\n")
    return f"multipart/form-data; boundary={BOUNDARY}", b"".join(parts) + f"--{BOUNDARY}--\r\n".encode()


def urlencoded(*fields: Field) -> tuple[str, bytes]:
    """Make the same for a form without files."""
    return "application/x-www-form-urlencoded", urlencode(fields).encode()


def form(*fields: Field) -> Form:
    """Make a form and parse it."""
    kind, body = multipart(*fields)
    return read_form(kind, BytesIO(body), BytesIO())


def mailgun_proof(key: str, at: float, token: str = "t" * 50) -> list[Field]:
    """Make the fields with which Mailgun signs a request."""
    stamp = str(int(at))
    made = hmac.new(key.encode(), (stamp + token).encode(), hashlib.sha256).hexdigest()
    return [("timestamp", stamp.encode()), ("token", token.encode()), ("signature", made.encode())]


def basic(user: str, password: str) -> dict[str, str]:
    """Make the headers of a request to `https://user:password@…`."""
    return {"Authorization": "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()}
