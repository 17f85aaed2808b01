"""Formats header fields of a mail: folded, in ASCII (RFC 5322 §2.2.3, RFC 2047, RFC 2231)."""

import base64
import re
from collections.abc import Iterator
from urllib.parse import quote

#: Characters of a line that holds an encoded-word, at most (RFC 2047 §2).
LINE = 76

#: Characters of a word that is written as it is; a longer one is encoded, so that it can be folded.
_WORD = 60

_PREFIX, _SUFFIX = "=?utf-8?b?", "?="
_ATOM = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~ -]+", re.ASCII)

#: RFC 2231 attribute-char, besides letters and digits.
_ATTRIBUTE = "!#$&+-.^_`{|}~"


def format_unstructured(name: str, value: str) -> str:
    """Return a field of free text. Text that folding would change (runs of spaces, other scripts) is encoded."""
    plain = value.isascii() and value.isprintable() and "=?" not in value
    if plain and all(0 < len(word) <= _WORD for word in value.split(" ")):
        return format_structured(name, value)
    return f"{name}: {encode_words(value, len(name) + 2)}\r\n"


def format_structured(name: str, value: str) -> str:
    """Return a field whose words are written as they are, folded at its spaces."""
    lines, line = [], f"{name}:"
    for word in value.split():
        if len(line) + 1 + len(word) > LINE and line.strip() and not line.endswith(":"):
            lines.append(line)
            line = ""
        line += " " + word
    return "\r\n".join([*lines, line]) + "\r\n"


def encode_words(text: str, used: int) -> str:
    """Return *text* as encoded-words of whole characters, folded to LINE; *used* characters precede the first."""
    words: list[str] = []
    part = b""
    limit = _octets(used)
    for character in text:
        octets = character.encode("utf-8", "replace")
        if len(part) + len(octets) > limit:
            words.append(_word(part))
            part, limit = b"", _octets(1)
        part += octets
    return "\r\n ".join([*words, _word(part)])


def format_mailbox(name: str, address: str, used: int) -> str:
    """Return `Name <address>`; a name in another script is encoded, one with special characters is quoted."""
    if not name:
        return address
    if _ATOM.fullmatch(name) and len(name) <= _WORD:  # an encoded-word from a gateway is an atom too
        return f"{name} <{address}>"
    if name.isascii() and name.isprintable() and len(name) <= _WORD:
        escaped = name.replace("\\", "\\\\").replace('"', '\\"')
        return f'"{escaped}" <{address}>'
    return f"{encode_words(name, used)}\r\n <{address}>"


def format_parameter(name: str, value: str) -> str:
    """Return a parameter such as a file name, with the `;` before it; a long one is split (RFC 2231 §3)."""
    if value.isascii() and value.isprintable() and len(value) <= _WORD:
        escaped = value.replace("\\", "\\\\").replace('"', '\\"')
        return f';\r\n {name}="{escaped}"'
    pieces = list(_pieces("utf-8''" + quote(value.encode("utf-8", "replace"), safe=_ATTRIBUTE)))
    if len(pieces) == 1:
        return f";\r\n {name}*={pieces[0]}"
    return "".join(f";\r\n {name}*{n}*={piece}" for n, piece in enumerate(pieces))


def _pieces(text: str) -> Iterator[str]:
    """Yield *text* in pieces of at most _WORD characters; no `%XX` is split."""
    while text:
        cut = min(_WORD, len(text))
        escape = text.rfind("%", max(0, cut - 2), cut)
        cut = escape if escape > 0 and cut < len(text) else cut
        yield text[:cut]
        text = text[cut:]


def _word(octets: bytes) -> str:
    return _PREFIX + base64.b64encode(octets).decode() + _SUFFIX


def _octets(used: int) -> int:
    """Return how many bytes fit into an encoded-word after *used* characters of its line."""
    return max(4, (LINE - used - len(_PREFIX) - len(_SUFFIX)) // 4 * 3)
