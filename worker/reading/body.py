"""Which parts of a mail are its text, its HTML and its attachments (RFC 8621 §4.1.4), and the text they make."""

from dataclasses import dataclass, field

from worker.reading import charset
from worker.reading.html import Document
from worker.reading.limits import Limits
from worker.reading.message import Part
from worker.reading.text import normalised, unflow

#: A plain text with fewer characters may be a stub ("your mailer cannot show HTML"); then the HTML's text is compared.
STUB = 300
#: … and the HTML is taken when its text is this many times longer.
STUB_RATIO = 3

_MEDIA = ("image/", "audio/", "video/")


@dataclass(slots=True)
class Bodies:
    """Parts in reading order: of the plain view, of the HTML view, and those that are files."""

    text: list[Part] = field(default_factory=list)
    html: list[Part] = field(default_factory=list)
    files: list[Part] = field(default_factory=list)


def sort_parts(root: Part) -> Bodies:
    """Sorts the leaves. The depth of the tree is bounded by whoever parsed it."""
    bodies = Bodies()
    _sort([root], "mixed", False, bodies, bodies.html, bodies.text)
    return bodies


def _sort(
    parts: list[Part], subtype: str, alternative: bool, bodies: Bodies, html: list[Part] | None, text: list[Part] | None
) -> None:
    texts_before = len(text) if text is not None else -1
    html_before = len(html) if html is not None else -1
    for place, part in enumerate(parts):
        if part.type.startswith("multipart/"):
            inner = part.type.partition("/")[2]
            _sort(part.children, inner, alternative or inner == "alternative", bodies, html, text)
        elif not _is_body(part, place, subtype):
            bodies.files.append(part)
        elif subtype == "alternative":
            _take_alternative(part, bodies)
        else:
            _take(part, alternative, bodies, html, text)
    if subtype == "alternative" and text is not None and html is not None:
        if len(text) == texts_before and len(html) != html_before:
            text.extend(html[html_before:])
        if len(html) == html_before and len(text) != texts_before:
            html.extend(text[texts_before:])


def _is_body(part: Part, place: int, subtype: str) -> bool:
    disposition, values = part.disposition()
    if disposition == "attachment":
        return False
    if part.type not in {"text/plain", "text/html"} and not part.type.startswith(_MEDIA):
        return False
    named = bool(values.get("filename") or part.parameters.get("name"))
    return place == 0 or (subtype != "related" and (part.type.startswith(_MEDIA) or not named))


def _take_alternative(part: Part, bodies: Bodies) -> None:
    if part.type == "text/plain":
        bodies.text.append(part)
    elif part.type == "text/html":
        bodies.html.append(part)
    else:
        bodies.files.append(part)


def _take(part: Part, alternative: bool, bodies: Bodies, html: list[Part] | None, text: list[Part] | None) -> None:
    if part.type.startswith(_MEDIA):
        bodies.files.append(part)
        return
    if alternative:
        _take_alternative(part, bodies)
        return
    if text is not None:
        text.append(part)
    if html is not None:
        html.append(part)


@dataclass(slots=True)
class Body:
    """The frozen text, the parsed HTML when there is any, and what went wrong on the way."""

    text: str
    document: Document | None
    truncated: bool = False
    guessed: bool = False


def read_body(bodies: Bodies, limits: Limits) -> Body:
    """The text that a person reads: the plain one unless it is empty or a stub, else the HTML's."""
    body = Body("", None)
    if any(part.type == "text/html" for part in bodies.html):
        source = "\n".join(_html_of(part, body, limits) for part in bodies.html)
        body.document = Document(source, limits)
        body.truncated |= body.document.truncated
    plain, html_shown = [], False
    for part in bodies.text:
        if part.type == "text/html":
            html_shown = True
        else:
            plain.append(_plain_of(part, body, limits))
    text = "\n\n".join(filter(None, plain)) if not html_shown else ""
    if body.document is not None and (html_shown or _is_stub(text, body.document)):
        text = body.document.text
    body.text, cut = normalised(text, limits.text)
    body.truncated |= cut
    return body


def _is_stub(plain: str, document: Document) -> bool:
    length = len(plain.strip())
    return not length or (length < STUB and len(document.text) > STUB_RATIO * length + 100)


def _raw_text(part: Part, body: Body, limits: Limits) -> bytes:
    body.truncated |= part.end - part.start > limits.part_text_bytes
    return part.body(limits.part_text_bytes)


def _plain_of(part: Part, body: Body, limits: Limits) -> str:
    text, sure = charset.decode(_raw_text(part, body, limits), part.parameters.get("charset"))
    body.guessed |= not sure
    body.truncated |= len(text) > 2 * limits.text
    text = text[: 2 * limits.text]
    if part.parameters.get("format", "").lower() == "flowed":
        text = unflow(text, part.parameters.get("delsp", "").lower() == "yes")
    return text


def _html_of(part: Part, body: Body, limits: Limits) -> str:
    raw = _raw_text(part, body, limits)
    if part.type == "text/html":
        text, sure = charset.decode_html(raw, part.parameters.get("charset"))
        body.guessed |= not sure
        return text
    from html import escape

    return f"<pre>{escape(_plain_of(part, body, limits))}</pre>"
