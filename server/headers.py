"""Header fields of a mail: one line each, folded, in ASCII (RFC 5322 §2.2.3, RFC 2047, RFC 2231)."""

import base64
import re
from collections.abc import Iterator
from urllib.parse import quote

#: Characters of a line that holds an encoded-word (RFC 2047 §2).
LINE = 76

#: Characters of a word that may stand as it is; a longer one is folded by encoding it.
_WORD = 60

_PREFIX, _SUFFIX = "=?utf-8?b?", "?="
_ATOM = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~ -]+", re.ASCII)

#: RFC 2231 attribute-char, besides letters and digits.
_ATTRIBUTE = "!#$&+-.^_`{|}~"


def unstructured(name: str, value: str) -> str:
    """A field of free text. What would not come back as it was (runs of blanks, other scripts) is encoded."""
    plain = value.isascii() and value.isprintable() and "=?" not in value
    if plain and all(0 < len(word) <= _WORD for word in value.split(" ")):
        return structured(name, value)
    return f"{name}: {encoded(value, len(name) + 2)}\r\n"


def structured(name: str, value: str) -> str:
    """A field whose words stand as they are, folded at its blanks."""
    lines, line = [], f"{name}:"
    for word in value.split():
        if len(line) + 1 + len(word) > LINE and line.strip() and not line.endswith(":"):
            lines.append(line)
            line = ""
        line += " " + word
    return "\r\n".join([*lines, line]) + "\r\n"


def encoded(text: str, used: int) -> str:
    """Encoded-words, each of whole characters, folded so that no line passes LINE when *used* stand before."""
    words: list[str] = []
    part = b""
    room = _octets(used)
    for character in text:
        octets = character.encode("utf-8", "replace")
        if len(part) + len(octets) > room:
            words.append(_word(part))
            part, room = b"", _octets(1)
        part += octets
    return "\r\n ".join([*words, _word(part)])


def mailbox(name: str, address: str, used: int) -> str:
    """`Name <address>`; a name in another script is encoded, one with specials quoted."""
    if not name:
        return address
    if _ATOM.fullmatch(name) and len(name) <= _WORD:  # encoded-words that a gateway passed on are atoms too
        return f"{name} <{address}>"
    if name.isascii() and name.isprintable() and len(name) <= _WORD:
        escaped = name.replace("\\", "\\\\").replace('"', '\\"')
        return f'"{escaped}" <{address}>'
    return f"{encoded(name, used)}\r\n <{address}>"


def parameter(name: str, value: str) -> str:
    """A parameter such as a file name, with what stands before it; in pieces where it is long (RFC 2231 §3)."""
    if value.isascii() and value.isprintable() and len(value) <= _WORD:
        escaped = value.replace("\\", "\\\\").replace('"', '\\"')
        return f';\r\n {name}="{escaped}"'
    pieces = list(_pieces("utf-8''" + quote(value.encode("utf-8", "replace"), safe=_ATTRIBUTE)))
    if len(pieces) == 1:
        return f";\r\n {name}*={pieces[0]}"
    return "".join(f";\r\n {name}*{n}*={piece}" for n, piece in enumerate(pieces))


def _pieces(text: str) -> Iterator[str]:
    """*text* in lengths of at most _WORD, no `%XX` cut in two."""
    while text:
        cut = min(_WORD, len(text))
        escape = text.rfind("%", max(0, cut - 2), cut)
        cut = escape if escape > 0 and cut < len(text) else cut
        yield text[:cut]
        text = text[cut:]


def _word(octets: bytes) -> str:
    return _PREFIX + base64.b64encode(octets).decode() + _SUFFIX


def _octets(used: int) -> int:
    """Octets that fit into an encoded-word when *used* characters of its line are taken."""
    return max(4, (LINE - used - len(_PREFIX) - len(_SUFFIX)) // 4 * 3)
