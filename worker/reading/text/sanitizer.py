"""Makes HTML of strangers safe to show in a sandboxed frame (which also has its own CSP: two locks)."""

import re
from base64 import b64encode
from collections.abc import Mapping
from contextvars import ContextVar

import nh3

from worker.reading.limits import ReadingLimits
from worker.reading.mime.characters import remove_controls
from worker.reading.text.links import SCHEMES, read_link

#: Image types that are embedded. SVG is not among them: it is a document that can run scripts.
RASTER = frozenset({"image/png", "image/jpeg", "image/gif", "image/webp"})

_DATA_IMAGE = re.compile(r"data:image/(?:png|jpeg|gif|webp)[;,]", re.IGNORECASE)
#: Not bdo: it shows letters in another order than they have, so that a link could show a host that it does not name.
_TAGS = frozenset((nh3.ALLOWED_TAGS | {"font", "u", "big", "tt"}) - {"bdo"})
_LAYOUT_NAMES = "align bgcolor border cellpadding cellspacing colspan rowspan valign width height dir style"
_LAYOUT = set(_LAYOUT_NAMES.split())
_ATTRIBUTES: dict[str, set[str]] = {
    **{tag: (nh3.ALLOWED_ATTRIBUTES.get(tag, set()) - {"cite"}) | {"style", "dir"} for tag in _TAGS},
    "table": _LAYOUT,
    "td": _LAYOUT,
    "th": _LAYOUT | {"scope"},
    "tr": _LAYOUT,
    "font": {"color", "size", "face", "dir"},
    "img": {"src", "alt", "width", "height", "title", "style"},
    "a": {"href", "title", "style", "dir"},
}
#: No position and no url(): nothing that leaves its position or contacts another host.
_STYLE_NAMES = """
    color background-color font-weight font-style font-size font-family text-align text-decoration line-height
    vertical-align width max-width height padding padding-left padding-right padding-top padding-bottom
    margin margin-left margin-right margin-top margin-bottom border border-collapse border-top border-bottom
    border-left border-right border-color border-style border-width white-space direction
"""
_STYLES = set(_STYLE_NAMES.split())
#: It would win over the styles of the page, such as those of a misleading link.
_IMPORTANT = re.compile(r"!\s*important", re.IGNORECASE)
_ASKS_A_HOST = re.compile(r"url\s*\(|image-set|expression\s*\(|@import|\\", re.IGNORECASE)


class _Images:
    """The pictures of one mail that its HTML may show, and how many bytes of them."""

    def __init__(self, images: Mapping[str, tuple[str, bytes]], limits: ReadingLimits) -> None:
        self._images = images
        self._most = limits.image_bytes
        self._left = limits.images_bytes

    def embedded(self, content_id: str) -> str | None:
        kind, content = self._images.get(content_id, ("", b""))
        if kind not in RASTER or len(content) > min(self._most, self._left):
            return None
        self._left -= len(content)
        return f"data:{kind};base64,{b64encode(content).decode('ascii')}"


_images: ContextVar[_Images] = ContextVar("_images")


def sanitize(html: str, images: Mapping[str, tuple[str, bytes]], limits: ReadingLimits) -> str:
    """Return clean HTML. `images`: Content-ID → (type, bytes) for `cid:`; other images only by https or data:."""
    before = _images.set(_Images(images, limits))
    try:
        clean = _CLEANER.clean(html)
    finally:
        _images.reset(before)
    clean = remove_controls(clean)  # of its text: _keep has taken them out of attributes before it checked these
    return clean if clean.isascii() else clean.replace("\u202d", "").replace("\u202e", "")  # they do what bdo does


def _keep(tag: str, name: str, value: str) -> str | None:
    value = remove_controls(value)
    if name == "style":
        return _keep_style(value)
    if name == "href":
        return read_link(value)
    if name == "src":
        source = value.strip()
        if source[:4].lower() == "cid:":
            return _images.get().embedded(source[4:].strip("<>"))
        return source if source[:8].lower() == "https://" or _DATA_IMAGE.match(source) else None
    return value


def _keep_style(style: str) -> str | None:
    """Return a style that asks no other host and stays in its place; few styles have what the patterns search."""
    if "!" in style:
        style = _IMPORTANT.sub("", style)
        if "!" in style:
            return None
    lower = style.lower()
    if ("(" in style or "@" in style or "\\" in style or "-set" in lower) and _ASKS_A_HOST.search(style):
        return None
    return _without_negative_margins(style) if "margin" in lower else style


def _without_negative_margins(style: str) -> str:
    """Leave out margins that move content over other content, such as the mark of a misleading link."""
    return ";".join(part for part in style.split(";") if not _is_negative_margin(*part.partition(":")[::2]))


def _is_negative_margin(name: str, value: str) -> bool:
    return "margin" in name.lower() and ("-" in value or "(" in value)


# Made once: building its tables takes longer than cleaning an ordinary mail.
_CLEANER = nh3.Cleaner(
    tags=set(_TAGS),
    clean_content_tags={"script", "style", "title", "noscript", "template"},
    attributes=_ATTRIBUTES,
    attribute_filter=_keep,
    url_schemes=set(SCHEMES | {"cid", "data"}),  # these two for images; see _keep
    url_relative="deny",
    filter_style_properties=_STYLES,
    link_rel="noopener noreferrer nofollow",
)
