"""Says what of an HTML element is seen. `display: none` hides all inside; a font size of 0 only what keeps it."""

import re
from dataclasses import dataclass

#: Characters of a style attribute that are searched.
STYLE_LENGTH = 2_000

#: Parts of the source of which one is in all HTML that hides something; "&" may write any of them.
HIDING_HINTS = ("display", "visibility", "mso-hide", "max-height", "opacity", "hidden", "font", "&")

_HIDDEN = re.compile(
    r"(?:^|[;\s])(?:display\s?:\s?none|mso-hide\s?:\s?all"
    r"|max-height\s?:\s?0(?:px)?\s?(?:;|!|$)|opacity\s?:\s?0(?:\.0)?\s?(?:;|!|$))",
    re.IGNORECASE,
)
_HIDING = ("display", "mso-hide", "max-height", "opacity")
#: Styles that show an inline element as a box of its own.
_BOX = re.compile(r"display\s?:\s?(?:inline-block|table-cell)|float\s?:\s?left|(?:^|[;\s])(?:min-)?width\s?:")
_INHERITED = re.compile(r"(?:^|[;\s\"'])(font-size|font|visibility)\s{0,9}:\s{0,9}([^;!]{0,300})", re.IGNORECASE)
_ZERO = re.compile(r"[+-]?(?:0+\.?0*|\.0+)(?:[a-z]{1,4}|%)?$")
_ZERO_FONT = re.compile(r"(?:^|\s)[+-]?(?:0+\.?0*|\.0+)(?:[a-z]{1,4}|%)?(?:\s{0,9}/|\s)")
#: A size of its own: not one that is a part of the size outside.
_OWN_SIZE = re.compile(
    r"[+-]?\d{0,9}\.?\d{1,9}(?:px|pt|pc|rem|in|cm|mm|q|vw|vh|vmin|vmax)?$|(?:xx-|x-)?(?:small|large)$|xxx-large$|medium$"
    r"|initial$|(?:calc|clamp|min|max)\(",
)
_FONT_SIZE = re.compile(
    r"(?:^|\s)(?:\d{0,9}\.?\d{1,9}(?:px|pt|pc|rem|in|cm|mm|q|vw|vh)|(?:xx-|x-)?(?:small|large)|medium)(?:\s{0,9}/|\s|$)"
)


@dataclass(frozen=True, slots=True)
class Style:
    """What a style attribute says of visibility; None: as the element around it."""

    #: Whether all inside is hidden.
    hides: bool = False
    is_zero: bool | None = None
    is_invisible: bool | None = None
    #: Whether an inline element is a box of its own.
    is_box: bool = False

    #: Whether it changes what the elements inside begin with.
    is_passed_on: bool = False

    @property
    def may_hide(self) -> bool:
        """Whether it hides all inside, or the text that keeps its font size or visibility."""
        return self.hides or self.is_zero is True or self.is_invisible is True


def read_style(style: str) -> Style:
    """Read a style attribute."""
    style = style[:STYLE_LENGTH].lower()
    hides = any(hint in style for hint in _HIDING) and _HIDDEN.search(style) is not None
    is_zero, is_invisible = _inherited(style) if "font" in style or "visibility" in style else (None, None)
    is_passed_on = is_zero is not None or is_invisible is not None
    return Style(hides, is_zero, is_invisible, _BOX.search(style) is not None, is_passed_on)


def _inherited(style: str) -> tuple[bool | None, bool | None]:
    """Return (whether the font size is 0, whether the element is invisible); the last declaration counts."""
    size = invisible = None
    for name, value in _INHERITED.findall(style):
        value = value.strip()
        if name == "visibility":
            invisible = {"hidden": True, "collapse": True, "visible": False, "initial": False}.get(value, invisible)
        elif name == "font-size":
            size = True if _ZERO.match(value) else False if _OWN_SIZE.match(value) else size
        elif _ZERO_FONT.search(value):
            size = True
        elif _FONT_SIZE.search(value):
            size = False
    return size, invisible


PLAIN = Style()
HIDDEN = Style(hides=True)
#: `<font size=…>` sets a size of its own.
FONT_SIZE = Style(is_zero=False, is_passed_on=True)


class Visibility:
    """The font size and visibility that the open elements pass on to the text inside."""

    def __init__(self) -> None:
        self._is_zero = self._is_invisible = False
        #: Whether text is seen here, and whether images and form controls are: these have a size of their own.
        self.shows_text = self.shows_boxes = True
        #: Elements that changed them: (id of the node, what was before).
        self.changes: list[tuple[int, bool, bool]] = []
        self._known: dict[str, Style] = {}

    def style(self, text: str) -> Style:
        """Return what a style attribute says; mail repeats a few of them."""
        found = self._known.get(text)
        if found is None:
            found = self._known[text] = read_style(text)
        return found

    def enter(self, node: int, style: Style) -> None:
        """Take over what an element passes on."""
        self.changes.append((node, self._is_zero, self._is_invisible))
        self._set(
            self._is_zero if style.is_zero is None else style.is_zero,
            self._is_invisible if style.is_invisible is None else style.is_invisible,
        )

    def leave(self, node: int) -> None:
        """Take back what the element passed on, if it did."""
        while self.changes and self.changes[-1][0] == node:
            _, is_zero, is_invisible = self.changes.pop()
            self._set(is_zero, is_invisible)

    def _set(self, is_zero: bool, is_invisible: bool) -> None:
        self._is_zero, self._is_invisible = is_zero, is_invisible
        self.shows_text = not (is_zero or is_invisible)
        self.shows_boxes = not is_invisible
