"""Reads the HTML of a mail: its visible text with table cells kept apart, and the page without hidden nodes."""

import re
from collections.abc import Iterator, Mapping

from selectolax.lexbor import LexborHTMLParser, LexborNode

from worker.reading.limits import ReadingLimits
from worker.reading.text.data_images import DataImages, decode_images
from worker.reading.text.form_controls import CONTROLS, limit_options, read_control
from worker.reading.text.html_guard import limit_markup
from worker.reading.text.nesting import flatten
from worker.reading.text.sanitizer import sanitize
from worker.reading.text.visibility import (
    FONT_SIZE,
    HIDDEN,
    HIDING_HINTS,
    PLAIN,
    STYLE_LENGTH,
    Style,
    Visibility,
    read_style,
)
from worker.reading.text.writer import CELLS, TextWriter

_SILENT_NAMES = "script style title noscript template svg math object iframe datalist"
_SILENT = frozenset(_SILENT_NAMES.split())
_CONTROL_TAGS = ("<input", "<select", "<textarea")
_RIGHT_TO_LEFT = re.compile(r"(?:^|[;\s])direction\s?:\s?(rtl)", re.IGNORECASE)


class HtmlDocument:
    """A parsed HTML body without its hidden nodes."""

    def __init__(self, html: str, limits: ReadingLimits, images: DataImages | None = None) -> None:
        """*images* were taken out of the HTML."""
        self.truncated = len(html) > limits.html_characters
        self.source = _harmless(html[: limits.html_characters])
        self._lower = self.source.lower()
        self._tree = LexborHTMLParser(self.source)
        self._limits = limits
        self._images = images or {}
        self._hidden: list[LexborNode] = []
        #: Form controls, which the page must not have, and the text that they show.
        self._controls: list[tuple[LexborNode, str]] = []
        self._text: str | None = None
        self._page: str | None = None
        if self._must_walk_first():
            self._text = self._walk()

    @property
    def text(self) -> str:
        """The visible text, made when it is first needed: the walk is most of an ordinary mail's work."""
        if self._text is None:
            self._text = self._walk()
        return self._text

    @property
    def is_walked(self) -> bool:
        """Whether the visible text is known."""
        return self._text is not None

    def quick_text(self) -> str:
        """Return all text, without lines and rows, and with what scripts and styles have: to compare words."""
        if self._text is not None or self._tree.body is None:
            return self._text or ""
        found: str = self._tree.body.text(separator=" ")
        return found

    def _must_walk_first(self) -> bool:
        """Say whether there may be more nodes than are walked, or something is hidden.

        A tag may make the parser repeat every tag that is still open, so there are no more nodes than tags squared.
        """
        tags = self.source.count("<") + 2
        return tags * tags > self._limits.html_nodes or self._may_change_the_page()

    def _may_change_the_page(self) -> bool:
        """Say whether something is hidden or is a form control, so that the page differs from the source."""
        if any(tag in self._lower for tag in _CONTROL_TAGS):
            return True
        if not any(hint in self._lower for hint in HIDING_HINTS):
            return False
        if self._tree.css_first("[hidden]") is not None:
            return True
        styles = {node.attributes.get("style") or "" for node in self._tree.css("[style]")}
        return any(read_style(style).may_hide for style in styles)

    def _walk(self) -> str:
        """Return the text in reading order. Iterative: mail with 20,000 levels was seen."""
        writer, visibility = TextWriter(), Visibility()
        #: Open elements with their names, and the nodes that follow each of them.
        opened: list[tuple[LexborNode, str, Iterator[LexborNode]]] = []
        body = self._tree.body
        nodes = iter(() if body is None else (body,))
        left = self._limits.html_nodes
        while True:
            for node in nodes:
                if not left:
                    self.truncated = True
                    return writer.finish()
                left -= 1
                if (text := node.text_content) is not None:
                    if visibility.shows_text:
                        writer.text(text)
                    elif not text.isspace():
                        self._hidden.append(node)
                elif (tag := self._enter(node, writer, visibility)) is not None:
                    opened.append((node, tag, nodes))
                    nodes = node.iter(include_text=True)
                    break
            else:
                if not opened:
                    return writer.finish()
                node, tag, nodes = opened.pop()
                writer.leave(tag)
                if visibility.changes:
                    visibility.leave(node.mem_id)

    def _enter(self, node: LexborNode, writer: TextWriter, visibility: Visibility) -> str | None:
        """Write what an element shows; return its name, or None when nothing inside is seen."""
        tag = node.tag or ""
        if tag in _SILENT or tag.startswith(("-", "!")):
            return None
        attributes = node.attributes
        style = self._style(node, tag, attributes, visibility) if attributes else PLAIN
        if style.hides:
            self._hidden.append(node)
            return None
        if tag in CONTROLS:
            self._control(node, attributes, writer, visibility)
            return None
        if tag in CELLS:
            writer.enter_cell(tag, _number(attributes.get("colspan")))
        else:
            writer.enter(tag, is_box=style.is_box)
        return tag

    def _style(self, node: LexborNode, tag: str, attributes: dict[str, str | None], visibility: Visibility) -> Style:
        """Return what the attributes say of visibility; note what is passed on to the elements inside."""
        if "hidden" in attributes or (tag == "img" and not visibility.shows_boxes):
            return HIDDEN
        style = visibility.style(attributes["style"] or "") if "style" in attributes else PLAIN
        if tag == "font" and style.is_zero is None and attributes.get("size"):
            style = FONT_SIZE
        if style.is_passed_on and not style.hides:
            visibility.enter(node.mem_id, style)
        return style

    def _control(
        self, node: LexborNode, attributes: dict[str, str | None], writer: TextWriter, visibility: Visibility
    ) -> None:
        value, is_choice = read_control(node, attributes) if visibility.shows_boxes else ("", False)
        if visibility.changes:
            visibility.leave(node.mem_id)
        writer.control(value, is_choice=is_choice)
        self._controls.append((node, f" {value} " if value else ""))

    def sanitize(self, images: Mapping[str, tuple[str, bytes]]) -> str:
        """Return HTML that is safe in a sandboxed frame. `images`: Content-ID → (type, bytes) for `cid:` sources."""
        if self._page is None:
            self._page = self._make_page()
        shown = {**images, **decode_images(self._images, self._limits)} if self._images else images
        clean = sanitize(self._page, shown, self._limits)
        direction = self._direction() if "rtl" in self._lower or "auto" in self._lower else ""
        return f'<div dir="{direction}">{clean}</div>' if direction and clean else clean

    def _make_page(self) -> str:
        """Return the HTML without hidden nodes, and with the values of form controls in their place."""
        if not self._hidden and not self._controls:
            return self.source
        for node, value in self._controls:
            node.replace_with(value)
        for node in self._hidden:
            node.decompose()
        return self._tree.html or ""

    def _direction(self) -> str:
        """Return the direction that `<html>` or `<body>` gives to the page: the sanitizer keeps neither."""
        for node in (self._tree.body, self._tree.root):
            attributes = node.attributes if node is not None else {}
            if (direction := (attributes.get("dir") or "").strip().lower()) in {"rtl", "auto"}:
                return direction
            if found := _RIGHT_TO_LEFT.search((attributes.get("style") or "")[:STYLE_LENGTH]):
                return found[1].lower()
        return ""


def _harmless(html: str) -> str:
    """Return HTML that its parsers read in time. Most is unchanged; deep HTML is flattened before tags are left out."""
    html = limit_options(html)
    limited = limit_markup(html)
    return html if limited is html else limit_markup(flatten(html))


def _number(value: str | None) -> int:
    return int(value) if value and len(value) < 4 and value.isascii() and value.isdigit() else 1
