"""How a mail lies on the wire (RFC 5322, RFC 2045 to 2047, RFC 2231): headers and parts in, bytes with CRLF out.

Written out by hand, since the standard library's generator always chooses UTF-8 for headers and folds as it likes,
and the letters should look like those of many different mail programs.
"""

import base64
import quopri
import re
from dataclasses import dataclass
from email.header import Header
from email.utils import encode_rfc2231, formataddr

CRLF = b"\r\n"

Headers = list[tuple[str, str]]


@dataclass(frozen=True)
class Part:
    """One MIME part: headers as written on the wire, and a body that is already encoded."""

    headers: Headers
    body: bytes

    def to_bytes(self) -> bytes:
        lines = [f"{name}: {value}".encode("ascii") for name, value in self.headers]
        return CRLF.join([*lines, b"", self.body])


def header(name: str, value: str, charset: str) -> tuple[str, str]:
    """One unstructured header, folded at 76; with encoded words in *charset* where ASCII is not enough."""
    encoding = "us-ascii" if value.isascii() else charset
    return name, Header(value, encoding, header_name=name, maxlinelen=76).encode(linesep="\r\n")


def addresses(name: str, mailboxes: list[str], charset: str) -> tuple[str, str]:
    """One address header from `Name <address>` or bare addresses, each on its line."""
    pairs = [re.fullmatch(r"(?:(.*) )?<?([^<> ]+)>?", mailbox) for mailbox in mailboxes]
    assert all(pairs), f"no addresses: {mailboxes}"
    return name, ",\r\n ".join(formataddr((pair[1] or "", pair[2]), charset) for pair in pairs if pair)


def text(content: str, subtype: str, charset: str, encoding: str) -> Part:
    """A text part; UnicodeEncodeError when *charset* cannot write it."""
    headers = [
        ("Content-Type", f'text/{subtype}; charset="{charset}"'),
        ("Content-Transfer-Encoding", encoding),
    ]
    return Part(headers, _encode(content.encode(charset), encoding))


def _encode(content: bytes, encoding: str) -> bytes:
    """*content* with bare LF in, in Content-Transfer-Encoding *encoding* with CRLF out."""
    match encoding:
        case "quoted-printable":
            return quopri.encodestring(content).replace(b"\n", CRLF)
        case "base64":
            return base64.encodebytes(content.replace(b"\n", CRLF)).replace(b"\n", CRLF)
        case "7bit" | "8bit":
            assert encoding == "8bit" or content.isascii(), "7bit, but not ASCII"
            return content.replace(b"\n", CRLF)
    raise ValueError(f"no encoding: {encoding!r}; 7bit, 8bit, quoted-printable or base64")


def file(content: bytes, kind: str, name: str, *, charset: str = "", inline: str = "") -> Part:
    """An attached file; with *inline* a picture that the HTML names as `cid:<inline>`."""
    disposition = "inline" if inline else "attachment"
    parameter = f'filename="{name}"' if name.isascii() else f"filename*={encode_rfc2231(name, 'utf-8')}"
    headers = [
        ("Content-Type", f'{kind}; charset="{charset}"' if charset else kind),
        ("Content-Disposition", f"{disposition};\r\n {parameter}"),
        ("Content-Transfer-Encoding", "base64"),
    ]
    if inline:
        headers.append(("Content-ID", f"<{inline}>"))
    return Part(headers, base64.encodebytes(content).replace(b"\n", CRLF))


def raw(content: str, kind: str) -> Part:
    """A part of lines that stand as they are: the machine-readable ones of a delivery report."""
    return Part([("Content-Type", kind)], content.encode("ascii").replace(b"\n", CRLF))


def multipart(kind: str, parts: list[Part], boundary: str) -> Part:
    """*parts* in one `multipart/<kind>`; a single part stays alone."""
    if len(parts) == 1:
        return parts[0]
    pieces = [b"--" + boundary.encode() + CRLF + part.to_bytes() for part in parts]
    body = CRLF.join([*pieces, b"--" + boundary.encode() + b"--", b""])
    return Part([("Content-Type", f'multipart/{kind};\r\n boundary="{boundary}"')], body)
