"""Takes images out of the `data:` URIs of HTML, before the size of the HTML counts: they may be most of it."""

import binascii
import re
from base64 import b64decode
from collections.abc import Mapping

from worker.reading.limits import ReadingLimits

#: Shorter URIs stay where they are.
SHORT = 1_000
#: Images that are kept; the content of others is removed.
MOST = 200

_URI = re.compile(
    rb"data:([a-z0-9.+-]{1,40}/[a-z0-9.+-]{1,60})((?:;[a-z0-9=.+_-]{1,60}){0,3}),"
    rb"([A-Za-z0-9+/=%_-]*+(?:[ \t]{0,8}\r?\n[ \t]{0,8}[A-Za-z0-9+/=]{20,}+)*+)",
    re.IGNORECASE,
)
_NAME = "data-%d@html"

#: Content-ID → (type, Base64).
DataImages = dict[str, tuple[str, bytes]]


def take_out_images(html: bytes, images: DataImages) -> bytes:
    """Return the HTML with `cid:` in the place of long `data:` URIs; add the images that these name to *images*."""
    if b"data:" not in html:
        return html

    def replace(found: re.Match[bytes]) -> bytes:
        if len(found[3]) < SHORT:
            return found[0]
        kind = found[1].decode("ascii").lower()
        if not kind.startswith("image/") or b"base64" not in found[2].lower() or len(images) >= MOST:
            return b"data:,"
        name = _NAME % (len(images) + 1)
        images[name] = kind, found[3]
        return b"cid:" + name.encode("ascii")

    return _URI.sub(replace, html)


def decode_images(images: DataImages, limits: ReadingLimits) -> Mapping[str, tuple[str, bytes]]:
    """Return Content-ID → (type, bytes) of the images that fit into the limits."""
    out: dict[str, tuple[str, bytes]] = {}
    left = limits.images_bytes
    for name, (kind, encoded) in images.items():
        if len(encoded) * 3 // 4 > min(left, limits.image_bytes) + 3:
            continue
        try:
            out[name] = kind, b64decode(encoded)
        except (binascii.Error, ValueError):
            continue
        left -= len(out[name][1])
    return out
