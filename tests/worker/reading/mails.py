"""Functions that make raw mails in one line."""

from base64 import encodebytes
from typing import Any

from worker.reading import Reading

HEAD = "From: Jane Doe <jane@client.example>\r\nTo: desk@tubepost.example\r\nMessage-ID: <letter@client.example>\r\n"


def plain(body: str, subject: str = "A letter", head: str = "") -> bytes:
    """Make a plain mail in UTF-8."""
    return (
        f"{HEAD}{head}Subject: {subject}\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n{body}".replace("\r\n", "\n")
        .replace("\n", "\r\n")
        .encode()
    )


def page(html: str) -> bytes:
    """Make a mail with only HTML."""
    return f"{HEAD}Subject: A page\r\nContent-Type: text/html; charset=utf-8\r\n\r\n{html}".encode()


def with_file(name: str, kind: str, content: bytes, body: str = "See the file.", extra: str = "") -> bytes:
    """Make a mail with one attachment."""
    coded = encodebytes(content).decode().replace("\n", "\r\n")
    return (
        f"{HEAD}Subject: A file\r\nContent-Type: multipart/mixed; boundary=cut\r\n\r\n"
        f"--cut\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n{body}\r\n"
        f'--cut\r\nContent-Type: {kind}\r\nContent-Disposition: attachment; filename="{name}"\r\n{extra}'
        f"Content-Transfer-Encoding: base64\r\n\r\n{coded}\r\n--cut--\r\n"
    ).encode()


def text_at(reading: Reading, evidence: dict[str, Any]) -> str:
    """Return the text at the evidence's offsets, counted as in a browser."""
    source = {"text": reading.text, "subject": reading.subject}[evidence["source"]]
    units = source.encode("utf-16-le")
    return units[2 * evidence["start"] : 2 * evidence["end"]].decode("utf-16-le")
