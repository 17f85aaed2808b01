"""Chooses the parts of a mail that are its text, HTML and attachments (RFC 8621 §4.1.4), and makes the text."""

from dataclasses import dataclass, field

from worker.reading.limits import ReadingLimits
from worker.reading.mime import charset
from worker.reading.mime.parts import Part
from worker.reading.text.data_images import DataImages, take_out_images
from worker.reading.text.fuller import says_more
from worker.reading.text.html import HtmlDocument
from worker.reading.text.plain import normalize_text, unflow, without_data_uris
from worker.reading.text.uuencoded import take_out_files

_MEDIA = ("image/", "audio/", "video/")


@dataclass(slots=True)
class Bodies:
    """Parts in reading order: of the plain view, of the HTML view, and those that are files."""

    text: list[Part] = field(default_factory=list)
    html: list[Part] = field(default_factory=list)
    files: list[Part] = field(default_factory=list)


def sort_parts(root: Part) -> Bodies:
    """Sort the leaves. The parser has bounded the depth of the tree."""
    bodies = Bodies()
    _sort([root], "mixed", False, bodies, bodies.html, bodies.text)
    return bodies


def _sort(
    parts: list[Part], subtype: str, alternative: bool, bodies: Bodies, html: list[Part] | None, text: list[Part] | None
) -> None:
    texts_before = len(text) if text is not None else -1
    html_before = len(html) if html is not None else -1
    for index, part in enumerate(parts):
        if part.type.startswith("multipart/"):
            inner = part.type.partition("/")[2]
            _sort(part.children, inner, alternative or inner == "alternative", bodies, html, text)
        elif not _is_body(part, index, subtype):
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


def _is_body(part: Part, index: int, subtype: str) -> bool:
    disposition, values = part.disposition()
    if disposition == "attachment":
        return False
    if part.type not in {"text/plain", "text/html"} and not part.type.startswith(_MEDIA):
        return False
    named = bool(values.get("filename") or part.parameters.get("name"))
    return index == 0 or (subtype != "related" and (part.type.startswith(_MEDIA) or not named))


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
class MailBody:
    """The frozen text, the parsed HTML if there is any, and what went wrong."""

    text: str
    document: HtmlDocument | None
    truncated: bool = False
    guessed: bool = False


def read_body(bodies: Bodies, limits: ReadingLimits) -> MailBody:
    """Return the text that a person reads: the plain one, or the HTML's if that says more.

    Files in the plain text are added to `bodies.files`.
    """
    body = MailBody("", None)
    shown = {id(part): part for part in (*bodies.text, *bodies.html)}
    plain = {key: _plain_of(part, body, bodies, limits) for key, part in shown.items() if not _is_html(part)}
    if any(map(_is_html, bodies.html)):
        images: DataImages = {}
        pages = [
            _html_of(part, body, images, limits) if _is_html(part) else _as_html(plain[id(part)])
            for part in bodies.html
        ]
        body.document = HtmlDocument("\n".join(pages), limits, images)
        body.truncated |= body.document.truncated
    html_shown = any(map(_is_html, bodies.text))
    text = "" if html_shown else "\n\n".join(filter(None, (plain[id(part)] for part in bodies.text)))
    if body.document is not None and (html_shown or says_more(body.document, text)):
        text = body.document.text
    body.text, cut = normalize_text(text, limits.text_characters)
    body.truncated |= cut
    return body


def _is_html(part: Part) -> bool:
    return part.type == "text/html"


def _plain_of(part: Part, body: MailBody, bodies: Bodies, limits: ReadingLimits) -> str:
    declared = part.parameters.get("charset")
    raw, files = take_out_files(part.body(limits.encoded_text_bytes), declared, limits.parts - len(bodies.files))
    bodies.files += files
    text, sure = charset.decode(_limited(raw, part, body, limits), declared)
    body.guessed |= not sure
    text = without_data_uris(text)
    body.truncated |= len(text) > 2 * limits.text_characters
    text = text[: 2 * limits.text_characters]
    if part.parameters.get("format", "").lower() == "flowed":
        text = unflow(text, part.parameters.get("delsp", "").lower() == "yes")
    return text


def _html_of(part: Part, body: MailBody, images: DataImages, limits: ReadingLimits) -> str:
    raw = take_out_images(part.body(limits.encoded_text_bytes), images)
    text, sure = charset.decode_html(_limited(raw, part, body, limits), part.parameters.get("charset"))
    body.guessed |= not sure
    return text


def _limited(raw: bytes, part: Part, body: MailBody, limits: ReadingLimits) -> bytes:
    """Return the bytes that are decoded; files and images in them were taken out before their size counts."""
    body.truncated |= part.end - part.start > limits.encoded_text_bytes or len(raw) > limits.part_text_bytes
    return raw[: limits.part_text_bytes]


def _as_html(text: str) -> str:
    from html import escape

    return f"<pre>{escape(text)}</pre>"
