"""HTML of strangers made safe to show in a sandboxed frame (which also has its own CSP: two locks)."""

import re
from base64 import b64encode
from collections.abc import Mapping
from contextvars import ContextVar

import nh3

from worker.reading.limits import Limits

#: Image types that are embedded; SVG is a document that may do things.
RASTER = frozenset({"image/png", "image/jpeg", "image/gif", "image/webp"})

_DATA_IMAGE = re.compile(r"data:image/(?:png|jpeg|gif|webp)[;,]", re.IGNORECASE)
_TAGS = frozenset(nh3.ALLOWED_TAGS | {"font", "u", "big", "tt"})
_LAYOUT_NAMES = "align bgcolor border cellpadding cellspacing colspan rowspan valign width height dir style"
_LAYOUT = set(_LAYOUT_NAMES.split())
_ATTRIBUTES: dict[str, set[str]] = {
    **{tag: set(nh3.ALLOWED_ATTRIBUTES.get(tag, ())) | {"style", "dir"} for tag in _TAGS},
    "table": _LAYOUT,
    "td": _LAYOUT,
    "th": _LAYOUT | {"scope"},
    "tr": _LAYOUT,
    "font": {"color", "size", "face"},
    "img": {"src", "alt", "width", "height", "title", "style"},
    "a": {"href", "title", "style"},
}
#: No position, no url(): nothing that leaves its place or asks another host.
_STYLE_NAMES = """
    color background-color font-weight font-style font-size font-family text-align text-decoration line-height
    vertical-align width max-width height padding padding-left padding-right padding-top padding-bottom
    margin margin-left margin-right margin-top margin-bottom border border-collapse border-top border-bottom
    border-left border-right border-color border-style border-width white-space
"""
_STYLES = set(_STYLE_NAMES.split())
_ASKS_A_HOST = re.compile(r"url\s*\(|image-set|expression\s*\(|@import|\\", re.IGNORECASE)


class _Images:
    """The pictures of one mail that its HTML may show, and how many bytes of them."""

    def __init__(self, images: Mapping[str, tuple[str, bytes]], limits: Limits) -> None:
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


def sanitized(html: str, images: Mapping[str, tuple[str, bytes]], limits: Limits) -> str:
    """Clean HTML. `images`: Content-ID → (type, bytes) for `cid:` sources; other images only by https or data:."""
    before = _images.set(_Images(images, limits))
    try:
        return _CLEANER.clean(html)
    finally:
        _images.reset(before)


def _keep(tag: str, name: str, value: str) -> str | None:
    if name == "style":
        # Most styles have none of these signs, without which the pattern finds nothing.
        suspect = "(" in value or "-" in value or "@" in value or "\\" in value
        return None if suspect and _ASKS_A_HOST.search(value) else value
    if name == "src":
        source = value.strip()
        if source[:4].lower() == "cid:":
            return _images.get().embedded(source[4:].strip("<>"))
        return source if source[:8].lower() == "https://" or _DATA_IMAGE.match(source) else None
    # Only images may come from the mail itself; a link to data: is a page of the sender's.
    return None if value.strip().lower().startswith(("data:", "cid:")) else value


# Made once: its tables take longer to build than an ordinary mail to clean.
_CLEANER = nh3.Cleaner(
    tags=set(_TAGS),
    clean_content_tags={"script", "style", "title", "noscript", "template"},
    attributes=_ATTRIBUTES,
    attribute_filter=_keep,
    url_schemes={"https", "http", "mailto", "tel", "cid", "data"},
    url_relative="deny",
    filter_style_properties=_STYLES,
    link_rel="noopener noreferrer nofollow",
)
