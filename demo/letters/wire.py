"""Write a mail (RFC 5322, RFC 2045 to 2047, RFC 2231): headers and parts in, bytes with CRLF out.

The generator of the standard library always uses UTF-8 for headers and has its own folding. The letters must look like
those of many different mail programs.
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
class WirePart:
    """One MIME part: headers as they are sent, and a body that is already encoded."""

    headers: Headers
    body: bytes

    def to_bytes(self) -> bytes:
        lines = [f"{name}: {value}".encode("ascii") for name, value in self.headers]
        return CRLF.join([*lines, b"", self.body])


def header(name: str, value: str, charset: str) -> tuple[str, str]:
    """Return an unstructured header, folded at 76; with encoded words in *charset* if it is not ASCII."""
    encoding = "us-ascii" if value.isascii() else charset
    return name, Header(value, encoding, header_name=name, maxlinelen=76).encode(linesep="\r\n")


def addresses(name: str, mailboxes: list[str], charset: str) -> tuple[str, str]:
    """Return an address header from `Name <address>` or bare addresses, one on each line."""
    pairs = [re.fullmatch(r"(?:(.*) )?<?([^<> ]+)>?", mailbox) for mailbox in mailboxes]
    assert all(pairs), f"no addresses: {mailboxes}"
    return name, ",\r\n ".join(formataddr((pair[1] or "", pair[2]), charset) for pair in pairs if pair)


def text(content: str, subtype: str, charset: str, encoding: str) -> WirePart:
    """Return a text part. Raises UnicodeEncodeError when *charset* cannot encode it."""
    headers = [
        ("Content-Type", f'text/{subtype}; charset="{charset}"'),
        ("Content-Transfer-Encoding", encoding),
    ]
    return WirePart(headers, _encode(content.encode(charset), encoding))


def _encode(content: bytes, encoding: str) -> bytes:
    """Encode *content*, whose lines end in LF, by Content-Transfer-Encoding *encoding*, with lines that end in CRLF."""
    match encoding:
        case "quoted-printable":
            return quopri.encodestring(content).replace(b"\n", CRLF)
        case "base64":
            return base64.encodebytes(content.replace(b"\n", CRLF)).replace(b"\n", CRLF)
        case "7bit" | "8bit":
            assert encoding == "8bit" or content.isascii(), "7bit, but not ASCII"
            return content.replace(b"\n", CRLF)
    raise ValueError(f"no encoding: {encoding!r}; 7bit, 8bit, quoted-printable or base64")


def file(content: bytes, kind: str, name: str, *, charset: str = "", inline: str = "") -> WirePart:
    """Return an attached file; with *inline* a picture to which the HTML refers as `cid:<inline>`."""
    disposition = "inline" if inline else "attachment"
    parameter = f'filename="{name}"' if name.isascii() else f"filename*={encode_rfc2231(name, 'utf-8')}"
    headers = [
        ("Content-Type", f'{kind}; charset="{charset}"' if charset else kind),
        ("Content-Disposition", f"{disposition};\r\n {parameter}"),
        ("Content-Transfer-Encoding", "base64"),
    ]
    if inline:
        headers.append(("Content-ID", f"<{inline}>"))
    return WirePart(headers, base64.encodebytes(content).replace(b"\n", CRLF))


def raw(content: str, kind: str) -> WirePart:
    """Return a part without an encoding: the machine-readable parts of a delivery report."""
    return WirePart([("Content-Type", kind)], content.encode("ascii").replace(b"\n", CRLF))


def multipart(kind: str, parts: list[WirePart], boundary: str) -> WirePart:
    """Return *parts* as one `multipart/<kind>`; a single part is returned as it is."""
    if len(parts) == 1:
        return parts[0]
    pieces = [b"--" + boundary.encode() + CRLF + part.to_bytes() for part in parts]
    body = CRLF.join([*pieces, b"--" + boundary.encode() + b"--", b""])
    return WirePart([("Content-Type", f'multipart/{kind};\r\n boundary="{boundary}"')], body)
