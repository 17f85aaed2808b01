"""HTML of a mail: its visible text with table cells kept apart, and the page without what was hidden."""

import re
from collections.abc import Mapping

from selectolax.lexbor import LexborHTMLParser, LexborNode

from worker.reading.limits import Limits
from worker.reading.markup import tamed
from worker.reading.sanitize import sanitized

_SILENT_NAMES = "script style title noscript template svg math object iframe select textarea"
_SILENT = frozenset(_SILENT_NAMES.split())
_BLOCK_NAMES = """
    address article aside blockquote body caption center dd div dl dt fieldset figure footer form header hr li main nav
    ol pre section table tbody tfoot thead tr ul
"""
_BLOCKS = frozenset(_BLOCK_NAMES.split())
_PARAGRAPHS = frozenset({"p", "h1", "h2", "h3", "h4", "h5", "h6"})
_CELLS = frozenset({"td", "th"})
_HIDDEN = re.compile(
    r"(?:^|[;\s])(?:display\s?:\s?none|visibility\s?:\s?hidden|mso-hide\s?:\s?all|font-size\s?:\s?0(?:px|pt|em|%)?\s?(?:;|!|$)"
    r"|max-height\s?:\s?0(?:px)?\s?(?:;|!|$)|opacity\s?:\s?0(?:\.0)?\s?(?:;|!|$))",
    re.IGNORECASE,
)
_BLANK = " \t\r\n\f"
_BLANKS = re.compile(r"[ \t\r\n\f]+")
_LONE_CELL = re.compile(r"^\t+([^\t\n]*)$", re.MULTILINE)
#: Characters of a style attribute that are looked at for hiding.
_STYLE_LENGTH = 2_000


class Document:
    """A parsed HTML body without its hidden nodes."""

    def __init__(self, html: str, limits: Limits) -> None:
        self.truncated = len(html) > limits.html
        self.source = tamed(html[: limits.html])
        self._tree = LexborHTMLParser(self.source)
        self._limits = limits
        self._hidden: list[LexborNode] = []
        self._text: str | None = None
        if self._needs_a_look():
            self._text = self._walk()

    @property
    def text(self) -> str:
        """What it shows. Where the plain text is read nobody asks, and the walk is most of an ordinary mail's work."""
        if self._text is None:
            self._text = self._walk()
        return self._text

    def _needs_a_look(self) -> bool:
        """Whether there may be more nodes than are walked, or something is hidden.

        A tag may make the parser repeat every tag that is still open, so there are no more nodes than tags squared.
        """
        tags = self.source.count("<") + 2
        return tags * tags > self._limits.html_nodes or any(map(_is_hidden, self._tree.css("[style], [hidden]")))

    def _walk(self) -> str:
        """Text in reading order. Iterative: mail with 20,000 levels was seen."""
        writer = _Writer()
        node: LexborNode | None = self._tree.body
        top = node.mem_id if node is not None else 0
        for _ in range(self._limits.html_nodes):
            if node is None:
                break
            child = self._enter(node, writer)
            node = child if child is not None else _following(node, top, writer)
        self.truncated |= node is not None
        return writer.finish()

    def _enter(self, node: LexborNode, writer: "_Writer") -> LexborNode | None:
        """Writes what the node shows; gives its first child when there is more to see inside."""
        if node.is_text_node:
            writer.text(node.text_content or "")
            return None
        tag = node.tag or ""
        if tag in _SILENT or tag.startswith(("-", "!")):
            return None
        if _is_hidden(node):
            self._hidden.append(node)
            return None
        writer.enter(tag)
        child: LexborNode | None = node.child
        if child is None:
            writer.leave(tag)
        return child

    def sanitized(self, images: Mapping[str, tuple[str, bytes]]) -> str:
        """HTML that is safe to show in a sandboxed frame. `images`: Content-ID → (type, bytes) for `cid:` sources."""
        for node in self._hidden:
            node.decompose()
        html = (self._tree.html or "") if self._hidden else self.source
        return sanitized(html, images, self._limits)


def _following(node: LexborNode, top: int, writer: "_Writer") -> LexborNode | None:
    """The node after `node` and all that is in it; None when the body ends."""
    while node.mem_id != top:
        if (sibling := node.next) is not None:
            return sibling
        node = node.parent  # type: ignore[assignment]
        writer.leave(node.tag or "")
    return None


def _is_hidden(node: LexborNode) -> bool:
    attributes = node.attributes
    if not attributes:
        return False
    if "hidden" in attributes:
        return True
    style = attributes.get("style") or ""
    return _HIDDEN.search(style[:_STYLE_LENGTH]) is not None


class _Writer:
    """Collects text. Blanks, line ends and cell marks wait until text follows, so that empty boxes leave no trace.

    Cells of one row stand on one line with a tab between them: `Label<tab>value` is what the field reader looks for.
    """

    def __init__(self) -> None:
        self._out: list[str] = []
        self._newlines = 0
        self._cells = 0
        self._blank = False
        self._pre = 0
        #: Open table rows, outermost first: [cells begun, whether any of them had text].
        self._rows: list[list[int]] = []

    def text(self, text: str) -> None:
        if not self._pre and text.isspace() and not text.strip(_BLANK):
            self._blank = True  # between boxes there is little else
            return
        content = text if self._pre else _BLANKS.sub(" ", text)
        self._blank = self._blank or content.startswith(" ")
        follows = content.endswith(" ")
        content = content if self._pre else content.strip(" ")
        if not content:
            return
        if self._newlines or self._cells:
            self._out += ["\n" * self._newlines, "\t" * self._cells]
        elif self._blank:
            self._out.append(" ")
        self._out.append(content)
        self._newlines = self._cells = 0
        self._blank = follows
        for row in reversed(self._rows):
            if row[1]:
                break
            row[1] = 1

    def enter(self, tag: str) -> None:
        if tag in _CELLS:
            self._cell()
        elif tag == "br":
            if not self._cells:
                self._newlines = min(self._newlines + 1, 3)
        elif tag in _BLOCKS or tag in _PARAGRAPHS:
            self._line(2 if tag in _PARAGRAPHS and not self._opens_row() else 1)
            self._pre += tag == "pre"
            if tag == "tr":
                self._rows.append([0, 0])

    def leave(self, tag: str) -> None:
        if tag in _BLOCKS or tag in _PARAGRAPHS:
            if tag == "tr" and self._rows:
                self._rows.pop()
                self._cells = 0
                self._newlines = min(self._newlines, 1)
            self._pre -= tag == "pre"
            self._line(2 if tag in _PARAGRAPHS else 1)

    def _opens_row(self) -> bool:
        return bool(self._rows) and not self._rows[-1][1]

    def _line(self, newlines: int) -> None:
        # A block that merely opens a cell does not end the line of its row.
        if not self._cells:
            self._newlines = max(self._newlines, newlines)

    def _cell(self) -> None:
        if not self._rows:
            self._line(1)
            return
        row = self._rows[-1]
        if row[0]:
            self._cells += 1
            if row[1]:
                self._newlines = 0
        row[0] += 1

    def finish(self) -> str:
        return _LONE_CELL.sub(r"\1", "".join(self._out)).strip("\n")
